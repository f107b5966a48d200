//! An act: one verb done once, and the key of its row.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Error, Result, ensure};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Case;

/// What a step does.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Server: add one image to the store.
    #[default]
    Publish,
    /// Client: rebuild one image over the wire.
    Update,
    /// Look at images and move nothing.
    Probe,
}

impl Verb {
    /// As in rows.csv.
    pub fn word(self) -> &'static str {
        match self {
            Verb::Publish => "publish",
            Verb::Update => "update",
            Verb::Probe => "probe",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Names of the images that help an act, oldest first; none for a full publish or update.
///
/// In a CSV cell they are joined by `+`, which no image's name holds. Copies share their memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bases(Arc<[String]>);

impl Bases {
    /// The names, oldest first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl<S: Into<String>> FromIterator<S> for Bases {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Bases {
        Bases(names.into_iter().map(Into::into).collect())
    }
}

impl fmt::Display for Bases {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0.join("+"))
    }
}

impl FromStr for Bases {
    type Err = Error;

    fn from_str(text: &str) -> Result<Bases> {
        if text.is_empty() {
            return Ok(Bases::default());
        }
        let names: Vec<String> = text.split('+').map(str::to_string).collect();
        ensure!(
            names.iter().all(|name| !name.is_empty()),
            "bases `{text}`: an empty name"
        );
        Ok(Bases(names.into()))
    }
}

impl Serialize for Bases {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Bases {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Bases, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// One verb done once. A results folder holds at most one row for each.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Act {
    pub scenario: String,
    /// The method, or the probe.
    pub doer: String,
    pub case: Case,
    pub verb: Verb,
    pub image: String,
    pub bases: Bases,
    /// Repetition, from 1.
    pub sample: u32,
}

impl Act {
    /// What is done, without whose act it is: `publish v2`, `update v3 from v1`, `update v3 from nothing`.
    pub fn deed(&self) -> String {
        let Act {
            verb, image, bases, ..
        } = self;
        match (verb, bases.is_empty()) {
            (Verb::Publish, true) => format!("publish {image}"),
            (Verb::Publish, false) => format!("publish {image} for clients of {bases}"),
            (Verb::Update, true) => format!("update {image} from nothing"),
            (Verb::Update, false) => format!("update {image} from {bases}"),
            (Verb::Probe, true) => format!("probe {image}"),
            (Verb::Probe, false) => format!("probe {image} against {bases}"),
        }
    }
}

/// The one way an act is put into words: `smoke [policy=all] fastcdc/64k: update v4 from v3, sample 2`.
impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.scenario)?;
        if !self.case.is_empty() {
            write!(f, " [{}]", self.case)?;
        }
        write!(f, " {}: {}", self.doer, self.deed())?;
        if self.sample > 1 {
            write!(f, ", sample {}", self.sample)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bases_are_joined_and_split_the_same_way() {
        for names in [&[][..], &["v1"], &["v1", "v2.5"]] {
            let bases: Bases = names.iter().copied().collect();
            assert_eq!(bases.to_string().parse::<Bases>().unwrap(), bases);
            assert_eq!(bases.names().collect::<Vec<_>>(), names);
        }
        assert!("v1++v2".parse::<Bases>().is_err());
    }

    #[test]
    fn an_act_says_whose_it_is_what_is_done_and_under_which_case() {
        let act = Act {
            scenario: "smoke".into(),
            doer: "fastcdc/64k".into(),
            case: Case::default().with("policy", "all"),
            verb: Verb::Update,
            image: "v4".into(),
            bases: ["v3"].into_iter().collect(),
            sample: 2,
        };
        let words = "smoke [policy=all] fastcdc/64k: update v4 from v3, sample 2";
        assert_eq!(act.to_string(), words);
        let plain = Act {
            case: Case::default(),
            verb: Verb::Publish,
            bases: Bases::default(),
            sample: 1,
            ..act
        };
        assert_eq!(plain.to_string(), "smoke fastcdc/64k: publish v4");
    }
}
