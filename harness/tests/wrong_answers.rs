//! A wrong answer is never a number: each way to fail is a row with its reason, and the rows beside it stand.

use delta_lab::record::{Check, Row, Verb};

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
        && row.verb == Verb::Publish
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

#[test]
fn an_image_that_did_not_come_over_the_wire_gets_no_number() {
    let bench = Bench::new();
    bench.pair("cheat", &["cheat"]);
    let path = bench.path("scenarios/new.bin");
    let old = bench.path("scenarios/old.bin");
    let words = format!(
        "test {{name}} = new && cp {} {{out}} || cp {} {{out}}",
        path.display(),
        old.display()
    );
    declare(&bench, "cheat", &format!("[\"sh\", \"-c\", \"{words}\"]"));
    bench.expect(&["run", "cheat", "--into", "results/r"], 1);
    let rows = bench.rows("results/r");
    // In a room it is not even there.
    let error = &row(&rows, "cheat").error;
    assert!(
        error.contains("asked the wire for nothing") || error.contains("cp: "),
        "{error}"
    );
    assert!(!rows.iter().any(Row::verified));
}

#[test]
fn a_method_that_changes_what_it_was_given_ends_the_run() {
    let bench = Bench::new();
    bench.pair("spoiler", &["spoiler"]);
    let text = "about = \"a test\"\nversion = [\"cp\", \"--version\"]\n[publish]\nrun = [[\"truncate\", \"-s\", \"10\", \"{image}\"]]\n[update]\nrun = [[\"true\"]]\n";
    bench.write("scenarios/methods/spoiler.toml", text);
    let before = std::fs::read(bench.path("scenarios/old.bin")).unwrap();
    let output = bench.run(&["run", "spoiler", "--into", "results/r"]);
    let err = crate::bench::text(&output.stderr);
    // A room refuses it, and it is a step that failed; without one the image is spoiled, and no step after that can be
    // trusted.
    match output.status.code() {
        Some(1) => {
            assert_eq!(
                std::fs::read(bench.path("scenarios/old.bin")).unwrap(),
                before
            );
            assert!(bench.rows("results/r").iter().all(|row| !row.verified()));
        }
        Some(2) => assert!(
            err.contains("spoiler changed an image it was given to read")
                && err.contains("old.bin"),
            "{err}"
        ),
        other => panic!("{other:?}: {err}"),
    }
}

#[test]
fn a_client_starts_without_a_memory() {
    let bench = Bench::new();
    bench.pair("memory", &["memo"]);
    let words = "env | grep -E '^(HOME|TMPDIR|XDG_)' | cut -d= -f2 | while read d; do test -z \\\"$(ls -A $d 2>/dev/null | grep -v -x -e tmp -e home -e log)\\\" || exit 7; mkdir -p $d; touch $d/memo; done; exit 3";
    declare(&bench, "memo", &format!("[\"sh\", \"-c\", \"{words}\"]"));
    bench.write("xdg/memo", "");
    for _ in 0..2 {
        let output = bench
            .command(&["run", "memory", "--into", "results/r", "--retry"])
            .env("XDG_DATA_HOME", bench.path("xdg"))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
    }
    let rows = bench.rows("results/r");
    assert!(
        rows.iter().all(|row| !row.error.contains("exited with 7")),
        "{:?}",
        rows[0].error
    );
}

#[test]
fn a_method_named_twice_runs_once() {
    let bench = Bench::new();
    bench.pair("twice", &["raw"]);
    bench.expect(
        &[
            "run",
            "twice",
            "--into",
            "results/r",
            "--method",
            "raw,gzip/6,raw",
        ],
        0,
    );
    assert_eq!(bench.rows("results/r").len(), 8);
}

#[test]
fn a_version_command_that_fails_is_a_missing_tool() {
    let bench = Bench::new();
    bench.pair("module", &["module"]);
    let file = |more: &str| {
        let text = format!(
            "about = \"a test\"\ninstall = {{ pip = [\"a-module\"] }}\nversion = [\"sh\", \"-c\", \"echo no such module; exit 4\"]\n{more}[publish]\nrun = [[\"true\"]]\n[update]\nrun = [[\"true\"]]\n"
        );
        bench.write("scenarios/methods/module.toml", text);
    };
    file("");
    bench.expect(&["run", "module", "--into", "results/r"], 0);
    let rows = bench.rows("results/r");
    assert!(
        rows.iter()
            .all(|row| row.check == Check::Skipped && row.error.contains("pip install a-module")),
        "{}",
        rows[0].error
    );
    file("version-exit = 4\n");
    bench.expect(&["run", "module", "--into", "results/s"], 1);
}

#[test]
fn the_environment_of_the_lab_is_not_a_steps() {
    let bench = Bench::new();
    bench.pair("env", &["env"]);
    let text = "about = \"a test\"\nversion = [\"cp\", \"--version\"]\n[publish]\nrun = [[\"cp\", \"{image}\", \"{store}/{name}\"]]\n[update]\nrun = [[\"sh\", \"-c\", \"echo secret=$SECRET cache=$DELTA_LAB_CACHE home=$HOME >&2; exit 3\"]]\n";
    bench.write("scenarios/methods/env.toml", text);
    let output = bench
        .command(&["run", "env", "--into", "results/r"])
        .env("SECRET", "the-secret")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let rows = bench.rows("results/r");
    let said = &row(&rows, "env").error;
    assert!(
        said.contains("secret= cache= home={scratch}/home"),
        "{said}"
    );
}

#[test]
fn words_of_a_step_name_its_files_as_the_method_does_and_no_path_of_the_machine() {
    let bench = Bench::new();
    bench.pair("paths", &["paths"]);
    let text = "about = \"a test\"\nversion = [\"cp\", \"--version\"]\n[publish]\nrun = [[\"cp\", \"{image}\", \"{store}/{name}\"]]\n[update]\nrun = [[\"cp\", \"{tmp}/absent\", \"{out}\"]]\n";
    bench.write("scenarios/methods/paths.toml", text);
    bench.expect(&["run", "paths", "--into", "results/r"], 1);
    let said = bench.rows("results/r");
    let said = said.iter().find(|row| row.error.contains("cannot stat"));
    let said = &said.unwrap().error;
    assert!(
        said.contains("'{tmp}/absent'") && !said.contains("/paths"),
        "{said}"
    );
    let text = text.replace("cp\", \"{image}\"", "cp\", \"-n\", \"{image}/x\"");
    bench.write("scenarios/methods/paths.toml", text);
    bench.expect(&["run", "paths", "--into", "results/s"], 1);
    let said = &bench.rows("results/s")[0].error;
    assert!(said.contains("'old/x'"), "{said}");
}

#[test]
fn a_publish_that_removes_its_store_is_a_failed_row_and_the_run_goes_to_its_end() {
    let bench = Bench::new();
    bench.pair("gone", &["remover", "raw"]);
    let text = "about = \"a test\"\nversion = [\"cp\", \"--version\"]\n[publish]\nrun = [[\"rm\", \"-r\", \"{store}\"]]\n[update]\nrun = [[\"false\"]]\n";
    bench.write("scenarios/methods/remover.toml", text);
    bench.expect(&["run", "gone", "--into", "results/r"], 1);
    let rows = bench.rows("results/r");
    assert_eq!(row(&rows, "remover").error, "removed its store");
    for row in &rows {
        assert_eq!(row.verified(), row.method == "raw", "{row:?}");
    }
}

#[test]
fn an_output_with_holes_is_refused_by_its_length() {
    let bench = Bench::new();
    bench.pair("holes", &["holes"]);
    declare(&bench, "holes", r#"["truncate", "-s", "15T", "{out}"]"#);
    bench.expect(&["run", "holes", "--into", "results/r"], 1);
    let rows = bench.rows("results/r");
    let error = &row(&rows, "holes").error;
    assert!(
        error.contains("16492674416640 bytes, the image has 300000"),
        "{error}"
    );
}
