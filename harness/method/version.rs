//! The version strings of built-in methods: everything that decides their bytes.
//!
//! Bytes of different versions are not compared, so a string names the lab, each library that shapes what is
//! moved, and the parameters it is given.

/// This package, as every built-in method's version begins.
pub(super) const LAB: &str = concat!("delta-lab ", env!("CARGO_PKG_VERSION"));

/// The zlib that flate2 deflates with, built from the source in this crate. It can tell its version only through
/// a C call, so it is written here, and a test holds it to Cargo.lock. The same goes for the two below.
pub(super) const ZLIB: &str = "libz-sys 1.1.31";
pub(super) const FASTCDC: &str = "fastcdc 5.0.0";
pub(super) const XDELTA3: &str = "xdelta3 0.1.5";

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
        for written in [ZLIB, FASTCDC, XDELTA3] {
            let (name, version) = written.split_once(' ').unwrap();
            let linked: Vec<&str> = packages
                .iter()
                .filter(|package| package["name"].as_str() == Some(name))
                .map(|package| package["version"].as_str().unwrap())
                .collect();
            assert_eq!(linked, [version], "{name}");
        }
    }
}
