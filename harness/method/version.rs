//! The version strings of built-in methods: everything that decides their bytes.
//!
//! Bytes of different versions are not compared, so a string names the lab, each library that shapes what is
//! moved, and the parameters it is given.

/// This package, as every built-in method's version begins.
pub(super) const LAB: &str = concat!("delta-lab ", env!("CARGO_PKG_VERSION"));

/// The zlib that flate2 deflates with, built from the source in this crate. It can tell its version only through
/// a C call, so it is written here, and a test holds it to Cargo.lock. The same goes for those below.
pub(super) const ZLIB: &str = "libz-sys 1.1.31";
pub(super) const FASTCDC: &str = "fastcdc 5.0.0";
pub(super) const XDELTA3: &str = "xdelta3 0.1.5";
pub(super) const QBSDIFF: &str = "qbsdiff 1.4.4";
/// Which of several equal matches qbsdiff takes.
pub(super) const SUFFIX_ARRAY: &str = "suffix_array 0.5.0";
/// The bzip2 under qbsdiff.
pub(super) const BZIP2: &str = "libbz2-rs-sys 0.2.6";
pub(super) const FAST_RSYNC: &str = "fast_rsync 0.2.0";
pub(super) const BITAR: &str = "bitar 0.15.0";

/// libzstd, as it says itself, with the level given to it.
pub(super) fn zstd(level: i32) -> String {
    format!("zstd {} -{level}", zstd::zstd_safe::version_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_written_here_are_those_that_are_linked() {
        let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock");
        let lock: toml::Table = std::fs::read_to_string(lock).unwrap().parse().unwrap();
        let packages = lock["package"].as_array().unwrap();
        for written in [
            ZLIB,
            FASTCDC,
            XDELTA3,
            QBSDIFF,
            SUFFIX_ARRAY,
            BZIP2,
            FAST_RSYNC,
            BITAR,
        ] {
            let (name, version) = written.split_once(' ').unwrap();
            let linked: Vec<&str> = packages
                .iter()
                .filter(|package| package["name"].as_str() == Some(name))
                .map(|package| package["version"].as_str().unwrap())
                .collect();
            assert_eq!(linked, [version], "{name}");
        }
    }

    /// bitar compresses through an older wrapper than ours: one library, or its version string would not be ours.
    #[test]
    fn one_libzstd_is_linked() {
        let lock = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock"));
        assert_eq!(lock.matches("name = \"zstd-sys\"").count(), 1);
    }
}
