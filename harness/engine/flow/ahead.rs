//! Work done ahead: items go to several threads, their results come back in order.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Scope};

/// How many threads this process may run at once: what its affinity and its control group leave it.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, |cores| cores.get())
}

/// A result, or what a worker panicked with.
type Done<O> = thread::Result<O>;

/// The results, in the order of the items.
pub struct Ahead<O> {
    done: Receiver<(usize, Done<O>)>,
    /// Results that came before their turn.
    early: BTreeMap<usize, Done<O>>,
    next: usize,
    /// A ticket lets one more item be taken.
    tickets: Sender<()>,
}

/// Has `threads` workers do the items. No more than `most` items are between being taken and their result being asked
/// for. `worker` makes what one thread works with, such as a connection.
///
/// Dropping the results ends the workers after the item each is at.
pub fn ahead<'scope, I, O, W>(
    scope: &'scope Scope<'scope, '_>,
    items: I,
    (threads, most): (usize, usize),
    worker: impl Fn() -> W + Send + Sync + 'scope,
) -> Ahead<O>
where
    I: Iterator + Send + 'scope,
    I::Item: Send,
    O: Send + 'scope,
    W: FnMut(I::Item) -> O,
{
    let (tickets, taken) = channel();
    let (results, done) = channel();
    for _ in 0..most.max(1) {
        tickets
            .send(())
            .expect("its receiver is in this function still");
    }
    // An item is taken with a ticket in hand, so the lowest that is not handed over is always under way.
    let source = Arc::new(Mutex::new((taken, items.enumerate())));
    let worker = Arc::new(worker);
    for _ in 0..threads.clamp(1, most.max(1)) {
        let (source, worker, results) = (source.clone(), worker.clone(), results.clone());
        scope.spawn(move || {
            let mut work = None;
            loop {
                let item = {
                    let mut source = source.lock().unwrap_or_else(PoisonError::into_inner);
                    let (taken, items) = &mut *source;
                    if taken.recv().is_err() {
                        return;
                    }
                    items.next()
                };
                let Some((at, item)) = item else {
                    return;
                };
                let made = catch_unwind(AssertUnwindSafe(|| {
                    work.get_or_insert_with(|| worker())(item)
                }));
                let panicked = made.is_err();
                if results.send((at, made)).is_err() || panicked {
                    return;
                }
            }
        });
    }
    Ahead {
        done,
        early: BTreeMap::new(),
        next: 0,
        tickets,
    }
}

impl<O> Iterator for Ahead<O> {
    type Item = O;

    fn next(&mut self) -> Option<O> {
        let made = loop {
            if let Some(made) = self.early.remove(&self.next) {
                break made;
            }
            let (at, made) = self.done.recv().ok()?;
            self.early.insert(at, made);
        };
        self.next += 1;
        // Without workers nobody needs it.
        self.tickets.send(()).ok();
        match made {
            Ok(made) => Some(made),
            Err(panic) => resume_unwind(panic),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[test]
    fn results_come_in_order_and_what_is_under_way_is_bounded() {
        let (under_way, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let items = (0..500).inspect(|_| {
            let now = under_way.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(now, Ordering::SeqCst);
        });
        thread::scope(|scope| {
            let results = ahead(scope, items, (8, 5), || {
                |item: u64| {
                    // The first of each ten is the slowest.
                    if item.is_multiple_of(10) {
                        thread::sleep(Duration::from_micros(300));
                    }
                    item * item
                }
            });
            for (at, result) in results.enumerate() {
                under_way.fetch_sub(1, Ordering::SeqCst);
                assert_eq!(result, (at * at) as u64);
            }
        });
        assert_eq!(under_way.load(Ordering::SeqCst), 0);
        // One more may be taken between a result's hand-over and our count of it.
        assert!(most.load(Ordering::SeqCst) <= 6);
    }

    #[test]
    fn results_nobody_wants_end_the_workers_and_a_workers_panic_is_the_callers() {
        thread::scope(|scope| {
            let mut endless = ahead(scope, 0.., (3, 4), || |item: u64| item);
            assert_eq!(endless.next(), Some(0));
        });
        let panicked = catch_unwind(|| {
            thread::scope(|scope| {
                let results = ahead(scope, 0..100, (3, 4), || {
                    |item: u64| {
                        assert_ne!(item, 50, "fifty");
                        item
                    }
                });
                assert_eq!(results.take(50).count(), 50);
                let results = ahead(scope, 0..100, (3, 4), || {
                    |item: u64| {
                        assert_ne!(item, 50, "fifty");
                        item
                    }
                });
                results.count()
            })
        });
        assert!(panicked.is_err());
    }
}
