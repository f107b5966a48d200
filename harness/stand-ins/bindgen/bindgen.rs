//! Stands in for bindgen 0.52 in the build of the `xdelta3` crate (0.1.5), the only user of it here.
//!
//! That crate runs bindgen, which needs libclang at build time, to learn the C declarations of two
//! functions. They are written down here instead (from xdelta3.h: `usize_t` is `uint32_t`, the
//! functions return an `int` error code), so a C compiler is all a build of delta-lab needs. The
//! surface below is what that crate's build script calls and no more.

use std::{io, path::Path};

const DECLARATIONS: &str = "\
unsafe extern \"C\" {
    pub fn xd3_encode_memory(
        input: *const u8, input_size: u32, source: *const u8, source_size: u32,
        output_buffer: *mut u8, output_size: *mut u32, avail_output: u32, flags: i32,
    ) -> i32;
    pub fn xd3_decode_memory(
        input: *const u8, input_size: u32, source: *const u8, source_size: u32,
        output_buf: *mut u8, output_size: *mut u32, avail_output: u32, flags: i32,
    ) -> i32;
}
";

/// Takes what bindgen's builder takes and needs none of it.
#[derive(Default)]
pub struct Builder;

/// Named by the caller; it has nothing to hear.
pub struct CargoCallbacks;

/// The two declarations, ready to be written.
pub struct Bindings;

impl Builder {
    pub fn clang_arg(self, _: impl Into<String>) -> Self {
        self
    }

    pub fn header(self, _: impl Into<String>) -> Self {
        self
    }

    pub fn parse_callbacks(self, _: Box<CargoCallbacks>) -> Self {
        self
    }

    pub fn whitelist_function(self, _: impl AsRef<str>) -> Self {
        self
    }

    pub fn generate(self) -> Result<Bindings, ()> {
        Ok(Bindings)
    }
}

impl Bindings {
    pub fn write_to_file(&self, path: impl AsRef<Path>) -> io::Result<()> {
        std::fs::write(path, DECLARATIONS)
    }
}
