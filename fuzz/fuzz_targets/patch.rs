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
use sha2::{Digest, Sha256};

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
    /// Another one, which the patch is made to accept: any bytes, or the right ones with edits.
    Other(Vec<u8>),
    Edited(Vec<(u16, u8)>),
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

/// Where the program is loaded, and how much of it is calls.
const ADDRESS: u64 = 0x1000;
const CALLS: usize = 300;

/// A program of calls from everywhere to everywhere, with a compressed section. In the second release all but the first calls
/// move.
fn program(number: u64) -> Vec<u8> {
    use std::io::Write;
    let held = release(number);
    let mut stream = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(6));
    stream.write_all(&held).expect("memory");
    let stream = stream.finish().expect("memory");
    let mut file = vec![0; 120];
    file[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    file[18] = 62;
    file[32] = 64;
    file[54] = 56;
    file[56] = 1;
    file[58] = 64;
    file[60] = 2;
    let place = |call: usize| {
        let more = if call > 40 { 3 * number as i32 } else { 0 };
        call as i32 * 5 + more
    };
    for call in 0..CALLS {
        file.resize(120 + place(call) as usize, 0x90);
        let to = place(call * 37 % CALLS) - place(call) - 5;
        file.push(0xe8);
        file.extend(to.to_le_bytes());
    }
    let code = file.len() as u64 - 120;
    let debug = file.len() as u64;
    for field in [1, held.len() as u64, 1] {
        file.extend(field.to_le_bytes());
    }
    file.extend(&stream);
    let table = file.len() as u64;
    file[40..48].copy_from_slice(&table.to_le_bytes());
    let load = [7 << 32 | 1, 0, ADDRESS, ADDRESS, debug, debug, 1];
    for (nth, field) in load.into_iter().enumerate() {
        file[64 + nth * 8..72 + nth * 8].copy_from_slice(&u64::to_le_bytes(field));
    }
    for section in [
        [1 << 32, 6, ADDRESS + 120, 120, code, 0, 0, 0],
        [1 << 32, 0x800, 0, debug, 24 + stream.len() as u64, 0, 0, 0],
    ] {
        section.iter().for_each(|field| file.extend(u64::to_le_bytes(*field)));
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

/// Writes another base's length and sha256 into the head of a patch that has one.
fn accept(patch: &mut Vec<u8>, base: &[u8]) {
    const AT: usize = 5;
    let Some(end) = patch.get(AT..).and_then(|rest| rest.iter().position(|byte| byte & 0x80 == 0)) else {
        return;
    };
    let digest = AT + end + 1..AT + end + 33;
    if patch.len() < digest.end || patch[AT - 1] & 1 == 0 {
        return;
    }
    patch[digest].copy_from_slice(&Sha256::digest(base));
    let mut length = Vec::new();
    let mut left = base.len();
    while left >= 0x80 {
        length.push(left as u8 | 0x80);
        left >>= 7;
    }
    length.push(left as u8);
    patch.splice(AT..=AT + end, length);
}

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
    let edited = |edits: Vec<(u16, u8)>| {
        let mut bytes = fs::read(made.base.as_ref()?).expect("it was put there");
        let length = bytes.len();
        edits.into_iter().for_each(|(at, byte)| bytes[usize::from(at) % length] = byte);
        Some(bytes)
    };
    let is_missing = matches!(hostile.base, Base::None);
    let other = match hostile.base {
        Base::Right | Base::None => None,
        Base::Other(bytes) => Some(bytes),
        Base::Edited(edits) => edited(edits),
    };
    let base = match (&other, is_missing) {
        (Some(bytes), _) => Some(put("other", bytes)),
        (None, false) => made.base.clone(),
        (None, true) => None,
    };
    if let Some(bytes) = &other {
        accept(&mut patch, bytes);
    }
    patch.extend(crc32fast::hash(&patch).to_le_bytes());
    let patch = put("patch.dlp", &patch);
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
