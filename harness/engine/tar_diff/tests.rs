use std::collections::BTreeMap;

use anyhow::Context;

use super::*;
use crate::dice::{Dice, noise};

/// A tree in memory, and its sources.
fn sources(files: &BTreeMap<String, Vec<u8>>) -> Sources<'static> {
    let files = files.iter().map(|(path, contents)| Source {
        path: path.clone(),
        bytes: Box::new(contents.clone()),
    });
    Sources::of(files.collect()).unwrap()
}

fn tree(files: &[(&str, Vec<u8>)]) -> BTreeMap<String, Vec<u8>> {
    let files = files.iter();
    files
        .map(|(path, contents)| (path.to_string(), contents.clone()))
        .collect()
}

/// A tar in name: contents with heads of 512 bytes before them.
fn tar(files: &[(&str, Vec<u8>)]) -> (Vec<u8>, Vec<Span>) {
    let (mut bytes, mut spans) = (Vec::new(), Vec::new());
    for (path, contents) in files {
        let mut head = path.as_bytes().to_vec();
        head.resize(512, 0);
        bytes.extend(head);
        spans.push(Span {
            path: path.to_string(),
            offset: bytes.len() as u64,
            length: contents.len() as u64,
        });
        bytes.extend(contents);
    }
    bytes.extend([0; 1024]);
    (bytes, spans)
}

fn made(old: &BTreeMap<String, Vec<u8>>, new: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let (bytes, spans) = tar(new);
    let mut delta = Vec::new();
    make(&sources(old), &bytes, &spans, 3, &mut delta).unwrap();
    let mut back = Vec::new();
    let open = |path: &str| old.get(path).map(|file| file as &dyn Bytes);
    apply(&delta[..], &open, &mut back).unwrap();
    assert!(back == bytes);
    delta
}

/// A delta of these operations.
fn delta_of(operations: &[u8]) -> Vec<u8> {
    [&MAGIC[..], &zstd::encode_all(operations, 3).unwrap()].concat()
}

fn applied(operations: &[u8]) -> Result<Vec<u8>> {
    let file = b"0123456789".to_vec();
    let open = |path: &str| (path == "a/b").then_some(&file as &dyn Bytes);
    let mut out = Vec::new();
    apply(&delta_of(operations)[..], &open, &mut out)?;
    Ok(out)
}

#[test]
fn what_the_tree_has_is_not_in_the_delta() {
    let big = noise(1, 200_000);
    let mut changed = big.clone();
    changed[70_000..70_004].copy_from_slice(b"four");
    changed.splice(90_000..90_000, *b"and some more");
    let old = tree(&[
        ("usr/lib/libx.so.1.2", big.clone()),
        ("etc/a", noise(2, 5000)),
    ]);
    for new in [
        vec![("usr/lib/libx.so.1.2", big.clone())],
        vec![("elsewhere", big.clone())],
        vec![("usr/lib/libx.so.1.2", changed.clone())],
        vec![("usr/lib/libx.so.1.10", changed.clone())],
        vec![("opt/libx.so.1.2", changed.clone())],
        vec![("no/name/of/it", changed.clone())],
    ] {
        let delta = made(&old, &new);
        assert!(delta.len() < 600, "{}: {}", new[0].0, delta.len());
    }
    let unlike = made(&old, &[("etc/a", noise(3, 5000))]);
    assert!(unlike.len() > 5000);
}

#[test]
fn an_update_of_many_like_bytes_is_a_difference_and_no_data() {
    let old = noise(4, 100_000);
    let new: Vec<u8> = old
        .iter()
        .enumerate()
        .map(|(at, byte)| byte.wrapping_add(u8::from(at % 40 == 0)))
        .collect();
    let delta = made(&tree(&[("bin/x", old)]), &[("bin/x", new)]);
    assert!(delta.len() < 1500, "{}", delta.len());
}

#[test]
fn every_operation_does_what_the_page_says() {
    // Open a/b, copy 2, seek 7, add three, data.
    let all = b"\x01\x03a/b\x02\x02\x04\x07\x03\x03\x01\xff\x00\x00\x02!?";
    assert_eq!(
        applied(all).unwrap(),
        b"0187".iter().chain(b"9!?").copied().collect::<Vec<u8>>()
    );
    // To open a file again begins it again.
    let again = b"\x01\x03a/b\x02\x02\x01\x03a/b\x02\x81\x00";
    assert_eq!(applied(again).unwrap(), b"010");
    assert_eq!(applied(b"").unwrap(), b"");
}

#[test]
fn a_delta_that_asks_for_what_there_is_not_is_refused() {
    for (operations, why) in [
        (&b"\x02\x01"[..], "before one was opened"),
        (b"\x01\x03a/c", "there is no file a/c"),
        (b"\x01\x03a/b\x02\x0b", "of a file that has 10"),
        (b"\x01\x03a/b\x04\x0a\x02\x01", "of a file that has 10"),
        (b"\x01\x03a/b\x03\x02\x00", "within a difference"),
        (b"\x00\x09ab", "within 9 bytes"),
        (b"\x05\x00", "kind 5"),
        (b"\x01\xff\xff\x03", "a path of"),
        (
            b"\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            "64 bits",
        ),
        (b"\x00", "within a size"),
        (b"\x01\x01\xff", "not UTF-8"),
    ] {
        let said = format!("{:#}", applied(operations).unwrap_err());
        assert!(said.contains(why), "{said}, not {why}");
    }
    let open = |_: &str| None;
    let other = [b"tardf2\n\0", &delta_of(b"")[8..]].concat();
    assert!(apply(&other[..], &open, &mut Vec::new()).is_err());
}

/// Files in memory, as upstream's applier asks for them.
struct Memory<'a> {
    files: &'a BTreeMap<String, Vec<u8>>,
    current: Option<&'a Vec<u8>>,
    at: u64,
}

impl oci_delta::DeltaDataSource for Memory<'_> {
    fn set_current_file(&mut self, path: &str) -> Result<()> {
        self.current = Some(self.files.get(path).context("no such file")?);
        self.at = 0;
        Ok(())
    }

    fn read_exact_current(&mut self, buffer: &mut [u8]) -> Result<()> {
        let file = self.current.context("no file is open")?;
        file.read_at(self.at, buffer)?;
        self.at += buffer.len() as u64;
        Ok(())
    }

    fn seek_current(&mut self, offset: u64) -> Result<u64> {
        self.at = offset;
        Ok(offset)
    }

    fn read_current_to_end(&mut self, _most: u64) -> Result<Vec<u8>> {
        self.current.cloned().context("no file is open")
    }

    fn copy_to(&mut self, to: &mut dyn std::io::Write, bytes: u64) -> Result<()> {
        let mut part = vec![0; usize::try_from(bytes)?.min(1 << 20)];
        self.read_exact_current(&mut part)?;
        Ok(to.write_all(&part)?)
    }
}

/// Operations of all kinds, few of which ask for what there is not.
fn operations(dice: &mut Dice) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..dice.index(9) {
        let kind = dice.pick(&[OPEN, OPEN, COPY, ADD, SEEK, DATA, DATA, 5]);
        let kind = if *kind == 5 && dice.chance(80) {
            OPEN
        } else {
            *kind
        };
        let some = dice.index(30);
        bytes.push(kind);
        let data = match kind {
            OPEN => dice
                .pick(&[&b"a"[..], b"a", b"b/c", b"b/c", b"", b"x"])
                .to_vec(),
            DATA | ADD => dice.bytes(some),
            _ => Vec::new(),
        };
        // A varint may be longer than it need be.
        let size = if data.is_empty() && kind != OPEN {
            some
        } else {
            data.len()
        } as u8;
        match dice.chance(10) {
            true => bytes.extend([size | 0x80, 0]),
            false => bytes.push(size),
        }
        bytes.extend(data);
    }
    if dice.chance(5) {
        bytes.truncate(dice.index(bytes.len() + 1));
    }
    bytes
}

#[test]
fn upstreams_applier_and_our_reader_agree_on_every_delta() {
    let files = tree(&[("a", noise(1, 40)), ("b/c", noise(2, 60))]);
    let (mut done, mut refused) = (0, 0);
    for round in 0..4000 {
        let operations = operations(&mut Dice::new(round));
        let delta = delta_of(&operations);
        let mut ours = Vec::new();
        let open = |path: &str| files.get(path).map(|file| file as &dyn Bytes);
        let read = apply(&delta[..], &open, &mut ours);
        let mut theirs = Vec::new();
        let mut memory = Memory {
            files: &files,
            current: None,
            at: 0,
        };
        let applied = oci_delta::tar_patch_apply(&delta[..], &mut memory, &mut theirs);
        assert_eq!(
            read.is_ok(),
            applied.is_ok(),
            "{operations:?}: {read:?}, {applied:?}"
        );
        match read.is_ok() {
            true => assert_eq!(ours, theirs, "{operations:?}"),
            false => refused += 1,
        }
        done += usize::from(read.is_ok() && !ours.is_empty());
    }
    assert!(done > 500 && refused > 500, "{done} {refused}");
}

#[test]
fn random_trees_come_back() {
    for round in 0..60 {
        let mut dice = Dice::new(round);
        let names = ["a", "a.1", "b/a", "b/c.so.2", "b/c.so.3", "d"];
        let old: Vec<(&str, Vec<u8>)> = names
            .iter()
            .map(|name| {
                let bytes = dice.index(40_000);
                (*name, dice.bytes(bytes))
            })
            .collect();
        let mut new = old.clone();
        for (_, contents) in &mut new {
            for _ in 0..dice.index(4) {
                let at = dice.index(contents.len() + 1);
                let some = dice.index(3000).min(contents.len() - at);
                match dice.index(3) {
                    0 => drop(contents.drain(at..at + some)),
                    1 => drop(contents.splice(at..at, dice.bytes(some))),
                    _ => contents[at..at + some]
                        .iter_mut()
                        .step_by(9)
                        .for_each(|byte| *byte ^= 3),
                }
            }
        }
        made(&tree(&old), &new);
    }
}
