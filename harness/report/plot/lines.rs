//! Lines: how a figure changes along a size, a count or the releases, one line for each series.

use anyhow::{Context, Result};
use plotters::prelude::*;

use super::axis::{Axis, Foot};
use super::element::{MARKER, Marker, Shape};
use super::labels::{above, apart};
use super::page::{Area, Chart, GAP, Page, Words};
use super::palette::{GREY, INK, SERIES, SOFT_INK};
use super::plane::Plane;
use super::text::{Anchor, Type};

/// What a line chart says, before it has a size.
#[derive(Clone, Debug)]
pub struct Lines {
    pub title: String,
    pub subtitle: String,
    pub x: Axis,
    pub y: Axis,
    pub series: Vec<Series>,
    pub marks: Vec<Mark>,
    /// What cannot be shown, and why: one paragraph each.
    pub notes: Vec<String>,
}

/// One line.
#[derive(Clone, Debug)]
pub struct Series {
    pub name: String,
    /// Along and up, in the axes' units. Values that are no numbers are left out.
    pub points: Vec<(f64, f64)>,
    /// Drawn in colour and named at its end. The others, and those beyond the eighth, are grey and named beneath.
    pub front: bool,
}

/// A place along the horizontal axis that has a name: a knee, a cliff.
#[derive(Clone, Debug)]
pub struct Mark {
    pub at: f64,
    pub words: String,
}

/// Pixels from the plot's end to the marker before a line's name: room for a leader.
const LEADER: i32 = 24;
/// From the line of one name to the next.
const PITCH: i32 = 17;

impl Lines {
    /// The chart as SVG; `None` where there is no point.
    ///
    /// # Errors
    /// When the embedded font cannot be read.
    pub fn draw(&self) -> Result<Option<String>> {
        let sheet = Sheet::measure(self)?;
        if sheet.series.iter().all(|series| series.points.is_empty()) {
            return Ok(None);
        }
        let words = Words {
            title: &self.title,
            subtitle: &self.subtitle,
            legend: &[],
            notes: &sheet.notes(),
        };
        Page::around(&words, sheet.plane.size())?
            .paint(&self.alt(), |area| sheet.draw(area))
            .map(Some)
    }

    /// The chart in words: its title, its axes, and where each line in the foreground begins and ends.
    pub fn alt(&self) -> String {
        let point = |(x, y): &(f64, f64)| format!("{} at {}", self.y.label(*y), self.x.label(*x));
        let lines: Vec<String> = in_looks(&self.series)
            .into_iter()
            .filter(|series| series.look.is_some())
            .map(|series| match series.points.as_slice() {
                [] => format!("{} has no figures", series.name),
                [only] => format!("{}: {}", series.name, point(only)),
                [first, .., last] => {
                    format!("{} from {} to {}", series.name, point(first), point(last))
                }
            })
            .collect();
        format!(
            "Line chart. {}. {} {} over {}: {}.",
            self.title,
            self.subtitle,
            self.y.words,
            self.x.words,
            lines.join("; ")
        )
    }
}

/// A series as it is drawn: its points in order, and its look where it is in the foreground.
struct Drawn<'s> {
    name: &'s str,
    points: Vec<(f64, f64)>,
    look: Option<(RGBColor, Shape)>,
}

fn in_looks(series: &[Series]) -> Vec<Drawn<'_>> {
    let mut looks = SERIES.into_iter();
    let drawn = series.iter().map(|series| {
        let is_number = |(x, y): &(f64, f64)| x.is_finite() && y.is_finite();
        let mut points: Vec<_> = series.points.iter().copied().filter(is_number).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        // A line without points uses up no look.
        let in_front = series.front && !points.is_empty();
        Drawn {
            name: &series.name,
            points,
            look: if in_front { looks.next() } else { None },
        }
    });
    drawn.collect()
}

/// A line chart with its measures.
struct Sheet<'l> {
    lines: &'l Lines,
    series: Vec<Drawn<'l>>,
    plane: Plane<'l>,
    /// Where the words of each mark begin, in pixels from its line, and in which row above the plot.
    marks: Vec<(i32, i32)>,
}

impl<'l> Sheet<'l> {
    fn measure(lines: &'l Lines) -> Result<Sheet<'l>> {
        let series = in_looks(&lines.series);
        let mut points: Vec<(f64, f64)> = Vec::new();
        points.extend(series.iter().flat_map(|series| &series.points));
        // A mark has a place along the axis and no height.
        points.extend(lines.marks.iter().map(|mark| (mark.at, f64::NAN)));
        let mut plane = Plane::over((&lines.x, Foot::Tight), &lines.y, &points)?;
        let names = series.iter().filter(|series| series.look.is_some());
        let widest = Type::SMALL.widest(names.map(|series| series.name))?;
        plane.frame.right = plane.frame.right.max(LEADER + 2 * GAP + widest);
        let mut sheet = Sheet {
            lines,
            series,
            plane,
            marks: Vec::new(),
        };
        sheet.place_marks()?;
        Ok(sheet)
    }

    /// Finds places for the words of the marks above the plot, which grows for them.
    fn place_marks(&mut self) -> Result<()> {
        let frame = &self.plane.frame;
        let room = -frame.left..self.plane.inside().right + frame.right;
        let mut marks = Vec::new();
        for mark in &self.lines.marks {
            let width = Type::SMALL.width(&mark.words)?;
            marks.push((self.plane.at((mark.at, 0.0)).0, width));
        }
        self.marks = above(&marks, room);
        if let Some(highest) = self.marks.iter().map(|(_, row)| *row).max() {
            self.plane.frame.top = (highest + 1) * Type::SMALL.leading() + GAP;
        }
        Ok(())
    }

    /// The chart's notes, and which series are grey or have nothing to draw.
    fn notes(&self) -> Vec<String> {
        let mut notes = self.lines.notes.clone();
        let named = |is: &dyn Fn(&Drawn) -> bool| {
            let names: Vec<&str> = self
                .series
                .iter()
                .filter(|series| is(series))
                .map(|series| series.name)
                .collect();
            names.join(", ")
        };
        for (how, names) in [
            (
                "In grey",
                named(&|series| series.look.is_none() && !series.points.is_empty()),
            ),
            ("Without figures", named(&|series| series.points.is_empty())),
        ] {
            if !names.is_empty() {
                notes.push(format!("{how}: {names}."));
            }
        }
        notes
    }

    fn draw(&self, area: &Area) -> Result<()> {
        let mut chart = self.plane.draw(area)?;
        self.draw_marks(&mut chart)?;
        let (front, grey): (Vec<_>, Vec<_>) =
            self.series.iter().partition(|series| series.look.is_some());
        for series in grey {
            draw_line(&mut chart, series, GREY, Shape::Dot, 1)?;
        }
        for series in front.iter().rev() {
            if let Some((color, shape)) = series.look {
                draw_line(&mut chart, series, color, shape, 2)?;
            }
        }
        self.draw_names(&mut chart, &front)
    }

    fn draw_marks(&self, chart: &mut Chart) -> Result<()> {
        let range = self.plane.y.range();
        for (mark, (shift, row)) in self.lines.marks.iter().zip(&self.marks) {
            let ends = [(mark.at, range.start), (mark.at, range.end)];
            let style = SOFT_INK.stroke_width(1);
            chart
                .draw_series(DashedLineSeries::new(ends, 5, 4, style))
                .context("draw a mark")?;
            let up = -GAP - row * Type::SMALL.leading();
            let words = Text::new(
                mark.words.clone(),
                (*shift, up),
                Type::SMALL.style(INK, Anchor::Start),
            );
            chart
                .draw_series([EmptyElement::at((mark.at, range.end)) + words])
                .context("write a mark")?;
        }
        Ok(())
    }

    /// Each line's name beside its end, with its marker, and a leader to it.
    fn draw_names(&self, chart: &mut Chart, front: &[&Drawn]) -> Result<()> {
        let ends: Vec<_> = front
            .iter()
            .filter_map(|series| Some((*series, *series.points.last()?, series.look?)))
            .collect();
        let wanted: Vec<i32> = ends
            .iter()
            .map(|(_, end, _)| self.plane.at(*end).1)
            .collect();
        let inside = self.plane.inside();
        let places = apart(&wanted, PITCH, inside.top..inside.bottom);
        for ((series, end, (color, shape)), y) in ends.into_iter().zip(places) {
            let from = self.plane.at(end);
            let to = (inside.right + LEADER - from.0, y - from.1);
            let leader = PathElement::new(vec![(0, 0), to], color.mix(0.5).stroke_width(1));
            let marker = Marker {
                at: to,
                shape,
                color,
            };
            let style = Type::SMALL.style(INK, Anchor::Start);
            let name = Text::new(
                series.name.to_string(),
                (to.0 + MARKER + GAP / 2, to.1),
                style,
            );
            chart
                .draw_series([EmptyElement::at(end) + leader + marker + name])
                .context("name a line")?;
        }
        Ok(())
    }
}

fn draw_line(
    chart: &mut Chart,
    series: &Drawn,
    color: RGBColor,
    shape: Shape,
    width: u32,
) -> Result<()> {
    let points = || series.points.iter().copied();
    chart
        .draw_series(LineSeries::new(points(), color.stroke_width(width)))
        .context("draw a line")?;
    chart
        .draw_series(PointSeries::of_element(
            points(),
            MARKER,
            color,
            &|at, _, _| Marker { at, shape, color },
        ))
        .context("draw the points of a line")?;
    Ok(())
}
