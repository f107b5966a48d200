//! The key of an image: two images with one key are the same image and are saved once.

use serde_json::{Value, json};

use crate::image::{sha256_hex, short};

/// Raised when this program writes other bytes for the same source (a wrapped root filesystem, a synthetic release, a
/// canonical archive), so that images saved by earlier versions are not reused.
pub const FORMAT: u32 = 1;

/// What makes two images of one kind the same.
///
/// The scenario and the image's name are part of it only where they change the image: a wrapped root filesystem contains
/// the name, and two builds without a build cache are two images even when their inputs are equal. What a command or a
/// RUN reads from elsewhere is not part of it: an image stays as it was saved until it is refreshed.
pub struct Identity {
    /// Kind of source.
    pub kind: &'static str,
    /// A name for people who look into the cache.
    pub readable: String,
    pub json: Value,
}

/// Identifies a saved image in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheKey {
    readable: String,
    /// Lower-case hex.
    pub sha256: String,
}

impl CacheKey {
    pub fn of(identity: &Identity) -> CacheKey {
        let Identity {
            kind,
            readable,
            json,
        } = identity;
        CacheKey {
            readable: format!("{kind}-{}", slug(readable)),
            sha256: sha256_hex(json!([kind, json]).to_string().as_bytes()),
        }
    }

    /// The start of the hash: enough for the images of one person, and `image.toml` holds all of it.
    pub fn short(&self) -> &str {
        short(&self.sha256)
    }

    /// Name of the image's folder in the cache.
    pub fn folder(&self) -> String {
        format!("{}-{}", self.readable, self.short())
    }
}

/// `text` as lower-case words joined by single hyphens, valid as a file name and as part of a docker reference: `[a-z0-9]`
/// and, inside, single `-` and `.`; at most 40 characters.
pub fn slug(text: &str) -> String {
    let mut slug = String::new();
    for character in text.to_lowercase().chars() {
        let character = match character {
            'a'..='z' | '0'..='9' | '.' => character,
            _ => '-',
        };
        let joins = !character.is_ascii_alphanumeric();
        if joins && !slug.ends_with(|last: char| last.is_ascii_alphanumeric()) {
            continue;
        }
        slug.push(character);
        if slug.len() == 40 {
            break;
        }
    }
    slug.truncate(slug.trim_end_matches(['-', '.']).len());
    slug
}

/// The last part of a path.
pub fn base_name(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_name_is_readable_and_safe() {
        let key = CacheKey::of(&Identity {
            kind: "docker",
            readable: "Registry.example:5000/../a__b:18.04".to_string(),
            json: Value::Null,
        });
        let folder = key.folder();
        let (readable, short) = folder.rsplit_once('-').unwrap();
        assert_eq!(readable, "docker-registry.example-5000-a-b-18.04");
        assert_eq!(short.len(), 12);
        assert_eq!(slug("../../etc"), "etc");
        assert_eq!(slug(&"x-".repeat(60)).len(), 39);
    }
}
