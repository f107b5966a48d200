//! Walks over the headers of a tar: names, offsets and lengths, without unpacking.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use anyhow::{Context, Result, bail, ensure};
use tar::{EntryType, Header, PaxExtensions};

/// Length in bytes of a tar's blocks: headers fill one, contents are padded to whole ones.
pub(super) const BLOCK_BYTES: u64 = 512;

/// Longest long name or pax header that is read; real ones (extended attributes) are far shorter.
const AHEAD_LIMIT_BYTES: u64 = 16 << 20;

/// One entry of a tar.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// As the archive spells it, with GNU long names and pax paths resolved. Bytes that are not UTF-8 are replaced.
    pub name: String,
    pub kind: EntryType,
    /// Where the contents begin, in bytes from the start of the file that was read.
    pub offset: u64,
    /// Bytes of contents, as stored.
    pub length: u64,
    /// What a symbolic or a hard link points to.
    pub link: Option<String>,
}

/// A part of a file that is a tar, compressed or not; `what` names it in errors.
pub struct FilePart<'a> {
    pub file: &'a File,
    pub what: String,
    pub offset: u64,
    pub length: u64,
}

impl FilePart<'_> {
    /// Whether a tar begins here: the `ustar` magic of its first header.
    pub fn begins_as_tar(&self) -> Result<bool> {
        if self.length < 262 {
            return Ok(false);
        }
        Ok(self.bytes(257, 5)? == b"ustar")
    }

    /// `length` bytes at `at`, counted from the part's start.
    pub fn bytes(&self, at: u64, length: u64) -> Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(length).context("a length beyond memory")?];
        self.fill(at, &mut bytes)?;
        Ok(bytes)
    }

    /// Fills the buffer from the byte `at` of the part on, which must have as many.
    pub fn fill(&self, at: u64, buffer: &mut [u8]) -> Result<()> {
        self.file
            .read_exact_at(buffer, self.offset + at)
            .with_context(|| format!("read {} at offset {}", self.what, self.offset + at))
    }

    /// Reads all its bytes. The file's own position does not move, so several parts of one file can be read at once.
    pub fn reader(&self) -> impl Read {
        let from = Pread {
            file: self.file,
            at: self.offset,
        };
        from.take(self.length)
    }
}

/// Reads a shared file from a position of its own.
struct Pread<'a> {
    file: &'a File,
    at: u64,
}

impl Read for Pread<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// What extension headers say about the entry that follows them.
#[derive(Default)]
struct Ahead {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
}

/// Calls `each` with every entry in order.
///
/// Fails when the tar is cut short, when a header is damaged, and when a name leads out of the folder it is unpacked in;
/// the error names the entry and its offset in the file. Contents are skipped, not read.
pub(super) fn walk(tar: &FilePart, each: &mut dyn FnMut(Entry) -> Result<()>) -> Result<()> {
    let mut at = 0;
    let mut ahead = Ahead::default();
    let mut last = "its start".to_string();
    loop {
        let place = tar.offset + at;
        ensure!(
            at + BLOCK_BYTES <= tar.length,
            "{}: cut short at offset {place}, after {last}",
            tar.what
        );
        let block = tar.bytes(at, BLOCK_BYTES)?;
        if block.iter().all(|&byte| byte == 0) {
            return Ok(());
        }
        let header = Header::from_byte_slice(&block);
        check_sum(header).with_context(|| {
            format!(
                "{}: damaged header at offset {place}, after {last}",
                tar.what
            )
        })?;
        let kind = header.entry_type();
        let name = match ahead.name.as_ref() {
            Some(name) if !is_extension(kind) => name.clone(),
            _ => header.path_bytes().into_owned(),
        };
        let shown = String::from_utf8_lossy(&name).into_owned();
        let said = || format!("{}: entry {shown} at offset {place}", tar.what);

        let from = at + BLOCK_BYTES + sparse_maps(tar, header, at).with_context(said)?;
        let length = stored_length(header, &ahead).with_context(said)?;
        let end = length
            .checked_next_multiple_of(BLOCK_BYTES)
            .and_then(|padded| padded.checked_add(from))
            .filter(|&end| end <= tar.length);
        let Some(end) = end else {
            bail!("{}: cut short inside its {length} bytes", said());
        };

        if is_extension(kind) {
            ensure!(
                length <= AHEAD_LIMIT_BYTES,
                "{}: an extension header of {length} bytes",
                said()
            );
            ahead
                .note(kind, tar.bytes(from, length)?)
                .with_context(said)?;
        } else {
            check_name(&name).with_context(said)?;
            let link = ahead
                .link
                .or_else(|| header.link_name_bytes().map(|link| link.into_owned()));
            each(Entry {
                name: shown.clone(),
                kind,
                offset: tar.offset + from,
                length,
                link: link.map(|link| String::from_utf8_lossy(&link).into_owned()),
            })?;
            ahead = Ahead::default();
        }
        last = format!("entry {shown}");
        at = end;
    }
}

impl Ahead {
    fn note(&mut self, kind: EntryType, bytes: Vec<u8>) -> Result<()> {
        match kind {
            EntryType::GNULongName => self.name = Some(until_nul(bytes)),
            EntryType::GNULongLink => self.link = Some(until_nul(bytes)),
            _ => {
                for record in PaxExtensions::new(&bytes) {
                    let record = record.context("a damaged pax header")?;
                    let key = record.key_bytes();
                    // The contents of such an entry start with a map, and its name is in another header. Read as an
                    // ordinary file it would be wrong, without an error.
                    ensure!(
                        !key.starts_with(b"GNU.sparse"),
                        "a sparse file in pax form, which is not read here (write it with tar --format=gnu, or without --sparse)"
                    );
                    // A global header is about all later entries; names and sizes are not put there.
                    if kind == EntryType::XGlobalHeader {
                        continue;
                    }
                    match key {
                        b"path" => self.name = Some(record.value_bytes().to_vec()),
                        b"linkpath" => self.link = Some(record.value_bytes().to_vec()),
                        b"size" => {
                            let size = record.value().ok().and_then(|size| size.parse().ok());
                            self.size = Some(size.context("a damaged size in a pax header")?);
                        }
                        _ => {}
                    }
                }
            }
        }
        Ok(())
    }
}

fn is_extension(kind: EntryType) -> bool {
    matches!(
        kind,
        EntryType::GNULongName
            | EntryType::GNULongLink
            | EntryType::XHeader
            | EntryType::XGlobalHeader
    )
}

/// Bytes of contents after the header. Links, folders and devices have none, whatever their header says: so do Go's
/// archive/tar, which Docker uses, and GNU tar read them.
fn stored_length(header: &Header, ahead: &Ahead) -> Result<u64> {
    let kind = header.entry_type();
    if matches!(
        kind,
        EntryType::Link
            | EntryType::Symlink
            | EntryType::Char
            | EntryType::Block
            | EntryType::Directory
            | EntryType::Fifo
    ) {
        return Ok(0);
    }
    match ahead.size {
        Some(size) if !is_extension(kind) => Ok(size),
        _ => header.entry_size().context("a damaged size"),
    }
}

/// Bytes of further map blocks that follow the header of a sparse file in GNU's own form.
fn sparse_maps(tar: &FilePart, header: &Header, at: u64) -> Result<u64> {
    let mut more = header
        .as_gnu()
        .is_some_and(|gnu| header.entry_type() == EntryType::GNUSparse && gnu.isextended[0] == 1);
    let mut bytes = 0;
    while more {
        bytes += BLOCK_BYTES;
        ensure!(
            at + bytes + BLOCK_BYTES <= tar.length,
            "cut short inside its sparse map"
        );
        // Byte 504 of a map block tells whether another follows.
        more = tar.bytes(at + bytes + 504, 1)?[0] == 1;
    }
    Ok(bytes)
}

/// Verifies the header's checksum: the sum of its bytes, with the eight bytes of the checksum read as spaces.
fn check_sum(header: &Header) -> Result<()> {
    let bytes = header.as_bytes();
    let sum = bytes[..148].iter().chain(&bytes[156..]);
    let sum = sum.map(|&byte| u32::from(byte)).sum::<u32>() + 8 * u32::from(b' ');
    ensure!(sum == header.cksum()?, "its checksum does not match");
    Ok(())
}

/// Refuses names that lead out of the folder they are unpacked in.
pub(super) fn check_name(name: &[u8]) -> Result<()> {
    ensure!(!name.starts_with(b"/"), "an absolute name");
    ensure!(
        !name.split(|&byte| byte == b'/').any(|part| part == b".."),
        "a name with `..` in it"
    );
    Ok(())
}

fn until_nul(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.iter().position(|&byte| byte == 0);
    bytes.truncate(end.unwrap_or(bytes.len()));
    bytes
}

#[cfg(test)]
mod tests;
