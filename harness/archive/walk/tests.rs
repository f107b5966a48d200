//! Claims about where the entries of a tar lie, in forms that writers seldom use.

use std::io::Write;

use tar::{Builder, EntryType, Header};

use super::*;

/// The entries of a tar, which lies somewhere in a file.
fn entries(tar: &[u8]) -> Result<Vec<Entry>> {
    const BEFORE: &[u8] = b"what lies before it";
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&[BEFORE, tar].concat()).unwrap();
    let part = FilePart {
        file: &file,
        what: "a.tar".to_string(),
        offset: BEFORE.len() as u64,
        length: tar.len() as u64,
    };
    let mut found = Vec::new();
    walk(&part, &mut |mut entry| {
        entry.offset -= part.offset;
        found.push(entry);
        Ok(())
    })?;
    Ok(found)
}

fn named(entries: &[Entry]) -> Vec<(&str, u64, u64)> {
    let named = entries.iter();
    named
        .map(|entry| (entry.name.as_str(), entry.offset, entry.length))
        .collect()
}

/// A header of a file, whose size stands there as it is told.
fn header(name: &str, kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_path(name).unwrap();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_cksum();
    header
}

/// Contents as they are stored: up to whole blocks.
fn block(bytes: &[u8]) -> [u8; 512] {
    std::array::from_fn(|at| bytes.get(at).copied().unwrap_or_default())
}

/// Beyond 8 GiB a size does not fit into a header, and some writers leave a zero there.
#[test]
fn a_size_in_a_pax_header_counts_and_the_one_in_the_entrys_own_does_not() {
    let mut tar = Builder::new(Vec::new());
    tar.append_pax_extensions([("size", &b"5"[..])]).unwrap();
    let ahead = tar.get_ref().len() as u64;
    let mut tar = tar.into_inner().unwrap();
    tar.truncate(ahead as usize);
    tar.extend(header("large", EntryType::Regular, 0).as_bytes());
    tar.extend(block(b"12345"));
    tar.extend(header("next", EntryType::Regular, 1).as_bytes());
    tar.extend(block(b"x"));
    tar.extend([0; 1024]);
    let found = entries(&tar).unwrap();
    assert_eq!(
        named(&found),
        [("large", ahead + 512, 5), ("next", ahead + 1536, 1)]
    );
}

/// What is said of the next file is not said of the header that says the rest of it.
#[test]
fn a_long_name_between_a_pax_header_and_its_file_has_its_own_size() {
    let mut tar = Builder::new(Vec::new());
    tar.append_pax_extensions([("size", &b"5"[..]), ("path", b"in pax")])
        .unwrap();
    let ahead = tar.get_ref().len();
    let mut tar = tar.into_inner().unwrap();
    tar.truncate(ahead);
    tar.extend(header("././@LongLink", EntryType::GNULongLink, 7).as_bytes());
    tar.extend(block(b"target\0"));
    tar.extend(header("short", EntryType::Regular, 5).as_bytes());
    tar.extend(block(b"12345"));
    tar.extend([0; 1024]);
    let found = entries(&tar).unwrap();
    assert_eq!(named(&found), [("in pax", ahead as u64 + 1536, 5)]);
    assert_eq!(found[0].link.as_deref(), Some("target"));
}

/// GNU tar writes more than four holes of a file into blocks of their own, between its header and its contents.
#[test]
fn the_contents_of_a_sparse_file_begin_after_its_map() {
    let mut sparse = header("holes", EntryType::GNUSparse, 5);
    sparse.as_gnu_mut().unwrap().isextended[0] = 1;
    sparse.set_cksum();
    let mut more = [0; 512];
    more[504] = 1;
    let mut tar = Vec::new();
    tar.extend(sparse.as_bytes());
    tar.extend(more);
    tar.extend([0; 512]);
    tar.extend(block(b"12345"));
    tar.extend(header("next", EntryType::Regular, 0).as_bytes());
    tar.extend([0; 1024]);
    let found = entries(&tar).unwrap();
    assert_eq!(named(&found), [("holes", 1536, 5), ("next", 2560, 0)]);
    // A map that does not end within the tar.
    let why = entries(&tar[..1024]).unwrap_err();
    assert!(
        format!("{why:#}").contains("cut short inside its sparse map"),
        "{why:#}"
    );
    // The byte says so of sparse files alone, and only when it is a one.
    let mut file = header("file", EntryType::Regular, 5);
    file.as_gnu_mut().unwrap().isextended[0] = 1;
    file.set_cksum();
    for first in [file, header("sparse", EntryType::GNUSparse, 5)] {
        let mut tar = first.as_bytes().to_vec();
        tar.extend(block(b"12345"));
        tar.extend([0; 1024]);
        let found = entries(&tar).unwrap();
        assert_eq!((found[0].offset, found[0].length), (512, 5));
    }
}
