//! A chart's page. It grows with what is on it: as wide as its labels need and as high as its rows, so that nothing
//! is cut or overlaps.

use anyhow::Result;
use plotters::style::{RGBColor, WHITE};

use super::bars::{Bar, Chart, Group};
use super::canvas::{Anchor, BAND, Canvas, INK, Point, RULE, SOFT_INK, Type};
use super::scale::Scale;

/// Pixels.
const MARGIN: i32 = 32;
const PLOT_WIDTH: i32 = 600;
const GAP: i32 = 8;
/// Room above and below a method's bars.
const PAD: i32 = 6;

/// A chart's measures: everything that depends on how wide its texts are.
pub struct Sheet {
    scale: Scale,
    pub size: (i32, i32),
    title: Vec<String>,
    subtitle: Vec<String>,
    notes: Vec<String>,
    /// Left edge of each legend entry, and which line of the legend it is on.
    legend: Vec<Point>,
    /// Right edge of each column of figures.
    columns: Vec<i32>,
    plot_left: i32,
    legend_top: i32,
    plot_top: i32,
    plot_bottom: i32,
    /// From the top of one bar to the top of the next of its method.
    pitch: i32,
}

/// Width of a legend's swatch and the gap after it.
const SWATCH: i32 = 30;
const LEGEND_LEADING: i32 = 22;

impl Sheet {
    pub fn measure(chart: &Chart, scale: Scale) -> Result<Sheet> {
        let groups = || chart.groups.iter();
        let plot_left = MARGIN
            + GAP
            + widest(
                Type::LABEL,
                &mut groups().map(|group| group.method.as_str()),
            )?;
        let labels = groups().flat_map(|group| &group.bars).map(Bar::label);
        let mut right = plot_left + PLOT_WIDTH + GAP + widest(Type::SMALL, labels)?;
        let mut columns = Vec::new();
        for (at, head) in chart.heads.iter().enumerate() {
            let cells = groups().filter_map(|group| group.cells.get(at));
            let texts = cells.chain([head]).map(String::as_str);
            right += widest(Type::SMALL, texts)? + 2 * GAP;
            columns.push(right);
        }
        let width = right + MARGIN;
        let within = width - 2 * MARGIN;
        let title = Type::TITLE.wrap(&chart.title, within)?;
        let subtitle = Type::LABEL.wrap(&chart.subtitle, within)?;
        let mut notes = Vec::new();
        for note in &chart.notes {
            notes.extend(Type::SMALL.wrap(note, within)?);
        }
        let legend = place_legend(chart, within)?;

        let legend_lines = legend.last().map_or(0, |(_, line)| line + 1);
        let legend_top = MARGIN
            + title.len() as i32 * Type::TITLE.leading()
            + subtitle.len() as i32 * Type::LABEL.leading()
            + GAP;
        let heads = if columns.is_empty() {
            0
        } else {
            LEGEND_LEADING
        };
        let plot_top = legend_top + legend_lines * LEGEND_LEADING + GAP + heads;
        let most = groups().map(|group| group.bars.len()).max().unwrap_or(1);
        let pitch = if most == 1 { 20 } else { 16 };
        let rows: i32 = groups().map(|group| group_height(group, pitch)).sum();
        let plot_bottom = plot_top + rows;
        let notes_height = notes.len() as i32 * Type::SMALL.leading();
        let height = plot_bottom + AXIS_HEIGHT + notes_height + MARGIN;
        Ok(Sheet {
            scale,
            size: (width, height),
            title,
            subtitle,
            notes,
            legend,
            columns,
            plot_left,
            legend_top,
            plot_top,
            plot_bottom,
            pitch,
        })
    }

    pub fn draw(&self, chart: &Chart, canvas: &Canvas) -> Result<()> {
        let y = lines(canvas, &self.title, MARGIN, Type::TITLE, INK)?;
        lines(canvas, &self.subtitle, y, Type::LABEL, SOFT_INK)?;
        self.draw_legend(chart, canvas)?;
        self.draw_bands(chart, canvas)?;
        self.draw_axis(chart, canvas)?;
        let mut top = self.plot_top;
        for (at, group) in chart.groups.iter().enumerate() {
            top = self.draw_group(group, top, ground(at), canvas)?;
        }
        let foot = (self.plot_left, self.plot_bottom);
        canvas.line((self.plot_left, self.plot_top), foot, INK, 1)?;
        let notes_top = self.plot_bottom + AXIS_HEIGHT;
        lines(canvas, &self.notes, notes_top, Type::SMALL, INK)?;
        Ok(())
    }

    fn draw_legend(&self, chart: &Chart, canvas: &Canvas) -> Result<()> {
        for ((fill, words), (left, line)) in chart.legend.iter().zip(&self.legend) {
            let (left, top) = (MARGIN + left, self.legend_top + line * LEGEND_LEADING);
            canvas.bar((left, top + 3), (left + SWATCH - GAP, top + 15), *fill)?;
            canvas.text(
                words,
                (left + SWATCH, top + 9),
                Anchor::Start,
                Type::SMALL,
                INK,
            )?;
        }
        for (head, right) in chart.heads.iter().zip(&self.columns) {
            let at = (*right, self.plot_top - LEGEND_LEADING / 2);
            canvas.text(head, at, Anchor::End, Type::SMALL, SOFT_INK)?;
        }
        Ok(())
    }

    /// Every other method on grey, so that the eye finds its way from a name to its figures.
    fn draw_bands(&self, chart: &Chart, canvas: &Canvas) -> Result<()> {
        let mut top = self.plot_top;
        for (at, group) in chart.groups.iter().enumerate() {
            let bottom = top + group_height(group, self.pitch);
            let (left, right) = (MARGIN - GAP, self.size.0 - MARGIN + GAP);
            canvas.area((left, top), (right, bottom), ground(at))?;
            top = bottom;
        }
        Ok(())
    }

    fn draw_axis(&self, chart: &Chart, canvas: &Canvas) -> Result<()> {
        for tick in self.scale.ticks() {
            let x = self.x(tick);
            canvas.line((x, self.plot_top), (x, self.plot_bottom + 4), RULE, 1)?;
            let at = (x, self.plot_bottom + 14);
            canvas.text(
                &(chart.tick)(tick),
                at,
                Anchor::Middle,
                Type::SMALL,
                SOFT_INK,
            )?;
        }
        let middle = (self.plot_left + PLOT_WIDTH / 2, self.plot_bottom + 36);
        let words = chart.axis_words(self.scale);
        canvas.text(&words, middle, Anchor::Middle, Type::LABEL, INK)
    }

    /// Draws a method's row from `top` on and returns where it ends.
    fn draw_group(
        &self,
        group: &Group,
        top: i32,
        ground: RGBColor,
        canvas: &Canvas,
    ) -> Result<i32> {
        let bottom = top + group_height(group, self.pitch);
        let middle = i32::midpoint(top, bottom);
        let name = (self.plot_left - GAP, middle);
        canvas.text(&group.method, name, Anchor::End, Type::LABEL, INK)?;
        let mut bar_top = top + PAD;
        for bar in &group.bars {
            self.draw_bar(bar, bar_top, ground, canvas)?;
            bar_top += self.pitch;
        }
        for (cell, right) in group.cells.iter().zip(&self.columns) {
            canvas.text(cell, (*right, middle), Anchor::End, Type::SMALL, INK)?;
        }
        Ok(bottom)
    }

    fn draw_bar(&self, bar: &Bar, top: i32, ground: RGBColor, canvas: &Canvas) -> Result<()> {
        // A line of text is higher than its bar: the gap keeps it off the neighbours.
        let middle = top + self.pitch / 2;
        let half = self.pitch / 2 - 2;
        let mut end = self.plot_left;
        let mut color = SOFT_INK;
        if let Bar::Shown { ends, whisker, .. } = bar {
            for (value, fill) in ends {
                let x = self.x(*value as f64);
                canvas.bar((self.plot_left, middle - half), (x, middle + half), *fill)?;
                end = end.max(x);
            }
            if let Some((low, high)) = whisker {
                let (low, high) = (self.x(*low as f64), self.x(*high as f64));
                draw_whisker((low, high), middle, canvas)?;
                end = end.max(high + 1);
            }
            color = INK;
        }
        let (left, right) = (end + GAP, end + GAP + Type::SMALL.width(bar.label())?);
        if left < right {
            // Wipes the ticks' lines from behind the words.
            canvas.area((left - 2, top + 1), (right, top + self.pitch - 1), ground)?;
        }
        let at = (left, middle);
        canvas.text(bar.label(), at, Anchor::Start, Type::SMALL, color)
    }

    fn x(&self, value: f64) -> i32 {
        self.plot_left + (self.scale.fraction(value) * f64::from(PLOT_WIDTH)).round() as i32
    }
}

fn group_height(group: &Group, pitch: i32) -> i32 {
    2 * PAD + group.bars.len() as i32 * pitch
}

fn ground(at: usize) -> RGBColor {
    if at % 2 == 1 { BAND } else { WHITE }
}

/// Ticks, their labels and the axis' words.
const AXIS_HEIGHT: i32 = 56;

/// Dark on a white halo, so that it is seen on any bar.
fn draw_whisker((low, high): (i32, i32), y: i32, canvas: &Canvas) -> Result<()> {
    for (color, width) in [(WHITE, 3), (INK, 1)] {
        canvas.line((low, y), (high, y), color, width)?;
        canvas.line((low, y - 3), (low, y + 3), color, width)?;
        canvas.line((high, y - 3), (high, y + 3), color, width)?;
    }
    Ok(())
}

fn widest<'t>(look: Type, mut texts: impl Iterator<Item = &'t str>) -> Result<i32> {
    texts.try_fold(0, |widest, text| Ok(look.width(text)?.max(widest)))
}

fn place_legend(chart: &Chart, within: i32) -> Result<Vec<Point>> {
    let (mut left, mut line) = (0, 0);
    let mut places = Vec::new();
    for (_, words) in &chart.legend {
        let width = SWATCH + Type::SMALL.width(words)? + 3 * GAP;
        if left > 0 && left + width > within {
            (left, line) = (0, line + 1);
        }
        places.push((left, line));
        left += width;
    }
    Ok(places)
}

/// Writes lines of text from `top` on and returns where the next would begin.
fn lines(canvas: &Canvas, lines: &[String], top: i32, look: Type, color: RGBColor) -> Result<i32> {
    let mut y = top;
    for line in lines {
        let at = (MARGIN, y + look.leading() / 2);
        canvas.text(line, at, Anchor::Start, look, color)?;
        y += look.leading();
    }
    Ok(y)
}
