//! What a long run shows, always on standard error. On a terminal: a live bar, and one line as a method ends.
//! Otherwise, and with `-v`: a line for each act.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::out::note;
use crate::plan::Trial;
use crate::record::{Check, Row, Verb};
use crate::report::units;
use crate::run::News;

pub struct Progress {
    bar: Option<ProgressBar>,
    /// A line for each act, instead of one for each trial.
    verbose: bool,
    acts: usize,
    done: usize,
}

impl Progress {
    pub fn new(verbose: bool) -> Progress {
        let on_terminal = std::io::stderr().is_terminal();
        Progress {
            bar: on_terminal.then(new_bar),
            verbose: verbose || !on_terminal,
            acts: 0,
            done: 0,
        }
    }

    pub fn tell(&mut self, news: News) {
        match news {
            News::Image {
                scenario,
                image,
                text,
            } => {
                self.pass(format!("{scenario}: image {image}: {text}"));
            }
            News::Method {
                scenario,
                method,
                text,
            } => {
                self.pass(format!("{scenario}: {method}: {text}"));
            }
            News::Warning(text) => self.line(&format!("warning: {text}")),
            News::Planned { acts, done } => self.planned(acts, done),
            News::Starting(planned) => {
                if let Some(bar) = &self.bar {
                    bar.set_message(planned.act.to_string());
                }
            }
            News::Row(row) => {
                self.done += 1;
                if self.verbose {
                    self.line(&format!("[{}/{}] {}", self.done, self.acts, outcome(row)));
                }
                if let Some(bar) = &self.bar {
                    bar.set_position(self.done as u64);
                }
            }
            News::Trial(trial, rows) => {
                if !self.verbose && !rows.is_empty() {
                    let width = console::width();
                    self.line(&cut(&summary(trial, rows), width));
                }
            }
        }
    }

    fn planned(&mut self, acts: usize, done: usize) {
        (self.acts, self.done) = (acts, done);
        if let Some(bar) = &self.bar {
            bar.set_length(acts as u64);
            bar.set_position(done as u64);
        }
        if done > 0 {
            self.line(&format!("{done} of {acts} acts have their row already"));
        }
    }

    /// What is of no use once the next thing is said.
    fn pass(&self, line: String) {
        match (&self.bar, self.verbose) {
            (Some(bar), false) => bar.set_message(line),
            _ => self.line(&line),
        }
    }

    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => note(text),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn new_bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len} {elapsed} {wide_msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

mod console {
    /// Columns of the terminal that standard error goes to; 80 when it can't be told.
    pub fn width() -> usize {
        terminal_size::terminal_size_of(std::io::stderr())
            .map_or(80, |(columns, _)| usize::from(columns.0))
    }
}

/// `casync/64k            update 3.69 MB in 64 requests, full 45.0 MB, stored 50.1 MB, 12.3 s`
fn summary(trial: &Trial, rows: &[Row]) -> String {
    let mut name = trial.doer.clone();
    if !trial.case.is_empty() {
        name.push_str(&format!(" [{}]", trial.case));
    }
    if trial.sample > 1 {
        name.push_str(&format!(" #{}", trial.sample));
    }
    format!("{name:<22} {}", best_figures(rows))
}

fn best_figures(rows: &[Row]) -> String {
    if let Some(row) = rows.iter().find(|row| row.check == Check::Failed) {
        return format!("FAILED: {}: {}", row.act().deed(), row.error);
    }
    if let Some(row) = rows.iter().find(|row| row.check == Check::Skipped) {
        return format!("skipped: {}", row.error);
    }
    let mut figures = Vec::new();
    let moved = |row: &Row| row.payload_bytes.unwrap_or(0) + row.upload_bytes.unwrap_or(0);
    let updates = || rows.iter().filter(|row| row.verb == Verb::Update);
    if let Some(row) = updates().rfind(|row| !row.bases.is_empty()) {
        figures.push(format!(
            "update {} in {}",
            units::bytes(moved(row)),
            requests(row)
        ));
    }
    if let Some(row) = updates().rfind(|row| row.bases.is_empty()) {
        figures.push(format!("full {}", units::bytes(moved(row))));
    }
    let stored: Vec<i64> = rows.iter().filter_map(|row| row.store_bytes).collect();
    if !stored.is_empty() {
        figures.push(format!(
            "stored {}",
            units::bytes(stored.iter().sum::<i64>())
        ));
    }
    let walls: Vec<u64> = rows.iter().filter_map(|row| row.wall_ns).collect();
    if !walls.is_empty() {
        figures.push(units::time(walls.iter().sum::<u64>()));
    }
    figures.join(", ")
}

fn requests(row: &Row) -> String {
    units::several(row.requests.unwrap_or_default() as usize, "request")
}

/// The act, and how it ended.
fn outcome(row: &Row) -> String {
    let act = row.act();
    match row.check {
        Check::Skipped => format!("{act}: skipped: {}", row.error),
        Check::Failed => format!("{act}: FAILED: {}", row.error),
        Check::Exact | Check::Image | Check::Tree => {
            let brought = match (row.payload_bytes, row.store_bytes) {
                (Some(payload), _) => {
                    Some(format!("{} in {}", units::bytes(payload), requests(row)))
                }
                (None, Some(stored)) => Some(format!(
                    "{} stored in {}",
                    units::bytes(stored),
                    units::several(row.store_files.unwrap_or_default() as usize, "file")
                )),
                (None, None) => None,
            };
            let figures: Vec<String> = brought
                .into_iter()
                .chain(row.wall_ns.map(units::time))
                .collect();
            match figures.is_empty() {
                true => format!("{act}: done"),
                false => format!("{act}: {}", figures.join(", ")),
            }
        }
    }
}

/// The text, cut to the width with an ellipsis.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_string();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    kept + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_method_fits_the_width_and_says_its_best_figures() {
        let row = |verb, bases: &str, payload| Row {
            method: "casync/64k".into(),
            verb,
            bases: bases.parse().unwrap(),
            payload_bytes: payload,
            requests: payload.map(|_| 64),
            store_bytes: (verb == Verb::Publish).then_some(50_000_000),
            wall_ns: Some(1_000_000_000),
            check: Check::Exact,
            ..Row::default()
        };
        let rows = [
            row(Verb::Publish, "", None),
            row(Verb::Update, "", Some(45_000_000)),
            row(Verb::Update, "v1", Some(3_690_000)),
        ];
        let trial = Trial {
            scenario: "s".into(),
            doer: "casync/64k".into(),
            case: "policy=all".parse().unwrap(),
            sample: 2,
            acts: Vec::new(),
        };
        let line = summary(&trial, &rows);
        assert_eq!(
            line,
            "casync/64k [policy=all] #2 update 3.69 MB in 64 requests, full 45.0 MB, stored 50.0 MB, 3.00 s"
        );
        assert_eq!(cut(&line, 30).chars().count(), 30);
        let failed = Row {
            check: Check::Failed,
            error: "out of luck".into(),
            ..row(Verb::Update, "v1", None)
        };
        assert_eq!(
            best_figures(&[failed]),
            "FAILED: update  from v1: out of luck"
        );
    }
}
