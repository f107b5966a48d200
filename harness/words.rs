//! Words that people type: which ones are valid names, and which one was probably meant.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};

/// Whether `word` is valid in file names, URLs and command lines: not a hidden file, an option or a path.
pub fn is_name(word: &str) -> bool {
    (1..=100).contains(&word.len())
        && !word.starts_with(['.', '-'])
        && word
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// The end of an error about an unknown word: the nearest known one, or all of them.
pub fn meant<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    let mut seen = BTreeSet::new();
    let known: Vec<&str> = known.filter(|word| seen.insert(*word)).collect();
    let nearest = known
        .iter()
        .map(|other| (strsim::damerau_levenshtein(word, other), other))
        .min();
    match nearest {
        // Up to a third of the letters may be wrong; beyond that it is another word.
        Some((wrong, nearest)) if wrong * 3 <= word.len().max(3) => {
            format!("; did you mean `{nearest}`?")
        }
        Some(_) => format!("; there are {}", known.join(", ")),
        None => String::new(),
    }
}

/// `a, b or c`, each in backquotes.
pub fn one_of(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => quoted.concat(),
    }
}

/// A path as text, which a command line has to be.
pub fn utf8(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| {
        format!(
            "{}: the path is not UTF-8, so no command line can hold it",
            path.display()
        )
    })
}

/// The number of the line, from 1, that contains the byte at `offset`.
pub fn line(text: &str, offset: usize) -> usize {
    text.bytes()
        .take(offset)
        .filter(|&byte| byte == b'\n')
        .count()
        + 1
}
