//! The key of an image: two images with one key are the same image, and are saved once.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use walkdir::WalkDir;

use super::{Source, registry};
use crate::image::{hash_file, sha256_hex};

/// Raised when this program writes other bytes for the same source (a wrapped root filesystem, a synthetic release, a
/// canonical archive), so that what earlier versions left in a cache is not taken for it.
const FORMAT: u32 = 1;

/// What identifies a saved image in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Kind of source and a readable part, for people who look into the cache.
    readable: String,
    /// Lower-case hex.
    pub sha256: String,
}

impl Key {
    /// The key of image `name` of `scenario`.
    ///
    /// A scenario and a name are part of it only where they decide the image: a wrapped root filesystem carries the name,
    /// and two builds without a build cache are two images even when all that goes in is the same. What a command or a RUN
    /// reads from elsewhere is not part of it: an image stays as it was saved until it is refreshed.
    pub fn of(scenario: &str, name: &str, source: &Source) -> Result<Key> {
        let (kind, readable, identity) = match source {
            Source::Docker { reference } => ("docker", reference.clone(), json!([reference])),
            Source::Registry {
                reference,
                platform,
            } => {
                // Written out even where it is this machine's: machines of two kinds may share a cache.
                let platform = registry::platform(platform.as_deref())?.to_string();
                let identity = json!([FORMAT, reference, platform]);
                ("registry", reference.clone(), identity)
            }
            Source::File { path } => ("file", name.to_string(), json!([path])),
            Source::Command { argv } => {
                let program = argv.first().map_or("", |program| base_name(program));
                let readable = format!("{program}-{name}");
                ("command", readable, json!([FORMAT, argv, name]))
            }
            Source::Build {
                dir,
                dockerfile,
                args,
                no_cache,
                from,
            } => {
                let mut readable = base_name(&dir.to_string_lossy()).to_string();
                let mut image = Value::Null;
                if *no_cache {
                    readable = format!("{readable}-{name}");
                    image = json!([scenario, name]);
                }
                let identity = json!([content_of(dir)?, dockerfile, args, from, image]);
                ("build", readable, identity)
            }
            Source::Synthetic(release) => {
                let readable = format!("seed-{}-{}", release.seed, release.changes.len());
                ("synthetic", readable, json!([FORMAT, release]))
            }
            Source::Normalized(source) => {
                let inner = Key::of(scenario, name, source)?;
                let identity = match &**source {
                    // A copy is kept of it, so that the file may change unseen: what it holds now is what counts.
                    Source::File { path } => hash_file(path)?.1,
                    _ => inner.sha256,
                };
                ("normalized", inner.readable, json!([FORMAT, identity]))
            }
        };
        Ok(Key {
            readable: format!("{kind}-{}", slug(&readable)),
            sha256: sha256_hex(json!([kind, identity]).to_string().as_bytes()),
        })
    }

    /// First twelve hex digits: 48 bits, plenty for one person's images, and `image.toml` holds the whole key.
    pub fn short(&self) -> &str {
        &self.sha256[..12]
    }

    /// Name of the folder of the image in the cache.
    pub fn folder(&self) -> String {
        format!("{}-{}", self.readable, self.short())
    }
}

/// `text` as lower-case words joined by single hyphens, fit for a file name and for part of a docker reference:
/// `[a-z0-9]` and, inside, single `-` and `.`; at most 40 characters.
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

fn base_name(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or("")
}

/// sha256 over the names, modes and contents of everything in a build folder: what `docker build` may read.
///
/// Times are left out: a fresh checkout is the same folder. Files a `.dockerignore` leaves out still count, which
/// may save an image once more than needed but never once too few.
fn content_of(dir: &Path) -> Result<String> {
    ensure!(
        dir.is_dir(),
        "the build folder {} is not there",
        dir.display()
    );
    let mut entries = Vec::new();
    for entry in WalkDir::new(dir).min_depth(1).sort_by_file_name() {
        let entry = entry.with_context(|| format!("look through {}", dir.display()))?;
        let path = entry.path();
        let name = path.strip_prefix(dir).unwrap_or(path).to_string_lossy();
        let about =
            fs::symlink_metadata(path).with_context(|| format!("look at {}", path.display()))?;
        let content = if about.is_file() {
            hash_file(path)?.1
        } else if about.is_symlink() {
            let target =
                fs::read_link(path).with_context(|| format!("read link {}", path.display()))?;
            format!("-> {}", target.display())
        } else {
            String::new()
        };
        // The mode holds the type of the entry too.
        entries.push(json!([name, about.permissions().mode(), content]));
    }
    Ok(sha256_hex(Value::from(entries).to_string().as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs::Permissions;
    use std::path::PathBuf;

    use super::*;

    fn build(dir: &Path, no_cache: bool) -> Source {
        Source::Build {
            dir: dir.to_path_buf(),
            dockerfile: None,
            args: BTreeMap::new(),
            no_cache,
            from: None,
        }
    }

    #[test]
    fn a_folder_name_is_readable_and_safe() {
        let source = Source::Docker {
            reference: "Registry.example:5000/../a__b:18.04".into(),
        };
        let folder = Key::of("s", "n", &source).unwrap().folder();
        let (readable, short) = folder.rsplit_once('-').unwrap();
        assert_eq!(readable, "docker-registry.example-5000-a-b-18.04");
        assert_eq!(short.len(), 12);
        assert_eq!(slug("../../etc"), "etc");
        assert_eq!(slug(&"x-".repeat(60)).len(), 39);
    }

    #[test]
    fn the_same_reference_in_two_scenarios_is_one_image() {
        let source = Source::Docker {
            reference: "ubuntu:18.04".into(),
        };
        assert_eq!(
            Key::of("one", "a", &source).unwrap(),
            Key::of("two", "b", &source).unwrap()
        );
    }

    #[test]
    fn a_platform_and_normalize_make_other_images_and_a_normalized_file_counts_by_its_contents() {
        let key = |source: &Source| Key::of("s", "n", source).unwrap();
        let pulled = |platform: Option<&str>| Source::Registry {
            reference: "registry.example/app:1".into(),
            platform: platform.map(str::to_string),
        };
        let here = registry::platform(None).unwrap().to_string();
        assert_eq!(key(&pulled(None)), key(&pulled(Some(&here))));
        assert_ne!(key(&pulled(None)), key(&pulled(Some("plan9/mips"))));
        let folder = key(&pulled(None)).folder();
        assert!(
            folder.starts_with("registry-registry.example-app-1-"),
            "{folder}"
        );

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("image.tar");
        let file = Source::File { path: path.clone() };
        let normalized = Source::Normalized(Box::new(file.clone()));
        fs::write(&path, "one").unwrap();
        let one = key(&normalized);
        assert_ne!(one, key(&file));
        fs::write(&path, "two").unwrap();
        assert_ne!(one, key(&normalized));
        let docker = Source::Docker {
            reference: "app:1".into(),
        };
        assert_ne!(
            key(&docker),
            key(&Source::Normalized(Box::new(docker.clone())))
        );
    }

    #[test]
    fn a_build_folder_counts_by_names_modes_and_contents_but_not_by_times() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("Dockerfile");
        let key = || Key::of("s", "n", &build(dir.path(), false)).unwrap();
        fs::write(&file, "FROM scratch\n").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        let first = key();

        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(1000);
        fs::File::options()
            .append(true)
            .open(&file)
            .unwrap()
            .set_modified(later)
            .unwrap();
        assert_eq!(key(), first);

        fs::set_permissions(&file, Permissions::from_mode(0o755)).unwrap();
        let mode = key();
        assert_ne!(mode, first);
        fs::write(&file, "FROM scratch\n#\n").unwrap();
        let content = key();
        assert_ne!(content, mode);
        fs::rename(&file, dir.path().join("Containerfile")).unwrap();
        assert_ne!(key(), content);
    }

    #[test]
    fn two_builds_without_a_cache_are_two_images() {
        let dir = tempfile::tempdir().unwrap();
        let key = |name, no_cache| Key::of("s", name, &build(dir.path(), no_cache)).unwrap();
        assert_eq!(key("a", false).folder(), key("b", false).folder());
        assert_ne!(key("a", true).sha256, key("b", true).sha256);
    }

    #[test]
    fn an_absent_build_folder_is_named() {
        let source = build(&PathBuf::from("/no/such/folder"), false);
        let error = Key::of("s", "n", &source).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the build folder /no/such/folder is not there"
        );
    }
}
