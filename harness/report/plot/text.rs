//! The letters of a chart: the embedded font, how wide a text is with it, and where a text is broken into lines.

use std::sync::LazyLock;

use anyhow::{Result, anyhow, ensure};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use textwrap::core::Fragment;
use textwrap::wrap_algorithms::wrap_first_fit;

/// What the embedded face is called, then what a viewer without it may take: few faces are wider than DejaVu Sans,
/// so a label measured with it fits in most.
const FAMILY: &str = "DejaVu Sans, sans-serif";

/// plotters writes a text of size s with a font-size of s / 1.24 (plotters-svg 0.3.7, `draw_text`).
const PLOTTERS_TEXT: f64 = 1.24;

/// How a piece of text looks: font size in pixels, and weight.
#[derive(Clone, Copy)]
pub struct Type {
    pub px: i32,
    pub bold: bool,
}

/// Where a text's point lies on it, left to right. From top to bottom it is the middle of its small letters.
#[derive(Clone, Copy)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

impl Type {
    pub const TITLE: Type = Type { px: 18, bold: true };
    pub const LABEL: Type = Type {
        px: 13,
        bold: false,
    };
    pub const SMALL: Type = Type {
        px: 12,
        bold: false,
    };

    /// Distance from one line of text to the next, in pixels.
    pub fn leading(self) -> i32 {
        self.px * 3 / 2
    }

    /// The plotters style for this type.
    pub fn style(self, color: RGBColor, anchor: Anchor) -> TextStyle<'static> {
        let h_pos = match anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        TextStyle {
            pos: Pos::new(h_pos, VPos::Center),
            ..self.top(color)
        }
    }

    /// The plotters style for text that hangs from its point, as in plotters' legends.
    pub fn top(self, color: RGBColor) -> TextStyle<'static> {
        TextStyle {
            color: color.to_backend_color(),
            ..TextStyle::from(self.font())
        }
    }

    fn font(self) -> FontDesc<'static> {
        let style = if self.bold {
            FontStyle::Bold
        } else {
            FontStyle::Normal
        };
        let size = f64::from(self.px) * PLOTTERS_TEXT;
        FontDesc::new(FontFamily::Name(FAMILY), size, style)
    }

    /// Width of a line of text in pixels, rather too wide than too narrow.
    pub fn width(self, text: &str) -> Result<i32> {
        register_fonts()?;
        let (width, _) = self
            .font()
            .box_size(text)
            .map_err(|error| anyhow!("measure {text:?}: {error}"))?;
        Ok(width as i32)
    }

    /// Width of the widest of these texts; 0 without any.
    pub fn widest<T: AsRef<str>>(self, texts: impl IntoIterator<Item = T>) -> Result<i32> {
        texts
            .into_iter()
            .try_fold(0, |widest, text| Ok(self.width(text.as_ref())?.max(widest)))
    }

    /// Breaks a text into lines of at most `width` pixels, within a word only where the word is wider than that.
    pub fn wrap(self, text: &str, width: i32) -> Result<Vec<String>> {
        let mut pieces = Vec::new();
        for word in text.split_whitespace() {
            if self.width(word)? <= width {
                pieces.push(self.piece(word)?);
                continue;
            }
            for letter in word.split_inclusive(|_: char| true) {
                pieces.push(Piece {
                    space: 0.0,
                    ..self.piece(letter)?
                });
            }
            if let Some(last) = pieces.last_mut() {
                last.space = self.blank()?;
            }
        }
        let lines = wrap_first_fit(&pieces, &[f64::from(width)]);
        Ok(lines.into_iter().map(joined).collect())
    }

    fn piece(self, text: &str) -> Result<Piece<'_>> {
        Ok(Piece {
            text,
            // Widths are cut to whole pixels: the sum of many must not fall short of their line's width.
            width: f64::from(self.width(text)? + 1),
            space: self.blank()?,
        })
    }

    fn blank(self) -> Result<f64> {
        Ok(f64::from(self.width(" ")?))
    }
}

/// A word, or one letter of a word that is wider than a line, with the width of the blank after it.
#[derive(Debug)]
struct Piece<'t> {
    text: &'t str,
    width: f64,
    space: f64,
}

impl Fragment for Piece<'_> {
    fn width(&self) -> f64 {
        self.width
    }

    fn whitespace_width(&self) -> f64 {
        self.space
    }

    fn penalty_width(&self) -> f64 {
        0.0
    }
}

fn joined(line: &[Piece]) -> String {
    let mut text = String::new();
    for piece in line {
        text.push_str(piece.text);
        if piece.space > 0.0 {
            text.push(' ');
        }
    }
    text.truncate(text.trim_end().len());
    text
}

/// Makes the embedded font known to plotters.
///
/// # Errors
/// When the font cannot be read.
pub fn register_fonts() -> Result<()> {
    static REGISTERED: LazyLock<bool> = LazyLock::new(|| {
        let faces = [
            (FontStyle::Normal, dejavu::sans::regular()),
            (FontStyle::Bold, dejavu::sans::bold()),
        ];
        faces
            .into_iter()
            .all(|(style, face)| plotters::style::register_font(FAMILY, style, face).is_ok())
    });
    ensure!(*REGISTERED, "the embedded font cannot be read");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_broken_at_blanks_into_lines_that_fit() {
        let text = "Skipped: desync: desync is not installed: a Go program; ".repeat(5);
        let lines = Type::SMALL.wrap(&text, 200).unwrap();
        assert!(lines.len() > 5);
        for line in &lines {
            assert!(Type::SMALL.width(line).unwrap() <= 200, "{line}");
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        assert_eq!(lines.join(" "), words.join(" "));
    }

    #[test]
    fn a_word_wider_than_the_line_is_broken_and_loses_no_letter() {
        let word = "a-ßcenario-∞-whose-name-goes-on-".repeat(6);
        let lines = Type::TITLE.wrap(&format!("see {word} now"), 150).unwrap();
        for line in &lines {
            assert!(Type::TITLE.width(line).unwrap() <= 150, "{line}");
        }
        let letters: String = lines.concat().split_whitespace().collect();
        assert_eq!(letters, format!("see{word}now"));
    }

    #[test]
    fn nothing_takes_no_line() {
        assert!(Type::SMALL.wrap(" ", 100).unwrap().len() <= 1);
        assert_eq!(Type::SMALL.widest::<&str>([]).unwrap(), 0);
    }
}
