//! Hostile chunk stores: what a client of a store of chunks, or of packs, makes of any index and any objects. It rebuilds the
//! image whose chunks the index names, or says why not, and never holds more than a chunk's worth for a lie.

#![no_main]

use std::fs;
use std::sync::LazyLock;

use arbitrary::Arbitrary;
use delta_lab::dice::Dice;
use delta_lab::engine::chunk::name_of;
use delta_lab::image::Image;
use delta_lab::method::builtin::builtin;
use delta_lab::store::Store;
use delta_lab::wire::Wire;
use delta_lab_fuzz::{empty, place, put};
use libfuzzer_sys::fuzz_target;

/// Edits of a right store, or an index of any bytes.
#[derive(Arbitrary, Debug)]
struct Hostile {
    packed: bool,
    with_base: bool,
    /// The index as it comes; none: the right one with edits.
    index: Option<Vec<u8>>,
    edits: Vec<(u16, u8)>,
    cut: Option<u16>,
    /// Whether the index's digest is made right again.
    mended: bool,
    /// Which object is edited: its place among all, where, and to what.
    objects: Vec<(u8, u16, u8)>,
    /// An object that is cut short, or is not there.
    short: Option<(u8, u16)>,
}

/// A method, and a right store of its own, object by object.
struct Right {
    method: &'static str,
    index: String,
    objects: Vec<(String, Vec<u8>)>,
}

static IMAGES: LazyLock<[Image; 2]> = LazyLock::new(|| {
    let old = Dice::new(5).bytes(200_000);
    let mut new = old.clone();
    new.splice(90_000..90_000, Dice::new(6).bytes(20_000));
    [("old", old), ("new", new)].map(|(name, bytes)| {
        let path = put(name, &bytes);
        Image::read(name, &path).expect("it was just written")
    })
});

static RIGHT: LazyLock<[Right; 2]> = LazyLock::new(|| {
    [("fastcdc/16k", "idx"), ("fastcdc-pack/16k", "pidx")].map(|(name, ending)| {
        let method = builtin(name).expect("it is built in");
        let folder = empty("right");
        let store = Store::at(&folder).expect("a folder can be made");
        let published = method.publish(&IMAGES[1], &[], &store);
        published.expect("a right image is published");
        let files = walk(&folder);
        Right {
            method: name,
            index: format!("new.{ending}"),
            objects: files,
        }
    })
});

/// Every file below a folder, by its path there.
fn walk(folder: &std::path::Path) -> Vec<(String, Vec<u8>)> {
    let (mut folders, mut files) = (vec![folder.to_path_buf()], Vec::new());
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).expect("it is a folder") {
            let path = entry.expect("it can be listed").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).expect("it is within");
            let name = name.to_string_lossy().into_owned();
            files.push((name, fs::read(&path).expect("it can be read")));
        }
    }
    files.sort();
    files
}

fuzz_target!(|hostile: Hostile| {
    let right = &RIGHT[usize::from(hostile.packed)];
    let folder = empty("store");
    let count = right.objects.len();
    for (at, (name, bytes)) in right.objects.iter().enumerate() {
        let mut bytes = bytes.clone();
        if *name == right.index {
            if let Some(index) = &hostile.index {
                bytes = index.clone();
            }
            edit(&mut bytes, hostile.edits.iter().copied());
            if let Some(cut) = hostile.cut {
                bytes.truncate(cut.into());
            }
            if hostile.mended {
                mend(&mut bytes);
            }
        } else {
            let meant = hostile.objects.iter();
            let meant = meant.filter(|(which, ..)| usize::from(*which) % count == at);
            edit(&mut bytes, meant.map(|&(_, at, byte)| (at, byte)));
            match hostile.short {
                Some((which, 0)) if usize::from(which) % count == at => continue,
                Some((which, bytes_left)) if usize::from(which) % count == at => {
                    bytes.truncate(bytes_left.into());
                }
                _ => {}
            }
        }
        put(&format!("store/{name}"), &bytes);
    }
    let store = Store::at(&folder).expect("it is there");
    let wire = Wire::open(&store).expect("loopback is there");
    let out = place("out");
    fs::remove_file(&out).ok();
    let bases = match hostile.with_base {
        true => &IMAGES[..1],
        false => &[],
    };
    let method = builtin(right.method).expect("it is built in");
    let rebuilt = method.update("new", bases, &wire.url(), &out);
    wire.close().expect("the wire ends");
    match rebuilt {
        Ok(()) => {
            let index = fs::read(folder.join(&right.index)).expect("it was asked for");
            let found = fs::read(&out).expect("it was rebuilt");
            let (mut rest, mut chunks) = (&found[..], &index[inner(&index) + HEAD_BYTES..]);
            while !rest.is_empty() {
                let (chunk, more) = chunks.split_at(36);
                let bytes = u32::from_le_bytes(chunk[..4].try_into().expect("four bytes"));
                let (bytes, left) = rest.split_at(bytes as usize);
                assert_eq!(name_of(bytes), chunk[4..], "another chunk than the index says");
                (rest, chunks) = (left, more);
            }
        }
        Err(why) => assert!(!format!("{why:#}").is_empty()),
    }
});

/// Length of an index before its chunks, and the place of its digest, as `method::index` has them.
const HEAD_BYTES: usize = 88;
const DIGEST: std::ops::Range<usize> = 24..56;

/// Where the index of a chunk store begins: in one of packs, behind their names.
fn inner(index: &[u8]) -> usize {
    match index {
        [b'd', b'l', b'-', b'p', b'a', b'c', b'k', b's', _, _, _, _, a, b, c, d, ..] => {
            let packs = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
            packs.saturating_mul(32).saturating_add(16)
        }
        _ => 0,
    }
}

/// Gives the index its right digest; one of packs has the places of its chunks behind it.
fn mend(bytes: &mut [u8]) {
    let begins = inner(bytes).min(bytes.len());
    let index = &mut bytes[begins..];
    if index.len() < HEAD_BYTES {
        return;
    }
    let count = u32::from_le_bytes(index[12..16].try_into().expect("four bytes")) as usize;
    let end = count.saturating_mul(36).saturating_add(HEAD_BYTES);
    let end = end.min(index.len());
    let index = &mut index[..end];
    let rest = [&index[..DIGEST.start], &index[DIGEST.end..]].concat();
    let digest = name_of(&rest);
    index[DIGEST].copy_from_slice(&digest);
}

fn edit(bytes: &mut [u8], edits: impl Iterator<Item = (u16, u8)>) {
    for (at, byte) in edits {
        let length = bytes.len();
        if length > 0 {
            bytes[usize::from(at) % length] = byte;
        }
    }
}
