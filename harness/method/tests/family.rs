//! Claims that hold for one family of methods.

use std::fs;

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

const PATCHED: [&str; 3] = ["xdelta3", "zstd-patch/3", "zstd-patch/19"];

#[test]
fn a_patch_is_small_and_a_base_that_nobody_expected_is_no_help() {
    for (name, method) in methods() {
        if !PATCHED.contains(&name) {
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
        // Another image under the name of the base, and one of another name.
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
        if !PATCHED.contains(&name) {
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

#[test]
fn zstds_own_program_applies_a_patch() {
    let lab = Lab::new();
    let plain = plain_history();
    let history = lab.history(&plain[..2]);
    lab.publish(&*builtin("zstd-patch/3").unwrap(), &history);
    let program = std::process::Command::new("zstd")
        .args(["-q", "-d", "--long=31", "-c", "--patch-from"])
        .arg(&history[0].path)
        .arg(lab.store.object("v2/from-v1.zst"))
        .output();
    match program {
        Err(_) => println!("skipped: zstd is not installed"),
        Ok(output) => assert!(output.stdout == plain[1], "{:?}", output.stderr),
    }
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
    // Nothing was.
    let (_, traffic) = lab.update(&*layers, "v3", &history[..2]);
    assert_eq!(traffic.requests, 2);
    assert_eq!(traffic.payload_bytes, head("v3"));
    // A layer that is in the image twice crosses once: three blobs of four.
    for name in ["v5", "v6"] {
        let (_, traffic) = lab.update(&*layers, name, &[]);
        assert_eq!(traffic.requests, 2 + 3, "{name}");
    }
    // Layers that are compressed in the archive are stored as they are.
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
