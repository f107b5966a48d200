//! An axis: what it measures, how its values are spaced, and which round values are marked on it.
//!
//! plotters has linear and logarithmic coordinates as types of their own. `Coord` is either, so that one chart type
//! serves both, with tick marks chosen here: plotters' own are not round on a log axis and do not know how wide their
//! labels are.

use std::ops::Range;

use anyhow::Result;
use plotters::coord::combinators::WithKeyPoints;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::text::Type;

/// From this ratio of the largest to the smallest figure on, about one and a half orders, a linear axis would show
/// most bars as a hairline.
const LOG_FROM_RATIO: f64 = 30.0;

/// The most ticks an axis has room for.
const MOST_TICKS: usize = 9;

/// Pixels between two labels of an axis.
const LABEL_GAP: i32 = 14;

/// What an axis measures, and how.
#[derive(Clone, Debug)]
pub struct Axis {
    /// What is written beside it.
    pub words: String,
    /// A tick's label; not asked for where the spacing has names.
    pub tick: fn(f64) -> String,
    pub spacing: Spacing,
}

/// Where values lie along an axis.
#[derive(Clone, Debug, PartialEq)]
pub enum Spacing {
    /// Logarithmic when the values span orders, else linear.
    Fitting,
    Linear,
    Log10,
    Log2,
    /// One place for each name, in this order; the values are indices into it.
    Names(Vec<String>),
}

/// Where a linear or logarithmic axis begins and ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Foot {
    /// Linear from zero, logarithmic from a power of ten; it ends with the largest value. For bars.
    Zero,
    /// Linear from zero, logarithmic from below the smallest value; it ends above the largest. For points.
    Around,
    /// From the smallest value to the largest, with a little room at both ends. For what a line runs along.
    Tight,
}

/// A plotters coordinate for an axis, with the values to mark on it.
pub enum Coord {
    Linear(WithKeyPoints<RangedCoordf64>),
    Log(WithKeyPoints<LogCoord<f64>>),
}

impl Axis {
    /// The label of a tick.
    pub fn label(&self, value: f64) -> String {
        match &self.spacing {
            Spacing::Names(names) => names
                .get(value.round().max(0.0) as usize)
                .cloned()
                .unwrap_or_default(),
            _ => (self.tick)(value),
        }
    }

    /// The axis' words, with a warning where equal steps are no equal differences.
    pub fn title(&self, coord: &Coord) -> String {
        let log = match coord {
            Coord::Log(_) => " (log scale)",
            Coord::Linear(_) => "",
        };
        format!("{}{log}", self.words)
    }

    /// The coordinate on which all of `values` can be told apart. Values that are no numbers are left out; zeros lie at
    /// the foot of a log axis.
    pub fn coord(&self, values: impl IntoIterator<Item = f64>, foot: Foot) -> Coord {
        let values: Vec<f64> = values
            .into_iter()
            .filter(|value| value.is_finite())
            .collect();
        if let Spacing::Names(names) = &self.spacing {
            let places = names.len().max(1);
            let ticks = (0..names.len()).map(|at| at as f64).collect();
            return Coord::linear(-0.5..places as f64 - 0.5, ticks);
        }
        let positive = values.iter().copied().filter(|value| *value > 0.0);
        let (smallest, largest) = ends(positive);
        let base = match self.spacing {
            _ if largest <= 0.0 => None,
            Spacing::Log2 => Some(2.0),
            Spacing::Log10 => Some(10.0),
            Spacing::Fitting if largest / smallest > LOG_FROM_RATIO => Some(10.0),
            _ => None,
        };
        let range = match base {
            Some(_) => log_range(smallest, largest, foot),
            None => linear_range(&values, foot),
        };
        let ticks = match base {
            Some(base) => log_ticks(&range, base).unwrap_or_else(|| self.linear_ticks(&range)),
            None => self.linear_ticks(&range),
        };
        match base {
            Some(_) => Coord::Log(range.log_scale().with_key_points(ticks)),
            None => Coord::linear(range, ticks),
        }
    }

    /// Multiples of the finest round step that leaves few enough ticks, each with a label of its own.
    fn linear_ticks(&self, range: &Range<f64>) -> Vec<f64> {
        let mut step = round_step((range.end - range.start) / (MOST_TICKS - 1) as f64);
        loop {
            // A hair's breadth of rounding keeps no tick from the axis' ends.
            let first = (range.start / step - 1e-6).ceil() as i64;
            let last = (range.end / step + 1e-6).floor() as i64;
            let ticks: Vec<f64> = (first..=last).map(|at| at as f64 * step).collect();
            let labels: Vec<String> = ticks.iter().map(|tick| self.label(*tick)).collect();
            if labels.windows(2).all(|pair| pair[0] != pair[1]) {
                return ticks;
            }
            step = round_step(step * 1.01);
        }
    }

    /// Leaves out ticks until the labels of the rest fit side by side into `room` pixels.
    ///
    /// # Errors
    /// When the embedded font cannot be read.
    pub fn thin(&self, coord: &mut Coord, room: i32) -> Result<()> {
        let labels = coord.ticks().iter().map(|tick| self.label(*tick));
        let wide = Type::SMALL.widest(labels)? + LABEL_GAP;
        let share = |ticks: &[f64], coord: &Coord| match ticks {
            [first, .., last] => {
                f64::from(coord.map(last, (0, room)) - coord.map(first, (0, room)))
                    / (ticks.len() - 1) as f64
            }
            _ => f64::from(room),
        };
        while coord.ticks().len() > 1 && share(coord.ticks(), coord) < f64::from(wide) {
            // From the end on: of releases the newest is the one to name.
            let mut kept: Vec<f64> = coord.ticks().iter().rev().step_by(2).copied().collect();
            kept.reverse();
            *coord = coord.with_ticks(kept);
        }
        Ok(())
    }
}

impl Coord {
    fn linear(range: Range<f64>, ticks: Vec<f64>) -> Coord {
        Coord::Linear(range.with_key_points(ticks))
    }

    /// One unit for each row, the first on top, with the mark in its middle.
    pub fn rows(rows: usize) -> Coord {
        let middles = (0..rows).map(|at| at as f64 + 0.5).collect();
        Coord::linear(rows.max(1) as f64..0.0, middles)
    }

    pub fn ticks(&self) -> &[f64] {
        match self {
            Coord::Linear(coord) => coord.bold_points(),
            Coord::Log(coord) => coord.bold_points(),
        }
    }

    fn with_ticks(&self, ticks: Vec<f64>) -> Coord {
        match self {
            Coord::Linear(_) => Coord::linear(self.range(), ticks),
            Coord::Log(_) => Coord::Log(self.range().log_scale().with_key_points(ticks)),
        }
    }
}

impl Clone for Coord {
    fn clone(&self) -> Coord {
        self.with_ticks(self.ticks().to_vec())
    }
}

impl Ranged for Coord {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        match self {
            Coord::Linear(coord) => coord.map(value, limit),
            // The logarithm of zero lies nowhere: at the foot it is still seen.
            Coord::Log(coord) => coord.map(&value.max(coord.range().start), limit),
        }
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        match self {
            Coord::Linear(coord) => coord.key_points(hint),
            Coord::Log(coord) => coord.key_points(hint),
        }
    }

    fn range(&self) -> Range<f64> {
        match self {
            Coord::Linear(coord) => coord.range(),
            Coord::Log(coord) => coord.range(),
        }
    }
}

/// The smallest and the largest; infinity and 0 without any.
fn ends(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, 0.0_f64), |(low, high), value| {
        (low.min(value), high.max(value))
    })
}

fn log_range(smallest: f64, largest: f64, foot: Foot) -> Range<f64> {
    match foot {
        // The smallest bar keeps a visible length.
        Foot::Zero => 10_f64.powf((smallest / 2.0).log10().floor())..largest,
        Foot::Around => smallest / 1.5..largest * 1.5,
        Foot::Tight => smallest / 1.2..largest * 1.2,
    }
}

fn linear_range(values: &[f64], foot: Foot) -> Range<f64> {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if low > high {
        return 0.0..1.0;
    }
    match foot {
        Foot::Tight if low < high => low - (high - low) * 0.04..high + (high - low) * 0.04,
        Foot::Tight => low - 0.5..low + 0.5,
        _ if low >= 0.0 && high == 0.0 => 0.0..1.0,
        Foot::Zero => low.min(0.0)..high,
        Foot::Around => low.min(0.0) * 1.06..high.max(0.0) * 1.06,
    }
}

/// Powers of the base, or of ten also their round multiples where there are few; `None` where even those are too few.
fn log_ticks(range: &Range<f64>, base: f64) -> Option<Vec<f64>> {
    let power = |value: f64| value.ln() / base.ln();
    let first = (power(range.start) - 1e-6).ceil() as i32;
    let last = (power(range.end) + 1e-6).floor() as i32;
    let powers: Vec<f64> = (first..=last).map(|at| base.powi(at)).collect();
    if powers.len() >= 3 || (base == 2.0 && powers.len() == 2) {
        let step = powers.len().div_ceil(MOST_TICKS + 2);
        return Some(powers.into_iter().step_by(step).collect());
    }
    let inside = |tick: &f64| (range.start..=range.end * 1.000_001).contains(tick);
    let finer = (first - 1..=last)
        .flat_map(|at| [1.0, 2.0, 5.0].map(|digit| digit * base.powi(at)))
        .filter(inside);
    Some(finer.collect()).filter(|ticks: &Vec<f64>| base == 10.0 && ticks.len() >= 3)
}

/// The nearest 1, 2 or 5 times a power of ten that is not below `step`.
fn round_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .map(|digit| digit * power)
        .into_iter()
        .find(|round| *round >= step)
        .unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(spacing: Spacing) -> Axis {
        Axis {
            words: "bytes".into(),
            tick: |value| format!("{value:.0}"),
            spacing,
        }
    }

    fn bars(values: &[f64]) -> Coord {
        axis(Spacing::Fitting).coord(values.iter().copied(), Foot::Zero)
    }

    #[test]
    fn sizes_that_span_orders_get_a_log_axis_with_a_tick_for_each_decade() {
        let coord = bars(&[7_600.0, 28_000_000.0, 257_838_080.0]);
        assert!(matches!(coord, Coord::Log(_)));
        let ticks: Vec<f64> = coord.ticks().iter().map(|tick| tick.round()).collect();
        assert_eq!(ticks, [1e3, 1e4, 1e5, 1e6, 1e7, 1e8]);
        assert!(coord.map(&7_600.0, (0, 1000)) > 100);
        assert_eq!(coord.map(&257_838_080.0, (0, 1000)), 1000);
    }

    #[test]
    fn sizes_of_one_order_get_a_linear_axis_from_zero() {
        let coord = bars(&[0.0, 10.0, 90.0]);
        assert!(matches!(coord, Coord::Linear(_)));
        assert_eq!(coord.ticks(), [0.0, 20.0, 40.0, 60.0, 80.0]);
        assert_eq!(coord.map(&45.0, (0, 1000)), 500);
    }

    #[test]
    fn an_axis_stands_on_nothing_on_zeros_and_on_what_is_no_number() {
        for values in [vec![], vec![0.0, 0.0], vec![f64::NAN, f64::INFINITY]] {
            for spacing in [
                Spacing::Fitting,
                Spacing::Linear,
                Spacing::Log10,
                Spacing::Log2,
            ] {
                for foot in [Foot::Zero, Foot::Around, Foot::Tight] {
                    let coord = axis(spacing.clone()).coord(values.iter().copied(), foot);
                    assert!((0..=1000).contains(&coord.map(&0.0, (0, 1000))));
                    assert!(!coord.ticks().is_empty());
                }
            }
        }
    }

    #[test]
    fn a_zero_lies_at_the_foot_of_a_log_axis() {
        let coord = bars(&[0.0, 1.0, 1e12]);
        assert_eq!(coord.map(&0.0, (0, 1000)), 0);
        assert!(coord.map(&1.0, (0, 1000)) > 0);
        assert!(coord.ticks().len() <= MOST_TICKS);
    }

    #[test]
    fn chunk_sizes_lie_evenly_on_a_log2_axis_and_each_is_marked() {
        let sizes = (12..=20).map(|at| f64::from(1 << at));
        let coord = axis(Spacing::Log2).coord(sizes.clone(), Foot::Tight);
        let ticks: Vec<f64> = coord.ticks().iter().map(|tick| tick.round()).collect();
        assert_eq!(ticks, sizes.collect::<Vec<f64>>());
    }

    #[test]
    fn a_few_seeds_are_marked_with_whole_numbers_only() {
        let coord = axis(Spacing::Linear).coord([1.0, 2.0, 3.0, 4.0], Foot::Tight);
        assert_eq!(coord.ticks(), [1.0, 2.0, 3.0, 4.0]);
    }

    #[test]
    fn a_log_axis_of_less_than_a_decade_is_marked_all_the_same() {
        for (low, high) in [(3.0, 8.0), (40.0, 45.0), (0.9, 90.0), (1e6, 1e7)] {
            let coord = axis(Spacing::Log10).coord([low, high], Foot::Around);
            assert!(
                coord.ticks().len() >= 2,
                "{low} to {high}: {:?}",
                coord.ticks()
            );
            assert!(coord.ticks().len() <= MOST_TICKS, "{:?}", coord.ticks());
        }
    }

    #[test]
    fn names_that_have_no_room_side_by_side_are_left_out_but_for_the_last() {
        let names: Vec<String> = (0..12)
            .map(|at| format!("release-2026-11-{at:02}"))
            .collect();
        let axis = axis(Spacing::Names(names));
        let mut coord = axis.coord([], Foot::Tight);
        axis.thin(&mut coord, 600).unwrap();
        assert!(coord.ticks().len() < 12);
        assert_eq!(coord.ticks().last(), Some(&11.0));
    }
}
