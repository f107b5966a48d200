//! Exporters: a run's figures, or a comparison, in the formats that CI dashboards read.

use anyhow::{Result, bail};

use crate::record::Results;
use crate::stats::Comparison;
use crate::words;

mod bmf;
mod junit;
mod smaller;
mod steps;

/// What there is to export.
pub struct Exported<'a> {
    pub comparison: &'a Comparison<'a>,
    pub base: &'a Results,
    pub head: &'a Results,
}

/// A format by its name.
#[derive(Clone, Copy, Debug)]
pub struct Exporter {
    pub name: &'static str,
    pub about: &'static str,
    pub print: fn(&Exported) -> Result<String>,
}

/// Every format. A new one is a file and a line here.
pub const EXPORTERS: &[Exporter] = &[
    Exporter {
        name: "bmf",
        about: "HEAD's figures in Bencher's metric format (adapter `json`)",
        print: bmf::print,
    },
    Exporter {
        name: "smaller-is-better",
        about: "HEAD's figures for github-action-benchmark (tool `customSmallerIsBetter`)",
        print: smaller::print,
    },
    Exporter {
        name: "junit",
        about: "the comparison as JUnit XML: a test case for each act",
        print: junit::print,
    },
];

/// The format of that name; the error names the nearest right word.
pub fn exporter(name: &str) -> Result<&'static Exporter> {
    match EXPORTERS.iter().find(|format| format.name == name) {
        Some(format) => Ok(format),
        None => bail!(
            "unknown format `{name}`{}",
            words::meant(name, EXPORTERS.iter().map(|format| format.name))
        ),
    }
}

#[cfg(test)]
mod tests;
