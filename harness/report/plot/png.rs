//! A chart's picture: its SVG, laid out with the embedded font, as PNG.

use anyhow::{Context, Result};
use resvg::{tiny_skia, usvg};

/// Pixels of a PNG for each pixel of its SVG: sharp in print and on dense screens.
const PNG_ZOOM: f32 = 2.0;

/// An SVG as laid out with the embedded font.
pub fn layout(svg: &str) -> Result<usvg::Tree> {
    let mut options = usvg::Options::default();
    for face in [dejavu::sans::regular(), dejavu::sans::bold()] {
        options.fontdb_mut().load_font_data(face.to_vec());
    }
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
    picture.encode_png().context("write the picture as PNG")
}
