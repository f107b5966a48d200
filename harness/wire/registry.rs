//! A registry's face: OCI layouts of the store, answered for by the distribution protocol, read-only.
//!
//! The layout in the store's folder `oci` is the repository `oci`: its tags are those of its `index.json`, its blobs and
//! manifests those of `blobs/sha256`. <https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#pull>
//!
//! What a head says beside a body is not payload, so a publish may choose none of it: the type of a manifest is one of
//! those there are, and its digest is the one that its bytes have.

use std::fs;
use std::io::Read;
use std::path::Path;

use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Response, StatusCode};
use serde_json::Value;

use super::answer::{self, answer_object};
use super::body::Parts;
use super::object::{self, Object, Tags};
use crate::image::sha256_hex;

/// Most bytes of a manifest, and of a layout's index: registries take no larger manifest (distribution-spec, "Pushing
/// Manifests").
const MANIFEST_BYTES: u64 = 4 << 20;

/// Types of manifests, with the key that tells a manifest of that kind which does not say its type. A client refuses a
/// manifest that comes as another type than its own.
const TYPES: &[(&str, &str)] = &[
    ("application/vnd.oci.image.manifest.v1+json", "config"),
    ("application/vnd.oci.image.index.v1+json", "manifests"),
    ("application/vnd.docker.distribution.manifest.v2+json", ""),
    (
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "",
    ),
];

const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// What a path of the protocol asks for.
#[derive(Debug, PartialEq, Eq)]
enum Asked<'a> {
    /// Whether this is a registry.
    Version,
    /// By tag or digest.
    Manifest(&'a str, &'a str),
    /// By its sha256 in hex.
    Blob(&'a str, &'a str),
}

/// The answer to `method` for `path`, from the layouts in the folder `root` (canonical).
pub fn answer(
    root: &Path,
    tags: &Tags,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
) -> Response<Parts> {
    if ![Method::GET, Method::HEAD].contains(method) {
        return answer::not_allowed();
    }
    let answered = match asked(path) {
        None => Err(StatusCode::NOT_FOUND),
        Some(Asked::Version) => return answer::say("application/json", "{}", method),
        Some(Asked::Blob(layout, hex)) => blob(root, tags, layout, hex).map(|it| (it, None)),
        Some(Asked::Manifest(layout, reference)) => manifest(root, tags, layout, reference)
            .map(|(object, hex)| (object, Some(format!("sha256:{hex}")))),
    };
    let (object, digest) = match answered {
        Ok((object, digest)) => (Ok(object), digest),
        Err(status) => (Err(status), None),
    };
    let mut response = answer_object(object, method, headers);
    if let Some(digest) = digest.and_then(|digest| HeaderValue::from_str(&digest).ok()) {
        response.headers_mut().insert(DIGEST, digest);
    }
    response
}

fn asked(path: &str) -> Option<Asked<'_>> {
    let rest = path
        .strip_prefix("/v2/")
        .or((path == "/v2").then_some(""))?;
    if rest.is_empty() {
        return Some(Asked::Version);
    }
    let (before, last) = rest.rsplit_once('/')?;
    let (layout, kind) = before.rsplit_once('/')?;
    match kind {
        "manifests" => Some(Asked::Manifest(layout, last)),
        "blobs" => Some(Asked::Blob(layout, hex(last)?)),
        _ => None,
    }
}

/// The hex of a digest of the one kind that layouts here have.
fn hex(digest: &str) -> Option<&str> {
    let hex = digest.strip_prefix("sha256:")?;
    let digits = |digit: u8| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit);
    (hex.len() == 64 && hex.bytes().all(digits)).then_some(hex)
}

fn blob(root: &Path, tags: &Tags, layout: &str, hex: &str) -> Result<Object, StatusCode> {
    object::open(root, tags, &format!("/{layout}/blobs/sha256/{hex}"))
}

/// A manifest with its digest's hex, which its bytes have.
fn manifest(
    root: &Path,
    tags: &Tags,
    layout: &str,
    reference: &str,
) -> Result<(Object, String), StatusCode> {
    let hex = match hex(reference) {
        Some(hex) => hex.to_string(),
        None => tagged(root, tags, layout, reference)?,
    };
    let mut object = blob(root, tags, layout, &hex)?;
    let bytes = read(&object)?;
    if sha256_hex(&bytes) != hex {
        return Err(StatusCode::NOT_FOUND);
    }
    let manifest = serde_json::from_slice(&bytes).map_err(|_| StatusCode::NOT_FOUND)?;
    object.kind = kind(&manifest).ok_or(StatusCode::NOT_FOUND)?;
    Ok((object, hex))
}

/// The digest's hex that a layout's index has for a tag.
fn tagged(root: &Path, tags: &Tags, layout: &str, tag: &str) -> Result<String, StatusCode> {
    let index = object::open(root, tags, &format!("/{layout}/index.json"))?;
    let index: Value = serde_json::from_slice(&read(&index)?).map_err(|_| StatusCode::NOT_FOUND)?;
    let manifests = index["manifests"].as_array();
    let named = |manifest: &&Value| {
        manifest["annotations"]["org.opencontainers.image.ref.name"].as_str() == Some(tag)
    };
    let manifest = manifests.into_iter().flatten().find(named);
    let digest = manifest.and_then(|manifest| hex(manifest["digest"].as_str()?));
    digest.map(str::to_string).ok_or(StatusCode::NOT_FOUND)
}

/// The type that a manifest says it has, or that its keys tell.
fn kind(manifest: &Value) -> Option<&'static str> {
    let own = manifest["mediaType"].as_str();
    let mut types = TYPES.iter();
    let found = match own {
        Some(own) => types.find(|(kind, _)| *kind == own),
        None => types.find(|(_, key)| manifest.get(*key).is_some()),
    };
    found.map(|(kind, _)| *kind)
}

fn read(object: &Object) -> Result<Vec<u8>, StatusCode> {
    if object.bytes > MANIFEST_BYTES {
        return Err(StatusCode::NOT_FOUND);
    }
    let mut bytes = Vec::new();
    let file: &fs::File = &object.file;
    file.take(MANIFEST_BYTES)
        .read_to_end(&mut bytes)
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_protocol_are_told_apart() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let blob = format!("/v2/a/b/blobs/{digest}");
        let hex = "a".repeat(64);
        assert_eq!(asked("/v2/"), Some(Asked::Version));
        assert_eq!(asked(&blob), Some(Asked::Blob("a/b", &hex)));
        let manifest = Some(Asked::Manifest("oci", "v2"));
        assert_eq!(asked("/v2/oci/manifests/v2"), manifest);
        for path in [
            "/",
            "/v1/",
            "/v2/x",
            "/v2/oci/tags/list",
            "/v2/oci/blobs/v2",
            "/v2/manifests/v2",
        ] {
            assert_eq!(asked(path), None, "{path}");
        }
        for wrong in ["a".repeat(63), "g".repeat(64), "A".repeat(64)] {
            assert_eq!(asked(&format!("/v2/a/blobs/sha256:{wrong}")), None);
        }
    }

    #[test]
    fn a_manifest_has_up_to_so_many_bytes() {
        let store = tempfile::tempdir().unwrap();
        let root = store.path().canonicalize().unwrap();
        let file = fs::File::create(root.join("index.json")).unwrap();
        for (bytes, held) in [(MANIFEST_BYTES, true), (MANIFEST_BYTES + 1, false)] {
            file.set_len(bytes).unwrap();
            let object = object::open(&root, &Tags::default(), "/index.json").unwrap();
            assert_eq!(read(&object).is_ok(), held, "{bytes}");
        }
    }

    #[test]
    fn a_manifests_type_is_its_own_and_one_that_is_known() {
        let kind = |text: &str| kind(&serde_json::from_str(text).unwrap());
        for (known, _) in TYPES {
            assert_eq!(kind(&format!(r#"{{"mediaType":"{known}"}}"#)), Some(*known));
        }
        assert_eq!(kind(r#"{"config":{}}"#), Some(TYPES[0].0));
        assert_eq!(kind(r#"{"manifests":[]}"#), Some(TYPES[1].0));
        assert_eq!(kind(r#"{"mediaType":"text/secret","config":{}}"#), None);
        assert_eq!(kind("{}"), None);
    }
}
