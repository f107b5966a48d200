//! Stands in for rand 0.6 in the build of the `xdelta3` crate (0.1.5), the only user of it here.
//!
//! That crate's build script draws numbers to name files in its own output folder. Numbers that differ are enough for
//! that, and ten crates less are compiled.

use std::sync::atomic::{AtomicI32, Ordering};

/// A source of numbers that differ within this process.
pub struct ThreadRng;

pub fn thread_rng() -> ThreadRng {
    ThreadRng
}

pub trait Rng {
    fn gen<T: From<i32>>(&mut self) -> T;
}

impl Rng for ThreadRng {
    fn gen<T: From<i32>>(&mut self) -> T {
        static NEXT: AtomicI32 = AtomicI32::new(1);
        NEXT.fetch_add(1, Ordering::Relaxed).into()
    }
}
