//! Claims about image patches: every image comes back, odd ones too, and a bad patch is an error, never a wrong file.

use std::fs;
use std::path::PathBuf;

use flate2::Crc;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::{Effort, Failure, apply, group, make, make_with, sections, show};
use crate::engine::ideas::{Ideas, OFF};
use crate::engine::pair::tests::linked::{Machine, program};

mod faults;
mod packed;

/// A folder with files of a test.
struct Folder(TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn make(&self, base: Option<&[u8]>, new: &[u8], effort: Effort) -> Vec<u8> {
        let base = base.map(|base| self.put("base", base));
        let new = self.put("new", new);
        let patch = self.0.path().join("patch");
        make(base.as_deref(), &new, &patch, effort, &|_| ()).unwrap();
        fs::read(&patch).unwrap()
    }

    fn apply(&self, base: Option<&[u8]>, patch: &[u8]) -> Result<Vec<u8>, Failure> {
        let base = base.map(|base| self.put("base", base));
        let patch = self.put("patch", patch);
        let out = self.0.path().join("out");
        fs::remove_file(&out).ok();
        let result = apply(base.as_deref(), &patch, &out, &|_| ());
        assert_eq!(result.is_ok(), out.exists(), "a file just when all is well");
        result.map(|_| fs::read(&out).unwrap())
    }

    fn comes_back(&self, base: &[u8], new: &[u8], effort: Effort) -> Vec<u8> {
        let patch = self.make(Some(base), new, effort);
        let back = self.apply(Some(base), &patch).unwrap();
        assert!(back == new, "{} bytes came back otherwise", new.len());
        patch
    }
}

fn entry(name: &str, kind: u8, mtime: u64, content: &[u8]) -> Vec<u8> {
    let mut header = [0; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..108].copy_from_slice(b"0000644\0");
    header[108..116].copy_from_slice(b"0000000\0");
    header[116..124].copy_from_slice(b"0000000\0");
    header[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
    header[136..148].copy_from_slice(format!("{mtime:011o}\0").as_bytes());
    header[156] = kind;
    header[257..265].copy_from_slice(b"ustar\x0000");
    close(&mut header);
    let mut entry = header.to_vec();
    entry.extend_from_slice(content);
    entry.resize(entry.len().next_multiple_of(512), 0);
    entry
}

fn close(header: &mut [u8]) {
    header[148..156].fill(b' ');
    let sum: u32 = header[..512].iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

fn end(mut tar: Vec<u8>) -> Vec<u8> {
    tar.extend_from_slice(&[0; 1024]);
    tar
}

fn text(seed: u32, words: u32) -> Vec<u8> {
    let word = |n: u32| {
        format!(
            "{:x} ",
            (n % 700).wrapping_mul(0x9E37_79B1).wrapping_add(seed << 24) >> 9
        )
    };
    (0..words)
        .flat_map(|n| word(n * n / 7).into_bytes())
        .collect()
}

fn gz(content: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(9));
    std::io::Write::write_all(&mut packed, content).unwrap();
    packed.finish().unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A layer whose files differ from release to release.
fn layer(release: u32) -> Vec<u8> {
    let mut layer = Vec::new();
    let mut sums = String::new();
    let time = 1_700_000_000 + u64::from(release) * 1000;
    for n in 0..30_u32 {
        let mut content = text(n, 200 + 40 * n);
        let mut mtime = 1_600_000_000;
        if n.is_multiple_of(5) {
            content.extend(text(release, 3 + release));
            mtime = time;
        }
        let (mut name, mut held) = (format!("./usr/share/doc/f{n}"), content.clone());
        if n.is_multiple_of(3) {
            name += ".gz";
            held = gz(&content);
        }
        let sum = md5::Md5::digest(&held);
        sums += &format!("{}  {}\n", hex(&sum), &name[2..]);
        layer.extend(entry(&name, b'0', mtime, &held));
    }
    layer.extend(entry(
        "./var/lib/dpkg/info/f.md5sums",
        b'0',
        time,
        sums.as_bytes(),
    ));
    end(layer)
}

/// A saved image of one layer.
fn image(release: u32) -> Vec<u8> {
    let time = 1_700_000_000 + u64::from(release) * 1000;
    let layer = layer(release);
    let id = hex(&Sha256::digest(&layer));
    let config = format!("{{\"created\":{time},\"diff_ids\":[\"sha256:{id}\"]}}");
    let config_id = hex(&Sha256::digest(config.as_bytes()));
    let manifest = format!("[{{\"Config\":\"{config_id}.json\",\"Layers\":[\"{id}/layer.tar\"]}}]");
    end([
        entry(&format!("{id}/layer.tar"), b'0', 0, &layer),
        entry(&format!("{config_id}.json"), b'0', 0, config.as_bytes()),
        entry("manifest.json", b'0', 0, manifest.as_bytes()),
    ]
    .concat())
}

#[test]
fn an_image_comes_back_from_a_small_patch() {
    let folder = Folder::new();
    for effort in [Effort::Fast, Effort::Best] {
        let patch = folder.comes_back(&image(1), &image(2), effort);
        assert!(patch.len() < 900, "{effort:?}: {} bytes", patch.len());
    }
}

#[test]
fn an_unchanged_image_moves_only_its_head() {
    let folder = Folder::new();
    let patch = folder.comes_back(&image(1), &image(1), Effort::Fast);
    assert!(patch.len() < 100, "{} bytes", patch.len());
}

#[test]
fn an_image_comes_back_without_a_base() {
    let folder = Folder::new();
    let new = image(1);
    let patch = folder.make(None, &new, Effort::Best);
    assert!(folder.apply(None, &patch).unwrap() == new);
    let plain = zstd::encode_all(new.as_slice(), 19).unwrap();
    assert!(
        patch.len() <= plain.len(),
        "{} {}",
        patch.len(),
        plain.len()
    );
}

#[test]
fn what_each_file_took_is_shown() {
    let folder = Folder::new();
    let patch = folder.make(Some(&image(1)), &image(2), Effort::Fast);
    let (base, patch) = (folder.put("base", &image(1)), folder.put("patch", &patch));
    let shown = show(&patch, Some(&base)).unwrap();
    let forms: Vec<&str> = shown.entries.iter().map(|entry| entry.form).collect();
    for form in ["plain", "gzip", "md5sums", "digests"] {
        assert!(forms.contains(&form), "no {form} in {forms:?}");
    }
    assert!(show(&patch, None).unwrap().entries.is_empty());
}

#[test]
fn odd_entries_come_back() {
    let long = "d/".repeat(120) + "name";
    let record = format!("{} path={long}\n", long.len() + 10);
    let mut sparse = entry("sparse", b'S', 5, &text(1, 90));
    sparse[482] = 1;
    close(&mut sparse);
    sparse.splice(512..512, [7; 504].into_iter().chain([0; 8]));
    let mut padded = entry("padded", b'0', 5, b"abc");
    padded[512 + 3..].fill(9);
    let mut odd_sum = entry("odd", b'0', 5, b"abc");
    odd_sum[154..156].copy_from_slice(b" \0");
    let mut huge = entry("huge", b'0', 5, b"");
    huge[124..136].copy_from_slice(b"77777777777\0");
    close(&mut huge);
    let mut binary = entry("binary", b'0', 5, b"");
    binary[124..136].fill(0xFF);
    close(&mut binary);
    let odd: [Vec<u8>; 14] = [
        Vec::new(),
        vec![0; 10_240],
        b"not an archive".to_vec(),
        end(entry(
            "././@LongLink",
            b'L',
            0,
            format!("{long}\0").as_bytes(),
        )),
        end([
            entry("x", b'x', 0, record.as_bytes()),
            entry("y", b'0', 1, b"z"),
        ]
        .concat()),
        end(sparse),
        end(padded),
        end(odd_sum),
        end([entry("ok", b'0', 1, b"ok"), huge].concat()),
        binary,
        [end(entry("a", b'0', 1, b"a")), b"trailing".to_vec()].concat(),
        end(entry("../../etc/\x01\x01\x01", b'0', 1, b"=  mark\n")),
        end(entry("link", b'2', 1, b"")),
        end([
            entry("manifest.json", b'0', 0, b"\x01"),
            entry("\x01\x05\x05", b'0', 0, b"q"),
        ]
        .concat()),
    ];
    let folder = Folder::new();
    for (n, base) in odd.iter().enumerate() {
        for new in [&odd[(n + 1) % odd.len()], base, &image(1)] {
            folder.comes_back(base, new, Effort::Fast);
        }
        folder.comes_back(&image(2), base, Effort::Best);
    }
}

/// Flips, cuts, inserts and repeats at places of a seed.
fn disturb(bytes: &[u8], dice: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..1 + dice.next_u32() % 4 {
        let at = dice.next_u32() as usize % bytes.len().max(1);
        let some = (1 + dice.next_u32() as usize % 3000).min(bytes.len() - at);
        match dice.next_u32() % 6 {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..at + some)),
            2 => bytes
                .splice(at..at, vec![dice.next_u32() as u8; some])
                .for_each(drop),
            3 => bytes.extend_from_within(at..at + some),
            _ if at < bytes.len() => bytes[at] ^= 1 << (dice.next_u32() % 8),
            _ => {}
        }
        if bytes.is_empty() {
            break;
        }
    }
    bytes
}

#[test]
#[ignore = "writes what fuzzing begins with: see fuzz/run"]
fn seeds_for_the_fuzzers_are_written() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/images");
    fs::create_dir_all(folder).unwrap();
    let (base, new) = small_pair();
    let length = (base.len() as u16).to_le_bytes();
    // As they are, mended as tars, and compressed, one or both.
    for tars in [0, 1, 3, 5, 7] {
        let seed = [&[tars], &length[..], &base, &new].concat();
        fs::write(format!("{folder}/seed-{tars}"), seed).unwrap();
    }
    // Programs with references, and much that takes little compressed.
    let program = |machine| [1, 2].map(|release| end(file("bin/tool", &program(machine, release))));
    let zeros = [1_000, 3_000_000].map(|bytes| {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(9));
        std::io::Write::write_all(&mut packed, &vec![0; bytes]).unwrap();
        end(file("zeros.gz", &packed.finish().unwrap()))
    });
    let pairs = [program(Machine::X86), program(Machine::Arm), zeros];
    for (nth, [base, new]) in pairs.into_iter().enumerate() {
        let length = (base.len() as u16).to_le_bytes();
        let seed = [&[1], &length[..], &base, &new].concat();
        assert!(seed.len() < 65_536, "longer than the fuzzer's inputs");
        fs::write(format!("{folder}/seed-pair-{nth}"), seed).unwrap();
    }
}

#[test]
fn disturbed_images_come_back() {
    let folder = Folder::new();
    let mut dice = ChaCha8Rng::seed_from_u64(11);
    for round in 0..60 {
        let base = disturb(&image(round % 3), &mut dice);
        let new = disturb(&image(round % 4), &mut dice);
        folder.comes_back(&base, &new, Effort::Fast);
    }
}

/// A small pair: trying every byte of a patch takes that many decodings.
fn small_pair() -> (Vec<u8>, Vec<u8>) {
    let tar = |n: u32| {
        end([
            entry("a", b'0', 1, &text(1, 50)),
            entry("b", b'0', u64::from(n), &text(n, 30)),
        ]
        .concat())
    };
    (tar(1), tar(2))
}

#[test]
fn every_changed_byte_of_a_patch_is_an_error() {
    let folder = Folder::new();
    let (base, new) = small_pair();
    let patch = folder.comes_back(&base, &new, Effort::Best);
    for at in 0..patch.len() {
        for flip in [1, 0x80, 0xFF] {
            let mut bad = patch.clone();
            bad[at] ^= flip;
            let result = folder.apply(Some(&base), &bad);
            assert!(matches!(result, Err(Failure::Unfit(_))), "byte {at}");
        }
    }
    for length in 0..patch.len() {
        assert!(folder.apply(Some(&base), &patch[..length]).is_err());
    }
}

/// The same with a right checksum: an error or the right image, whichever byte is another one.
#[test]
fn every_byte_forged_makes_no_wrong_file() {
    let folder = Folder::new();
    let (base, new) = small_pair();
    for effort in [Effort::Fast, Effort::Best] {
        let patch = folder.comes_back(&base, &new, effort);
        let (mut refused, mut right) = (0, 0);
        for at in 0..patch.len() - 4 {
            for flip in [1, 0x10, 0xFF] {
                let mut bad = patch[..patch.len() - 4].to_vec();
                bad[at] ^= flip;
                let mut crc = Crc::new();
                crc.update(&bad);
                bad.extend(crc.sum().to_le_bytes());
                match folder.apply(Some(&base), &bad) {
                    Ok(made) => {
                        assert!(made == new, "a wrong file from byte {at}");
                        right += 1;
                    }
                    Err(Failure::Unfit(_)) => refused += 1,
                    Err(Failure::Trouble(error)) => panic!("byte {at}: {error:#}"),
                }
            }
        }
        assert!(refused > 20 * right, "{refused} refused, {right} right");
    }
}

/// What was done on purpose has a right checksum: only the hashes stand between it and a wrong file.
#[test]
fn a_forged_patch_makes_no_wrong_file() {
    let folder = Folder::new();
    let mut dice = ChaCha8Rng::seed_from_u64(12);
    let pairs = [
        small_pair(),
        (image(1), image(2)),
        (packed::by_go(1), packed::by_go(2)),
        (packed::tool(1), packed::tool(2)),
    ];
    for (base, new) in &pairs {
        let patch = folder.make(Some(base), new, Effort::Fast);
        for _ in 0..150 {
            let mut bad = patch[..patch.len() - 4].to_vec();
            for _ in 0..1 + dice.next_u32() % 3 {
                // Behind the hashes: script and groups.
                let at = 78 + dice.next_u32() as usize % (bad.len() - 78);
                bad[at] = dice.next_u32() as u8;
            }
            let mut crc = Crc::new();
            crc.update(&bad);
            bad.extend(crc.sum().to_le_bytes());
            if let Ok(made) = folder.apply(Some(base), &bad) {
                assert!(made == *new, "a wrong file");
            }
        }
    }
}

#[test]
fn another_base_is_refused() {
    let folder = Folder::new();
    let patch = folder.make(Some(&image(1)), &image(2), Effort::Fast);
    let mut other = image(1);
    other[600] ^= 1;
    for base in [Some(other.as_slice()), Some(b"".as_slice()), None] {
        let refusal = folder.apply(base, &patch).unwrap_err();
        assert!(refusal.to_string().contains("OLD"), "{refusal}");
    }
    let missing = apply(
        Some(&folder.0.path().join("absent")),
        &folder.put("patch", &patch),
        &folder.0.path().join("out"),
        &|_| (),
    );
    assert!(matches!(missing, Err(Failure::Trouble(_))));
}

#[test]
fn more_effort_makes_no_longer_patch() {
    let program = crate::engine::pair::tests::program();
    // What comes twice is packed well and mixed badly.
    let mut noise = vec![0; 60_000];
    ChaCha8Rng::seed_from_u64(9).fill_bytes(&mut noise);
    let new = [&program[..], &noise, &noise].concat();
    let [fast, best] = [Effort::Fast, Effort::Best].map(|effort| {
        let pair = (program.clone().into(), new.clone());
        let coded = group::encode(effort, &Ideas::default(), group::Try::Pair, 1, |_| {
            Ok(pair.clone())
        });
        coded.unwrap().1.len()
    });
    assert!(best <= fast, "{best} bytes, {fast} with less effort");
}

#[test]
fn with_any_idea_off_an_image_comes_back_and_is_worth_less() {
    let folder = Folder::new();
    let (base, new) = (image(1), image(2));
    let best = folder.make(Some(&base), &new, Effort::Best).len();
    // A group, coded by both efforts, never shrinks by what one of them lacks; frames and groups are taken by estimates.
    let never_worse = [
        "entries",
        "gzip replay",
        "derived sums and digests",
        "copies",
    ];
    let (old, image) = (folder.put("base", &base), folder.put("image", &new));
    for (name, switch) in OFF {
        let mut ideas = Ideas::default();
        switch(&mut ideas);
        assert_ne!(ideas, Ideas::default(), "{name} switches nothing off");
        let patch = folder.0.path().join("off");
        make_with(Some(&old), &image, &patch, Effort::Best, &ideas, &|_| ()).unwrap();
        let patch = fs::read(&patch).unwrap();
        assert!(folder.apply(Some(&base), &patch).unwrap() == new, "{name}");
        let length = patch.len();
        assert!(
            length > best || !never_worse.contains(name),
            "{name}: {length} bytes without, {best} with"
        );
    }
}

/// What is said while the patch is made between two images, which comes back.
fn told(old: &[u8], new: &[u8]) -> String {
    let folder = Folder::new();
    let (base, image) = (folder.put("old", old), folder.put("new", new));
    let patch = folder.0.path().join("p");
    let told = std::cell::RefCell::new(String::new());
    let say = |text: &str| *told.borrow_mut() += &format!("{text}\n");
    make(Some(&base), &image, &patch, Effort::Fast, &say).unwrap();
    let patch = fs::read(&patch).unwrap();
    assert!(folder.apply(Some(old), &patch).unwrap() == new);
    told.take()
}

fn file(name: &str, content: &[u8]) -> Vec<u8> {
    entry(name, b'0', 0, content)
}

/// Programs with much in common: one whose debug information is compressed, and one without any.
#[test]
fn a_program_is_not_coded_beside_one_with_compressed_sections() {
    let section = sections::tests::stream(0, &text(6, 9000));
    let code = text(5, 9000);
    let new = [
        file("bin/a", &sections::tests::program_of(&code, &[section])),
        file("bin/b", &sections::tests::program_of(&code, &[])),
    ];
    let old = end(file("bin/other", &text(8, 100)));
    let told = told(&old, &end(new.concat()));
    assert!(!told.contains("again"), "{told}");
}

/// A small program at the path of a long one, the same elsewhere, and another one much like it.
#[test]
fn a_program_is_not_coded_beside_one_that_repeats_another() {
    let program = |n: u32| sections::tests::program_of(&[text(5, 9000), text(n, 9)].concat(), &[]);
    let new = [
        file("bin/a", &program(1)),
        file("bin/b", &program(1)),
        file("bin/c", &program(2)),
    ];
    let old = end(file("bin/a", &vec![0; LONGER]));
    let told = told(&old, &end(new.concat()));
    assert!(!told.contains("again"), "{told}");
}

/// Longer than a piece.
const LONGER: usize = (64 << 20) + 12_345;

/// An image of a program that is longer than a piece.
fn long_program(release: u32) -> Vec<u8> {
    let code = [text(5, 9000), text(release, 90), text(6, 9000)].concat();
    let mut program = sections::tests::program_of(&code, &[]);
    program.resize(LONGER, 0);
    end(file("usr/bin/long", &program))
}

/// Programs of two machines, all of whose references move; the next release has one more, which is much like another.
fn references(release: u32) -> Vec<u8> {
    let mut files = vec![
        file("usr/bin/arm", &program(Machine::Arm, release)),
        file("usr/bin/x86", &program(Machine::X86, release)),
    ];
    if release > 1 {
        files.push(file(
            "usr/bin/x86-more",
            &program(Machine::X86, release + 1),
        ));
    }
    end(files.concat())
}

#[test]
fn two_encodings_are_the_same() {
    let folder = Folder::new();
    let once = folder.make(Some(&image(1)), &image(3), Effort::Best);
    assert!(once == folder.make(Some(&image(1)), &image(3), Effort::Best));
}

fn golden(name: &str) -> PathBuf {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/harness/engine/golden");
    PathBuf::from(folder).join(name)
}

/// A patch kept in the repository: its name, what makes its images from the numbers of their releases, whether there is a
/// base, effort.
type Golden = (&'static str, fn(u32) -> Vec<u8>, bool, Effort);

const GOLDEN: [Golden; 7] = [
    ("3-fast.dlp", image, true, Effort::Fast),
    ("3-best.dlp", image, true, Effort::Best),
    ("3-full.dlp", image, false, Effort::Best),
    ("3-packed.dlp", packed::by_go, true, Effort::Best),
    ("3-sections.dlp", packed::tool, true, Effort::Best),
    ("3-program.dlp", long_program, true, Effort::Fast),
    ("3-references.dlp", references, true, Effort::Best),
];

/// A patch made by an earlier build is read by this one. Red means: the format changed, and its version must too.
#[test]
fn golden_patches_are_still_read() {
    let folder = Folder::new();
    for (name, image, has_base, _) in GOLDEN {
        let patch = fs::read(golden(name)).unwrap();
        let base = has_base.then(|| image(1));
        let made = folder.apply(base.as_deref(), &patch);
        assert!(made.unwrap() == image(2), "{name}");
    }
}

/// Earlier versions are not read any more: the refusal names both versions, and there is no file.
#[test]
fn a_patch_of_an_older_version_is_refused_by_name() {
    let folder = Folder::new();
    for version in 1..super::VERSION {
        let patch = fs::read(golden(&format!("{version}-fast.dlp"))).unwrap();
        let refusal = folder.apply(Some(&image(1)), &patch).unwrap_err();
        assert!(matches!(refusal, Failure::Unfit(_)));
        let refusal = refusal.to_string();
        for version in [version, super::VERSION] {
            assert!(refusal.contains(&format!("format {version}")), "{refusal}");
        }
    }
}

#[test]
#[ignore = "writes the golden patches anew, for a new version of the format"]
fn golden_patches_are_written() {
    let folder = Folder::new();
    for (name, image, has_base, effort) in GOLDEN {
        let base = has_base.then(|| image(1));
        let patch = folder.make(base.as_deref(), &image(2), effort);
        fs::write(golden(name), patch).unwrap();
    }
}
