//! What each idea is worth: `PAIRS=folder cargo test --release --lib worth -- --ignored --nocapture`.
//!
//! The folder holds pairs of files, `name.old` and `name.new`.

use std::path::Path;
use std::time::Instant;

use super::{Decoder, Effort, Encoder, Limits, Prepared};
use crate::engine::ideas::{Ideas, OFF};

#[test]
#[ignore = "needs a folder of pairs, named by PAIRS"]
fn each_idea_makes_the_pairs_smaller() {
    let folder = std::env::var("PAIRS").unwrap();
    let pairs = pairs(Path::new(&folder));
    for effort in [Effort::Fast, Effort::Best] {
        for (name, switch) in [("nothing", (|_| ()) as fn(&mut Ideas))].iter().chain(OFF) {
            let mut ideas = Ideas::default();
            switch(&mut ideas);
            let start = Instant::now();
            let mut encoder = Encoder::new(effort, &ideas);
            for (base, new) in &pairs {
                let load = || Ok((base.clone().into(), new.clone()));
                let file = Prepared::new(load, &ideas).unwrap();
                encoder.file(&file).unwrap();
            }
            let coded = encoder.finish().unwrap();
            let encoded = start.elapsed();
            let limits = Limits {
                memory_bytes: 1 << 30,
            };
            let mut decoder = Decoder::new(&coded, limits).unwrap();
            for (base, new) in &pairs {
                let made = decoder.file(&base.clone().into(), new.len() as u64);
                assert!(&made.unwrap() == new);
            }
            decoder.finish().unwrap();
            let decoded = start.elapsed() - encoded;
            println!(
                "{effort:?} without {name:28} {:>9} bytes, encoded in {encoded:.1?}, decoded in {decoded:.1?}",
                coded.len()
            );
        }
    }
}

/// A base and what is coded against it.
type Pair = (Vec<u8>, Vec<u8>);

fn pairs(folder: &Path) -> Vec<Pair> {
    named(folder).into_iter().map(|(_, pair)| pair).collect()
}

fn named(folder: &Path) -> Vec<(String, Pair)> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "new"))
        .collect();
    names.sort();
    names
        .iter()
        .map(|new| {
            let old = std::fs::read(new.with_extension("old")).unwrap();
            let name = new.file_stem().unwrap().to_string_lossy().into_owned();
            (name, (old, std::fs::read(new).unwrap()))
        })
        .collect()
}

#[test]
#[ignore = "needs a folder of pairs, named by PAIRS"]
fn the_bytes_of_each_pair_are_accounted_for() {
    let folder = std::env::var("PAIRS").unwrap();
    for (name, (base, new)) in named(Path::new(&folder)) {
        let ideas = Ideas::default();
        let mut encoder = Encoder::new(Effort::Best, &ideas);
        let load = || Ok((base.clone().into(), new.clone()));
        let file = Prepared::new(load, &ideas).unwrap();
        encoder.file(&file).unwrap();
        let costs = encoder.costs();
        let streams = encoder.streams();
        let coded = encoder.finish().unwrap().len();
        println!(
            "{coded:>8} of {:>8} {name} bulk {streams:?} {costs:?}",
            new.len()
        );
    }
}
