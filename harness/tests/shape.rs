//! The shape of a run: cases, policies, parameters, probes and expectations, from the scenario to the rows.

use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::Duration;

use delta_lab::record::{Results, Row, Verb};

use crate::bench::{Bench, noise, repeatable, text};

const HISTORY: &str = r#"
about = "six small releases under two policies"
methods = ["raw", "fastcdc/{8k,16k,64k}", "zstd-patch/3"]
probes = ["chunks"]
samples = 2

[axes]
policy = ["all", "previous"]

[[image]]
name = "v1"
synthetic = { seed = 11, mib = 1 }
"#;

fn history() -> Bench {
    let bench = Bench::new();
    let releases = (2..=6).map(|at| {
        let change = ["patch", "insert", "rebuild", "package-bump", "patch"][at - 2];
        format!("[[image]]\nname = \"v{at}\"\nsynthetic = {{ changes = [\"{change}\"] }}\n")
    });
    let releases: String = releases.collect();
    bench.write("scenarios/history.toml", format!("{HISTORY}{releases}"));
    bench
}

#[test]
fn a_plan_is_printed_before_it_is_run_with_every_case_of_every_method() {
    let bench = history();
    let output = bench.run(&["list", "history", "--steps"]);
    let out = text(&output.stdout);
    for words in [
        "axis    policy               all, previous",
        "  history chunks: probe v6 against v5\n",
        "  history [policy=all] fastcdc/8k: publish v6 for clients of v1+v2+v3+v4+v5\n",
        "  history [policy=previous] fastcdc/64k: publish v6 for clients of v5\n",
        "  history [policy=previous] raw: update v6 from v5, sample 2\n",
        // 5 methods, 2 samples: 12 acts under `all`, 8 under `previous`; 6 looks.
        "  206 acts in 21 trials",
    ] {
        assert!(out.contains(words), "`{words}` is not in: {out}");
    }
}

#[test]
fn a_scenario_with_axes_killed_ten_times_and_continued_equals_one_that_was_not() {
    let bench = history();
    bench.expect(&["run", "history", "--into", "results/whole"], 0);
    let mut killed = 0;
    for moment in noise(std::process::id().into(), 10) {
        let mut child = bench
            .command(&["run", "history", "--into", "results/cut"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // A random moment; nothing is asserted of the time.
        std::thread::sleep(Duration::from_millis(u64::from(moment) * 4));
        killed += usize::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(killed > 0, "every run was over before its kill");
    bench.expect(&["run", "history", "--into", "results/cut"], 0);
    let load = |dir: &str| Results::load(&bench.path(dir)).unwrap();
    let (whole, cut) = (load("results/whole"), load("results/cut"));
    assert_eq!(repeatable(&whole.rows), repeatable(&cut.rows));
    assert_eq!(whole.findings, cut.findings);
    assert_eq!(whole.plan, cut.plan);
    assert_eq!(whole.rows.len(), 206);
    let diff = bench.run(&["diff", "results/whole", "results/cut"]);
    assert_eq!(diff.status.code(), Some(0), "{}", text(&diff.stdout));
}

#[test]
fn releases_under_previous_make_one_patch_each_and_the_store_is_smaller_for_it() {
    let bench = history();
    let args = ["run", "history", "-m", "zstd-patch/3", "--samples", "1"];
    bench.expect(&[&args[..], &["--into", "results/r"]].concat(), 0);
    let rows = bench.rows("results/r");
    let of = |policy: &str| -> Vec<Row> {
        let rows = rows.iter().filter(|row| row.verb == Verb::Publish);
        rows.filter(|row| row.case.get("policy") == Some(policy))
            .cloned()
            .collect()
    };
    // One file for the whole, one list of forms, one for each patch.
    let files = |policy: &str| {
        of(policy)
            .iter()
            .filter_map(|row| row.store_files)
            .sum::<i64>()
    };
    assert_eq!((files("all"), files("previous")), (6 * 2 + 15, 6 * 2 + 5));
    let bytes = |policy: &str| {
        of(policy)
            .iter()
            .filter_map(|row| row.store_bytes)
            .sum::<i64>()
    };
    assert!(bytes("previous") < bytes("all"));
    let report = std::fs::read_to_string(bench.path("scenarios/history.toml")).unwrap();
    assert!(report.contains("policy"));
}

#[test]
fn what_a_probe_finds_is_in_findings_csv_and_its_cost_in_its_row() {
    let bench = history();
    bench.write(
        "scenarios/look.toml",
        "about = \"\"\nmethods = []\nprobes = [\"chunks\", \"layers\"]\n[[image]]\nname = \"v1\"\nsynthetic = { seed = 11, mib = 1 }\n\
         [[image]]\nname = \"v2\"\nsynthetic = { changes = [\"patch\"] }\n",
    );
    bench.expect(&["run", "look", "--into", "results/r"], 0);
    let results = Results::load(&bench.path("results/r")).unwrap();
    assert_eq!(results.rows.len(), 4);
    assert!(
        results
            .rows
            .iter()
            .all(|row| row.verified() && row.wall_ns.is_some())
    );
    let value = |probe: &str, measure: &str| {
        let mut of = results.findings.iter().filter(|it| it.method == probe);
        let found =
            of.find(|it| it.measure == measure && it.part.is_empty() && !it.bases.is_empty());
        found
            .unwrap_or_else(|| panic!("{probe} found no {measure}"))
            .value
    };
    let shared = value("layers", "shared_layers");
    assert!(shared > 0 && shared < value("layers", "layers"));
    let shared = value("chunks", "shared_chunk_bytes");
    assert!(shared > 0 && shared < value("chunks", "distinct_chunk_bytes"));
}

#[test]
fn a_method_and_a_probe_of_one_name_do_their_own_acts() {
    let bench = history();
    bench.write(
        "scenarios/both.toml",
        "about = \"\"\nmethods = [\"layers\"]\nprobes = [\"layers\"]\n[[image]]\nname = \"v1\"\nsynthetic = { seed = 11, mib = 1 }\n\
         [[image]]\nname = \"v2\"\nsynthetic = { changes = [\"patch\"] }\n",
    );
    bench.expect(&["run", "both", "--into", "results/r"], 0);
    let rows = bench.rows("results/r");
    assert_eq!(rows.len(), 4 + 2);
    assert!(rows.iter().all(Row::verified));
    let err = bench.expect(&["run", "both", "--into", "results/r"], 0);
    assert!(err.contains("nothing was left to do"), "{err}");
}

/// A scenario of two small files with these lines added.
fn with(lines: &str) -> Bench {
    let bench = Bench::new();
    bench.pair("pair", &["raw", "fastcdc/16k"]);
    let path = bench.path("scenarios/pair.toml");
    let pair = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{pair}{lines}")).unwrap();
    bench
}

fn expect(measure: &str, bound: &str) -> String {
    format!(
        "[[expect]]\nsays = \"an update moves little\"\nof = {{ method = \"fastcdc/16k\", image = \"new\", base = \"old\" }}\nmeasure = \"{measure}\"\n{bound}\n"
    )
}

#[test]
fn an_expectation_that_holds_is_a_verdict_with_both_numbers() {
    let bench = with(&expect(
        "payload_bytes",
        "below = { share = 0.5, of = \"image_bytes\" }",
    ));
    let output = bench.run(&["run", "pair", "--into", "results/r"]);
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{out}");
    assert!(
        out.contains("an update moves little") && out.contains("holds"),
        "{out}"
    );
    assert!(out.contains("305"), "the bound's own figure: {out}");
}

#[test]
fn an_expectation_that_does_not_hold_is_exit_code_1_of_run_and_of_report() {
    let bench = with(&expect("requests", "equals = 0"));
    for args in [
        &["run", "pair", "--into", "results/r"][..],
        &["report", "results/r"],
    ] {
        let output = bench.run(args);
        let out = text(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{out}");
        assert!(out.contains("an update moves little"), "{out}");
    }
    // Of methods that are not chosen nothing is expected.
    bench.expect(&["run", "pair", "-m", "raw", "--into", "results/s"], 0);
}

#[test]
fn what_a_scenario_can_not_mean_is_named_with_file_and_line() {
    for (lines, words) in [
        (
            "[axes]\npolicy = [\"all\", \"prevous\"]\n",
            &[
                "pair.toml:10",
                "no policy `prevous`; did you mean `previous`?",
            ][..],
        ),
        (
            "[axes]\npolcy = [\"all\"]\n",
            &["pair.toml:10", "no axis `polcy`; did you mean `policy`?"],
        ),
        (
            "[axes]\npolicy = []\n",
            &["pair.toml:10", "`policy` has no value"],
        ),
        (
            "[axes]\nfault = [\"cut:50%\"]\nclients = [\"2\"]\n",
            &["`fault`, or `road` and `clients`, and not both"],
        ),
        (
            "[axes]\nclients = [\"2000\"]\n",
            &["pair.toml:10", "it may be 1 to 1000"],
        ),
        (
            &expect("payload_bytes", "fails = \"no luck\""),
            &["pair.toml:9", "has no figure"],
        ),
        (
            &expect("payload_bytes", "below = 5").replace("measure", "# measure"),
            &["pair.toml:9", "without a `measure`"],
        ),
        (
            &expect("payload_byte", "below = 5"),
            &[
                "pair.toml:9",
                "no measure `payload_byte`; did you mean `payload_bytes`?",
            ],
        ),
        (&expect("requests", ""), &["pair.toml:9", "without a bound"]),
        (
            &expect("requests", "below = { share = 0.5, off = \"requests\" }"),
            &["pair.toml", "line 13", "off"],
        ),
        (
            &expect("requests", "below = 5").replace("fastcdc/16k", "fastcdc/64k"),
            &["pair.toml:9", "no method `fastcdc/64k` in this scenario"],
        ),
        (
            &expect("requests", "below = 5").replace("base = \"old\"", "base = \"new\""),
            &[
                "pair.toml:9",
                "the plan has no act `fastcdc/16k: update new from new`",
            ],
        ),
    ] {
        let bench = with(lines);
        let err = bench.expect(&["run", "pair", "--into", "results/r"], 2);
        for word in words {
            assert!(err.contains(word), "`{word}` is not in: {err}");
        }
        assert!(!bench.path("results/r").exists(), "nothing half-written");
    }
    for (method, words) in [
        ("fastcdc/5", "fastcdc/5"),
        ("fastcdc/999m", "fastcdc/999m"),
        ("zstd/99", "zstd/99"),
        ("fastcdc", "fastcdc"),
        ("fastdcd/16k", "did you mean `fastcdc/16k`?"),
    ] {
        let bench = Bench::new();
        bench.pair("pair", &["raw", method]);
        let err = bench.expect(&["list", "pair"], 2);
        assert!(
            err.contains("pair.toml:2") && err.contains(words),
            "{method}: {err}"
        );
    }
}

#[test]
fn two_files_are_compared_without_a_scenario() {
    let bench = Bench::new();
    bench.pair("pair", &["raw"]);
    std::fs::rename(bench.path("scenarios/old.bin"), bench.path("old.tar")).unwrap();
    std::fs::rename(bench.path("scenarios/new.bin"), bench.path("new.tar")).unwrap();
    std::fs::remove_dir_all(bench.path("scenarios")).unwrap();
    let args = [
        "compare",
        "old.tar",
        "new.tar",
        "-m",
        "raw,fastcdc/{4k,16k}",
    ];
    let output = bench.run(&args);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{err}");
    assert!(
        out.contains("fastcdc/4k") && out.contains("report.md"),
        "{out}"
    );
    let folder = std::fs::read_dir(bench.path("results"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let name = folder.file_name().to_string_lossy().into_owned();
    assert!(name.starts_with("old-to-new-"), "{name}");
    assert!(folder.path().join("rows.csv").is_file());
    // The same images again: the same folder, nothing left to do.
    let err = text(&bench.run(&args).stderr);
    assert!(err.contains("nothing was left to do"), "{err}");
    // A third one makes a history, in a folder of its own.
    std::fs::write(bench.path("third.tar"), noise(9, 50_000)).unwrap();
    bench.expect(
        &["compare", "old.tar", "new.tar", "third.tar", "-m", "raw"],
        0,
    );
    assert_eq!(std::fs::read_dir(bench.path("results")).unwrap().count(), 2);
}

#[test]
fn what_cannot_be_compared_is_named() {
    let bench = Bench::new();
    bench.write("old.tar", noise(1, 1000));
    for (args, words) in [
        (["compare", "old.tar", "gone.tar"], "gone.tar: no such file"),
        (
            ["compare", "old.tar", "scenarios"],
            "scenarios: is a folder",
        ),
    ] {
        assert!(bench.expect(&args, 2).contains(words));
    }
    let err = bench.expect(&["compare", "old.tar"], 2);
    assert!(err.contains("IMAGE"), "{err}");
}

#[test]
fn a_result_that_cannot_be_printed_is_exit_code_2_and_never_a_panic() {
    let bench = Bench::new();
    bench.pair("pair", &["raw"]);
    bench.expect(&["run", "pair", "--into", "results/r"], 0);
    let make = [
        "patch",
        "make",
        "scenarios/old.bin",
        "scenarios/new.bin",
        "-o",
        "p",
    ];
    bench.expect(&make, 0);
    for args in [
        &["run", "pair", "--into", "results/s"][..],
        &["list", "pair"],
        &["report", "results/r"],
        &["diff", "results/r", "results/r"],
        &["doctor"],
        &["completions", "bash"],
        &["--help"],
        &["patch", "make", "--help"],
        &["--version"],
        &["patch", "show", "p"],
        &["patch", "show", "p", "--base", "scenarios/old.bin"],
    ] {
        let full = || {
            std::fs::File::options()
                .write(true)
                .open("/dev/full")
                .unwrap()
        };
        let output = bench.command(args).stdout(full()).output().unwrap();
        let err = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {err}");
        assert!(err.contains("print the result"), "{args:?}: {err}");
    }
    // A reader that went away ends those quietly that only print; the others go on, and say so at the end.
    for (args, code) in [
        (&["list", "pair"][..], None),
        (&["report", "results/r"], None),
        (&["diff", "results/r", "results/r"], None),
        (&["--help"], None),
        (&["run", "pair", "--into", "results/u"], Some(2)),
        (&["patch", "show", "p"], Some(2)),
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = bench.command(args).stdout(writer).output().unwrap();
        assert_eq!(output.status.code(), code, "{args:?}");
        let signal = code.is_none().then_some(13);
        assert_eq!(output.status.signal(), signal, "{args:?}");
    }
    assert_eq!(bench.rows("results/u").len(), 4);
    // Progress that nobody can read changes nothing.
    for args in [&["run", "pair", "--into", "results/t"][..], &make] {
        let full = std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let output = bench.command(args).stderr(full).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}");
    }
    assert_eq!(bench.rows("results/t").len(), 4);
}
