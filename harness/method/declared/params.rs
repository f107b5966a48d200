//! The parameters of a declared method: their values as they are written, and every combination of them. What its commands
//! share is like a parameter of one value, which is in no name.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::{Result, ensure};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::reader::Chosen;
use crate::method::param::size_label;
use crate::method::template;
use crate::words;

/// Parameter name to its values.
pub(super) type Params = BTreeMap<String, Values>;

/// Name to the words that it stands for.
pub(super) type Shared = BTreeMap<String, Value>;

/// The values of a parameter with their labels: a list (labels made from the values) or a table of label to value.
pub(super) struct Values(Vec<(String, Vec<String>)>);

/// By hand and not `untagged`, whose errors name neither the place nor what is wrong there.
impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Values, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Values;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a list of values in quotes, or a table of label = value")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Values, A::Error> {
                let list: Vec<String> = Vec::deserialize(SeqAccessDeserializer::new(list))?;
                let labelled = list.into_iter().map(|value| (label(&value), vec![value]));
                Ok(Values(labelled.collect()))
            }

            fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Values, A::Error> {
                let table: BTreeMap<String, Value> =
                    BTreeMap::deserialize(MapAccessDeserializer::new(table))?;
                let labelled = table.into_iter().map(|(label, value)| (label, value.0));
                Ok(Values(labelled.collect()))
            }
        }
        from.deserialize_any(Either)
    }
}

/// A value with a name: one argument, or several where the template stands alone.
pub(super) struct Value(Vec<String>);

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Value, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a value in quotes, or a list of them")
            }

            fn visit_str<E: Error>(self, one: &str) -> Result<Value, E> {
                Ok(Value(vec![one.to_string()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Value, A::Error> {
                Ok(Value(Vec::deserialize(SeqAccessDeserializer::new(list))?))
            }
        }
        from.deserialize_any(Either)
    }
}

/// Refuses names and labels that would be mistaken for something else.
pub(super) fn check(params: &Params, shared: &Shared, path: &Path) -> Result<()> {
    let place = path.display();
    for name in shared.keys() {
        ensure!(
            !template::is_placeholder(name),
            "{place}: [shared]: `{name}` has the name of a placeholder"
        );
        ensure!(
            !params.contains_key(name),
            "{place}: [shared]: `{name}` has the name of a parameter"
        );
    }
    for (param, values) in params {
        ensure!(
            !template::is_placeholder(param),
            "{place}: parameter `{param}` has the name of a placeholder"
        );
        ensure!(
            !values.0.is_empty(),
            "{place}: params: {param} has no value"
        );
        for (at, (label, _)) in values.0.iter().enumerate() {
            ensure!(
                words::is_name(label),
                "{place}: params: {param}: `{label}` is no name for a variant"
            );
            ensure!(
                values.0[..at].iter().all(|(other, _)| other != label),
                "{place}: params: {param}: two values are named `{label}`"
            );
        }
    }
    Ok(())
}

/// Every combination of the parameters' values, with their labels in the parameters' order, and what is shared in each.
pub(super) fn combinations(params: &Params, shared: &Shared) -> Vec<(Vec<String>, Chosen)> {
    let shared = shared.iter();
    let shared = shared.map(|(name, value)| (name.clone(), value.0.clone()));
    let mut all = vec![(Vec::new(), shared.collect())];
    for (param, values) in params {
        let with_each = |(labels, chosen): &(Vec<String>, Chosen)| {
            let added = values.0.iter().map(|(label, arguments)| {
                let (mut labels, mut chosen) = (labels.clone(), chosen.clone());
                labels.push(label.clone());
                chosen.insert(param.clone(), arguments.clone());
                (labels, chosen)
            });
            added.collect::<Vec<_>>()
        };
        all = all.iter().flat_map(with_each).collect();
    }
    all
}

/// `65536` is shown as `64k`, `1048576` as `1m`; anything else as it is, made fit for a name.
fn label(value: &str) -> String {
    if let Ok(number) = value.parse() {
        return size_label(number);
    }
    let fit = |letter: char| match letter {
        '.' | '_' | '-' => letter,
        letter if letter.is_ascii_alphanumeric() => letter,
        _ => '-',
    };
    value.chars().map(fit).collect()
}
