//! Hostile images unpacked: nothing is written outside the folder, and nothing outside it is changed.

#![no_main]

use std::fs;
use std::io::Write;

use arbitrary::Arbitrary;
use delta_lab::archive::unpack::unpack;
use delta_lab_fuzz::{empty, put};
use libfuzzer_sys::fuzz_target;
use tar::{EntryType, Header};

/// One entry, its names made of few parts so that entries meet each other.
#[derive(Arbitrary, Debug)]
struct Member {
    kind: Kind,
    name: Vec<Part>,
    link: Vec<Part>,
    mode: u16,
    size: u8,
    /// What the header says instead.
    lie: Option<u64>,
}

#[derive(Arbitrary, Debug, Clone, Copy)]
enum Kind {
    File,
    Folder,
    Symlink,
    Link,
    Fifo,
    Sparse,
    Extension,
    Other(u8),
}

#[derive(Arbitrary, Debug, Clone, Copy)]
enum Part {
    A,
    B,
    C,
    Up,
    Here,
    Root,
    Empty,
    Whiteout,
    WhiteoutUp,
    Opaque,
    Outside,
}

fn path(parts: &[Part]) -> Vec<u8> {
    let words = parts.iter().take(6).map(|part| match part {
        Part::A => "a",
        Part::B => "b",
        Part::C => "c",
        Part::Up => "..",
        Part::Here => ".",
        Part::Root => "",
        Part::Empty => "",
        Part::Whiteout => ".wh.a",
        Part::WhiteoutUp => ".wh...",
        Part::Opaque => ".wh..wh..opq",
        Part::Outside => "outside",
    });
    let mut path = words.collect::<Vec<_>>().join("/");
    if matches!(parts.first(), Some(Part::Root)) {
        path.insert(0, '/');
    }
    path.truncate(99);
    path.into_bytes()
}

fn tar_of(members: &[Member]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for member in members.iter().take(24) {
        let mut header = Header::new_gnu();
        let (name, link) = (path(&member.name), path(&member.link));
        let gnu = header.as_gnu_mut().expect("it is one of GNU's");
        gnu.name[..name.len()].copy_from_slice(&name);
        gnu.linkname[..link.len()].copy_from_slice(&link);
        header.set_entry_type(match member.kind {
            Kind::File => EntryType::Regular,
            Kind::Folder => EntryType::Directory,
            Kind::Symlink => EntryType::Symlink,
            Kind::Link => EntryType::Link,
            Kind::Fifo => EntryType::Fifo,
            Kind::Sparse => EntryType::GNUSparse,
            Kind::Extension => EntryType::XHeader,
            Kind::Other(byte) => EntryType::new(byte),
        });
        header.set_mode(u32::from(member.mode));
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1);
        // A lie is bounded, so that a bomb is an error of the limit's and not a full disk.
        header.set_size(member.lie.unwrap_or(u64::from(member.size)));
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
        let mut contents = vec![member.size; usize::from(member.size)];
        contents.resize(contents.len().next_multiple_of(512), 0);
        bytes.extend(contents);
    }
    bytes.extend([0; 1024]);
    bytes
}

fuzz_target!(|members: Vec<Member>| {
    let archive = put("archive.tar", &tar_of(&members));
    let yard = empty("yard");
    let outside = yard.join("outside");
    fs::create_dir(&outside).expect("a folder");
    fs::File::create(outside.join("kept"))
        .and_then(|mut file| file.write_all(b"kept"))
        .expect("a file");
    let root = yard.join("root");
    // An error is as good as a tree: what matters is what lies beside it.
    unpack(&archive, &root).ok();
    let mut beside: Vec<_> = fs::read_dir(&yard)
        .expect("it is there")
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    beside.sort();
    assert!(beside == ["outside", "root"] || beside == ["outside"], "{beside:?}");
    let kept: Vec<_> = fs::read_dir(&outside).expect("it is there").collect();
    assert_eq!(kept.len(), 1, "nothing came and nothing went");
    assert_eq!(fs::read(outside.join("kept")).expect("it is there"), b"kept");
});
