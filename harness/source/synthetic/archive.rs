//! A release's archive: layers, config and manifest as `docker save` of an engine before 25 writes them.

use std::io::{self, Write};
use std::thread;

use anyhow::{Context, Result, anyhow};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::history::History;
use super::layer::LayerRecipe;
use super::package::Package;
use crate::archive::docker::{DockerArchive, DockerLayer};
use crate::archive::writer::HeaderForm;
use crate::image::sha256_hex;

/// A layer whose length and hash are known.
struct MeasuredLayer<'a> {
    recipe: &'a LayerRecipe,
    below: Vec<&'a Package>,
    bytes: u64,
    /// Lower-case hex sha256 of the layer's tar.
    sha256: String,
    kept: Kept,
}

/// The bytes that were written, unless there were too many.
struct Kept(Option<Vec<u8>>);

/// Layers up to this size are kept in memory from measuring to writing; larger ones are made again.
const KEPT_BYTES: usize = 48 << 20;

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Some(kept) if kept.len() + bytes.len() <= KEPT_BYTES => kept.extend_from_slice(bytes),
            _ => self.0 = None,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MeasuredLayer<'_> {
    fn write(&self, to: &mut dyn Write) -> Result<()> {
        match &self.kept.0 {
            Some(bytes) => Ok(to.write_all(bytes)?),
            None => self.recipe.write(&self.below, to).map(drop),
        }
    }
}

/// Writes the release as a docker archive.
///
/// Large layers are made twice: once for their hashes, which name the folders, and once to be written. So an image of any
/// size needs little memory and no temporary files.
pub fn write(history: &History, out: &mut dyn Write) -> Result<()> {
    let layers = measure(history)?;
    let diff_ids: Vec<String> = layers
        .iter()
        .map(|layer| format!("sha256:{}", layer.sha256))
        .collect();
    let config = config(history, &diff_ids)?;
    let archive = DockerArchive {
        form: HeaderForm::Ustar,
        config: config.to_string(),
        repository: format!("synthetic-{}", history.seed),
        tag: history.release.to_string(),
        layers: named(&layers, &diff_ids, &config),
        mtime_s: history.now(),
        has_repositories: true,
    };
    archive.write(out)
}

/// Makes every layer, each in a thread of its own, to find its length and hash.
fn measure(history: &History) -> Result<Vec<MeasuredLayer<'_>>> {
    thread::scope(|scope| {
        let threads: Vec<_> = (0..history.layers.len())
            .map(|at| scope.spawn(move || measure_layer(history, at)))
            .collect();
        threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .map_err(|_| anyhow!("a layer's thread panicked"))?
            })
            .collect()
    })
}

fn measure_layer(history: &History, at: usize) -> Result<MeasuredLayer<'_>> {
    let recipe = &history.layers[at];
    let below: Vec<&Package> = history.layers[..at]
        .iter()
        .flat_map(|layer| &layer.packages)
        .collect();
    let mut kept = Kept(Some(Vec::new()));
    let (bytes, sha256) = recipe.write(&below, &mut kept)?;
    Ok(MeasuredLayer {
        recipe,
        below,
        bytes,
        sha256,
        kept,
    })
}

/// Names each layer by a hash of its content and of the layers below it, so that the same layer on other layers has
/// another name, as in engines. The hash itself is not the engines'.
fn named<'a>(
    layers: &'a [MeasuredLayer],
    diff_ids: &[String],
    config: &Value,
) -> Vec<DockerLayer<'a>> {
    let top = layers.len() - 1;
    let mut parent = String::new();
    let mut named = Vec::new();
    for (at, layer) in layers.iter().enumerate() {
        let mut about = if at == top {
            let mut about = config.clone();
            about.as_object_mut().map(|about| about.remove("rootfs"));
            about
        } else {
            json!({ "created": "1970-01-01T00:00:00Z", "os": "linux" })
        };
        if !parent.is_empty() {
            about["parent"] = json!(parent);
        }
        let id = sha256_hex(format!("{} {about}", diff_ids[at]).as_bytes());
        about["id"] = json!(id);
        parent.clone_from(&id);
        named.push(DockerLayer {
            id,
            json: about.to_string(),
            bytes: layer.bytes,
            write: Box::new(|to| layer.write(to)),
        });
    }
    named
}

fn config(history: &History, diff_ids: &[String]) -> Result<Value> {
    let steps: Vec<Value> = history
        .layers
        .iter()
        .map(|layer| {
            Ok(json!({ "created": date(layer.built)?, "created_by": layer.role.command() }))
        })
        .collect::<Result<_>>()?;
    Ok(json!({
        "architecture": "amd64",
        "config": {
            "Cmd": ["/opt/app/bin/start"],
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "WorkingDir": "/opt/app",
        },
        "created": date(history.now())?,
        "history": steps,
        "os": "linux",
        "rootfs": { "diff_ids": diff_ids, "type": "layers" },
    }))
}

fn date(seconds: u64) -> Result<String> {
    let time = Timestamp::from_second(seconds as i64).context("date a release")?;
    Ok(time.to_string())
}
