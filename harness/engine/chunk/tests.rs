//! What holds for every chunker.

use super::*;
use crate::dice::noise;

fn lengths(chunker: &dyn Cut, mut input: &[u8]) -> Vec<usize> {
    let mut lengths = Vec::new();
    cut_stream(chunker, &mut input, &mut |chunk| {
        lengths.push(chunk.len());
        Ok(())
    })
    .unwrap();
    lengths
}

/// Every chunker that follows the content, with chunks of about 16 KiB.
fn chunkers() -> Vec<(&'static str, Box<dyn Cut>)> {
    vec![
        ("fastcdc", Box::new(FastCdc::average(16 * KIB))),
        ("gear", Box::new(Gear::average(16 * KIB))),
        ("buzhash", Box::new(Buzhash::average(16 * KIB))),
        ("peaks", Box::new(Peaks::average(16 * KIB))),
    ]
}

/// A library once moved its cut points between two releases, which makes every store useless.
#[test]
fn cut_points_are_what_they_always_were() {
    let noise = noise(1, 300_000);
    let cuts = [16, 64, 256].map(|kib| lengths(&FastCdc::average(kib * KIB), &noise));
    let golden: [&[usize]; 3] = [
        &[
            12881, 21124, 23292, 25180, 8599, 5140, 41573, 32261, 20539, 8470, 24163, 14967, 5278,
            18681, 20488, 17364,
        ],
        &[34005, 62211, 73834, 68139, 19495, 42316],
        &[257684, 42316],
    ];
    assert_eq!(cuts, golden);
    let others: Vec<Vec<usize>> = chunkers()[1..]
        .iter()
        .map(|(_, chunker)| lengths(&**chunker, &noise))
        .collect();
    let golden: [&[usize]; 3] = [
        &[
            8932, 18462, 4958, 12001, 58131, 14710, 33820, 38591, 4872, 14007, 65536, 25339, 641,
        ],
        &[
            6413, 9267, 28944, 15676, 9634, 47434, 20806, 40597, 29462, 4855, 5919, 4939, 44388,
            15624, 16042,
        ],
        &[
            4292, 4371, 4385, 4478, 6948, 4727, 4113, 6676, 5489, 4848, 5193, 5876, 8610, 5603,
            8757, 4277, 5491, 4412, 4131, 5930, 5505, 8970, 12401, 4353, 7031, 4175, 5723, 7753,
            5231, 5330, 5859, 8153, 5119, 4502, 5197, 8655, 8237, 5565, 5668, 6443, 4652, 7660,
            4652, 6260, 4705, 4716, 6834, 4538, 6649, 4406, 5422, 1029,
        ],
    ];
    assert_eq!(others, golden);
}

#[test]
fn chunks_join_to_what_was_cut_and_keep_their_limits() {
    let noise = noise(1, 1_000_003);
    for (name, chunker) in chunkers() {
        let mut joined = Vec::new();
        let each = &mut |chunk: &[u8]| {
            joined.extend_from_slice(chunk);
            Ok(())
        };
        cut_stream(&*chunker, &mut &noise[..], each).unwrap();
        assert_eq!(joined, noise, "{name}");
        let lengths = lengths(&*chunker, &noise);
        let (_last, others) = lengths.split_last().unwrap();
        let limits = 4 * KIB..=64 * KIB;
        assert_eq!(chunker.most_bytes(), 64 * KIB, "{name}");
        assert!(
            others.iter().all(|length| limits.contains(length)),
            "{name}"
        );
    }
}

#[test]
fn an_insertion_moves_every_fixed_cut_but_few_of_those_that_follow_the_content() {
    let before = noise(1, 2_000_000);
    let mut after = before.clone();
    after.splice(1000..1000, *b"inserted");
    let shared = |chunker: &dyn Cut| {
        let chunks = |mut input: &[u8]| {
            let mut chunks = std::collections::BTreeSet::new();
            let each = &mut |chunk: &[u8]| {
                chunks.insert(chunk.to_vec());
                Ok(())
            };
            cut_stream(chunker, &mut input, each).unwrap();
            chunks
        };
        let (before, after) = (chunks(&before), chunks(&after));
        (after.intersection(&before).count(), after.len())
    };
    assert_eq!(shared(&Fixed::size(16 * KIB)).0, 0);
    for (name, chunker) in chunkers() {
        let (same, all) = shared(&*chunker);
        assert!(same + 3 >= all, "{name}: {same} of {all}");
    }
}

#[test]
fn fixed_chunks_are_equal_but_for_the_last() {
    let fixed = Fixed::size(10);
    assert_eq!(lengths(&fixed, &[0; 25]), [10, 10, 5]);
    assert_eq!(lengths(&fixed, &[0; 20]), [10, 10]);
    assert_eq!(lengths(&fixed, &[]), [0; 0]);
}

#[test]
#[should_panic]
fn a_size_out_of_the_librarys_limits_is_refused() {
    // A quarter of it is below the least minimum.
    FastCdc::average(128);
}
