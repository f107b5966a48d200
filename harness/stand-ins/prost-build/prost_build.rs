//! Stands in for prost-build 0.14 in the build of the `bitar` crate (0.15.0), the only user of it here.
//!
//! That crate's build script writes `src/chunk_dictionary.rs` from a protocol description when the file is missing. The
//! published crate has the file, so prost-build is compiled and never called. This stand-in saves its regular
//! expressions and graphs; if it is called after all, the build fails with these words.

use std::io;
use std::path::Path;

/// Takes what bitar's build script gives prost-build.
#[derive(Default)]
pub struct Config;

impl Config {
    pub fn new() -> Config {
        Config
    }

    pub fn btree_map(&mut self, _: impl IntoIterator<Item: AsRef<str>>) -> &mut Config {
        self
    }

    pub fn compile_protos(
        &mut self,
        _: &[impl AsRef<Path>],
        _: &[impl AsRef<Path>],
    ) -> io::Result<()> {
        Err(io::Error::other(
            "the stand-in for prost-build compiles nothing: bitar came without src/chunk_dictionary.rs",
        ))
    }
}
