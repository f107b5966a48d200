//! The version strings of built-in methods: everything that decides their bytes.
//!
//! Bytes of different versions are not compared, so a version names the lab, each library that decides what is moved, and
//! its parameters.

use std::fmt;

/// The start of every built-in method's version: this package.
pub(super) const LAB: &str = concat!("delta-lab ", env!("CARGO_PKG_VERSION"));

/// The zlib that flate2 uses, built from the source in this crate.
pub(super) const ZLIB: Library = Library("libz-sys");
pub(super) const FASTCDC: Library = Library("fastcdc");
pub(super) const GEARHASH: Library = Library("gearhash");
pub(super) const XDELTA3: Library = Library("xdelta3");
pub(super) const QBSDIFF: Library = Library("qbsdiff");
/// Decides which of several equal matches qbsdiff takes.
pub(super) const SUFFIX_ARRAY: Library = Library("suffix_array");
/// The bzip2 that qbsdiff uses.
pub(super) const BZIP2: Library = Library("libbz2-rs-sys");
pub(super) const FAST_RSYNC: Library = Library("fast_rsync");
pub(super) const BITAR: Library = Library("bitar");
/// Applies tar-diffs, and decides no bytes; whether an update ends well is its doing.
pub(super) const OCI_DELTA: Library = Library("oci-delta");

/// The versions that this program was built with.
const LOCK: &str = include_str!("../../Cargo.lock");

/// A library that is built in. Displays as its name and its version in Cargo.lock.
#[derive(Clone, Copy)]
pub(super) struct Library(&'static str);

impl Library {
    fn versions(self) -> impl Iterator<Item = &'static str> {
        let packages = LOCK.split("[[package]]");
        packages.filter_map(move |package| {
            let mut lines = package.trim_start().lines();
            let value = |line: &'static str, key| {
                let value = line.strip_prefix(key)?.strip_prefix(" = ")?;
                Some(value.trim_matches('"'))
            };
            (value(lines.next()?, "name")? == self.0).then_some(())?;
            value(lines.next()?, "version")
        })
    }
}

impl fmt::Display for Library {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        write!(to, "{} {}", self.0, self.versions().next().unwrap_or("?"))
    }
}

/// libzstd's own version, with the level given to it.
pub(super) fn zstd(level: i32) -> String {
    format!("zstd {} -{level}", zstd::zstd_safe::version_string())
}

/// What a tool printed, fit for a terminal and a table: without control characters, and cut where it is longer than
/// `most` characters.
pub(super) fn printable(said: &str, most: usize) -> String {
    let mut shown = said.chars().filter(|letter| !letter.is_control());
    let start: String = shown.by_ref().take(most).collect();
    match shown.next() {
        None => start,
        Some(_) => format!("{start}\u{2026}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// bitar compresses through another wrapper than ours. With two copies of libzstd, our version string would not be
    /// bitar's.
    const ZSTD: Library = Library("zstd-sys");

    #[test]
    fn every_library_is_linked_in_one_version() {
        for library in [
            ZLIB,
            FASTCDC,
            GEARHASH,
            XDELTA3,
            QBSDIFF,
            SUFFIX_ARRAY,
            BZIP2,
            FAST_RSYNC,
            BITAR,
            OCI_DELTA,
            ZSTD,
        ] {
            assert_eq!(library.versions().count(), 1, "{library}");
            let (_, version) = library
                .to_string()
                .rsplit_once(' ')
                .map(|(a, b)| (a.to_string(), b.to_string()))
                .unwrap();
            assert!(
                version.starts_with(|first: char| first.is_ascii_digit()),
                "{library}"
            );
        }
        assert_eq!(Library("no such library").versions().count(), 0);
    }
}
