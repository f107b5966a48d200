//! The keys that say what an image is turned into: of an `[[image]]`, and of a `[form.NAME]` that the axis `form` names.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::record::FORM_AS_IS;
use crate::source::{Filesystem, Form, MOST_LAYERS};
use crate::words;

/// The keys of a form.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FormTable {
    #[serde(rename = "as")]
    pub filesystem: Option<String>,
    pub options: Option<Vec<String>>,
    pub relayer: Option<RelayerTable>,
    pub layer: Option<Count>,
}

/// How an image is cut into other layers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RelayerTable {
    by: String,
    layers: Count,
}

/// A number, or the word that stands for the axis's value.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Count {
    Number(i64),
    Word(String),
}

/// What a relayering goes by. There is one way yet.
const PACKAGE: &str = "package";

/// In options, `layers` and `layer`: what stands behind the `/` of a value of the axis.
const VALUE: &str = "{value}";

impl FormTable {
    /// The form, or none without keys. `value` is what stands behind the `/` of a value of the axis.
    pub fn form(&self, value: Option<&str>) -> Result<Option<Form>> {
        let form = match (&self.filesystem, &self.relayer, &self.layer) {
            (None, None, None) => None,
            (Some(kind), None, None) => Some(Form::Filesystem {
                kind: Filesystem::named(kind)?.name.to_string(),
                options: self.options(value.unwrap_or(VALUE)),
            }),
            (None, Some(relayer), None) => Some(Form::Packages {
                layers: relayer.layers(value)?,
            }),
            (None, None, Some(layer)) => Some(Form::Layer {
                number: which(layer, value)?,
            }),
            _ => bail!("`as`, `relayer` and `layer` are forms of their own; give it one"),
        };
        ensure!(
            self.options.is_none() || self.filesystem.is_some(),
            "`options` belongs to `as`"
        );
        let Some(form) = form else { return Ok(None) };
        let takes = match &form {
            Form::Filesystem { .. } => self.options(VALUE).iter().any(|it| it.contains(VALUE)),
            Form::Packages { .. } => self.relayer.iter().any(|it| it.layers.is_value()),
            Form::Layer { .. } => self.layer.iter().any(Count::is_value),
        };
        match (takes, value) {
            (true, None) => bail!(
                "{VALUE} is what stands behind the `/` of a value of the axis `form`, and there is none"
            ),
            (false, Some(value)) => {
                bail!("`/{value}` has no place here: write {VALUE} where it goes")
            }
            _ => Ok(Some(form)),
        }
    }

    fn options(&self, value: &str) -> Vec<String> {
        let options = self.options.iter().flatten();
        options.map(|word| word.replace(VALUE, value)).collect()
    }
}

impl RelayerTable {
    fn layers(&self, value: Option<&str>) -> Result<u32> {
        ensure!(
            self.by == PACKAGE,
            "relayer: by = {:?}: it may be {PACKAGE:?}",
            self.by
        );
        let layers = self.layers.number("layers", value)?;
        let fitting = u32::try_from(layers).ok();
        fitting
            .filter(|layers| (1..=MOST_LAYERS).contains(layers))
            .with_context(|| format!("layers = {layers}: it may be 1 to {MOST_LAYERS}"))
    }
}

/// Which layer, as it is counted from either end.
fn which(layer: &Count, value: Option<&str>) -> Result<i32> {
    let number = layer.number("layer", value)?;
    let fitting = i32::try_from(number).ok().filter(|number| *number != 0);
    fitting.with_context(|| {
        format!("layer = {number}: 1 is the lowest, 2 the next, and -1 the top one")
    })
}

impl Count {
    fn number(&self, key: &str, value: Option<&str>) -> Result<i64> {
        match self {
            Count::Number(number) => Ok(*number),
            Count::Word(word) if word == VALUE => {
                let value = value.unwrap_or("1");
                value
                    .parse()
                    .with_context(|| format!("{key}: `{value}` is no number"))
            }
            Count::Word(word) => bail!("{key} = {word:?}: a number, or {VALUE:?}"),
        }
    }

    fn is_value(&self) -> bool {
        matches!(self, Count::Word(_))
    }
}

/// The form that a value of the axis names; none for the images as they are.
pub(super) fn named(value: &str, tables: &BTreeMap<String, FormTable>) -> Result<Option<Form>> {
    if value == FORM_AS_IS {
        return Ok(None);
    }
    let (name, value) = match value.split_once('/') {
        Some((name, value)) => (name, Some(value)),
        None => (value, None),
    };
    let Some(table) = tables.get(name) else {
        let known = tables.keys().map(String::as_str).chain([FORM_AS_IS]);
        bail!("no form `{name}`{}", words::meant(name, known));
    };
    let form = table
        .form(value)
        .with_context(|| format!("[form.{name}]"))?;
    form.with_context(|| format!("[form.{name}] has none of `as`, `relayer` and `layer`"))
        .map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str, value: Option<&str>) -> String {
        let table: FormTable = toml::from_str(text).unwrap();
        match table.form(value) {
            Ok(Some(form)) => form.to_string(),
            Ok(None) => "none".to_string(),
            Err(why) => format!("{why:#}"),
        }
    }

    #[test]
    fn a_value_of_the_axis_is_put_in_where_the_form_says() {
        let squashfs = r#"as = "squashfs"
options = ["-comp", "zstd", "-b", "{value}"]"#;
        assert_eq!(said(squashfs, Some("128k")), "squashfs -comp zstd -b 128k");
        assert!(said(squashfs, None).contains("and there is none"));
        assert_eq!(said("as = \"erofs\"", None), "erofs");
        assert!(said("as = \"erofs\"", Some("4k")).contains("has no place"));
        let layers = r#"relayer = { by = "package", layers = "{value}" }"#;
        assert_eq!(said(layers, Some("8")), "8 layers by package");
        assert!(said(layers, None).contains("and there is none"));
        for (value, why) in [("0", "1 to 128"), ("129", "1 to 128"), ("x", "no number")] {
            assert!(said(layers, Some(value)).contains(why), "{value}");
        }
        let layer = "layer = \"{value}\"";
        assert_eq!(said(layer, Some("-2")), "layer -2");
        assert_eq!(said("layer = 3", None), "layer 3");
        assert!(said(layer, Some("0")).contains("1 is the lowest"));
        assert_eq!(said("", None), "none");
    }

    #[test]
    fn a_wrong_form_is_refused_with_what_is_right() {
        for (text, why) in [
            ("as = \"squash\"", "did you mean `squashfs`?"),
            ("options = [\"-b\"]", "`options` belongs to `as`"),
            (
                "relayer = { by = \"size\", layers = 2 }",
                "it may be \"package\"",
            ),
            (
                "relayer = { by = \"package\", layers = \"two\" }",
                "a number, or",
            ),
            (
                "as = \"ext4\"\nrelayer = { by = \"package\", layers = 2 }",
                "give it one",
            ),
            ("layer = 1\nas = \"ext4\"", "give it one"),
            ("layer = 1\noptions = []", "`options` belongs to `as`"),
            ("layer = 0", "layer = 0: 1 is the lowest"),
            ("layer = \"top\"", "layer = \"top\": a number, or"),
        ] {
            assert!(
                said(text, None).contains(why),
                "{text}: {}",
                said(text, None)
            );
        }
    }
}
