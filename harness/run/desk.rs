//! The desk of a run, where trials write their rows: one trial after the other, or several at a time where sizes alone are
//! measured.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::{Result, bail};

use super::News;
use crate::plan::Planned;
use crate::record::{Check, Finding, FindingFile, Row, RowFile};

pub struct Desk<'a> {
    open: Mutex<Open<'a>>,
    /// Another trial met an error that ends the run.
    ended: AtomicBool,
}

/// What one trial uses at a time.
struct Open<'a> {
    rows: RowFile,
    findings: FindingFile,
    /// How each act ended that was written here.
    checks: Vec<Check>,
    tell: &'a mut (dyn FnMut(News) + Send),
    error: Option<anyhow::Error>,
}

impl<'a> Desk<'a> {
    pub fn new(
        rows: RowFile,
        findings: FindingFile,
        tell: &'a mut (dyn FnMut(News) + Send),
    ) -> Desk<'a> {
        Desk {
            open: Mutex::new(Open {
                rows,
                findings,
                checks: Vec::new(),
                tell,
                error: None,
            }),
            ended: AtomicBool::new(false),
        }
    }

    /// Has `one` do every trial in their order, `jobs` at a time. The first error ends all: the others stop before their
    /// next act.
    pub fn work<T: Sync>(
        &self,
        trials: &[T],
        jobs: usize,
        one: impl Fn(&T) -> Result<()> + Sync,
    ) -> Result<()> {
        let next = AtomicUsize::new(0);
        let worker = || {
            while !self.ended.load(Ordering::SeqCst) {
                let Some(trial) = trials.get(next.fetch_add(1, Ordering::SeqCst)) else {
                    return;
                };
                if let Err(error) = one(trial) {
                    self.ended.store(true, Ordering::SeqCst);
                    self.open().error.get_or_insert(error);
                }
            }
        };
        thread::scope(|scope| {
            for _ in 0..jobs.min(trials.len()) {
                scope.spawn(worker);
            }
        });
        self.open().error.take().map_or(Ok(()), Err)
    }

    /// Tells that an act begins; fails when another trial has ended the run.
    pub fn start(&self, planned: &Planned) -> Result<()> {
        if self.ended.load(Ordering::SeqCst) {
            bail!("another trial ended the run");
        }
        self.tell(News::Starting(planned));
        Ok(())
    }

    /// Writes down what an act found, and its row.
    pub fn write(&self, row: &Row, found: &[Finding]) -> Result<()> {
        let open = &mut *self.open();
        // The row is what makes an act done, so it comes last.
        open.findings.append(found)?;
        open.rows.append(row)?;
        open.checks.push(row.check);
        (open.tell)(News::Row(row));
        Ok(())
    }

    pub fn tell(&self, news: News) {
        (self.open().tell)(news);
    }

    /// How each act ended that was written.
    pub fn close(self) -> Vec<Check> {
        let open = self.open.into_inner();
        open.unwrap_or_else(PoisonError::into_inner).checks
    }

    fn open(&self) -> MutexGuard<'_, Open<'a>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;
    use crate::record::Act;

    fn desk(dir: &std::path::Path, told: &mut (dyn FnMut(News) + Send), work: &dyn Fn(&Desk)) {
        let rows = RowFile::open(dir).unwrap().0;
        let findings = FindingFile::open(dir, &|_| true).unwrap();
        work(&Desk::new(rows, findings, told));
    }

    #[test]
    fn as_many_trials_are_done_at_a_time_as_were_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        // Each waits for two others: with fewer at a time it would wait for ever.
        let together = Barrier::new(3);
        desk(dir.path(), &mut |_| (), &|desk| {
            let one = |_: &u8| {
                together.wait();
                Ok(())
            };
            desk.work(&[0; 6], 3, one).unwrap();
        });
    }

    #[test]
    fn the_first_error_ends_every_trial_before_its_next_act_and_no_other_begins() {
        let dir = tempfile::tempdir().unwrap();
        let (begun, failed) = (AtomicUsize::new(0), Barrier::new(2));
        desk(dir.path(), &mut |_| (), &|desk| {
            let act = Planned {
                act: Act::default(),
                image: 0,
                bases: Vec::new(),
            };
            let one = |name: &&str| {
                begun.fetch_add(1, Ordering::SeqCst);
                failed.wait();
                if *name == "bad" {
                    bail!("the disk is full");
                }
                while desk.start(&act).is_ok() {
                    thread::yield_now();
                }
                desk.start(&act)
            };
            let why = desk.work(&["good", "bad", "never"], 2, one).unwrap_err();
            assert_eq!(why.to_string(), "the disk is full");
        });
        assert_eq!(begun.into_inner(), 2);
    }
}
