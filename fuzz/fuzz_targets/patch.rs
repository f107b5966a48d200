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
    based: bool,
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

fn gzip() -> flate2::write::GzEncoder<Vec<u8>> {
    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6))
}

static MADE: LazyLock<Vec<Made>> = LazyLock::new(|| {
    let base = put("base", &release(1));
    let image = release(2);
    let new = put("image", &image);
    let mut made = Vec::new();
    for (based, effort) in [(true, Effort::Fast), (true, Effort::Best), (false, Effort::Fast)] {
        let patch = place("made.dlp");
        fs::remove_file(&patch).ok();
        make(based.then_some(base.as_path()), &new, &patch, effort, &|_| ()).expect("a patch");
        let patch = fs::read(&patch).expect("it was made");
        made.push(Made { based, patch, image: image.clone() });
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
        Base::Right if made.based => Some(place("base")),
        Base::Right | Base::None => None,
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
