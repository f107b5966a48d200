//! Image patches between random releases: what one process makes, another one applies, to the byte.

use std::fs;
use std::io::Write;

use delta_lab::dice::Dice;
use delta_lab::engine::image::{Effort, make};
use delta_lab::source::synthetic::{Change, Release};

use super::Campaign;
use crate::bench::Bench;

const CHANGES: &[Change] = &[
    Change::Rebuild,
    Change::Patch,
    Change::PackageBump,
    Change::BaseUpgrade,
    Change::Relink,
    Change::Insert,
    Change::ReorderLayers,
];

fn image(release: &Release) -> Vec<u8> {
    let mut bytes = Vec::new();
    release.write(&mut bytes).unwrap();
    bytes
}

/// One to three changes at once.
fn next(release: &Release, dice: &mut Dice) -> Release {
    let changes: Vec<Change> = (0..1 + dice.index(3))
        .map(|_| *dice.pick(CHANGES))
        .collect();
    release.then(&changes)
}

/// What a release never is: cut, with bytes flipped, put in, or taken out.
fn damage(bytes: &mut Vec<u8>, dice: &mut Dice) {
    for _ in 0..1 + dice.index(4) {
        let at = dice.index(bytes.len());
        let some = dice.index(5000).min(bytes.len() - at);
        match dice.index(8) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..at + some)),
            2 => drop(bytes.splice(at..at, dice.bytes(some))),
            3 => bytes.extend_from_within(at..at + some),
            _ if at < bytes.len() => bytes[at] ^= 1 << dice.index(8),
            _ => {}
        }
    }
}

/// The file that a gzip program makes of an image, at a level of zlib's that a patch can pack again, or at one that it can't.
fn pack(bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
    let level = flate2::Compression::new(*dice.pick(&[6, 9, 1]));
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), level);
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

/// A pair of images of one history, either of them the base; one in five was damaged, one in five compressed.
fn pair(dice: &mut Dice) -> [Vec<u8>; 2] {
    let old = Release::first(dice.u64(), 1);
    let mut new = next(&old, dice);
    if dice.chance(25) {
        new = next(&new, dice);
    }
    let mut pair = [image(&old), image(&new)];
    if dice.chance(30) {
        pair.reverse();
    }
    for image in &mut pair {
        if dice.chance(20) {
            *image = pack(image, dice);
        }
    }
    if dice.chance(20) {
        let which = dice.index(2);
        damage(&mut pair[which], dice);
    }
    pair
}

#[test]
fn a_patch_between_random_releases_is_applied_by_another_process() {
    let Some(campaign) = Campaign::wanted("patches", 25) else {
        return;
    };
    let bench = Bench::new();
    let [old, new, patch, back] = ["old", "new", "p", "back"].map(|name| bench.path(name));
    let (mut moved, mut whole) = (0, 0);
    campaign.run(|dice| {
        let [base, image] = pair(dice);
        fs::write(&old, base).unwrap();
        fs::write(&new, &image).unwrap();
        let effort = *dice.pick(&[Effort::Fast, Effort::Best]);
        let made = make(Some(&old), &new, &patch, effort, &|_| ()).unwrap();
        bench.expect(&["patch", "apply", "old", "p", "-o", "back"], 0);
        assert!(
            fs::read(&back).unwrap() == image,
            "{effort:?}: another image"
        );
        moved += made.patch_bytes;
        whole += image.len() as u64;
    });
    eprintln!("patches: {moved} bytes for images of {whole}");
    assert!(moved < whole / 2);
}
