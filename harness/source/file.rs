//! Images that are files already: read where they lie, never copied.
//!
//! A copy in the cache would double the room a big archive takes, and hashing the file itself costs what verifying the
//! copy would, with the gain that a file which has changed since is seen as what it is now.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::{Made, inspect};
use crate::image::Image;

/// Reads and hashes the file: an archive, any tar, or any file at all.
pub fn read(name: &str, path: &Path) -> Result<(Image, Made)> {
    let about = fs::metadata(path).with_context(|| format!("image file {}", path.display()))?;
    ensure!(
        about.is_file(),
        "image file {}: this is not a file",
        path.display()
    );
    Ok((Image::read(name, path)?, inspect::look(path)?))
}
