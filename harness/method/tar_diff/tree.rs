//! What a container sees: the regular files of layers that are laid over each other, read from the heads of their tars alone.
//!
//! A delta names files of this tree. So a file that a later layer replaced, removed or hid behind a link is none of it: an
//! engine that has the image mounted can't read it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use anyhow::{Result, ensure};
use tar::EntryType;

use crate::archive::Entry;

/// Links that are followed in one path: the kernel's limit.
const MOST_LINKS: usize = 40;

/// Places without a slash at either end, and without links on their way.
#[derive(Default)]
pub(super) struct Tree {
    nodes: BTreeMap<String, Node>,
}

#[derive(Clone)]
enum Node {
    File(Found),
    Link(String),
    Folder,
    /// A device, a fifo, or a file whose contents are not as the tar has them.
    Other,
}

/// Where the contents of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub layer: usize,
    /// From the start of the file that holds the layer's tar.
    pub offset: u64,
    pub length: u64,
}

impl Tree {
    /// Lays a layer over what is there, entry by entry, as an engine unpacks it.
    pub fn lay(&mut self, layer: usize, entries: &[Entry]) -> Result<()> {
        let mut written = BTreeSet::new();
        for entry in entries {
            let (folder, name) = split(&entry.name);
            if name.is_empty() {
                continue;
            }
            let folder = self.real(&folder)?;
            if let Some(hidden) = name.strip_prefix(".wh.") {
                self.hide(&folder, hidden, &written);
                continue;
            }
            let place = join(&folder, name);
            let node = match entry.kind {
                EntryType::Regular | EntryType::Continuous => Node::File(Found {
                    layer,
                    offset: entry.offset,
                    length: entry.length,
                }),
                EntryType::Link => self.linked(entry.link.as_deref().unwrap_or_default())?,
                EntryType::Symlink => Node::Link(entry.link.clone().unwrap_or_default()),
                EntryType::Directory => Node::Folder,
                _ => Node::Other,
            };
            // What is in a folder stays when that is told of again, and when it was never told of.
            let is_folder = matches!(self.nodes.get(&place), None | Some(Node::Folder));
            if !(is_folder && matches!(node, Node::Folder)) {
                self.remove(&place, &BTreeSet::new());
            }
            self.nodes.insert(place.clone(), node);
            written.insert(place);
        }
        Ok(())
    }

    /// Does what a whiteout says: removes what the layers below have there, and nothing of its own layer.
    fn hide(&mut self, folder: &str, hidden: &str, written: &BTreeSet<String>) {
        match hidden {
            ".wh..opq" => self.empty(folder, written),
            // Metadata of a file system that once stored layers.
            _ if hidden.starts_with(".wh.") => {}
            _ => self.remove(&join(folder, hidden), written),
        }
    }

    /// The files by path, in the order of their paths. One whose path is not UTF-8 can't be named in a delta.
    pub fn files(&self) -> impl Iterator<Item = (&str, Found)> {
        let readable = |path: &str| !path.contains(char::REPLACEMENT_CHARACTER);
        self.nodes
            .iter()
            .filter_map(move |(path, node)| match node {
                Node::File(found) if readable(path) => Some((path.as_str(), *found)),
                _ => None,
            })
    }

    /// What another name of a file is.
    fn linked(&self, target: &str) -> Result<Node> {
        let (folder, name) = split(target);
        let place = join(&self.real(&folder)?, name);
        Ok(self.nodes.get(&place).cloned().unwrap_or(Node::Other))
    }

    /// A folder's place, links on its way followed.
    fn real(&self, folder: &str) -> Result<String> {
        let mut parts: VecDeque<String> = folder.split('/').map(str::to_string).collect();
        let (mut place, mut links) = (String::new(), 0);
        while let Some(part) = parts.pop_front() {
            match part.as_str() {
                "" | "." => {}
                ".." => place.truncate(place.rfind('/').unwrap_or(0)),
                name => {
                    let next = join(&place, name);
                    match self.nodes.get(&next) {
                        Some(Node::Link(target)) => {
                            links += 1;
                            ensure!(links <= MOST_LINKS, "{folder}: its links form a circle");
                            if target.starts_with('/') {
                                place.clear();
                            }
                            for part in target.rsplit('/') {
                                parts.push_front(part.to_string());
                            }
                        }
                        _ => place = next,
                    }
                }
            }
        }
        Ok(place)
    }

    /// Removes what is at a place and below it, but what is kept.
    fn remove(&mut self, place: &str, kept: &BTreeSet<String>) {
        if !kept.contains(place) {
            self.nodes.remove(place);
        }
        self.empty(place, kept);
    }

    fn empty(&mut self, folder: &str, kept: &BTreeSet<String>) {
        // What begins with a path and a slash stands between that and the path with the next byte.
        let below: Vec<String> = match folder {
            "" => self.nodes.keys().cloned().collect(),
            _ => {
                let range = format!("{folder}/")..format!("{folder}0");
                let range = self.nodes.range(range);
                range.map(|(path, _)| path.clone()).collect()
            }
        };
        for path in below.iter().filter(|path| !kept.contains(*path)) {
            self.nodes.remove(path);
        }
    }
}

/// A path's folder, and its last name.
fn split(path: &str) -> (String, &str) {
    let path = path.trim_end_matches('/');
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let name = if name == "." { "" } else { name };
    (folder.to_string(), name)
}

fn join(folder: &str, name: &str) -> String {
    match folder {
        "" => name.to_string(),
        folder => format!("{folder}/{name}"),
    }
}

/// A path as the tree has it, where no links are on its way.
pub(super) fn plain(path: &str) -> String {
    let parts = path.split('/').filter(|part| !["", "."].contains(part));
    parts.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, kind: EntryType, at: u64, link: &str) -> Entry {
        Entry {
            name: name.to_string(),
            kind,
            offset: at,
            length: 1,
            link: Some(link.to_string()),
        }
    }

    fn file(name: &str, at: u64) -> Entry {
        entry(name, EntryType::Regular, at, "")
    }

    fn seen(layers: &[&[Entry]]) -> Vec<(String, usize, u64)> {
        let mut tree = Tree::default();
        for (number, layer) in layers.iter().enumerate() {
            tree.lay(number, layer).unwrap();
        }
        let files = tree.files();
        files
            .map(|(path, found)| (path.to_string(), found.layer, found.offset))
            .collect()
    }

    fn paths(layers: &[&[Entry]]) -> Vec<String> {
        seen(layers).into_iter().map(|(path, _, _)| path).collect()
    }

    #[test]
    fn the_upper_layer_is_seen_and_whiteouts_remove_what_is_below_them() {
        let lower = [
            file("./a", 1),
            file("b/c", 2),
            file("b/d", 3),
            file("bc", 4),
        ];
        let upper = [file("a", 9), file("b/.wh.c", 0), file("b/e", 8)];
        let all = seen(&[&lower, &upper]);
        let named = |path: &str, layer, at| (path.to_string(), layer, at);
        assert_eq!(
            all,
            [
                named("a", 1, 9),
                named("b/d", 0, 3),
                named("b/e", 1, 8),
                named("bc", 0, 4)
            ]
        );
        let opaque = [file("b/e", 8), file("b/.wh..wh..opq", 0)];
        assert_eq!(paths(&[&lower, &opaque]), ["a", "b/e", "bc"]);
        assert_eq!(paths(&[&lower, &[file(".wh.b", 0)]]), ["a", "bc"]);
        assert_eq!(paths(&[&lower, &[file("b/.wh..wh.plnk", 0)]]).len(), 4);
        // A whiteout is about the place that its folder has when its turn comes.
        let lower = [file("lib/x", 1), file("usr/lib/x", 2)];
        let link = entry("lib", EntryType::Symlink, 0, "usr/lib");
        let hides = file("lib/.wh.x", 0);
        assert_eq!(paths(&[&lower, &[link.clone(), hides.clone()]]), [""; 0]);
        assert_eq!(paths(&[&lower, &[hides, link]]), ["usr/lib/x"]);
    }

    #[test]
    fn what_lies_behind_a_link_has_the_place_that_it_leads_to() {
        let link = |name, to| entry(name, EntryType::Symlink, 0, to);
        let lower = [
            file("usr/bin/x", 1),
            link("bin", "usr/bin"),
            link("abs", "/usr/bin"),
        ];
        let upper = [file("bin/x", 7), file("abs/y", 8)];
        let all = seen(&[&lower, &upper]);
        assert_eq!(
            all,
            [
                ("usr/bin/x".to_string(), 1, 7),
                ("usr/bin/y".to_string(), 1, 8)
            ]
        );
        // A link that takes the place of a folder hides what was in it, and one in place of a file hides that.
        assert_eq!(paths(&[&lower, &[link("usr", "/opt")]]), [""; 0]);
        assert_eq!(paths(&[&lower, &[link("usr/bin/x", "y")]]), [""; 0]);
        let circle = [link("a", "b"), link("b", "a"), file("a/x", 1)];
        assert!(Tree::default().lay(0, &circle).is_err());
    }

    #[test]
    fn names_of_one_file_are_all_sources_and_devices_are_none() {
        let hard = entry("z", EntryType::Link, 0, "./a");
        let all = seen(&[&[file("a", 5), hard, entry("dev", EntryType::Char, 0, "")]]);
        assert_eq!(all, [("a".to_string(), 0, 5), ("z".to_string(), 0, 5)]);
        // It stays what it was when its first name is given to another.
        let hard = entry("z", EntryType::Link, 0, "a");
        let all = seen(&[&[file("a", 5), hard], &[file("a", 6)]]);
        assert_eq!(all, [("a".to_string(), 1, 6), ("z".to_string(), 0, 5)]);
        assert_eq!(plain("./a//b/"), "a/b");
    }
}
