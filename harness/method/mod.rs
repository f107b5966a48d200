//! Methods: ways to move an image, each two verbs. The built-in ones are a table; declared ones are TOML.

pub mod builtin;
pub mod chunked;
pub mod chunker;
mod index;
pub mod layers;
mod object;
pub mod patched;
mod spans;
#[cfg(test)]
mod tests;
mod version;
pub mod whole;
pub mod xdelta3;
pub mod zstd_patch;

use std::path::Path;

use anyhow::Result;

use crate::image::Image;
use crate::store::Store;
use crate::wire::WireUrl;

/// A way to move an image. Each verb runs in a process of its own, so nothing is remembered between calls
/// but what is in the store.
pub trait Method {
    /// Version of the code that does the work, with the parameters that decide its bytes; fails if it is not here.
    fn version(&self) -> Result<String>;

    /// Whether the method can move this image at all; the error says what it lacks (`layers` needs layers).
    fn accepts(&self, _image: &Image) -> Result<()> {
        Ok(())
    }

    /// Server: add `image` to `store`; clients are expected to hold one of `bases`.
    fn publish(&self, image: &Image, bases: &[Image], store: &Store) -> Result<()>;

    /// Client: rebuild the image published as `name` at `out` (does not exist yet), helped by `bases`.
    fn update(&self, name: &str, bases: &[Image], wire: &WireUrl, out: &Path) -> Result<()>;
}
