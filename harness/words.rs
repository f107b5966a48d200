//! Words people type: which are fit for names, and which one was probably meant.

/// Whether `word` is fit for file names and URLs alike.
pub fn is_name(word: &str) -> bool {
    !word.is_empty()
        && !word.starts_with('.')
        && word
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// The end of an error about an unknown word: the nearest known one, or all of them.
pub fn meant<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.collect();
    let nearest = known
        .iter()
        .max_by(|a, b| strsim::jaro_winkler(word, a).total_cmp(&strsim::jaro_winkler(word, b)));
    match nearest {
        // Jaro-Winkler above 0.8: one or two letters off in words of this length.
        Some(nearest) if strsim::jaro_winkler(word, nearest) > 0.8 => {
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
