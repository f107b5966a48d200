//! Damaged archives: cut, flipped, shuffled, with other lengths. Each is read rightly or refused with its file and place,
//! within bounds of memory and time.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use delta_lab::archive::docker::{DockerArchive, DockerLayer};
use delta_lab::archive::unpack::unpack;
use delta_lab::archive::writer::{HeaderForm, Member, TarWriter};
use delta_lab::archive::{self, Content};
use delta_lab::dice::Dice;
use delta_lab::image::sha256_hex;

use super::Campaign;

/// Set in the process in which a campaign runs that must not take more than `MOST_KIB`.
const INSIDE: &str = "TORTURE_INSIDE";
/// Address space, in KiB: what is read into memory is bounded to far less, threads and libraries take the rest.
const MOST_KIB: u64 = 1 << 20;
/// Far beyond what a small archive takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs the test of this name again in a process with bounded memory; true within it.
pub fn bounded(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let limit = format!("ulimit -v {MOST_KIB} && exec \"$0\" \"$@\"");
    let ended = Command::new("sh")
        .args(["-c", &limit])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads", "1"])
        .env(INSIDE, "1")
        .status()
        .unwrap();
    assert!(ended.success(), "{test}: {ended}");
    false
}

/// Fails unless it is done in time.
pub fn in_time<T>(what: &str, act: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let done = act();
    assert!(begun.elapsed() < PATIENCE, "{what}: {:?}", begun.elapsed());
    done
}

type Named = (String, Vec<u8>);

fn layer(dice: &mut Dice) -> Vec<u8> {
    let mut tar = TarWriter::new(HeaderForm::Gnu, Vec::new());
    for n in 0..1 + dice.index(6) {
        let size = dice.index(3000);
        let bytes = dice.bytes(size);
        let path = format!("usr/share/{n}");
        let member = Member::of_root(&path, bytes.len() as u64, 1);
        tar.whole(&member, &bytes).unwrap();
    }
    tar.finish().unwrap()
}

/// A sound archive of one of the three layouts.
fn sound(dice: &mut Dice, folder: &Path) -> Vec<u8> {
    let layers: Vec<Vec<u8>> = (0..1 + dice.index(3)).map(|_| layer(dice)).collect();
    let ids = layers
        .iter()
        .map(|it| format!("\"sha256:{}\"", sha256_hex(it)));
    let ids = ids.collect::<Vec<_>>().join(",");
    let archive = DockerArchive {
        form: HeaderForm::Gnu,
        config: format!(
            r#"{{"architecture":"amd64","os":"linux","config":{{}},"rootfs":{{"type":"layers","diff_ids":[{ids}]}}}}"#
        ),
        repository: "r".to_string(),
        tag: "t".to_string(),
        layers: layers
            .iter()
            .enumerate()
            .map(|(n, bytes)| DockerLayer {
                id: format!("{n:064x}"),
                json: "{}".to_string(),
                bytes: bytes.len() as u64,
                write: Box::new(|to| Ok(to.write_all(bytes)?)),
            })
            .collect(),
        mtime_s: 1,
        has_repositories: dice.chance(50),
    };
    let mut docker = Vec::new();
    archive.write(&mut docker).unwrap();
    if dice.chance(40) {
        return docker;
    }
    let (from, to) = (folder.join("docker.tar"), folder.join("oci.tar"));
    fs::write(&from, docker).unwrap();
    archive::rewrite(&from, &File::create(&to).unwrap()).unwrap();
    let mut members = members(&fs::read(&to).unwrap());
    if dice.chance(50) {
        // Config, manifest and index are its last members.
        let config = &members[members.len() - 3].0;
        let order = layers
            .iter()
            .map(|it| format!("\"blobs/sha256/{}\"", sha256_hex(it)));
        let order = order.collect::<Vec<_>>().join(",");
        let manifest = format!(r#"[{{"Config":"{config}","RepoTags":null,"Layers":[{order}]}}]"#);
        members.push(("manifest.json".to_string(), manifest.into_bytes()));
    }
    tar_of(&members)
}

fn members(bytes: &[u8]) -> Vec<Named> {
    let mut tar = tar::Archive::new(bytes);
    let entries = tar.entries().unwrap();
    entries
        .map(|entry| {
            let mut entry = entry.unwrap();
            let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
            let mut contents = Vec::new();
            entry.read_to_end(&mut contents).unwrap();
            (name, contents)
        })
        .collect()
}

fn tar_of(members: &[Named]) -> Vec<u8> {
    let mut tar = TarWriter::new(HeaderForm::Gnu, Vec::new());
    for (name, contents) in members {
        let member = Member::of_root(name, contents.len() as u64, 1);
        tar.whole(&member, contents).unwrap();
    }
    tar.finish().unwrap()
}

/// Where headers begin.
fn headers(bytes: &[u8]) -> Vec<usize> {
    let blocks = (0..bytes.len() / 512).map(|block| block * 512);
    blocks
        .filter(|&at| &bytes[at + 257..at + 262] == b"ustar")
        .collect()
}

/// Writes the checksum of the header at `at` anew.
pub fn mend(bytes: &mut [u8], at: usize) {
    let header = &mut bytes[at..at + 512];
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

const LENGTHS: &[&str] = &[
    "00000000000",
    "00000000001",
    "00000000777",
    "00000001000",
    "00000001001",
    "77777777777",
    "7777777777",
    "-0000000001",
    "\u{1}0000000000",
    "99999999999",
    "           ",
];

/// One wound; in words for a failure.
fn wound(bytes: &mut Vec<u8>, dice: &mut Dice) -> String {
    let whole = bytes.len();
    let heads = headers(bytes);
    match dice.index(9) {
        0 => {
            bytes.truncate(dice.index(whole));
            format!("cut at {}", bytes.len())
        }
        1 => {
            let at = dice.index(whole);
            bytes[at] ^= 1 << dice.index(8);
            format!("a bit of {at}")
        }
        2 => {
            let (at, size) = (dice.index(whole), 1 + dice.index(2000));
            let end = whole.min(at + size);
            bytes[at..end].fill(0);
            format!("zeros from {at} to {end}")
        }
        3 => {
            let (one, other) = (dice.index(whole / 512) * 512, dice.index(whole / 512) * 512);
            for at in 0..512 {
                bytes.swap(one + at, other + at);
            }
            format!("blocks at {one} and {other} swapped")
        }
        4 if !heads.is_empty() => {
            let at = *dice.pick(&heads);
            let length = dice.pick(LENGTHS).as_bytes();
            bytes[at + 124..at + 124 + length.len()].copy_from_slice(length);
            mend(bytes, at);
            format!(
                "another length at {at}: {:?}",
                String::from_utf8_lossy(length)
            )
        }
        5 if !heads.is_empty() => {
            // A length in base 256, which may have any sign and 95 bits.
            let at = *dice.pick(&heads);
            dice.fill(&mut bytes[at + 124..at + 136]);
            bytes[at + 124] |= 0x80;
            mend(bytes, at);
            format!("a length in base 256 at {at}")
        }
        6 if !heads.is_empty() => {
            let at = *dice.pick(&heads);
            bytes[at + 156] = *dice.pick(b"01234567xgLKSDMVN\0\xff");
            mend(bytes, at);
            format!("another kind at {at}: {:?}", bytes[at + 156])
        }
        7 if !heads.is_empty() => {
            let at = *dice.pick(&heads);
            let place = dice.index(512);
            bytes[at + place] = dice.u32() as u8;
            mend(bytes, at);
            format!("byte {place} of the header at {at}")
        }
        _ => {
            let (at, byte) = (dice.index(whole), dice.u32() as u8);
            let copied = bytes[at..whole.min(at + 1024)].to_vec();
            bytes.insert(at, byte);
            bytes.extend(copied);
            format!("a byte more at {at}")
        }
    }
}

/// Members swapped, doubled, dropped or renamed, everything else sound.
fn shuffled(bytes: &[u8], dice: &mut Dice) -> (Vec<u8>, String) {
    let mut members = members(bytes);
    let (one, other) = (dice.index(members.len()), dice.index(members.len()));
    let how = match dice.index(5) {
        0 => {
            let kept = members[one].1.clone();
            members[one].1 = std::mem::replace(&mut members[other].1, kept);
            "contents swapped"
        }
        1 => {
            members.swap(one, other);
            "swapped"
        }
        2 => {
            let twin = members[one].clone();
            members.insert(other, twin);
            "doubled"
        }
        3 => {
            members.remove(one);
            "dropped"
        }
        _ => {
            members[one].0 = members[other].0.clone();
            "one name"
        }
    };
    let how = format!("members {one} and {other}: {how}");
    (tar_of(&members), how)
}

/// What an error must have beside the file's name: the entry, its offset, or the role of what is missing.
const PLACES: &[&str] = &[
    "offset",
    "entry",
    "layer",
    "manifest",
    "config",
    "index",
    "image",
    "digest",
    "not a tar",
    "DiffID",
    "damaged after",
];

fn named(why: &anyhow::Error, path: &Path, how: &str) {
    let said = format!("{why:#}");
    let beside = said.replace(&path.display().to_string(), "");
    assert!(beside != said, "{how}: {said}: names no file");
    assert!(
        PLACES.iter().any(|it| beside.contains(it)),
        "{how}: {said}: names no place"
    );
    assert!(
        said.len() < 20_000,
        "{how}: an error of {} bytes",
        said.len()
    );
}

#[test]
fn a_damaged_archive_is_read_rightly_or_refused_with_its_place() {
    let Some(campaign) = Campaign::wanted("archives", 400) else {
        return;
    };
    if !bounded("torture::archives::a_damaged_archive_is_read_rightly_or_refused_with_its_place") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (mut refused, mut read) = (0, 0);
    campaign.run(|dice| {
        let whole = sound(dice, folder.path());
        let (mut bytes, how) = if dice.chance(30) {
            shuffled(&whole, dice)
        } else {
            (whole.clone(), String::new())
        };
        let mut hows = vec![how];
        while hows.len() < 2 || dice.chance(30) {
            if bytes.len() < 1024 {
                break;
            }
            hows.push(wound(&mut bytes, dice));
        }
        let how = hows.join("; ");
        let path = folder.path().join("damaged.tar");
        fs::write(&path, &bytes).unwrap();
        match in_time(&how, || archive::read(&path)) {
            Err(why) => {
                refused += 1;
                named(&why, &path, &how);
            }
            Ok(Content::Image(image)) => {
                read += 1;
                for it in &image.layers {
                    let (from, to) = (it.offset as usize, (it.offset + it.length) as usize);
                    assert_eq!(sha256_hex(&bytes[from..to]), it.digest, "{how}");
                }
            }
            Ok(Content::Tar(entries)) => {
                let whole = bytes.len() as u64;
                assert!(
                    entries.iter().all(|it| it.offset + it.length <= whole),
                    "{how}"
                );
            }
            Ok(Content::Other) => {}
        }
        let to = folder.path().join("canonical.tar");
        let file = File::create(&to).unwrap();
        if let Err(why) = in_time(&how, || archive::rewrite(&path, &file)) {
            named(&why, &path, &how);
        }
        let root = folder.path().join("root");
        if let Err(why) = in_time(&how, || unpack(&path, &root))
            && nix::unistd::geteuid().is_root()
        {
            named(&why, &path, &how);
        }
        fs::remove_dir_all(&root).ok();
    });
    assert!(refused > 0 && read > 0, "{refused} refused, {read} read");
}
