//! Claims about real clients: each gets its bytes over the wire, and the meter counts what it pulled.

use super::*;
use std::path::Path;
use std::process::Command;

/// Whether `tool` is here. Says so plainly when it isn't: the claim was then not tried.
fn here(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|dir| dir.join(tool).is_file());
    if !found {
        eprintln!("skipped: {tool} is not installed");
    }
    found
}

/// Runs a tool in `dir` and gives what it printed; it must succeed.
fn run(dir: &Path, argv: &[&str]) -> String {
    let ran = Command::new(argv[0])
        .args(&argv[1..])
        .current_dir(dir)
        // The wire is the only road, whatever proxy the environment names.
        .env("no_proxy", "*")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{argv:?}: {errors}");
    String::from_utf8_lossy(&ran.stdout).into_owned()
}

/// Two releases: the second has three runs of new bytes among the first's.
fn releases() -> (Vec<u8>, Vec<u8>) {
    let old = noise(1, 2_000_000);
    let mut new = old.clone();
    for (seed, at) in [(2, 100_000), (3, 900_000), (4, 1_500_000)] {
        new.splice(at..at, noise(seed, 3000));
    }
    (old, new)
}

/// A store that holds the new release as `new`, and beside the store the old one as `old`.
fn release_site() -> Site {
    let (old, new) = releases();
    let site = Site::holding(&[("new", &new)]);
    fs::write(site.dir.path().join("old"), old).unwrap();
    site
}

fn of<'a>(traffic: &'a Traffic, object: &str) -> &'a ObjectTraffic {
    let found = traffic.objects.iter().find(|o| o.object == object);
    found.unwrap_or_else(|| panic!("{object} was never asked for"))
}

#[test]
fn curl_gets_objects_ranges_heads_and_304() {
    if !here("curl") {
        return;
    }
    let site = release_site();
    let (_, new) = releases();
    let wire = site.open();
    let url = wire.url().object("new");
    let dir = site.dir.path();
    run(dir, &["curl", "-sf", &url, "-o", "whole"]);
    assert_eq!(fs::read(dir.join("whole")).unwrap(), new);
    run(dir, &["curl", "-sf", "-r", "100-199", &url, "-o", "slice"]);
    assert_eq!(fs::read(dir.join("slice")).unwrap(), new[100..200]);
    fs::write(dir.join("resumed"), &new[..1_000_000]).unwrap();
    run(dir, &["curl", "-sf", "-C", "-", &url, "-o", "resumed"]);
    assert_eq!(fs::read(dir.join("resumed")).unwrap(), new);
    let parts = run(dir, &["curl", "-sfi", "-r", "0-9,100-109", &url]);
    assert!(parts.contains("Content-Type: multipart/byteranges; boundary="));
    assert!(parts.contains("Content-Range: bytes 100-109/2009000"));
    let head = run(dir, &["curl", "-sfI", &url]);
    assert!(head.contains("Content-Length: 2009000"));
    let status = ["-s", "-o", "none", "-w", "%{http_code}"];
    let newer = [
        &["curl", "-z", "whole", "-D", "heads"],
        &status[..],
        &[&url],
    ]
    .concat();
    assert_eq!(run(dir, &newer), "304");
    let heads = head.len() as u64 + fs::metadata(dir.join("heads")).unwrap().len();
    let traffic = wire.close().unwrap();
    let payload = 2_009_000 + 100 + 1_009_000 + 20 + heads;
    assert_eq!((traffic.payload_bytes, traffic.requests), (payload, 6));
    let statuses = BTreeMap::from([(200, 2), (206, 3), (304, 1)]);
    assert_eq!(of(&traffic, "new").statuses, statuses);
}

#[test]
fn zsync_pulls_its_index_and_the_blocks_it_lacks() {
    if !here("zsync") || !here("zsyncmake") {
        return;
    }
    let site = release_site();
    let (dir, store) = (site.dir.path(), site.store.path());
    let make = [
        "zsyncmake",
        "-b",
        "2048",
        "-u",
        "new",
        "-o",
        "new.zsync",
        "new",
    ];
    run(store, &make);
    let wire = site.open();
    let index = wire.url().object("new.zsync");
    let printed = run(dir, &["zsync", "-i", "old", "-o", "out", &index]);
    let traffic = wire.close().unwrap();
    assert_eq!(fs::read(dir.join("out")).unwrap(), releases().1);
    let index_bytes = fs::metadata(store.join("new.zsync")).unwrap().len();
    assert_eq!(of(&traffic, "new.zsync").payload_bytes, index_bytes);
    let blocks = of(&traffic, "new");
    assert!(blocks.payload_bytes < 40_000, "{printed}");
    assert_eq!(
        blocks.payload_bytes % 2048,
        0,
        "whole blocks, boundaries apart"
    );
    assert_eq!(blocks.statuses.keys().collect::<Vec<_>>(), [&206]);
}

#[test]
fn zchunk_pulls_its_head_and_the_chunks_it_lacks() {
    if !here("zck") || !here("zckdl") {
        return;
    }
    let site = release_site();
    let (dir, store) = (site.dir.path(), site.store.path());
    run(store, &["zck", "new", "-o", "new.zck"]);
    run(dir, &["zck", "old", "-o", "old.zck"]);
    let wire = site.open();
    let url = wire.url().object("new.zck");
    let printed = run(dir, &["zckdl", "-s", "old.zck", &url]);
    let traffic = wire.close().unwrap();
    assert_eq!(
        fs::read(dir.join("new.zck")).unwrap(),
        fs::read(store.join("new.zck")).unwrap()
    );
    assert!(
        traffic.payload_bytes < 1_000_000,
        "{printed} {:?}",
        of(&traffic, "new.zck")
    );
    assert_eq!(traffic.failed_requests, 0);
}

/// Names and lengths of a casync store's chunk files.
fn chunks(store: &Path) -> BTreeMap<String, u64> {
    walkdir::WalkDir::new(store)
        .into_iter()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let path = entry.path().strip_prefix(store).unwrap();
            (
                path.to_str().unwrap().to_string(),
                entry.metadata().unwrap().len(),
            )
        })
        .collect()
}

#[test]
fn casync_pulls_its_index_and_exactly_the_chunk_files_its_seed_lacks() {
    if !here("casync") {
        return;
    }
    let site = release_site();
    let (dir, store) = (site.dir.path(), site.store.path());
    let make = ["casync", "make", "--chunk-size=16384"];
    let published = [&make[..], &["--store=default.castr", "new.caibx", "new"]];
    run(store, &published.concat());
    // The old release, cut the same way: these are the chunks a seed can give.
    let seeded = [&make[..], &["--store=old.castr", "old.caibx", "old"]];
    run(dir, &seeded.concat());
    let held = chunks(&dir.join("old.castr"));
    let mut lacking = chunks(&store.join("default.castr"));
    lacking.retain(|chunk, _| !held.contains_key(chunk));

    let pull = |out: &str| {
        let wire = site.open();
        let from = format!("--store={}", wire.url().object("default.castr"));
        let index = wire.url().object("new.caibx");
        run(
            dir,
            &["casync", &from, "--seed=old", "extract", &index, out],
        );
        assert_eq!(fs::read(dir.join(out)).unwrap(), releases().1);
        wire.close().unwrap()
    };
    let traffic = pull("out");
    assert_eq!(traffic, pull("again"), "header bytes repeat too");
    let index_bytes = fs::metadata(store.join("new.caibx")).unwrap().len();
    assert_eq!(
        traffic.payload_bytes,
        index_bytes + lacking.values().sum::<u64>()
    );
    assert_eq!(traffic.requests, 1 + lacking.len() as u64);
    for (chunk, bytes) in &lacking {
        let pulled = of(&traffic, &format!("default.castr/{chunk}"));
        assert_eq!((pulled.payload_bytes, pulled.requests), (*bytes, 1));
    }
}

/// Writes `new` as an archive of bita's, with the library under the program: 0.15.0 of the program may lose an archive's end.
fn bita_archive(new: &[u8]) -> Vec<u8> {
    let options = bitar::api::compress::CreateArchiveOptions::default();
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let mut archive = Vec::new();
    let making = bitar::api::compress::create_archive(new, &mut archive, &options);
    runtime.unwrap().block_on(making).unwrap();
    archive
}

#[test]
fn bita_pulls_its_index_and_each_run_of_chunks_its_seed_lacks() {
    if !here("bita") {
        return;
    }
    let site = release_site();
    let (dir, store) = (site.dir.path(), site.store.path());
    let archive = bita_archive(&releases().1);
    fs::write(store.join("new.cba"), &archive).unwrap();
    let dictionary = u64::from_le_bytes(archive[6..14].try_into().unwrap());
    let index_bytes = 6 + 8 + dictionary + 8 + 64;
    fs::write(dir.join("new-again"), releases().1).unwrap();
    let pull = |argv: &[&str]| {
        let wire = site.open();
        let url = wire.url().object("new.cba");
        run(dir, &[&["bita", "clone"], argv, &[&url, "out"]].concat());
        assert_eq!(fs::read(dir.join("out")).unwrap(), releases().1);
        fs::remove_file(dir.join("out")).unwrap();
        let traffic = wire.close().unwrap();
        let pulled = of(&traffic, "new.cba");
        assert_eq!(pulled.statuses.keys().collect::<Vec<_>>(), [&206]);
        (pulled.payload_bytes, pulled.requests)
    };
    // Two requests for the index, one for all the rest.
    assert_eq!(pull(&[]), (archive.len() as u64, 3));
    // Three new places, in one run of chunks each.
    let (payload, requests) = pull(&["--seed=old"]);
    assert_eq!(requests, 2 + 3);
    assert!(payload > index_bytes + 9000, "{payload}");
    assert!(payload < archive.len() as u64 / 2, "{payload}");
    assert_eq!(pull(&["--seed=new-again", "--seed=old"]), (index_bytes, 2));
}
