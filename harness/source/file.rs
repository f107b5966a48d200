//! Images that are files already: read in place, never copied.
//!
//! A copy in the cache would double the disk space of a large archive. Hashing the file costs as much as verifying a copy
//! would, and notices when the file has changed.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::key::Identity;
use super::{Made, SaveOrder, SourceKind, inspect, nearby};
use crate::image::Image;

/// A file that exists: a docker archive, an OCI archive, any tar, any file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageFile {
    pub path: PathBuf,
}

impl SourceKind for ImageFile {
    fn identity(&self, _scenario: &str, name: &str) -> Result<Identity> {
        Ok(Identity {
            kind: "file",
            readable: name.to_string(),
            json: json!([self.path]),
        })
    }

    fn make(&self, _order: &SaveOrder) -> Result<Made> {
        bail!(
            "{}: a file is used in place, not saved",
            self.path.display()
        )
    }

    fn in_place(&self) -> Option<&Path> {
        Some(&self.path)
    }

    fn missing(&self) -> Option<PathBuf> {
        (!self.path.exists()).then(|| self.path.clone())
    }
}

impl fmt::Display for ImageFile {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        write!(to, "file {}", nearby(&self.path).display())
    }
}

/// Reads and hashes the file.
pub fn read(name: &str, path: &Path) -> Result<(Image, Made)> {
    let about = fs::metadata(path).with_context(|| format!("image file {}", path.display()))?;
    ensure!(
        about.is_file(),
        "image file {}: this is not a file",
        path.display()
    );
    Ok((Image::read(name, path)?, inspect::look(path)?))
}
