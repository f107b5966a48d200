//! The kernels under the methods: chunkers, hash, chunk compressor, patches; and the wire. They measure; nothing asserts.
//!
//! `make bench-kernels`. For comparing two versions of the code on one quiet machine; what a method costs
//! on a real image is what `delta-lab run` measures.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use delta_lab::engine::chunk::{Buzhash, Cut, FastCdc, Fixed, Gear, KIB, Peaks};
use delta_lab::image::sha256_hex;
use delta_lab::method::bsdiff::Bsdiff;
use delta_lab::method::chunked::CHUNK_LEVEL;
use delta_lab::method::patched::Codec;
use delta_lab::method::rsync::Rsync;
use delta_lab::method::zstd_patch::ZstdPatch;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

mod wire;

const INPUT_BYTES: usize = 16 << 20;

/// Seeded bytes, every other page of them compressible: noise alone would flatter chunkers and hashes equally but
/// not compressors.
fn input() -> Vec<u8> {
    let mut input = vec![0; INPUT_BYTES];
    ChaCha8Rng::seed_from_u64(1).fill_bytes(&mut input);
    for page in input.chunks_mut(4 * KIB).step_by(2) {
        for byte in page {
            *byte = b'a' + *byte % 8;
        }
    }
    input
}

fn chunkers(criterion: &mut Criterion) {
    let input = input();
    let mut group = criterion.benchmark_group("chunk");
    group.throughput(Throughput::Bytes(INPUT_BYTES as u64));
    let chunkers: [(&str, Box<dyn Cut>); 7] = [
        ("fixed/64k", Box::new(Fixed::size(64 * KIB))),
        ("fastcdc/16k", Box::new(FastCdc::average(16 * KIB))),
        ("fastcdc/64k", Box::new(FastCdc::average(64 * KIB))),
        ("fastcdc/256k", Box::new(FastCdc::average(256 * KIB))),
        ("gear/64k", Box::new(Gear::average(64 * KIB))),
        ("buzhash/64k", Box::new(Buzhash::average(64 * KIB))),
        ("peaks/64k", Box::new(Peaks::average(64 * KIB))),
    ];
    for (name, chunker) in chunkers {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let (mut at, mut chunks) = (0, 0);
                while at < input.len() {
                    let end = input.len().min(at + chunker.most_bytes());
                    at += chunker.next(&input[at..end]);
                    chunks += 1;
                }
                black_box(chunks)
            });
        });
    }
    group.finish();
}

fn hash(criterion: &mut Criterion) {
    let input = input();
    let mut group = criterion.benchmark_group("hash");
    group.throughput(Throughput::Bytes(INPUT_BYTES as u64));
    group.bench_function("sha256", |bencher| {
        bencher.iter(|| sha256_hex(black_box(&input)));
    });
    group.finish();
}

fn compress(criterion: &mut Criterion) {
    let chunk = input()[..64 * KIB].to_vec();
    let mut group = criterion.benchmark_group("compress");
    group.throughput(Throughput::Bytes(chunk.len() as u64));
    let mut compressor =
        zstd::bulk::Compressor::new(CHUNK_LEVEL).expect("a compressor at a level that exists");
    group.bench_function("a chunk of 64k", |bencher| {
        bencher.iter(|| compressor.compress(black_box(&chunk)));
    });
    group.finish();
}

fn patch(criterion: &mut Criterion) {
    let base = input();
    let mut image = base.clone();
    image.splice(1000..1000, *b"inserted");
    let bytes = image.len() as u64;
    let mut group = criterion.benchmark_group("patch");
    group.throughput(Throughput::Bytes(bytes));
    let codecs: [(&str, Box<dyn Codec>); 3] = [
        ("zstd-patch/3", Box::new(ZstdPatch { level: 3 })),
        ("bsdiff", Box::new(Bsdiff)),
        ("rsync", Box::new(Rsync)),
    ];
    for (name, codec) in codecs {
        group.bench_function(format!("{name} publish"), |bencher| {
            bencher.iter(|| codec.encode(&base, &mut &image[..], bytes));
        });
        let patch = codec.encode(&base, &mut &image[..], bytes);
        let patch = patch.ok().flatten().unwrap_or_default();
        group.bench_function(format!("{name} update"), |bencher| {
            bencher.iter(|| codec.decode(&base, &patch, bytes));
        });
    }
    group.finish();
}

fn quick() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1))
}

criterion_group! {
    name = kernels;
    config = quick();
    targets = chunkers, hash, compress, patch, wire::wire
}
criterion_main!(kernels);
