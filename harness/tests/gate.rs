//! `diff` as a gate: its exit codes, its thresholds, what it exports, and two labs in turn.

use std::fs;

use crate::bench::{Bench, LAB, text};

/// Two runs of the same scenario, in results/a and results/b.
fn two_runs() -> Bench {
    let bench = Bench::new();
    bench.pair("gate", &["raw", "fastcdc/16k"]);
    for run in ["a", "b"] {
        bench.expect(&["run", "gate", "--into", &format!("results/{run}")], 0);
    }
    bench
}

/// Changes one cell of the last row of results/b.
fn set(bench: &Bench, column: &str, value: impl Fn(&str) -> String) {
    let path = bench.path("results/b/rows.csv");
    let mut reader = csv::Reader::from_path(&path).unwrap();
    let heads = reader.headers().unwrap().clone();
    let mut rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let at = heads.iter().position(|head| head == column).unwrap();
    let last = rows.pop().unwrap();
    let cells = last.iter().enumerate();
    rows.push(
        cells
            .map(|(place, cell)| match place == at {
                true => value(cell),
                false => cell.to_string(),
            })
            .collect(),
    );
    let mut writer = csv::Writer::from_path(&path).unwrap();
    writer.write_record(&heads).unwrap();
    for row in rows {
        writer.write_record(&row).unwrap();
    }
    writer.flush().unwrap();
}

fn plus(by: i64) -> impl Fn(&str) -> String {
    move |cell| (cell.parse::<i64>().unwrap() + by).to_string()
}

#[test]
fn every_exit_code_of_a_comparison_means_what_help_says() {
    let bench = two_runs();
    let rows = fs::read(bench.path("results/b/rows.csv")).unwrap();
    let diff = |args: &[&str]| {
        let mut words = vec!["diff", "results/a", "results/b"];
        words.extend(args);
        let output = bench.run(&words);
        (output.status.code().unwrap(), text(&output.stdout))
    };
    assert_eq!(diff(&[]).0, 0);
    // Time alone: a tenth more.
    set(&bench, "wall_ns", |cell| {
        (cell.parse::<u64>().unwrap() * 11 / 10).to_string()
    });
    assert_eq!(diff(&["--exact"]).0, 0);
    set(&bench, "payload_bytes", plus(1));
    let (code, said) = diff(&[]);
    assert_eq!(code, 1);
    assert!(
        said.contains("worse: gate fastcdc/16k: update new from old: payload_bytes")
            && said.contains("(+1,"),
        "{said}"
    );
    bench.write(
        "t.toml",
        "[[threshold]]\nmeasure = \"payload_bytes\"\nmethod = \"fastcdc/*\"\nplus = 1\n",
    );
    assert_eq!(diff(&["--thresholds", "t.toml"]).0, 0);
    assert_eq!(diff(&["--thresholds", "t.toml", "--exact"]).0, 1);
    set(&bench, "payload_bytes", plus(-2));
    assert_eq!((diff(&[]).0, diff(&["--exact"]).0), (0, 1));
    set(&bench, "payload_bytes", plus(1));
    set(&bench, "version", |cell| format!("{cell} and newer"));
    let (code, said) = diff(&[]);
    assert!(code == 4 && said.contains("another version"), "{said}");
    bench.write("t.toml", "pass_incomparable = true\n");
    assert_eq!(diff(&["--thresholds", "t.toml"]).0, 0);
    set(&bench, "check", |_| "failed".to_string());
    set(&bench, "error", |_| "out of luck".to_string());
    let (code, said) = diff(&[]);
    assert!(code == 3 && said.contains("out of luck"), "{said}");
    fs::write(bench.path("results/b/rows.csv"), &rows[..rows.len() / 2]).unwrap();
    for args in [
        &["diff", "results/a", "results/none"][..],
        &["diff", "results/a", "results/a", "--export", "xml=x"],
        &["diff", "results/a", "results/a", "--export", "junit"],
        &[
            "diff",
            "results/a",
            "results/a",
            "--thresholds",
            "none.toml",
        ],
    ] {
        assert_eq!(bench.run(args).status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn a_comparison_is_written_in_every_format() {
    let bench = two_runs();
    let words = "diff results/a results/b --json --export bmf=bmf.json --export smaller-is-better=sib.json --export junit=junit.xml";
    let words: Vec<&str> = words.split(' ').collect();
    let output = bench.run(&words);
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&document["ruling"], &document["exit_code"]),
        (&"fine".into(), &0.into())
    );
    for file in ["bmf.json", "sib.json"] {
        let bytes = fs::read(bench.path(file)).unwrap();
        serde_json::from_slice::<serde_json::Value>(&bytes).unwrap();
    }
    let xml = fs::read_to_string(bench.path("junit.xml")).unwrap();
    assert!(
        xml.starts_with("<?xml") && xml.contains("failures=\"0\""),
        "{xml}"
    );
    let page = text(
        &bench
            .run(&["diff", "results/a", "results/b", "--markdown"])
            .stdout,
    );
    assert!(page.starts_with("fine: "), "{page}");
}

#[test]
fn two_labs_take_their_samples_in_turn_and_only_then_is_time_looked_at() {
    let bench = Bench::new();
    bench.pair("turns", &["raw"]);
    let words = [
        "run",
        "turns",
        "--samples",
        "2",
        "--against",
        LAB,
        "--into",
        "results/x",
    ];
    bench.expect(&words, 0);
    assert_eq!(bench.rows("results/x").len(), 8);
    assert_eq!(bench.rows("results/x-against").len(), 8);
    let said = text(
        &bench
            .run(&["diff", "results/x-against", "results/x"])
            .stdout,
    );
    assert!(
        said.contains("2 pairs of samples a step at most, 8 are needed"),
        "{said}"
    );
    // The same line again has nothing left to do; folders that were filled at different times are no pairs.
    bench.expect(&words, 0);
    bench.expect(&["run", "turns", "--into", "results/y"], 0);
    let why = bench.expect(
        &["run", "turns", "--against", LAB, "--into", "results/y"],
        2,
    );
    assert!(why.contains("were not taken in turn"), "{why}");
    let said = text(&bench.run(&["diff", "results/y", "results/x"]).stdout);
    assert!(said.contains("were not taken side by side"), "{said}");
}

#[test]
fn what_an_update_downloads_is_told_from_rows_or_measured() {
    let bench = two_runs();
    let asked = ["estimate", "scenarios/old.bin", "scenarios/new.bin"];
    let said = text(&bench.run(&asked).stdout);
    assert!(
        said.contains("fastcdc/16k") && said.contains("results/b"),
        "{said}"
    );
    assert!(!said.contains("measured now"), "{said}");
    let output = bench.run(&[
        "estimate",
        "scenarios/old.bin",
        "scenarios/new.bin",
        "-m",
        "zstd-patch/3",
        "--json",
    ]);
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let method = &document["methods"][0];
    assert_eq!(
        (&method["method"], &method["from"]),
        (&"zstd-patch/3".into(), &"measured now".into())
    );
    assert!(
        (5_000..6_000).contains(&method["bytes"].as_u64().unwrap()),
        "{document}"
    );
}
