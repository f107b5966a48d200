//! Cuts a tree into layers by the packages that its files are of, and writes them as the canonical archive.
//!
//! Which layer a package is in hangs on the name of its source and on the number of layers, and on nothing else. So a
//! package that grows, or one more beside it, moves no other one. What no package owns (dpkg's own database, caches, what
//! was made when the image was built) differs in each release, and is the last layer.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Metadata};
use std::io::{self, BufWriter, Seek, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use super::tree::{walk, xattrs};
use super::wrap::bare_config;
use super::{Content, FilePart, canonical, packages};
use crate::image::Hashing;

/// A file, a link or a folder, and what it is.
type Entries = BTreeMap<PathBuf, Metadata>;

/// Writes the tree, which `archive` was unpacked to, to the empty file `to` as an image of at most that many layers, and
/// returns how many there are. A layer of packages that would be empty is left out.
///
/// Everything is as in the tree but the times of folders, which are the epoch: they tell when the image was built, and would
/// make every layer another one. What a container starts with is that of `archive`. `scratch` is a folder for as long as
/// this takes.
pub fn relayer(
    tree: &Path,
    archive: &Path,
    layers: u32,
    scratch: &Path,
    to: &File,
) -> Result<usize> {
    let owners = packages::owners(tree)?;
    let mut entries = Entries::new();
    walk(tree, &mut |place, _, about| {
        entries.insert(place, about.clone());
        Ok(())
    })?;
    let contents = deal(&entries, &owners, layers);
    let path = scratch.join("layers");
    let mut file = File::options()
        .create_new(true)
        .read(true)
        .write(true)
        .open(&path)
        .with_context(|| format!("make {}", path.display()))?;
    let mut written: Vec<(u64, u64, String)> = Vec::new();
    for places in contents.values() {
        let at = file.stream_position().context("place a layer")?;
        let (length, digest) = write(tree, &entries, places, &file)?;
        written.push((at, length, digest));
    }
    let parts = written.iter().enumerate().map(|(at, layer)| FilePart {
        file: &file,
        what: format!("layer {}", at + 1),
        offset: layer.0,
        length: layer.1,
    });
    let parts: Vec<FilePart> = parts.collect();
    let digests = written.iter().map(|(_, _, digest)| digest.as_str());
    let config = config(archive, digests)?;
    canonical(config.to_string().as_bytes(), &parts, to)?;
    fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))?;
    Ok(written.len())
}

/// Deals the places out to layers, by their number; the highest is that of what no package owns. Each layer has the folders
/// that its files are in.
fn deal(
    entries: &Entries,
    owners: &BTreeMap<PathBuf, String>,
    layers: u32,
) -> BTreeMap<u32, BTreeSet<PathBuf>> {
    let last = layers - 1;
    let owned = |place: &Path| owners.get(place).map(|source| layer_of(source, last));
    // The names of one file are in one layer: an engine may lay each over the others by itself.
    let mut linked: BTreeMap<(u64, u64), u32> = BTreeMap::new();
    for (place, about) in entries {
        if let (true, Some(layer)) = (is_linked(about), owned(place)) {
            let first = linked.entry((about.dev(), about.ino())).or_insert(layer);
            *first = layer.min(*first);
        }
    }
    let mut contents: BTreeMap<u32, BTreeSet<PathBuf>> = BTreeMap::new();
    for (place, about) in entries {
        let layer = match is_linked(about) {
            true => linked.get(&(about.dev(), about.ino())).copied(),
            false => owned(place),
        };
        let places = contents.entry(layer.unwrap_or(last)).or_default();
        // The root has no name in a tar of its own but in the last layer.
        let folders = place
            .ancestors()
            .filter(|folder| !folder.as_os_str().is_empty());
        places.extend(folders.map(Path::to_path_buf));
        if place.as_os_str().is_empty() {
            places.insert(place.clone());
        }
    }
    contents
}

fn is_linked(about: &Metadata) -> bool {
    !about.is_dir() && about.nlink() > 1
}

/// The layer of a source package among so many: it hangs on the name alone.
///
/// Linear hashing (Litwin, 1980): one layer more takes sources out of one layer and moves no others, so more layers only
/// part what was together.
fn layer_of(source: &str, layers: u32) -> u32 {
    let digest = Sha256::digest(source.as_bytes());
    let mut first = [0; 4];
    first.copy_from_slice(&digest[..4]);
    let layers = layers.max(1);
    let half = 1 << layers.ilog2();
    let place = u32::from_be_bytes(first) % (2 * half);
    if place < layers { place } else { place - half }
}

/// Writes a layer at the file's end; returns its length and its sha256.
fn write(
    tree: &Path,
    entries: &Entries,
    places: &BTreeSet<PathBuf>,
    file: &File,
) -> Result<(u64, String)> {
    let mut out = BufWriter::with_capacity(1 << 20, file);
    let mut tar = Builder::new(Hashing::new(&mut out));
    let mut names: BTreeMap<(u64, u64), &Path> = BTreeMap::new();
    for place in places {
        let about = &entries[place];
        let said = || format!("put {} into a layer", place.display());
        let first = match is_linked(about) {
            true => *names.entry((about.dev(), about.ino())).or_insert(place),
            false => place,
        };
        if first == place {
            put(&mut tar, tree, place, about).with_context(said)?;
        } else {
            let mut header = header(EntryType::Link, about);
            tar.append_link(&mut header, place, first)
                .with_context(said)?;
        }
    }
    let (length, digest) = tar.into_inner().context("end a layer")?.finish();
    out.flush().context("write a layer")?;
    Ok((length, digest))
}

fn put(
    tar: &mut Builder<impl io::Write>,
    tree: &Path,
    place: &Path,
    about: &Metadata,
) -> Result<()> {
    let name = place.file_name().unwrap_or_default().as_bytes();
    ensure!(
        !name.starts_with(b".wh."),
        "its name would be a whiteout in a layer"
    );
    let path = tree.join(place);
    let xattrs = xattrs(&path).context("read its attributes")?;
    let keys: Vec<String> = xattrs
        .keys()
        .map(|name| format!("SCHILY.xattr.{}", String::from_utf8_lossy(name)))
        .collect();
    let values = xattrs.values().map(Vec::as_slice);
    tar.append_pax_extensions(keys.iter().map(String::as_str).zip(values))?;
    let kind = about.file_type();
    if kind.is_dir() {
        let mut name = place.as_os_str().to_owned();
        name.push(if name.is_empty() { "./" } else { "/" });
        tar.append_data(&mut header(EntryType::Directory, about), name, io::empty())?;
    } else if kind.is_symlink() {
        let target = fs::read_link(&path).context("read the link")?;
        tar.append_link(&mut header(EntryType::Symlink, about), place, target)?;
    } else if kind.is_file() {
        let mut header = header(EntryType::Regular, about);
        header.set_size(about.len());
        let contents = File::open(&path).context("open it")?;
        tar.append_data(&mut header, place, contents)?;
    } else {
        bail!("a device, a fifo or a socket");
    }
    Ok(())
}

fn header(kind: EntryType, about: &Metadata) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(match kind {
        EntryType::Symlink => 0o777,
        _ => about.mode() & 0o7777,
    });
    header.set_uid(about.uid().into());
    header.set_gid(about.gid().into());
    header.set_size(0);
    header.set_mtime(match kind {
        EntryType::Directory => 0,
        _ => about.mtime().try_into().unwrap_or(0),
    });
    header
}

/// What the image in `archive` says of itself, with these layers. Its history is that of other layers, and left out.
fn config<'a>(archive: &Path, digests: impl Iterator<Item = &'a str>) -> Result<Value> {
    let mut config = match super::read(archive)? {
        Content::Image(image) => {
            let packed = image.images.first().context("it holds no image")?;
            let file =
                File::open(archive).with_context(|| format!("open {}", archive.display()))?;
            let part = FilePart {
                file: &file,
                what: archive.display().to_string(),
                offset: packed.config.offset,
                length: packed.config.length,
            };
            let text = part.bytes(0, part.length)?;
            serde_json::from_slice(&text).context("its config is not JSON")?
        }
        Content::Tar(_) | Content::Other => bare_config(),
    };
    let digests: Vec<String> = digests.map(|digest| format!("sha256:{digest}")).collect();
    config["rootfs"] = json!({ "type": "layers", "diff_ids": digests });
    config["history"] = Value::Null;
    Ok(config)
}

#[cfg(test)]
mod tests;
