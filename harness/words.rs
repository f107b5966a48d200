//! Words people type: which are fit for names, and which one was probably meant.

/// Whether `word` is fit for file names, URLs and command lines alike: no hidden file, no option, no path.
pub fn is_name(word: &str) -> bool {
    (1..=100).contains(&word.len())
        && !word.starts_with(['.', '-'])
        && word
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// The end of an error about an unknown word: the nearest known one, or all of them.
pub fn meant<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.collect();
    let nearest = known
        .iter()
        .map(|other| (strsim::damerau_levenshtein(word, other), other))
        .min();
    match nearest {
        // A third of the letters wrong is still a slip; more is another word.
        Some((wrong, nearest)) if wrong * 3 <= word.len().max(3) => {
            format!("; did you mean `{nearest}`?")
        }
        Some(_) => format!("; there are {}", known.join(", ")),
        None => String::new(),
    }
}

/// Line of a text, from 1, that holds the byte at `offset`.
pub fn line(text: &str, offset: usize) -> usize {
    text.bytes()
        .take(offset)
        .filter(|&byte| byte == b'\n')
        .count()
        + 1
}
