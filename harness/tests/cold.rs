//! The axis `cache`: of bases that lie on the disk alone it is known what an update reads of them.

use delta_lab::record::{Check, Results, Row, Verb};

use crate::bench::{Bench, text};

const PAGE: u64 = 4096;

/// A pair in both states of the page cache, updated by raw, by a chunk store, and by a tool that reads one page of its
/// base, twice.
fn ran(more: &str) -> (Bench, Vec<Row>) {
    let bench = Bench::new();
    bench.pair("pair", &["raw", "fastcdc/16k", "glance"]);
    let scenario = std::fs::read_to_string(bench.path("scenarios/pair.toml")).unwrap();
    let axes = format!("[axes]\ncache = [\"warm\", \"cold\"]\n{more}\n[[image]]");
    bench.write(
        "scenarios/pair.toml",
        scenario.replacen("[[image]]", &axes, 1),
    );
    bench.write(
        "scenarios/methods/glance.toml",
        r#"about = "a test"
version = ["cp", "--version"]
[publish]
run = [["cp", "{image}", "{store}/{name}"]]
[update]
run = [["curl", "-sS", "-o", "{out}", "{url}/{name}"]]
[update-from-base]
run = [
  ["dd", "if={base}", "of=one", "bs=512", "count=1", "skip=80"],
  ["dd", "if={base}", "of=two", "bs=4096", "count=1", "skip=10"],
  ["curl", "-sS", "-o", "{out}", "{url}/{name}"],
]
"#,
    );
    let output = bench.run(&["run", "pair", "--into", "results/r", "--report"]);
    let said = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let rows = Results::load(&bench.path("results/r")).unwrap().rows;
    let skipped = |row: &&Row| row.check == Check::Skipped && row.error.contains("RAM disk");
    if rows.iter().any(|row| skipped(&row)) {
        // Nothing but that is a reason.
        assert!(of_memory(&bench), "{said}");
        return (bench, Vec::new());
    }
    (bench, rows)
}

fn of_memory(bench: &Bench) -> bool {
    let told = std::process::Command::new("stat")
        .args(["--file-system", "--format=%T"])
        .arg(bench.path(""))
        .output()
        .unwrap();
    ["tmpfs", "ramfs"].contains(&text(&told.stdout).trim())
}

#[test]
fn an_update_pays_for_the_pages_of_its_base_that_it_reads_and_for_each_once() {
    let (bench, rows) = ran("");
    if !rows.is_empty() {
        let report = std::fs::read_to_string(bench.path("results/r/report.md")).unwrap();
        assert!(report.contains("read of the base"), "{report}");
        let drawn = |case: &str| {
            let chart = format!("results/r/pair-cache-{case}-reads.svg");
            bench.path(&chart).exists()
        };
        assert_eq!((drawn("cold"), drawn("warm")), (true, false));
    }
    for row in &rows {
        assert_eq!(row.check, Check::Exact, "{}: {}", row.act(), row.error);
        let cold = row.case.get("cache") == Some("cold");
        let of_base = row.verb == Verb::Update && !row.bases.is_empty();
        assert_eq!(
            row.base_read_bytes.is_some(),
            cold && of_base,
            "{}",
            row.act()
        );
    }
    for row in rows.iter().filter(|row| row.base_read_bytes.is_some()) {
        let read = row.base_read_bytes.unwrap();
        match &*row.method {
            "raw" => assert_eq!(read, 0),
            // The page that was asked for, and what the kernel read ahead of it.
            "glance" => assert!((PAGE..row.image_bytes / 2).contains(&read), "{read}"),
            // Cuts all of it.
            _ => assert!(read + PAGE > row.image_bytes / 2, "{read}"),
        }
    }
}

#[test]
fn what_every_attempt_reads_is_added_up() {
    let (_, rows) = ran("fault = [\"none\", \"cut:50%\"]");
    let read = |fault: &str| {
        let mut rows = rows.iter().filter(|row| &*row.method == "fastcdc/16k");
        let of = |row: &&Row| row.case.get("fault") == Some(fault) && row.base_read_bytes.is_some();
        rows.find(of).map(|row| row.base_read_bytes.unwrap())
    };
    if let (Some(once), Some(twice)) = (read("none"), read("cut:50%")) {
        assert!(twice > once, "{once} {twice}");
    }
    assert!(rows.is_empty() || read("cut:50%").is_some());
}
