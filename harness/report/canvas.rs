//! The drawing surface: text that can be measured, boxes, hatches and lines, written as SVG; and its picture as PNG.

use std::sync::LazyLock;

use anyhow::{Context, Result, anyhow, ensure};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use resvg::{tiny_skia, usvg};

/// One point on the surface, in pixels from the top left.
pub type Point = (i32, i32);

/// What the embedded face is called, then what a viewer without it may take: few faces are wider than DejaVu Sans,
/// so a label measured with it fits in most.
const FAMILY: &str = "DejaVu Sans, sans-serif";

/// plotters writes a text of size s with a font-size of s / 1.24 (plotters-svg 0.3.7, `draw_text`).
const PLOTTERS_TEXT: f64 = 1.24;

/// Pixels of a PNG for each pixel of its SVG: sharp in print and on dense screens.
const PNG_ZOOM: f32 = 2.0;

pub const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
pub const SOFT_INK: RGBColor = RGBColor(0x55, 0x55, 0x55);
pub const RULE: RGBColor = RGBColor(0xD4, 0xD4, 0xD4);
pub const BAND: RGBColor = RGBColor(0xF4, 0xF4, 0xF4);

/// How a piece of text looks: font size in pixels, and weight.
#[derive(Clone, Copy)]
pub struct Type {
    pub px: i32,
    pub bold: bool,
}

impl Type {
    pub const TITLE: Type = Type { px: 18, bold: true };
    pub const LABEL: Type = Type {
        px: 13,
        bold: false,
    };
    pub const SMALL: Type = Type {
        px: 12,
        bold: false,
    };

    /// Distance from one line of text to the next, in pixels.
    pub fn leading(self) -> i32 {
        self.px * 3 / 2
    }

    fn font(self) -> FontDesc<'static> {
        let style = if self.bold {
            FontStyle::Bold
        } else {
            FontStyle::Normal
        };
        FontDesc::new(
            FontFamily::Name(FAMILY),
            f64::from(self.px) * PLOTTERS_TEXT,
            style,
        )
    }

    /// Width of a line of text in pixels, rather too wide than too narrow.
    pub fn width(self, text: &str) -> Result<i32> {
        register_fonts()?;
        let (width, _) = self
            .font()
            .box_size(text)
            .map_err(|error| anyhow!("measure {text:?}: {error}"))?;
        Ok(width as i32)
    }

    /// Breaks a text into lines of at most `width` pixels, within a word only where the word is wider than that.
    pub fn wrap(self, text: &str, width: i32) -> Result<Vec<String>> {
        let mut lines = vec![String::new()];
        for word in text.split_whitespace() {
            let line = lines.last_mut().expect("there is always a line");
            let longer = if line.is_empty() {
                word.to_string()
            } else {
                format!("{line} {word}")
            };
            if self.width(&longer)? <= width {
                *line = longer;
                continue;
            }
            if !line.is_empty() {
                lines.push(String::new());
            }
            for letter in word.chars() {
                let line = lines.last_mut().expect("there is always a line");
                let longer = format!("{line}{letter}");
                if self.width(&longer)? <= width || line.is_empty() {
                    *line = longer;
                } else {
                    lines.push(letter.to_string());
                }
            }
        }
        Ok(lines)
    }
}

/// Where a text's point lies on it, left to right; top to bottom it is always the middle of its small letters.
#[derive(Clone, Copy)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

/// How an area is filled: its colour and its outline, with diagonal lines as a cue that needs no colour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fill {
    pub area: RGBColor,
    pub line: RGBColor,
    pub hatched: bool,
}

/// A white page of a given size.
pub struct Canvas<'a> {
    page: DrawingArea<SVGBackend<'a>, Shift>,
}

/// Draws a page of `width` x `height` pixels and returns it as SVG.
pub fn paint(
    (width, height): (i32, i32),
    draw: impl FnOnce(&Canvas) -> Result<()>,
) -> Result<String> {
    register_fonts()?;
    let mut svg = String::new();
    {
        let backend = SVGBackend::with_string(&mut svg, (width as u32, height as u32));
        let canvas = Canvas {
            page: backend.into_drawing_area(),
        };
        canvas.page.fill(&WHITE).context("fill the page")?;
        draw(&canvas)?;
        canvas.page.present().context("finish the page")?;
    }
    Ok(svg)
}

impl Canvas<'_> {
    pub fn text(
        &self,
        text: &str,
        at: Point,
        anchor: Anchor,
        look: Type,
        color: RGBColor,
    ) -> Result<()> {
        let h_pos = match anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        let style = look
            .font()
            .into_text_style(&self.page)
            .color(&color)
            .pos(Pos::new(h_pos, VPos::Center));
        self.page
            .draw(&Text::new(text.to_string(), at, style))
            .with_context(|| format!("write {text:?}"))
    }

    pub fn line(&self, from: Point, to: Point, color: RGBColor, width: u32) -> Result<()> {
        self.path(vec![from, to], color.stroke_width(width))
    }

    pub fn area(&self, from: Point, to: Point, color: RGBColor) -> Result<()> {
        self.page
            .draw(&Rectangle::new([from, to], color.filled()))
            .context("fill an area")
    }

    /// A filled box with its outline; one without width stays a line, so that a zero is seen.
    pub fn bar(&self, from: Point, to: Point, fill: Fill) -> Result<()> {
        self.area(from, to, fill.area)?;
        if fill.hatched {
            self.path(hatch(from, to), fill.line.stroke_width(1))?;
        }
        let outline = vec![from, (to.0, from.1), to, (from.0, to.1), from];
        self.path(outline, fill.line.stroke_width(1))
    }

    fn path(&self, points: Vec<Point>, style: ShapeStyle) -> Result<()> {
        self.page
            .draw(&PathElement::new(points, style))
            .context("draw a line")
    }
}

/// One line that zigzags through a box along its diagonals: a tenth of the SVG that single strokes would take.
fn hatch((left, top): Point, (right, bottom): Point) -> Vec<Point> {
    const STEP: usize = 6;
    let (width, height) = (right - left, bottom - top);
    let mut points: Vec<Point> = Vec::new();
    for (at, reach) in (STEP as i32..width + height).step_by(STEP).enumerate() {
        let upper = (left + reach.min(width), top + (reach - width).max(0));
        let lower = (left + (reach - height).max(0), top + reach.min(height));
        let (start, end, corner) = if at % 2 == 0 {
            (lower, upper, (left, bottom))
        } else {
            (upper, lower, (right, top))
        };
        // From one diagonal to the next the line follows the outline, around a corner where one lies between.
        let around = |last: &Point| last.0 != start.0 && last.1 != start.1;
        if points.last().is_some_and(around) {
            points.push(corner);
        }
        points.extend([start, end]);
    }
    points
}

fn register_fonts() -> Result<()> {
    static REGISTERED: LazyLock<bool> = LazyLock::new(|| {
        let faces = [
            (FontStyle::Normal, dejavu::sans::regular()),
            (FontStyle::Bold, dejavu::sans::bold()),
        ];
        faces
            .into_iter()
            .all(|(style, face)| plotters::style::register_font(FAMILY, style, face).is_ok())
    });
    ensure!(*REGISTERED, "the embedded font cannot be read");
    Ok(())
}

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
