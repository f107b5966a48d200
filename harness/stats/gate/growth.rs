//! Which files make an update larger than it was before a change.

use std::collections::BTreeMap;

use crate::record::{Cost, Explained, ExplainedFile};
use crate::stats::causes::{Cause, cause};

/// A file that costs more than before.
#[derive(Clone, Copy, Debug)]
pub struct Grown<'a> {
    pub file: &'a ExplainedFile,
    /// Bytes more than before.
    pub more: u64,
}

/// The files that cost more in the update `after` than in the one `before`, the most costly first. Without a `before`
/// each file counts whole.
pub fn growth<'a>(before: Option<&Explained>, after: &'a Explained, cost: Cost) -> Vec<Grown<'a>> {
    let mut was: BTreeMap<&str, u64> = BTreeMap::new();
    for file in before.iter().flat_map(|before| &before.files) {
        *was.entry(&file.path).or_default() += cost.of(file);
    }
    let mut grown: Vec<Grown> = Vec::new();
    for file in &after.files {
        let spent = cost.of(file);
        // A path that several layers have is charged for what it cost before once.
        let before = was.remove(file.path.as_str()).unwrap_or(0);
        if spent > before {
            let more = spent - before;
            grown.push(Grown { file, more });
        }
    }
    grown.sort_by(|one, other| (other.more, &one.file.path).cmp(&(one.more, &other.file.path)));
    grown
}

/// The same by cause: how many files, and how many bytes more; the most costly first.
pub fn growth_by_cause(grown: &[Grown]) -> Vec<(&'static Cause, usize, u64)> {
    let mut causes: Vec<(&'static Cause, usize, u64)> = Vec::new();
    for it in grown {
        let of = cause(it.file);
        match causes.iter_mut().find(|(known, ..)| known.name == of.name) {
            Some((_, files, more)) => {
                *files += 1;
                *more += it.more;
            }
            None => causes.push((of, 1, it.more)),
        }
    }
    causes.sort_by_key(|(_, _, more)| std::cmp::Reverse(*more));
    causes
}
