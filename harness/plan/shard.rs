//! Shards: the trials of a run dealt out to several machines.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Error, Result, ensure};

/// More parts than this are no run that anybody has.
const MOST: usize = 10_000;

/// One part of a run: of all its trials, in the order of the plan, every `of`-th from the `at`-th on.
///
/// A trial stays whole, since its acts share a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 1.
    at: usize,
    of: usize,
}

impl Shard {
    /// Whether the trial at that place of the plan, counted from 0, belongs to this part.
    pub fn takes(self, place: usize) -> bool {
        place % self.of == self.at - 1
    }
}

/// `3/16`.
impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}/{}", self.at, self.of)
    }
}

impl FromStr for Shard {
    type Err = Error;

    fn from_str(text: &str) -> Result<Shard> {
        let parts = text
            .split_once('/')
            .and_then(|(at, of)| Some((at.parse().ok()?, of.parse().ok()?)));
        let (at, of): (usize, usize) = parts
            .with_context(|| format!("`{text}` is no shard; write 3/16 for the third of 16"))?;
        ensure!(
            (1..=MOST).contains(&of),
            "`{text}`: a run has 1 to {MOST} shards"
        );
        ensure!(
            (1..=of).contains(&at),
            "`{text}`: the shards are numbered from 1 to {of}"
        );
        Ok(Shard { at, of })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trial_belongs_to_exactly_one_shard() {
        for of in [1, 3, 16] {
            let shards: Vec<Shard> = (1..=of)
                .map(|at| format!("{at}/{of}").parse().unwrap())
                .collect();
            for place in 0..40 {
                let takers = shards.iter().filter(|shard| shard.takes(place)).count();
                assert_eq!(takers, 1, "trial {place} of {of} shards");
            }
        }
    }

    #[test]
    fn what_is_no_shard_is_refused_with_what_would_be_one() {
        for (text, says) in [
            ("3", "write 3/16"),
            ("a/b", "write 3/16"),
            ("-1/4", "write 3/16"),
            ("0/4", "from 1 to 4"),
            ("5/4", "from 1 to 4"),
            ("1/0", "1 to 10000 shards"),
        ] {
            let why = text.parse::<Shard>().unwrap_err().to_string();
            assert!(why.contains(says), "{text}: {why}");
        }
        assert_eq!("3/16".parse::<Shard>().unwrap().to_string(), "3/16");
    }
}
