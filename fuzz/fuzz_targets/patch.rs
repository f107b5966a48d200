//! Hostile patches: a right image, or an error, never a wrong image. A patch is any bytes, or one of the lab's own with
//! edits; its checksum is always right, so that only what is behind it stands in the way.

#![no_main]

use std::fs;
use std::sync::LazyLock;

use arbitrary::Arbitrary;
use delta_lab::dice::Dice;
use delta_lab::engine::image::{Effort, apply, make, show};
use delta_lab_fuzz::{mend_tar, place, put};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Hostile {
    /// Which of the patches is edited; none: the bytes are the patch.
    start: Option<u8>,
    edits: Vec<(u16, u8)>,
    cut: Option<u16>,
    bytes: Vec<u8>,
    base: Base,
}

#[derive(Arbitrary, Debug)]
enum Base {
    Right,
    None,
    Other(Vec<u8>),
}

struct Made {
    base: Option<std::path::PathBuf>,
    patch: Vec<u8>,
    image: Vec<u8>,
}

/// A tar of texts, of which a second release changes some.
fn release(number: u64) -> Vec<u8> {
    use std::io::Write;
    let mut dice = Dice::new(3);
    let mut tar = tar::Builder::new(Vec::new());
    for n in 0..12 {
        let words: Vec<u8> = (0..300).map(|_| b"etaoin shrdlu\n"[dice.skewed(14)]).collect();
        let mut text = words;
        if n % 4 == 0 {
            text.splice(100..100, format!("release {number}").into_bytes());
        }
        let mut header = tar::Header::new_gnu();
        let mut name = format!("usr/share/doc/{n}");
        if n % 3 == 0 {
            let mut packed = gzip();
            packed.write_all(&text).expect("memory");
            text = packed.finish().expect("memory");
            name += ".gz";
        }
        header.set_mode(0o644);
        header.set_size(text.len() as u64);
        tar.append_data(&mut header, name, &text[..]).expect("memory");
    }
    let mut bytes = tar.into_inner().expect("memory");
    mend_tar(&mut bytes);
    bytes
}

/// An image that is compressed as a whole, and so is the layer in it.
fn packed(number: u64) -> Vec<u8> {
    let layer = pack(&release(number));
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(layer.len() as u64);
    tar.append_data(&mut header, "blobs/layer", &layer[..]).expect("memory");
    let index = format!("{{\"release\":{number}}}");
    header.set_size(index.len() as u64);
    tar.append_data(&mut header, "index.json", index.as_bytes()).expect("memory");
    pack(&tar.into_inner().expect("memory"))
}

fn pack(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut packed = gzip();
    packed.write_all(bytes).expect("memory");
    packed.finish().expect("memory")
}

/// A file of ELF whose one section is compressed.
fn program(number: u64) -> Vec<u8> {
    use std::io::Write;
    let held = release(number);
    let mut stream = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(6));
    stream.write_all(&held).expect("memory");
    let stream = stream.finish().expect("memory");
    let mut file = vec![0; 64];
    file[..6].copy_from_slice(b"\x7fELF\x02\x01");
    file[58] = 64;
    file[60] = 1;
    for field in [1, held.len() as u64, 1] {
        file.extend(field.to_le_bytes());
    }
    file.extend(&stream);
    let table = file.len() as u64;
    file[40..48].copy_from_slice(&table.to_le_bytes());
    for field in [1 << 32, 0x800, 0, 64, 24 + stream.len() as u64, 0, 0, 0] {
        file.extend(u64::to_le_bytes(field));
    }
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o755);
    header.set_size(file.len() as u64);
    tar.append_data(&mut header, "usr/bin/tool", &file[..]).expect("memory");
    tar.into_inner().expect("memory")
}

fn gzip() -> flate2::write::GzEncoder<Vec<u8>> {
    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6))
}

static MADE: LazyLock<Vec<Made>> = LazyLock::new(|| {
    let mut made = Vec::new();
    let ways = [(true, Effort::Fast), (true, Effort::Best), (false, Effort::Fast)];
    let images: [(&str, fn(u64) -> Vec<u8>); 3] =
        [("plain", release), ("packed", packed), ("program", program)];
    for (name, image) in images {
        let base = put(name, &image(1));
        let image = image(2);
        let new = put("image", &image);
        for (based, effort) in ways {
            let base = based.then(|| base.clone());
            let patch = place("made.dlp");
            fs::remove_file(&patch).ok();
            make(base.as_deref(), &new, &patch, effort, &|_| ()).expect("a patch");
            let patch = fs::read(&patch).expect("it was made");
            let image = image.clone();
            made.push(Made { base, patch, image });
        }
    }
    made
});

fuzz_target!(|hostile: Hostile| {
    let made = &MADE[usize::from(hostile.start.unwrap_or(0)) % MADE.len()];
    let mut patch = match hostile.start {
        Some(_) => made.patch[..made.patch.len() - 4].to_vec(),
        None => hostile.bytes,
    };
    for (at, byte) in hostile.edits {
        let length = patch.len().max(1);
        if let Some(place) = patch.get_mut(usize::from(at) % length) {
            *place = byte;
        }
    }
    if let Some(cut) = hostile.cut {
        patch.truncate(usize::from(cut));
    }
    patch.extend(crc32fast::hash(&patch).to_le_bytes());
    let patch = put("patch.dlp", &patch);
    let base = match hostile.base {
        Base::Right => made.base.clone(),
        Base::None => None,
        Base::Other(bytes) => Some(put("other", &bytes)),
    };
    let out = place("out");
    fs::remove_file(&out).ok();
    if apply(base.as_deref(), &patch, &out, &|_| ()).is_ok() {
        let rebuilt = fs::read(&out).expect("it was made");
        // With its own head, a patch makes its own image; what has another head says itself which image it makes.
        let head = fs::read(&patch).expect("it is there");
        if head.get(..74) == made.patch.get(..74) {
            assert!(rebuilt == made.image, "a wrong image");
        }
    } else {
        assert!(!out.exists(), "an image of a patch that was refused");
    }
    show(&patch, base.as_deref()).ok();
});
