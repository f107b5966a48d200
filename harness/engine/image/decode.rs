//! Applying a patch: headers first, then what the base has, then groups, then what is derived from all that.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};

use super::archive::Archive;
use super::code::Coding;
use super::digest::{self, Digests, Sha, sha256};
use super::format::Patch;
use super::group::{self, Bases, Size, Turns};
use super::gzip;
use super::packed;
use super::recipe::{Coded, Form, Recipe, WHOLE_BYTES, cuts};
use super::sections;
use super::space::Space;
use super::sums::{self, Sums};
use crate::engine::flow::{cores, each};

/// Where decoding failed: all contents of this group may be coded in another way.
#[derive(Debug)]
pub struct InGroup(pub usize);

impl std::fmt::Display for InGroup {
    fn fmt(&self, to: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(to, "group {}", self.0)
    }
}

/// Where packing failed: contents of this archive may be coded in another way.
#[derive(Debug)]
pub struct InLayer(pub usize);

impl std::fmt::Display for InLayer {
    fn fmt(&self, to: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(to, "packed archive {}", self.0)
    }
}

/// A piece of contents in a group: the entry, where the piece begins, its length.
#[derive(Clone, Copy)]
pub struct Piece {
    pub entry: usize,
    pub part: usize,
    pub at: u64,
    pub bytes: u64,
}

/// Opens the base of a patch, after its length and hash were compared.
pub fn open_base(patch: &Patch, base: Option<&Path>) -> Result<Space> {
    let Some((bytes, sha)) = &patch.head.base else {
        let nothing = tempfile::tempfile().context("make a temporary file")?;
        return Ok(Space::whole(Arc::new(nothing), 0));
    };
    let path = base.context("this patch needs OLD: delta-lab patch apply OLD PATCH -o NEW")?;
    let space = Space::open(path)?;
    ensure!(
        space.len() == *bytes && sha256(&space)? == *sha,
        "{}: not the OLD that this patch was made from",
        path.display()
    );
    Ok(space)
}

/// Fills `out`, which is zero and as long as the image, with what `patch` makes of `base`, and gives its entries. The caller
/// compares hashes.
pub fn decode(patch: &Patch, base: &Space, out: &Space, say: &dyn Fn(&str)) -> Result<Archive> {
    let mut archive = Archive::walk(base)?;
    let digests = Digests::of(&archive)?;
    digests.show(&mut archive)?;
    let coding = Coding::read(patch, &archive, out.clone())?;
    let (new, recipes) = (coding.new, coding.recipes);
    let work = Decoding {
        bases: Bases::of(&archive, &digests),
        new: &new,
        recipes: &recipes,
    };
    say("contents that the base has");
    work.copies_of_base()?;
    let late = work.groups(patch, say)?;
    work.copies_of_new()?;
    say("contents that follow from others");
    work.derived(late)?;
    drop(work);
    Ok(new)
}

/// The pieces of each group, in the order of entries.
pub fn pieces(new: &Archive, recipes: &[Recipe], groups: usize) -> Result<Vec<Vec<Piece>>> {
    let mut of_group = vec![Vec::new(); groups];
    for (entry, recipe) in recipes.iter().enumerate() {
        let Some(coded) = recipe.coded() else {
            continue;
        };
        if let Some(earlier) = coded.beside {
            let held = recipes[earlier].coded();
            let held = held.is_some_and(|held| {
                held.form == Form::Plain && held.parts.len() == 1 && !held.program
            });
            let same = recipes[earlier].groups() == recipes[entry].groups();
            ensure!(
                held && same,
                "damaged patch: contents refer to others that are missing"
            );
        }
        let bytes = coded.form.bytes(new.entries[entry].size);
        for (part, (at, bytes)) in cuts(bytes, coded.program).enumerate() {
            let group = of_group.get_mut(coded.parts[part].group);
            group.context("damaged patch: no such group")?.push(Piece {
                entry,
                part,
                at,
                bytes,
            });
        }
    }
    Ok(of_group)
}

/// Whether one of the pieces is a program longer than others are.
pub fn has_program(pieces: &[Piece], recipes: &[Recipe]) -> bool {
    let mut coded = pieces.iter().map(|piece| recipes[piece.entry].coded());
    coded.any(|coded| coded.is_some_and(|coded| coded.program))
}

/// What each entry of a patch took, told without writing an image.
pub fn costs(patch: &Patch, base: &Space) -> Result<(Archive, Vec<Recipe>, Vec<u64>)> {
    let mut archive = Archive::walk(base)?;
    let digests = Digests::of(&archive)?;
    digests.show(&mut archive)?;
    let out = tempfile::tempfile().context("make a temporary file")?;
    out.set_len(patch.head.image.0)
        .context("make a temporary file")?;
    let out = Space::whole(Arc::new(out), patch.head.image.0);
    let coding = Coding::read(patch, &archive, out)?;
    let bases = Bases::of(&archive, &digests);
    let heads = &patch.head.groups;
    let mut costs = vec![0; coding.recipes.len()];
    for (number, pieces) in pieces(&coding.new, &coding.recipes, heads.len())?
        .iter()
        .enumerate()
    {
        let load = |nth: usize| {
            let piece: &Piece = &pieces[nth];
            let coded = coding.recipes[piece.entry].coded();
            let coded = coded.context("damaged patch: no group holds an entry's contents")?;
            let base = bases.load(&coding.new, coded, &coded.parts[piece.part])?;
            Ok((base, piece.bytes))
        };
        let put = |nth: usize, contents: Vec<u8>, spent| {
            let piece = &pieces[nth];
            costs[piece.entry] += spent;
            // Later contents may be coded against these.
            let form = coding.recipes[piece.entry].coded().map(|coded| &coded.form);
            match form {
                Some(Form::Plain) => coding.new.content(piece.entry)?.write(piece.at, &contents),
                _ => Ok(()),
            }
        };
        let coded = patch.group(number)?;
        let programs = has_program(pieces, &coding.recipes);
        group::decode(
            heads[number].codec,
            &coded,
            pieces.len(),
            programs,
            load,
            put,
        )?;
    }
    Ok((coding.new, coding.recipes, costs))
}

struct Decoding<'a> {
    bases: Bases<'a>,
    new: &'a Archive,
    recipes: &'a [Recipe],
}

impl Decoding<'_> {
    fn coded(&self, entry: usize) -> Result<&Coded> {
        let coded = self.recipes[entry].coded();
        coded.context("damaged patch: no group holds an entry's contents")
    }

    fn copy(&self, from: &Space, entry: usize) -> Result<()> {
        let to = self.new.content(entry)?;
        ensure!(
            from.len() == to.len(),
            "damaged patch: contents have {} bytes instead of {}",
            from.len(),
            to.len()
        );
        let mut at = 0;
        from.pieces(|piece| {
            to.write(at, piece)?;
            at += piece.len() as u64;
            Ok(())
        })
    }

    fn copies_of_base(&self) -> Result<()> {
        each(self.recipes.len(), cores(), |entry| {
            match &self.recipes[entry] {
                Recipe::Base(index) => self.copy(&self.bases.archive.content(*index)?, entry),
                _ => Ok(()),
            }
        })?;
        Ok(())
    }

    /// After the groups, whose contents these may repeat. What they repeat comes earlier.
    fn copies_of_new(&self) -> Result<()> {
        for (entry, recipe) in self.recipes.iter().enumerate() {
            if let Recipe::Again(earlier) = recipe {
                self.copy(&self.new.content(*earlier)?, entry)?;
            }
        }
        Ok(())
    }

    /// Decodes all groups; returns what needs other contents before it is complete.
    fn groups(&self, patch: &Patch, say: &dyn Fn(&str)) -> Result<Vec<(usize, Vec<u8>)>> {
        let heads = &patch.head.groups;
        let of_group = pieces(self.new, self.recipes, heads.len())?;
        say(&format!("{} groups of changed contents", heads.len()));
        let turns = Turns::default();
        let late = each(heads.len(), group::threads(), |number| {
            self.group(patch, number, &of_group[number], &turns)
                .context(InGroup(number))
        })?;
        Ok(late.into_iter().flatten().collect())
    }

    fn group(
        &self,
        patch: &Patch,
        number: usize,
        pieces: &[Piece],
        turns: &Turns,
    ) -> Result<Vec<(usize, Vec<u8>)>> {
        let programs = has_program(pieces, self.recipes);
        let _turn = turns.take(match programs {
            true => Size::Program,
            false => Size::Usual,
        });
        let mut late = Vec::new();
        let load = |nth: usize| {
            let piece = &pieces[nth];
            let coded = self.coded(piece.entry)?;
            let part = &coded.parts[piece.part];
            let base = self.bases.load(self.new, coded, part)?;
            Ok((base, piece.bytes))
        };
        let put = |nth: usize, contents: Vec<u8>, _| {
            let piece = &pieces[nth];
            let space = self.new.content(piece.entry)?;
            match &self.coded(piece.entry)?.form {
                Form::Plain => space.write(piece.at, &contents),
                Form::Gzip { style, header, .. } => {
                    let packed = gzip::pack(&contents, *style, header, space.len())?;
                    space.write(0, &packed)
                }
                Form::Sections { list, .. } => {
                    space.write(0, &sections::expand(contents, space.len(), list)?)
                }
                Form::Sums { .. } | Form::Digests { .. } => {
                    late.push((piece.entry, contents));
                    Ok(())
                }
            }
        };
        let codec = patch.head.groups[number].codec;
        let coded = patch.group(number)?;
        group::decode(codec, &coded, pieces.len(), programs, load, put)?;
        Ok(late)
    }

    /// Lists of sums, then texts and names with digests.
    fn derived(&self, late: Vec<(usize, Vec<u8>)>) -> Result<()> {
        let own = Sums::of(self.new);
        let sums = NewSums {
            own: &own,
            new: self.new,
            recipes: self.recipes,
            bases: &self.bases,
        };
        let (mut lists, mut texts) = (Vec::new(), Vec::new());
        for (entry, contents) in late {
            match self.coded(entry)?.form {
                Form::Sums { .. } => lists.push((entry, contents)),
                _ => texts.push((entry, contents)),
            }
        }
        each(lists.len(), cores(), |nth| {
            let (entry, contents) = &lists[nth];
            let tar = self.new.entries[*entry].tar;
            let full = sums::expand(contents, &mut |path| sums.at(path, tar))?;
            self.put_late(*entry, &full)
        })?;
        self.pack(|tar| tar != self.new.outer)?;
        self.digests(texts)?;
        self.pack(|tar| tar == self.new.outer)
    }

    /// Packs those archives that are `wanted` and kept packed, when all that is in them is there.
    fn pack(&self, wanted: impl Fn(usize) -> bool) -> Result<()> {
        let inner = self.new.inner.iter();
        let mut inner: Vec<(usize, usize)> = inner.map(|(entry, tar)| (*entry, *tar)).collect();
        inner.retain(|(_, tar)| wanted(*tar));
        inner.sort_unstable();
        each(inner.len(), cores(), |nth| {
            let (entry, number) = inner[nth];
            let tar = &self.new.tars[number];
            match &tar.packed {
                Some(packed) => packed::pack(&tar.space, packed, &self.new.content(entry)?)
                    .context(InLayer(number)),
                None => Ok(()),
            }
        })?;
        Ok(())
    }

    /// What an outer entry unpacks to: a packed layer of the new image, or of the base.
    fn unpacked(&self, entry: usize) -> Result<&Space> {
        let unpacked = match &self.recipes[entry] {
            Recipe::Base(index) => self.bases.archive.unpacked(*index),
            _ => self.new.unpacked(entry),
        };
        unpacked.context("damaged patch: it needs the digest of a layer that is not compressed")
    }

    fn put_late(&self, entry: usize, full: &[u8]) -> Result<()> {
        let space = self.new.content(entry)?;
        ensure!(
            full.len() as u64 == space.len() && space.len() <= WHOLE_BYTES,
            "damaged patch: derived contents have the wrong length"
        );
        space.write(0, full)
    }

    fn digests(&self, mut texts: Vec<(usize, Vec<u8>)>) -> Result<()> {
        let outer = &self.new.tars[self.new.outer].entries;
        let place_of: HashMap<usize, usize> = outer
            .iter()
            .enumerate()
            .map(|(place, entry)| (*entry, place))
            .collect();
        let place = |entry: &usize| {
            place_of
                .get(entry)
                .copied()
                .context("damaged patch: an entry with digests is inside a layer")
        };
        let mut known: HashMap<usize, Sha> = HashMap::new();
        let mut digest = |place: usize| -> Result<Sha> {
            if let Some(sha) = known.get(&place) {
                return Ok(*sha);
            }
            let nth = place.checked_sub(outer.len());
            let entry = outer.get(nth.unwrap_or(place));
            let entry = *entry.context("damaged patch: it needs the digest of a missing entry")?;
            let sha = match nth {
                None => sha256(&self.new.content(entry)?)?,
                Some(_) => sha256(self.unpacked(entry)?)?,
            };
            known.insert(place, sha);
            Ok(sha)
        };
        while !texts.is_empty() {
            // Each text waits for those whose digests it names; honest ones don't wait in a circle.
            let mut waiting: Vec<usize> = Vec::new();
            for (entry, _) in &texts {
                waiting.push(place(entry)?);
            }
            let before = texts.len();
            let mut later = Vec::new();
            for (entry, text) in texts {
                let own = place(&entry)?;
                let needs = digest::needs(&text, own)?;
                if needs.iter().any(|need| waiting.contains(need)) {
                    later.push((entry, text));
                    continue;
                }
                let full = digest::expand(&text, own, &mut digest)?;
                self.put_late(entry, &full)?;
            }
            ensure!(
                later.len() < before,
                "damaged patch: its digests depend on each other"
            );
            texts = later;
        }
        for (entry, shown) in &self.new.shown {
            let header = digest::complete(shown, place(entry)?, &mut digest)?;
            let entry = &self.new.entries[*entry];
            self.new.tars[entry.tar].space.write(entry.at, &header)?;
        }
        Ok(())
    }
}

/// Sums of files in the new image, for lists of sums; what the base has is asked there.
pub struct NewSums<'a, 'b> {
    /// Of the new image's own files.
    pub own: &'a Sums<'a>,
    pub new: &'a Archive,
    pub recipes: &'a [Recipe],
    pub bases: &'a Bases<'b>,
}

impl NewSums<'_, '_> {
    /// The sum of the file at `path`; none when it is itself derived. A layer that the base has is asked there.
    pub fn at(&self, path: &[u8], tar: usize) -> Result<Option<sums::Sum>> {
        let Some(index) = self.new.find(path, Some(tar)) else {
            return self.bases.sum_at(path, usize::MAX);
        };
        let recipe = &self.recipes[index];
        if let Recipe::Base(base) = recipe {
            return self.bases.sum_of(*base).map(Some);
        }
        match recipe.coded().map(|coded| &coded.form) {
            Some(Form::Sums { .. } | Form::Digests { .. }) => Ok(None),
            _ => self.own.of_entry(index).map(Some),
        }
    }
}
