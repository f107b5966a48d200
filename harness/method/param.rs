//! The parameter of a built-in method: what follows the slash in its name, and the values it may have.

use std::fmt;

use anyhow::{Context, Result, ensure};

/// What a family of methods is told by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Param {
    /// One of a few words, by its place.
    Word { words: &'static [&'static str] },
    /// How hard a compressor works.
    Level { least: u32, most: u32 },
    /// Bytes of a chunk, written `512`, `64k` or `1m`.
    Size {
        /// What has this size: `an average chunk`.
        what: &'static str,
        least: u32,
        most: u32,
        fit: Fit,
    },
}

/// Which sizes of a range will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    Any,
    MultipleOf8,
    PowerOfTwo,
    PowerOfFour,
}

impl Param {
    /// What stands for the value in a name that is shown: `fastcdc/SIZE`.
    pub fn word(self) -> &'static str {
        match self {
            Param::Word { .. } => "EFFORT",
            Param::Level { .. } => "LEVEL",
            Param::Size { .. } => "SIZE",
        }
    }

    /// The value that `text` names; the error says which values there are.
    pub fn read(self, text: &str) -> Result<u32> {
        let value = match self {
            Param::Word { words } => words
                .iter()
                .position(|word| *word == text)
                .and_then(|at| u32::try_from(at).ok()),
            Param::Level { .. } => number(text),
            Param::Size { .. } => bytes(text),
        };
        let value = value.with_context(|| self.to_string())?;
        ensure!(self.takes(value), "{self}");
        Ok(value)
    }

    fn takes(self, value: u32) -> bool {
        match self {
            Param::Word { words } => (value as usize) < words.len(),
            Param::Level { least, most } => (least..=most).contains(&value),
            Param::Size {
                least, most, fit, ..
            } => {
                (least..=most).contains(&value)
                    && match fit {
                        Fit::Any => true,
                        Fit::MultipleOf8 => value.is_multiple_of(8),
                        Fit::PowerOfTwo => value.is_power_of_two(),
                        Fit::PowerOfFour => {
                            value.is_power_of_two() && value.trailing_zeros().is_multiple_of(2)
                        }
                    }
            }
        }
    }

    /// How the value is written in a name. A value has one name: `64k`, not `65536`.
    pub fn label(self, value: u32) -> String {
        match self {
            Param::Word { words } => words[value as usize].to_string(),
            Param::Level { .. } => value.to_string(),
            Param::Size { .. } => size_label(u64::from(value)),
        }
    }
}

/// The values there are, as errors and `doctor` say them.
impl fmt::Display for Param {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Param::Word { words } => write!(f, "an effort is {}", words.join(" or ")),
            Param::Level { least, most } => write!(f, "a level is {least} to {most}"),
            Param::Size {
                what,
                least,
                most,
                fit,
            } => {
                let (least, most) = (self.label(*least), self.label(*most));
                let fit = match fit {
                    Fit::Any => "",
                    Fit::MultipleOf8 => ", a multiple of 8 bytes",
                    Fit::PowerOfTwo => ", a power of two",
                    Fit::PowerOfFour => ", a power of four",
                };
                write!(f, "{what} is {least} to {most}{fit}")
            }
        }
    }
}

/// `65536` is `64k`, `1048576` is `1m`; any other number of bytes is written in full.
pub fn size_label(bytes: u64) -> String {
    match bytes {
        1.. if bytes.is_multiple_of(1 << 20) => format!("{}m", bytes >> 20),
        1.. if bytes.is_multiple_of(1 << 10) => format!("{}k", bytes >> 10),
        _ => bytes.to_string(),
    }
}

/// Digits alone, without a sign or a leading zero.
fn number(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    digits.then(|| text.parse().ok()).flatten()
}

/// `512`, `64k` or `1m` in bytes.
fn bytes(text: &str) -> Option<u32> {
    let (digits, unit) = match text.as_bytes().last()? {
        b'k' => (&text[..text.len() - 1], 1 << 10),
        b'm' => (&text[..text.len() - 1], 1 << 20),
        _ => (text, 1),
    };
    number(digits)?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AVERAGE: Param = Param::Size {
        what: "an average chunk",
        least: 256,
        most: 4 << 20,
        fit: Fit::MultipleOf8,
    };

    #[test]
    fn a_size_has_one_name_however_it_is_written() {
        for (text, label) in [
            ("256", "256"),
            ("65536", "64k"),
            ("64k", "64k"),
            ("1024k", "1m"),
            ("4m", "4m"),
            ("1000", "1000"),
        ] {
            assert_eq!(AVERAGE.label(AVERAGE.read(text).unwrap()), label, "{text}");
        }
    }

    #[test]
    fn what_is_out_of_range_or_no_size_is_refused_with_the_range() {
        for text in [
            "",
            "k",
            "m",
            "0",
            "0k",
            "255",
            "248",
            "257",
            "5m",
            "4097k",
            "64K",
            "+64k",
            "-1",
            "064k",
            "64 k",
            "4294967296",
            "4g",
            "1.5k",
            "\u{664}k",
        ] {
            let said = format!("{:#}", AVERAGE.read(text).unwrap_err());
            let range = "an average chunk is 256 to 4m, a multiple of 8 bytes";
            assert_eq!(said, range, "{text:?}");
        }
        let level = Param::Level { least: 1, most: 9 };
        for text in ["0", "10", "6k", "06", ""] {
            let said = level.read(text).unwrap_err().to_string();
            assert_eq!(said, "a level is 1 to 9", "{text:?}");
        }
    }
}
