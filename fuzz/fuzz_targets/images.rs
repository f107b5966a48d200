//! Hostile images: a patch between any two files is made, and brings the second back.

#![no_main]

use std::fs;
use std::io::Write;

use delta_lab::engine::image::{Effort, apply, make};
use delta_lab_fuzz::{mend_tar, place, put};
use libfuzzer_sys::fuzz_target;

fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    packed.write_all(bytes).expect("memory");
    packed.finish().expect("memory")
}

// Whether both are mended as tars, and which of them are compressed then; the base's length, the base, the image.
fuzz_target!(|bytes: &[u8]| {
    let [tars, low, high, files @ ..] = bytes else {
        return;
    };
    let length = usize::from(u16::from_le_bytes([*low, *high]));
    let (base, image) = files.split_at(length.min(files.len()));
    let (mut base, mut image) = (base.to_vec(), image.to_vec());
    if tars & 1 == 1 {
        mend_tar(&mut base);
        mend_tar(&mut image);
    }
    if tars & 2 == 2 {
        base = pack(&base);
    }
    if tars & 4 == 4 {
        image = pack(&image);
    }
    let (old, new) = (put("old", &base), put("new", &image));
    let (patch, out) = (place("patch.dlp"), place("out"));
    fs::remove_file(&patch).ok();
    fs::remove_file(&out).ok();
    make(Some(&old), &new, &patch, Effort::Fast, &|_| ()).expect("any two files have a patch");
    apply(Some(&old), &patch, &out, &|_| ()).expect("it was just made");
    assert!(fs::read(&out).expect("it was made") == image);
});
