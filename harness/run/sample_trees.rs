//! Small trees, as tars, for the proof of methods that move trees: one of everything that is easily lost on the way.

use std::io;

use anyhow::{Context, Result};
use tar::{Builder, EntryType, Header};

/// A capability as it lies in `security.capability`: the kernel's vfs_cap_data of revision 2 (linux/capability.h) with
/// cap_net_raw permitted and effective.
const NET_RAW: [u8; 20] = [
    1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
];

/// A tree with nothing in it.
pub fn empty() -> Result<Vec<u8>> {
    let mut tree = Tree::new();
    tree.folder("./", 0o755)?;
    tree.done()
}

/// A tree whose files hold stretches of `text`, as they were in an earlier release.
pub fn earlier(text: &[u8]) -> Result<Vec<u8>> {
    let mut tree = Tree::new();
    common(&mut tree)?;
    let (first, rest) = text.split_at(text.len() / 2);
    tree.file("usr/bin/tool", 0o755, first)?;
    tree.file("usr/lib/library.so", 0o644, rest)?;
    tree.file("usr/share/removed", 0o644, b"of the earlier release alone")?;
    tree.file("usr/share/becomes-a-folder", 0o644, b"a file yet")?;
    tree.symlink("usr/share/current", "1.0")?;
    tree.done()
}

/// The release after it: a file changed in its middle, one added and one removed, a mode, an owner, a link and a kind
/// changed.
pub fn later(text: &[u8], put_in: &[u8]) -> Result<Vec<u8>> {
    let mut tree = Tree::new();
    common(&mut tree)?;
    let (first, rest) = text.split_at(text.len() / 2);
    let (head, tail) = first.split_at(first.len() / 2);
    tree.file("usr/bin/tool", 0o4755, &[head, put_in, tail].concat())?;
    tree.owned("usr/lib/library.so", 0o644, 33, rest)?;
    tree.file("usr/share/added", 0o600, put_in)?;
    tree.folder("usr/share/becomes-a-folder/", 0o750)?;
    tree.symlink("usr/share/current", "2.0")?;
    tree.done()
}

/// What every release has.
fn common(tree: &mut Tree) -> Result<()> {
    tree.folder("./", 0o755)?;
    tree.folder("empty/", 0o700)?;
    tree.folder("tmp/", 0o1777)?;
    tree.folder("var/mail/", 0o2775)?;
    tree.file("usr/bin/su", 0o4755, b"setuid")?;
    tree.owned("var/mail/somebody", 0o640, 1000, b"")?;
    tree.file("etc/a name with spaces, \u{e9} and 'quotes'", 0o644, b"x")?;
    tree.file(
        &format!("{}name", "a-long-way-down/".repeat(20)),
        0o644,
        b"x",
    )?;
    tree.symlink("bin", "usr/bin")?;
    tree.symlink("etc/dangling", "/nowhere/at/all")?;
    tree.hard_link("usr/bin/su-again", "usr/bin/su")?;
    tree.capable("usr/bin/ping", b"capable")
}

struct Tree(Builder<Vec<u8>>);

impl Tree {
    fn new() -> Tree {
        Tree(Builder::new(Vec::new()))
    }

    fn put(&mut self, name: &str, header: &mut Header, contents: &[u8]) -> Result<()> {
        // The same in all: times are not compared.
        header.set_mtime(1_600_000_000);
        header.set_size(contents.len() as u64);
        done(name, self.0.append_data(header, name, contents))
    }

    fn file(&mut self, name: &str, mode: u32, contents: &[u8]) -> Result<()> {
        self.put(name, &mut header(EntryType::Regular, mode, 0), contents)
    }

    fn owned(&mut self, name: &str, mode: u32, owner: u64, contents: &[u8]) -> Result<()> {
        self.put(name, &mut header(EntryType::Regular, mode, owner), contents)
    }

    fn folder(&mut self, name: &str, mode: u32) -> Result<()> {
        self.put(name, &mut header(EntryType::Directory, mode, 0), b"")
    }

    fn capable(&mut self, name: &str, contents: &[u8]) -> Result<()> {
        let extension = [("SCHILY.xattr.security.capability", &NET_RAW[..])];
        done(name, self.0.append_pax_extensions(extension))?;
        self.file(name, 0o755, contents)
    }

    fn symlink(&mut self, name: &str, target: &str) -> Result<()> {
        let mut header = header(EntryType::Symlink, 0o777, 0);
        done(name, self.0.append_link(&mut header, name, target))
    }

    fn hard_link(&mut self, name: &str, target: &str) -> Result<()> {
        let mut header = header(EntryType::Link, 0o755, 0);
        done(name, self.0.append_link(&mut header, name, target))
    }

    fn done(self) -> Result<Vec<u8>> {
        self.0.into_inner().context("end a sample tree")
    }
}

fn header(kind: EntryType, mode: u32, owner: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(owner);
    header.set_gid(owner);
    header.set_size(0);
    header
}

fn done(name: &str, put: io::Result<()>) -> Result<()> {
    put.with_context(|| format!("put {name} into a sample tree"))
}
