//! Plots: a chart's figures and words as data, drawn with plotters as SVG, and as PNG from that.

use anyhow::Result;

mod axis;
mod bars;
mod element;
#[cfg(test)]
pub mod examples;
mod labels;
mod lines;
mod page;
pub mod palette;
mod plane;
mod png;
mod points;
mod rows;
#[cfg(test)]
pub mod tests;
mod text;
pub mod ticks;

pub use axis::{Axis, Spacing};
pub use bars::{Bar, Bars, Group};
pub use element::Fill;
pub use lines::{Lines, Mark, Series};
pub use points::{Dot, Points};

/// A chart of one of three kinds.
#[derive(Clone, Debug)]
pub enum Plot {
    Bars(Bars),
    Points(Points),
    Lines(Lines),
}

impl Plot {
    /// The chart as SVG; `None` where there is nothing to show.
    ///
    /// # Errors
    /// When the embedded font cannot be read.
    pub fn svg(&self) -> Result<Option<String>> {
        match self {
            Plot::Bars(bars) => bars.draw(),
            Plot::Points(points) => points.draw(),
            Plot::Lines(lines) => lines.draw(),
        }
    }

    /// The picture of an SVG that `svg` returned, as PNG of twice its size.
    ///
    /// # Errors
    /// When the text is no SVG or has no size.
    pub fn png(svg: &str) -> Result<Vec<u8>> {
        png::png(svg)
    }

    /// What the chart shows, in sentences for those who can't see it. The SVG has it as its description.
    pub fn alt(&self) -> String {
        match self {
            Plot::Bars(bars) => bars.alt(),
            Plot::Points(points) => points.alt(),
            Plot::Lines(lines) => lines.alt(),
        }
    }
}
