//! The field's traps: each has misled people who measured by hand; here the lab catches it, or it can't be stepped into.
//!
//! A seed that does not exist and a chunk that crossed twice are in cross_check.rs, several ranges in one request in
//! wire/tests/tools.rs, archives with compressed layers in source/inspect.rs.

use std::fs;
use std::process::Command;

use delta_lab::record::{Row, Verb};

use crate::bench::{Bench, checkout, has, noise, scenario};

/// Puts a shipped method into the bench.
fn ship(bench: &Bench, name: &str) {
    let file = format!("scenarios/methods/{name}.toml");
    fs::copy(checkout().join(&file), bench.path(&file)).unwrap();
}

fn of<'a>(rows: &'a [Row], method: &str) -> Vec<&'a Row> {
    let found: Vec<&Row> = rows.iter().filter(|row| row.method == method).collect();
    assert!(!found.is_empty(), "no rows of {method}");
    found
}

/// Hex digits: bytes that gzip can pack, as an archive's can be.
fn digits(seed: u64, bytes: usize) -> Vec<u8> {
    let noise = noise(seed, bytes / 2);
    noise
        .iter()
        .flat_map(|byte| format!("{byte:02x}").into_bytes())
        .collect()
}

/// xdelta3 unpacks .gz inputs by itself and packs what it rebuilds again, at another level, and exits 0.
#[test]
fn xdelta3_on_gzipped_images_is_caught_and_the_shipped_method_is_right() {
    if !has("xdelta3") || !has("gzip") || !has("curl") {
        return;
    }
    let bench = Bench::new();
    bench.pair("gz", &["naive", "xdelta3-cli/default"]);
    for (name, seed) in [("old.bin", 1), ("new.bin", 2)] {
        let path = bench.path(&format!("scenarios/{name}"));
        let contents = [
            digits(7, 1 << 20),
            digits(seed, 100_000),
            digits(8, 1 << 20),
        ]
        .concat();
        fs::write(&path, contents).unwrap();
        let packed = Command::new("gzip")
            .args(["-9", "-n", "-k"])
            .arg(&path)
            .status();
        assert!(packed.unwrap().success());
        fs::rename(path.with_extension("bin.gz"), &path).unwrap();
    }
    ship(&bench, "xdelta3-cli");
    bench.write(
        "scenarios/methods/naive.toml",
        r#"
about = "xdelta3 as one would type it: without -D"
version = ["xdelta3", "-V"]
[publish]
run = [["cp", "{image}", "{store}/{name}"]]
[publish-from-base]
run = [["xdelta3", "-e", "-s", "{base}", "{image}", "{store}/{name}.from-{base-name}"]]
[update]
run = [["curl", "-fsS", "-o", "{out}", "{url}/{name}"]]
[update-from-base]
run = [
  ["curl", "-fsS", "-o", "{tmp}/delta", "{url}/{name}.from-{base-name}"],
  ["xdelta3", "-d", "-s", "{base}", "{tmp}/delta", "{out}"],
]
"#,
    );
    bench.expect(&["run", "gz", "--into", "results/r"], 1);
    let rows = bench.rows("results/r");
    let naive = of(&rows, "naive");
    let delta = naive
        .iter()
        .find(|row| !row.bases.is_empty() && row.verb == Verb::Update);
    let delta = delta.unwrap();
    assert!(delta.error.starts_with("wrong output"), "{delta:?}");
    assert_eq!(delta.payload_bytes, None);
    assert!(
        of(&rows, "xdelta3-cli/default")
            .iter()
            .all(|row| row.verified()),
        "{rows:?}"
    );
}

/// xdelta3 looks back 64 MiB unless told otherwise, and a measurement of it measures that window.
#[test]
fn a_window_smaller_than_the_base_breaks_a_claim() {
    if !has("xdelta3") || !has("curl") {
        return;
    }
    let bench = Bench::new();
    ship(&bench, "xdelta3-cli");
    let output = bench.run(&[
        "check-method",
        "scenarios/methods/xdelta3-cli.toml",
        "--far",
    ]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let line = |start: &str| said.lines().find(|line| line.starts_with(start));
    assert!(
        line("not  xdelta3-cli/default: finds what moved 72 MiB away: ").is_some(),
        "{said}"
    );
    assert!(
        line("ok   xdelta3-cli/whole: finds what moved 72 MiB away (").is_some(),
        "{said}"
    );
}

/// xdelta3 writes both file names into its header, so that a delta's size depends on them. Only `-A=` keeps them out.
#[test]
fn the_names_of_files_are_not_in_a_figure() {
    if !has("xdelta3") || !has("curl") {
        return;
    }
    let bench = Bench::new();
    bench.pair("short", &["xdelta3-cli/default"]);
    ship(&bench, "xdelta3-cli");
    let long = "a-much-longer-name-than-the-other-has.bin";
    fs::copy(
        bench.path("scenarios/new.bin"),
        bench.path(&format!("scenarios/{long}")),
    )
    .unwrap();
    let images = [("old", "old.bin"), ("new", long)];
    bench.write(
        "scenarios/long.toml",
        scenario(&["xdelta3-cli/default"], &images),
    );
    bench.expect(&["run", "short", "long", "--into", "results/r"], 0);
    let rows = bench.rows("results/r");
    let figures = |scenario: &str| -> Vec<_> {
        let of = rows.iter().filter(|row| row.scenario == scenario);
        of.map(|row| (row.payload_bytes, row.store_bytes)).collect()
    };
    assert_eq!(figures("short").len(), 4);
    assert_eq!(figures("short"), figures("long"));
}

/// gzip writes its input's mtime into the header; the same image would have another archive every time.
#[test]
fn the_mtime_of_an_image_is_not_in_a_figure() {
    if !has("gzip") || !has("casync") {
        return;
    }
    let bench = Bench::new();
    bench.pair("times", &["gzip-casync/plain", "gzip-casync/rsyncable"]);
    ship(&bench, "gzip-casync");
    let mut figures = Vec::new();
    for days in [1, 400] {
        for name in ["old.bin", "new.bin"] {
            let then = std::time::SystemTime::now() - std::time::Duration::from_secs(days * 86_400);
            let file = fs::File::options()
                .append(true)
                .open(bench.path(&format!("scenarios/{name}")));
            file.unwrap().set_modified(then).unwrap();
        }
        let into = format!("results/{days}");
        bench.expect(&["run", "times", "--into", &into], 0);
        let rows = bench.rows(&into);
        assert_eq!(rows.len(), 8);
        figures.push(
            rows.iter()
                .map(|row| (row.payload_bytes, row.store_bytes))
                .collect::<Vec<_>>(),
        );
    }
    assert_eq!(figures[0], figures[1]);
}

/// casync over a file that is there already exits 1 with the right bytes in place; others append, or trust what they find.
#[test]
fn no_step_finds_an_output_of_another_and_a_tool_that_trips_over_its_own_is_a_failed_row() {
    if !has("casync") {
        return;
    }
    let bench = Bench::new();
    bench.pair("fresh", &["fresh", "tripped"]);
    let casync = |before: &str| {
        format!(
            r#"
about = "casync, after a command of the test's own"
version = ["casync", "--version"]
[publish]
run = [["casync", "--store={{store}}/default.castr", "make", "{{store}}/{{name}}.caibx", "{{image}}"]]
[update]
run = [{before}, ["casync", "--store={{url}}/default.castr", "extract", "{{url}}/{{name}}.caibx", "{{out}}"]]
"#
        )
    };
    bench.write(
        "scenarios/methods/fresh.toml",
        casync(r#"["test", "!", "-e", "{out}"]"#),
    );
    bench.write(
        "scenarios/methods/tripped.toml",
        // What it made itself is in its way.
        casync(
            r#"["casync", "--store={url}/default.castr", "extract", "{url}/{name}.caibx", "{out}"]"#,
        ),
    );
    // Twice, and with repetitions: no output of a step is there when the next begins.
    bench.expect(
        &[
            "run",
            "fresh",
            "--method",
            "fresh",
            "--samples",
            "2",
            "--into",
            "results/r",
        ],
        0,
    );
    bench.expect(
        &[
            "run",
            "fresh",
            "--method",
            "fresh",
            "--samples",
            "3",
            "--into",
            "results/r",
        ],
        0,
    );
    assert!(
        of(&bench.rows("results/r"), "fresh")
            .iter()
            .all(|row| row.verified())
    );
    bench.expect(
        &["run", "fresh", "--method", "tripped", "--into", "results/t"],
        1,
    );
    let rows = bench.rows("results/t");
    let tripped = of(&rows, "tripped");
    assert!(
        tripped[0].error.contains("casync exited with 1"),
        "{:?}",
        tripped[0]
    );
    assert!(
        tripped
            .iter()
            .all(|row| row.payload_bytes.is_none() && row.store_bytes.is_none())
    );
}
