//! Hostile images: names and links that lead out, links to links, files with holes, huge lengths, whiteouts of what is not
//! there. Unpacked or refused, nothing outside the folder is written, changed or removed.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use delta_lab::archive::unpack::unpack;
use delta_lab::dice::Dice;
use tar::{EntryType, Header};
use walkdir::WalkDir;

use super::Campaign;
use super::archives::{bounded, in_time};

/// Parts of names: few, so that entries meet.
const PARTS: &[&str] = &[
    "a",
    "a",
    "b",
    "b",
    "c",
    "..",
    ".",
    "",
    "outside",
    "kept",
    ".wh.a",
    ".wh.b",
    ".wh...",
    ".wh..",
    ".wh.",
    ".wh..wh..opq",
    "\u{e9}",
    "a b",
    "\n",
    "%2e%2e",
];

/// A number of any width below so many bits.
fn up_to(bits: usize, dice: &mut Dice) -> u64 {
    let most = 1 << dice.index(bits);
    dice.below(most)
}

const KINDS: &[u8] = b"000111222555345671gxLKSDM\0";

fn name(dice: &mut Dice, outside: &Path) -> Vec<u8> {
    let parts: Vec<&str> = (0..1 + dice.index(5)).map(|_| *dice.pick(PARTS)).collect();
    let mut name = parts.join("/");
    match dice.index(12) {
        0 => name.insert(0, '/'),
        1 => name = format!("{}/{name}", outside.display()),
        2 => name = "a/".repeat(dice.index(40)) + &name,
        3 => name.push('/'),
        _ => {}
    }
    name.into_bytes()
}

/// A field of a header, cut to its width; what is longer goes before it as an entry of GNU's.
fn put(tar: &mut Vec<u8>, field: &mut [u8], value: &[u8], kind: u8) {
    if value.len() > field.len() {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::new(kind));
        header.set_size(value.len() as u64);
        header.set_cksum();
        tar.extend(header.as_bytes());
        tar.extend(value);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    let width = field.len().min(value.len());
    field[..width].copy_from_slice(&value[..width]);
}

fn entry(tar: &mut Vec<u8>, dice: &mut Dice, outside: &Path) {
    let mut header = Header::new_gnu();
    let kind = *dice.pick(KINDS);
    let (own, link) = (name(dice, outside), name(dice, outside));
    let gnu = header.as_gnu_mut().unwrap();
    put(tar, &mut gnu.name, &own, b'L');
    put(tar, &mut gnu.linkname, &link, b'K');
    let size = match dice.index(10) {
        0 => dice.index(5000),
        _ => dice.index(20),
    };
    let mut contents = dice.bytes(size);
    if kind == b'S' {
        // Up to four runs of any place and length, and a real size that fits none of them.
        for run in &mut gnu.sparse {
            let octal = |number: u64| format!("{:011o}\0", number & 0x1_ffff_ffff);
            let place = octal(up_to(34, dice));
            let bytes = octal(up_to(20, dice));
            run.offset.copy_from_slice(place.as_bytes());
            run.numbytes.copy_from_slice(bytes.as_bytes());
        }
        gnu.isextended[0] = u8::from(dice.chance(20));
        let real = format!("{:011o}\0", up_to(33, dice));
        gnu.realsize.copy_from_slice(real.as_bytes());
    }
    if kind == b'x' && dice.chance(70) {
        let key = *dice.pick(&[
            "path",
            "linkpath",
            "size",
            "SCHILY.xattr.user.a",
            "GNU.sparse.major",
            "uid",
            "mtime",
        ]);
        let value = match dice.chance(50) {
            true => String::from_utf8(name(dice, outside)).unwrap(),
            false => dice.u64().to_string(),
        };
        let record = format!(" {key}={value}\n");
        let length = record.len() + 2 + usize::from(record.len() + 2 > 99);
        contents = format!("{length}{record}").into_bytes();
    }
    header.set_entry_type(EntryType::new(kind));
    header.set_mode(dice.u32() & 0o7777);
    header.set_uid(dice.below(3));
    header.set_gid(dice.below(3));
    header.set_mtime(dice.below(1 << 33));
    header.set_device_major(1).unwrap();
    header.set_device_minor(3).unwrap();
    header.set_size(match dice.index(20) {
        0 => up_to(63, dice),
        _ => contents.len() as u64,
    });
    header.set_cksum();
    tar.extend(header.as_bytes());
    tar.extend(&contents);
    tar.resize(tar.len().next_multiple_of(512), 0);
}

/// What lies in the yard beside the root: each path with what it is.
fn beside(yard: &Path) -> Vec<String> {
    let entries = WalkDir::new(yard).sort_by_file_name().into_iter();
    entries
        .filter_entry(|entry| {
            entry.depth() == 0 || entry.file_name() != "root" || entry.depth() > 1
        })
        .map(|entry| {
            let entry = entry.unwrap();
            let about = entry.metadata().unwrap();
            // The yard's own time changes with its root.
            let time = (entry.depth() > 0).then(|| (about.mtime(), about.mtime_nsec()));
            format!(
                "{} {:o} {} {} {time:?}",
                entry.path().display(),
                about.mode(),
                about.uid(),
                about.len()
            )
        })
        .collect()
}

#[test]
fn a_hostile_image_is_unpacked_within_its_folder_or_refused() {
    let Some(campaign) = Campaign::wanted("images", 600) else {
        return;
    };
    if !bounded("torture::images::a_hostile_image_is_unpacked_within_its_folder_or_refused") {
        return;
    }
    let yard = tempfile::tempdir().unwrap();
    let outside = yard.path().join("outside");
    fs::create_dir(&outside).unwrap();
    for name in ["kept", "a", "b"] {
        fs::write(outside.join(name), "kept").unwrap();
    }
    let archive = yard.path().join("image.tar");
    let root = yard.path().join("root");
    let (mut unpacked, mut refused) = (0, 0);
    fs::write(&archive, "").unwrap();
    campaign.run(|dice| {
        let mut tar = Vec::new();
        for _ in 0..1 + dice.index(12) {
            entry(&mut tar, dice, &outside);
        }
        tar.extend([0; 1024]);
        fs::write(&archive, &tar).unwrap();
        let before = beside(yard.path());
        match in_time("unpack", || unpack(&archive, &root)) {
            Ok(_) => unpacked += 1,
            Err(why) => {
                refused += 1;
                let said = format!("{why:#}");
                let root = root.display().to_string();
                assert!(
                    said.contains(archive.to_str().unwrap()) || said.contains(&root),
                    "{said}"
                );
                assert!(said.len() < 20_000, "an error of {} bytes", said.len());
            }
        }
        assert_eq!(beside(yard.path()), before);
        let entries = WalkDir::new(&root).into_iter().flatten();
        let stored: u64 = entries
            .map(|it| it.metadata().map_or(0, |it| it.blocks() * 512))
            .sum();
        assert!(stored < 300 << 20, "{stored} bytes of {} bytes", tar.len());
        fs::remove_dir_all(&root).ok();
    });
    if nix::unistd::geteuid().is_root() {
        assert!(
            unpacked > 0 && refused > 0,
            "{unpacked} unpacked, {refused} refused"
        );
    }
}
