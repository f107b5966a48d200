//! Whether what a step left at its output path is the image, and in words why not.

use std::fs;
use std::path::Path;

use super::trees::Tree;
use crate::archive::identity::Identity;
use crate::image::{Image, hash_file};

/// Whether the file at `out` is the image; a reason in words if not.
pub fn file(image: &Image, out: &Path) -> Result<(), String> {
    match fs::symlink_metadata(out) {
        Err(_) => return Err("ended well but left no file at the output path".to_string()),
        Ok(about) if !about.is_file() => {
            return Err("left something at the output path that is not a file".to_string());
        }
        // Before it is read: a file with holes may be longer than anybody can wait for.
        Ok(about) if about.len() != image.bytes => {
            return Err(format!(
                "wrong output: {} bytes, the image has {}",
                about.len(),
                image.bytes
            ));
        }
        Ok(_) => {}
    }
    let (bytes, sha256) =
        hash_file(out).map_err(|why| format!("its output can't be read: {why:#}"))?;
    if sha256 == image.sha256 {
        return Ok(());
    }
    Err(format!(
        "wrong output: {bytes} bytes with sha256 {}…, the image has {} with {}…",
        &sha256[..12],
        image.bytes,
        &image.sha256[..12]
    ))
}

/// Whether the archive at `out` holds the image as an engine knows it; a reason in words if not.
pub fn image(image: &Image, out: &Path) -> anyhow::Result<Result<(), String>> {
    match fs::symlink_metadata(out) {
        Err(_) => {
            return Ok(Err(
                "ended well but left no file at the output path".to_string()
            ));
        }
        Ok(about) if !about.is_file() => {
            let why = "left something at the output path that is not a file";
            return Ok(Err(why.to_string()));
        }
        Ok(_) => {}
    }
    let wanted = Identity::of(&image.path)?;
    Ok(match wanted.of_rebuilt(out) {
        Err(why) => Err(format!("wrong image: {why:#}")),
        Ok(rebuilt) => match wanted.difference(&rebuilt) {
            None => Ok(()),
            Some(how) => Err(format!("wrong image: {how}")),
        },
    })
}

/// Whether the folder at `out` is the tree; a reason in words, with the first path that is wrong, if not.
pub fn folder(tree: &Tree, out: &Path) -> Result<(), String> {
    match fs::symlink_metadata(out) {
        Err(_) => return Err("ended well but left no folder at the output path".to_string()),
        Ok(about) if !about.is_dir() => {
            return Err("left something at the output path that is not a folder".to_string());
        }
        Ok(_) => {}
    }
    let rebuilt = tree
        .listing
        .of_rebuilt(out)
        .map_err(|why| format!("its output can't be read: {why:#}"))?;
    match tree.listing.difference(&rebuilt) {
        None => Ok(()),
        Some(how) => Err(format!("wrong tree: {how}")),
    }
}
