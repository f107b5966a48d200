//! Text from elsewhere made fit to print: names out of files, and what tools said last.

use anstream::adapter::strip_str;

/// The most letters of a tool's text that are shown.
const LONGEST: usize = 300;

/// The text as one line: without terminal sequences, control characters and letters that turn the direction of writing
/// or have no width.
pub fn line(text: &str) -> String {
    let text = strip_str(text).to_string();
    let shown: String = text
        .chars()
        .map(|letter| if letter.is_whitespace() { ' ' } else { letter })
        .filter(|letter| !letter.is_control() && !is_invisible(*letter))
        .collect();
    let words: Vec<&str> = shown.split(' ').filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// A tool's text as one line of limited length.
pub fn short(text: &str) -> String {
    let line = line(text);
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None => line,
    }
}

/// Names as a list of limited length: `a, b and 3 more`.
pub fn names(names: &[String]) -> String {
    const MOST: usize = 12;
    if names.len() <= MOST + 1 {
        return names.join(", ");
    }
    let more = names.len() - MOST;
    format!("{} and {more} more", names[..MOST].join(", "))
}

/// Unicode's marks for the direction of writing, and letters without width.
fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_s_last_words_become_one_line_that_a_terminal_takes_as_text() {
        let said =
            "\u{1b}[31merror:\u{1b}[0m no such\r\n\tfile\u{7}\u{1b}]0;title\u{7} \u{202e}txt";
        assert_eq!(line(said), "error: no such file txt");
        assert_eq!(line("\n \n"), "");
    }

    #[test]
    fn long_texts_and_long_lists_end_early_and_say_so() {
        assert_eq!(short(&"ä".repeat(300)), "ä".repeat(300));
        assert_eq!(short(&"ä".repeat(301)), format!("{}…", "ä".repeat(300)));
        let many: Vec<String> = (1..=20).map(|at| format!("m{at}")).collect();
        assert!(names(&many).ends_with("m12 and 8 more"));
        assert_eq!(names(&many[..2]), "m1, m2");
    }
}
