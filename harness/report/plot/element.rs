//! The elements that plotters lacks: a box with an outline and a hatch, markers of eight shapes, and legend symbols.

use std::array;
use std::iter::{Once, once};

use plotters::element::{Drawable, DynElement, IntoDynElement, PointCollection};
use plotters::prelude::*;
use plotters_backend::{BackendCoord, DrawingErrorKind};

/// How an area is filled: its colour and its outline, with diagonal lines as a cue that needs no colour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fill {
    pub area: RGBColor,
    pub line: RGBColor,
    pub hatched: bool,
}

/// A filled box between two corners; one without width stays a line, so that a zero is seen.
pub struct FilledBox<C> {
    pub corners: [C; 2],
    pub fill: Fill,
}

impl<'a, C: Clone + 'a> PointCollection<'a, C> for &'a FilledBox<C> {
    type Point = C;
    type IntoIter = array::IntoIter<C, 2>;

    fn point_iter(self) -> Self::IntoIter {
        self.corners.clone().into_iter()
    }
}

impl<C, DB: DrawingBackend> Drawable<DB> for FilledBox<C> {
    fn draw<I: Iterator<Item = BackendCoord>>(
        &self,
        mut corners: I,
        backend: &mut DB,
        _: (u32, u32),
    ) -> Result<(), DrawingErrorKind<DB::ErrorType>> {
        let (Some(a), Some(b)) = (corners.next(), corners.next()) else {
            return Ok(());
        };
        let (from, to) = ((a.0.min(b.0), a.1.min(b.1)), (a.0.max(b.0), a.1.max(b.1)));
        backend.draw_rect(from, to, &self.fill.area, true)?;
        if self.fill.hatched {
            backend.draw_path(hatch(from, to), &self.fill.line)?;
        }
        let outline = [from, (to.0, from.1), to, (from.0, to.1), from];
        backend.draw_path(outline, &self.fill.line)
    }
}

/// One line that zigzags through a box along its diagonals: a tenth of the SVG that single strokes would take.
fn hatch((left, top): BackendCoord, (right, bottom): BackendCoord) -> Vec<BackendCoord> {
    const STEP: usize = 6;
    let (width, height) = (right - left, bottom - top);
    let mut points: Vec<BackendCoord> = Vec::new();
    for (at, reach) in (STEP as i32..width + height).step_by(STEP).enumerate() {
        let upper = (left + reach.min(width), top + (reach - width).max(0));
        let lower = (left + (reach - height).max(0), top + reach.min(height));
        let (start, end, corner) = if at % 2 == 0 {
            (lower, upper, (left, bottom))
        } else {
            (upper, lower, (right, top))
        };
        // From one diagonal to the next the line follows the outline, around a corner where one lies between.
        let around = |last: &BackendCoord| last.0 != start.0 && last.1 != start.1;
        if points.last().is_some_and(around) {
            points.push(corner);
        }
        points.extend([start, end]);
    }
    points
}

/// What a marker looks like, so that series are told apart without their colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Disc,
    Square,
    Triangle,
    Diamond,
    Ring,
    Frame,
    Wedge,
    Cross,
    /// A disc of half the size, for what stays in the background.
    Dot,
}

/// One point of a series.
pub struct Marker<C> {
    pub at: C,
    pub shape: Shape,
    pub color: RGBColor,
}

impl<'a, C: 'a> PointCollection<'a, C> for &'a Marker<C> {
    type Point = &'a C;
    type IntoIter = Once<&'a C>;

    fn point_iter(self) -> Self::IntoIter {
        once(&self.at)
    }
}

/// Half the width of a marker in pixels.
pub const MARKER: i32 = 5;

impl<C, DB: DrawingBackend> Drawable<DB> for Marker<C> {
    fn draw<I: Iterator<Item = BackendCoord>>(
        &self,
        mut at: I,
        backend: &mut DB,
        _: (u32, u32),
    ) -> Result<(), DrawingErrorKind<DB::ErrorType>> {
        let Some((x, y)) = at.next() else {
            return Ok(());
        };
        let color = self.color;
        let thick = color.stroke_width(2);
        let around = |offsets: &[BackendCoord]| -> Vec<BackendCoord> {
            offsets.iter().map(|(dx, dy)| (x + dx, y + dy)).collect()
        };
        let (low, high) = ((x - 4, y - 4), (x + 4, y + 4));
        match self.shape {
            Shape::Disc => backend.draw_circle((x, y), 5, &color, true),
            Shape::Dot => backend.draw_circle((x, y), 3, &color, true),
            Shape::Ring => {
                backend.draw_circle((x, y), 4, &WHITE, true)?;
                backend.draw_circle((x, y), 4, &thick, false)
            }
            Shape::Square => backend.draw_rect(low, high, &color, true),
            Shape::Frame => {
                backend.draw_rect(low, high, &WHITE, true)?;
                let outline = [(-4, -4), (4, -4), (4, 4), (-4, 4), (-4, -4), (4, -4)];
                backend.draw_path(around(&outline), &thick)
            }
            Shape::Triangle => backend.fill_polygon(around(&[(0, -6), (6, 5), (-6, 5)]), &color),
            Shape::Wedge => backend.fill_polygon(around(&[(0, 6), (6, -5), (-6, -5)]), &color),
            Shape::Diamond => {
                backend.fill_polygon(around(&[(0, -6), (6, 0), (0, 6), (-6, 0)]), &color)
            }
            Shape::Cross => {
                backend.draw_path(around(&[(-4, -4), (4, 4)]), &thick)?;
                backend.draw_path(around(&[(-4, 4), (4, -4)]), &thick)
            }
        }
    }
}

/// What stands before a legend's words.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Symbol {
    Fill(Fill),
    Marker(Shape, RGBColor),
    Line(RGBColor),
}

/// Width of a legend symbol in pixels.
pub const SYMBOL: i32 = 22;

impl Symbol {
    /// The symbol with the middle of its left edge at a point.
    pub fn at<DB: DrawingBackend>(
        self,
        (x, y): BackendCoord,
    ) -> DynElement<'static, DB, BackendCoord> {
        let middle = (x + SYMBOL / 2, y);
        match self {
            Symbol::Fill(fill) => FilledBox {
                corners: [(x, y - 6), (x + SYMBOL, y + 6)],
                fill,
            }
            .into_dyn(),
            Symbol::Marker(shape, color) => Marker {
                at: middle,
                shape,
                color,
            }
            .into_dyn(),
            Symbol::Line(color) => {
                PathElement::new(vec![(x, y), (x + SYMBOL, y)], color.stroke_width(2)).into_dyn()
            }
        }
    }
}
