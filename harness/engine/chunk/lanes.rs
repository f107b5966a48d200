//! Comparing 64 pairs of neighbours at once, by the widest vectors that the processor has.
//!
//! The vectors are those of the crate `pulp`, which asks the processor once, and holds all that is unsafe.

/// Pairs that are compared at once.
pub const PAIRS: usize = 64;

/// A way to compare.
pub trait Lanes: Copy {
    /// For each byte but the last, whether the next one is higher, and whether it is lower: bit 0 is the first byte.
    fn compare(self, bytes: &[u8; PAIRS + 1]) -> (u64, u64);

    /// Runs what calls `compare`, compiled for this way.
    fn run<R>(self, work: impl FnOnce() -> R) -> R;
}

/// On any processor; compilers make vectors of it where every processor of a kind has them (SSE2, NEON).
#[derive(Clone, Copy, Debug)]
pub struct Plain;

impl Lanes for Plain {
    #[inline(always)]
    fn compare(self, bytes: &[u8; PAIRS + 1]) -> (u64, u64) {
        let (mut up, mut down) = (0, 0);
        for at in 0..PAIRS {
            up |= u64::from(bytes[at + 1] > bytes[at]) << at;
            down |= u64::from(bytes[at + 1] < bytes[at]) << at;
        }
        (up, down)
    }

    fn run<R>(self, work: impl FnOnce() -> R) -> R {
        work()
    }
}

#[cfg(target_arch = "x86_64")]
pub use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use pulp::x86::{V3, V4};
    use pulp::{NullaryFnOnce, cast};

    use super::{Lanes, PAIRS};

    /// Work as pulp takes it.
    struct Work<F>(F);

    impl<R, F: FnOnce() -> R> NullaryFnOnce for Work<F> {
        type Output = R;

        #[inline(always)]
        fn call(self) -> R {
            (self.0)()
        }
    }

    /// `N` bytes from `at` on.
    #[inline(always)]
    fn part<const N: usize>(bytes: &[u8; PAIRS + 1], at: usize) -> [u8; N] {
        let mut part = [0; N];
        part.copy_from_slice(&bytes[at..at + N]);
        part
    }

    /// Two vectors of 32 bytes.
    #[derive(Clone, Copy, Debug)]
    pub struct Avx2(V3);

    impl Avx2 {
        pub fn here() -> Option<Avx2> {
            V3::try_new().map(Avx2)
        }

        #[inline(always)]
        fn half(self, bytes: &[u8; PAIRS + 1], at: usize) -> (u64, u64) {
            let avx2 = self.0.avx2;
            let (one, next) = (cast(part::<32>(bytes, at)), cast(part::<32>(bytes, at + 1)));
            let equal = avx2._mm256_cmpeq_epi8(one, next);
            let not_down = avx2._mm256_cmpeq_epi8(avx2._mm256_max_epu8(one, next), next);
            let bits = |vector| avx2._mm256_movemask_epi8(vector).cast_unsigned();
            let (equal, not_down) = (bits(equal), bits(not_down));
            (u64::from(not_down & !equal), u64::from(!not_down))
        }
    }

    impl Lanes for Avx2 {
        #[inline(always)]
        fn compare(self, bytes: &[u8; PAIRS + 1]) -> (u64, u64) {
            let (low, high) = (self.half(bytes, 0), self.half(bytes, PAIRS / 2));
            (low.0 | high.0 << 32, low.1 | high.1 << 32)
        }

        #[inline(always)]
        fn run<R>(self, work: impl FnOnce() -> R) -> R {
            self.0.vectorize(Work(work))
        }
    }

    /// One vector of 64 bytes, whose comparisons are bits at once.
    #[derive(Clone, Copy, Debug)]
    pub struct Avx512(V4);

    impl Avx512 {
        pub fn here() -> Option<Avx512> {
            V4::try_new().map(Avx512)
        }
    }

    impl Lanes for Avx512 {
        #[inline(always)]
        fn compare(self, bytes: &[u8; PAIRS + 1]) -> (u64, u64) {
            let avx512 = self.0.avx512bw;
            let (one, next) = (cast(part::<64>(bytes, 0)), cast(part::<64>(bytes, 1)));
            (
                avx512._mm512_cmpgt_epu8_mask(next, one),
                avx512._mm512_cmplt_epu8_mask(next, one),
            )
        }

        #[inline(always)]
        fn run<R>(self, work: impl FnOnce() -> R) -> R {
            self.0.vectorize(Work(work))
        }
    }
}

/// Evaluates an expression with the widest lanes of this processor.
macro_rules! best {
    ($lanes:ident => $work:expr) => {{
        #[cfg(target_arch = "x86_64")]
        {
            use $crate::engine::chunk::lanes::{Avx2, Avx512, Plain};
            if let Some($lanes) = Avx512::here() {
                $work
            } else if let Some($lanes) = Avx2::here() {
                $work
            } else {
                let $lanes = Plain;
                $work
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            let $lanes = $crate::engine::chunk::lanes::Plain;
            $work
        }
    }};
}

/// Evaluates an expression with each kind of lanes that this processor has.
#[cfg(test)]
macro_rules! each {
    ($lanes:ident => $work:expr) => {{
        let $lanes = $crate::engine::chunk::lanes::Plain;
        $work;
        #[cfg(target_arch = "x86_64")]
        {
            use $crate::engine::chunk::lanes::{Avx2, Avx512};
            if let Some($lanes) = Avx2::here() {
                $work;
            }
            if let Some($lanes) = Avx512::here() {
                $work;
            }
        }
    }};
}

pub(super) use best;
#[cfg(test)]
pub(super) use each;
