//! Every index that cross-checks read, of any bytes, for a client with a base and without one. The first byte says which
//! format.

#![no_main]

use std::sync::LazyLock;

use delta_lab::crosscheck::{self, FORMATS, Published};
use delta_lab::image::{Image, hex};
use delta_lab::store::Store;
use delta_lab::wire::Traffic;
use delta_lab_fuzz::{place, put};
use libfuzzer_sys::fuzz_target;

static IMAGE: LazyLock<Image> = LazyLock::new(|| {
    // A hundred bytes as in the seeds, where zsync's blocks are of this image.
    let path = put("new", &delta_lab::dice::Dice::new(5).bytes(100));
    Image::read("new", &path).expect("it was just written")
});

static STORE: LazyLock<Store> = LazyLock::new(|| {
    let store = Store::at(&place("store")).expect("a folder can be made");
    put("store/new", &delta_lab::dice::Dice::new(5).bytes(100));
    store
});

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, index)) = bytes.split_first() else {
        return;
    };
    let format = &FORMATS[usize::from(*choice) % FORMATS.len()];
    let (index, rest) = match index.iter().rposition(|&byte| byte == b'|') {
        Some(at) if format.has_chunks => (&index[..at], &index[at + 1..]),
        _ => (index, &[][..]),
    };
    put("store/index", index);
    // The first chunk of casync's table, whatever it is called.
    let digest = index.get(72..104).map(hex);
    if let Some(name) = &digest {
        put(&format!("store/chunks/{}/{name}.cacnk", &name[..4]), rest);
    }
    let published = Published {
        format,
        image: IMAGE.clone(),
        index: "index".to_string(),
        chunks: format.has_chunks.then(|| "chunks".to_string()),
    };
    let none = Traffic::default();
    for bases in [&[][..], std::slice::from_ref(&published)] {
        // No client pulls nothing, so that this never passes; it must say where it broke.
        let why = crosscheck::check(&STORE, &published, bases, &none);
        let why = format!("{:#}", why.expect_err("nothing was pulled"));
        // An index of zsync may name any object; that one is said then.
        let places = ["index", "chunks/", "new", "in the store"];
        assert!(places.iter().any(|place| why.contains(place)), "{why}");
    }
    if digest.is_some() {
        std::fs::remove_dir_all(place("store/chunks")).ok();
    }
});
