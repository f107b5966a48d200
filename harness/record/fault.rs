//! Faults: what befalls an update half way, as the axis `fault` names it.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Error, Result, bail, ensure};

/// What befalls an update once a share of its payload has crossed. The share is a percentage, 1 to 99, of the payload of
/// the same update left undisturbed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Every connection is closed, and no new one is accepted.
    Cut(u8),
    /// The client and everything it started is killed.
    Kill(u8),
}

impl Fault {
    /// The axis of a case that names a fault.
    pub const AXIS: &str = "fault";
    /// Its value for an update that is left alone.
    pub const NONE: &str = "none";

    /// The fault that a value of the axis names; nothing for `none`.
    pub fn named(value: &str) -> Result<Option<Fault>> {
        match value {
            Fault::NONE => Ok(None),
            value => value.parse().map(Some),
        }
    }

    /// After how many percent of the payload it comes.
    pub fn percent(self) -> u8 {
        match self {
            Fault::Cut(percent) | Fault::Kill(percent) => percent,
        }
    }

    /// After how many bytes it comes in an update whose payload is `payload_bytes` long, rounded down.
    pub fn after_bytes(self, payload_bytes: u64) -> u64 {
        let share = u128::from(payload_bytes) * u128::from(self.percent()) / 100;
        u64::try_from(share).unwrap_or(u64::MAX)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let kind = match self {
            Fault::Cut(_) => "cut",
            Fault::Kill(_) => "kill",
        };
        write!(f, "{kind}:{}%", self.percent())
    }
}

impl FromStr for Fault {
    type Err = Error;

    fn from_str(text: &str) -> Result<Fault> {
        let known = || format!("no fault `{text}`: write `none`, `cut:50%` or `kill:50%`");
        let (kind, share) = text.split_once(':').with_context(known)?;
        let percent = share.strip_suffix('%').with_context(known)?;
        let percent: u8 = percent.parse().ok().with_context(known)?;
        ensure!(
            (1..=99).contains(&percent) && share == format!("{percent}%"),
            "fault `{text}`: the share may be 1% to 99%"
        );
        Ok(match kind {
            "cut" => Fault::Cut(percent),
            "kill" => Fault::Kill(percent),
            _ => bail!(known()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_reads_back_as_it_was_written_and_other_words_are_refused() {
        for text in ["cut:1%", "cut:50%", "kill:99%"] {
            assert_eq!(Fault::named(text).unwrap().unwrap().to_string(), text);
        }
        assert_eq!(Fault::named("none").unwrap(), None);
        for text in [
            "",
            "cut",
            "cut:50",
            "cut:0%",
            "kill:100%",
            "kill:300%",
            "drop:5%",
            "cut:05%",
        ] {
            assert!(Fault::named(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_share_is_of_the_payload_and_rounds_down() {
        assert_eq!(Fault::Cut(25).after_bytes(1003), 250);
        assert_eq!(Fault::Kill(50).after_bytes(1), 0);
        assert_eq!(Fault::Cut(99).after_bytes(u64::MAX) / (u64::MAX / 100), 99);
    }
}
