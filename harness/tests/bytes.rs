//! What crosses the wire is what the store says it must be, and it is the same every time.

use delta_lab::record::{Row, Verb};

use crate::bench::{Bench, checkout, has, noise, repeatable, scenario};

fn figure(rows: &[Row], verb: Verb, base: &str, column: fn(&Row) -> Option<u64>) -> u64 {
    let row = rows
        .iter()
        .find(|row| row.verb == verb && row.image == "new" && row.bases.to_string() == base);
    row.and_then(column)
        .unwrap_or_else(|| panic!("no {verb} of new from {base:?}"))
}

/// The store knows nothing of clients: what a publish adds to it are the chunks that no earlier release has, and the
/// index. A client with the earlier release lacks just these.
fn moves_what_the_store_gained(method: &str) {
    let bench = Bench::new();
    bench.pair("gain", &[method]);
    let casync = std::fs::read_to_string(checkout().join("scenarios/methods/casync.toml")).unwrap();
    bench.write("scenarios/methods/casync.toml", casync);
    bench.expect(&["run", "gain", "--into", "results/r"], 0);
    let rows = bench.rows("results/r");
    let gained = figure(&rows, Verb::Publish, "old", |row| {
        row.store_bytes?.try_into().ok()
    });
    let files = figure(&rows, Verb::Publish, "old", |row| {
        row.store_files?.try_into().ok()
    });
    assert_eq!(
        figure(&rows, Verb::Update, "old", |row| row.payload_bytes),
        gained,
        "{method}"
    );
    assert_eq!(
        figure(&rows, Verb::Update, "old", |row| row.requests),
        files,
        "{method}"
    );
    assert!(
        gained < figure(&rows, Verb::Update, "", |row| row.payload_bytes) / 2,
        "{method}: the base helped"
    );
}

#[test]
fn a_chunked_update_moves_the_index_and_the_chunks_the_client_lacked() {
    moves_what_the_store_gained("fastcdc/16k");
}

#[test]
fn casync_moves_its_index_and_the_chunks_the_client_lacked() {
    if has("casync") {
        moves_what_the_store_gained("casync/16k");
    }
}

#[test]
fn two_runs_move_the_same_bytes_in_the_same_requests() {
    let bench = Bench::new();
    let mut methods = vec![
        "raw",
        "gzip/6",
        "zstd/3",
        "fixed/64k",
        "fastcdc/16k",
        "zstd-patch/3",
    ];
    if cfg!(feature = "xdelta3") {
        methods.push("xdelta3");
    }
    bench.pair("again", &methods);
    for run in ["results/a", "results/b"] {
        bench.expect(&["run", "again", "--into", run], 0);
    }
    assert_eq!(
        repeatable(&bench.rows("results/a")),
        repeatable(&bench.rows("results/b"))
    );
}

#[test]
fn a_chunked_method_does_not_hold_the_image() {
    let bench = Bench::new();
    bench.write("scenarios/old.bin", noise(1, 128_000_000));
    bench.write(
        "scenarios/new.bin",
        [noise(2, 1_000), noise(1, 128_000_000)].concat(),
    );
    let images = [("old", "old.bin"), ("new", "new.bin")];
    bench.write(
        "scenarios/large.toml",
        scenario(&["fastcdc/64k", "raw"], &images),
    );
    bench.expect(&["run", "large", "--into", "results/r"], 0);
    for row in bench.rows("results/r").iter().filter(|row| row.verified()) {
        assert!(row.peak_rss_bytes.unwrap() < 64_000_000, "{row:?}");
    }
}
