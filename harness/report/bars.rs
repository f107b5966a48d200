//! The chart that all charts here are: a row of horizontal bars for each method, with its figures written out.

use anyhow::Result;

use crate::stats::{Outcome, ScenarioRows, Trouble};

use super::canvas::{Fill, paint};
use super::scale::Scale;
use super::sheet::Sheet;

/// What a chart says, before it has a size.
pub struct Chart {
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
pub struct Group {
    pub method: String,
    pub bars: Vec<Bar>,
    /// One for each of the chart's heads.
    pub cells: Vec<String>,
}

/// One bar, or the word that stands in its place.
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
    /// What is written where a step without figures would have its bar.
    pub fn absent(outcome: Outcome) -> Bar {
        Bar::Absent(match outcome {
            Outcome::Failed => "failed, see below",
            Outcome::Skipped => "skipped, see below",
            Outcome::Verified | Outcome::NotRun => "not run",
        })
    }

    fn values(&self) -> Vec<u64> {
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
}

/// The paragraphs beneath a scenario's charts: which methods have no bar, or lack one, and why.
pub fn notes(scenario: &ScenarioRows) -> Vec<String> {
    const LONGEST: usize = 160;
    let note = |how: &str, trouble: &Trouble| {
        let reason = trouble.reason.lines().next().unwrap_or_default();
        let cut = if reason.chars().count() > LONGEST {
            "…"
        } else {
            ""
        };
        let reason: String = reason.chars().take(LONGEST).collect();
        format!("{how}: {}: {reason}{cut}", trouble.who.join(", "))
    };
    let skipped = scenario.skipped();
    let failed = scenario.failed();
    skipped
        .iter()
        .map(|trouble| note("Skipped", trouble))
        .chain(failed.iter().map(|trouble| note("Failed", trouble)))
        .collect()
}

impl Chart {
    /// The chart as SVG; `None` where there is nothing to show.
    pub fn draw(&self) -> Result<Option<String>> {
        let values: Vec<u64> = self
            .groups
            .iter()
            .flat_map(|group| &group.bars)
            .flat_map(Bar::values)
            .collect();
        if values.is_empty() {
            return Ok(None);
        }
        let scale = Scale::over(values);
        let sheet = Sheet::measure(self, scale)?;
        paint(sheet.size, |canvas| sheet.draw(self, canvas)).map(Some)
    }

    pub fn axis_words(&self, scale: Scale) -> String {
        let log = if scale.log { " (log scale)" } else { "" };
        format!("{}{log}; lower is better", self.axis)
    }
}
