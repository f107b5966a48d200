//! Which processors a step may use.

use anyhow::{Context, Result};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// The calling thread.
const SELF: Pid = Pid::from_raw(0);

/// The processors that this thread may run on, and so whatever it starts.
fn allowed() -> Result<Vec<usize>> {
    let set = sched_getaffinity(SELF).context("ask which processors may be used")?;
    let all = 0..CpuSet::count();
    Ok(all.filter(|at| set.is_set(*at) == Ok(true)).collect())
}

/// How many processors this thread may run on; 1 where the kernel does not say.
pub fn cores() -> usize {
    allowed().map_or(1, |cores| cores.len())
}

/// Leaves this thread, and whatever it starts, the first few of the processors it has.
pub fn keep(count: usize) -> Result<()> {
    let mut few = CpuSet::new();
    for core in allowed()?.into_iter().take(count) {
        few.set(core).context("choose a processor")?;
    }
    sched_setaffinity(SELF, &few).context("leave the other processors alone")
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_thread_keeps_the_processors_it_is_left_and_others_have_theirs() {
        let all = cores();
        let kept = thread::spawn(|| {
            keep(1).unwrap();
            (cores(), thread::available_parallelism().unwrap().get())
        });
        assert_eq!(kept.join().unwrap(), (1, 1));
        assert_eq!(cores(), all);
    }
}
