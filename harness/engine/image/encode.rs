//! Making a patch: plan, groups, script, and the proof that it decodes before anybody sees it.

use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, anyhow, ensure};

use super::archive::Archive;
use super::code::Coding;
use super::decode::{self, NewSums, Piece};
use super::digest::{Sha, sha256};
use super::format::{Codec, GroupHead, Head, Patch, Writer};
use super::group::{self, Bases, MOST_IN_FRAME, Try};
use super::gzip;
use super::plan::{self, Plan};
use super::recipe::{Coded, Form, PART_BYTES, Recipe, WHOLE_BYTES};
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

/// Writes the patch from `base` to `image` into `to`.
pub fn encode(
    base: Option<&Space>,
    image: &Space,
    ends: &Ends,
    effort: Effort,
    ideas: &Ideas,
    to: &mut std::fs::File,
    say: &dyn Fn(&str),
) -> Result<u64> {
    say("entries");
    let (archive, base_digests, known) = match base {
        Some(base) => plan::look(base)?,
        None => Default::default(),
    };
    let mut plan = Plan::make(&archive, &known, image, ideas)?;
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
        effort,
        ideas,
        alone: base.is_none(),
    };
    let spill = Spill::new()?;
    let coded = work.groups(&spill, say)?;
    let coding = Coding::write(&archive, plan.new, plan.recipes)?;
    let script = coding.script.finish();
    let head = Head {
        base: ends.base,
        image: ends.image,
        script_bytes: script.len() as u64,
        groups: coded.iter().map(|(head, _)| *head).collect(),
    };
    let mut writer = Writer::new(to);
    writer.put(&head.bytes())?;
    writer.put(&script)?;
    for (head, at) in coded {
        writer.put(&spill.get(at, head.bytes)?)?;
    }
    let bytes = writer.bytes;
    writer.finish()?;
    Ok(bytes + 4)
}

/// Decodes the patch in `patch` and compares the hash of what comes out.
pub fn prove(patch: &Space, base: Option<&Space>, folder: &Path) -> Result<()> {
    let patch = Patch::open(patch)?;
    let out = tempfile::tempfile_in(folder).context("make a temporary file")?;
    out.set_len(patch.head.image.0)
        .context("make a temporary file")?;
    let out = Space::whole(Arc::new(out), patch.head.image.0);
    let nothing;
    let base = match base {
        Some(base) => base,
        None => {
            let file = tempfile::tempfile().context("make a temporary file")?;
            nothing = Space::whole(Arc::new(file), 0);
            &nothing
        }
    };
    decode::decode(&patch, base, &out, &|_| ())?;
    ensure!(
        sha256(&out)? == patch.head.image.1,
        "the patch decodes to something else"
    );
    Ok(())
}

/// Finds how long lists of sums are with their marks.
fn measure_sums(new: &Archive, recipes: &mut [Recipe], own: &Sums, bases: &Bases) -> Result<()> {
    let is_list = |index: &usize| match &recipes[*index] {
        Recipe::Coded(coded) => matches!(coded.form, Form::Sums { .. }),
        _ => false,
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
            coded.parts = Coded::cuts(coded.form.bytes(size))
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
    effort: Effort,
    ideas: &'a Ideas,
    alone: bool,
}

impl Encoding<'_> {
    fn groups(&self, spill: &Spill, say: &dyn Fn(&str)) -> Result<Vec<(GroupHead, u64)>> {
        let plan = self.plan;
        let of_group = decode::pieces(&plan.new, &plan.recipes, plan.groups)?;
        say(&format!("{} groups of changed contents", plan.groups));
        let one = Mutex::new(());
        each(plan.groups, group::threads(), |number| {
            let pieces = &of_group[number];
            // Two of these at a time would take more memory than the bound.
            let is_large = pieces.iter().any(|piece| self.longest(piece) > LARGE_BYTES);
            let _alone = is_large.then(|| one.lock());
            let (codec, coded) = self
                .group(pieces)
                .with_context(|| format!("group {number}"))?;
            let bytes = coded.len() as u64;
            Ok((GroupHead { codec, bytes }, spill.put(&coded)?))
        })
    }

    fn group(&self, pieces: &[Piece]) -> Result<(Codec, Vec<u8>)> {
        let plan = self.plan;
        let bytes: u64 = pieces.iter().map(|piece| piece.bytes).sum();
        let load = |nth: usize| {
            let piece = &pieces[nth];
            let Recipe::Coded(coded) = &plan.recipes[piece.entry] else {
                return Err(anyhow!("contents that no group has"));
            };
            let part = &coded.parts[piece.part];
            let base = self.bases.load(&plan.new, coded, part)?;
            let new = self.contents(piece, coded)?;
            ensure!(new.len() as u64 == piece.bytes, "contents changed");
            Ok((base, new))
        };
        let raw = |piece: &Piece| plan.new.entries[piece.entry].what == What::Raw;
        // A frame has all its bases before it.
        let has_two = |piece: &Piece| match &plan.recipes[piece.entry] {
            Recipe::Coded(coded) => coded.beside.is_some(),
            _ => false,
        };
        let tries = match self.effort {
            _ if pieces.iter().any(has_two) => Try::Pair,
            Effort::Fast if self.alone && bytes <= MOST_IN_FRAME => Try::Frame,
            _ if self.alone || bytes < 1 << 20 || pieces.iter().any(raw) => Try::Both,
            _ => Try::Pair,
        };
        group::encode(self.effort, self.ideas, tries, pieces.len(), load)
    }

    /// Bytes of a piece or of what it is coded against, whichever is longer.
    fn longest(&self, piece: &Piece) -> u64 {
        let base = match &self.plan.recipes[piece.entry] {
            Recipe::Coded(coded) => match (coded.base, coded.parts[piece.part].base) {
                (_, Some((_, length))) => length,
                (Some(base), None) => self.bases.archive.entries[base].size,
                (None, None) => 0,
            },
            _ => 0,
        };
        piece.bytes.max(base)
    }

    fn contents(&self, piece: &Piece, coded: &Coded) -> Result<Vec<u8>> {
        let content = self.plan.new.content(piece.entry)?;
        if let Form::Plain = coded.form {
            return content.part(piece.at, piece.bytes)?.load(PART_BYTES);
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
        }
    }
}
