//! Campaigns: one attack after the other, each drawn from a seed. As tests they are short; `make torture` goes on for
//! hours.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use delta_lab::dice::{Dice, mix, mix_text};

mod archives;
mod clients;
mod deltas;
mod images;
mod kills;
mod patches;
mod processes;

/// What `make torture` sets: the one campaign that is wanted, the seed, the seconds or the rounds that each campaign
/// takes, and one round to be repeated alone.
const CAMPAIGN: &str = "TORTURE_CAMPAIGN";
const SEED: &str = "TORTURE_SEED";
const SECONDS: &str = "TORTURE_SECONDS";
const ROUNDS: &str = "TORTURE_ROUNDS";
const ROUND: &str = "TORTURE_ROUND";

/// The seed of a short form, so that every run of the tests is the same.
const FIRST_SEED: u64 = 1;

pub struct Campaign {
    name: &'static str,
    seed: u64,
    /// The first round, and how many there are when no time is set.
    first: u64,
    rounds: u64,
    time: Option<Duration>,
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable)
        .ok()
        .filter(|text| !text.is_empty())?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{variable}={text}: not a number")))
}

impl Campaign {
    /// A campaign of so many rounds in its short form; none when another one is wanted.
    pub fn wanted(name: &'static str, rounds: u64) -> Option<Campaign> {
        let chosen = std::env::var(CAMPAIGN).unwrap_or_default();
        let alone = number(ROUND);
        let counted = number(ROUNDS);
        (chosen.is_empty() || chosen == name).then(|| Campaign {
            name,
            seed: number(SEED).unwrap_or(FIRST_SEED),
            first: alone.unwrap_or(0),
            rounds: match alone {
                Some(_) => 1,
                None => counted.unwrap_or(rounds),
            },
            time: number(SECONDS)
                .filter(|_| alone.or(counted).is_none())
                .map(Duration::from_secs),
        })
    }

    /// Whether somebody waits for it for long.
    fn is_long(&self) -> bool {
        self.time.is_some() || self.rounds > 1000
    }

    /// Does round after round, each with dice of its own. Says the seed first, and the round when one fails.
    pub fn run(&self, mut round: impl FnMut(&mut Dice)) {
        let (name, seed) = (self.name, self.seed);
        eprintln!("{name}: seed {seed}");
        let begun = Instant::now();
        let mut number = self.first;
        let goes_on = |number: u64| match self.time {
            Some(time) => begun.elapsed() < time,
            None => number < self.first + self.rounds,
        };
        while goes_on(number) {
            let mut dice = Dice::new(mix(mix_text(seed, name), number));
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| round(&mut dice))) {
                eprintln!(
                    "{name}: failed in round {number} of seed {seed}; it alone: make torture CAMPAIGN={name} SEED={seed} ROUND={number}"
                );
                resume_unwind(panic);
            }
            number += 1;
            if self.is_long() && number.is_multiple_of(100) {
                eprintln!("{name}: {number} rounds");
            }
        }
        eprintln!("{name}: {} rounds held", number - self.first);
    }
}
