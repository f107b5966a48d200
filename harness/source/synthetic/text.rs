//! Text that compresses like real text: words of an invented language, in three styles.

use std::sync::LazyLock;

use crate::dice::{Dice, mix};

/// What a text is for, which decides what its lines look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Documentation: sentences in wrapped lines.
    Prose,
    /// Programs in a scripting language.
    Source,
    /// Settings: `key = value` under headings.
    Settings,
}

/// Mean length of a paragraph in bytes, for planning a text's size.
pub const PARAGRAPH_BYTES: u64 = 400;

/// Words in the language. Drawn by `Dice::skewed`, the first hundred make up most of a text.
const WORDS: u32 = 4096;

const PHRASES_KNOWN: u32 = 2048;

/// Share of paragraphs that are one of `BOILERPLATE`, which are the same in every text.
const BOILERPLATE_PERCENT: u64 = 12;
const BOILERPLATE: u64 = 256;

/// Words that one text repeats, in addition to the common ones.
const TOPIC_WORDS: u32 = 48;

static LANGUAGE: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut dice = Dice::new(0x776f_7264);
    (0..WORDS)
        .map(|rank| {
            // Common words are short, as in natural languages.
            let syllables = match rank {
                0..64 => 1,
                64..1024 => 1 + dice.below(2),
                _ => 2 + dice.below(2),
            };
            (0..syllables).map(|_| syllable(&mut dice)).collect()
        })
        .collect()
});

/// Runs of words that many texts share, as idioms and licence terms are.
static PHRASES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut dice = Dice::new(0x7068_7261);
    (0..PHRASES_KNOWN)
        .map(|_| {
            let words: Vec<&str> = (0..4 + dice.below(7))
                .map(|_| LANGUAGE[dice.skewed(WORDS)].as_str())
                .collect();
            words.join(" ")
        })
        .collect()
});

fn syllable(dice: &mut Dice) -> String {
    const OPEN: [&str; 20] = [
        "b", "c", "d", "f", "g", "l", "m", "n", "p", "r", "s", "t", "v", "st", "tr", "pr", "ch",
        "sh", "th", "",
    ];
    const VOWEL: [&str; 8] = ["a", "e", "i", "o", "u", "e", "a", "ea"];
    const CLOSE: [&str; 12] = ["", "n", "r", "s", "t", "l", "m", "d", "", "ng", "nd", ""];
    [dice.pick(&OPEN), dice.pick(&VOWEL), dice.pick(&CLOSE)]
        .into_iter()
        .copied()
        .collect()
}

/// A word for a name, drawn uniformly from those with at least four letters.
pub fn name(dice: &mut Dice) -> &'static str {
    loop {
        let word = &LANGUAGE[dice.below(WORDS.into()) as usize];
        if word.len() >= 4 {
            return word;
        }
    }
}

/// Appends the paragraph of `seed` in a text about `topic`. Some paragraphs mention `label`, a name and a version that
/// change between releases.
pub fn paragraph(style: Style, topic: u64, seed: u64, label: &str, out: &mut Vec<u8>) {
    let topic = mix(topic, 0) % u64::from(WORDS - TOPIC_WORDS);
    let mut writer = Writer {
        dice: Dice::new(seed),
        topic,
        out,
    };
    if writer.dice.chance(BOILERPLATE_PERCENT) {
        writer.topic = 0;
        writer.dice = Dice::new(seed % BOILERPLATE);
    } else if writer.dice.chance(8) {
        let mark = if style == Style::Prose { "" } else { "# " };
        writer.say(mark);
        writer.say(label);
        writer.say("\n");
    }
    match style {
        Style::Prose => writer.prose(),
        Style::Source => writer.source(),
        Style::Settings => writer.settings(),
    }
}

struct Writer<'a> {
    dice: Dice,
    /// Rank of the first of the topic's words.
    topic: u64,
    out: &'a mut Vec<u8>,
}

impl Writer<'_> {
    fn say(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn word(&mut self) {
        let rank = if self.dice.u32() % 8 < 3 {
            self.topic as usize + self.dice.skewed(TOPIC_WORDS)
        } else {
            self.dice.skewed(WORDS)
        };
        self.out.extend_from_slice(LANGUAGE[rank].as_bytes());
    }

    /// A word, or now and then a phrase.
    fn words(&mut self) {
        if self.dice.u32().is_multiple_of(6) {
            let phrase = &PHRASES[self.dice.skewed(PHRASES_KNOWN)];
            self.out.extend_from_slice(phrase.as_bytes());
        } else {
            self.word();
        }
    }

    fn topic_word(&mut self) {
        let rank = self.topic as usize + self.dice.skewed(TOPIC_WORDS);
        self.out.extend_from_slice(LANGUAGE[rank].as_bytes());
    }

    fn number(&mut self) {
        let number = self.dice.skewed(1024).to_string();
        self.say(&number);
    }

    fn prose(&mut self) {
        let words = 12 + self.dice.below(36);
        let mut line = 0;
        for at in 0..words {
            let before = self.out.len();
            self.words();
            if self.dice.u32().is_multiple_of(16) {
                self.say(if at % 2 == 0 { "," } else { "." });
            }
            line += self.out.len() - before + 1;
            if line > 72 {
                line = 0;
                self.say("\n");
            } else {
                self.say(" ");
            }
        }
        self.say(".\n\n");
    }

    fn source(&mut self) {
        self.say("def ");
        self.topic_word();
        self.say("_");
        self.word();
        self.say("(self, ");
        self.topic_word();
        self.say("):\n");
        for _ in 0..3 + self.dice.below(14) {
            self.statement();
        }
        self.say("\n");
    }

    fn statement(&mut self) {
        let indent = if self.dice.chance(40) {
            "            "
        } else {
            "        "
        };
        self.say(indent);
        match self.dice.below(5) {
            0 => {
                self.say("self.");
                self.topic_word();
                self.say(" = ");
                self.word();
                self.say("(");
                self.topic_word();
                self.say(")");
            }
            1 => {
                self.say("if ");
                self.topic_word();
                self.say(" is None:");
            }
            2 => {
                self.say("return self.");
                self.topic_word();
            }
            3 => {
                self.topic_word();
                self.say("[");
                self.number();
                self.say("] = \"");
                self.word();
                self.say(" ");
                self.word();
                self.say("\"");
            }
            _ => {
                self.say("# ");
                for _ in 0..4 {
                    self.words();
                    self.say(" ");
                }
            }
        }
        self.say("\n");
    }

    fn settings(&mut self) {
        self.say("[");
        self.topic_word();
        self.say("]\n");
        for _ in 0..8 + self.dice.below(12) {
            self.topic_word();
            self.say("_");
            self.word();
            self.say(" = ");
            if self.dice.chance(50) {
                self.number();
            } else {
                self.word();
            }
            self.say("\n");
        }
        self.say("\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    #[test]
    fn text_compresses_three_to_four_times() {
        for style in [Style::Prose, Style::Source, Style::Settings] {
            let mut text = Vec::new();
            for at in 0..200 {
                paragraph(style, 5, mix(9, at), "name 1.2.3", &mut text);
            }
            let mut gzip = GzEncoder::new(Vec::new(), Compression::new(6));
            gzip.write_all(&text).unwrap();
            let gzip = gzip.finish().unwrap();
            let tenths = 10 * text.len() / gzip.len();
            assert!((25..50).contains(&tenths), "{style:?}: {tenths} tenths");
            let mean = text.len() as u64 / 200;
            assert!(
                mean > PARAGRAPH_BYTES * 6 / 10 && mean < PARAGRAPH_BYTES * 14 / 10,
                "{style:?}: {mean}"
            );
        }
    }

    #[test]
    fn a_new_label_changes_only_the_places_that_mention_it() {
        let written = |label: &str| {
            let mut text = Vec::new();
            for at in 0..100 {
                paragraph(Style::Prose, 5, mix(9, at), label, &mut text);
            }
            String::from_utf8(text).unwrap()
        };
        let old = written("name 1.2.3");
        assert!(old.contains("name 1.2.3"));
        assert_eq!(
            old.replace("name 1.2.3", "name 1.2.4"),
            written("name 1.2.4")
        );
    }
}
