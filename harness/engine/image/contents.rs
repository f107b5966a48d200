//! The script's word on contents: how those of an entry are had. Codes both ways, as all of the script.

use anyhow::{Context, Result, bail, ensure};

use super::archive::{MOST_TARS, Tar};
use super::code::{Coding, LENGTH, NUMBER};
use super::packed::{self, Packed};
use super::recipe::{
    Coded, Form, MOST_GROUPS, PART_BYTES, Part, Recipe, Section, WHOLE_BYTES, cuts, may_be_program,
};
use super::script::Kind;
use super::sections::MOST_SECTIONS;
use super::tar::{MOST_TEXT, What};

const WAY: Kind = 35;
const BASE: Kind = 37;
const FORM: Kind = 38;
const GROUP: Kind = 39;
const LAYER: Kind = 42;
const TEXT: Kind = 43;
const GZIP: Kind = 44;
const PART: Kind = 45;
const BESIDE: Kind = 47;
const PACKED: Kind = 48;
const SECTION: Kind = 49;
const PROGRAM: Kind = 50;

impl Coding<'_> {
    pub(super) fn recipe(&mut self, index: usize, base: Option<usize>, same: bool) -> Result<()> {
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
            _ => Recipe::Coded(Box::new(self.coded(index, base, given.coded())?)),
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
        let number = number.context("damaged patch: OLD lacks an entry")?;
        self.last.base_number = number as u64;
        Ok(number)
    }

    /// The contents of an extended header, in the script itself.
    fn inline(&mut self, index: usize, base: Option<usize>) -> Result<()> {
        let size = self.new.entries[index].size;
        ensure!(
            size <= MOST_TEXT,
            "damaged patch: an extended header has more than {MOST_TEXT} bytes"
        );
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
                .write(entry.content_at(), &text)?;
        }
        self.recipes[index] = Recipe::Text(text);
        self.script.check()
    }

    fn layer(&mut self, index: usize, given: Recipe) -> Result<()> {
        let entry = &self.new.entries[index];
        ensure!(
            entry.tar <= self.new.outer,
            "damaged patch: a layer is inside a layer"
        );
        let holds_all = entry.tar == 0 && entry.what == What::Raw;
        let against = match given {
            Recipe::Tar(against) => against.map_or(0, |number| number as u64 + 1),
            _ => 0,
        };
        let against = self.script.number(LAYER, &[], against) as usize;
        let against = against.checked_sub(1);
        ensure!(
            against.is_none_or(|number| number < self.base.tars.len()),
            "damaged patch: OLD lacks a layer"
        );
        let tar = match self.script.is_writing() {
            true => *self
                .new
                .inner
                .get(&index)
                .context("a layer has no entries")?,
            false => {
                let space = self.new.content(index)?;
                self.new.tars.push(Tar::new(space, None));
                self.new.inner.insert(index, self.new.tars.len() - 1);
                self.new.tars.len() - 1
            }
        };
        ensure!(
            tar < MOST_TARS,
            "the image has more than {MOST_TARS} layers"
        );
        self.packed(tar, self.new.entries[index].size)?;
        if holds_all {
            let all = self.new.entries[index].size == self.new.tars[0].space.len();
            ensure!(
                tar == 1 && all,
                "damaged patch: its archive is not the whole image"
            );
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
            "damaged patch: a layer of {packed} bytes unpacks to {bytes}, which is too much"
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

    fn coded(&mut self, index: usize, base: Option<usize>, given: Option<&Coded>) -> Result<Coded> {
        let size = self.new.entries[index].size;
        let ending = ending(&self.new.entries[index].path);
        let from = self.coded_base(base, given)?;
        let form = self.form(ending, from, given.map(|given| &given.form), size)?;
        let bytes = form.bytes(size);
        ensure!(
            matches!(form, Form::Plain) || bytes <= WHOLE_BYTES,
            "damaged patch: transformed contents have {bytes} bytes, more than {WHOLE_BYTES}"
        );
        let program = self.program(&form, bytes, from, given)?;
        let mut parts = Vec::new();
        for (nth, _) in cuts(bytes, program).enumerate() {
            let given = given.map(|given| &given.parts[nth]);
            parts.push(self.part(ending, bytes > PART_BYTES, from, given)?);
        }
        Ok(Coded {
            base: from,
            beside: match program {
                true => None,
                false => self.beside(index, &form, given)?,
            },
            form,
            program,
            parts,
        })
    }

    /// Whether long contents are a program that is coded at once.
    fn program(
        &mut self,
        form: &Form,
        bytes: u64,
        base: Option<usize>,
        given: Option<&Coded>,
    ) -> Result<bool> {
        let base_bytes = base.map_or(0, |base| self.base.entries[base].size);
        if !self.programs || *form != Form::Plain || !may_be_program(bytes, base_bytes) {
            return Ok(false);
        }
        let given = given.is_some_and(|given| given.program);
        Ok(self.script.flag(PROGRAM, &[], given))
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
            EXPECTED => Ok(Some(base.context("damaged patch: OLD lacks an entry")?)),
            NONE => Ok(None),
            OTHER => {
                let number = given.and_then(|given| given.base).unwrap_or(0);
                self.base_number(number as u64).map(Some)
            }
            _ => bail!("damaged patch: contents have an unknown base"),
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
        let bytes = bytes.context("damaged patch: a length is below zero")?;
        Ok(match form {
            1 => self.gzip(base, given, bytes)?,
            2 => Form::Sums { bytes },
            3 => Form::Digests { bytes },
            4 => self.sections(given, bytes)?,
            _ => bail!("damaged patch: contents have an unknown form"),
        })
    }

    fn sections(&mut self, given: Option<&Form>, bytes: u64) -> Result<Form> {
        let mut list = match given {
            Some(Form::Sections { list, .. }) => list.clone(),
            _ => Vec::new(),
        };
        let count = self.script.number(SECTION, &[], list.len() as u64) as usize;
        ensure!(
            count <= MOST_SECTIONS,
            "damaged patch: it has too many compressed sections"
        );
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
            "damaged patch: it names an unknown style of deflate"
        );
        let length = self.script.number(GZIP, &[], header.len() as u64);
        ensure!(
            length <= MOST_TEXT,
            "damaged patch: a gzip header has more than {MOST_TEXT} bytes"
        );
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
        ensure!(
            group < MOST_GROUPS as u64,
            "damaged patch: it has too many groups"
        );
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
    earlier.context("damaged patch: contents refer to a missing entry")
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
