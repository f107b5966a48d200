//! Writes tars whose bytes depend on nothing but their contents: every image archive made here, and the layers in it.

use std::io::Write;

use anyhow::{Context, Result};
use tar::{EntryType, Header};

use super::walk::BLOCK_BYTES;

/// The format of a tar's headers.
#[derive(Clone, Copy, Debug)]
pub enum HeaderForm {
    Gnu,
    /// POSIX.1-1988, with device numbers in every header.
    Ustar,
}

/// What a member's header says.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    pub kind: EntryType,
    /// A folder's path ends with `/`.
    pub path: &'a str,
    /// Target of a link.
    pub link: Option<&'a str>,
    pub mode: u32,
    /// User and group.
    pub owner: u64,
    pub bytes: u64,
    /// Seconds since 1970.
    pub mtime_s: u64,
}

impl<'a> Member<'a> {
    /// A file that belongs to root, or a folder when `path` ends with `/`.
    pub fn of_root(path: &'a str, bytes: u64, mtime_s: u64) -> Member<'a> {
        let (kind, mode) = if path.ends_with('/') {
            (EntryType::Directory, 0o755)
        } else {
            (EntryType::Regular, 0o644)
        };
        Member {
            kind,
            path,
            link: None,
            mode,
            owner: 0,
            bytes,
            mtime_s,
        }
    }

    /// Fails when the path or the link is too long for a header.
    pub fn header(&self, form: HeaderForm) -> Result<Header> {
        let mut header = match form {
            HeaderForm::Gnu => Header::new_gnu(),
            HeaderForm::Ustar => Header::new_ustar(),
        };
        header.set_entry_type(self.kind);
        header
            .set_path(self.path)
            .with_context(|| format!("{}: this path does not fit a tar's header", self.path))?;
        if let Some(link) = self.link {
            header
                .set_link_name(link)
                .with_context(|| format!("{}: its link to {link} does not fit", self.path))?;
        }
        header.set_mode(self.mode);
        header.set_uid(self.owner);
        header.set_gid(self.owner);
        header.set_size(self.bytes);
        header.set_mtime(self.mtime_s);
        if matches!(form, HeaderForm::Ustar) {
            header.set_device_major(0)?;
            header.set_device_minor(0)?;
        }
        header.set_cksum();
        Ok(header)
    }
}

/// A tar that is being written.
pub struct TarWriter<W> {
    pub out: W,
    form: HeaderForm,
}

impl<W: Write> TarWriter<W> {
    pub fn new(form: HeaderForm, out: W) -> TarWriter<W> {
        TarWriter { out, form }
    }

    /// Writes a header; the caller writes the contents and then calls `pad`.
    pub fn head(&mut self, member: &Member) -> Result<()> {
        Ok(self.out.write_all(member.header(self.form)?.as_bytes())?)
    }

    /// Fills the last block of contents of this length.
    pub fn pad(&mut self, bytes: u64) -> Result<()> {
        let rest = bytes.next_multiple_of(BLOCK_BYTES) - bytes;
        Ok(self.out.write_all(&vec![0; rest as usize])?)
    }

    /// Writes a member whose contents are in memory.
    pub fn whole(&mut self, member: &Member, contents: &[u8]) -> Result<()> {
        self.head(member)
            .and_then(|()| Ok(self.out.write_all(contents)?))
            .and_then(|()| self.pad(member.bytes))
            .with_context(|| format!("write {} into the archive", member.path))
    }

    /// Writes the two empty blocks that end a tar.
    pub fn finish(mut self) -> Result<W> {
        self.out
            .write_all(&[0; 2 * BLOCK_BYTES as usize])
            .and_then(|()| self.out.flush())
            .context("write the end of the archive")?;
        Ok(self.out)
    }
}
