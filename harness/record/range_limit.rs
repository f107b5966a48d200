//! Limits of a server: how many ranges of an object it answers in one request, as the axis `ranges` names it.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Error, Result, ensure};

/// What a request gets that asks for more ranges than the server answers at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RangeLimit {
    /// So many ranges are answered; with 0, none at all.
    pub most: usize,
    pub beyond: Beyond,
}

/// How a request beyond the limit is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beyond {
    /// By the whole object, as if no range had been asked for.
    Whole,
    /// By an error with this status.
    Status(u16),
}

/// No client that we know asks for more in one request.
const MOST: usize = 100_000;

impl RangeLimit {
    /// The axis of a case that names a limit.
    pub const AXIS: &str = "ranges";
    /// Its value for a server without one.
    pub const ALL: &str = "all";

    /// The limit that a value of the axis names; nothing for `all`.
    pub fn named(value: &str) -> Result<Option<RangeLimit>> {
        match value {
            RangeLimit::ALL => Ok(None),
            value => value.parse().map(Some),
        }
    }
}

impl fmt::Display for RangeLimit {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self.beyond {
            Beyond::Whole => write!(f, "whole:{}", self.most),
            Beyond::Status(status) => write!(f, "{status}:{}", self.most),
        }
    }
}

impl FromStr for RangeLimit {
    type Err = Error;

    fn from_str(text: &str) -> Result<RangeLimit> {
        let known = || {
            format!(
                "no ranges `{text}`: write `all`; `whole:1`, where a request for more than 1 range gets the whole object; \
                 or `416:1`, where it gets that error"
            )
        };
        let (beyond, most) = text.split_once(':').with_context(known)?;
        let limit = RangeLimit {
            most: most.parse().ok().with_context(known)?,
            beyond: match beyond {
                "whole" => Beyond::Whole,
                status => Beyond::Status(status.parse().ok().with_context(known)?),
            },
        };
        ensure!(limit.to_string() == text, known());
        ensure!(
            limit.most <= MOST,
            "ranges `{text}`: the number may be 0 to {MOST}"
        );
        if let Beyond::Status(status) = limit.beyond {
            ensure!(
                (400..600).contains(&status),
                "ranges `{text}`: an error's status is 400 to 599"
            );
        }
        Ok(limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_reads_back_as_it_was_written_and_other_words_are_refused() {
        for text in ["whole:0", "whole:1", "416:1", "501:1", "400:64"] {
            assert_eq!(RangeLimit::named(text).unwrap().unwrap().to_string(), text);
        }
        assert_eq!(RangeLimit::named("all").unwrap(), None);
        for text in [
            "",
            "whole",
            "whole:",
            "whole:-1",
            "whole:01",
            "+416:1",
            "200:1",
            "600:1",
            "416",
            "some:1",
            "whole:100001",
        ] {
            assert!(RangeLimit::named(text).is_err(), "{text}");
        }
    }
}
