//! What the headers of an entry say, besides its name and its contents.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;

use anyhow::{Context, Result, ensure};
use tar::{Entry, EntryType};

use super::keeps_xattr;

/// Prefix of an extended attribute's key in a pax header, and of an access control list's.
const PAX_XATTR: &[u8] = b"SCHILY.xattr.";
const PAX_ACL: &[u8] = b"SCHILY.acl.";

/// The name and the value of an extended attribute.
type Xattr = (OsString, Vec<u8>);

pub(super) struct About {
    pub kind: EntryType,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Seconds since 1970.
    pub mtime_s: i64,
    /// Those that are kept.
    pub xattrs: Vec<Xattr>,
    /// Number of those that are not kept, access control lists among them.
    pub xattrs_left_out: u64,
}

impl About {
    /// Reads the headers of an entry; `name` is its name.
    pub fn read(entry: &mut Entry<impl Read>, name: &[u8]) -> Result<About> {
        let (xattrs, xattrs_left_out) = xattrs(entry)?;
        let header = entry.header();
        let mut kind = header.entry_type();
        // In tars older than POSIX only the end of its name marks a folder.
        if kind == EntryType::Regular && name.ends_with(b"/") {
            kind = EntryType::Directory;
        }
        let mtime_s = header.mtime().context("a damaged time")?;
        Ok(About {
            kind,
            mode: header.mode().context("a damaged mode")? & 0o7777,
            uid: id(header.uid(), "owner")?,
            gid: id(header.gid(), "group")?,
            mtime_s: i64::try_from(mtime_s)
                .with_context(|| format!("time {mtime_s} is out of range"))?,
            xattrs,
            xattrs_left_out,
        })
    }
}

/// Extended attributes that are kept, and the number of the others.
fn xattrs(entry: &mut Entry<impl Read>) -> Result<(Vec<Xattr>, u64)> {
    let (mut kept, mut left_out) = (Vec::new(), 0);
    let extensions = entry.pax_extensions().context("a damaged pax header")?;
    for extension in extensions.into_iter().flatten() {
        let extension = extension.context("a damaged pax header")?;
        let key = extension.key_bytes();
        // As in `walk`: read as an ordinary file it would be wrong, without an error.
        ensure!(
            !key.starts_with(b"GNU.sparse"),
            "a sparse file in pax form, which is not read here (write it with tar --format=gnu, or without --sparse)"
        );
        match key.strip_prefix(PAX_XATTR) {
            Some(key) if keeps_xattr(key) => kept.push((
                OsStr::from_bytes(key).to_owned(),
                extension.value_bytes().to_vec(),
            )),
            Some(_) => left_out += 1,
            None if key.starts_with(PAX_ACL) => left_out += 1,
            None => {}
        }
    }
    Ok((kept, left_out))
}

fn id(id: io::Result<u64>, what: &str) -> Result<u32> {
    let id = id.with_context(|| format!("a damaged {what}"))?;
    u32::try_from(id).with_context(|| format!("{what} {id} is out of range"))
}
