//! Work on numbered things in any order, whose results come in theirs.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Result, anyhow, ensure};

/// Does `work` for 0..`count` on so many threads, this one among them; the first error ends it.
pub fn each<T: Send>(
    count: usize,
    threads: usize,
    work: impl Fn(usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
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
            done.push((nth, result));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.min(count) {
            scope.spawn(worker);
        }
        worker();
    });
    let mut done = done.into_inner().map_err(|_| anyhow!("a thread failed"))?;
    done.sort_by_key(|(nth, _)| *nth);
    let done: Result<Vec<T>> = done.into_iter().map(|(_, result)| result).collect();
    let done = done?;
    ensure!(done.len() == count, "a thread ended early");
    Ok(done)
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
