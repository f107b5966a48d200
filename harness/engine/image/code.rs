//! The script: every entry of the new image and how its contents are had. One function codes both ways.

use anyhow::{Context, Result, bail, ensure};

use super::archive::{Archive, Tar};
use super::digest;
use super::format::Patch;
use super::header::{self, Memory};
use super::packed;
use super::recipe::Recipe;
use super::script::{Kind, Script};
use super::space::Space;
use super::tar::{self, Entry, Header, MOST_TEXT, What, field};

const WHAT: Kind = 30;
const TO_END: Kind = 31;
const PICK: Kind = 32;
const NAME: Kind = 33;
const SAME: Kind = 34;
pub(super) const NUMBER: Kind = 36;
pub(super) const LENGTH: Kind = 40;
const PADDING: Kind = 41;
const MARK: Kind = 46;

/// All paths of an image together.
const MOST_PATHS_BYTES: usize = 96 << 20;

/// The entries of the new image and how their contents are had, being coded.
pub struct Coding<'a> {
    pub script: Script,
    pub(super) base: &'a Archive,
    /// Complete when writing; grows when reading.
    pub new: Archive,
    /// One for each entry.
    pub recipes: Vec<Recipe>,
    pub(super) memory: Memory,
    pub(super) last: Last,
    /// Bytes of all paths read: a script may repeat long ones cheaply.
    pub(super) path_bytes: usize,
    /// How long packed layers may still be when they are unpacked.
    pub(super) room: u64,
    /// Whether the script says of long contents that they are a program, coded at once.
    pub programs: bool,
}

/// What foretells the next entry.
#[derive(Default)]
pub(super) struct Last {
    pub(super) what: u32,
    pub(super) pick: u32,
    pub(super) same: u32,
    pub(super) way: u32,
    pub(super) form: u32,
    pub(super) group: u64,
    pub(super) base_number: u64,
    pub(super) header: Option<Header>,
    pub(super) extension: Vec<u8>,
    pub(super) next_path: Option<Vec<u8>>,
    pub(super) gzip: Vec<u8>,
}

/// Where in the base the entries of an archive are looked for.
struct Place {
    tar: usize,
    base_tar: Option<usize>,
    /// The base's entry that is expected next.
    next: usize,
}

impl<'a> Coding<'a> {
    /// Writes what is in `new`.
    pub fn write(base: &'a Archive, new: Archive, recipes: Vec<Recipe>) -> Result<Coding<'a>> {
        let mut coding = Coding::new(Script::writing(), base, new, recipes);
        let coded = coding.recipes.iter().filter_map(Recipe::coded);
        coding.programs = coded.into_iter().any(|coded| coded.program);
        let base_tar = (!base.tars.is_empty()).then_some(base.outer);
        coding.tar(0, base_tar)?;
        Ok(coding)
    }

    /// Reads the entries and recipes of a patch, and writes headers, padding and extended headers into `space`, which is zero
    /// so far.
    pub fn read(patch: &Patch, base: &'a Archive, space: Space) -> Result<Coding<'a>> {
        let mut new = Archive::default();
        new.tars.push(Tar::new(space, None));
        let mut coding = Coding::new(Script::reading(patch.script()?), base, new, Vec::new());
        coding.programs = patch.head.programs;
        let base_tar = (!base.tars.is_empty()).then_some(base.outer);
        coding.tar(0, base_tar)?;
        coding.script.check()?;
        coding.new.index();
        Ok(coding)
    }

    fn new(script: Script, base: &'a Archive, new: Archive, recipes: Vec<Recipe>) -> Coding<'a> {
        let room = packed::limit(new.tars[0].space.len());
        Coding {
            script,
            base,
            new,
            recipes,
            memory: Memory::default(),
            last: Last::default(),
            path_bytes: 0,
            room,
            programs: false,
        }
    }

    pub(super) fn tar(&mut self, tar: usize, base_tar: Option<usize>) -> Result<()> {
        let length = self.new.tars[tar].space.len();
        let first = base_tar.and_then(|number| self.base.tars[number].entries.first());
        let mut place = Place {
            tar,
            base_tar,
            next: first.copied().unwrap_or(usize::MAX),
        };
        let (mut at, mut nth) = (0, 0);
        while at < length {
            self.script.check()?;
            let given = self.given(tar, nth)?;
            let what = given.map_or(0, |index| self.new.entries[index].what as u32);
            let what = self.script.choice(WHAT, 2, &[self.last.what], what);
            self.last.what = self.last.what << 2 & 15 | what;
            at = match what {
                0 => self.file(&mut place, at, given)?,
                1 => self.run(What::Zeros, tar, at, given)?,
                2 => self.run(What::Raw, tar, at, given)?,
                _ => bail!("damaged patch: an entry has an unknown type"),
            };
            ensure!(
                at <= length,
                "damaged patch: an entry is longer than its archive"
            );
            nth += 1;
        }
        Ok(())
    }

    /// The entry to write; nothing when reading.
    fn given(&self, tar: usize, nth: usize) -> Result<Option<usize>> {
        if !self.script.is_writing() {
            ensure!(
                self.new.entries.len() < 2 * tar::MOST_ENTRIES,
                "damaged patch: it has too many entries"
            );
            return Ok(None);
        }
        let index = self.new.tars[tar].entries.get(nth);
        index
            .copied()
            .context("the entries of an archive do not cover all its bytes")
            .map(Some)
    }

    /// Notes an entry that was read.
    fn add(&mut self, given: Option<usize>, entry: Entry) -> usize {
        if let Some(index) = given {
            return index;
        }
        let index = self.new.entries.len();
        self.new.tars[entry.tar].entries.push(index);
        self.new.entries.push(entry);
        self.recipes.push(Recipe::Nothing);
        index
    }

    fn run(&mut self, what: What, tar: usize, at: u64, given: Option<usize>) -> Result<u64> {
        let left = self.new.tars[tar].space.len() - at;
        let size = given.map_or(0, |index| self.new.entries[index].size);
        let size = if self.script.flag(TO_END, &[what as u32], size == left) {
            left
        } else {
            self.script.number(NUMBER, &[what as u32], size)
        };
        ensure!(
            size > 0 && size <= left,
            "damaged patch: a run is empty or longer than its archive"
        );
        let index = self.add(given, tar::run(what, tar, at, size));
        if what == What::Raw {
            self.recipe(index, None, false)?;
        }
        Ok(at + size)
    }

    /// The base's entry expected at `index`, if it is a file of the archive looked at.
    fn candidate(&self, place: &Place, index: usize) -> Option<usize> {
        let entry = self.base.entries.get(index)?;
        let fits = Some(entry.tar) == place.base_tar && entry.what == What::File;
        fits.then_some(index)
    }

    fn file(&mut self, place: &mut Place, at: u64, given: Option<usize>) -> Result<u64> {
        let space = self.new.tars[place.tar].space.clone();
        ensure!(
            space.len() - at >= tar::BLOCK,
            "damaged patch: a header is longer than its archive"
        );
        let mut header = match given {
            Some(index) => self.new.header(index)?,
            None => [0; 512],
        };
        let path = given.map(|index| self.new.entries[index].path.clone());
        let base = self.name(place, path.as_deref(), &mut header)?;
        let path = self
            .last
            .next_path
            .take()
            .unwrap_or_else(|| tar::path_of(&header));
        self.path_bytes += path.len();
        ensure!(
            self.path_bytes <= MOST_PATHS_BYTES,
            "all paths together have more than {MOST_PATHS_BYTES} bytes"
        );
        let base = match base {
            Some(base) => Some(base),
            None => self.base.find(&path, place.base_tar),
        };
        if let Some(base) = base.filter(|base| Some(self.base.entries[*base].tar) == place.base_tar)
        {
            place.next = self.after(base);
        }
        let like = base.map(|base| self.base.header(base)).transpose()?;
        let agrees = like.is_some_and(|like| header::same_size(&header, &like));
        let same = self.same(base, given, agrees);
        self.memory
            .code(&mut self.script, like.as_ref(), same, &mut header)?;
        let kind = header[field::KIND];
        let size = match base.filter(|_| same) {
            // A sparse file's map counts as contents.
            Some(base) => self.base.entries[base].size,
            None => self.size(&header, given)?,
        };
        let entry = Entry {
            what: What::File,
            tar: place.tar,
            at,
            size,
            path: path.into(),
            kind,
        };
        ensure!(
            size <= space.len() && entry.end() <= space.len(),
            "damaged patch: an entry is longer than its archive"
        );
        if given.is_none() {
            space.write(at, &header)?;
        }
        if place.tar == self.new.outer && digest::has_mark(&header[field::NAME]) {
            let marked = given.is_some_and(|index| self.new.shown.contains_key(&index));
            if self.script.flag(MARK, &[], marked) && given.is_none() {
                self.new.shown.insert(self.new.entries.len(), header);
            }
        }
        self.last.header = Some(header);
        let end = entry.end();
        let index = self.add(given, entry);
        if size > 0 {
            self.recipe(index, base, same)?;
            self.padding(&space, index, given.is_some())?;
            self.extension(index)?;
        }
        Ok(end)
    }

    /// The index after `base` in its archive: layers lie in between.
    fn after(&self, base: usize) -> usize {
        match self.base.inner.get(&base) {
            Some(inner) => {
                let last = self.base.tars[*inner].entries.last();
                last.map_or(base, |last| *last) + 1
            }
            None => base + 1,
        }
    }

    /// Name and prefix, and the base's entry that has them: the next one, one a little further, or by its path.
    fn name(
        &mut self,
        place: &Place,
        path: Option<&[u8]>,
        header: &mut Header,
    ) -> Result<Option<usize>> {
        const NEXT: u32 = 0;
        const FURTHER: u32 = 1;
        const NAMED: u32 = 2;
        let next = self.candidate(place, place.next);
        let next_header = next.map(|next| self.base.header(next)).transpose()?;
        let mut skip = 0;
        let mut pick = NAMED;
        if let Some(path) = path {
            if next_header.is_some_and(|next| next[field::NAME] == header[field::NAME]) {
                pick = NEXT;
            } else if let Some(found) = self
                .base
                .find(path, place.base_tar)
                .filter(|found| *found > place.next)
                && self.candidate(place, found).is_some()
                && self.base.header(found)?[field::NAME] == header[field::NAME]
            {
                (pick, skip) = (FURTHER, found - place.next);
            }
        }
        let hints = [self.last.pick & 3, self.last.pick, next.is_some().into()];
        let pick = self.script.choice(PICK, 2, &hints, pick);
        self.last.pick = self.last.pick << 2 & 0xFFF | pick;
        let picked = match pick {
            NEXT => Some(next.context("damaged patch: OLD has no next entry")?),
            FURTHER => {
                let skip = self.script.number(PICK, &[], skip as u64);
                let index = usize::try_from(skip)
                    .ok()
                    .and_then(|skip| place.next.checked_add(skip));
                let found = index.and_then(|index| self.candidate(place, index));
                Some(found.context("damaged patch: OLD lacks an entry")?)
            }
            NAMED => None,
            _ => bail!("damaged patch: an entry is named in an unknown way"),
        };
        let previous = self.last.header.unwrap_or([0; 512]);
        let like = match picked {
            Some(base) => {
                let like = self.base.header(base)?;
                header[field::NAME].copy_from_slice(&like[field::NAME]);
                like
            }
            None => {
                let next = next_header.unwrap_or([0; 512]);
                self.full_name(&previous, &next, header)?;
                previous
            }
        };
        Memory::prefix(&mut self.script, &like, header);
        Ok(picked)
    }

    fn full_name(&mut self, previous: &Header, next: &Header, header: &mut Header) -> Result<()> {
        let given = tar::text(&header[field::NAME]).to_vec();
        let rest: Vec<u8> = header[given.len()..field::NAME.end].to_vec();
        let previous = tar::text(&previous[field::NAME]);
        let next = tar::text(&next[field::NAME]);
        let name = self.script.text(NAME, previous, next, &given, 100)?;
        header[..name.len()].copy_from_slice(&name);
        let clean = rest.iter().all(|byte| *byte == 0);
        if self.script.flag(NAME, &[], clean) {
            header[name.len()..field::NAME.end].fill(0);
        } else {
            self.script
                .bytes(NAME, &[], &mut header[name.len()..field::NAME.end]);
        }
        Ok(())
    }

    /// Whether the contents are those of the base's entry.
    fn same(&mut self, base: Option<usize>, given: Option<usize>, agrees: bool) -> bool {
        let Some(base) = base else { return false };
        let entry = &self.base.entries[base];
        let (filled, extension) = (entry.size > 0, tar::is_extension(entry.kind));
        let same = given.filter(|_| agrees).is_some_and(|index| {
            let none = !filled && self.new.entries[index].size == 0;
            none || self.recipes[index] == Recipe::Base(base)
        });
        let state = u32::from(filled) << 1 | u32::from(extension);
        let hints = [state, state << 4 | self.last.same & 15];
        let same = self.script.flag(SAME, &hints, same);
        if filled {
            self.last.same = self.last.same << 1 | u32::from(same);
        }
        same
    }

    /// Length of the contents that follow a header: as it says, unless it is a sparse file's.
    fn size(&mut self, header: &Header, given: Option<usize>) -> Result<u64> {
        let stated = match header[field::KIND] {
            b'1'..=b'6' => 0,
            _ => tar::octal(&header[field::SIZE]).context("damaged patch: a header has no size")?,
        };
        if header[field::KIND] != b'S' {
            return Ok(stated);
        }
        let size = given.map_or(0, |index| self.new.entries[index].size);
        Ok(self.script.number(LENGTH, &[9], size))
    }

    /// The zeros behind contents, which may be something else.
    fn padding(&mut self, space: &Space, index: usize, writing: bool) -> Result<()> {
        let entry = &self.new.entries[index];
        let (from, to) = (entry.content_at() + entry.size, entry.end());
        if from == to {
            return Ok(());
        }
        let mut padding = vec![0; (to - from) as usize];
        if writing {
            space.read(from, &mut padding)?;
        }
        let clean = padding.iter().all(|byte| *byte == 0);
        if !self.script.flag(PADDING, &[], clean) {
            self.script.bytes(PADDING, &[], &mut padding);
            if !writing {
                space.write(from, &padding)?;
            }
        }
        Ok(())
    }

    /// Takes in what an extended header says of the next entry.
    fn extension(&mut self, index: usize) -> Result<()> {
        let entry = &self.new.entries[index];
        if !entry.is_extension() {
            return Ok(());
        }
        let kind = entry.kind;
        let content = match &self.recipes[index] {
            Recipe::Text(text) => text.clone(),
            Recipe::Base(base) => {
                let content = self.base.content(*base)?.load(MOST_TEXT)?;
                ensure!(
                    content.len() as u64 == entry.size,
                    "damaged patch: an extended header has the wrong length"
                );
                content
            }
            _ => bail!("damaged patch: an extended header is not in the script"),
        };
        self.last.next_path = tar::extended_path(kind, &content);
        self.last.extension = content;
        Ok(())
    }
}
