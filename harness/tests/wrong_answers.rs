//! A wrong answer is never a number: each way to fail is a row with its reason, and the rows beside it stand.

use delta_lab::record::{Check, Row, Step};

use crate::bench::Bench;

/// Publishing is honest; the update is what each of them does wrong.
fn declare(bench: &Bench, name: &str, update: &str) {
    let text = format!(
        "about = \"a test\"\nversion = [\"cp\", \"--version\"]\n[publish]\nrun = [[\"cp\", \"{{image}}\", \"{{store}}/{{name}}\"]]\n[update]\nrun = [{update}]\n"
    );
    bench.write(&format!("scenarios/methods/{name}.toml"), text);
}

/// The first row of a method that has no figures. A publish is proven by an update, so it is the publish's.
fn row<'a>(rows: &'a [Row], method: &str) -> &'a Row {
    rows.iter()
        .find(|row| row.method == method && !row.error.is_empty())
        .unwrap_or_else(|| panic!("no failed row of {method}"))
}

#[test]
fn five_ways_to_fail_are_five_reasons_and_the_rest_stands() {
    let bench = Bench::new();
    bench.pair(
        "wrong",
        &[
            "raw",
            "liar",
            "crasher",
            "sleeper",
            "eater",
            "absent",
            "fastcdc/16k",
        ],
    );
    declare(&bench, "liar", r#"["cp", "/proc/version", "{out}"]"#);
    declare(
        &bench,
        "crasher",
        r#"["sh", "-c", "echo out of luck >&2; kill -SEGV $$"]"#,
    );
    declare(&bench, "sleeper", r#"["sleep", "600"]"#);
    declare(&bench, "eater", r#"["tail", "/dev/zero"]"#);
    bench.write(
        "scenarios/methods/absent.toml",
        "about = \"a test\"\ninstall = { apt = [\"some-package\"] }\nversion = [\"no-such-tool\", \"-V\"]\n\
         [publish]\nrun = [[\"no-such-tool\", \"{image}\", \"{store}\"]]\n[update]\nrun = [[\"no-such-tool\", \"{url}\", \"{out}\"]]\n",
    );
    bench.expect(
        &[
            "run",
            "wrong",
            "--into",
            "results/r",
            "--time-limit",
            "2",
            "--memory-limit",
            "300",
        ],
        1,
    );
    let rows = bench.rows("results/r");
    for (method, reason) in [
        ("liar", "wrong output"),
        ("crasher", "killed by signal 11 (SIGSEGV): out of luck"),
        ("sleeper", "time limit of 2 s"),
        ("eater", "memory limit of 314572800 bytes"),
    ] {
        let row = row(&rows, method);
        assert!(row.error.contains(reason), "{method}: {}", row.error);
        assert_eq!(row.check, Check::Failed);
    }
    let absent = row(&rows, "absent");
    assert_eq!(absent.check, Check::Skipped);
    assert_eq!(
        absent.error,
        "no-such-tool is not installed: apt-get install some-package"
    );

    for row in &rows {
        let figures = [
            row.payload_bytes,
            row.header_bytes,
            row.requests,
            row.wall_ns,
            row.cpu_ns,
            row.peak_rss_bytes,
        ];
        let honest = ["raw", "fastcdc/16k"].contains(&row.method.as_str());
        assert_eq!(row.verified(), honest, "{row:?}");
        assert_eq!(
            figures.iter().any(Option::is_some) || row.store_bytes.is_some(),
            honest,
            "{row:?}"
        );
    }
    // Publish twice, update from nothing and from the old one: every planned step of every method has its row.
    assert_eq!(rows.len(), 7 * 4);
}

#[test]
fn a_missing_tool_alone_is_no_failure() {
    let bench = Bench::new();
    bench.pair("skip", &["raw", "absent"]);
    bench.write(
        "scenarios/methods/absent.toml",
        "about = \"a test\"\nversion = [\"no-such-tool\"]\n[publish]\nrun = [[\"no-such-tool\"]]\n[update]\nrun = [[\"no-such-tool\"]]\n",
    );
    bench.expect(&["run", "skip", "--into", "results/r"], 0);
    // Installed later, it joins the same folder: only its rows are new.
    let before = bench.rows("results/r");
    bench.write(
        "scenarios/methods/absent.toml",
        "about = \"a test\"\nversion = [\"cp\", \"--version\"]\n[publish]\nrun = [[\"cp\", \"{image}\", \"{store}/{name}\"]]\n[update]\nrun = [[\"false\"]]\n",
    );
    bench.expect(&["run", "skip", "--into", "results/r"], 1);
    let after = bench.rows("results/r");
    let raw = |rows: &[Row]| {
        rows.iter()
            .filter(|row| row.method == "raw")
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(raw(&before), raw(&after));
    assert!(after.iter().all(|row| row.check != Check::Skipped));
    assert_eq!(before.len(), after.len());
}

#[test]
fn layers_of_a_file_without_layers_is_a_named_skip() {
    let bench = Bench::new();
    bench.pair("plain", &["raw", "layers"]);
    bench.expect(&["run", "plain", "--into", "results/r"], 0);
    let rows = bench.rows("results/r");
    assert!(
        rows.iter()
            .filter(|row| row.method == "layers")
            .all(|row| row.check == Check::Skipped && row.error.contains("layers"))
    );
    assert!(
        rows.iter()
            .filter(|row| row.method == "raw")
            .all(Row::verified)
    );
}

#[test]
fn a_method_that_leaves_no_file_or_a_link_gets_no_number() {
    let bench = Bench::new();
    bench.pair("odd", &["nothing", "link"]);
    declare(&bench, "nothing", r#"["true"]"#);
    declare(&bench, "link", r#"["ln", "-s", "/proc/version", "{out}"]"#);
    bench.expect(&["run", "odd", "--into", "results/r"], 1);
    let rows = bench.rows("results/r");
    assert!(
        row(&rows, "nothing").error.contains("left no file"),
        "{}",
        row(&rows, "nothing").error
    );
    assert!(
        row(&rows, "link").error.contains("not a file"),
        "{}",
        row(&rows, "link").error
    );
}

#[test]
fn what_fails_can_be_tried_again_and_nothing_else_is() {
    let bench = Bench::new();
    bench.pair("again", &["raw", "late"]);
    declare(&bench, "late", r#"["false"]"#);
    bench.expect(&["run", "again", "--into", "results/r"], 1);
    let failed = bench.rows("results/r");
    assert!(failed.iter().any(|row| row.method == "late"
        && row.step == Step::Publish
        && row.error.contains("can't rebuild it")));
    let err = bench.expect(&["run", "again", "--into", "results/r"], 1);
    assert!(err.contains("nothing was left to do"), "{err}");
    assert_eq!(bench.rows("results/r"), failed);
    let err = bench.expect(&["run", "again", "--into", "results/r", "--retry"], 1);
    assert!(err.contains("[8/8]"), "{err}");
    let again = bench.rows("results/r");
    assert_eq!(again.len(), failed.len());
    let raw = |rows: &[Row]| {
        rows.iter()
            .filter(|row| row.method == "raw")
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(raw(&again), raw(&failed));
}
