//! Sizes alone, several trials at a time (`--jobs`): the bytes are those of a run that times each step, and times come later.

use delta_lab::record::Row;

use crate::bench::{Bench, repeatable};

const METHODS: &[&str] = &["raw", "gzip/6", "fastcdc/16k", "zstd-patch/3", "layers"];

fn bench() -> Bench {
    let bench = Bench::new();
    bench.pair("cut", METHODS);
    let text = std::fs::read_to_string(bench.path("scenarios/cut.toml")).unwrap();
    let more = "samples = 2\nprobes = [\"similarity\"]\naxes = { policy = [\"previous\", \"all\"] }\nmethods";
    bench.write("scenarios/cut.toml", text.replacen("methods", more, 1));
    bench
}

fn is_timed(row: &Row) -> bool {
    assert_eq!(row.wall_ns.is_some(), row.cpu_ns.is_some());
    assert_eq!(row.wall_ns.is_some(), row.peak_rss_bytes.is_some());
    row.wall_ns.is_some()
}

#[test]
fn several_trials_at_a_time_have_the_bytes_and_the_order_of_one_at_a_time_and_no_times() {
    let bench = bench();
    bench.expect(
        &["run", "cut", "--samples", "1", "--into", "results/one"],
        0,
    );
    bench.expect(&["run", "cut", "--jobs", "3", "--into", "results/r"], 0);
    let (one, several) = (bench.rows("results/one"), bench.rows("results/r"));
    let acts = |rows: &[Row]| rows.iter().map(Row::act).collect::<Vec<_>>();
    assert_eq!(acts(&several), acts(&one));
    assert_eq!(repeatable(&several), repeatable(&one));
    assert!(several.iter().filter(|row| row.verified()).count() > 10);
    assert!(!several.iter().any(is_timed));
    let findings = |dir: &str| {
        let text = std::fs::read_to_string(bench.path(dir).join("findings.csv")).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
        lines.sort();
        lines
    };
    assert_eq!(findings("results/r"), findings("results/one"));
    // Views say what they can.
    bench.expect(&["report", "results/r"], 0);
}

#[test]
fn the_same_command_without_jobs_takes_the_times_and_with_jobs_keeps_them() {
    let bench = bench();
    bench.expect(&["run", "cut", "-j", "2", "--into", "results/r"], 0);
    let sizes = repeatable(&bench.rows("results/r"));
    bench.expect(&["run", "cut", "--into", "results/r"], 0);
    let timed = bench.rows("results/r");
    let verified = || timed.iter().filter(|row| row.verified());
    assert!(verified().all(is_timed));
    let first: Vec<Row> = timed
        .iter()
        .filter(|row| row.sample == 1)
        .cloned()
        .collect();
    assert_eq!(repeatable(&first), sizes);
    let said = bench.expect(&["run", "cut", "-j", "2", "--into", "results/r"], 0);
    assert!(said.contains("nothing was left to do"), "{said}");
    assert_eq!(bench.rows("results/r"), timed);
}

#[test]
fn an_expectation_of_a_time_is_undecided_and_one_of_bytes_is_judged() {
    let bench = Bench::new();
    bench.pair("pair", &["raw"]);
    let mut text = std::fs::read_to_string(bench.path("scenarios/pair.toml")).unwrap();
    for (says, measure) in [("quick", "wall_ns"), ("small", "payload_bytes")] {
        text.push_str(&format!(
            "[[expect]]\nsays = \"{says}\"\nmeasure = \"{measure}\"\nbelow = 1\nof = {{ method = \"raw\", image = \"new\" }}\n"
        ));
    }
    bench.write("scenarios/pair.toml", text);
    let output = bench.run(&["run", "pair", "--jobs", "2", "--into", "results/r"]);
    let said = crate::bench::text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let line = |says: &str| {
        said.lines()
            .find(|line| line.contains(says))
            .unwrap()
            .to_string()
    };
    assert!(line("quick").contains("--jobs"), "{said}");
    assert!(line("small").contains("305,000 B"), "{said}");
}

#[test]
fn what_can_be_told_of_one_trial_at_a_time_alone_is_refused_with_jobs() {
    let bench = bench();
    for (more, words) in [
        (&["--samples", "3"][..], "--samples"),
        (&["--against", "lab"], "--against"),
    ] {
        let args = [&["run", "cut", "--jobs", "2"][..], more].concat();
        let said = bench.expect(&args, 2);
        assert!(said.contains(words), "{said}");
    }
    for none in ["0", "-1", "many"] {
        bench.expect(&["run", "cut", "--jobs", none], 2);
    }
    let text = std::fs::read_to_string(bench.path("scenarios/cut.toml")).unwrap();
    let cold = "axes = { cache = [\"warm\", \"cold\"], ";
    bench.write("scenarios/cut.toml", text.replacen("axes = { ", cold, 1));
    let said = bench.expect(&["run", "cut", "--jobs", "2", "--into", "results/r"], 2);
    assert!(
        said.contains("cut.toml") && said.contains("leave --jobs out"),
        "{said}"
    );
    assert!(!bench.path("results/r").exists());
}

/// A run that was stopped half way goes on with or without `--jobs`, and no row is lost.
#[test]
fn a_run_with_jobs_that_was_killed_is_continued() {
    let bench = bench();
    bench.expect(&["run", "cut", "--jobs", "2", "--into", "results/whole"], 0);
    let whole = bench.rows("results/whole");
    for (at, again) in [(3, &["--jobs", "3"][..]), (9, &["--jobs", "1"]), (14, &[])] {
        let into = format!("results/r{at}");
        let mut lab = bench
            .command(&["run", "cut", "--jobs", "2", "--into", &into])
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let rows = bench.path(&into).join("rows.csv");
        let written = || std::fs::read_to_string(&rows).map_or(0, |text| text.lines().count());
        while written() <= at && lab.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        lab.kill().unwrap();
        lab.wait().unwrap();
        let words = [&["run", "cut", "--into", &into][..], again].concat();
        bench.expect(&words, 0);
        let mut rows = bench.rows(&into);
        rows.retain(|row| row.sample == 1);
        assert_eq!(repeatable(&rows), repeatable(&whole), "killed at row {at}");
    }
}
