//! Points: two figures of each thing against each other, with the ones to look at named.

use anyhow::{Context, Result};
use plotters::prelude::*;

use super::axis::{Axis, Foot};
use super::element::{MARKER, Marker, Shape, Symbol};
use super::labels::{Crowd, Point, Spot};
use super::page::{Area, Chart, GAP, Page, Words};
use super::palette::{GREY, INK, SERIES, SOFT_INK};
use super::plane::Plane;
use super::text::{Anchor, Type};

/// What a scatter chart says, before it has a size.
#[derive(Clone, Debug)]
pub struct Points {
    pub title: String,
    pub subtitle: String,
    pub x: Axis,
    pub y: Axis,
    /// What the dots' kinds are called, at most eight; with none, all dots are of one kind without a legend.
    pub kinds: Vec<String>,
    pub dots: Vec<Dot>,
    /// What the line through the dots in front is called, where lower is better on both axes (a Pareto front).
    pub front: Option<String>,
    /// What the line of equal figures on both axes is called.
    pub diagonal: Option<String>,
    /// What cannot be shown, and why: one paragraph each.
    pub notes: Vec<String>,
}

/// One dot.
#[derive(Clone, Debug)]
pub struct Dot {
    pub name: String,
    /// Across and up, in the axes' units. A dot of which one is no number is left out.
    pub at: (f64, f64),
    /// Index into the chart's kinds.
    pub kind: usize,
    /// Named and in full colour. Where no dot is, all are drawn in full colour without names.
    pub front: bool,
}

/// Height of a name's box in pixels.
const NAME_HEIGHT: i32 = 15;

impl Points {
    /// The chart as SVG; `None` where there is no dot.
    ///
    /// # Errors
    /// When the embedded font cannot be read.
    pub fn draw(&self) -> Result<Option<String>> {
        let sheet = Sheet::measure(self)?;
        if sheet.dots.is_empty() {
            return Ok(None);
        }
        let words = Words {
            title: &self.title,
            subtitle: &self.subtitle,
            legend: &self.legend(),
            notes: &sheet.notes,
        };
        Page::around(&words, sheet.plane.size())?
            .paint(&self.alt(), |area| sheet.draw(area))
            .map(Some)
    }

    /// The chart in words: its title, its axes, and the dots in front with their figures.
    pub fn alt(&self) -> String {
        let dots = self.dots.iter().filter(|dot| dot.front);
        let named: Vec<String> = dots
            .map(|dot| {
                let (x, y) = dot.at;
                format!("{} ({}, {})", dot.name, self.x.label(x), self.y.label(y))
            })
            .collect();
        let named = match named.as_slice() {
            [] => String::new(),
            named => format!(" In front: {}.", named.join("; ")),
        };
        format!(
            "Scatter chart. {}. {} {} against {}, {} points.{named}",
            self.title,
            self.subtitle,
            self.y.words,
            self.x.words,
            self.dots.len()
        )
    }

    fn legend(&self) -> Vec<(Symbol, String)> {
        let kinds = self.kinds.iter().zip(SERIES);
        let kinds =
            kinds.map(|(words, (color, shape))| (Symbol::Marker(shape, color), words.clone()));
        let line =
            |color, words: &Option<String>| words.clone().map(|words| (Symbol::Line(color), words));
        kinds
            .chain(line(SERIES[0].0, &self.front))
            .chain(line(GREY, &self.diagonal))
            .collect()
    }

    /// Colour and shape of a dot.
    fn look(&self, dot: &Dot) -> (RGBColor, Shape) {
        let (color, shape) = SERIES[dot.kind % SERIES.len()];
        let all_in_front = !self.dots.iter().any(|dot| dot.front);
        match (dot.front || all_in_front, self.kinds.len()) {
            (true, _) => (color, shape),
            (false, 0 | 1) => (GREY, Shape::Dot),
            (false, _) => (pale(color), shape),
        }
    }
}

/// Half way to white.
fn pale(color: RGBColor) -> RGBColor {
    let half = |part: u8| part / 2 + 127;
    RGBColor(half(color.0), half(color.1), half(color.2))
}

/// A scatter chart with its measures.
struct Sheet<'p> {
    points: &'p Points,
    dots: Vec<&'p Dot>,
    plane: Plane<'p>,
    /// The names that found a place: at which dot, where, and where a leader ends.
    names: Vec<(&'p Dot, Spot, Option<Point>)>,
    notes: Vec<String>,
}

impl<'p> Sheet<'p> {
    fn measure(points: &'p Points) -> Result<Sheet<'p>> {
        let is_number = |dot: &&Dot| dot.at.0.is_finite() && dot.at.1.is_finite();
        let dots: Vec<&Dot> = points.dots.iter().filter(is_number).collect();
        let places: Vec<(f64, f64)> = dots.iter().map(|dot| dot.at).collect();
        let mut plane = Plane::over((&points.x, Foot::Around), &points.y, &places)?;
        let names = dots.iter().filter(|dot| dot.front).map(|dot| &dot.name);
        plane.frame.right = plane.frame.right.max(Type::SMALL.widest(names)? / 2 + GAP);
        let mut sheet = Sheet {
            points,
            dots,
            plane,
            names: Vec::new(),
            notes: points.notes.clone(),
        };
        sheet.place_names()?;
        Ok(sheet)
    }

    /// Finds places for the names of the dots in front, crowded dots last, and notes which have none.
    fn place_names(&mut self) -> Result<()> {
        let dots: Vec<Point> = self.dots.iter().map(|dot| self.plane.at(dot.at)).collect();
        let front: Vec<Point> = self
            .stairs()
            .into_iter()
            .map(|at| self.plane.at(at))
            .collect();
        let diagonal = self.diagonal().map(|ends| ends.map(|at| self.plane.at(at)));
        let lines: Vec<(Point, Point)> = front
            .windows(2)
            .map(|two| (two[0], two[1]))
            .chain(diagonal.map(|[from, to]| (from, to)))
            .collect();
        let mut bounds = self.plane.inside();
        bounds.right += self.plane.frame.right - GAP;
        let mut crowd = Crowd {
            bounds,
            dots: &dots,
            lines: &lines,
            taken: Vec::new(),
            leaders: Vec::new(),
        };
        let mut without = Vec::new();
        for dot in self.dots.iter().copied().filter(|dot| dot.front) {
            let size = (Type::SMALL.width(&dot.name)?, NAME_HEIGHT);
            match crowd.place(self.plane.at(dot.at), size) {
                Some((spot, leader)) => self.names.push((dot, spot, leader)),
                None => without.push(dot.name.as_str()),
            }
        }
        if !without.is_empty() {
            self.notes.push(format!(
                "In front, without room for a name: {}.",
                without.join(", ")
            ));
        }
        Ok(())
    }

    fn draw(&self, area: &Area) -> Result<()> {
        let mut chart = self.plane.draw(area)?;
        if let Some(ends) = self.diagonal() {
            chart
                .draw_series(LineSeries::new(ends, GREY.stroke_width(2)))
                .context("draw the diagonal")?;
        }
        let front = SERIES[0].0.mix(0.6).stroke_width(2);
        chart
            .draw_series(LineSeries::new(self.stairs(), front))
            .context("draw the front")?;
        // What is in front lies on top.
        let mut dots = self.dots.clone();
        dots.sort_by_key(|dot| dot.front);
        for dot in dots {
            let (color, shape) = self.points.look(dot);
            let marker = |at, _, _| Marker { at, shape, color };
            chart
                .draw_series(PointSeries::of_element([dot.at], MARKER, color, &marker))
                .context("draw a point")?;
        }
        self.draw_names(&mut chart)
    }

    fn draw_names(&self, chart: &mut Chart) -> Result<()> {
        for (dot, spot, leader) in &self.names {
            let (x, y) = self.plane.at(dot.at);
            let from_dot = |(to_x, to_y): Point| (to_x - x, to_y - y);
            let leader = leader.map(|end| vec![(0, 0), from_dot(end)]);
            let leader = PathElement::new(leader.unwrap_or_default(), SOFT_INK.stroke_width(1));
            let style = Type::SMALL.style(INK, Anchor::Middle);
            let name = Text::new(dot.name.clone(), from_dot(spot.middle()), style);
            chart
                .draw_series([EmptyElement::at(dot.at) + leader + name])
                .context("name a point")?;
        }
        Ok(())
    }

    /// The front as a staircase: everything above and right of it is worse than one of its dots in both figures.
    ///
    /// A dot in front that another beats in both is named and not on it.
    fn stairs(&self) -> Vec<(f64, f64)> {
        if self.points.front.is_none() {
            return Vec::new();
        }
        let front = self.dots.iter().filter(|dot| dot.front);
        let mut front: Vec<(f64, f64)> = front.map(|dot| dot.at).collect();
        front.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let mut stairs: Vec<(f64, f64)> = Vec::new();
        for (x, y) in front {
            match stairs.last() {
                Some((_, lowest)) if y >= *lowest => continue,
                Some((_, lowest)) => stairs.push((x, *lowest)),
                None => {}
            }
            stairs.push((x, y));
        }
        stairs
    }

    /// The ends of the line on which both figures are the same, within both axes.
    fn diagonal(&self) -> Option<[(f64, f64); 2]> {
        self.points.diagonal.as_ref()?;
        let (x, y) = (self.plane.x.range(), self.plane.y.range());
        let (low, high) = (x.start.max(y.start), x.end.min(y.end));
        (low < high).then_some([(low, low), (high, high)])
    }
}
