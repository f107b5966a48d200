//! Work in any order: items are given to several threads, and the first error ends it.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Scope, ScopedJoinHandle};

use anyhow::{Result, bail};

/// The threads, and the road to them.
pub struct Spread<'scope, I> {
    items: SyncSender<I>,
    threads: Vec<ScopedJoinHandle<'scope, Result<()>>>,
    failed: Arc<AtomicBool>,
}

/// Starts `threads` workers; so many items may wait for them. `worker` makes what one thread works with, such as a
/// compressor.
pub fn spread<'scope, I, W>(
    scope: &'scope Scope<'scope, '_>,
    threads: usize,
    worker: impl Fn() -> Result<W> + Send + Sync + 'scope,
) -> Spread<'scope, I>
where
    I: Send + 'scope,
    W: FnMut(I) -> Result<()>,
{
    let (items, waiting) = sync_channel(threads);
    let waiting = Arc::new(Mutex::new(waiting));
    let (worker, failed) = (Arc::new(worker), Arc::new(AtomicBool::new(false)));
    let one = || {
        let (waiting, worker, failed) = (waiting.clone(), worker.clone(), failed.clone());
        scope.spawn(move || {
            let work = || {
                let mut work = worker()?;
                loop {
                    let item = waiting
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .recv();
                    match item {
                        Ok(item) => work(item)?,
                        Err(_) => return Ok(()),
                    }
                }
            };
            let worked = work();
            failed.fetch_or(worked.is_err(), Ordering::Relaxed);
            worked
        })
    };
    Spread {
        threads: (0..threads.max(1)).map(|_| one()).collect(),
        items,
        failed,
    }
}

impl<I> Spread<'_, I> {
    /// Hands an item over, once a thread has room for it. Fails when a worker has failed; `finish` says why.
    pub fn give(&self, item: I) -> Result<()> {
        if self.failed.load(Ordering::Relaxed) || self.items.send(item).is_err() {
            bail!("a worker failed");
        }
        Ok(())
    }

    /// Waits until everything that was given is done. The error is the first worker's.
    pub fn finish(self) -> Result<()> {
        drop(self.items);
        let mut ended = Ok(());
        for thread in self.threads {
            let worked = thread.join().unwrap_or_else(|panic| resume_unwind(panic));
            ended = ended.and(worked);
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::thread;

    use super::*;

    #[test]
    fn everything_is_done_and_an_error_is_told() {
        let sum = AtomicU64::new(0);
        let add = |upto: u64, bad: u64| {
            thread::scope(|scope| {
                let adding = spread(scope, 3, || {
                    Ok(|item: u64| {
                        anyhow::ensure!(item != bad, "{bad} is bad");
                        sum.fetch_add(item, Ordering::Relaxed);
                        Ok(())
                    })
                });
                let given = (0..upto).try_for_each(|item| adding.give(item));
                (given, adding.finish())
            })
        };
        let (given, ended) = add(1000, u64::MAX);
        given.and(ended).unwrap();
        assert_eq!(sum.load(Ordering::Relaxed), 999 * 500);
        // No end of items: a worker's failure is what ends the giving.
        let (given, ended) = add(u64::MAX, 7);
        given.unwrap_err();
        assert_eq!(ended.unwrap_err().to_string(), "7 is bad");
    }
}
