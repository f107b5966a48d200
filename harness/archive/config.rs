//! Normalizes an image's config, so that it does not depend on the tool that wrote it.
//!
//! Docker's config has fields of its own (`container`, `docker_version`, …), which tools drop when they convert Docker's
//! images to OCI. The fields kept here are those that every tool keeps: the properties of config.md in the OCI image
//! format specification 1.1, without the ones it reserves for Docker (`Healthcheck`, `Memory`, …) or calls deprecated
//! (`ArgsEscaped`).

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};

/// Fields of the image. `config`, `rootfs` and `history` are handled apart.
const IMAGE: &[&str] = &[
    "architecture",
    "author",
    "created",
    "os",
    "os.features",
    "os.version",
    "variant",
];

/// Fields of `config`: what a container of the image starts with.
const START: &[&str] = &[
    "Cmd",
    "Entrypoint",
    "Env",
    "ExposedPorts",
    "Labels",
    "StopSignal",
    "User",
    "Volumes",
    "WorkingDir",
];

/// Fields of each step in `history`.
const STEP: &[&str] = &["author", "comment", "created", "created_by", "empty_layer"];

/// A config as the canonical archive holds it.
pub(super) struct NormalConfig {
    /// Keys are sorted; there is no white space and no empty field.
    pub json: String,
    /// Lower-case hex, in the order in which the layers are applied.
    pub diff_ids: Vec<String>,
}

/// Normalizes a config. Fails unless it is JSON with DiffIDs.
pub(super) fn normal(config: &[u8]) -> Result<NormalConfig> {
    let config: Value = serde_json::from_slice(config).context("its config is not JSON")?;
    let diff_ids = diff_ids(&config)?;
    let mut image = kept(&config, IMAGE);
    let start = kept(&config["config"], START);
    if !start.is_empty() {
        image.insert("config".into(), start.into());
    }
    // A step without fields is kept, because steps are identified by their position.
    let steps = config["history"].as_array().into_iter().flatten();
    let steps: Vec<Value> = steps.map(|step| kept(step, STEP).into()).collect();
    if !steps.is_empty() {
        image.insert("history".into(), steps.into());
    }
    let named: Vec<String> = diff_ids.iter().map(|id| format!("sha256:{id}")).collect();
    let rootfs = json!({ "diff_ids": named, "type": "layers" });
    image.insert("rootfs".into(), rootfs);
    Ok(NormalConfig {
        json: sorted(image.into()).to_string(),
        diff_ids,
    })
}

/// Sorts the keys at every depth. Whether serde_json's maps do so by themselves depends on a feature.
pub(super) fn sorted(mut value: Value) -> Value {
    value.sort_all_objects();
    value
}

/// The fields of these names that are not empty: `null`, `""`, `[]`, `{}` and `false` mean the same as no field. What a
/// field contains is left as it is: in `"ExposedPorts": {"80/tcp": {}}` the empty map is how a port is written.
fn kept(from: &Value, names: &[&str]) -> Map<String, Value> {
    let mut fields = Map::new();
    for name in names {
        let value = match &from[*name] {
            Value::String(time) if *name == "created" => normal_time(time).into(),
            value => value.clone(),
        };
        let says = match &value {
            Value::Null | Value::Bool(false) => false,
            Value::String(text) => !text.is_empty(),
            Value::Array(list) => !list.is_empty(),
            Value::Object(map) => !map.is_empty(),
            Value::Bool(true) | Value::Number(_) => true,
        };
        if says {
            fields.insert(name.to_string(), value);
        }
    }
    fields
}

/// A timestamp in UTC without trailing zeros; other text is returned unchanged.
fn normal_time(time: &str) -> String {
    time.parse().map_or_else(
        |_| time.to_string(),
        |time: jiff::Timestamp| time.to_string(),
    )
}

fn diff_ids(config: &Value) -> Result<Vec<String>> {
    let ids = config["rootfs"]["diff_ids"].as_array();
    let ids = ids.context("its config lists no DiffIDs: it is not a container image")?;
    let hex = |id: &Value| {
        let hex = id.as_str().unwrap_or_default().strip_prefix("sha256:");
        let hex = hex.filter(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()));
        ensure!(
            hex.is_some(),
            "its config has a DiffID that is not a sha256: {id}"
        );
        Ok(hex.unwrap_or_default().to_ascii_lowercase())
    };
    ids.iter().map(hex).collect()
}

#[cfg(test)]
mod tests;
