//! A case: one value for each axis that a scenario turned.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Context, Error, Result, ensure};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One value for each axis that the scenario turned; axes that it did not turn have their defaults and are not named.
///
/// In a CSV cell and in words it is `fault=cut:50% policy=previous`, the axes in alphabetical order; empty for a
/// scenario without axes. One more axis changes no schema. Copies share their memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Case(Arc<BTreeMap<String, String>>);

impl Case {
    /// The same case with one more axis; its value replaces an earlier one of that axis.
    pub fn with(mut self, axis: &str, value: &str) -> Case {
        Arc::make_mut(&mut self.0).insert(axis.to_string(), value.to_string());
        self
    }

    /// The value of an axis; `None` where the scenario did not turn it.
    pub fn get(&self, axis: &str) -> Option<&str> {
        self.0.get(axis).map(String::as_str)
    }

    /// Whether the scenario turned no axis.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Axis and value, in alphabetical order.
    pub fn axes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(axis, value)| (axis.as_str(), value.as_str()))
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        for (at, (axis, value)) in self.axes().enumerate() {
            let gap = if at == 0 { "" } else { " " };
            write!(f, "{gap}{axis}={value}")?;
        }
        Ok(())
    }
}

impl FromStr for Case {
    type Err = Error;

    fn from_str(text: &str) -> Result<Case> {
        let mut case = BTreeMap::new();
        for pair in text.split_whitespace() {
            let (axis, value) = pair
                .split_once('=')
                .with_context(|| format!("case `{text}`: `{pair}` is not axis=value"))?;
            ensure!(
                !axis.is_empty() && !value.is_empty(),
                "case `{text}`: `{pair}` is not axis=value"
            );
            let twice = case.insert(axis.to_string(), value.to_string()).is_some();
            ensure!(!twice, "case `{text}`: `{axis}` has two values");
        }
        Ok(Case(Arc::new(case)))
    }
}

impl Serialize for Case {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Case {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Case, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_reads_back_as_it_was_written_whatever_the_order_of_its_axes() {
        let case = Case::default()
            .with("policy", "previous")
            .with("fault", "cut:50%");
        assert_eq!(case.to_string(), "fault=cut:50% policy=previous");
        assert_eq!(
            "policy=previous fault=cut:50%".parse::<Case>().unwrap(),
            case
        );
        assert_eq!("".parse::<Case>().unwrap(), Case::default());
        assert_eq!(case.get("policy"), Some("previous"));
        assert_eq!(case.get("road"), None);
    }

    #[test]
    fn a_cell_that_holds_no_case_is_refused() {
        for cell in ["policy", "policy=", "=all", "policy=all policy=newest"] {
            assert!(cell.parse::<Case>().is_err(), "{cell}");
        }
    }
}
