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
}

/// How an image is cut into other layers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RelayerTable {
    by: String,
    /// A number, or the word that stands for the axis's value.
    layers: Count,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Count {
    Number(u32),
    Word(String),
}

/// What a relayering goes by. There is one way yet.
const PACKAGE: &str = "package";

/// In options and in `layers`: what stands behind the `/` of a value of the axis.
const VALUE: &str = "{value}";

impl FormTable {
    /// The form, or none without keys. `value` is what stands behind the `/` of a value of the axis.
    pub fn form(&self, value: Option<&str>) -> Result<Option<Form>> {
        let form = match (&self.filesystem, &self.relayer) {
            (Some(_), Some(_)) => bail!("`as` and `relayer` are two forms; give it one"),
            (None, None) => {
                ensure!(self.options.is_none(), "`options` belongs to `as`");
                return Ok(None);
            }
            (Some(kind), None) => Form::Filesystem {
                kind: Filesystem::named(kind)?.name.to_string(),
                options: self.options(value.unwrap_or(VALUE)),
            },
            (None, Some(relayer)) => {
                ensure!(self.options.is_none(), "`options` belongs to `as`");
                Form::Packages {
                    layers: relayer.layers(value)?,
                }
            }
        };
        let takes = match &form {
            Form::Filesystem { .. } => self.options(VALUE).iter().any(|it| it.contains(VALUE)),
            Form::Packages { .. } => {
                matches!(
                    self.relayer,
                    Some(RelayerTable {
                        layers: Count::Word(_),
                        ..
                    })
                )
            }
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
        let layers = match &self.layers {
            Count::Number(layers) => *layers,
            Count::Word(word) if word == VALUE => {
                let value = value.unwrap_or("1");
                value
                    .parse()
                    .with_context(|| format!("`{value}` is no number of layers"))?
            }
            Count::Word(word) => bail!("layers = {word:?}: a number, or {VALUE:?}"),
        };
        ensure!(
            (1..=MOST_LAYERS).contains(&layers),
            "layers = {layers}: it may be 1 to {MOST_LAYERS}"
        );
        Ok(layers)
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
    form.with_context(|| format!("[form.{name}] has neither `as` nor `relayer`"))
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
                "two forms",
            ),
        ] {
            assert!(
                said(text, None).contains(why),
                "{text}: {}",
                said(text, None)
            );
        }
    }
}
