//! The archive: layers, configuration and manifest as `docker save` of an engine before 25 writes them.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::thread;

use anyhow::{Context, Result, anyhow};
use jiff::Timestamp;
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

use super::history::History;
use super::layer::Layer;
use super::package::Package;
use crate::image::sha256_hex;

/// A layer's place in the archive.
struct Blob<'a> {
    layer: &'a Layer,
    below: Vec<&'a Package>,
    /// Name of its folder, as engines before content addresses had it: 64 hex digits.
    id: String,
    bytes: u64,
    /// Lower-case hex of the layer's tar.
    sha256: String,
    json: Value,
    kept: Kept,
}

/// The bytes that were written, as long as they are few.
struct Kept(Option<Vec<u8>>);

/// Layers up to this size are kept from when they are measured until they are written; larger ones are made again.
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

/// Writes the release as a docker archive.
///
/// Large layers are made twice, once to know their sums, which name the folders they lie in, and once to be
/// written; so an image of any size needs little memory and no room on disk.
pub fn write(history: &History, out: &mut dyn Write) -> Result<()> {
    let mut blobs = measure(history)?;
    let diff_ids: Vec<String> = blobs
        .iter()
        .map(|blob| format!("sha256:{}", blob.sha256))
        .collect();
    let config = config(history, &diff_ids)?;
    name(&mut blobs, &diff_ids, &config);
    let config = config.to_string();
    let config_name = format!("{}.json", sha256_hex(config.as_bytes()));
    let (repository, tag) = (
        format!("synthetic-{}", history.seed),
        history.release.to_string(),
    );
    let manifest = json!([{
        "Config": config_name,
        "RepoTags": [format!("{repository}:{tag}")],
        "Layers": blobs.iter().map(|blob| format!("{}/layer.tar", blob.id)).collect::<Vec<_>>(),
    }]);
    let top = blobs.last().map_or("", |blob| &blob.id);
    let repositories = json!({ repository: { tag: top } });

    let mut tar = Builder::new(out);
    let order: BTreeMap<&str, &Blob> = blobs.iter().map(|blob| (blob.id.as_str(), blob)).collect();
    // An engine writes folders and files in order of their names, so the configuration lies among the layers.
    let mut config = Some((config_name.as_str(), config.as_bytes()));
    for (id, blob) in order {
        if let Some((name, bytes)) = config.take_if(|(name, _)| *name < id) {
            append(&mut tar, name, bytes, history.now())?;
        }
        append_blob(&mut tar, blob, history.now())?;
    }
    if let Some((name, bytes)) = config {
        append(&mut tar, name, bytes, history.now())?;
    }
    append(
        &mut tar,
        "manifest.json",
        format!("{manifest}\n").as_bytes(),
        0,
    )?;
    append(
        &mut tar,
        "repositories",
        format!("{repositories}\n").as_bytes(),
        0,
    )?;
    tar.finish().context("end the archive")
}

/// Makes every layer, each on a thread of its own, to know its length and sum.
fn measure(history: &History) -> Result<Vec<Blob<'_>>> {
    let measured = thread::scope(|scope| {
        let threads: Vec<_> = (0..history.layers.len())
            .map(|at| {
                let below = packages_below(history, at);
                scope.spawn(move || {
                    let mut kept = Kept(Some(Vec::new()));
                    let (bytes, sha256) = history.layers[at].write(&below, &mut kept)?;
                    anyhow::Ok((bytes, sha256, kept))
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .map_err(|_| anyhow!("a layer's thread panicked"))?
            })
            .collect::<Result<Vec<_>>>()
    })?;
    Ok(measured
        .into_iter()
        .enumerate()
        .map(|(at, (bytes, sha256, kept))| Blob {
            layer: &history.layers[at],
            below: packages_below(history, at),
            id: String::new(),
            bytes,
            sha256,
            json: Value::Null,
            kept,
        })
        .collect())
}

fn packages_below(history: &History, at: usize) -> Vec<&Package> {
    history.layers[..at]
        .iter()
        .flat_map(|layer| &layer.packages)
        .collect()
}

/// Names each layer by a sum over its content and what lies beneath, so that a layer on other layers has another
/// name, as with engines; the sum itself is ours.
fn name(blobs: &mut [Blob<'_>], diff_ids: &[String], config: &Value) {
    let top = blobs.len() - 1;
    let mut parent = String::new();
    for (at, blob) in blobs.iter_mut().enumerate() {
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
        blob.id = sha256_hex(format!("{} {about}", diff_ids[at]).as_bytes());
        about["id"] = json!(blob.id);
        parent.clone_from(&blob.id);
        blob.json = about;
    }
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

fn append_blob(tar: &mut Builder<&mut dyn Write>, blob: &Blob<'_>, now: u64) -> Result<()> {
    let folder = header(EntryType::Directory, &format!("{}/", blob.id), 0, now)?;
    tar.append(&folder, &[][..])
        .with_context(|| format!("write folder {} into the archive", blob.id))?;
    append(tar, &format!("{}/VERSION", blob.id), b"1.0", now)?;
    append(
        tar,
        &format!("{}/json", blob.id),
        blob.json.to_string().as_bytes(),
        now,
    )?;
    let path = format!("{}/layer.tar", blob.id);
    let header = header(EntryType::Regular, &path, blob.bytes, now)?;
    let out = tar.get_mut();
    out.write_all(header.as_bytes())
        .with_context(|| format!("write {path} into the archive"))?;
    // A tar is a whole number of blocks, so no padding follows.
    match &blob.kept.0 {
        Some(bytes) => out
            .write_all(bytes)
            .with_context(|| format!("write {path} into the archive"))?,
        None => {
            blob.layer.write(&blob.below, out)?;
        }
    }
    Ok(())
}

fn append(tar: &mut Builder<&mut dyn Write>, path: &str, bytes: &[u8], now: u64) -> Result<()> {
    let header = header(EntryType::Regular, path, bytes.len() as u64, now)?;
    tar.append(&header, bytes)
        .with_context(|| format!("write {path} into the archive"))
}

fn header(kind: EntryType, path: &str, bytes: u64, now: u64) -> Result<Header> {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header
        .set_path(path)
        .with_context(|| format!("name {path} in the archive"))?;
    header.set_mode(if kind == EntryType::Directory {
        0o755
    } else {
        0o644
    });
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(bytes);
    header.set_mtime(now);
    header.set_device_major(0)?;
    header.set_device_minor(0)?;
    header.set_cksum();
    Ok(header)
}
