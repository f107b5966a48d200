//! Which file of the tree the contents of a new file are taken from.

use std::cell::OnceCell;
use std::collections::HashMap;

use anyhow::Result;

use super::{Bytes, PATH_BYTES, load, pieces};
use crate::engine::image::{Similar, Sketches, fold, sketch};
use crate::image::{Digest, Hashing};

/// Longer files are copied where they are equal, and otherwise sent.
pub(super) const MOST_BYTES: u64 = 128 << 20;

/// Smaller files are not looked for by their contents.
const LEAST_BYTES: u64 = 512;

/// Files of one name that are looked at.
const MOST_NAMESAKES: usize = 64;

/// A regular file of the tree.
pub struct Source<'a> {
    /// As appliers open it: without a slash at its start, and without links on its way.
    pub path: String,
    pub bytes: Box<dyn Bytes + 'a>,
}

/// The files of a tree, by what leads to them.
pub struct Sources<'a> {
    files: Vec<Source<'a>>,
    paths: HashMap<String, usize>,
    folded: HashMap<Vec<u8>, Vec<usize>>,
    names: HashMap<String, Vec<usize>>,
    contents: HashMap<Digest, usize>,
    similar: OnceCell<Similar>,
}

impl<'a> Sources<'a> {
    /// Reads every file, to know it by its contents.
    pub fn of(files: Vec<Source<'a>>) -> Result<Sources<'a>> {
        let mut sources = Sources {
            files: Vec::new(),
            paths: HashMap::new(),
            folded: HashMap::new(),
            names: HashMap::new(),
            contents: HashMap::new(),
            similar: OnceCell::new(),
        };
        for file in files {
            let length = file.bytes.length();
            if length == 0 || file.path.len() > PATH_BYTES {
                continue;
            }
            let index = sources.files.len();
            let digest = digest(&*file.bytes, 0, length)?;
            sources.contents.entry(digest).or_insert(index);
            let folded = fold(file.path.as_bytes());
            sources.folded.entry(folded).or_default().push(index);
            let name = name_of(&file.path).to_string();
            sources.names.entry(name).or_default().push(index);
            sources.paths.insert(file.path.clone(), index);
            sources.files.push(file);
        }
        Ok(sources)
    }

    /// A file that holds just these bytes, by their hash.
    pub(super) fn equal(&self, digest: &Digest) -> Option<&Source<'a>> {
        self.contents.get(digest).map(|index| &self.files[*index])
    }

    /// The file that new contents at `path` are most likely to be a later form of.
    pub(super) fn like(&self, path: &str, contents: &[u8]) -> Result<Option<&Source<'a>>> {
        let none = Vec::new();
        let same: Vec<usize> = self.paths.get(path).copied().into_iter().collect();
        let folded = self.folded.get(&fold(path.as_bytes())).unwrap_or(&none);
        let named = self.names.get(name_of(path)).unwrap_or(&none);
        for candidates in [&same, folded, named] {
            if let Some(index) = self.nearest(candidates, contents)? {
                return Ok(Some(&self.files[index]));
            }
        }
        if (contents.len() as u64) < LEAST_BYTES {
            return Ok(None);
        }
        let similar = self.similar()?.nearest(&sketch(contents), usize::MAX);
        Ok(similar.map(|(index, _)| &self.files[index]))
    }

    /// Of the candidates that begin like the contents, the one nearest in length.
    fn nearest(&self, candidates: &[usize], contents: &[u8]) -> Result<Option<usize>> {
        let mut fitting = Vec::new();
        for index in candidates.iter().take(MOST_NAMESAKES) {
            let bytes = &*self.files[*index].bytes;
            let length = bytes.length();
            let first = load(bytes, 0, length.min(4))?;
            if length <= MOST_BYTES && kind(&first) == kind(contents) {
                fitting.push((length.abs_diff(contents.len() as u64), *index));
            }
        }
        Ok(fitting.into_iter().min().map(|(_, index)| index))
    }

    fn similar(&self) -> Result<&Similar> {
        if let Some(similar) = self.similar.get() {
            return Ok(similar);
        }
        let files = self.files.iter().enumerate();
        let worth =
            files.filter(|(_, file)| (LEAST_BYTES..=MOST_BYTES).contains(&file.bytes.length()));
        let mut sketches = Sketches::of_files(worth.clone().count());
        for (index, file) in worth {
            let contents = load(&*file.bytes, 0, file.bytes.length())?;
            sketches.add(index, &sketch(&contents));
        }
        let similar = sketches.finish();
        Ok(self.similar.get_or_init(|| similar))
    }
}

/// The sha256 of a range.
pub(super) fn digest(bytes: &dyn Bytes, from: u64, length: u64) -> Result<Digest> {
    let mut hashing = Hashing::new(std::io::sink());
    pieces(bytes, from, length, &mut |piece| {
        Ok(std::io::Write::write_all(&mut hashing, piece)?)
    })?;
    Ok(hashing.digest())
}

/// Programs and packed files are like others of their kind alone.
fn kind(first: &[u8]) -> u8 {
    match first {
        [0x7f, b'E', b'L', b'F', ..] => 1,
        [0x1f, 0x8b, ..] => 2,
        _ => 0,
    }
}

fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}
