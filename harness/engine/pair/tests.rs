//! Claims about the pair coder: what it makes is what it was given, and no input makes it panic.

pub mod linked;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::{Base, Decoder, Effort, Encoder, Limits, Prepared};
use crate::engine::ideas::Ideas;

const LIMITS: Limits = Limits {
    memory_bytes: 256 << 20,
};
const EFFORTS: [Effort; 2] = [Effort::Fast, Effort::Best];

type Pair = (Vec<u8>, Vec<u8>);

fn encoder(effort: Effort) -> Encoder {
    Encoder::new(effort, &Ideas::default())
}

fn add(encoder: &mut Encoder, base: &Base, new: &[u8]) {
    let load = || Ok((base.clone(), new.to_vec()));
    let file = Prepared::new(load, &Ideas::default()).unwrap();
    encoder.file(&file).unwrap();
}

fn encode(effort: Effort, pairs: &[Pair]) -> Vec<u8> {
    let mut encoder = encoder(effort);
    for (base, new) in pairs {
        add(&mut encoder, &base.clone().into(), new);
    }
    encoder.finish().unwrap()
}

fn decode(coded: &[u8], pairs: &[Pair]) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut decoder = Decoder::new(coded, LIMITS)?;
    let made = pairs
        .iter()
        .map(|(base, new)| decoder.file(&base.clone().into(), new.len() as u64))
        .collect::<anyhow::Result<_>>()?;
    decoder.finish()?;
    Ok(made)
}

fn assert_round_trip(pairs: &[Pair]) {
    for effort in EFFORTS {
        let made = decode(&encode(effort, pairs), pairs).unwrap();
        for (made, (_, new)) in made.iter().zip(pairs) {
            assert!(made == new, "{effort:?}: a file came back different");
        }
    }
}

fn random(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

fn below(rng: &mut ChaCha8Rng, end: usize) -> usize {
    (rng.next_u64() % end.max(1) as u64) as usize
}

fn noise(rng: &mut ChaCha8Rng, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    rng.fill_bytes(&mut bytes);
    // A small alphabet at times, so that matches are many and short.
    if rng.next_u32() & 1 == 0 {
        for byte in &mut bytes {
            *byte &= 3;
        }
    }
    bytes
}

/// `base` with a few changes of every kind: moved, edited, inserted, removed, grown, emptied.
fn changed(rng: &mut ChaCha8Rng, base: &[u8]) -> Vec<u8> {
    let mut new = base.to_vec();
    for _ in 0..below(rng, 8) {
        let (a, b) = (below(rng, new.len()), below(rng, new.len()));
        let (from, to) = (a.min(b), a.max(b));
        match rng.next_u32() % 7 {
            0 => new[from..to].rotate_left((to - from) / 3),
            1 => new.drain(from..to).for_each(drop),
            2 => {
                let length = below(rng, 200);
                let inserted = noise(rng, length);
                new.splice(from..from, inserted);
            }
            3 => new.extend_from_within(from..to),
            4 if from < to => new[from] ^= 1 << (rng.next_u32() & 7),
            5 => new
                .iter_mut()
                .step_by(7 + from % 90)
                .for_each(|byte| *byte = byte.wrapping_add(4)),
            6 if rng.next_u32() & 7 == 0 => new.clear(),
            _ => {}
        }
    }
    new
}

#[test]
fn random_pairs_come_back_as_they_were() {
    for seed in 0..60 {
        let rng = &mut random(seed);
        let pairs: Vec<Pair> = (0..1 + seed % 5)
            .map(|_| {
                let length = [0, 1, 9, 300, 5_000, 60_000][below(rng, 6)];
                let base = noise(rng, length);
                let new = changed(rng, &base);
                (base, new)
            })
            .collect();
        assert_round_trip(&pairs);
    }
}

#[test]
fn empty_files_and_empty_bases_are_files() {
    let text = b"a file".to_vec();
    assert_round_trip(&[]);
    assert_round_trip(&[
        (vec![], vec![]),
        (text.clone(), vec![]),
        (vec![], text.clone()),
        (text.clone(), text),
    ]);
}

#[test]
fn an_unchanged_file_costs_almost_nothing() {
    let base = noise(&mut random(1), 1_000_000);
    for effort in EFFORTS {
        let coded = encode(effort, &[(base.clone(), base.clone())]);
        assert!(coded.len() < 40, "{effort:?}: {} bytes", coded.len());
    }
}

#[test]
fn encoding_twice_gives_the_same_bytes() {
    let rng = &mut random(2);
    let base = noise(rng, 100_000);
    let pairs = [(base.clone(), changed(rng, &base))];
    for effort in EFFORTS {
        assert!(encode(effort, &pairs) == encode(effort, &pairs));
    }
}

#[test]
fn a_changed_byte_never_panics_and_a_shorter_group_never_passes() {
    let rng = &mut random(3);
    let base = noise(rng, 3_000);
    let mut new = base.clone();
    new.splice(700..900, noise(rng, 150));
    new[2_000] ^= 9;
    let pairs = [(base, new)];
    for effort in EFFORTS {
        let coded = encode(effort, &pairs);
        for at in 0..coded.len() {
            for flip in [1, 0x80, 0xff] {
                let mut bad = coded.clone();
                bad[at] ^= flip;
                // Other bytes are the caller's to find: it has the file's hash.
                let _ = decode(&bad, &pairs);
            }
            assert!(decode(&coded[..at], &pairs).is_err(), "{at} bytes passed");
        }
        let longer = [&coded[..], &[0]].concat();
        assert!(decode(&longer, &pairs).is_err());
    }
}

#[test]
fn lengths_beyond_the_limits_are_refused_before_anything_is_allocated() {
    let coded = encode(Effort::Fast, &[(vec![], vec![7; 100])]);
    let mut decoder = Decoder::new(&coded, LIMITS).unwrap();
    assert!(decoder.file(&Base::default(), u64::MAX).is_err());
    let small = Limits { memory_bytes: 1000 };
    assert!(Decoder::new(&coded, small).is_err());
    // A head that claims 2^40 literals.
    let mut head = vec![2, 0, 0, 0];
    super::streams::write_varint(&mut head, 1 << 40);
    head.push(0);
    assert!(Decoder::new(&head, LIMITS).is_err());
}

/// Node.js has more references than a decoder's memory once allowed: it left some out, and no patch came back.
#[test]
fn a_decoder_with_little_memory_finds_every_reference_that_its_encoder_found() {
    let program = program();
    let mut new = program.clone();
    let middle = new.len() / 2;
    new.splice(middle..middle, noise(&mut random(9), 5000));
    let ideas = Ideas {
        frames: false,
        ..Ideas::default()
    };
    let mut encoder = Encoder::new(Effort::Best, &ideas);
    let load = || Ok((Base::from(program.clone()), new.clone()));
    let file = Prepared::new(load, &ideas).unwrap();
    encoder.file(&file).unwrap();
    let coded = encoder.finish().unwrap();
    let left = 30_000;
    let found = super::elf::find(&program, usize::MAX).unwrap().refs.len();
    assert!(found * size_of::<super::elf::Ref>() > left / 4);
    let limits = Limits {
        memory_bytes: super::Models::BYTES + (new.len() + left) as u64,
    };
    let mut decoder = Decoder::new(&coded, limits).unwrap();
    let made = decoder.file(&program.into(), new.len() as u64).unwrap();
    assert!(made == new);
    decoder.finish().unwrap();
}

/// Mixed literals are kept for those of later files.
#[test]
fn mixed_literals_count_against_a_decoders_memory() {
    let rng = &mut random(5);
    let (one, two) = (noise(rng, 30_000), noise(rng, 30_000));
    let pairs = [(vec![1; 100], one), (vec![2; 100], two)];
    let ideas = Ideas {
        frames: false,
        ..Ideas::default()
    };
    let mut encoder = Encoder::new(Effort::Best, &ideas);
    for (base, new) in &pairs {
        let load = || Ok((Base::from(base.clone()), new.clone()));
        let file = Prepared::new(load, &ideas).unwrap();
        encoder.file(&file).unwrap();
    }
    let coded = encoder.finish().unwrap();
    for (left, fits) in [(65_000, true), (55_000, false)] {
        let limits = Limits {
            memory_bytes: super::Models::BYTES + left,
        };
        let mut decoder = Decoder::new(&coded, limits).unwrap();
        let base = |nth: usize| Base::from(pairs[nth].0.clone());
        assert!(decoder.file(&base(0), 30_000).unwrap() == pairs[0].1);
        assert_eq!(decoder.file(&base(1), 30_000).is_ok(), fits, "{left} bytes");
    }
}

/// Programs are loaded twice.
#[test]
fn a_program_that_changes_while_it_is_read_is_an_error() {
    let program = program();
    for (base_grows, new_grows) in [(1, 0), (0, 1)] {
        let mut times = 0;
        let load = || {
            let (mut base, mut new) = (program.clone(), program.clone());
            base.extend(vec![0; base_grows * times]);
            new.extend(vec![0; new_grows * times]);
            times += 1;
            Ok((Base::from(base), new))
        };
        let prepared = Prepared::new(load, &Ideas::default());
        let error = prepared.err().unwrap().to_string();
        assert!(error.contains("changed"), "{error}");
    }
}

#[test]
fn random_bytes_are_no_group() {
    for seed in 0..2_000 {
        let rng = &mut random(seed);
        let length = below(rng, 300);
        let mut bad = noise(rng, length);
        for (at, byte) in [2, (seed & 1) as u8].into_iter().enumerate() {
            if at < bad.len() {
                bad[at] = byte;
            }
        }
        let base = noise(rng, 500);
        if let Ok(mut decoder) = Decoder::new(&bad, LIMITS) {
            let _ = decoder.file(&base.into(), 700);
        }
    }
}

/// The first part of each section of a real program, this test itself, as a program of its own.
///
/// Addresses are offsets here, so most references that stay inside their section are still found.
pub fn program() -> Vec<u8> {
    let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    let elf = super::elf::Elf::parse(&own).unwrap();
    let mut bytes = vec![0; 64 + 56];
    let mut headers = vec![0; 64];
    let mut names = vec![0];
    for section in &elf.sections {
        let part = &own[section.range()][..section.range().len().min(60_000)];
        bytes.resize(bytes.len().next_multiple_of(64), 0);
        let place = bytes.len() as u64;
        let head = [names.len() as u32, section.kind];
        headers.extend(header(head, section.flags, place, place, part.len()));
        names.extend(section.name.iter().chain(&[0]));
        bytes.extend(part);
    }
    let (count, place) = (headers.len() / 64, bytes.len() as u64);
    let start = place + headers.len() as u64 + 64;
    headers.extend(header([0, 3], 0, 0, start, names.len()));
    bytes.extend(headers);
    bytes.extend(names);
    let size = bytes.len() as u64;
    bytes[..64].copy_from_slice(&own[..64]);
    bytes[32..48].copy_from_slice(&[64u64.to_le_bytes(), place.to_le_bytes()].concat());
    bytes[54..64].copy_from_slice(&[56, 0, 1, 0, 64, 0, count as u8 + 1, 0, count as u8, 0]);
    let load: Vec<u8> = [0u64, 0, 0, size, size, 4096]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    bytes[64..72].copy_from_slice(&[1, 0, 0, 0, 7, 0, 0, 0]);
    bytes[72..120].copy_from_slice(&load);
    bytes
}

/// A section header.
fn header(head: [u32; 2], flags: u32, address: u64, place: u64, size: usize) -> Vec<u8> {
    let head = head.iter().flat_map(|word| word.to_le_bytes());
    let rest = [flags.into(), address, place, size as u64, 0, 0, 0];
    head.chain(rest.iter().flat_map(|word| word.to_le_bytes()))
        .collect()
}

/// Changes that a lying or broken program has: fields of headers and tables, not only its contents.
fn broken(rng: &mut ChaCha8Rng, program: &[u8]) -> Vec<u8> {
    let mut bytes = program.to_vec();
    let headers = bytes.len() - 64 * 64;
    for _ in 0..1 + below(rng, 12) {
        let at = match rng.next_u32() % 4 {
            0 => below(rng, 64),
            1 => 64 + below(rng, 56 * 12),
            2 => headers + below(rng, 64 * 64),
            _ => below(rng, bytes.len()),
        };
        let value = [0, 1, 0x7f, 0xff, rng.next_u32() as u8][below(rng, 5)];
        bytes[at] = value;
    }
    if rng.next_u32().is_multiple_of(4) {
        let end = below(rng, bytes.len());
        bytes.truncate(end);
    }
    bytes
}

#[test]
fn programs_that_lie_come_back_as_they_were() {
    let program = program();
    assert!(super::elf::find(&program, usize::MAX).unwrap().refs.len() > 1000);
    for seed in 0..24 {
        let rng = &mut random(seed);
        let (base, new) = (broken(rng, &program), broken(rng, &program));
        let pairs = [(program.clone(), new), (base, program.clone())];
        let coded = encode(Effort::Fast, &pairs);
        assert!(decode(&coded, &pairs).unwrap() == [pairs[0].1.clone(), pairs[1].1.clone()]);
    }
}

/// A program whose change another one had already costs next to nothing beside that one.
#[test]
fn what_changed_alike_in_another_program_is_not_told_again() {
    let program = program();
    let rng = &mut random(6);
    let mut sibling = program.clone();
    let middle = sibling.len() / 2;
    sibling.splice(middle..middle, noise(rng, 30_000));
    let mut new = sibling.clone();
    new[middle - 5] ^= 1;
    let alone = Base::from(program.clone());
    let mut beside = alone.clone();
    beside.push(sibling);
    for effort in EFFORTS {
        let [alone, beside] = [&alone, &beside].map(|base| {
            let mut encoder = encoder(effort);
            add(&mut encoder, base, &new);
            let coded = encoder.finish().unwrap();
            let mut decoder = Decoder::new(&coded, LIMITS).unwrap();
            assert!(decoder.file(base, new.len() as u64).unwrap() == new);
            decoder.finish().unwrap();
            coded.len()
        });
        assert!(beside * 8 < alone, "{beside} bytes beside, {alone} alone");
    }
}

#[test]
fn two_programs_that_lie_come_back_and_others_never_panic() {
    let program = program();
    for seed in 0..12 {
        let rng = &mut random(100 + seed);
        let mut two = || {
            let mut base = Base::from(broken(rng, &program));
            base.push(broken(rng, &program));
            base
        };
        let (base, other) = (two(), two());
        let new = broken(rng, &program);
        let mut encoder = encoder(Effort::Best);
        add(&mut encoder, &base, &new);
        let coded = encoder.finish().unwrap();
        let decode = |base: &Base| {
            let mut decoder = Decoder::new(&coded, LIMITS)?;
            decoder.file(base, new.len() as u64)
        };
        assert!(decode(&base).unwrap() == new);
        let _ = decode(&other);
    }
}

#[test]
fn another_base_than_the_encoders_never_panics() {
    let program = program();
    let rng = &mut random(5);
    let new = broken(rng, &program);
    let coded = encode(Effort::Fast, &[(program.clone(), new.clone())]);
    for _ in 0..24 {
        let base = broken(rng, &program);
        let _ = decode(&coded, &[(base, new.clone())]);
    }
}
