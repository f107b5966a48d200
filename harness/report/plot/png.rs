//! A chart's picture: its SVG, laid out with the embedded font, as PNG.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result};
use resvg::{tiny_skia, usvg};

/// Pixels of a PNG for each pixel of its SVG: sharp in print and on dense screens.
const PNG_ZOOM: f32 = 2.0;

/// An SVG as laid out with the embedded font.
pub fn layout(svg: &str) -> Result<usvg::Tree> {
    // Read once: a report has hundreds of charts.
    static FONTS: OnceLock<Arc<usvg::fontdb::Database>> = OnceLock::new();
    let fonts = FONTS.get_or_init(|| {
        let mut fonts = usvg::fontdb::Database::new();
        for face in [dejavu::sans::regular(), dejavu::sans::bold()] {
            fonts.load_font_data(face.to_vec());
        }
        Arc::new(fonts)
    });
    let options = usvg::Options {
        fontdb: Arc::clone(fonts),
        ..usvg::Options::default()
    };
    usvg::Tree::from_str(svg, &options).context("read the SVG back")
}

/// The SVG's picture as PNG.
pub fn png(svg: &str) -> Result<Vec<u8>> {
    let tree = layout(svg)?;
    let size = tree
        .size()
        .to_int_size()
        .scale_by(PNG_ZOOM)
        .context("a picture without size")?;
    let mut picture =
        tiny_skia::Pixmap::new(size.width(), size.height()).context("a picture without size")?;
    let zoom = tiny_skia::Transform::from_scale(PNG_ZOOM, PNG_ZOOM);
    resvg::render(&tree, zoom, &mut picture.as_mut());
    encode(&picture).context("write the picture as PNG")
}

/// The picture as a PNG. A chart has few colours: with a palette it is half as long, and made in half the time.
fn encode(picture: &tiny_skia::Pixmap) -> Result<Vec<u8>> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, picture.width(), picture.height());
    // The other filters predict photographs.
    encoder.set_filter(png::Filter::NoFilter);
    encoder.set_deflate_compression(png::DeflateCompression::Level(6));
    let pixels = match indexed(picture) {
        Some((colours, pixels)) => {
            encoder.set_color(png::ColorType::Indexed);
            encoder.set_palette(colours.concat());
            pixels
        }
        None => {
            encoder.set_color(png::ColorType::Rgb);
            picture.pixels().iter().flat_map(rgb).collect()
        }
    };
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(file)
}

/// Red, green and blue: a chart's ground is opaque, and so is all that is drawn on it.
fn rgb(pixel: &tiny_skia::PremultipliedColorU8) -> [u8; 3] {
    [pixel.red(), pixel.green(), pixel.blue()]
}

/// The picture's colours in the order in which they first appear, and for each pixel the number of its colour; nothing
/// if they are more than a palette holds.
fn indexed(picture: &tiny_skia::Pixmap) -> Option<(Vec<[u8; 3]>, Vec<u8>)> {
    let mut numbers = HashMap::new();
    let mut colours = Vec::new();
    let mut pixels = Vec::with_capacity(picture.pixels().len());
    // Most pixels are as the one before.
    let mut last = None;
    for pixel in picture.pixels() {
        let colour = rgb(pixel);
        let number = match last {
            Some((before, number)) if before == colour => number,
            _ => *match numbers.entry(colour) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    let number = u8::try_from(colours.len()).ok()?;
                    colours.push(colour);
                    new.insert(number)
                }
            },
        };
        last = Some((colour, number));
        pixels.push(number);
    }
    Some((colours, pixels))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A square of 300 x 300 whose pixel (x, y) is of the colour that `paint` says.
    fn square(paint: impl Fn(usize, usize) -> [u8; 3]) -> (tiny_skia::Pixmap, Vec<u8>) {
        let mut picture = tiny_skia::Pixmap::new(300, 300).unwrap();
        let mut wanted = Vec::new();
        for (at, pixel) in picture.pixels_mut().iter_mut().enumerate() {
            let [red, green, blue] = paint(at % 300, at / 300);
            *pixel = tiny_skia::PremultipliedColorU8::from_rgba(red, green, blue, 255).unwrap();
            wanted.extend([red, green, blue]);
        }
        (picture, wanted)
    }

    /// The pixels of a PNG, and whether it has a palette.
    fn read(file: &[u8]) -> (Vec<u8>, bool) {
        let mut decoder = png::Decoder::new(std::io::Cursor::new(file));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let indexed = reader.info().palette.is_some();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        (pixels, indexed)
    }

    #[test]
    fn a_picture_is_read_back_with_a_palette_of_256_colours_and_without_one() {
        for (colours, palette) in [(1, true), (256, true), (257, false)] {
            let (picture, wanted) = square(|x, y| {
                let at = (y * 300 + x) % colours;
                [(at % 256) as u8, (at / 256) as u8, 7]
            });
            let (pixels, indexed) = read(&encode(&picture).unwrap());
            assert!(pixels == wanted, "{colours} colours");
            assert_eq!(indexed, palette, "{colours} colours");
        }
    }
}
