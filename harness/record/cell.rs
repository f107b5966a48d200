//! Cells with text of others, such as a tool's last words or the name of a file: no spreadsheet takes one for a formula.
//!
//! A cell that begins as a formula does gets an apostrophe in front, which spreadsheets read as "this is text"
//! (<https://owasp.org/www-community/attacks/CSV_Injection>). It is taken off when the cell is read, so the text is what
//! it was.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serializer};

/// What a formula begins with, after any apostrophes.
fn is_formula(text: &str) -> bool {
    let text = text.trim_start_matches('\'');
    text.starts_with(['=', '+', '-', '@', '\t', '\r'])
}

/// The text as it is written.
pub fn guarded(text: &str) -> Cow<'_, str> {
    match is_formula(text) {
        true => Cow::Owned(format!("'{text}")),
        false => Cow::Borrowed(text),
    }
}

/// The text of a cell.
pub fn unguarded(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(text) if is_formula(text) => text,
        _ => cell,
    }
}

/// For serde: writes a text guarded.
pub fn write<T: AsRef<str>, S: Serializer>(text: &T, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&guarded(text.as_ref()))
}

/// For serde: reads what [`write`] wrote.
pub fn read<'de, T: From<String>, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    let cell = String::deserialize(from)?;
    Ok(unguarded(&cell).to_string().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_formula_is_guarded_and_every_text_comes_back() {
        let texts = [
            "=1+1", "+1", "-x", "@SUM(A1)", "\t=1", "'=1", "''=1", "plain", "'quoted'", "", "a=b",
        ];
        for text in texts {
            let cell = guarded(text);
            assert!(
                !cell.starts_with(['=', '+', '-', '@', '\t', '\r']),
                "{cell}"
            );
            assert_eq!(unguarded(&cell), text);
        }
        assert_eq!(guarded("plain"), "plain");
        assert_eq!(guarded("=1+1"), "'=1+1");
    }
}
