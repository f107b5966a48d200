//! Which file of the base a changed file is coded against. Encoder only: the patch says what was chosen.

use std::sync::{Arc, Mutex};

use anyhow::{Result, anyhow};

use super::archive::Archive;
use super::group::threads;
use super::gzip;
use super::index::Hashed;
use super::recipe::WHOLE_BYTES;
use super::sketch::{Similar, Sketches, sketch};
use super::tar;
use crate::engine::flow::each;

/// Smaller files are not looked for by their contents.
const LEAST_BYTES: u64 = 512;

/// The base's files, by what leads to them.
pub struct Pairing<'a> {
    base: &'a Archive,
    folded: Hashed,
    names: Hashed,
    similar: Mutex<Option<Arc<Similar>>>,
    /// Whether other paths than the same are looked at.
    looks_further: bool,
}

/// Contents that a base's file is looked for.
pub struct Sought<'a> {
    /// Their beginning, and their length.
    pub start: &'a [u8],
    pub bytes: u64,
    /// Length of the longest file that will do.
    pub most: u64,
}

impl<'a> Sought<'a> {
    /// Contents that are held whole.
    pub fn whole(contents: &'a [u8]) -> Sought<'a> {
        Sought {
            start: contents,
            bytes: contents.len() as u64,
            most: WHOLE_BYTES,
        }
    }
}

/// Files of one name that are looked at.
const MOST_NAMESAKES: usize = 64;

fn name_of(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

/// A path with each version in it, digits and the dots between them, as one `0`: versions come and go.
pub fn fold(path: &[u8]) -> Vec<u8> {
    let mut folded = Vec::with_capacity(path.len());
    for (n, byte) in path.iter().enumerate() {
        let in_version = folded.last() == Some(&b'0');
        let more = path.get(n + 1).is_some_and(u8::is_ascii_digit);
        match byte {
            b'0'..=b'9' if in_version => {}
            b'.' if in_version && more => {}
            b'0'..=b'9' => folded.push(b'0'),
            _ => folded.push(*byte),
        }
    }
    folded
}

/// Whether bytes begin as an ELF file does.
pub fn is_elf(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x7fELF")
}

impl<'a> Pairing<'a> {
    pub fn of(base: &'a Archive, looks_further: bool) -> Pairing<'a> {
        let files = || {
            let entries = base.entries.iter().enumerate();
            let files = entries.filter(|(index, entry)| {
                entry.is_regular() && entry.size > 0 && !base.is_plain_layer(*index)
            });
            files.map(|(index, entry)| (tar::normal(&entry.path), index))
        };
        let names = files().map(|(path, index)| (name_of(&path).to_vec(), index));
        Pairing {
            base,
            folded: Hashed::of(files().map(|(path, index)| (fold(&path), index))),
            names: Hashed::of(names),
            similar: Mutex::default(),
            looks_further,
        }
    }

    /// The base's file for contents at `path`, by where it is; `tar` is the archive of the base that is looked at first.
    pub fn by_path(
        &self,
        path: &[u8],
        tar: Option<usize>,
        sought: &Sought,
    ) -> Result<Option<usize>> {
        let by_path = self.base.find(path, tar);
        match self.fit(by_path.into_iter(), sought)? {
            Some(index) => Ok(Some(index)),
            None => self.by_name(path, sought),
        }
    }

    /// The base's file for contents at `path`, by what another path has in common with it.
    pub fn by_name(&self, path: &[u8], sought: &Sought) -> Result<Option<usize>> {
        if !self.looks_further {
            return Ok(None);
        }
        let path = tar::normal(path);
        let path_of = |index: &usize| tar::normal(&self.base.entries[*index].path);
        let folded = fold(&path);
        let alike = self.folded.at(&folded);
        let alike = alike.filter(|index| fold(&path_of(index)) == folded);
        if let Some(index) = self.fit(alike, sought)? {
            return Ok(Some(index));
        }
        let name = name_of(&path);
        let named = self.names.at(name);
        let named = named.filter(|index| name_of(&path_of(index)) == name);
        self.fit(named, sought)
    }

    /// Whether contents of this length are looked for by what is in them.
    pub fn looks_inside(&self, bytes: u64) -> bool {
        self.looks_further && bytes >= LEAST_BYTES
    }

    /// The base's file that is most like contents which have this sketch.
    pub fn by_contents(&self, sketch: &[u32], sought: &Sought) -> Result<Option<usize>> {
        let nearest = self.similar()?.nearest(sketch, usize::MAX);
        let nearest = nearest.map(|(index, _)| index);
        self.fit(nearest.into_iter(), sought)
    }

    /// Of the candidates that are ELF just when the contents are, the one nearest in size.
    fn fit(
        &self,
        candidates: impl Iterator<Item = usize>,
        sought: &Sought,
    ) -> Result<Option<usize>> {
        let mut fitting = Vec::new();
        for index in candidates.take(MOST_NAMESAKES) {
            let entry = &self.base.entries[index];
            let sized = (1..=sought.most).contains(&entry.size);
            if !entry.is_regular() || !sized || self.base.is_plain_layer(index) {
                continue;
            }
            let content = self.base.content(index)?;
            let start = content.part(0, content.len().min(4))?.load(4)?;
            let fits = is_elf(&start) == is_elf(sought.start)
                && gzip::is_gzip(&start) == gzip::is_gzip(sought.start);
            if fits {
                fitting.push(index);
            }
        }
        let nearest = fitting.into_iter().min_by_key(|index| {
            (
                self.base.entries[*index].size.abs_diff(sought.bytes),
                *index,
            )
        });
        Ok(nearest)
    }

    /// Made when it is first asked for; others wait meanwhile.
    fn similar(&self) -> Result<Arc<Similar>> {
        let mut made = self
            .similar
            .lock()
            .map_err(|_| anyhow!("a thread failed"))?;
        if let Some(similar) = &*made {
            return Ok(Arc::clone(similar));
        }
        let worth = |index: &usize| {
            let entry = &self.base.entries[*index];
            let sized = (LEAST_BYTES..=WHOLE_BYTES).contains(&entry.size);
            entry.is_regular() && sized && !self.base.is_plain_layer(*index)
        };
        let files: Vec<usize> = (0..self.base.entries.len()).filter(worth).collect();
        let sketches = Mutex::new(Sketches::of_files(files.len()));
        each(files.len(), threads(), |nth| {
            let content = self.base.content(files[nth])?.load(WHOLE_BYTES)?;
            let sketch = sketch(&content);
            let mut sketches = sketches.lock().map_err(|_| anyhow!("a thread failed"))?;
            sketches.add(files[nth], &sketch);
            Ok(())
        })?;
        let sketches = sketches.into_inner();
        let similar = sketches.map_err(|_| anyhow!("a thread failed"))?.finish();
        Ok(Arc::clone(made.insert(Arc::new(similar))))
    }
}

#[cfg(test)]
mod tests {
    use super::fold;

    #[test]
    fn versions_of_any_length_fold_to_the_same_path() {
        assert_eq!(fold(b"lib/libssl.so.3"), fold(b"lib/libssl.so.1.1"));
        assert_eq!(fold(b"doc/libssl3/a.gz"), fold(b"doc/libssl1.1/a.gz"));
        assert_ne!(fold(b"lib/a1.so"), fold(b"lib/a.so"));
    }
}
