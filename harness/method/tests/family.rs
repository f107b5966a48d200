//! Claims that hold for one family of methods.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use super::*;

#[test]
fn raw_moves_exactly_the_image() {
    let lab = Lab::new();
    let raw = builtin("raw").unwrap();
    let history = lab.history(&plain_history()[..1]);
    lab.publish(&*raw, &history);
    let (_, traffic) = lab.update(&*raw, "v1", &[]);
    assert_eq!(traffic.payload_bytes, history[0].bytes);
    assert_eq!(traffic.requests, 1);
    assert_eq!(lab.store.holdings().unwrap().bytes, history[0].bytes);
}

const CHUNKED: [&str; 4] = ["fixed/64k", "fastcdc/16k", "fastcdc/64k", "fastcdc/256k"];

#[test]
fn an_unchanged_image_moves_only_its_index() {
    for name in CHUNKED {
        let lab = Lab::new();
        let method = builtin(name).unwrap();
        let history = lab.history(&plain_history()[1..3]);
        lab.publish(&*method, &history[..1]);
        let before = lab.store.holdings().unwrap();
        method
            .publish(&history[1], &history[..1], &lab.store)
            .unwrap();
        let after = lab.store.holdings().unwrap();
        let index_bytes = lab.objects()["v2.idx"].len() as u64;
        assert_eq!(after.files, before.files + 1, "{name}");
        assert_eq!(after.bytes, before.bytes + index_bytes, "{name}");
        let (_, traffic) = lab.update(&*method, "v2", &history[..1]);
        assert_eq!(traffic.payload_bytes, index_bytes, "{name}");
        assert_eq!(traffic.requests, 1, "{name}");
    }
}

#[test]
fn a_chunk_that_occurs_often_is_stored_and_fetched_once() {
    for name in CHUNKED {
        let lab = Lab::new();
        let method = builtin(name).unwrap();
        let history = lab.history(&[vec![0; 8 << 20]]);
        lab.publish(&*method, &history);
        let files = lab.store.holdings().unwrap().files;
        assert_eq!(files, 2, "{name}");
        let (_, traffic) = lab.update(&*method, "v1", &[]);
        assert_eq!(traffic.requests, files, "{name}");
    }
}

#[test]
fn a_client_fetches_the_index_and_the_chunks_it_lacks_to_the_byte() {
    for name in CHUNKED {
        let method = builtin(name).unwrap();
        let plain = plain_history();
        let lab = Lab::new();
        let history = lab.history(&plain[..2]);
        method.publish(&history[0], &[], &lab.store).unwrap();
        let before = lab.objects();
        method.publish(&history[1], &[], &lab.store).unwrap();
        let added = lab.objects().into_iter();
        let added: Vec<u64> = added
            .filter(|(object, _)| !before.contains_key(object))
            .map(|(_, contents)| contents.len() as u64)
            .collect();
        let (_, traffic) = lab.update(&*method, "v2", &history[..1]);
        assert_eq!(traffic.payload_bytes, added.iter().sum::<u64>(), "{name}");
        assert_eq!(traffic.requests, added.len() as u64, "{name}");
    }
}

#[test]
fn an_index_of_another_chunker_is_refused() {
    let lab = Lab::new();
    let history = lab.history(&plain_history()[..1]);
    lab.publish(&*builtin("fastcdc/16k").unwrap(), &history);
    let error = lab.update(&*builtin("fastcdc/64k").unwrap(), "v1", &[]).0;
    assert!(format!("{:#}", error.unwrap_err()).contains("fastcdc-2020 16384"));
}

const PATCHED: [&str; 7] = [
    "image-patch/best",
    "image-patch/fast",
    "xdelta3",
    "zstd-patch/3",
    "zstd-patch/19",
    "bsdiff",
    "rsync",
];

#[test]
fn a_patch_is_small_and_an_unexpected_base_is_ignored() {
    for (name, method) in methods() {
        if !PATCHED.contains(&name.as_str()) {
            continue;
        }
        let lab = Lab::new();
        let plain = plain_history();
        let history = lab.history(&plain[..2]);
        lab.publish(&*method, &history);
        let (_, patched) = lab.update(&*method, "v2", &history[..1]);
        assert!(patched.payload_bytes < 1500, "{name}: {patched:?}");
        assert_eq!(patched.requests, 2, "{name}");
        let (_, full) = lab.update(&*method, "v2", &[]);
        // Another image under the name of the base, and one under another name.
        for stranger in ["v1", "v7"] {
            let elsewhere = lab.client.path().join("elsewhere");
            fs::write(&elsewhere, noise(9, 1000)).unwrap();
            let stranger = Image::read(stranger, &elsewhere).unwrap();
            let (rebuilt, traffic) = lab.update(&*method, "v2", &[stranger]);
            assert!(rebuilt.unwrap() == plain[1], "{name}");
            assert_eq!(traffic.payload_bytes, full.payload_bytes, "{name}");
        }
    }
}

#[test]
fn of_several_bases_the_one_with_the_smallest_patch_is_taken() {
    for (name, method) in methods() {
        if !PATCHED.contains(&name.as_str()) {
            continue;
        }
        let lab = Lab::new();
        let plain = plain_history();
        let history = lab.history(&[plain[0].clone(), plain[5].clone(), plain[1].clone()]);
        lab.publish(&*method, &history);
        let (_, near) = lab.update(&*method, "v3", &history[..1]);
        let (_, both) = lab.update(&*method, "v3", &history[..2]);
        assert_eq!(near.payload_bytes, both.payload_bytes, "{name}");
    }
}

/// Runs a program. If it is not installed, says that the test was skipped.
fn run(argv: &[&str]) -> Option<Output> {
    let ran = Command::new(argv[0])
        .args(&argv[1..])
        .env("no_proxy", "*")
        .output();
    if ran.is_err() {
        println!("skipped: {} is not installed", argv[0]);
    }
    let ran = ran.ok()?;
    let errors = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{argv:?}: {errors}");
    Some(ran)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn zstds_own_program_applies_a_patch() {
    let lab = Lab::new();
    let plain = plain_history();
    let history = lab.history(&plain[..2]);
    lab.publish(&*builtin("zstd-patch/3").unwrap(), &history);
    let patch = lab.store.object("v2/from-v1.zst");
    let base = format!("--patch-from={}", text(&history[0].path));
    if let Some(ran) = run(&["zstd", "-q", "-d", "--long=31", "-c", &base, text(&patch)]) {
        assert!(ran.stdout == plain[1]);
    }
}

#[test]
fn bsdiffs_own_program_applies_a_patch() {
    let lab = Lab::new();
    let plain = plain_history();
    let history = lab.history(&plain[..2]);
    lab.publish(&*builtin("bsdiff").unwrap(), &history);
    let patch = lab.store.object("v2/from-v1.bsdiff");
    let out = lab.client.path().join("out");
    let [base, out, patch] = [&history[0].path, &out, &patch].map(|path| text(path));
    if run(&["bspatch", base, out, patch]).is_some() {
        assert!(fs::read(out).unwrap() == plain[1]);
    }
}

#[test]
fn librsyncs_own_program_applies_a_delta() {
    let lab = Lab::new();
    let plain = plain_history();
    let history = lab.history(&plain[..2]);
    lab.publish(&*builtin("rsync").unwrap(), &history);
    let packed = lab.store.object("v2/from-v1.rdiff.zst");
    let (delta, out) = (
        lab.client.path().join("delta"),
        lab.client.path().join("out"),
    );
    let unpacked = zstd::decode_all(fs::File::open(packed).unwrap()).unwrap();
    fs::write(&delta, unpacked).unwrap();
    let [base, delta, out] = [&history[0].path, &delta, &out].map(|path| text(path));
    if run(&["rdiff", "patch", base, delta, out]).is_some() {
        assert!(fs::read(out).unwrap() == plain[1]);
    }
}

/// Two releases of about eighty chunks; the second has new bytes at three offsets.
fn releases() -> Vec<Vec<u8>> {
    let old = contents(7, 6_000_000);
    let mut new = old.clone();
    for (seed, at) in [(8, 300_000), (9, 2_700_000), (10, 4_500_000)] {
        new.splice(at..at, noise(seed, 3000));
    }
    vec![old, new]
}

/// Length of a bita archive up to its chunks: magic, length of the dictionary, dictionary, offset of the chunks, BLAKE2b-512.
fn index_bytes(archive: &[u8]) -> u64 {
    let dictionary = u64::from_le_bytes(archive[6..14].try_into().unwrap());
    6 + 8 + dictionary + 8 + 64
}

#[test]
fn bita_moves_its_index_and_requests_each_run_of_missing_chunks_once() {
    let lab = Lab::new();
    let bita = builtin("bita/64k").unwrap();
    let [old, new] = <[_; 2]>::try_from(releases()).unwrap();
    let history = lab.history(&[old, new.clone(), new]);
    lab.publish(&*bita, &history);
    let archive = &lab.objects()["v2.cba"];
    let index_bytes = index_bytes(archive);

    // Without a base: the index in two requests, the rest in one.
    let (_, whole) = lab.update(&*bita, "v2", &[]);
    assert_eq!(whole.payload_bytes, archive.len() as u64);
    assert_eq!(whole.requests, 3);
    // An unchanged image: only the index.
    let (_, unchanged) = lab.update(&*bita, "v3", &history[1..2]);
    assert_eq!(
        (unchanged.payload_bytes, unchanged.requests),
        (index_bytes, 2)
    );
    // Three changes, each within one or two adjacent chunks.
    let (_, changed) = lab.update(&*bita, "v2", &history[..1]);
    assert_eq!(changed.requests, 2 + 3);
    let chunks = changed.payload_bytes - index_bytes;
    assert!(chunks > 9000 && chunks < 1_500_000, "{chunks}");
}

#[test]
fn bitas_own_program_reads_an_archive_and_requests_the_same_bytes() {
    let lab = Lab::new();
    let bita = builtin("bita/64k").unwrap();
    let releases = releases();
    let history = lab.history(&releases);
    lab.publish(&*bita, &history);
    for bases in [&history[..0], &history[..1]] {
        let (_, ours) = lab.update(&*bita, "v2", bases);
        let out = lab.client.path().join("cloned");
        fs::remove_file(&out).ok();
        let wire = Wire::open(&lab.store).unwrap();
        let url = wire.url().object("v2.cba");
        let seeds = bases
            .iter()
            .map(|base| format!("--seed={}", text(&base.path)));
        let seeds: Vec<String> = seeds.collect();
        let mut argv = vec!["bita", "clone", "--verify-output"];
        argv.extend(seeds.iter().map(String::as_str));
        argv.extend([url.as_str(), text(&out)]);
        if run(&argv).is_none() {
            return;
        }
        let theirs = wire.close().unwrap();
        assert!(fs::read(&out).unwrap() == releases[1]);
        let cost = |traffic: &Traffic| (traffic.payload_bytes, traffic.requests);
        assert_eq!(cost(&theirs), cost(&ours), "from {} bases", bases.len());
    }
}

#[test]
fn bitas_own_program_writes_the_same_archive() {
    let lab = Lab::new();
    let history = lab.history(&releases()[1..]);
    lab.publish(&*builtin("bita/64k").unwrap(), &history);
    let ours = &lab.objects()["v1.cba"];
    let out = lab.client.path().join("v1.cba");
    let image = text(&history[0].path);
    let zstd = ["--compression", "zstd", "--compression-level", "3"];
    let argv = [
        &["bita", "compress"][..],
        &zstd,
        &["--input", image, text(&out)],
    ];
    if run(&argv.concat()).is_none() {
        return;
    }
    let theirs = fs::read(&out).unwrap();
    // bita 0.15.0 may lose its last write (see bita-cli.toml), a chunk of any length. The bytes that it wrote must equal
    // ours, and they include the index.
    assert!(ours.starts_with(&theirs), "another archive");
    assert!(theirs.len() as u64 >= index_bytes(ours));
    if theirs.len() < ours.len() {
        let lost = ours.len() - theirs.len();
        println!("bita lost the last {lost} bytes of its archive");
        return;
    }
    fs::write(lab.store.object("theirs.cba"), theirs).unwrap();
    let rebuilt = lab.update(&*builtin("bita/64k").unwrap(), "theirs", &[]).0;
    assert!(rebuilt.unwrap() == releases()[1]);
}

#[test]
fn only_layers_a_client_lacks_are_moved_and_each_once() {
    let lab = Lab::new();
    let layers = builtin("layers").unwrap();
    let history = lab.history(&archive_history());
    lab.publish(&*layers, &history);
    let objects = lab.objects();
    let bytes = |object: &str| objects[object].len() as u64;
    let head = |name: &str| bytes(&format!("{name}.json")) + bytes(&format!("{name}.skeleton.gz"));

    // One layer of three was replaced.
    let (_, traffic) = lab.update(&*layers, "v2", &history[..1]);
    assert_eq!(traffic.requests, 3);
    assert!(traffic.payload_bytes > head("v2") + 50_000, "{traffic:?}");
    // Nothing was replaced.
    let (_, traffic) = lab.update(&*layers, "v3", &history[..2]);
    assert_eq!(traffic.requests, 2);
    assert_eq!(traffic.payload_bytes, head("v3"));
    // A layer that the image has twice crosses once: three blobs for four layers.
    for name in ["v5", "v6"] {
        let (_, traffic) = lab.update(&*layers, name, &[]);
        assert_eq!(traffic.requests, 2 + 3, "{name}");
    }
    // Layers that are compressed in the archive are stored unchanged.
    let as_they_are = objects
        .keys()
        .filter(|name| name.starts_with("blobs/") && !name.ends_with(".gz"));
    assert_eq!(as_they_are.count(), 2);
}

#[test]
fn what_has_no_layers_is_refused_by_name() {
    let lab = Lab::new();
    let layers = builtin("layers").unwrap();
    for (contents, why) in [
        (noise(1, 1000), "not a tar"),
        (
            tar_of(&[("etc/hostname", b"box")]),
            "a tar without a manifest",
        ),
        (archive_of(Layout::Docker, &[]), "list of layers is empty"),
    ] {
        let image = lab.image("v1", &contents);
        let refusal = format!("{:#}", layers.accepts(&image).unwrap_err());
        assert!(
            refusal.contains("no layers here: v1 is") && refusal.contains(why),
            "{refusal}"
        );
        assert!(builtin("raw").unwrap().accepts(&image).is_ok());
    }
}
