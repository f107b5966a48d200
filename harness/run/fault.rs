//! An update that is interrupted: a first attempt that is cut or killed at an exact byte, and a second in what it left.
//!
//! Where the second one fails because of what the first left at the output path, that is removed and there is a third:
//! what somebody would do who looks after such a client. What any attempt says is well is verified once, and a wrong
//! image is a failed row.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use walkdir::WalkDir;

use super::scratch::clear;
use super::setting::Setting;
use super::step::{Attempt, Figures, LOG, OUT, Outcome, SSH};
use crate::clock::Account;
use crate::image::Image;
use crate::probe::Found;
use crate::record::Fault;
use crate::store::Store;
use crate::wire::{Interruption, Then, Traffic, Wire};

impl Setting<'_> {
    /// Updates once undisturbed, to know its payload, and then through the fault, in a scratch of its own. The figures
    /// are those of all attempts of the second update together.
    pub fn update_through(
        &self,
        fault: Fault,
        image: &Image,
        bases: &[Image],
        store: &Store,
    ) -> Result<Outcome<Figures>> {
        let undisturbed = match self.update(image, bases, store)? {
            Ok(figures) => figures.traffic.unwrap_or_default(),
            Err(why) => return Ok(Err(format!("undisturbed: {why}"))),
        };
        let after_bytes = fault.after_bytes(undisturbed.payload_bytes);
        let scratch = self.scratch("client-")?;
        let path = scratch.path();
        let first = match self.disturbed(fault, after_bytes, image, bases, store, path)? {
            Ok(attempt) => attempt,
            Err(why) => return Ok(Err(format!("{fault}: {why}"))),
        };
        // An update without payload meets no fault.
        let met = undisturbed.payload_bytes > 0;
        let done = first.failure.is_none();
        if let Some(why) = early_end(&first, after_bytes) {
            return Ok(Err(why));
        }
        let left_bytes = left_bytes(path)?;
        let first_bytes = moved(&first.traffic);
        let mut attempts = vec![first];
        while !done && attempts.last().is_some_and(|last| last.failure.is_some()) {
            // Between the second and the third.
            if attempts.len() > 1 && !clear_out(path)? || attempts.len() == MOST_ATTEMPTS {
                let why = attempts.pop().and_then(|last| last.failure);
                return Ok(Err(format!(
                    "tried again after {fault}: {}",
                    why.unwrap_or_default()
                )));
            }
            let wire = Wire::open_limited(store, self.ranges)?;
            match self.attempt(image, bases, store, wire, path, None)? {
                Ok(attempt) => attempts.push(attempt),
                Err(why) => return Ok(Err(format!("tried again after {fault}: {why}"))),
            }
        }
        let tries = attempts.len() as u64;
        let sum = sum(attempts);
        let traffic = sum.traffic.unwrap_or_default();
        if let Err(why) = self.verify(image, bases, path, &traffic)? {
            let when = match (done, met) {
                (true, true) => format!("said that all was well through {fault}"),
                _ => format!("tried again after {fault}"),
            };
            return Ok(Err(format!("{when}: {why}")));
        }
        let found = |measure: &str, value: u64| Found {
            part: String::new(),
            measure: measure.to_string(),
            value,
        };
        let all_bytes = moved(&traffic);
        let mut findings = vec![
            found("undisturbed_bytes", moved(&undisturbed)),
            found("first_attempt_bytes", first_bytes),
            found("attempts", tries),
            found("left_bytes", left_bytes),
        ];
        if let Some(percent) = (all_bytes * 100).checked_div(moved(&undisturbed)) {
            findings.push(found("resume_percent", percent));
        }
        Ok(Ok(Figures {
            traffic: Some(traffic),
            found: findings,
            ..sum
        }))
    }

    /// One attempt on a wire that is interrupted after so many bytes of payload.
    fn disturbed(
        &self,
        fault: Fault,
        after_bytes: u64,
        image: &Image,
        bases: &[Image],
        store: &Store,
        scratch: &Path,
    ) -> Result<Outcome<Attempt>> {
        let stop = tempfile::NamedTempFile::new_in(self.work()?)
            .context("make the file that kills a client")?;
        let then = match fault {
            Fault::Cut(_) => Then::Close,
            Fault::Kill(_) => {
                let path = stop.path().to_path_buf();
                // If this fails the client waits until its time limit, and the row says so.
                Then::Hold(Box::new(move || drop(fs::write(path, "stop"))))
            }
        };
        let wire = Wire::open_interrupted(store, self.ranges, Interruption { after_bytes, then })?;
        self.attempt(image, bases, store, wire, scratch, Some(stop.path()))
    }
}

/// The interrupted one, one in what it left, and one without what it left at the output path.
const MOST_ATTEMPTS: usize = 3;

/// What an update moves, bodies in both directions, as the measure `transfer_bytes`.
fn moved(traffic: &Traffic) -> u64 {
    traffic.payload_bytes + traffic.upload_bytes
}

/// Why an attempt failed before its fault came, if it did so.
fn early_end(first: &Attempt, after_bytes: u64) -> Option<String> {
    let why = first.failure.as_ref()?;
    let crossed = first.traffic.payload_bytes;
    (crossed < after_bytes).then(|| {
        format!("failed before it was interrupted, after {crossed} of {after_bytes} bytes: {why}")
    })
}

/// Removes what is at the output path; false when nothing was there.
fn clear_out(scratch: &Path) -> Result<bool> {
    let out = scratch.join(OUT);
    match fs::symlink_metadata(&out) {
        Err(_) => return Ok(false),
        Ok(about) if about.is_dir() => clear(&out)?,
        Ok(_) => fs::remove_file(&out).with_context(|| format!("remove {}", out.display()))?,
    }
    Ok(true)
}

/// Bytes of all files that an attempt left in its scratch, without the lab's own.
fn left_bytes(scratch: &Path) -> Result<u64> {
    let own = [scratch.join(SSH), scratch.join(LOG)];
    let mut bytes = 0;
    for entry in WalkDir::new(scratch) {
        let entry = entry.with_context(|| format!("look through {}", scratch.display()))?;
        if entry.file_type().is_file() && !own.iter().any(|own| own == entry.path()) {
            let about = entry.metadata();
            bytes += about
                .with_context(|| format!("look at {}", entry.path().display()))?
                .len();
        }
    }
    Ok(bytes)
}

/// The account and the traffic of all attempts together; the peak is the largest.
fn sum(attempts: Vec<Attempt>) -> Figures {
    attempts.into_iter().fold(Figures::default(), |sum, next| {
        let (one, other) = (sum.account, next.account);
        Figures {
            account: Account {
                wall_ns: one.wall_ns + other.wall_ns,
                cpu_ns: one.cpu_ns + other.cpu_ns,
                peak_rss_bytes: one.peak_rss_bytes.max(other.peak_rss_bytes),
            },
            held: next.held,
            traffic: Some(sum.traffic.unwrap_or_default().plus(next.traffic)),
            base_read_bytes: match (sum.base_read_bytes, next.base_read_bytes) {
                (Some(one), Some(other)) => Some(one + other),
                (one, other) => one.or(other),
            },
            ..Figures::default()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Held;

    fn attempt(payload_bytes: u64, failure: Option<&str>) -> Attempt {
        Attempt {
            failure: failure.map(str::to_string),
            account: Account {
                wall_ns: 10,
                cpu_ns: 20,
                peak_rss_bytes: payload_bytes,
            },
            held: Held::default(),
            traffic: Traffic {
                payload_bytes,
                upload_bytes: 7,
                ..Traffic::default()
            },
            base_read_bytes: Some(payload_bytes + 1),
        }
    }

    #[test]
    fn the_figures_of_all_attempts_are_summed_but_for_the_peak() {
        let last = Held {
            walls: true,
            ..Held::default()
        };
        let mut none = attempt(50, None);
        (none.held, none.base_read_bytes) = (last.clone(), None);
        let sum = sum(vec![attempt(100, Some("cut")), attempt(60, None), none]);
        let account = Account {
            wall_ns: 30,
            cpu_ns: 60,
            peak_rss_bytes: 100,
        };
        assert_eq!((sum.account, sum.held), (account, last));
        assert_eq!(sum.base_read_bytes, Some(162));
        let traffic = sum.traffic.unwrap();
        assert_eq!((traffic.payload_bytes, traffic.upload_bytes), (210, 21));
        assert_eq!(moved(&traffic), 231);
    }

    #[test]
    fn an_attempt_that_failed_before_its_fault_came_is_told_from_one_that_the_fault_ended() {
        let early = early_end(&attempt(99, Some("no luck")), 100).unwrap();
        assert!(early.contains("after 99 of 100 bytes: no luck"), "{early}");
        assert_eq!(early_end(&attempt(100, Some("cut")), 100), None);
        assert_eq!(early_end(&attempt(99, None), 100), None);
    }
}
