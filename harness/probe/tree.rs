//! An image's entries, layer by layer, and where their contents are.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Bound;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use sha2::{Digest as _, Sha256};

use crate::archive::{self, Compression, Content, FilePart, plain};
use crate::image::Digest;

/// Bytes of a tar's blocks.
const BLOCK_BYTES: u64 = 512;

/// A layer as a plain tar; a tar without layers is one layer; any other file is one entry of one layer.
pub struct Layer {
    /// Lower-case hex; empty where the archive has no layers.
    pub digest: String,
    /// As the archive stores it.
    pub bytes: u64,
    /// The plain tar.
    tar: Arc<File>,
    offset: u64,
    length: u64,
    pub entries: Vec<Entry>,
}

/// One entry of a layer.
pub struct Entry {
    pub path: String,
    /// Its header block: name, mode, owner, time.
    pub head: [u8; BLOCK_BYTES as usize],
    /// What is not the time: kind, mode, owner, link target.
    pub about: (u8, u64, u64, u64, Option<Vec<u8>>),
    pub mtime: u64,
    pub bytes: u64,
    pub sha256: Digest,
    /// Where its first header begins in the layer's tar, and where its padding ends.
    pub from: u64,
    pub to: u64,
    /// Where its contents begin, in the file that holds the tar.
    at: u64,
    tar: Arc<File>,
}

impl Entry {
    /// Its contents.
    pub fn contents(&self) -> Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(self.bytes).context("a file beyond memory")?];
        self.tar
            .read_exact_at(&mut bytes, self.at)
            .with_context(|| format!("read {}", self.path))?;
        Ok(bytes)
    }

    pub fn is_gzip(&self) -> Result<bool> {
        let mut first = [0; 2];
        if self.bytes < 18 {
            return Ok(false);
        }
        self.tar
            .read_exact_at(&mut first, self.at)
            .with_context(|| format!("read {}", self.path))?;
        Ok(first == [0x1f, 0x8b])
    }
}

impl Layer {
    /// The layer's tar from its start.
    pub fn reader(&self) -> impl Read {
        part(&self.tar, self.offset, self.length).reader_of_whole()
    }
}

fn part(file: &Arc<File>, offset: u64, length: u64) -> Whole {
    Whole {
        file: file.clone(),
        at: offset,
        left: length,
    }
}

/// Reads a stretch of a file that others read too.
struct Whole {
    file: Arc<File>,
    at: u64,
    left: u64,
}

impl Whole {
    fn reader_of_whole(self) -> impl Read {
        io::BufReader::with_capacity(1 << 17, self)
    }
}

impl Read for Whole {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.file.read_at(&mut buffer[..room], self.at)?;
        self.at += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}

/// How the name of a whiteout begins, and the name of one that hides all of its folder that is below (OCI image format
/// specification 1.1, layer.md).
const WHITEOUT: &str = ".wh.";
const OPAQUE: &str = ".wh..wh..opq";

impl Entry {
    fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// Whether it is no file but hides one of a lower layer.
    pub fn is_whiteout(&self) -> bool {
        self.name().starts_with(WHITEOUT)
    }

    fn is_folder(&self) -> bool {
        self.about.0 == b'5'
    }
}

/// The entries that a container sees: each layer over those below, with its whiteouts applied to them and not to itself.
pub fn visible(layers: &[Layer]) -> Vec<&Entry> {
    let mut seen: BTreeMap<&str, &Entry> = BTreeMap::new();
    for layer in layers {
        for entry in &layer.entries {
            let folder = entry.folder();
            let within = |name: &str| match folder {
                "" => name.to_string(),
                folder => format!("{folder}/{name}"),
            };
            match entry.name().strip_prefix(WHITEOUT) {
                Some(_) if entry.name() == OPAQUE => hide_below(&mut seen, folder),
                // Other names with two prefixes are metadata of a file system that once stored layers.
                Some(hidden) if hidden.starts_with(WHITEOUT) => {}
                Some(hidden) => {
                    let hidden = within(hidden);
                    seen.remove(hidden.as_str());
                    hide_below(&mut seen, &hidden);
                }
                None => {}
            }
        }
        for entry in layer.entries.iter().filter(|it| !it.is_whiteout()) {
            // A file in the place of a folder takes what was in it.
            if !entry.is_folder()
                && seen
                    .get(entry.path.as_str())
                    .is_some_and(|it| it.is_folder())
            {
                hide_below(&mut seen, &entry.path);
            }
            seen.insert(&entry.path, entry);
        }
    }
    seen.into_values().collect()
}

fn hide_below(seen: &mut BTreeMap<&str, &Entry>, folder: &str) {
    let below = match folder {
        "" => String::new(),
        folder => format!("{folder}/"),
    };
    let from = (Bound::Included(below.as_str()), Bound::Unbounded);
    let paths = seen.range::<str, _>(from).map(|(path, _)| *path);
    let hidden: Vec<&str> = paths.take_while(|path| path.starts_with(&below)).collect();
    for path in hidden {
        seen.remove(path);
    }
}

/// The layers of the archive at `path`.
pub fn read(path: &Path) -> Result<Vec<Layer>> {
    let content = archive::read(path)?;
    let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
    let bytes = file
        .metadata()
        .with_context(|| format!("look at {}", path.display()))?
        .len();
    let file = Arc::new(file);
    match content {
        Content::Image(archive) => archive
            .layers
            .iter()
            .map(|layer| of_image(layer, &file, path))
            .collect(),
        Content::Tar(_) => {
            let entries = entries(&file, 0, bytes).with_context(|| path.display().to_string())?;
            Ok(vec![whole(file, bytes, entries)])
        }
        Content::Other => {
            let entry = single(&file, path, bytes)?;
            Ok(vec![whole(file, bytes, vec![entry])])
        }
    }
}

fn whole(tar: Arc<File>, bytes: u64, entries: Vec<Entry>) -> Layer {
    Layer {
        digest: String::new(),
        bytes,
        tar,
        offset: 0,
        length: bytes,
        entries,
    }
}

fn of_image(layer: &archive::Layer, file: &Arc<File>, path: &Path) -> Result<Layer> {
    let what = format!("{}: layer {}", path.display(), layer.name);
    let stored = FilePart {
        file,
        what: what.clone(),
        offset: layer.offset,
        length: layer.length,
    };
    let (tar, offset, length) = match layer.compression {
        Compression::None => (file.clone(), layer.offset, layer.length),
        Compression::Gzip | Compression::Zstd => {
            let mut plain_tar = tempfile::tempfile().context("make a temporary file")?;
            let length = io::copy(&mut *plain(&stored)?, &mut plain_tar)
                .with_context(|| format!("unpack {what}"))?;
            (Arc::new(plain_tar), 0, length)
        }
    };
    Ok(Layer {
        digest: layer.diff_id.clone().unwrap_or(layer.digest.clone()),
        bytes: layer.length,
        entries: entries(&tar, offset, length).with_context(|| what)?,
        tar,
        offset,
        length,
    })
}

fn entries(tar: &Arc<File>, offset: u64, length: u64) -> Result<Vec<Entry>> {
    let mut archive = tar::Archive::new(part(tar, offset, length).reader_of_whole());
    let mut entries = Vec::new();
    for entry in archive.entries().context("read the tar")? {
        let mut entry = entry.context("read the tar")?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let (hash, bytes) = hashed(&mut entry).with_context(|| format!("read {path}"))?;
        let header = entry.header();
        let at = entry.raw_file_position();
        entries.push(Entry {
            head: *header.as_bytes(),
            about: (
                header.entry_type().as_byte(),
                // Some engines write the kind into the mode too.
                u64::from(header.mode().unwrap_or(0) & 0o7777),
                header.uid().unwrap_or(0),
                header.gid().unwrap_or(0),
                entry.link_name_bytes().map(|link| link.into_owned()),
            ),
            mtime: header.mtime().unwrap_or(0),
            bytes,
            sha256: hash,
            from: entry.raw_header_position(),
            to: at + bytes.next_multiple_of(BLOCK_BYTES),
            at: offset + at,
            tar: tar.clone(),
            path: path
                .trim_start_matches("./")
                .trim_end_matches('/')
                .to_string(),
        });
    }
    Ok(entries)
}

fn hashed(from: &mut impl Read) -> Result<(Digest, u64)> {
    let mut hash = Sha256::new();
    let mut buffer = [0; 1 << 16];
    let mut bytes = 0;
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            return Ok((hash.finalize().into(), bytes));
        }
        hash.update(&buffer[..read]);
        bytes += read as u64;
    }
}

fn single(file: &Arc<File>, path: &Path, bytes: u64) -> Result<Entry> {
    let (sha256, _) =
        hashed(&mut part(file, 0, bytes)).with_context(|| format!("read {}", path.display()))?;
    Ok(Entry {
        // The base's file may have another name and is compared with it all the same.
        path: "the whole file".to_string(),
        head: [0; BLOCK_BYTES as usize],
        about: (b'0', 0, 0, 0, None),
        mtime: 0,
        bytes,
        sha256,
        from: 0,
        to: bytes,
        at: 0,
        tar: file.clone(),
    })
}
