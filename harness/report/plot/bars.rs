//! Bars: a row of horizontal bars for each method, with its figures written out.

use super::axis::{Axis, Coord, Foot, Spacing};
use super::element::Fill;

/// What a bar chart says, before it has a size.
#[derive(Clone, Debug)]
pub struct Bars {
    pub title: String,
    pub subtitle: String,
    /// What the axis measures.
    pub axis: &'static str,
    /// A tick's label.
    pub tick: fn(f64) -> String,
    pub legend: Vec<(Fill, String)>,
    /// Heads of the columns of figures right of the bars.
    pub heads: Vec<String>,
    pub groups: Vec<Group>,
    /// What cannot be shown, and why: one paragraph each.
    pub notes: Vec<String>,
}

/// One method's bars, first on top.
#[derive(Clone, Debug)]
pub struct Group {
    pub method: String,
    pub bars: Vec<Bar>,
    /// One for each of the chart's heads.
    pub cells: Vec<String>,
}

/// One bar, or the words in its place.
#[derive(Clone, Debug)]
pub enum Bar {
    Shown {
        /// Where the bar's parts end, largest first: each is drawn from the foot over those before it.
        ends: Vec<(u64, Fill)>,
        /// Smallest and largest sample.
        whisker: Option<(u64, u64)>,
        label: String,
    },
    Absent(&'static str),
}

impl Bar {
    pub(super) fn values(&self) -> Vec<u64> {
        match self {
            Bar::Shown { ends, whisker, .. } => ends
                .iter()
                .map(|(value, _)| *value)
                .chain(whisker.iter().flat_map(|(low, high)| [*low, *high]))
                .collect(),
            Bar::Absent(_) => Vec::new(),
        }
    }

    pub fn label(&self) -> &str {
        match self {
            Bar::Shown { label, .. } => label,
            Bar::Absent(word) => word,
        }
    }

    /// Where the bar's label begins, in the axis' unit: behind all that is drawn.
    pub(super) fn reach(&self) -> f64 {
        self.values().into_iter().max().unwrap_or(0) as f64
    }
}

impl Bars {
    /// The chart in words: its title, and the figures of the first and the last row.
    pub fn alt(&self) -> String {
        let row = |group: &Group| {
            let labels = group.bars.iter().map(Bar::label);
            let figures = labels.chain(group.cells.iter().map(String::as_str));
            let figures: Vec<&str> = figures.filter(|words| !words.is_empty()).collect();
            format!("{}: {}", group.method, figures.join(", "))
        };
        let rows = match self.groups.as_slice() {
            [] => "No rows.".to_string(),
            [only] => format!("{}.", row(only)),
            [first, .., last] => format!(
                "{} rows, from {} to {}.",
                self.groups.len(),
                row(first),
                row(last)
            ),
        };
        format!("Bar chart. {}. {} {rows}", self.title, self.subtitle)
    }

    pub(super) fn bars(&self) -> impl Iterator<Item = &Bar> {
        self.groups.iter().flat_map(|group| &group.bars)
    }

    pub(super) fn axis(&self) -> Axis {
        Axis {
            words: self.axis.to_string(),
            tick: self.tick,
            spacing: Spacing::Fitting,
        }
    }

    pub(super) fn x(&self) -> Coord {
        let values = self.bars().flat_map(Bar::values);
        self.axis()
            .coord(values.map(|value| value as f64), Foot::Zero)
    }
}
