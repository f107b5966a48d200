//! The script: every entry of the new image and how its contents are had. One function codes both ways.

use anyhow::{Context, Result, bail, ensure};

use super::archive::{Archive, MOST_TARS, Tar};
use super::digest;
use super::header::{self, Memory};
use super::packed::{self, Packed};
use super::recipe::{Coded, Form, PART_BYTES, Part, Recipe, Section, WHOLE_BYTES};
use super::script::{Kind, Script};
use super::sections::MOST_SECTIONS;
use super::space::Space;
use super::tar::{self, Entry, Header, MOST_TEXT, What, field};

const WHAT: Kind = 30;
const TO_END: Kind = 31;
const PICK: Kind = 32;
const NAME: Kind = 33;
const SAME: Kind = 34;
const WAY: Kind = 35;
const NUMBER: Kind = 36;
const BASE: Kind = 37;
const FORM: Kind = 38;
const GROUP: Kind = 39;
const LENGTH: Kind = 40;
const PADDING: Kind = 41;
const LAYER: Kind = 42;
const TEXT: Kind = 43;
const GZIP: Kind = 44;
const PART: Kind = 45;
const MARK: Kind = 46;
const BESIDE: Kind = 47;
const PACKED: Kind = 48;
const SECTION: Kind = 49;

/// Groups of one patch.
pub const MOST_GROUPS: usize = 1 << 16;

/// All paths of an image together.
const MOST_PATHS_BYTES: usize = 96 << 20;

/// The entries of the new image and how their contents are had, being coded.
pub struct Coding<'a> {
    pub script: Script,
    base: &'a Archive,
    /// Complete when writing; grows when reading.
    pub new: Archive,
    /// One for each entry.
    pub recipes: Vec<Recipe>,
    memory: Memory,
    last: Last,
    /// Bytes of all paths read: a script may repeat long ones cheaply.
    path_bytes: usize,
    /// How long packed layers may still be when they are unpacked.
    room: u64,
}

/// What foretells the next entry.
#[derive(Default)]
struct Last {
    what: u32,
    pick: u32,
    same: u32,
    way: u32,
    form: u32,
    group: u64,
    base_number: u64,
    header: Option<Header>,
    extension: Vec<u8>,
    next_path: Option<Vec<u8>>,
    gzip: Vec<u8>,
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
        let base_tar = (!base.tars.is_empty()).then_some(base.outer);
        coding.tar(0, base_tar)?;
        Ok(coding)
    }

    /// Reads entries and recipes, and writes headers, padding and extended headers into `space`, which is zero so far.
    pub fn read(coded: Vec<u8>, base: &'a Archive, space: Space) -> Result<Coding<'a>> {
        let mut new = Archive::default();
        new.tars.push(Tar::new(space, None));
        let mut coding = Coding::new(Script::reading(coded), base, new, Vec::new());
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
        }
    }

    fn tar(&mut self, tar: usize, base_tar: Option<usize>) -> Result<()> {
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
                _ => bail!("an entry of no known sort"),
            };
            ensure!(at <= length, "an entry goes beyond its archive");
            nth += 1;
        }
        Ok(())
    }

    /// The entry to write; nothing when reading.
    fn given(&self, tar: usize, nth: usize) -> Result<Option<usize>> {
        if !self.script.is_writing() {
            ensure!(
                self.new.entries.len() < 2 * tar::MOST_ENTRIES,
                "too many entries"
            );
            return Ok(None);
        }
        let index = self.new.tars[tar].entries.get(nth);
        index
            .copied()
            .context("the entries of an archive do not cover it")
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
        ensure!(size > 0 && size <= left, "a run goes beyond its archive");
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
            "a header goes beyond its archive"
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
            "paths of more than {MOST_PATHS_BYTES} bytes"
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
            content_at: at + tar::BLOCK,
            size,
            path: path.into(),
            kind,
        };
        ensure!(
            size <= space.len() && entry.end() <= space.len(),
            "an entry goes beyond its archive"
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
            NEXT => Some(next.context("no entry of the base is next")?),
            FURTHER => {
                let skip = self.script.number(PICK, &[], skip as u64);
                let index = usize::try_from(skip)
                    .ok()
                    .and_then(|skip| place.next.checked_add(skip));
                let found = index.and_then(|index| self.candidate(place, index));
                Some(found.context("no such entry in the base")?)
            }
            NAMED => None,
            _ => bail!("an entry is named in no known way"),
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
            _ => tar::octal(&header[field::SIZE]).context("a header without a size")?,
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
        let (from, to) = (entry.content_at + entry.size, entry.end());
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
                ensure!(content.len() as u64 == entry.size, "an extension's length");
                content
            }
            _ => bail!("an extension that is not in the script"),
        };
        self.last.next_path = tar::extended_path(kind, &content);
        self.last.extension = content;
        Ok(())
    }

    fn recipe(&mut self, index: usize, base: Option<usize>, same: bool) -> Result<()> {
        const CODED: u32 = 0;
        const OF_BASE: u32 = 1;
        const AGAIN: u32 = 2;
        const TAR: u32 = 3;
        if same {
            if let Some(base) = base {
                self.recipes[index] = Recipe::Base(base);
            }
            return Ok(());
        }
        if self.new.entries[index].is_extension() {
            return self.inline(index, base);
        }
        let given = self.recipes[index].clone();
        let way = match &given {
            Recipe::Base(_) => OF_BASE,
            Recipe::Again(_) => AGAIN,
            Recipe::Tar(_) => TAR,
            _ => CODED,
        };
        let entry = &self.new.entries[index];
        let outer = entry.tar <= self.new.outer;
        let hints = [
            u32::from(base.is_some()) << 1 | u32::from(outer),
            self.last.way,
        ];
        let way = self.script.choice(WAY, 2, &hints, way);
        self.last.way = self.last.way << 2 & 15 | way;
        let recipe = match way {
            OF_BASE => {
                let number = match given {
                    Recipe::Base(number) => number as u64,
                    _ => 0,
                };
                Recipe::Base(self.base_number(number)?)
            }
            AGAIN => {
                let back = match given {
                    Recipe::Again(earlier) => index - earlier,
                    _ => 0,
                };
                let back = self.script.number(NUMBER, &[7], back as u64);
                Recipe::Again(earlier(index, back)?)
            }
            TAR => return self.layer(index, given),
            _ => Recipe::Coded(self.coded(index, base, given)?),
        };
        self.recipes[index] = recipe;
        Ok(())
    }

    /// A base's entry by its number: the one after the last so named is cheap.
    fn base_number(&mut self, number: u64) -> Result<usize> {
        let ahead = number as i64 - self.last.base_number as i64 - 1;
        let ahead = self.script.difference(BASE, &[1], ahead);
        let number = (self.last.base_number as i64)
            .checked_add(ahead)
            .and_then(|number| number.checked_add(1));
        let number = number.and_then(|number| usize::try_from(number).ok());
        let number = number.filter(|number| *number < self.base.entries.len());
        let number = number.context("no such entry in the base")?;
        self.last.base_number = number as u64;
        Ok(number)
    }

    /// The contents of an extended header, in the script itself.
    fn inline(&mut self, index: usize, base: Option<usize>) -> Result<()> {
        let size = self.new.entries[index].size;
        ensure!(size <= MOST_TEXT, "a long extension");
        let mut text = match &self.recipes[index] {
            Recipe::Text(text) => text.clone(),
            _ => vec![0; size as usize],
        };
        let like = match base {
            Some(base) if self.base.entries[base].size <= MOST_TEXT => {
                self.base.content(base)?.load(MOST_TEXT)?
            }
            _ => Vec::new(),
        };
        let last = std::mem::take(&mut self.last.extension);
        self.script.resembling(TEXT, &last, &like, &mut text);
        if !self.script.is_writing() {
            let entry = &self.new.entries[index];
            self.new.tars[entry.tar]
                .space
                .write(entry.content_at, &text)?;
        }
        self.recipes[index] = Recipe::Text(text);
        self.script.check()
    }

    fn layer(&mut self, index: usize, given: Recipe) -> Result<()> {
        let entry = &self.new.entries[index];
        ensure!(entry.tar <= self.new.outer, "a layer within a layer");
        let holds_all = entry.tar == 0 && entry.what == What::Raw;
        let against = match given {
            Recipe::Tar(against) => against.map_or(0, |number| number as u64 + 1),
            _ => 0,
        };
        let against = self.script.number(LAYER, &[], against) as usize;
        let against = against.checked_sub(1);
        ensure!(
            against.is_none_or(|number| number < self.base.tars.len()),
            "no such layer in the base"
        );
        let tar = match self.script.is_writing() {
            true => *self
                .new
                .inner
                .get(&index)
                .context("a layer without entries")?,
            false => {
                let space = self.new.content(index)?;
                self.new.tars.push(Tar::new(space, None));
                self.new.inner.insert(index, self.new.tars.len() - 1);
                self.new.tars.len() - 1
            }
        };
        ensure!(tar < MOST_TARS, "more than {MOST_TARS} layers");
        self.packed(tar, self.new.entries[index].size)?;
        if holds_all {
            let all = self.new.entries[index].size == self.new.tars[0].space.len();
            ensure!(tar == 1 && all, "an archive that is not all of the image");
            self.new.outer = tar;
        }
        self.recipes[index] = Recipe::Tar(against);
        let (header, path) = (self.last.header, self.last.next_path.take());
        self.tar(tar, against)?;
        (self.last.header, self.last.next_path) = (header, path);
        Ok(())
    }

    /// How an archive is packed that takes `packed` bytes then, and how long it is.
    fn packed(&mut self, tar: usize, packed: u64) -> Result<()> {
        let given = &self.new.tars[tar];
        let (given, bytes) = (given.packed.clone(), given.space.len());
        if !self.script.flag(PACKED, &[], given.is_some()) {
            return Ok(());
        }
        let given = given.unwrap_or_default();
        let (style, header) = self.deflate(given.style.unwrap_or(0), given.header, &[])?;
        let bytes = self.script.number(PACKED, &[], bytes);
        ensure!(
            bytes <= packed::limit(packed).min(self.room),
            "a layer of {packed} bytes that unpacks to {bytes}"
        );
        self.room -= bytes;
        if !self.script.is_writing() {
            self.new.tars[tar].space = packed::temporary(bytes)?;
        }
        self.new.tars[tar].packed = Some(Packed {
            header,
            style: Some(style),
        });
        Ok(())
    }

    fn coded(&mut self, index: usize, base: Option<usize>, given: Recipe) -> Result<Coded> {
        let given = match given {
            Recipe::Coded(coded) => Some(coded),
            _ => None,
        };
        let size = self.new.entries[index].size;
        let ending = ending(&self.new.entries[index].path);
        let from = self.coded_base(base, given.as_ref())?;
        let form = self.form(ending, from, given.as_ref().map(|given| &given.form), size)?;
        let bytes = form.bytes(size);
        ensure!(
            matches!(form, Form::Plain) || bytes <= WHOLE_BYTES,
            "contents of {bytes} bytes to be worked on whole"
        );
        let mut parts = Vec::new();
        for (nth, _) in Coded::cuts(bytes).enumerate() {
            let given = given.as_ref().map(|given| &given.parts[nth]);
            parts.push(self.part(ending, bytes > PART_BYTES, from, given)?);
        }
        Ok(Coded {
            base: from,
            beside: self.beside(index, &form, given.as_ref())?,
            form,
            parts,
        })
    }

    /// What of the new image stands beside the base.
    fn beside(
        &mut self,
        index: usize,
        form: &Form,
        given: Option<&Coded>,
    ) -> Result<Option<usize>> {
        if *form != Form::Plain {
            return Ok(None);
        }
        let given = given.and_then(|given| given.beside);
        if !self.script.flag(BESIDE, &[], given.is_some()) {
            return Ok(None);
        }
        let back = given.map_or(0, |given| index - given);
        let back = self.script.number(BESIDE, &[], back as u64);
        earlier(index, back).map(Some)
    }

    fn coded_base(&mut self, base: Option<usize>, given: Option<&Coded>) -> Result<Option<usize>> {
        const EXPECTED: u32 = 0;
        const NONE: u32 = 1;
        const OTHER: u32 = 2;
        let way = match given.map(|given| given.base) {
            Some(None) | None => NONE,
            Some(other) if other == base => EXPECTED,
            Some(Some(_)) => OTHER,
        };
        let hints = [u32::from(base.is_some())];
        let way = self.script.choice(BASE, 2, &hints, way);
        match way {
            EXPECTED => Ok(Some(base.context("no entry of the base is expected")?)),
            NONE => Ok(None),
            OTHER => {
                let number = given.and_then(|given| given.base).unwrap_or(0);
                self.base_number(number as u64).map(Some)
            }
            _ => bail!("a base of no known sort"),
        }
    }

    fn form(
        &mut self,
        ending: u32,
        base: Option<usize>,
        given: Option<&Form>,
        size: u64,
    ) -> Result<Form> {
        let (number, bytes) = match given {
            None | Some(Form::Plain) => (0, 0),
            Some(Form::Gzip { bytes, .. }) => (1, *bytes),
            Some(Form::Sums { bytes }) => (2, *bytes),
            Some(Form::Digests { bytes }) => (3, *bytes),
            Some(Form::Sections { bytes, .. }) => (4, *bytes),
        };
        let form = self
            .script
            .choice(FORM, 3, &[ending, self.last.form], number);
        self.last.form = form;
        if form == 0 {
            return Ok(Form::Plain);
        }
        let less = size as i64 - bytes as i64;
        let length = u64::BITS - size.leading_zeros();
        let less = self
            .script
            .difference(LENGTH, &[form, form << 8 | length], less);
        let bytes = (size as i64).checked_sub(less);
        let bytes = bytes.and_then(|bytes| u64::try_from(bytes).ok());
        let bytes = bytes.context("a length below zero")?;
        Ok(match form {
            1 => self.gzip(base, given, bytes)?,
            2 => Form::Sums { bytes },
            3 => Form::Digests { bytes },
            4 => self.sections(given, bytes)?,
            _ => bail!("contents in no known form"),
        })
    }

    fn sections(&mut self, given: Option<&Form>, bytes: u64) -> Result<Form> {
        let mut list = match given {
            Some(Form::Sections { list, .. }) => list.clone(),
            _ => Vec::new(),
        };
        let count = self.script.number(SECTION, &[], list.len() as u64) as usize;
        ensure!(count <= MOST_SECTIONS, "too many compressed sections");
        list.resize(count, Section::default());
        let mut end = 0_u64;
        for section in &mut list {
            let ahead = self
                .script
                .number(SECTION, &[1], section.at.wrapping_sub(end));
            section.at = end.saturating_add(ahead);
            section.packed = self.script.number(SECTION, &[2], section.packed);
            section.bytes = self.script.number(SECTION, &[3], section.bytes);
            section.style = self.script.choice(GZIP, 5, &[1], section.style as u32) as usize;
            self.script.bytes(SECTION, &[0x78, 0x9C], &mut section.head);
            end = section.at.saturating_add(section.packed);
        }
        Ok(Form::Sections { list, bytes })
    }

    fn gzip(&mut self, base: Option<usize>, given: Option<&Form>, bytes: u64) -> Result<Form> {
        let (style, header) = match given {
            Some(Form::Gzip { style, header, .. }) => (*style, header.clone()),
            _ => (0, Vec::new()),
        };
        let like = match base {
            Some(base) => {
                let content = self.base.content(base)?;
                let few = content.len().min(64);
                content.part(0, few)?.load(64)?
            }
            None => Vec::new(),
        };
        let (style, header) = self.deflate(style, header, &like)?;
        Ok(Form::Gzip {
            style,
            header,
            bytes,
        })
    }

    /// A style of deflate, and a gzip header: like the one of the base, and the last one.
    fn deflate(
        &mut self,
        style: usize,
        mut header: Vec<u8>,
        like: &[u8],
    ) -> Result<(usize, Vec<u8>)> {
        let style = self.script.choice(GZIP, 5, &[], style as u32) as usize;
        ensure!(
            style < super::deflate::Style::ALL.len(),
            "a deflate of no known style"
        );
        let length = self.script.number(GZIP, &[], header.len() as u64);
        ensure!(length <= MOST_TEXT, "a long gzip header");
        header.resize(length as usize, 0);
        let last = std::mem::take(&mut self.last.gzip);
        self.script.resembling(GZIP, &last, like, &mut header);
        self.last.gzip = header.clone();
        Ok((style, header))
    }

    fn part(
        &mut self,
        ending: u32,
        long: bool,
        base: Option<usize>,
        given: Option<&Part>,
    ) -> Result<Part> {
        let group = given.map_or(0, |given| given.group as u64);
        let same = self.script.flag(GROUP, &[ending], group == self.last.group);
        let group = if same {
            self.last.group
        } else {
            self.script.number(GROUP, &[ending], group)
        };
        ensure!(group < MOST_GROUPS as u64, "too many groups");
        self.last.group = group;
        let mut part = Part {
            group: group as usize,
            base: None,
        };
        if base.is_none() {
            return Ok(part);
        }
        let range = given.and_then(|given| given.base);
        if self.script.flag(PART, &[long.into()], range.is_some()) {
            let (at, length) = range.unwrap_or((0, 0));
            let at = self.script.number(PART, &[1], at);
            let length = self.script.number(PART, &[2], length);
            part.base = Some((at, length));
        }
        Ok(part)
    }
}

/// The entry so many before `index`.
fn earlier(index: usize, back: u64) -> Result<usize> {
    let back = usize::try_from(back).ok().filter(|back| *back > 0);
    let earlier = back.and_then(|back| index.checked_sub(back));
    earlier.context("contents of an entry that is not there")
}

/// The last three bytes of a name after its last dot or slash: what sort of file it is.
fn ending(path: &[u8]) -> u32 {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let mut parts = name.rsplit(|byte| *byte == b'.');
    let last = parts.next().unwrap_or_default();
    if parts.next().is_none() {
        return 0;
    }
    last.iter()
        .take(3)
        .fold(1, |all, byte| all << 8 | u32::from(*byte))
}
