//! A layer: the tar of the files that one step of an image's build wrote.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;

use anyhow::{Context, Result};
use tar::{EntryType, Header};

use super::package::{Mtime, Package, What};
use super::recipe::FileRecipe;
use super::shelf::PackageKind;
use crate::archive::writer::{HeaderForm, Member};
use crate::dice::mix_text;
use crate::image::{Hashing, sha256_hex};

/// What a layer is for. It keeps its role when layers are reordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Base,
    Packages,
    Application,
    Settings,
}

impl Role {
    /// The command that made the layer, as an image's history shows it.
    pub fn command(self) -> &'static str {
        match self {
            Role::Base => "/bin/sh -c #(nop) ADD file:rootfs.tar in / ",
            Role::Packages => {
                "/bin/sh -c apt-get update && apt-get install -y --no-install-recommends $PACKAGES"
            }
            Role::Application => "/bin/sh -c #(nop) COPY dir:app in /opt/app ",
            Role::Settings => "/bin/sh -c /opt/app/hooks/configure",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct LayerRecipe {
    pub role: Role,
    pub packages: Vec<Package>,
    /// Seconds since 1970 at which the layer was built: the mtime of what the build itself writes.
    pub built: u64,
}

/// One member of a layer's tar.
struct LayerMember<'a> {
    body: Body<'a>,
    mode: u32,
    owner: u64,
    mtime: u64,
}

enum Body<'a> {
    Folder,
    Recipe(&'a FileRecipe, &'a Package),
    Given(String),
    Symlink(String),
    Hardlink(String),
}

/// Empty folders of every base system, with their modes.
const EMPTY_FOLDERS: [(&str, u32); 7] = [
    ("dev", 0o755),
    ("home", 0o755),
    ("proc", 0o755),
    ("root", 0o700),
    ("run", 0o755),
    ("sys", 0o755),
    ("tmp", 0o1777),
];

impl LayerRecipe {
    /// Writes the layer's tar to `out`, its members sorted by path, and returns its length and sha256. `below` are the
    /// packages of the layers below, which dpkg's status file in this layer lists too.
    pub fn write(&self, below: &[&Package], out: &mut dyn Write) -> Result<(u64, String)> {
        let mut tar = tar::Builder::new(Hashing::new(out));
        let mut bytes = Vec::new();
        for (path, member) in self.members(below) {
            let path = path.join("/");
            bytes.clear();
            match &member.body {
                Body::Recipe(content, package) => content.write(&package.label(), &mut bytes),
                Body::Given(text) => bytes.extend_from_slice(text.as_bytes()),
                Body::Folder | Body::Symlink(_) | Body::Hardlink(_) => {}
            }
            let header = member.header(&path, bytes.len() as u64)?;
            tar.append(&header, bytes.as_slice())
                .with_context(|| format!("write {path} into a layer"))?;
        }
        let hashing = tar.into_inner().context("end a layer")?;
        Ok(hashing.finish())
    }

    /// Members by path. A path is a list of names, so that a folder sorts directly before its contents.
    fn members<'a>(&'a self, below: &[&Package]) -> BTreeMap<Vec<String>, LayerMember<'a>> {
        let mut members = BTreeMap::new();
        for package in &self.packages {
            for file in &package.files {
                let body = match &file.what {
                    What::File(content) => Body::Recipe(content, package),
                    What::Symlink(target) => Body::Symlink(package.resolve(target)),
                    What::Hardlink(target) => Body::Hardlink(package.resolve(target)),
                };
                let mtime = match file.mtime {
                    Mtime::Packed => package.released,
                    Mtime::Built => self.built_at(&file.path),
                    Mtime::At(seconds) => seconds,
                };
                let path = package.resolve(&file.path);
                self.add(&mut members, &path, body, file.mode, file.owner, mtime);
            }
        }
        self.add_dpkg(&mut members, below);
        if self.role == Role::Base {
            for (path, mode) in EMPTY_FOLDERS {
                let mtime = self.built_at(path);
                self.add(&mut members, path, Body::Folder, mode, 0, mtime);
            }
        }
        members
    }

    /// Adds one member and its parent folders.
    fn add<'a>(
        &self,
        members: &mut BTreeMap<Vec<String>, LayerMember<'a>>,
        path: &str,
        body: Body<'a>,
        mode: u32,
        owner: u64,
        mtime: u64,
    ) {
        let names: Vec<String> = path.split('/').map(str::to_string).collect();
        for depth in 1..names.len() {
            members
                .entry(names[..depth].to_vec())
                .or_insert_with(|| LayerMember {
                    body: Body::Folder,
                    mode: 0o755,
                    owner: 0,
                    mtime: self.built_at(&names[..depth].join("/")),
                });
        }
        let member = LayerMember {
            body,
            mode,
            owner,
            mtime,
        };
        members.insert(names, member);
    }

    /// Adds dpkg's database: the files and checksums of each package, and the status of all packages.
    fn add_dpkg(&self, members: &mut BTreeMap<Vec<String>, LayerMember<'_>>, below: &[&Package]) {
        let known = |package: &&Package| package.kind == PackageKind::System;
        let here: Vec<&Package> = self.packages.iter().filter(known).collect();
        if here.is_empty() {
            return;
        }
        for package in &here {
            let info = format!("var/lib/dpkg/info/{}", package.name);
            let (list, sums) = lists(package);
            let path = format!("{info}.list");
            let mtime = self.built_at(&path);
            self.add(members, &path, Body::Given(list), 0o644, 0, mtime);
            let path = format!("{info}.md5sums");
            self.add(
                members,
                &path,
                Body::Given(sums),
                0o644,
                0,
                package.released,
            );
        }
        let mut all: Vec<&Package> = below.iter().copied().filter(known).chain(here).collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        let path = "var/lib/dpkg/status";
        let status = all.into_iter().map(status).collect();
        self.add(
            members,
            path,
            Body::Given(status),
            0o644,
            0,
            self.built_at(path),
        );
    }

    /// The time at which the build wrote `path`: within half a minute of its start.
    fn built_at(&self, path: &str) -> u64 {
        self.built + mix_text(self.role as u64, path) % 30
    }
}

impl LayerMember<'_> {
    fn header(&self, path: &str, bytes: u64) -> Result<Header> {
        let folder = format!("{path}/");
        let (kind, path, link) = match &self.body {
            Body::Folder => (EntryType::Directory, folder.as_str(), None),
            Body::Recipe(..) | Body::Given(_) => (EntryType::Regular, path, None),
            Body::Symlink(target) => (EntryType::Symlink, path, Some(target.as_str())),
            Body::Hardlink(target) => (EntryType::Link, path, Some(target.as_str())),
        };
        let member = Member {
            kind,
            path,
            link,
            mode: self.mode,
            owner: self.owner,
            bytes,
            mtime_s: self.mtime,
        };
        member.header(HeaderForm::Ustar)
    }
}

/// A package's list of files and its list of checksums. The checksums are of the recipes: they change when a file does,
/// and do not need its contents.
fn lists(package: &Package) -> (String, String) {
    let (mut list, mut sums) = (String::from("/.\n"), String::new());
    for file in &package.files {
        let path = package.resolve(&file.path);
        list.push_str(&format!("/{path}\n"));
        if let What::File(content) = &file.what {
            let recipe = format!("{}{:016x}", package.version, content.identity());
            let sum = sha256_hex(recipe.as_bytes());
            sums.push_str(&format!("{}  {path}\n", &sum[..32]));
        }
    }
    (list, sums)
}

/// A package's paragraph in dpkg's status file.
fn status(package: &Package) -> String {
    let mut text = String::new();
    let Package { name, version, .. } = package;
    // Writing into a string cannot fail.
    let _ = write!(
        text,
        "Package: {name}\nStatus: install ok installed\nPriority: optional\nSection: libs\nInstalled-Size: {}\n\
         Maintainer: The {name} maintainers <{name}@example.org>\nArchitecture: amd64\nVersion: {version}-1\n\
         Depends: libc6 (>= 2.34)\nDescription: the {name} files\n Made for tests of image transfer.\n\n",
        package.bytes() / 1024
    );
    text
}
