//! Which changed contents are coded together. Encoder only: the patch says what was chosen.

use super::archive::Archive;
use super::recipe::{PART_BYTES, Part, Recipe, cuts};

/// Changed contents of a group, so that memory is bounded and threads have work.
const GROUP_BYTES: u64 = 16 << 20;
/// Without a base, what counts is how far back a match may be; packing takes about five times as much, on each of two threads.
const GROUP_BYTES_ALONE: u64 = 32 << 20;

/// What sort of contents a coded entry has: like is coded with like.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sort {
    Elf,
    Other,
    /// Coded in the plainest way.
    Plain,
}

/// The pieces of contents, not dealt out yet: each against what lies at its place in a base that is as long.
pub fn parts(bytes: u64, base_bytes: Option<u64>) -> Vec<Part> {
    cuts(bytes, false)
        .map(|(at, length)| Part {
            group: 0,
            base: base_bytes
                .filter(|base| bytes > PART_BYTES || *base > PART_BYTES)
                .map(|base| {
                    let from = at.min(base.saturating_sub(length));
                    (from, PART_BYTES.min(base - from))
                }),
        })
        .collect()
}

/// The group of what stands beside an entry's base.
fn group_of_sibling(recipes: &[Recipe], index: usize) -> Option<usize> {
    let beside = recipes[index].coded()?.beside?;
    recipes[beside].groups().first().copied()
}

/// Deals the coded entries out to groups of similar size; returns how many there are.
pub fn assign(
    new: &Archive,
    recipes: &mut [Recipe],
    kinds: &[(usize, Sort)],
    alone: bool,
) -> usize {
    let most = if alone {
        GROUP_BYTES_ALONE
    } else {
        GROUP_BYTES
    };
    let mut groups = 0;
    for sort in [Sort::Elf, Sort::Other, Sort::Plain] {
        let of_sort = kinds.iter().filter(|(_, other)| *other == sort);
        let entries: Vec<usize> = of_sort.map(|(index, _)| *index).collect();
        let size = |index: usize| match &recipes[index] {
            Recipe::Coded(coded) => coded.form.bytes(new.entries[index].size),
            _ => 0,
        };
        let total: u64 = entries.iter().map(|index| size(*index)).sum();
        if total == 0 && entries.is_empty() {
            continue;
        }
        // Two threads want two groups, where that does not cost more than it gains.
        let wanted = total.div_ceil(most).max(1 + u64::from(total > most / 4));
        let each = total.div_ceil(wanted).max(1);
        let mut filled = 0;
        let mut sizes: Vec<u64> = entries.iter().map(|index| size(*index)).collect();
        sizes.reverse();
        for index in entries {
            let now = sizes.pop().unwrap_or(0);
            if let Some(group) = group_of_sibling(recipes, index)
                && let Recipe::Coded(coded) = &mut recipes[index]
            {
                coded.parts.iter_mut().for_each(|part| part.group = group);
                if group == groups {
                    filled += now.min(PART_BYTES);
                }
                continue;
            }
            if filled >= each {
                groups += 1;
                filled = 0;
            }
            if let Recipe::Coded(coded) = &mut recipes[index] {
                let pieces = coded.parts.len();
                for (nth, part) in coded.parts.iter_mut().enumerate() {
                    part.group = groups;
                    if nth + 1 < pieces {
                        groups += 1;
                    }
                }
            }
            filled += now.min(PART_BYTES);
        }
        groups += 1;
    }
    groups
}
