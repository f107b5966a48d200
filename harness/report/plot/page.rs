//! A chart's page: title, subtitle and legend above the chart, notes beneath it. It grows with what is on it, so that
//! nothing is cut or overlaps.

use anyhow::{Context, Result};
use plotters::coord::Shift;
use plotters::prelude::*;

use super::axis::Coord;
use super::element::{SYMBOL, Symbol};
use super::palette::{INK, RULE, SOFT_INK};
use super::text::{Anchor, Type, register_fonts};

/// Around the page, in pixels.
pub const MARGIN: i32 = 32;
/// Between a text and what it belongs to, in pixels.
pub const GAP: i32 = 8;
/// Ticks, their labels and the axis' words beneath a plot, in pixels.
pub const AXIS_HEIGHT: i32 = 46;
/// Length of a tick mark; plotters puts the labels at twice that from the axis.
const TICK: i32 = 4;

/// A part of the page.
pub type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A plot with its axes.
pub type Chart<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<Coord, Coord>>;

/// What is written around a chart.
pub struct Words<'w> {
    pub title: &'w str,
    pub subtitle: &'w str,
    pub legend: &'w [(Symbol, String)],
    /// One paragraph each.
    pub notes: &'w [String],
}

/// A page with its texts broken into lines.
pub struct Page<'w> {
    width: i32,
    chart_height: i32,
    title: Vec<String>,
    subtitle: Vec<String>,
    legend: Legend<'w>,
    notes: Vec<String>,
}

impl<'w> Page<'w> {
    /// A page for a chart of `chart` pixels, width and height, axes and labels included.
    ///
    /// # Errors
    /// When the embedded font cannot be read.
    pub fn around(words: &Words<'w>, (width, chart_height): (i32, i32)) -> Result<Page<'w>> {
        let mut notes = Vec::new();
        for note in words.notes {
            notes.extend(Type::SMALL.wrap(note, width)?);
        }
        let legend = Legend::within(words.legend, width)?;
        Ok(Page {
            width: width.max(legend.width()),
            chart_height,
            title: Type::TITLE.wrap(words.title, width)?,
            subtitle: Type::LABEL.wrap(words.subtitle, width)?,
            legend,
            notes,
        })
    }

    /// Draws the page and what `draw` puts into the chart's area, and returns it as SVG.
    ///
    /// `alt` says to a screen reader what the picture shows.
    pub fn paint(&self, alt: &str, draw: impl FnOnce(&Area) -> Result<()>) -> Result<String> {
        register_fonts()?;
        let head = self.head_height();
        let foot = match self.notes.as_slice() {
            [] => 0,
            notes => GAP + height_of(notes, Type::SMALL),
        };
        let size = (
            (self.width + 2 * MARGIN) as u32,
            (head + self.chart_height + foot + 2 * MARGIN) as u32,
        );
        let mut svg = String::new();
        {
            let page = SVGBackend::with_string(&mut svg, size).into_drawing_area();
            page.fill(&WHITE).context("fill the page")?;
            let inner = page.margin(MARGIN, MARGIN, MARGIN, MARGIN);
            let (above, rest) = inner.split_vertically(head);
            let (chart, beneath) = rest.split_vertically(self.chart_height);
            self.draw_head(&above)?;
            draw(&chart)?;
            write_lines(&beneath, &self.notes, GAP, Type::SMALL, INK)?;
            page.present().context("finish the page")?;
        }
        Ok(described(&svg, alt))
    }

    fn head_height(&self) -> i32 {
        height_of(&self.title, Type::TITLE)
            + height_of(&self.subtitle, Type::LABEL)
            + GAP
            + self.legend.height()
            + GAP
    }

    fn draw_head(&self, area: &Area) -> Result<()> {
        let top = write_lines(area, &self.title, 0, Type::TITLE, INK)?;
        let top = write_lines(area, &self.subtitle, top, Type::LABEL, SOFT_INK)?;
        let (_, legend) = area.split_vertically(top + GAP);
        self.legend.draw(&legend)
    }
}

/// A legend's entries in as many columns of equal width as fit.
struct Legend<'w> {
    entries: &'w [(Symbol, String)],
    columns: i32,
    column_width: i32,
}

/// A symbol and the gap after it.
const BEFORE_WORDS: i32 = SYMBOL + GAP;

impl<'w> Legend<'w> {
    fn within(entries: &'w [(Symbol, String)], width: i32) -> Result<Legend<'w>> {
        let widest = Type::SMALL.widest(entries.iter().map(|(_, words)| words))?;
        let column_width = BEFORE_WORDS + widest + 3 * GAP;
        Ok(Legend {
            entries,
            columns: (width / column_width).clamp(1, entries.len().max(1) as i32),
            column_width,
        })
    }

    fn width(&self) -> i32 {
        self.columns * self.column_width
    }

    fn rows(&self) -> usize {
        self.entries.len().div_ceil(self.columns as usize)
    }

    fn height(&self) -> i32 {
        // plotters' distance between the lines of a legend: its font's size, of which 1 / 1.24 is seen, and a quarter.
        (self.rows() as f64 * f64::from(Type::SMALL.px) * 1.24 * 1.25).ceil() as i32
    }

    /// Each column is the legend of a chart without axes, as plotters draws it.
    fn draw(&self, area: &Area) -> Result<()> {
        if self.entries.is_empty() {
            return Ok(());
        }
        let cells = area
            .clone()
            .shrink((0, 0), (self.width(), self.height()))
            .split_evenly((1, self.columns as usize));
        for (cell, entries) in cells.iter().zip(self.entries.chunks(self.rows())) {
            let mut column = ChartBuilder::on(cell)
                .build_cartesian_2d(0..1, 0..1)
                .context("make room for the legend")?;
            for (symbol, words) in entries {
                column
                    .draw_series(std::iter::empty::<Pixel<(i32, i32)>>())
                    .context("add to the legend")?
                    .label(words)
                    .legend(|at| symbol.at(at));
            }
            column
                .configure_series_labels()
                .position(SeriesLabelPosition::Coordinate(0, 0))
                .margin(0)
                .legend_area_size(BEFORE_WORDS)
                .label_font(Type::SMALL.top(INK))
                .draw()
                .context("draw the legend")?;
        }
        Ok(())
    }
}

/// What lies between the edges of a chart's area and its plot, in pixels.
#[derive(Clone, Copy)]
pub struct Frame {
    pub left: i32,
    pub right: i32,
    pub top: i32,
    pub bottom: i32,
}

/// A plot with its two coordinates, without a stroke so far.
pub fn plot<'a>(area: &Area<'a>, frame: Frame, x: Coord, y: Coord) -> Result<Chart<'a>> {
    ChartBuilder::on(area)
        .margin_top(frame.top)
        .margin_right(frame.right)
        .set_label_area_size(LabelAreaPosition::Left, frame.left)
        .set_label_area_size(LabelAreaPosition::Bottom, frame.bottom)
        .build_cartesian_2d(x, y)
        .context("lay out the plot")
}

/// An axis' words, and how it words its ticks.
pub type Ruler<'r> = (&'r str, &'r dyn Fn(&f64) -> String);

/// The axes with their ticks, labels and words, and a line through the plot at each tick. Without words, the vertical
/// axis names rows and has no lines.
pub fn axes(chart: &mut Chart, (x_words, x): Ruler, (y_words, y): Ruler) -> Result<()> {
    let mut mesh = chart.configure_mesh();
    mesh.axis_style(INK)
        .bold_line_style(RULE)
        .light_line_style(TRANSPARENT)
        .set_all_tick_mark_size(TICK)
        .x_label_formatter(x)
        .y_label_formatter(y)
        .x_label_style(Type::SMALL.style(SOFT_INK, Anchor::Middle))
        .axis_desc_style(Type::LABEL.style(INK, Anchor::Middle))
        .x_desc(x_words);
    if y_words.is_empty() {
        mesh.disable_y_mesh()
            .y_label_style(Type::LABEL.style(INK, Anchor::End));
    } else {
        mesh.y_desc(y_words)
            .y_label_style(Type::SMALL.style(SOFT_INK, Anchor::End));
    }
    mesh.draw().context("draw the axes")
}

/// Width of the room that the labels of a vertical axis take, with or without words along it.
///
/// # Errors
/// When the embedded font cannot be read.
pub fn axis_width(labels: impl IntoIterator<Item = String>, words: &str) -> Result<i32> {
    let (look, beside) = match words {
        "" => (Type::LABEL, 0),
        _ => (Type::SMALL, Type::LABEL.leading() + GAP),
    };
    Ok(look.widest(labels)? + 2 * TICK + beside)
}

fn height_of(lines: &[String], look: Type) -> i32 {
    lines.len() as i32 * look.leading()
}

/// Writes lines of text from `top` on and returns where the next would begin.
fn write_lines(
    area: &Area,
    lines: &[String],
    top: i32,
    look: Type,
    color: RGBColor,
) -> Result<i32> {
    let mut top = top;
    for line in lines {
        let at = (0, top + look.leading() / 2);
        area.draw_text(line, &look.style(color, Anchor::Start), at)
            .with_context(|| format!("write {line:?}"))?;
        top += look.leading();
    }
    Ok(top)
}

/// Marks an SVG as one picture with a description, which plotters can't, and frees it from letters that XML forbids or
/// that turn the order of those after them.
fn described(svg: &str, alt: &str) -> String {
    let escaped = alt
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;");
    let mut svg = svg.replacen(
        "<svg ",
        &format!("<svg role=\"img\" aria-label=\"{escaped}\" "),
        1,
    );
    let turns = |letter| matches!(letter, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    let forbidden = |letter: char| letter.is_control() || matches!(letter, '\u{FFFE}' | '\u{FFFF}');
    svg.retain(|letter| letter == '\n' || !(turns(letter) || forbidden(letter)));
    svg
}
