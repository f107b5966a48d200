//! A plot with two axes of numbers, for lines and points: its coordinates, and its place on the page.

use anyhow::Result;
use plotters::prelude::*;

use super::axis::{Axis, Coord, Foot};
use super::labels::{Point, Spot};
use super::page::{AXIS_HEIGHT, Area, Chart, Frame, GAP, MARGIN, axes, axis_width, plot};
use super::text::Type;

/// Pixels.
const WIDTH: i32 = 640;
const HEIGHT: i32 = 400;

/// Two axes over values, measured but not yet drawn.
pub struct Plane<'p> {
    x_axis: &'p Axis,
    y_axis: &'p Axis,
    pub x: Coord,
    pub y: Coord,
    pub frame: Frame,
    height: i32,
}

impl<'p> Plane<'p> {
    /// The plane on which all points can be told apart.
    ///
    /// # Errors
    /// When the embedded font cannot be read.
    pub fn over(
        (x_axis, x_foot): (&'p Axis, Foot),
        y_axis: &'p Axis,
        points: &[(f64, f64)],
    ) -> Result<Plane<'p>> {
        let mut x = x_axis.coord(points.iter().map(|(x, _)| *x), x_foot);
        let y = y_axis.coord(points.iter().map(|(_, y)| *y), Foot::Around);
        x_axis.thin(&mut x, WIDTH)?;
        let labels = y.ticks().iter().map(|tick| y_axis.label(*tick));
        let last = x.ticks().last().map(|tick| x_axis.label(*tick));
        let frame = Frame {
            left: axis_width(labels, &y_axis.words)?,
            // Half of the last tick's label may reach over the plot's end.
            right: Type::SMALL.widest(last)? / 2,
            top: GAP,
            bottom: AXIS_HEIGHT,
        };
        Ok(Plane {
            height: HEIGHT.max(Type::LABEL.width(&y_axis.title(&y))? + GAP),
            x_axis,
            y_axis,
            x,
            y,
            frame,
        })
    }

    /// Where a point lies in the plot, in pixels from its top left corner.
    pub fn at(&self, (x, y): (f64, f64)) -> Point {
        (self.x.map(&x, (0, WIDTH)), self.y.map(&y, (self.height, 0)))
    }

    /// The plot itself, in pixels from its top left corner.
    pub fn inside(&self) -> Spot {
        Spot {
            left: 0,
            top: 0,
            right: WIDTH,
            bottom: self.height,
        }
    }

    /// The size of plot, axes and labels. A plotters area of n pixels has n - 1 steps from its first to its last.
    pub fn size(&self) -> (i32, i32) {
        let frame = &self.frame;
        (
            frame.left + WIDTH + 1 + frame.right.max(MARGIN),
            frame.top + self.height + 1 + frame.bottom,
        )
    }

    /// The plot on the page with its axes drawn.
    pub fn draw<'a>(&self, area: &Area<'a>) -> Result<Chart<'a>> {
        let frame = Frame {
            right: self.frame.right.max(MARGIN),
            ..self.frame
        };
        let mut chart = plot(area, frame, self.x.clone(), self.y.clone())?;
        axes(
            &mut chart,
            (&self.x_axis.title(&self.x), &|x| self.x_axis.label(*x)),
            (&self.y_axis.title(&self.y), &|y| self.y_axis.label(*y)),
        )?;
        Ok(chart)
    }
}
