//! Wraps a bare root filesystem as an image archive of one layer, the same bytes every time.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tar::{EntryType, Header};

use super::Content;
use crate::image::{hash_file, sha256_hex};

/// The only clock in a wrapped archive: the epoch.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// Writes the root filesystem tar at `rootfs_tar` to `out` as a docker archive of one layer, tagged
/// `delta-lab:NAME`, in the layout of engines before 25, which every `docker load` takes.
///
/// Ids are made from digests, times are the epoch, entries are sorted: the same tar and name give the same bytes.
/// The tar is read twice (its hash comes before its bytes) and never held in memory. A tar does not say for which
/// machine it is; the config says amd64.
pub fn wrap_rootfs(rootfs_tar: &Path, out: &mut dyn Write, name: &str) -> Result<()> {
    let content = super::read(rootfs_tar)?;
    ensure!(
        matches!(content, Content::Tar(_)),
        "{}: not a bare root filesystem tar",
        rootfs_tar.display()
    );
    let (bytes, digest) = hash_file(rootfs_tar)?;
    let config = json!({
        "architecture": "amd64",
        "config": { "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"] },
        "created": CREATED,
        "history": [{ "created": CREATED, "created_by": "delta-lab: a root filesystem" }],
        "os": "linux",
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{digest}")] },
    })
    .to_string();
    let config_name = format!("{}.json", sha256_hex(config.as_bytes()));
    // Old engines name a layer's folder by an id of its own; any 64 hex digits do.
    let id = sha256_hex(format!("delta-lab layer {digest}").as_bytes());
    let layer = format!("{id}/layer.tar");
    let manifest = json!([{
        "Config": config_name,
        "RepoTags": [format!("delta-lab:{name}")],
        "Layers": [layer],
    }]);
    let about = json!({ "id": id, "created": CREATED, "os": "linux" });

    let rootfs = File::open(rootfs_tar)
        .with_context(|| format!("open {}", rootfs_tar.display()))?
        .take(bytes);
    let about = about.to_string();
    let mut manifest = manifest.to_string();
    manifest.push('\n');
    let mut entries: Vec<(String, u64, Box<dyn Read>)> = vec![
        (format!("{id}/"), 0, Box::new(std::io::empty())),
        small(format!("{id}/VERSION"), "1.0".into()),
        small(format!("{id}/json"), about),
        (layer, bytes, Box::new(rootfs)),
        small(config_name, config),
        small("manifest.json".into(), manifest),
    ];
    entries.sort_by(|one, other| one.0.cmp(&other.0));

    let mut tar = tar::Builder::new(out);
    for (name, length, contents) in entries {
        let written = tar.append(&header(&name, length)?, contents);
        written.with_context(|| format!("wrap {}: write {name}", rootfs_tar.display()))?;
    }
    tar.finish()
        .with_context(|| format!("wrap {}: write its end", rootfs_tar.display()))
}

fn small(name: String, text: String) -> (String, u64, Box<dyn Read>) {
    let bytes = text.into_bytes();
    (
        name,
        bytes.len() as u64,
        Box::new(std::io::Cursor::new(bytes)),
    )
}

/// A header with nothing in it of the machine or the moment.
pub(super) fn header(name: &str, length: u64) -> Result<Header> {
    let is_folder = name.ends_with('/');
    let mut header = Header::new_gnu();
    header
        .set_path(name)
        .with_context(|| format!("{name}: too long for a tar's header"))?;
    header.set_entry_type(if is_folder {
        EntryType::Directory
    } else {
        EntryType::Regular
    });
    header.set_mode(if is_folder { 0o755 } else { 0o644 });
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(length);
    header.set_cksum();
    Ok(header)
}
