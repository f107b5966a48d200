//! Claims about archives that a gzip file holds: layers, and whole images.

use std::process::Command;

use super::super::archive::{self, Archive};
use super::super::code::Coding;
use super::super::deflate::{Deflate, Style};
use super::super::recipe::Recipe;
use super::super::space::Space;
use super::super::{encode::faults, gzip, packed, sections};
use super::*;

type Pack = fn(&[u8]) -> Vec<u8>;

fn zlib(level: u32, content: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(level));
    std::io::Write::write_all(&mut packed, content).unwrap();
    packed.finish().unwrap()
}

/// By our own deflate, in Go's style at its usual level: the same on any machine.
fn go(content: &[u8]) -> Vec<u8> {
    const GO_6: usize = 12;
    let mut packed = vec![0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF];
    let mut deflate = Deflate::new(&mut packed, Style::ALL[GO_6]);
    deflate.feed(content).unwrap();
    deflate.finish().unwrap();
    let mut crc = Crc::new();
    crc.update(content);
    packed.extend(gzip::trailer_of(crc.sum(), content.len() as u64));
    packed
}

/// An image whose layers Go packed.
pub fn by_go(release: u32) -> Vec<u8> {
    packed_image(release, go)
}

/// An image of one program with a compressed section.
pub fn tool(release: u32) -> Vec<u8> {
    let debug = [text(5, 9000), text(release, 10), text(6, 9000)].concat();
    let section = sections::tests::stream(0, &debug);
    let program = sections::tests::program_of(b"code", &[section]);
    end(entry("usr/bin/tool", b'0', 0, &program))
}

/// An image in the layout that registries have, of two layers: one that stays, and one that differs from release to release.
fn packed_image(release: u32, pack: Pack) -> Vec<u8> {
    let layers = [layer(77), layer(release)];
    let ids = layers.each_ref().map(|layer| hex(&Sha256::digest(layer)));
    let blobs = layers.map(|layer| pack(&layer));
    let names = blobs.each_ref().map(|blob| hex(&Sha256::digest(blob)));
    let config = format!(
        "{{\"release\":{release},\"diff_ids\":[\"{}\",\"{}\"]}}",
        ids[0], ids[1]
    );
    let config_id = hex(&Sha256::digest(config.as_bytes()));
    let manifest = format!(
        "{{\"config\":\"{config_id}\",\"layers\":[\"{}\",\"{}\"]}}",
        names[0], names[1]
    );
    let manifest_id = hex(&Sha256::digest(manifest.as_bytes()));
    let blob = |name: &str, bytes: &[u8]| entry(&format!("blobs/sha256/{name}"), b'0', 0, bytes);
    let index = format!("{{\"manifests\":[\"{manifest_id}\"]}}");
    end([
        blob(&names[0], &blobs[0]),
        blob(&names[1], &blobs[1]),
        blob(&config_id, config.as_bytes()),
        blob(&manifest_id, manifest.as_bytes()),
        entry("index.json", b'0', 0, index.as_bytes()),
        entry("oci-layout", b'0', 0, b"{\"imageLayoutVersion\":\"1.0.0\"}"),
    ]
    .concat())
}

#[test]
fn packed_layers_cost_no_more_than_plain_ones() {
    let folder = Folder::new();
    let plain: Pack = <[u8]>::to_vec;
    let six: Pack = |bytes| zlib(6, bytes);
    let nine: Pack = |bytes| zlib(9, bytes);
    let length = |old: Pack, new: Pack| {
        folder
            .comes_back(&packed_image(1, old), &packed_image(2, new), Effort::Best)
            .len()
    };
    let of_plain = length(plain, plain);
    for (old, new) in [
        (six, six),
        (nine, nine),
        (six, nine),
        (plain, six),
        (six, plain),
        (go, go),
    ] {
        let bytes = length(old, new);
        assert!(bytes < of_plain + 120, "{bytes} bytes, plain {of_plain}");
    }
}

/// The digest of what an unchanged layer unpacks to is told by the base's, so nothing of it crosses.
#[test]
fn digests_of_unpacked_layers_are_not_sent() {
    let folder = Folder::new();
    let six: Pack = |bytes| zlib(6, bytes);
    let (base, new) = (packed_image(1, six), packed_image(2, six));
    let patch = folder.comes_back(&base, &new, Effort::Best);
    let (old, image) = (folder.put("base", &base), folder.put("image", &new));
    let without = Ideas {
        derived: false,
        ..Ideas::default()
    };
    let path = folder.0.path().join("without");
    make_with(Some(&old), &image, &path, Effort::Best, &without, &|_| ()).unwrap();
    let more = fs::read(&path).unwrap().len() - patch.len();
    // Of the layer, packed and unpacked, of the config and of the manifest, and 30 sums of files.
    assert!(more > 4 * 32 + 6 * 16, "{more} bytes more without digests");
    let shown = show(&folder.put("patch", &patch), Some(&old)).unwrap();
    let digests = shown.entries.iter().filter(|entry| entry.form == "digests");
    assert!(digests.clone().count() >= 3);
    for entry in digests {
        assert!(
            entry.coded_bytes < 60,
            "{}: {} bytes",
            entry.path,
            entry.coded_bytes
        );
    }
}

/// An archive that was compressed whole, by any program whose deflate is known.
#[test]
fn a_compressed_image_is_looked_into() {
    let folder = Folder::new();
    let six: Pack = |bytes| zlib(6, bytes);
    let plain: Pack = <[u8]>::to_vec;
    let images = |release: u32| [plain, six].map(|inner| packed_image(release, inner));
    for (old, new) in images(1).into_iter().zip(images(2)) {
        let of_plain = folder.comes_back(&old, &new, Effort::Best).len();
        let (old, new) = (zlib(9, &old), zlib(6, &new));
        let bytes = folder.comes_back(&old, &new, Effort::Best).len();
        assert!(bytes < of_plain + 120, "{bytes} bytes, plain {of_plain}");
        let alone = folder.make(None, &new, Effort::Fast);
        assert!(folder.apply(None, &alone).unwrap() == new);
    }
}

/// Damaged, cut, with something behind it, of two members, no archive, longer than it may be: contents like any other.
#[test]
fn odd_packed_layers_come_back() {
    let folder = Folder::new();
    let good = |bytes: &[u8]| zlib(6, bytes);
    let odd: [Pack; 11] = [
        |_| vec![0x1F, 0x8B, 8, 0],
        |_| b"\x1F\x8B\x08\x04\0\0\0\0\0\x03\0\x0F".to_vec(),
        |bytes| zlib(6, &bytes[..511]),
        |bytes| zlib(6, bytes)[..9000].to_vec(),
        |bytes| [zlib(6, bytes), b"behind".to_vec()].concat(),
        |bytes| [zlib(6, &bytes[..5120]), zlib(6, &bytes[5120..])].concat(),
        |bytes| {
            let mut packed = zlib(6, bytes);
            let end = packed.len() - 1;
            packed[end] ^= 1;
            packed
        },
        |bytes| {
            let mut packed = zlib(6, bytes);
            packed[8000] ^= 1;
            packed
        },
        |bytes| zlib(1, bytes),
        |_| {
            zlib(
                9,
                &[entry("zeros", b'0', 0, &vec![0; 80 << 20]), vec![0; 1024]].concat(),
            )
        },
        |_| zlib(9, b""),
    ];
    let base = packed_image(1, good);
    for (nth, pack) in odd.iter().enumerate() {
        let blob = folder.put("blob", &pack(&layer(2)));
        let unpacked = packed::unpack(&Space::open(&blob).unwrap(), u64::MAX).unwrap();
        // What nobody packs again is a member like any other.
        assert_eq!(unpacked.is_some(), nth == 8, "{nth}");
        let image = packed_image(2, *pack);
        folder.comes_back(&base, &image, Effort::Fast);
        folder.comes_back(&image, &base, Effort::Fast);
    }
}

/// As the programs themselves pack them.
#[test]
fn what_gzip_packed_is_packed_again() {
    let folder = Folder::new();
    let gzip: Pack = |bytes| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("layer.tar");
        fs::write(&path, bytes).unwrap();
        let ran = Command::new("gzip").arg("-c").arg(&path).output().unwrap();
        assert!(ran.status.success());
        ran.stdout
    };
    let bytes = folder
        .comes_back(&packed_image(1, gzip), &packed_image(2, gzip), Effort::Best)
        .len();
    assert!(bytes < 1200, "{bytes} bytes");
}

#[test]
fn what_no_deflate_writes_again_is_told() {
    let folder = Folder::new();
    let one: Pack = |bytes| zlib(1, bytes);
    let image = folder.put("image", &packed_image(1, one));
    let told = std::cell::RefCell::new(Vec::new());
    let say = |text: &str| told.borrow_mut().push(text.to_string());
    let patch = folder.0.path().join("patch");
    make(None, &image, &patch, Effort::Fast, &say).unwrap();
    let told = told.borrow().join("\n");
    assert!(told.contains("can't be reproduced"), "{told}");
}

/// Debug information that a linker compressed: what changed in it crosses, not all of it.
#[test]
fn compressed_sections_of_programs_are_looked_into() {
    let folder = Folder::new();
    let noise = |seed: u64| {
        let mut bytes = vec![0; 60_000];
        ChaCha8Rng::seed_from_u64(seed).fill_bytes(&mut bytes);
        // Half of each byte, so that it can be compressed.
        bytes.iter().map(|byte| byte & 15).collect::<Vec<u8>>()
    };
    let program = |change: u8| {
        let mut debug = [noise(1), noise(2), noise(3)].concat();
        debug[40_000] ^= change;
        let section = (6, debug);
        sections::tests::program(&noise(4), &[section.clone(), section])
    };
    let image = |change: u8| end(entry("usr/bin/tool", b'0', 0, &program(change)));
    for effort in [Effort::Fast, Effort::Best] {
        let patch = folder.comes_back(&image(0), &image(1), effort);
        assert!(patch.len() < 700, "{} bytes", patch.len());
        let patch = folder.make(None, &image(1), effort);
        assert!(folder.apply(None, &patch).unwrap() == image(1));
    }
    let patch = folder.make(Some(&image(0)), &image(1), Effort::Fast);
    let shown = show(
        &folder.put("patch", &patch),
        Some(&folder.put("base", &image(0))),
    )
    .unwrap();
    assert_eq!(shown.entries[0].form, "sections");
    // What is not compressed any more is what it was.
    let debug = [noise(1), noise(2), noise(3)].concat();
    let open = [sections::tests::program(&noise(4), &[]), debug].concat();
    let open = end(entry("usr/bin/tool", b'0', 0, &open));
    let patch = folder.comes_back(&image(0), &open, Effort::Fast);
    assert!(patch.len() < 900, "{} bytes", patch.len());
}

#[test]
fn what_is_unpacked_fits_into_the_room_there_is() {
    let folder = Folder::new();
    let tar = layer(1);
    let space = Space::open(&folder.put("blob", &zlib(6, &tar))).unwrap();
    let bytes = tar.len() as u64;
    let unpacks = |room: u64| packed::unpack(&space, room).unwrap().is_some();
    assert!(unpacks(bytes) && !unpacks(bytes - 1) && !unpacks(0));
}

/// What is unpacked is bounded over a whole file: here a layer in an image that was compressed too.
#[test]
fn what_a_file_unpacks_to_is_bounded_in_sum() {
    let folder = Folder::new();
    let entries = |zeros: usize| {
        let layer = end(entry("a", b'0', 0, &vec![0; 900_000]));
        let outer = [
            entry("blobs/layer", b'0', 0, &zlib(6, &layer)),
            entry("zeros", b'0', 0, &vec![0; zeros]),
        ];
        let image = folder.put("image", &zlib(6, &end(outer.concat())));
        let archive = Archive::walk(&Space::open(&image).unwrap()).unwrap();
        archive.entries.len()
    };
    // The file, the outer archive's three, and the layer's two where there is room for it; the file as a whole.
    assert_eq!((entries(100_000), entries(900_000)), (7, 5));
}

/// So it is where a script says how long a layer is.
#[test]
fn a_script_that_makes_a_layer_too_long_is_refused() {
    let folder = Folder::new();
    let image = folder.put("image", &packed_image(1, go));
    let space = Space::open(&image).unwrap();
    let coded = |longer: u64| {
        let mut new = Archive::walk_into(&space, archive::inner).unwrap();
        let mut recipes = vec![Recipe::Nothing; new.entries.len()];
        recipes[0] = Recipe::Tar(None);
        let packed = new.tars.iter_mut().find(|tar| tar.packed.is_some());
        packed.unwrap().space = packed::temporary(longer).unwrap();
        let base = Archive::default();
        Coding::write(&base, new, recipes)
            .err()
            .map(|error| format!("{error:#}"))
    };
    let refusal = coded(1 << 30).unwrap();
    assert!(refusal.contains("unpacks to 1073741824"), "{refusal}");
}

/// The first entries of an archive that was cut: one run, and no archive within it.
#[test]
fn a_cut_archive_is_one_run() {
    let folder = Folder::new();
    let cut = &entry("a", b'0', 0, &text(1, 900))[..2000];
    let archive = Archive::walk(&Space::open(&folder.put("image", cut)).unwrap()).unwrap();
    assert_eq!((archive.tars.len(), archive.outer), (1, 0));
}

/// What no deflate writes again is held against the base's as it lies.
#[test]
fn a_layer_that_is_not_packed_again_still_has_its_base() {
    let folder = Folder::new();
    let image = |last: u64| {
        let mut noise = vec![0; 400_000];
        ChaCha8Rng::seed_from_u64(4).fill_bytes(&mut noise);
        let changing = text(last as u32, 300);
        let layer = [
            entry("noise", b'0', 0, &noise),
            entry("z", b'0', 0, &changing),
        ]
        .concat();
        // Too long for the last resort, which would find the base's bytes too.
        let mut other = vec![0; 9 << 20];
        ChaCha8Rng::seed_from_u64(5).fill_bytes(&mut other);
        end([
            entry("blobs/layer", b'0', 0, &zlib(1, &end(layer))),
            entry("blobs/other", b'0', 0, &other),
        ]
        .concat())
    };
    let bytes = folder.comes_back(&image(1), &image(2), Effort::Fast).len();
    assert!(bytes < 20_000, "{bytes} bytes");
}

/// The same blob lies in the base's outer archive and, under the name that the new image has it by, within a layer, where it
/// is not unpacked.
#[test]
fn a_digest_is_asked_of_the_blob_that_is_unpacked() {
    let folder = Folder::new();
    let blob = zlib(6, &layer(1));
    let diff_id = hex(&Sha256::digest(layer(1)));
    let index = |release: u32| format!("{{\"release\":{release},\"diff_ids\":[\"{diff_id}\"]}}");
    let mut kept = vec![0; 9 << 20];
    ChaCha8Rng::seed_from_u64(6).fill_bytes(&mut kept);
    let kept = entry("kept", b'0', 0, &kept);
    let within = end(entry("two.tar.gz", b'0', 0, &blob));
    let old = end([
        entry("one.tar.gz", b'0', 0, &blob),
        entry("layer.tar", b'0', 0, &within),
        entry("index.json", b'0', 0, index(1).as_bytes()),
        kept.clone(),
    ]
    .concat());
    let new = end([
        entry("two.tar.gz", b'0', 0, &blob),
        entry("index.json", b'0', 0, index(2).as_bytes()),
        kept,
    ]
    .concat());
    let (base, image) = (folder.put("old", &old), folder.put("new", &new));
    let told = std::cell::RefCell::new(String::new());
    let say = |text: &str| *told.borrow_mut() += text;
    make(
        Some(&base),
        &image,
        &folder.0.path().join("p"),
        Effort::Fast,
        &say,
    )
    .unwrap();
    assert!(!told.borrow().contains("again"), "{}", told.borrow());
    folder.comes_back(&old, &new, Effort::Fast);
}

/// An image as it lies against the same compressed, and the other way.
#[test]
fn whole_images_are_held_against_each_other_packed_or_not() {
    let folder = Folder::new();
    // Headers are most of it.
    let image = |release: u32| {
        let file = |n: u32| {
            let changed = if n.is_multiple_of(40) { release } else { 0 };
            let time = 1_600_000_000 + u64::from(n * n);
            entry(
                &format!("usr/share/{}/f{n}", n % 7),
                b'0',
                time,
                &text(n + changed, 20),
            )
        };
        end((0..400).flat_map(file).collect())
    };
    let (old, new) = (image(1), image(2));
    let both = folder.comes_back(&old, &new, Effort::Best).len();
    for (old, new) in [
        (zlib(6, &old), new.clone()),
        (old.clone(), zlib(9, &new)),
        (zlib(9, &old), zlib(6, &new)),
    ] {
        let bytes = folder.comes_back(&old, &new, Effort::Best).len();
        assert!(bytes < both + 60, "{bytes} bytes, {both} as they lie");
    }
}

/// A fault in a packed layer makes another length of it, so it can't be packed: the contents in it are coded plainly.
#[test]
fn a_fault_within_a_packed_layer_costs_that_layer_alone() {
    let folder = Folder::new();
    let image = |release: u32| {
        let changing = [
            faults::ANOTHER_BYTE.to_vec(),
            text(9, 4000),
            text(release, 20),
        ]
        .concat();
        let layer = end(entry("usr/share/changing", b'0', 0, &changing));
        let mut kept = vec![0; 9 << 20];
        ChaCha8Rng::seed_from_u64(7).fill_bytes(&mut kept);
        end([
            entry("blobs/layer", b'0', 0, &zlib(6, &layer)),
            entry("blobs/kept", b'0', 0, &kept),
        ]
        .concat())
    };
    let (base, new) = (folder.put("old", &image(1)), folder.put("new", &image(2)));
    let told = std::cell::RefCell::new(String::new());
    let say = |text: &str| *told.borrow_mut() += text;
    let patch = folder.0.path().join("p");
    make(Some(&base), &new, &patch, Effort::Fast, &say).unwrap();
    let told = told.borrow();
    assert!(
        told.contains("check failed") && !told.contains("whole image again"),
        "{told}"
    );
    let patch = fs::read(&patch).unwrap();
    assert!(folder.apply(Some(&image(1)), &patch).unwrap() == image(2));
}
