//! The `similarity` probe: cheap figures that may tell beforehand from which base a delta will be small.
//!
//! All but one could be kept beside an image: a digest of 35 bytes (TLSH), a sketch of 8 KiB (MinHash), lists of chunks or
//! files. The quick patch needs the bases themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use anyhow::{Context, Result};
use tlsh2::{TlshDefault, TlshDefaultBuilder};

use super::Find;
use super::tree;
use crate::engine::chunk::{FastCdc, KIB, cut_stream};
use crate::image::{Digest, Image, digest_of};
use crate::method::zstd_patch::quick_patch_bytes;

/// Small enough to find what a changed file in a layer leaves alone.
const CHUNKS: FastCdc = FastCdc::average(8 * KIB);

/// The pieces whose set MinHash compares.
const PIECES: FastCdc = FastCdc::average(KIB);

/// How many of the smallest hashes of its pieces a sketch keeps. The standard error of what two sketches tell is at most
/// 1 / (2 √1024) = 1.6 %. (Broder, "On the resemblance and containment of documents", 1997; with one hash function.)
const SKETCH: usize = 1024;

/// What the chunks that no base has are compressed by: nearly as small as by the levels that patches use, and cheap.
const LEVEL: i32 = 3;

const MILLION: u128 = 1_000_000;

/// What is known of an image, or of several bases together.
#[derive(Default)]
struct Sketch {
    /// One for each image; none of one that is too short, or of too little variety.
    tlsh: Vec<TlshDefault>,
    chunks: BTreeMap<Digest, u64>,
    /// The smallest hashes of its pieces.
    least: BTreeSet<u64>,
    files: BTreeMap<Digest, u64>,
}

/// With bases, and only then: `tlsh_distance` and `tlsh_distance_any_length`, to the nearest base, where TLSH has a digest of
/// both; in millionths `chunk_jaccard_ppm` (bytes of common chunks over bytes of all), `chunk_share_ppm` (bytes of the image
/// in chunks that a base has), `minhash_ppm` (an estimate of the common pieces over all), `file_share_ppm` (bytes of the
/// image's files whose contents a base has); `lacking_bytes`, of the chunks that no base has, compressed together; and
/// `quick_patch_bytes`, of the shortest patch from one base that zstd makes at its quickest, of images up to 2 GiB.
pub fn look(image: &Image, bases: &[Image], find: Find) -> Result<()> {
    if bases.is_empty() {
        return Ok(());
    }
    let mut held = Sketch::default();
    for base in bases {
        held.add(base)?;
    }
    let mut wanted = Sketch::default();
    wanted.add(image)?;
    for (measure, with_length) in [("tlsh_distance", true), ("tlsh_distance_any_length", false)] {
        let pairs = wanted.tlsh.iter().flat_map(|one| {
            held.tlsh
                .iter()
                .map(move |other| one.diff(other, with_length))
        });
        if let Some(distance) = pairs.min() {
            find("", measure, u64::try_from(distance).unwrap_or(0));
        }
    }
    let common = common(&wanted.chunks, &held.chunks);
    let (wanted_bytes, held_bytes) = (sum(&wanted.chunks), sum(&held.chunks));
    find(
        "",
        "chunk_jaccard_ppm",
        ppm(common, wanted_bytes + held_bytes - common),
    );
    find("", "chunk_share_ppm", ppm(common, wanted_bytes));
    find("", "lacking_bytes", lacking(image, &held.chunks)?);
    find("", "minhash_ppm", minhash(&wanted.least, &held.least));
    let files = self::common(&wanted.files, &held.files);
    find("", "file_share_ppm", ppm(files, sum(&wanted.files)));
    if let Some(bytes) = quick_patch(image, bases)? {
        find("", "quick_patch_bytes", bytes);
    }
    Ok(())
}

/// Of the patch from the best of the bases; none where one pair is too long for it.
fn quick_patch(image: &Image, bases: &[Image]) -> Result<Option<u64>> {
    let patches = bases.iter().map(|base| quick_patch_bytes(base, image));
    let patches: Option<Vec<u64>> = patches.collect::<Result<_>>()?;
    Ok(patches.and_then(|patches| patches.into_iter().min()))
}

impl Sketch {
    fn add(&mut self, image: &Image) -> Result<()> {
        let mut tlsh = TlshDefaultBuilder::new();
        cut_stream(&CHUNKS, &mut image.open()?, &mut |chunk| {
            tlsh.update(chunk);
            self.chunks.insert(digest_of(chunk), chunk.len() as u64);
            Ok(())
        })?;
        self.tlsh.extend(tlsh.build());
        cut_stream(&PIECES, &mut image.open()?, &mut |piece| {
            let [a, b, c, d, e, f, g, h, ..] = digest_of(piece);
            let hash = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
            let is_full = self.least.len() == SKETCH;
            if is_full && self.least.last().is_some_and(|most| hash >= *most) {
                return Ok(());
            }
            if self.least.insert(hash) && is_full {
                self.least.pop_last();
            }
            Ok(())
        })?;
        let layers = tree::read(&image.path).with_context(|| image.name.clone())?;
        let files = tree::visible(&layers).into_iter().filter(|it| it.bytes > 0);
        self.files.extend(files.map(|it| (it.sha256, it.bytes)));
        Ok(())
    }
}

/// Bytes of the image's chunks that are not among those held, compressed together; each counts once.
fn lacking(image: &Image, held: &BTreeMap<Digest, u64>) -> Result<u64> {
    let mut encoder = zstd::Encoder::new(Length(0), LEVEL)?;
    let mut seen = BTreeSet::new();
    cut_stream(&CHUNKS, &mut image.open()?, &mut |chunk| {
        let digest = digest_of(chunk);
        if !held.contains_key(&digest) && seen.insert(digest) {
            encoder.write_all(chunk)?;
        }
        Ok(())
    })?;
    let Length(bytes) = encoder.finish()?;
    Ok(bytes)
}

/// Counts what is written to it.
struct Length(u64);

impl Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn sum(parts: &BTreeMap<Digest, u64>) -> u64 {
    parts.values().sum()
}

/// Bytes of the parts that both have.
fn common(one: &BTreeMap<Digest, u64>, other: &BTreeMap<Digest, u64>) -> u64 {
    let both = one.iter().filter(|(digest, _)| other.contains_key(*digest));
    both.map(|(_, bytes)| bytes).sum()
}

/// Of the smallest hashes of both sets together, how many are in both.
fn minhash(one: &BTreeSet<u64>, other: &BTreeSet<u64>) -> u64 {
    let least: Vec<&u64> = one.union(other).take(SKETCH).collect();
    let both = least
        .iter()
        .filter(|it| one.contains(it) && other.contains(it));
    ppm(both.count() as u64, least.len() as u64)
}

fn ppm(part: u64, whole: u64) -> u64 {
    let ppm = u128::from(part) * MILLION / u128::from(whole.max(1));
    u64::try_from(ppm).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::noise;
    use crate::probe::found_by;

    fn found(image: &[u8], bases: &[&[u8]]) -> BTreeMap<String, u64> {
        found_by(look, image, bases)
    }

    #[test]
    fn the_same_bytes_are_alike_and_others_are_not_by_every_measure() {
        let (one, other) = (noise(1, 400_000), noise(2, 400_000));
        let same = found(&one, &[&one]);
        let strange = found(&one, &[&other]);
        assert_eq!(same.len(), 8);
        for (measure, value) in &same {
            match measure.ends_with("_ppm") {
                true => assert_eq!((*value, strange[measure]), (1_000_000, 0), "{measure}"),
                false if measure.ends_with("_bytes") => {
                    // Noise cannot be compressed.
                    assert!(
                        *value < 100 && strange[measure].abs_diff(400_000) < 200,
                        "{strange:?}"
                    );
                }
                false => assert!(*value == 0 && strange[measure] > 20, "{measure}"),
            }
        }
        assert!(found(&one, &[]).is_empty());
        // Among several bases one that is the image is enough.
        let several = found(&one, &[&other, &one]);
        assert_eq!(
            (several["chunk_share_ppm"], several["tlsh_distance"]),
            (1_000_000, 0)
        );
        assert_eq!(several["quick_patch_bytes"], same["quick_patch_bytes"]);
    }

    #[test]
    fn a_share_is_of_the_image_and_a_jaccard_of_both() {
        let (half, other) = (noise(3, 1_000_000), noise(4, 1_000_000));
        let both = [&half[..], &other[..]].concat();
        let within = |value: u64, about: u64| value.abs_diff(about) < 40_000;
        let small = found(&half, &[&both]);
        assert!(within(small["chunk_share_ppm"], 990_000), "{small:?}");
        assert!(within(small["chunk_jaccard_ppm"], 500_000), "{small:?}");
        // 1,024 hashes are off by 1.6 % at most, two times in three; the seed is fixed.
        assert!(within(small["minhash_ppm"], 500_000), "{small:?}");
        let large = found(&both, &[&half]);
        assert!(within(large["chunk_share_ppm"], 500_000), "{large:?}");
    }

    #[test]
    fn length_counts_for_tlsh_unless_it_is_left_out() {
        let text: Vec<u8> = (0..4000)
            .flat_map(|at| format!("line {at} of it\n").into_bytes())
            .collect();
        let long = text.repeat(16);
        let found = found(&text, &[&long]);
        assert!(
            found["tlsh_distance"] > found["tlsh_distance_any_length"],
            "{found:?}"
        );
    }
}
