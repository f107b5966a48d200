//! The JSON documents that describe an image: indexes, manifests and descriptors, as OCI and as Docker write them.
//!
//! The fields are those of the OCI image format specification 1.1 (image-index.md, manifest.md, descriptor.md); Docker's
//! manifest list and manifest of schema 2 have the same ones.

use serde::Deserialize;
use serde_json::{Value, json};

use super::platform::Platform;

pub const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
pub const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
pub const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
pub const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar";

/// An index (`manifests`) or a manifest (`config` and `layers`). The fields decide which one it is, because
/// `mediaType` is optional.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    pub schema_version: Option<u32>,
    pub media_type: Option<String>,
    pub manifests: Option<Vec<Descriptor>>,
    pub config: Option<Descriptor>,
    /// In the order they are applied.
    #[serde(default)]
    pub layers: Vec<Descriptor>,
}

/// A reference to a blob.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    #[serde(default)]
    pub media_type: String,
    /// `ALGORITHM:HEX`, not checked.
    pub digest: String,
    #[serde(rename = "size")]
    pub bytes: u64,
    pub platform: Option<Platform>,
}

/// A descriptor as JSON; `sha256` is lower-case hex.
pub fn descriptor(media_type: &str, sha256: &str, bytes: u64) -> Value {
    json!({ "mediaType": media_type, "digest": format!("sha256:{sha256}"), "size": bytes })
}

/// The hex digits of a `sha256:` digest; `None` unless there are 64 lower-case ones.
pub fn sha256_of(digest: &str) -> Option<&str> {
    let hex = digest.strip_prefix("sha256:")?;
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (hex.len() == 64 && hex.bytes().all(is_hex)).then_some(hex)
}
