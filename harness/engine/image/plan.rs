//! What the encoder decides: how the contents of each entry are had, and which are coded together.

use std::collections::HashMap;

use anyhow::Result;

use super::archive::{self, Archive, Tar};
use super::deal::{Sort, assign, parts};
use super::digest::{self, Digests};
use super::group::threads;
use super::gzip;
use super::known::{self, Known};
use super::packed;
use super::pairing::{Pairing, Sought, is_elf};
use super::recipe::{Coded, Entries, Form, PROGRAM_BYTES, Recipe, WHOLE_BYTES, may_be_program};
use super::sections;
use super::sketch::{Hash, Similar, Sketches, sketch};
use super::space::Space;
use super::sums;
use super::tar::{Entry, What};
use crate::engine::flow::each;
use crate::engine::ideas::Ideas;

/// Shingles, of 64, that programs share which are coded beside each other, and the longest such program.
const MUCH_ALIKE: u32 = 12;
const MOST_BESIDE: u64 = 24 << 20;

/// The new image with a recipe for each entry.
pub struct Plan {
    pub new: Archive,
    pub digests: Digests,
    pub recipes: Vec<Recipe>,
    pub groups: usize,
}

/// The archive in these contents, when its entries are to be looked at: what the base has whole needs no look, and what is
/// packed must be packed again to the byte.
fn enter(
    known: &Known,
    content: &Space,
    room: u64,
    ideas: &Ideas,
    say: &dyn Fn(&str),
) -> Result<Option<Tar>> {
    if !archive::may_hold(content)? || known.entry(content)?.is_some() {
        return Ok(None);
    }
    let inner = archive::inner(content, room)?;
    let Some(mut tar) = inner.filter(|tar| ideas.gzip || tar.packed.is_none()) else {
        return Ok(None);
    };
    if let Some(packed) = &mut tar.packed {
        packed.style = packed::style(content, &tar.space, &packed.header)?;
        if packed.style.is_none() {
            let bytes = content.len();
            say(&format!(
                "the compression of a layer of {bytes} bytes can't be reproduced: it is coded as plain bytes; save the image uncompressed for a smaller patch"
            ));
            return Ok(None);
        }
    }
    Ok(Some(tar))
}

impl Plan {
    /// Decides for the image in `space`.
    pub fn make(
        base: &Archive,
        known: &Known,
        space: &Space,
        ideas: &Ideas,
        plain: &Entries,
        say: &dyn Fn(&str),
    ) -> Result<Plan> {
        let mut new = if !ideas.entries {
            Archive::of_bytes(space)
        } else {
            Archive::walk_into(space, |content, room| {
                enter(known, content, room, ideas, say)
            })?
        };
        let unpacked = |index: usize| -> Result<Option<Space>> {
            if let Some(space) = new.unpacked(index) {
                return Ok(Some(space.clone()));
            }
            if !base.tars.iter().any(|tar| tar.packed.is_some()) {
                return Ok(None);
            }
            let held = known.entry(&new.content(index)?)?;
            Ok(held.and_then(|held| base.unpacked(held)).cloned())
        };
        let (digests, hashes) = known::hash(&new, &unpacked, |_| true)?;
        digests.show(&mut new)?;
        let against = known::against(base, known, &new, &hashes);
        let mut plan = Planning {
            base,
            known,
            new: &new,
            hashes: &hashes,
            against: &against,
            digests: &digests,
            pairing: Pairing::of(base, ideas.pairing),
            ideas,
            plain,
            found: HashMap::new(),
            seen: HashMap::new(),
            kinds: Vec::new(),
            programs: Similar::default(),
        };
        plan.find_out()?;
        let mut recipes = Vec::new();
        for index in 0..new.entries.len() {
            let recipe = plan.recipe(index)?;
            recipes.push(recipe);
        }
        let alone = base.entries.is_empty();
        let kinds = plan.kinds;
        let groups = assign(&new, &mut recipes, &kinds, alone);
        Ok(Plan {
            new,
            digests,
            recipes,
            groups,
        })
    }
}

/// The first bytes of contents, which tell what they are.
fn begin(content: &Space) -> Result<Vec<u8>> {
    content.part(0, content.len().min(4))?.load(4)
}

struct Planning<'a> {
    base: &'a Archive,
    known: &'a Known,
    new: &'a Archive,
    hashes: &'a [Option<Hash>],
    against: &'a [Option<usize>],
    digests: &'a Digests,
    pairing: Pairing<'a>,
    ideas: &'a Ideas,
    /// Entries whose contents are coded without a base and in no form.
    plain: &'a Entries,
    /// What was found out of contents that are coded, before they have their turn.
    found: HashMap<usize, Found>,
    seen: HashMap<Hash, usize>,
    kinds: Vec<(usize, Sort)>,
    /// Programs of the new image that others may be coded beside.
    programs: Similar,
}

/// What the contents of an entry tell, whatever is decided about others.
struct Found {
    base: Option<usize>,
    form: Form,
    sort: Sort,
    /// Of plain programs, that others may be coded beside.
    sketch: Option<Vec<u32>>,
}

impl Planning<'_> {
    /// Finds out about all contents that will be coded, on several threads.
    fn find_out(&mut self) -> Result<()> {
        let mut seen = std::collections::HashSet::new();
        let coded = (0..self.new.entries.len()).filter(|index| {
            let Some(hash) = self.hashes[*index] else {
                return false;
            };
            let entry = &self.new.entries[*index];
            let has_own = !entry.is_extension() && !self.new.inner.contains_key(index);
            // What is seen for the second time repeats the first, however that is coded.
            let is_new = has_own && self.known.first(hash).is_none() && seen.insert(hash);
            is_new && !self.is_long(entry)
        });
        let coded: Vec<usize> = coded.collect();
        let found = each(coded.len(), threads(), |nth| self.find(coded[nth]))?;
        self.found = coded.into_iter().zip(found).collect();
        let found = self.found.iter();
        let programs: Vec<(usize, &[u32])> = found
            .filter_map(|(index, found)| Some((*index, found.sketch.as_deref()?)))
            .collect();
        let mut sketches = Sketches::of_files(programs.len());
        programs
            .into_iter()
            .for_each(|(index, sketch)| sketches.add(index, sketch));
        self.programs = sketches.finish();
        Ok(())
    }

    fn find(&self, index: usize) -> Result<Found> {
        if self.plain.contains(&index) {
            return Ok(Found {
                base: None,
                form: Form::Plain,
                sort: Sort::Plain,
                sketch: None,
            });
        }
        let entry = &self.new.entries[index];
        let contents = self.new.content(index)?.load(WHOLE_BYTES)?;
        let sort = match is_elf(&contents) {
            true => Sort::Elf,
            false => Sort::Other,
        };
        let tar = self.against[entry.tar];
        let sought = Sought::whole(&contents);
        let mut base = self.pairing.by_path(&entry.path, tar, &sought)?;
        let is_sought = base.is_none() && self.pairing.looks_inside(entry.size);
        let is_sibling = self.ideas.beside && sort == Sort::Elf && entry.size <= MOST_BESIDE;
        let sketch = (is_sought || is_sibling).then(|| sketch(&contents));
        if let Some(sketch) = sketch.as_ref().filter(|_| is_sought) {
            base = self.pairing.by_contents(sketch, &sought)?;
        }
        let form = self.form(entry, &contents, base)?;
        let is_sibling = is_sibling && form == Form::Plain;
        Ok(Found {
            base,
            form,
            sort,
            sketch: sketch.filter(|_| is_sibling),
        })
    }

    /// Whether contents are coded in pieces.
    fn is_long(&self, entry: &Entry) -> bool {
        let base = self.base.find(&entry.path, self.against[entry.tar]);
        let long_base = base.is_some_and(|index| self.base.entries[index].size > WHOLE_BYTES);
        entry.size > WHOLE_BYTES || long_base || entry.what == What::Raw
    }

    fn recipe(&mut self, index: usize) -> Result<Recipe> {
        let entry = &self.new.entries[index];
        let Some(hash) = self.hashes[index] else {
            return Ok(Recipe::Nothing);
        };
        let tar = self.against[entry.tar];
        let expected = match entry.what {
            What::File => self.base.find(&entry.path, tar),
            _ => None,
        };
        let same = expected.filter(|index| self.known.is(*index, hash));
        let known = self.known.first(hash);
        // What it unpacks to was asked of the known one.
        let same = same.filter(|same| {
            let unpacks = |index: usize| self.base.unpacked(index).is_some();
            known.is_none_or(|known| unpacks(*same) == unpacks(known))
        });
        if entry.is_extension() {
            return self.extension(index, tar, hash);
        }
        if let Some(inner) = self.new.inner.get(&index) {
            return Ok(Recipe::Tar(self.against[*inner]));
        }
        if let Some(base) = same.or(known) {
            return Ok(Recipe::Base(base));
        }
        if let Some(earlier) = self.seen.get(&hash) {
            return Ok(Recipe::Again(*earlier));
        }
        let coded = self.coded(index, entry, tar)?;
        if !matches!(coded.form, Form::Sums { .. } | Form::Digests { .. }) {
            self.seen.insert(hash, index);
        }
        Ok(Recipe::Coded(Box::new(coded)))
    }

    /// An extended header is the base's when the one of the same name is the same.
    fn extension(&self, index: usize, tar: Option<usize>, hash: Hash) -> Result<Recipe> {
        let entry = &self.new.entries[index];
        let alike = self.base.find(&entry.path, tar);
        let alike = alike.filter(|alike| {
            self.base.entries[*alike].is_extension() && self.known.is(*alike, hash)
        });
        Ok(match alike {
            Some(base) => Recipe::Base(base),
            None => Recipe::Text(self.new.content(index)?.load(entry.size)?),
        })
    }

    fn coded(&mut self, index: usize, entry: &Entry, tar: Option<usize>) -> Result<Coded> {
        if self.is_long(entry) {
            let content = self.new.content(index)?;
            return self.long(index, entry, tar, &content);
        }
        let found = match self.found.remove(&index) {
            Some(found) => found,
            None => self.find(index)?,
        };
        self.kinds.push((index, found.sort));
        let beside = found.sketch.and_then(|own| self.sibling(index, &own));
        Ok(Coded {
            base: found.base,
            beside,
            parts: parts(found.form.bytes(entry.size), None),
            form: found.form,
            program: false,
        })
    }

    /// An earlier program of the new image that is much like this one: what is linked from the same parts changes alike.
    fn sibling(&self, index: usize, own: &[u32]) -> Option<usize> {
        let (nearest, shared) = self.programs.nearest(own, index)?;
        (shared >= MUCH_ALIKE).then_some(nearest)
    }

    fn form(&self, entry: &Entry, contents: &[u8], base: Option<usize>) -> Result<Form> {
        if self.ideas.gzip
            && let Some(member) = gzip::unpack(contents)
            && let Some(style) = member.style()
        {
            return Ok(Form::Gzip {
                style,
                header: member.header.to_vec(),
                bytes: member.contents.len() as u64,
            });
        }
        if self.ideas.gzip && is_elf(contents) {
            let list = sections::of(contents);
            // Without any it is worth it where the base has some.
            if !list.is_empty() || self.has_sections(base)? {
                let bytes: u64 = list.iter().map(|section| section.bytes).sum();
                return Ok(Form::Sections {
                    bytes: contents.len() as u64 + bytes,
                    list,
                });
            }
        }
        if !self.ideas.derived {
            return Ok(Form::Plain);
        }
        if sums::is_list(&entry.path) {
            // Its length is known only when all recipes are: a mark takes 31 bytes less than a sum.
            return Ok(Form::Sums { bytes: 0 });
        }
        if entry.tar == self.new.outer
            && entry.size <= digest::MOST_TEXT
            && let Some(reduced) = self.digests.reduce(contents, None)
        {
            return Ok(Form::Digests {
                bytes: reduced.len() as u64,
            });
        }
        Ok(Form::Plain)
    }

    /// Whether the base of a program has compressed sections.
    fn has_sections(&self, base: Option<usize>) -> Result<bool> {
        let Some(base) = base else { return Ok(false) };
        let base = self.base.content(base)?.load(WHOLE_BYTES)?;
        Ok(sections::has_any(&base))
    }

    /// Contents that are coded in pieces, each against what lies at the same place in the base's; a program at once, if it
    /// can be.
    fn long(
        &mut self,
        index: usize,
        entry: &Entry,
        tar: Option<usize>,
        content: &Space,
    ) -> Result<Coded> {
        let start = begin(content)?;
        let is_plain = self.plain.contains(&index);
        let sort = match is_plain {
            true => Sort::Plain,
            false if is_elf(&start) => Sort::Elf,
            false => Sort::Other,
        };
        let base = match entry.what {
            _ if is_plain => None,
            What::Raw => self.base.whole(),
            _ => self.long_base(entry, tar, sort, &start)?,
        };
        self.kinds.push((index, sort));
        let base_bytes = base.map(|index| self.base.entries[index].size);
        let program = match base {
            Some(base) if self.ideas.references && sort == Sort::Elf => {
                may_be_program(entry.size, self.base.entries[base].size)
                    && is_elf(&begin(&self.base.content(base)?)?)
            }
            _ => false,
        };
        Ok(Coded {
            base,
            beside: None,
            form: Form::Plain,
            program,
            parts: match program {
                true => parts(1, None),
                false => parts(entry.size, base_bytes),
            },
        })
    }

    /// The base's file for long contents: at the same path, or a program of another version.
    fn long_base(
        &self,
        entry: &Entry,
        tar: Option<usize>,
        sort: Sort,
        start: &[u8],
    ) -> Result<Option<usize>> {
        let same = self.base.find(&entry.path, tar);
        let same = same.filter(|index| self.base.entries[*index].size > 0);
        let may_be_program = self.ideas.references && sort == Sort::Elf;
        if same.is_some() || !may_be_program || entry.size > PROGRAM_BYTES {
            return Ok(same);
        }
        let sought = Sought {
            start,
            bytes: entry.size,
            most: PROGRAM_BYTES,
        };
        self.pairing.by_name(&entry.path, &sought)
    }
}
