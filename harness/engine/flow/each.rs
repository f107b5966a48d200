//! Work on numbered things in any order, whose results come in theirs.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Error, Result, anyhow};

/// Does `work` for 0..`count` on so many threads, this one among them; the first error ends it.
pub fn each<T: Send>(
    count: usize,
    threads: usize,
    work: impl Fn(usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Done<T>> = Mutex::new(Done {
        results: std::iter::repeat_with(|| None).take(count).collect(),
        failed: None,
    });
    let worker = || loop {
        let nth = next.fetch_add(1, Ordering::Relaxed);
        if nth >= count {
            break;
        }
        let result = work(nth);
        if result.is_err() {
            next.store(count, Ordering::Relaxed);
        }
        if let Ok(mut done) = done.lock() {
            done.put(nth, result);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.min(count) {
            scope.spawn(worker);
        }
        worker();
    });
    let done = done.into_inner().map_err(|_| anyhow!("a thread failed"))?;
    if let Some((_, error)) = done.failed {
        return Err(error);
    }
    let results: Option<Vec<T>> = done.results.into_iter().collect();
    results.context("a thread ended early")
}

/// What was done so far: each result in its place, and the first of what failed.
struct Done<T> {
    results: Vec<Option<T>>,
    failed: Option<(usize, Error)>,
}

impl<T> Done<T> {
    fn put(&mut self, nth: usize, result: Result<T>) {
        match result {
            Ok(result) => self.results[nth] = Some(result),
            Err(error) if self.failed.as_ref().is_none_or(|(first, _)| nth < *first) => {
                self.failed = Some((nth, error));
            }
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::each;

    #[test]
    fn results_come_in_order_and_an_error_is_told() {
        let squares = each(1000, 3, |n| Ok(n * n)).unwrap();
        assert_eq!(squares, (0..1000).map(|n| n * n).collect::<Vec<_>>());
        let bad = each(1000, 3, |n| {
            anyhow::ensure!(n != 7, "{n} is bad");
            Ok(n)
        });
        assert_eq!(bad.unwrap_err().to_string(), "7 is bad");
    }
}
