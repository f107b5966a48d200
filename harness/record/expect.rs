//! Expectations: what a scenario claims of its figures.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::{Bases, Case, Verb};

/// One `[[expect]]` of a scenario: a measure of one act, and the bounds it must keep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The claim in a sentence.
    pub says: String,
    /// Name of a measure; empty where the step is to fail.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub measure: String,
    /// The step must fail, and these words must be among its last. It has no figure then, and no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fails: Option<String>,
    /// The figure must be less than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub below: Option<Bound>,
    /// The figure must be more than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub above: Option<Bound>,
    /// The figure must be this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub equals: Option<Bound>,
    pub of: Of,
}

/// Which act a figure is of. Over several samples it is the median.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Of {
    /// May be empty where `by` is given: the figure is over all methods then.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub method: String,
    /// `update` when absent.
    #[serde(default = "update")]
    pub verb: Verb,
    /// Empty where `by` is given: the figure is over all images then.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub image: String,
    /// Names of the bases joined by `+`; absent for an update from nothing. A publish is found by its image alone.
    #[serde(default, alias = "base", skip_serializing_if = "Bases::is_empty")]
    pub bases: Bases,
    /// As in rows.csv; absent in a scenario without axes.
    #[serde(default, skip_serializing_if = "Case::is_empty")]
    pub case: Case,
    /// Of a finding: what it was found of, such as a layer or a client; absent for the whole.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub part: String,
    /// A measure of the probe `similarity`: the figure says how well bases are chosen by it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
}

/// A number, or a share of another figure.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Bound {
    Number(i64),
    Share(Share),
}

/// By hand: `untagged` would lose the reason why a table does not fit.
impl<'de> Deserialize<'de> for Bound {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Bound, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Bound;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a whole number, or { share = 0.5, of = \"a measure\" }")
            }

            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Bound, E> {
                Ok(Bound::Number(number))
            }

            fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Bound, A::Error> {
                Share::deserialize(MapAccessDeserializer::new(table)).map(Bound::Share)
            }
        }
        from.deserialize_any(Either)
    }
}

/// A share of another figure: of the same act, or of the one that `act` names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// 1.0 is the whole.
    pub share: f64,
    /// Name of a measure.
    pub of: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Of>,
}

fn update() -> Verb {
    Verb::Update
}

impl Expect {
    /// The bounds that are given, each with the word for what the figure must be.
    pub fn bounds(&self) -> impl Iterator<Item = (&'static str, &Bound)> {
        [
            ("below", &self.below),
            ("above", &self.above),
            ("equal to", &self.equals),
        ]
        .into_iter()
        .filter_map(|(word, bound)| Some((word, bound.as_ref()?)))
    }
}

/// `xdelta3: update second from first`.
impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if !self.by.is_empty() {
            let method = match self.method.as_str() {
                "" => "all methods",
                method => method,
            };
            write!(f, "{method}: bases chosen by {}", self.by)?;
            if !self.case.is_empty() {
                write!(f, " [{}]", self.case)?;
            }
            return Ok(());
        }
        let act = super::Act {
            verb: self.verb,
            image: self.image.clone(),
            bases: self.bases.clone(),
            ..super::Act::default()
        };
        write!(f, "{}: {}", self.method, act.deed())?;
        if !self.case.is_empty() {
            write!(f, " [{}]", self.case)?;
        }
        if !self.part.is_empty() {
            write!(f, ": {}", self.part)?;
        }
        Ok(())
    }
}
