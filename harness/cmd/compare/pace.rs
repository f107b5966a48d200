//! How long a method takes, roughly, so that a first comparison leaves out what would keep its reader waiting.

/// A method that may take longer than this takes part only when it is asked for, in seconds.
pub const REASONABLE_S: u64 = 30;

/// Megabytes a second that slow methods publish on one core of a small server, images that share little (the slowest
/// case: the scenario `debian-11-to-12`, processor time of the publish).
const SLOW: &[(&str, f64)] = &[
    // Their full form, of 40 MB.
    ("image-patch/fast", 1.1),
    ("image-patch/best", 1.0),
    ("bsdiff-cli", 0.5),
    ("ostree", 0.7),
    ("zstd-cli/19", 0.7),
    ("zstd-patch/19", 0.9),
    ("hdiffpatch", 1.5),
    ("zstd/19", 1.8),
    ("rdiff", 1.9),
    ("bsdiff", 2.0),
    ("rsync-batch", 2.1),
    ("tar-diff/19", 2.2),
    ("rsync", 2.6),
    ("xdelta3-cli/whole", 3.3),
    ("xdelta3-cli/default", 4.7),
    ("xdelta3", 4.8),
    ("gzip-xdelta3/plain", 5.2),
    ("gzip-xdelta3/rsyncable", 5.5),
    ("zsync-gz", 7.0),
    ("tar-diff/3", 7.0),
];

/// How long a slow method may take for images of so many bytes together, in seconds; `None` for all others, which
/// publish at least 12 MB a second.
pub fn seconds(method: &str, bytes: u64) -> Option<u64> {
    let (_, megabytes_a_second) = SLOW.iter().find(|(name, _)| *name == method)?;
    Some((bytes as f64 / 1e6 / megabytes_a_second) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_images_leave_nothing_out_and_large_ones_the_slow_alone() {
        let out = |bytes| {
            let slow = SLOW.iter().filter_map(|(name, _)| seconds(name, bytes));
            slow.filter(|seconds| *seconds > REASONABLE_S).count()
        };
        assert_eq!(out(10_000_000), 0);
        assert!(out(500_000_000) > 5);
        assert_eq!(seconds("raw", u64::MAX), None);
    }
}
