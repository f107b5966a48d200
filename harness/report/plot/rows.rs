//! How bars are laid out and drawn: a row for each method, columns of figures at the right.

use anyhow::{Context, Result};
use plotters::prelude::*;

use super::axis::Coord;
use super::bars::{Bar, Bars};
use super::element::{FilledBox, Symbol};
use super::page::{
    AXIS_HEIGHT, Area, Chart, Frame, GAP, MARGIN, Page, Words, axes, axis_width, plot,
};
use super::palette::{BAND, INK, SOFT_INK};
use super::text::{Anchor, Type};

/// Pixels.
const PLOT_WIDTH: i32 = 600;
/// Room above and below a method's bars.
const PAD: i32 = 6;
/// The heads of the columns of figures.
const HEADS_HEIGHT: i32 = 22;

impl Bars {
    /// The chart as SVG; `None` where there is nothing to show.
    ///
    /// # Errors
    /// When the embedded font cannot be read.
    pub fn draw(&self) -> Result<Option<String>> {
        if self.bars().all(|bar| bar.values().is_empty()) {
            return Ok(None);
        }
        let sheet = Sheet::measure(self)?;
        let legend: Vec<_> = self
            .legend
            .iter()
            .map(|(fill, words)| (Symbol::Fill(*fill), words.clone()))
            .collect();
        let words = Words {
            title: &self.title,
            subtitle: &self.subtitle,
            legend: &legend,
            notes: &self.notes,
        };
        Page::around(&words, sheet.size())?
            .paint(&self.alt(), |area| sheet.draw(area))
            .map(Some)
    }
}

/// A bar chart with its measures.
struct Sheet<'b> {
    bars: &'b Bars,
    frame: Frame,
    /// Distance of each column's right edge from the plot's.
    columns: Vec<i32>,
    /// From the middle of one bar to that of the next of its method, in pixels.
    pitch: i32,
    /// The most bars of one method.
    most: usize,
}

impl<'b> Sheet<'b> {
    fn measure(bars: &'b Bars) -> Result<Sheet<'b>> {
        let names = bars.groups.iter().map(|group| group.method.clone());
        let mut right = GAP + Type::SMALL.widest(bars.bars().map(Bar::label))?;
        let mut columns = Vec::new();
        for (at, head) in bars.heads.iter().enumerate() {
            let cells = bars.groups.iter().filter_map(|group| group.cells.get(at));
            right += Type::SMALL.widest(cells.chain([head]))? + 2 * GAP;
            columns.push(right);
        }
        let most = bars.groups.iter().map(|group| group.bars.len()).max();
        let most = most.unwrap_or(1).max(1);
        Ok(Sheet {
            bars,
            frame: Frame {
                left: axis_width(names, "")?,
                // Half of the last tick's label reaches over the plot's end.
                right: right.max(MARGIN),
                top: if columns.is_empty() { 0 } else { HEADS_HEIGHT },
                bottom: AXIS_HEIGHT,
            },
            columns,
            pitch: if most == 1 { 20 } else { 16 },
            most,
        })
    }

    /// Height of a method's row in pixels.
    fn row(&self) -> i32 {
        2 * PAD + self.most as i32 * self.pitch
    }

    /// A plotters area of n pixels has n - 1 steps from its first to its last.
    fn size(&self) -> (i32, i32) {
        let rows = self.bars.groups.len() as i32 * self.row();
        let frame = &self.frame;
        (
            frame.left + PLOT_WIDTH + 1 + frame.right,
            frame.top + rows + 1 + frame.bottom,
        )
    }

    fn draw(&self, area: &Area) -> Result<()> {
        let (x, y) = (self.bars.x(), Coord::rows(self.bars.groups.len()));
        let axis = self.bars.axis();
        let words = format!("{}; lower is better", axis.title(&x));
        let name = |row: &f64| {
            let group = self.bars.groups.get(row.floor() as usize);
            group.map_or(String::new(), |group| group.method.clone())
        };
        let mut chart = plot(area, self.frame, x, y)?;
        self.draw_bands(&mut chart)?;
        axes(
            &mut chart,
            (&words, &|value| axis.label(*value)),
            ("", &name),
        )?;
        self.draw_bars(&mut chart)?;
        self.draw_whiskers(&mut chart)?;
        self.draw_labels(&mut chart)?;
        self.draw_columns(&mut chart)
    }

    /// Every other method on grey, so that the eye finds its way from a name to its figures.
    fn draw_bands(&self, chart: &mut Chart) -> Result<()> {
        let (left, right) = (-self.frame.left - GAP, PLOT_WIDTH + self.frame.right + GAP);
        let bands = (1..self.bars.groups.len()).step_by(2).map(|row| {
            EmptyElement::at((self.foot(), row as f64))
                + Rectangle::new([(left, 0), (right, self.row())], BAND.filled())
        });
        chart.draw_series(bands).context("draw the bands")?;
        Ok(())
    }

    fn foot(&self) -> f64 {
        self.bars.x().range().start
    }

    /// Each bar with the middle of its height, in rows from the top.
    fn placed(&self) -> impl Iterator<Item = (&'b Bar, f64)> + use<'b> {
        let (row, pitch, most) = (self.row(), self.pitch, self.most);
        let groups = self.bars.groups.iter().enumerate();
        groups.flat_map(move |(at, group)| {
            // Of fewer bars than others have the middle stays beside the name.
            let spare = (most - group.bars.len()) as i32 * pitch / 2;
            group.bars.iter().enumerate().map(move |(nth, bar)| {
                let middle = PAD + spare + nth as i32 * pitch + pitch / 2;
                (bar, at as f64 + f64::from(middle) / f64::from(row))
            })
        })
    }

    fn draw_bars(&self, chart: &mut Chart) -> Result<()> {
        // A line of text is higher than its bar: the gap keeps it off the neighbours.
        let half = f64::from(self.pitch / 2 - 2) / f64::from(self.row());
        let foot = self.foot();
        let parts = self.placed().flat_map(|(bar, y)| {
            let ends = match bar {
                Bar::Shown { ends, .. } => ends.as_slice(),
                Bar::Absent(_) => &[],
            };
            ends.iter().map(move |(end, fill)| FilledBox {
                corners: [(foot, y - half), (*end as f64, y + half)],
                fill: *fill,
            })
        });
        chart.draw_series(parts).context("draw the bars")?;
        Ok(())
    }

    /// Dark on a white halo, so that they are seen on any bar.
    fn draw_whiskers(&self, chart: &mut Chart) -> Result<()> {
        let whiskers: Vec<_> = self
            .placed()
            .filter_map(|(bar, y)| match bar {
                Bar::Shown {
                    ends,
                    whisker: Some((low, high)),
                    ..
                } => Some((y, *low, ends.first().map_or(*low, |(end, _)| *end), *high)),
                _ => None,
            })
            .collect();
        for (color, width) in [(WHITE, 3), (INK, 1)] {
            let bars = whiskers.iter().map(|(y, low, middle, high)| {
                let [low, middle, high] = [low, middle, high].map(|value| *value as f64);
                ErrorBar::new_horizontal(
                    *y,
                    low,
                    middle,
                    high,
                    color.filled().stroke_width(width),
                    5,
                )
            });
            chart.draw_series(bars).context("draw the whiskers")?;
        }
        Ok(())
    }

    /// A label behind each bar, on ground that wipes the ticks' lines from behind it.
    fn draw_labels(&self, chart: &mut Chart) -> Result<()> {
        let mut labels = Vec::new();
        for (bar, y) in self.placed().filter(|(bar, _)| !bar.label().is_empty()) {
            let color = match bar {
                Bar::Shown { .. } => INK,
                Bar::Absent(_) => SOFT_INK,
            };
            let ground = if y as usize % 2 == 1 { BAND } else { WHITE };
            let (half, wide) = (self.pitch / 2 - 1, Type::SMALL.width(bar.label())?);
            let corners = [(GAP - 2, -half), (GAP + wide, half)];
            let style = Type::SMALL.style(color, Anchor::Start);
            labels.push(
                EmptyElement::at((bar.reach(), y))
                    + Rectangle::new(corners, ground.filled())
                    + Text::new(bar.label().to_string(), (GAP, 0), style),
            );
        }
        chart.draw_series(labels).context("write the labels")?;
        Ok(())
    }

    fn draw_columns(&self, chart: &mut Chart) -> Result<()> {
        let end = self.bars.x().range().end;
        let text = |words: &str, y: f64, at: (i32, i32), color: RGBColor| {
            let style = Type::SMALL.style(color, Anchor::End);
            EmptyElement::at((end, y)) + Text::new(words.to_string(), at, style)
        };
        let heads = self.bars.heads.iter().zip(&self.columns);
        let heads =
            heads.map(|(head, right)| text(head, 0.0, (*right, -HEADS_HEIGHT / 2), SOFT_INK));
        chart.draw_series(heads).context("write the heads")?;
        let cells = self.bars.groups.iter().enumerate().flat_map(|(at, group)| {
            let cells = group.cells.iter().zip(&self.columns);
            cells.map(move |(cell, right)| (cell, at as f64 + 0.5, *right))
        });
        let cells = cells.map(|(cell, y, right)| text(cell, y, (right, 0), INK));
        chart.draw_series(cells).context("write the figures")?;
        Ok(())
    }
}
