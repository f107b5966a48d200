//! Wraps a bare root filesystem as an image archive of one layer, with the same bytes every time.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::Content;
use super::docker::{DockerArchive, DockerLayer};
use super::writer::HeaderForm;
use crate::image::{hash_file, sha256_hex};

/// The only time in a wrapped archive: the epoch.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// Writes the root filesystem tar at `rootfs_tar` to `out` as a docker archive of one layer, tagged `delta-lab:NAME`.
///
/// Ids are made from digests and times are the epoch, so the same tar and name give the same bytes. The tar is read
/// twice (its hash comes before its bytes) and is never held in memory. A tar does not state an architecture; the config
/// says amd64.
pub fn wrap_rootfs(rootfs_tar: &Path, out: &mut dyn Write, name: &str) -> Result<()> {
    let content = super::read(rootfs_tar)?;
    ensure!(
        matches!(content, Content::Tar(_)),
        "{}: not a bare root filesystem tar",
        rootfs_tar.display()
    );
    let (bytes, digest) = hash_file(rootfs_tar)?;
    let mut config = bare_config();
    config["history"] =
        json!([{ "created": CREATED, "created_by": "delta-lab: a root filesystem" }]);
    config["rootfs"] = json!({ "type": "layers", "diff_ids": [format!("sha256:{digest}")] });
    // Old engines name a layer's folder by an id of its own; any 64 hex digits are valid.
    let id = sha256_hex(format!("delta-lab layer {digest}").as_bytes());
    let layer = DockerLayer {
        json: json!({ "id": id, "created": CREATED, "os": "linux" }).to_string(),
        id,
        bytes,
        write: Box::new(|to| copy(rootfs_tar, bytes, to)),
    };
    let archive = DockerArchive {
        form: HeaderForm::Gnu,
        config: config.to_string(),
        repository: "delta-lab".to_string(),
        tag: name.to_string(),
        layers: vec![layer],
        mtime_s: 0,
        has_repositories: false,
    };
    archive
        .write(out)
        .with_context(|| format!("wrap {}", rootfs_tar.display()))
}

/// What an image says of itself that was a bare root filesystem, but for its layers.
pub(super) fn bare_config() -> Value {
    json!({
        "architecture": "amd64",
        "config": { "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"] },
        "created": CREATED,
        "history": null,
        "os": "linux",
        "rootfs": null,
    })
}

fn copy(from: &Path, bytes: u64, to: &mut dyn Write) -> Result<()> {
    let file = File::open(from).with_context(|| format!("open {}", from.display()))?;
    let copied = io::copy(&mut file.take(bytes), to)?;
    ensure!(
        copied == bytes,
        "{}: the file was cut while it was read",
        from.display()
    );
    Ok(())
}
