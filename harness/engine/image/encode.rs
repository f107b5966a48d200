//! Making a patch: plan, groups, script, and the proof that it decodes before anybody sees it.

use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, anyhow, ensure};

use super::archive::Archive;
use super::code::Coding;
use super::decode::{self, InGroup, InLayer, NewSums, Piece};
use super::digest::{Sha, sha256};
use super::format::{Codec, GroupHead, Head, Patch, Writer};
use super::group::{self, Bases, MOST_IN_FRAME, Size, Try, Turns};
use super::gzip;
use super::known;
use super::packed;
use super::plan::Plan;
use super::recipe::{Coded, Entries, Form, Recipe, WHOLE_BYTES, cuts};
use super::sections;
use super::space::Space;
use super::sums::{self, Sums};
use super::tar::What;
use crate::engine::flow::{cores, each};
use crate::engine::ideas::Ideas;
use crate::engine::pair::Effort;

/// Coded groups, put aside until the head is known.
struct Spill {
    space: Arc<std::fs::File>,
    used: Mutex<u64>,
}

impl Spill {
    fn new() -> Result<Spill> {
        let file = tempfile::tempfile().context("make a temporary file")?;
        Ok(Spill {
            space: Arc::new(file),
            used: Mutex::new(0),
        })
    }

    fn put(&self, bytes: &[u8]) -> Result<u64> {
        let at = {
            let mut used = self.used.lock().map_err(|_| anyhow!("a thread failed"))?;
            let at = *used;
            *used += bytes.len() as u64;
            at
        };
        let all = Space::whole(Arc::clone(&self.space), u64::MAX);
        all.write(at, bytes)?;
        Ok(at)
    }

    fn get(&self, at: u64, bytes: u64) -> Result<Vec<u8>> {
        let all = Space::whole(Arc::clone(&self.space), u64::MAX);
        all.part(at, bytes)?.load(bytes)
    }
}

/// Lengths and hashes of base and image.
pub struct Ends {
    pub base: Option<(u64, Sha)>,
    pub image: (u64, Sha),
}

/// Hashes both, at the same time.
pub fn ends(base: Option<&Space>, image: &Space) -> Result<Ends> {
    let (base_sha, image_sha) = std::thread::scope(|scope| {
        let of_base = scope.spawn(|| base.map(sha256).transpose());
        let of_image = sha256(image);
        (of_base.join(), of_image)
    });
    let base_sha = base_sha.map_err(|_| anyhow!("a thread failed"))??;
    Ok(Ends {
        base: base.map(Space::len).zip(base_sha),
        image: (image.len(), image_sha?),
    })
}

/// A patch that was written, and what it says.
pub struct Encoded {
    pub bytes: u64,
    new: Archive,
    recipes: Vec<Recipe>,
}

/// How contents are coded.
pub struct How<'a> {
    pub effort: Effort,
    pub ideas: &'a Ideas,
    /// Entries whose contents are coded in the plainest way.
    pub plain: &'a Entries,
}

/// Writes the patch from `base` to `image` into `to`.
pub fn encode(
    base: Option<&Space>,
    image: &Space,
    ends: &Ends,
    how: &How,
    to: &mut std::fs::File,
    say: &dyn Fn(&str),
) -> Result<Encoded> {
    say("entries");
    let (archive, base_digests, known) = match base {
        Some(base) => known::look(base)?,
        None => Default::default(),
    };
    let mut plan = Plan::make(&archive, &known, image, how.ideas, how.plain, say)?;
    drop(known);
    let bases = Bases::of(&archive, &base_digests);
    let own = Sums::of(&plan.new);
    measure_sums(&plan.new, &mut plan.recipes, &own, &bases)?;
    let work = Encoding {
        sums: NewSums {
            own: &own,
            new: &plan.new,
            recipes: &plan.recipes,
            bases: &bases,
        },
        bases: &bases,
        plan: &plan,
        how,
        alone: base.is_none(),
    };
    let spill = Spill::new()?;
    let coded = work.groups(&spill, say)?;
    let coding = Coding::write(&archive, plan.new, plan.recipes)?;
    let Coding {
        script,
        new,
        recipes,
        programs,
        ..
    } = coding;
    let script = script.finish();
    let head = Head {
        base: ends.base,
        image: ends.image,
        programs,
        script_bytes: script.len() as u64,
        groups: coded.iter().map(|(head, _)| *head).collect(),
    };
    let mut writer = Writer::new(to);
    writer.put(&head.bytes())?;
    writer.put(&script)?;
    for (head, at) in coded {
        writer.put(&spill.get(at, head.bytes)?)?;
    }
    let bytes = writer.bytes + 4;
    writer.finish()?;
    Ok(Encoded {
        bytes,
        new,
        recipes,
    })
}

/// Decodes the patch in `patch` and compares the hash of what comes out. Gives the entries whose contents are not those of
/// the image: none when all is right. An error when something else is wrong than contents.
pub fn prove(
    patch: &Space,
    base: Option<&Space>,
    folder: &Path,
    encoded: &Encoded,
) -> Result<Entries> {
    let patch = Patch::open(patch)?;
    let out = tempfile::tempfile_in(folder).context("make a temporary file")?;
    out.set_len(patch.head.image.0)
        .context("make a temporary file")?;
    let out = Space::whole(Arc::new(out), patch.head.image.0);
    let nothing;
    let base = match base {
        Some(base) => base,
        None => {
            nothing = packed::temporary(0)?;
            &nothing
        }
    };
    let wrong = match decode::decode(&patch, base, &out, &|_| ()) {
        Ok(_) if sha256(&out)? == patch.head.image.1 => return Ok(Entries::new()),
        Ok(decoded) => encoded.differing(&decoded)?,
        Err(error) => match (error.downcast_ref(), error.downcast_ref()) {
            (Some(InGroup(number)), _) => encoded.of_group(*number),
            (_, Some(InLayer(number))) => encoded.of_archive(*number),
            _ => return Err(error),
        },
    };
    ensure!(!wrong.is_empty(), "the patch does not decode to NEW");
    Ok(wrong)
}

impl Encoded {
    /// The entries that a group holds contents of.
    fn of_group(&self, number: usize) -> Entries {
        let held = |entry: &usize| self.recipes[*entry].groups().contains(&number);
        (0..self.recipes.len()).filter(held).collect()
    }

    /// The entries of an archive that groups hold contents of; all there are for the archive that holds the others.
    fn of_archive(&self, number: usize) -> Entries {
        let all = number == self.new.outer;
        let held = |entry: &usize| {
            let within = all || self.new.entries[*entry].tar == number;
            within && self.recipes[*entry].coded().is_some()
        };
        (0..self.recipes.len()).filter(held).collect()
    }

    /// The entries in groups whose contents are others in what was decoded.
    fn differing(&self, decoded: &Archive) -> Result<Entries> {
        let mut differing = Entries::new();
        for (entry, recipe) in self.recipes.iter().enumerate() {
            if recipe.coded().is_some()
                && sha256(&self.new.content(entry)?)? != sha256(&decoded.content(entry)?)?
            {
                differing.insert(entry);
            }
        }
        Ok(differing)
    }
}

/// Finds how long lists of sums are with their marks.
fn measure_sums(new: &Archive, recipes: &mut [Recipe], own: &Sums, bases: &Bases) -> Result<()> {
    let is_list = |index: &usize| {
        let coded = recipes[*index].coded();
        coded.is_some_and(|coded| matches!(coded.form, Form::Sums { .. }))
    };
    let lists: Vec<usize> = (0..recipes.len()).filter(is_list).collect();
    let sums = NewSums {
        own,
        new,
        recipes,
        bases,
    };
    let found = each(lists.len(), cores(), |nth| {
        let index = lists[nth];
        let contents = new.content(index)?.load(WHOLE_BYTES)?;
        let tar = new.entries[index].tar;
        let reduced = sums::reduce(&contents, &mut |path| sums.at(path, tar))?;
        Ok(reduced.map(|reduced| reduced.len() as u64))
    })?;
    for (index, reduced) in lists.into_iter().zip(found) {
        if let Recipe::Coded(coded) = &mut recipes[index] {
            coded.form = match reduced {
                Some(bytes) => Form::Sums { bytes },
                None => Form::Plain,
            };
            let group = coded.parts.first().map_or(0, |part| part.group);
            let size = new.entries[index].size;
            coded.parts = cuts(coded.form.bytes(size), false)
                .map(|_| super::recipe::Part { group, base: None })
                .collect();
        }
    }
    Ok(())
}

/// A longer piece of contents, or one with a longer base, is coded while no other such piece is.
const LARGE_BYTES: u64 = 16 << 20;

struct Encoding<'a> {
    sums: NewSums<'a, 'a>,
    bases: &'a Bases<'a>,
    plan: &'a Plan,
    how: &'a How<'a>,
    alone: bool,
}

impl Encoding<'_> {
    fn groups(&self, spill: &Spill, say: &dyn Fn(&str)) -> Result<Vec<(GroupHead, u64)>> {
        let plan = self.plan;
        let of_group = decode::pieces(&plan.new, &plan.recipes, plan.groups)?;
        say(&format!("{} groups of changed contents", plan.groups));
        let turns = Turns::default();
        each(plan.groups, group::threads(), |number| {
            let pieces = &of_group[number];
            let is_large = || pieces.iter().any(|piece| self.longest(piece) > LARGE_BYTES);
            let _turn = turns.take(match decode::has_program(pieces, &plan.recipes) {
                true => Size::Program,
                false if is_large() => Size::Large,
                false => Size::Usual,
            });
            let (codec, coded) = self
                .group(pieces)
                .with_context(|| format!("group {number}"))?;
            #[cfg(test)]
            let coded = faults::in_group(coded, plan, pieces, self.how.plain)?;
            let bytes = coded.len() as u64;
            Ok((GroupHead { codec, bytes }, spill.put(&coded)?))
        })
    }

    fn group(&self, pieces: &[Piece]) -> Result<(Codec, Vec<u8>)> {
        let plan = self.plan;
        let bytes: u64 = pieces.iter().map(|piece| piece.bytes).sum();
        let is_plain = |piece: &Piece| self.how.plain.contains(&piece.entry);
        let load = |nth: usize| {
            let piece = &pieces[nth];
            let coded = plan.recipes[piece.entry].coded();
            let coded = coded.context("no group holds the contents")?;
            let part = &coded.parts[piece.part];
            let base = self.bases.load(&plan.new, coded, part)?;
            let new = self.contents(piece, coded)?;
            ensure!(new.len() as u64 == piece.bytes, "contents changed");
            #[cfg(test)]
            let new = faults::in_contents(new, is_plain(piece));
            Ok((base, new))
        };
        let raw = |piece: &Piece| plan.new.entries[piece.entry].what == What::Raw;
        // A frame has all its bases before it.
        let has_two = |piece: &Piece| {
            let coded = plan.recipes[piece.entry].coded();
            coded.is_some_and(|coded| coded.beside.is_some())
        };
        let tries = match self.how.effort {
            _ if pieces.iter().any(is_plain) => Try::Frame,
            _ if pieces.iter().any(has_two) => Try::Pair,
            Effort::Fast if self.alone && bytes <= MOST_IN_FRAME => Try::Frame,
            _ if self.alone || bytes < 1 << 20 || pieces.iter().any(raw) => Try::Both,
            _ => Try::Pair,
        };
        group::encode(self.how.effort, self.how.ideas, tries, pieces.len(), load)
    }

    /// Bytes of a piece or of what it is coded against, whichever is longer.
    fn longest(&self, piece: &Piece) -> u64 {
        let coded = self.plan.recipes[piece.entry].coded();
        let base = match coded.map(|coded| (coded.base, coded.parts[piece.part].base)) {
            Some((_, Some((_, length)))) => length,
            Some((Some(base), None)) => self.bases.archive.entries[base].size,
            Some((None, None)) | None => 0,
        };
        piece.bytes.max(base)
    }

    fn contents(&self, piece: &Piece, coded: &Coded) -> Result<Vec<u8>> {
        let content = self.plan.new.content(piece.entry)?;
        if let Form::Plain = coded.form {
            return content.part(piece.at, piece.bytes)?.load(piece.bytes);
        }
        let whole = content.load(WHOLE_BYTES)?;
        match &coded.form {
            Form::Plain => Ok(whole),
            Form::Gzip { .. } => Ok(gzip::unpacked(whole)),
            Form::Sums { .. } => {
                let tar = self.plan.new.entries[piece.entry].tar;
                let reduced = sums::reduce(&whole, &mut |path| self.sums.at(path, tar))?;
                Ok(reduced.unwrap_or(whole))
            }
            Form::Digests { .. } => Ok(self.plan.digests.reduce(&whole, None).unwrap_or(whole)),
            Form::Sections { .. } => Ok(sections::reduce(whole)),
        }
    }
}

/// Faults on purpose: what an encoder with a defect would write.
#[cfg(test)]
pub mod faults {
    use super::*;

    /// Contents that begin so are coded with another byte, unless they are coded in the plainest way.
    pub const ANOTHER_BYTE: &[u8] = b"fault: another byte";
    /// Contents that begin so, in whatever way.
    pub const ALWAYS: &[u8] = b"fault: always";
    /// The group of contents that begin so is cut, unless these are coded in the plainest way.
    pub const CUT: &[u8] = b"fault: cut";

    pub fn in_contents(mut contents: Vec<u8>, plain: bool) -> Vec<u8> {
        if contents.starts_with(ANOTHER_BYTE) && !plain || contents.starts_with(ALWAYS) {
            contents[0] ^= 1;
        }
        contents
    }

    pub fn in_group(
        mut coded: Vec<u8>,
        plan: &Plan,
        pieces: &[Piece],
        plain: &Entries,
    ) -> Result<Vec<u8>> {
        for piece in pieces {
            let content = plan.new.content(piece.entry)?;
            let few = content.len().min(CUT.len() as u64);
            if !plain.contains(&piece.entry) && content.part(0, few)?.load(few)? == CUT {
                coded.truncate(coded.len() / 2);
            }
        }
        Ok(coded)
    }
}
