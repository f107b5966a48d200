//! Thresholds: how much a figure may grow before a gate fails, per measure and per case; a TOML file.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::record::{Case, MEASURES, Measure, Row, Verb, measure};
use crate::words;

/// How much time or memory may grow when no threshold says otherwise: half of what the samples of a shared machine
/// differ by.
pub const TOLERANCE: f64 = 0.10;

/// What a gate allows.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// Whether acts of another version or another image are let pass beside others that could be compared.
    #[serde(default)]
    pub pass_incomparable: bool,
    /// In the order of the file: of those that fit a row, the last counts.
    #[serde(default, rename = "threshold")]
    thresholds: Vec<Threshold>,
}

/// How much one measure may grow, of the rows that it fits.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Threshold {
    measure: String,
    /// Share of the figure before: 0.01 is one per cent.
    #[serde(default)]
    share: Option<f64>,
    /// In the measure's unit. With `share`, the larger of both counts.
    #[serde(default)]
    plus: Option<u64>,
    /// The measure is not looked at.
    #[serde(default)]
    ignore: bool,
    #[serde(default)]
    scenario: Option<String>,
    /// With `*` at its end, every name that begins so.
    #[serde(default)]
    method: Option<String>,
    /// Every axis that is named must have this value.
    #[serde(default)]
    case: Option<Case>,
    #[serde(default)]
    verb: Option<Verb>,
    #[serde(default)]
    image: Option<String>,
}

impl Thresholds {
    /// The thresholds of a file; the error names the file and the nearest right word.
    pub fn read(path: &Path) -> Result<Thresholds> {
        let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        Thresholds::parse(&text).with_context(|| format!("{}", path.display()))
    }

    fn parse(text: &str) -> Result<Thresholds> {
        let thresholds: Thresholds = toml::from_str(text)?;
        for threshold in &thresholds.thresholds {
            threshold.check()?;
        }
        Ok(thresholds)
    }

    /// How much an exact figure may grow, in its unit.
    pub fn growth(&self, row: &Row, measure: &Measure, before: i128) -> i128 {
        let Some(threshold) = self.of(row, measure) else {
            return 0;
        };
        if threshold.ignore {
            return i128::MAX;
        }
        let share = threshold.share.unwrap_or(0.0) * before.unsigned_abs() as f64;
        (share as i128).max(threshold.plus.unwrap_or(0).into())
    }

    /// The share by which time or memory may grow; `None` where it is not looked at.
    pub fn tolerance(&self, row: &Row, measure: &Measure) -> Option<f64> {
        let threshold = self.of(row, measure);
        if threshold.is_some_and(|threshold| threshold.ignore) {
            return None;
        }
        Some(threshold.and_then(|it| it.share).unwrap_or(TOLERANCE))
    }

    fn of(&self, row: &Row, measure: &Measure) -> Option<&Threshold> {
        let fits = |it: &&Threshold| it.measure == measure.name && it.fits(row);
        self.thresholds.iter().rev().find(fits)
    }
}

impl Threshold {
    fn check(&self) -> Result<()> {
        let Some(measure) = measure(&self.measure) else {
            bail!(
                "unknown measure `{}`{}",
                self.measure,
                words::meant(&self.measure, MEASURES.iter().map(|measure| measure.name))
            );
        };
        let name = measure.name;
        if let Some(share) = self.share {
            ensure!(
                share.is_finite() && (0.0..=1000.0).contains(&share),
                "{name}: share = {share} is not between 0 and 1000 (0.01 is one per cent)"
            );
        }
        ensure!(
            self.share.is_some() || self.plus.is_some() || self.ignore,
            "{name}: say `share`, `plus` or `ignore`"
        );
        ensure!(
            measure.exact || self.plus.is_none(),
            "{name}: differs from run to run, so only a `share` is a threshold for it"
        );
        ensure!(
            measure.column,
            "{name}: is a sum of columns; name the columns"
        );
        Ok(())
    }

    fn fits(&self, row: &Row) -> bool {
        let is = |wanted: &Option<String>, name: &str| {
            wanted
                .as_deref()
                .is_none_or(|wanted| match wanted.strip_suffix('*') {
                    Some(beginning) => name.starts_with(beginning),
                    None => name == wanted,
                })
        };
        let turned = |case: &Case| {
            case.axes()
                .all(|(axis, value)| row.case.get(axis) == Some(value))
        };
        is(&self.scenario, &row.scenario)
            && is(&self.method, &row.method)
            && is(&self.image, &row.image)
            && self.verb.is_none_or(|verb| verb == row.verb)
            && self.case.as_ref().is_none_or(turned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        Row {
            scenario: "smoke".into(),
            method: "fastcdc/64k".into(),
            case: "fault=none policy=all".parse().unwrap(),
            verb: Verb::Update,
            ..Row::default()
        }
    }

    #[test]
    fn the_last_threshold_that_fits_counts() {
        let file = "[[threshold]]\nmeasure = \"payload_bytes\"\nshare = 0.01\nplus = 50\n\
                    [[threshold]]\nmeasure = \"payload_bytes\"\nmethod = \"fastcdc/*\"\ncase = \"policy=all\"\nplus = 7\n\
                    [[threshold]]\nmeasure = \"payload_bytes\"\nscenario = \"other\"\nignore = true\n";
        let thresholds = Thresholds::parse(file).unwrap();
        let payload = measure("payload_bytes").unwrap();
        assert_eq!(thresholds.growth(&row(), payload, 10_000), 7);
        let raw = Row {
            method: "raw".into(),
            ..row()
        };
        assert_eq!(thresholds.growth(&raw, payload, 10_000), 100);
        assert_eq!(thresholds.growth(&raw, payload, 100), 50);
        assert_eq!(thresholds.growth(&raw, measure("requests").unwrap(), 9), 0);
        let wall = measure("wall_ns").unwrap();
        assert_eq!(thresholds.tolerance(&raw, wall), Some(TOLERANCE));
    }

    #[test]
    fn a_file_that_means_nothing_is_refused_with_the_reason() {
        let cases = [
            ("measure = \"payload_byte\"\nplus = 1", "payload_bytes"),
            ("measure = \"requests\"", "say `share`"),
            ("measure = \"requests\"\nshare = -1.0", "between 0 and 1000"),
            ("measure = \"requests\"\nshare = nan", "between 0 and 1000"),
            ("measure = \"wall_ns\"\nplus = 9", "only a `share`"),
            ("measure = \"transfer_bytes\"\nplus = 9", "name the columns"),
            ("measure = \"requests\"\nmore = 9", "unknown field `more`"),
        ];
        for (lines, says) in cases {
            let why = format!(
                "{:#}",
                Thresholds::parse(&format!("[[threshold]]\n{lines}\n")).unwrap_err()
            );
            assert!(why.contains(says), "{lines}: {why}");
        }
    }
}
