//! What a long run shows: a bar on a terminal, plain lines otherwise; always on standard error.

use std::io::IsTerminal;
use std::time::Duration;

use bytesize::ByteSize;
use indicatif::{ProgressBar, ProgressStyle};

use crate::plan::Planned;
use crate::record::{Check, Row, Step};
use crate::run::News;

pub struct Progress {
    bar: Option<ProgressBar>,
    steps: usize,
    done: usize,
}

impl Progress {
    pub fn new() -> Progress {
        Progress {
            bar: std::io::stderr().is_terminal().then(new_bar),
            steps: 0,
            done: 0,
        }
    }

    pub fn tell(&mut self, news: News) {
        match news {
            News::Image {
                scenario,
                image,
                text,
            } => self.line(&format!("{scenario}: image {image}: {text}")),
            News::Warning(text) => self.line(&format!("warning: {text}")),
            News::Planned { steps, done } => {
                (self.steps, self.done) = (steps, done);
                if let Some(bar) = &self.bar {
                    bar.set_length(steps as u64);
                    bar.set_position(done as u64);
                }
                if done > 0 {
                    self.line(&format!("{done} of {steps} steps have their row already"));
                }
            }
            News::Starting(planned) => {
                if let Some(bar) = &self.bar {
                    bar.set_message(words(planned));
                }
            }
            News::Row(row) => {
                self.done += 1;
                let line = format!("[{}/{}] {}", self.done, self.steps, outcome(row));
                self.line(&line);
                if let Some(bar) = &self.bar {
                    bar.set_position(self.done as u64);
                }
            }
        }
    }

    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => eprintln!("{text}"),
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

/// `smoke fastcdc/64k: update v4 from v3`
fn words(planned: &Planned) -> String {
    let key = &planned.key;
    step_words(&key.scenario, &key.method, key.step, &key.image, &key.base)
}

fn step_words(scenario: &str, method: &str, step: Step, image: &str, base: &str) -> String {
    let from = match (step, base) {
        (Step::Update, "") => " from nothing".to_string(),
        (Step::Update, base) => format!(" from {base}"),
        (Step::Publish, "") => " into an empty store".to_string(),
        (Step::Publish, base) => format!(" beside {base}"),
    };
    format!("{scenario} {method}: {} {image}{from}", step.word())
}

fn outcome(row: &Row) -> String {
    let what = step_words(&row.scenario, &row.method, row.step, &row.image, &row.base);
    match row.check {
        Check::Skipped => format!("{what}: skipped: {}", row.error),
        Check::Failed => format!("{what}: FAILED: {}", row.error),
        Check::Exact | Check::Tree => {
            let moved = match (row.payload_bytes, row.store_bytes) {
                (Some(payload), _) => format!(
                    "{} in {} requests",
                    size(payload),
                    row.requests.unwrap_or_default()
                ),
                (None, Some(stored)) if stored >= 0 => {
                    format!(
                        "{} stored in {} files",
                        size(stored.unsigned_abs()),
                        row.store_files.unwrap_or_default()
                    )
                }
                (None, stored) => format!(
                    "{} fewer stored",
                    size(stored.unwrap_or_default().unsigned_abs())
                ),
            };
            let seconds = Duration::from_nanos(row.wall_ns.unwrap_or_default()).as_secs_f64();
            format!("{what}: {moved}, {seconds:.2} s")
        }
    }
}

/// Bytes in decimal units, as in every view.
fn size(bytes: u64) -> String {
    ByteSize(bytes).display().si().to_string()
}
