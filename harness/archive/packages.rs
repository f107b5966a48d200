//! Which Debian package put a file into a tree, as dpkg's database there says.
//!
//! `var/lib/dpkg/info/NAME[:ARCHITECTURE].list` lists the paths of a package, `var/lib/dpkg/status` says which source it
//! was built from: dpkg(1), deb-control(5).

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::unpack::Places;

const STATUS: &str = "var/lib/dpkg/status";
const LISTS: &str = "var/lib/dpkg/info";

/// By place in the tree, the source package whose binary package owns it; of several owners the first by name.
///
/// Sources, because that is what is updated: a new openssl is a new libssl3 too.
pub(super) fn owners(tree: &Path) -> Result<BTreeMap<PathBuf, String>> {
    let sources = sources(&tree.join(STATUS))?;
    let mut places = Places::of(tree);
    let mut owners = BTreeMap::new();
    for (package, list) in lists(&tree.join(LISTS))? {
        let source = sources.get(&package).unwrap_or(&package);
        for path in list.split(|&byte| byte == b'\n') {
            let path = Path::new(OsStr::from_bytes(path));
            if let Some(place) = places.real(path)? {
                owners.entry(place).or_insert_with(|| source.clone());
            }
        }
    }
    ensure!(
        !owners.is_empty(),
        "no package is listed in its {LISTS}: only a Debian tree can be cut by package"
    );
    Ok(owners)
}

/// Name and contents of every list, in the order of names.
fn lists(folder: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(|| format!("list {}", folder.display()))?,
    };
    let mut lists = Vec::new();
    for entry in entries {
        let path = entry
            .with_context(|| format!("list {}", folder.display()))?
            .path();
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        let Some(package) = name.strip_suffix(".list") else {
            continue;
        };
        let package = package.split(':').next().unwrap_or(package).to_string();
        let list = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        lists.push((package, list));
    }
    lists.sort();
    Ok(lists)
}

/// By package, its source, where that has another name. Without a status file every package is its own source.
fn sources(status: &Path) -> Result<BTreeMap<String, String>> {
    let text = match fs::read(status) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        text => text.with_context(|| format!("read {}", status.display()))?,
    };
    let text = String::from_utf8_lossy(&text);
    let mut sources = BTreeMap::new();
    for paragraph in text.split("\n\n") {
        let field = |name: &str| {
            let line = paragraph.lines().find_map(|line| line.strip_prefix(name))?;
            // `Source: glibc (2.36-9)`: the version is said where it is another one.
            line.split_whitespace().next().map(str::to_string)
        };
        if let (Some(package), Some(source)) = (field("Package:"), field("Source:")) {
            sources.insert(package, source);
        }
    }
    Ok(sources)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_of_the_source_of_the_first_package_that_lists_it() {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir_all(tree.path().join(LISTS)).unwrap();
        fs::create_dir_all(tree.path().join("usr/bin")).unwrap();
        for name in ["a", "b", "c", "d"] {
            fs::write(tree.path().join("usr/bin").join(name), name).unwrap();
        }
        let put = |place: &str, text: &str| fs::write(tree.path().join(place), text).unwrap();
        let list = |package: &str, files: &str| put(&format!("{LISTS}/{package}.list"), files);
        list("one:amd64", "/.\n/usr\n/usr/bin/a\n/usr/bin/b\n");
        list("two", "/usr/bin/b\n/usr/bin/c\n/usr/bin/gone\n");
        // No list of files.
        put(&format!("{LISTS}/three.md5sums"), "/usr/bin/d\n");
        put(
            STATUS,
            "Package: one\nSource: first (2.0)\n\nPackage: two\nVersion: 1\n",
        );
        let owned = owners(tree.path()).unwrap();
        let of = |place: &str| owned.get(Path::new(place)).map(String::as_str);
        assert_eq!(of("usr/bin/a"), Some("first"));
        assert_eq!(of("usr/bin/b"), Some("first"));
        assert_eq!(of("usr/bin/c"), Some("two"));
        assert_eq!((of("usr/bin/gone"), of("usr/bin/d")), (None, None));
        // Without a status file, a package is its own source.
        fs::remove_file(tree.path().join(STATUS)).unwrap();
        let owned = owners(tree.path()).unwrap();
        assert_eq!(owned[Path::new("usr/bin/a")], "one");
        fs::create_dir(tree.path().join(STATUS)).unwrap();
        let why = format!("{:#}", owners(tree.path()).unwrap_err());
        assert!(why.contains(STATUS), "{why}");
    }
}
