//! The map of the code holds: imports run downhill, and the two halves do not know each other.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::bench::checkout;

/// Each part of the library with the parts it may import. Everything may know `record`, `image` and `words`.
const MAP: &[(&str, &[&str])] = &[
    ("image", &[]),
    ("words", &[]),
    ("record", &[]),
    ("archive", &[]),
    ("store", &[]),
    ("clock", &["shim"]),
    ("shim", &["clock"]),
    ("wire", &["store"]),
    ("crosscheck", &["store", "wire"]),
    ("source", &["archive", "clock"]),
    ("scenario", &["source", "clock"]),
    ("plan", &["scenario"]),
    (
        "method",
        &["archive", "store", "wire", "clock", "crosscheck"],
    ),
    (
        "run",
        &[
            "archive",
            "clock",
            "crosscheck",
            "method",
            "plan",
            "scenario",
            "source",
            "store",
            "wire",
        ],
    ),
    ("stats", &[]),
    ("report", &["stats"]),
];
const EVERYBODY: &[&str] = &["record", "image", "words"];

#[test]
fn imports_run_downhill() {
    let harness = checkout().join("harness");
    let mut seen = BTreeSet::new();
    for entry in walkdir::WalkDir::new(&harness) {
        let entry = entry.unwrap();
        let path = entry.path().strip_prefix(&harness).unwrap();
        if path.extension().is_none_or(|ending| ending != "rs") {
            continue;
        }
        let part = part_of(path);
        if ["tests", "benches", "stand-ins", "cmd", "main", "lib"].contains(&part.as_str()) {
            continue;
        }
        let (_, may) = MAP
            .iter()
            .find(|(name, _)| *name == part)
            .unwrap_or_else(|| panic!("{part} is not on the map: {}", path.display()));
        seen.insert(part.clone());
        for import in imports(&fs::read_to_string(entry.path()).unwrap()) {
            let views_know_less = ["stats", "report"].contains(&part.as_str()) && import == "image";
            let fine = import == part
                || may.contains(&import.as_str())
                || EVERYBODY.contains(&import.as_str());
            assert!(
                fine && !views_know_less,
                "{} imports {import}: that is uphill",
                path.display()
            );
        }
    }
    let named: BTreeSet<String> = MAP.iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(seen, named, "the map names what is there");
}

/// `run/trial.rs` and `run/mod.rs` are of the part `run`; `plan.rs` is the part `plan`.
fn part_of(path: &Path) -> String {
    let first = path
        .components()
        .next()
        .unwrap()
        .as_os_str()
        .to_string_lossy()
        .into_owned();
    first.trim_end_matches(".rs").to_string()
}

/// The parts a file names as `crate::part`, its tests left out: they may look at anything.
fn imports(text: &str) -> BTreeSet<String> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let code: String = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n");
    let named = code.split("crate::").skip(1);
    named
        .flat_map(|rest| match rest.strip_prefix('{') {
            Some(list) => list
                .split('}')
                .next()
                .unwrap_or_default()
                .split(',')
                .map(first_word)
                .collect(),
            None => vec![first_word(rest)],
        })
        .filter(|word| !word.is_empty())
        .collect()
}

fn first_word(text: &str) -> String {
    text.trim()
        .chars()
        .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
        .collect()
}
