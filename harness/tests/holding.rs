//! A client's state before the clock: come by while the base is the newest image, metered apart, gone when it is used; and
//! images that are rebuilt in another archive.

use std::fs;

use delta_lab::record::{Check, Results, Row, Verb};

use crate::bench::{Bench, has, is, text};

/// A client that keeps its base in a storage of its own, and updates by it alone.
fn method(hold: &str) -> String {
    format!(
        r#"
about = "a test"
version = ["curl", "--version"]
[publish]
run = [["cp", "{{image}}", "{{store}}/{{name}}"]]
[hold]
run = [{hold}]
[update]
run = [["curl", "-fsS", "-o", "{{out}}", "{{url}}/{{name}}"]]
[update-from-base]
run = [
  ["cmp", "{{held}}/{{base-name}}", "{{base}}"],
  ["curl", "-fsS", "-o", "{{out}}", "{{url}}/{{name}}"],
]
"#
    )
}

const PULL: &str = r#"["curl", "-fsS", "-o", "{held}/{base-name}", "{url}/{base-name}"]"#;

fn run(hold: &str, code: i32) -> (Bench, Vec<Row>) {
    let bench = Bench::new();
    bench.pair("pair", &["held"]);
    bench.write("scenarios/methods/held.toml", method(hold));
    bench.expect(&["run", "pair", "--into", "results/r"], code);
    let rows = bench.rows("results/r");
    (bench, rows)
}

fn from_base(rows: &[Row]) -> &Row {
    let found = rows
        .iter()
        .find(|row| row.verb == Verb::Update && row.bases.to_string() == "old");
    found.expect("an update from the old image")
}

fn findings(bench: &Bench) -> Vec<(String, i64)> {
    let results = Results::load(&bench.path("results/r")).unwrap();
    let findings = results.findings.iter();
    let found = findings.map(|it| (it.measure.clone(), it.value));
    found.collect()
}

#[test]
fn what_a_client_holds_is_metered_apart_and_never_charged_to_its_update() {
    if !has("curl") {
        return;
    }
    let (bench, rows) = run(PULL, 0);
    let update = from_base(&rows);
    assert_eq!(update.check, Check::Exact, "{update:?}");
    assert_eq!(
        (update.payload_bytes, update.requests),
        (Some(305_000), Some(1))
    );
    let apart = [
        ("hold_bytes".to_string(), 300_000),
        ("hold_requests".to_string(), 1),
    ];
    assert_eq!(findings(&bench), apart);
}

/// Otherwise it could hold what it is to fetch.
#[test]
fn a_client_comes_by_its_base_before_a_later_image_is_there() {
    if !has("curl") {
        return;
    }
    let (_bench, rows) = run(r#"["curl", "-fsS", "-o", "{held}/new", "{url}/new"]"#, 1);
    let update = from_base(&rows);
    assert_eq!(update.check, Check::Failed);
    let why = "its client can't come by old: curl exited with 22";
    assert!(update.error.starts_with(why), "{}", update.error);
    let others = rows.iter().filter(|row| row.verified()).count();
    assert_eq!(others, rows.len() - 1, "it fails no other act");
}

#[test]
fn a_state_that_is_gone_is_come_by_again() {
    if !has("curl") {
        return;
    }
    let (bench, rows) = run(PULL, 0);
    let path = bench.path("results/r/rows.csv");
    let text = fs::read_to_string(&path).unwrap();
    let kept: Vec<&str> = text
        .lines()
        .filter(|line| !line.contains(",update,new,") || !line.contains(",old,"))
        .collect();
    assert_eq!(kept.len(), text.lines().count() - 1, "{text}");
    fs::write(&path, kept.join("\n") + "\n").unwrap();
    bench.expect(&["run", "pair", "--into", "results/r"], 0);
    let again = bench.rows("results/r");
    assert_eq!(again.len(), rows.len());
    assert_eq!(from_base(&again).payload_bytes, Some(305_000));
    assert_eq!(findings(&bench).len(), 2);
}

#[test]
fn what_no_state_can_be_had_for_is_skipped_by_name() {
    if !has("curl") {
        return;
    }
    let bench = Bench::new();
    bench.write("scenarios/methods/held.toml", method(PULL));
    for (axes, why) in [
        (
            "fault = [\"cut:50%\"]",
            "what its client holds can be had once",
        ),
        ("policy = [\"matrix\"]", "the image is published before"),
    ] {
        bench.pair("pair", &["held"]);
        let scenario = fs::read_to_string(bench.path("scenarios/pair.toml")).unwrap();
        let scenario = scenario.replacen("[[image]]", &format!("[axes]\n{axes}\n[[image]]"), 1);
        bench.write("scenarios/pair.toml", scenario);
        let into = format!("results/{}", &axes[..5]);
        bench.expect(&["run", "pair", "--into", &into], 0);
        for row in bench.rows(&into) {
            assert_eq!(row.check, Check::Skipped);
            assert!(row.error.contains(why), "{}", row.error);
        }
    }
}

#[test]
fn a_client_that_comes_by_a_base_is_not_told_what_comes_next() {
    let bench = Bench::new();
    let said = |file: String| {
        bench.write("m.toml", file);
        let output = bench.run(&["check-method", "m.toml"]);
        assert_eq!(output.status.code(), Some(2));
        text(&output.stderr)
    };
    for word in ["name", "image", "store", "out"] {
        let words = format!("{{{word}}} has no place in [hold]");
        let told = said(method(&format!(r#"["cp", "{{{word}}}"]"#)));
        assert!(told.contains(&words), "{told}");
    }
    let file = method(PULL);
    let alone = file.split("[update-from-base]").next().unwrap();
    let told = said(alone.to_string());
    assert!(told.contains("[hold] without [update-from-base]"), "{told}");
}

/// A publish stands in the same folder as what clients hold.
#[test]
fn a_later_publish_can_put_nothing_into_what_a_client_holds() {
    let held = delta_lab::clock::held_by(std::path::Path::new(crate::bench::LAB));
    if !has("curl") || !held.locked() {
        eprintln!("skipped: no rooms here: {held}");
        return;
    }
    let bench = Bench::new();
    bench.pair("pair", &["held"]);
    let file = method(PULL)
        .replace(
            r#"["cp", "{image}", "{store}/{name}"]"#,
            r#"["cp", "{image}", "{store}/{name}"], ["sh", "-c", "for d in ../../aside-*/*/held ../../../aside-*/*/held $1/../../aside-*/*/held; do cp $0 $d/; done; true", "{image}", "{store}"]"#,
        )
        .replace(
            r#"["cmp", "{held}/{base-name}", "{base}"]"#,
            r#"["curl", "-fsSI", "-o", "head", "{url}/{name}"], ["sh", "-c", "cp $0/new* $1", "{held}", "{out}"]"#,
        )
        .replacen(
            r#"  ["curl", "-fsS", "-o", "{out}", "{url}/{name}"],
]"#,
            "]",
            1,
        );
    bench.write("scenarios/methods/held.toml", &file);
    bench.expect(&["run", "pair", "--into", "results/r"], 1);
    let rows = bench.rows("results/r");
    let update = from_base(&rows);
    assert!(
        update.error.starts_with("sh exited with 1: cp: "),
        "{update:?}"
    );
    assert_eq!(rows.iter().filter(|row| !row.verified()).count(), 1);
}

/// A publish that could write there could make a store look untouched that it changed.
#[test]
fn a_publish_does_not_see_what_the_lab_noted_of_its_store() {
    let bench = Bench::new();
    bench.pair("pair", &["looks"]);
    let file = r#"
about = "a test"
version = ["cp", "--version"]
[publish]
run = [
  ["sh", "-c", "for f in $0/../store-after-* $0/../*/store-after-* $0/../../*/store-after-*; do test ! -e $f || exit 9; done", "{store}"],
  ["cp", "{image}", "{store}/{name}"],
]
[update]
run = [["curl", "-fsS", "-o", "{out}", "{url}/{name}"]]
"#;
    bench.write("scenarios/methods/looks.toml", file);
    bench.expect(&["run", "pair", "--into", "results/r"], 0);
}

/// Unpacks an image archive and packs it again in another order; `then` are words of a shell in between.
fn repacking(then: &str) -> String {
    format!(
        r#"
about = "a test"
moves = "image"
version = ["curl", "--version"]
[publish]
run = [["cp", "{{image}}", "{{store}}/{{name}}"]]
[update]
run = [
  ["curl", "-fsS", "-o", "image.tar", "{{url}}/{{name}}"],
  ["sh", "-c", "mkdir x && tar -C x -xf image.tar && cd x && {then} && tar -cf $0 $(ls -r)", "{{out}}"],
]
"#
    )
}

#[test]
fn an_image_in_another_archive_is_the_image_and_another_image_is_not() {
    if !has("curl") || !has("tar") {
        return;
    }
    let bench = Bench::new();
    bench.write("scenarios/methods/repacks.toml", repacking("true"));
    // One bit of a file's contents in a layer, with the layer's place in the archive as it was.
    let spoil = "l=$(ls */layer.tar | head -n 1) && printf X | dd of=$l bs=1 seek=520 conv=notrunc 2>/dev/null";
    bench.write("scenarios/methods/spoils.toml", repacking(spoil));
    bench.write("scenarios/file.bin", "no image");
    bench.write(
        "scenarios/image.toml",
        "about = \"\"\nmethods = [\"repacks\", \"spoils\"]\n[[image]]\nname = \"v1\"\nsynthetic = { seed = 1, mib = 1 }\n",
    );
    bench.expect(&["run", "image", "--into", "results/r"], 1);
    for row in bench.rows("results/r") {
        match &*row.method {
            "repacks" => is(&row, Check::Image),
            _ => {
                is(&row, Check::Failed);
                assert!(
                    row.error.contains("wrong image: ") || row.error.contains("not run"),
                    "{}",
                    row.error
                );
            }
        }
    }
    bench.write(
        "scenarios/file.toml",
        "about = \"\"\nmethods = [\"repacks\"]\n[[image]]\nname = \"v1\"\nfile = \"file.bin\"\n",
    );
    bench.expect(&["run", "file", "--into", "results/f"], 0);
    let rows = bench.rows("results/f");
    assert!(
        rows.iter()
            .all(|row| row.check == Check::Skipped && row.error.contains("no image archive"))
    );
}
