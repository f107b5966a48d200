//! Another release's programs: packages of a Debian release and what they depend on, extracted into the cache once.
//!
//! ```text
//! roots/root-debian-RELEASE-PACKAGES-KEY/   tree/, release.toml: appear by one rename when both are on disk
//! ```
//!
//! The key is of what was asked for. Which versions came is in `release.toml`, and in the rows: a release such as sid is
//! another one tomorrow, and stays here as it was extracted until its folder is removed.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;

use super::Cache;
use crate::clock::Release;
use crate::source::key::{CacheKey, Identity};
use crate::source::program;

/// Raised when what is made for the same order changes.
const FORMAT: u32 = 1;

const TREE: &str = "tree";
const RECORD: &str = "release.toml";

/// Packages of a release, as a method's file asks for them.
#[derive(Clone, Copy, Debug)]
pub struct Packages<'a> {
    /// `sid`
    pub release: &'a str,
    /// Each a name, or a name and `=` and a version.
    pub include: &'a [String],
}

impl Packages<'_> {
    fn key(&self) -> CacheKey {
        CacheKey::of(&Identity {
            kind: "root",
            readable: format!("debian-{}-{}", self.release, self.include.join("-")),
            json: json!([FORMAT, std::env::consts::ARCH, self.release, self.include]),
        })
    }

    fn argv(&self, tree: &Path) -> Vec<String> {
        [
            "mmdebstrap",
            "--mode=root",
            "--format=directory",
            "--variant=extract",
            // Their names hold the versions; and nothing is started, so nothing needs mounts.
            "--skip=cleanup/apt/cache,chroot/mount",
            // A mirror may stand still, as an archive of past days does. What came of it is in every row.
            "--aptopt=Acquire::Check-Valid-Until \"false\"",
            // Who has no network is to hear of it soon.
            "--aptopt=Acquire::Retries \"1\"",
            "--aptopt=Acquire::http::Timeout \"20\"",
            &format!("--include={}", self.include.join(",")),
            self.release,
            &tree.display().to_string(),
        ]
        .map(str::to_string)
        .into()
    }
}

impl Cache {
    /// The packages with all that they depend on, where they were extracted before.
    pub fn release(&self, packages: &Packages) -> Result<Option<Release>> {
        read(&self.place_of(&packages.key()))
    }

    /// The same, extracted now where they were not. `say` takes lines of progress. On failure the cache is unchanged.
    pub fn provide_release(&self, packages: &Packages, say: &dyn Fn(&str)) -> Result<Release> {
        let key = packages.key();
        let place = self.place_of(&key);
        self.sweep(say)?;
        let _lock = self.lock(&key, say)?;
        if let Some(release) = read(&place)? {
            return Ok(release);
        }
        let making = self.making(&key)?;
        let folder = making.path().join("root");
        let tree = folder.join(TREE);
        fs::create_dir(&folder).with_context(|| format!("make {}", folder.display()))?;
        say(&format!(
            "extracting {} of Debian {}",
            packages.include.join(", "),
            packages.release
        ));
        program::run(&packages.argv(&tree), &[], &mut |_| ())?;
        let release = Release {
            packages: take_packages(&tree)?,
            name: format!("Debian {}", packages.release),
            // Where it is read from is where it is.
            tree: PathBuf::new(),
        };
        merge_usr(&tree)?;
        let text = toml::to_string(&release).context("write a release's record as TOML")?;
        fs::write(folder.join(RECORD), text).context("write a release's record")?;
        for folder in [&folder, &tree] {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
                .with_context(|| format!("open up {}", folder.display()))?;
        }
        File::open(&folder)
            .and_then(|folder| Ok(rustix::fs::syncfs(folder)?))
            .context("put a release on disk")?;
        fs::rename(&folder, &place)
            .with_context(|| format!("rename {} to {}", folder.display(), place.display()))?;
        read(&place)?.context("a release that was extracted is there")
    }

    fn place_of(&self, key: &CacheKey) -> PathBuf {
        self.dir.join("roots").join(key.folder())
    }
}

/// The release in a folder of the cache; nothing where there is no such folder.
fn read(place: &Path) -> Result<Option<Release>> {
    if !place.exists() {
        return Ok(None);
    }
    let remedy = || format!("remove {} to have it extracted again", place.display());
    let text = fs::read_to_string(place.join(RECORD)).with_context(remedy)?;
    let release: Release = toml::from_str(&text).with_context(remedy)?;
    Ok(Some(Release {
        tree: place.join(TREE),
        ..release
    }))
}

/// Versions of the packages in apt's cache, by name; they are extracted, and go.
fn take_packages(tree: &Path) -> Result<BTreeMap<String, String>> {
    let cache = tree.join("var/cache/apt/archives");
    let listing = || format!("list {}", cache.display());
    let mut packages = BTreeMap::new();
    for entry in fs::read_dir(&cache).with_context(listing)? {
        let path = entry.with_context(listing)?.path();
        if path.extension().is_none_or(|ending| ending != "deb") {
            continue;
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let mut parts = name.split('_');
        let (Some(package), Some(version)) = (parts.next(), parts.next()) else {
            bail!("{}: no package's name and version", path.display());
        };
        // apt writes the colon of an epoch as a URL does.
        packages.insert(package.to_string(), version.replace("%3a", ":"));
        fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))?;
    }
    ensure!(!packages.is_empty(), "mmdebstrap extracted no package");
    Ok(packages)
}

/// Makes `/bin` and its like links to those in `/usr`, as every release has them since Debian 12: programs look for
/// libraries and shells there, and the package that has the links need not be among those that were asked for.
fn merge_usr(tree: &Path) -> Result<()> {
    for name in ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
        let link = tree.join(name);
        if tree.join("usr").join(name).is_dir() && fs::symlink_metadata(&link).is_err() {
            symlink(format!("usr/{name}"), &link)
                .with_context(|| format!("link {}", link.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packages(include: &[String]) -> Packages<'_> {
        Packages {
            release: "sid",
            include,
        }
    }

    #[test]
    fn versions_are_read_from_what_apt_fetched() {
        let tree = tempfile::tempdir().unwrap();
        let archives = tree.path().join("var/cache/apt/archives");
        fs::create_dir_all(&archives).unwrap();
        for name in [
            "desync_1.0.4-1_amd64.deb",
            "zlib1g_1%3a1.3-1+b1_amd64.deb",
            "lock",
        ] {
            fs::write(archives.join(name), "").unwrap();
        }
        let found = take_packages(tree.path()).unwrap();
        let found: Vec<String> = found
            .iter()
            .map(|(name, it)| format!("{name} {it}"))
            .collect();
        assert_eq!(found, ["desync 1.0.4-1", "zlib1g 1:1.3-1+b1"]);
        assert!(take_packages(tree.path()).is_err(), "they are gone");
    }

    #[test]
    fn what_was_cut_short_is_not_there_and_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path()).unwrap();
        let include = ["desync".to_string()];
        let order = packages(&include);
        let left = dir
            .path()
            .join("making")
            .join(format!("{}.x", order.key().folder()));
        fs::create_dir_all(left.join("root/tree/usr/bin")).unwrap();
        assert_eq!(cache.release(&order).unwrap(), None);
        cache.sweep(&|_| ()).unwrap();
        assert!(!left.exists());
    }

    #[test]
    fn another_release_or_another_package_is_another_root() {
        let (one, other) = (["a".to_string()], ["a=1".to_string()]);
        let sid = packages(&one).key();
        assert_ne!(sid, packages(&other).key());
        let trixie = Packages {
            release: "trixie",
            include: &one,
        };
        assert_ne!(sid, trixie.key());
    }
}
