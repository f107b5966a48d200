//! The gate on a wire: lets an exact number of payload bytes pass, and then closes the connections or holds them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

/// What becomes of a wire once `after_bytes` bytes of payload have crossed.
pub struct Interruption {
    pub after_bytes: u64,
    pub then: Then,
}

/// What happens at that byte.
pub enum Then {
    /// Every connection is closed and none is accepted any more, as when a line breaks.
    Close,
    /// Nothing moves until the wire is closed; this is called once, and may kill the client.
    Hold(Box<dyn FnOnce() + Send>),
}

/// The gate of one wire. All its connections are served by one thread, so that what was asked for and what is spent
/// do not race.
pub struct Gate {
    /// Payload that may still cross.
    left_bytes: AtomicU64,
    /// The same without what connections are about to write.
    free_bytes: AtomicU64,
    then: Mutex<Option<Then>>,
    /// True once connections are to end.
    ended: watch::Sender<bool>,
}

impl Gate {
    pub fn new(interruption: Interruption) -> Gate {
        Gate {
            left_bytes: AtomicU64::new(interruption.after_bytes),
            free_bytes: AtomicU64::new(interruption.after_bytes),
            then: Mutex::new(Some(interruption.then)),
            ended: watch::Sender::new(false),
        }
    }

    /// How many bytes of payload may still cross, those that are about to apart.
    pub fn free_bytes(&self) -> u64 {
        self.free_bytes.load(Ordering::Relaxed)
    }

    /// Takes at most `bytes` of them for somebody who then writes them all. Nobody writes nothing: at 0, the gate shuts
    /// once everybody has written.
    pub fn take(&self, bytes: u64) -> u64 {
        let free = self.free_bytes();
        let taken = free.min(bytes);
        self.free_bytes.store(free - taken, Ordering::Relaxed);
        if taken == 0 && self.left_bytes.load(Ordering::Relaxed) == 0 {
            self.shut();
        }
        taken
    }

    /// So many bytes of payload crossed; the gate shuts with the last that may.
    pub fn spend(&self, bytes: u64) {
        let left = self.left_bytes.load(Ordering::Relaxed);
        let left = left.saturating_sub(bytes);
        self.left_bytes.store(left, Ordering::Relaxed);
        if left == 0 && bytes > 0 {
            self.shut();
        }
    }

    /// Shuts the gate: what was ordered happens, once.
    fn shut(&self) {
        let mut then = self.then.lock().unwrap_or_else(PoisonError::into_inner);
        match then.take() {
            Some(Then::Close) => self.end(),
            Some(Then::Hold(act)) => act(),
            None => {}
        }
    }

    /// Ends the connections that are held.
    pub fn end(&self) {
        self.ended.send_replace(true);
    }

    /// Whether connections are to end.
    pub fn has_ended(&self) -> bool {
        *self.ended.borrow()
    }

    /// Waits until connections are to end.
    pub async fn ended(&self) {
        // It fails when the sender is gone, which is this gate's own.
        self.ended.subscribe().wait_for(|ended| *ended).await.ok();
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.debug_struct("Gate")
            .field("left_bytes", &self.left_bytes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(after_bytes: u64) -> Gate {
        Gate::new(Interruption {
            after_bytes,
            then: Then::Close,
        })
    }

    #[test]
    fn it_shuts_with_the_last_byte_that_is_written_and_not_when_it_is_promised() {
        let gate = gate(10);
        assert_eq!((gate.take(7), gate.take(7), gate.take(7)), (7, 3, 0));
        gate.spend(3);
        gate.spend(0);
        assert!(!gate.has_ended());
        gate.spend(7);
        assert!(gate.has_ended());
    }

    #[test]
    fn one_that_lets_nothing_pass_shuts_when_something_is_asked_for() {
        let gate = gate(0);
        gate.spend(0);
        assert!(!gate.has_ended());
        assert_eq!(gate.take(1), 0);
        assert!(gate.has_ended());
    }
}
