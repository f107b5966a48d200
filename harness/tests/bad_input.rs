//! Bad input is a clear error that names the file and the place, exit code 2, and nothing half-written.

use std::fs;

use delta_lab::record::SCHEMA;

use crate::bench::{Bench, SmallDisk, noise, scenario, text};

/// Runs a scenario file's text and returns the error.
fn refused(text: &str) -> String {
    let bench = Bench::new();
    bench.write("scenarios/a.bin", noise(1, 10_000));
    bench.write("scenarios/bad.toml", text);
    let err = bench.expect(&["run", "bad", "--into", "results/r"], 2);
    assert!(
        !bench.path("results/r/rows.csv").exists(),
        "nothing half-written"
    );
    err
}

fn says(text: &str, words: &[&str]) {
    let err = refused(text);
    for word in words {
        assert!(err.contains(word), "`{word}` is not in: {err}");
    }
}

const IMAGE: &str = "[[image]]\nname = \"a\"\nfile = \"a.bin\"\n";

#[test]
fn an_unknown_key_is_named_with_its_place() {
    says(
        &format!("about = \"\"\nmethods = [\"raw\"]\nrepeet = 3\n{IMAGE}"),
        &["scenarios/bad.toml", "line 3", "repeet"],
    );
    says(
        "about = \"\"\nmethods = [\"raw\"]\n[[image]]\nname = \"a\"\nfiel = \"a.bin\"\n",
        &["scenarios/bad.toml", "line 5", "fiel"],
    );
    let synthetic = "about = \"\"\nmethods = [\"raw\"]\n[[image]]\nname = \"a\"\nsynthetic = { seed = 1, mib = 1, sede = 2 }\n";
    says(synthetic, &["scenarios/bad.toml", "line 5", "sede"]);
}

#[test]
fn an_unknown_method_is_named_with_the_nearest_one() {
    says(
        &format!("about = \"\"\nmethods = [\n\"raw\", \"fastcd/64k\"]\n{IMAGE}"),
        &[
            "scenarios/bad.toml:3",
            "fastcd/64k",
            "did you mean `fastcdc/64k`",
        ],
    );
}

#[test]
fn an_unknown_or_misplaced_placeholder_is_named() {
    for (word, words) in [
        (
            "{stor}",
            [
                "methods/t.toml:5",
                "[update]",
                "unknown placeholder {stor}; did you mean `store`",
            ],
        ),
        (
            "{store}",
            [
                "methods/t.toml:5",
                "[update]",
                "{store} has no place in [update]: it belongs to [publish]",
            ],
        ),
        (
            "{base}",
            [
                "methods/t.toml:5",
                "[update]",
                "{base} has no place in [update]",
            ],
        ),
        (
            "{out",
            ["methods/t.toml:5", "[update]", "a `{` without its `}`"],
        ),
    ] {
        let bench = Bench::new();
        bench.pair("pair", &["raw"]);
        bench.write(
            "scenarios/methods/t.toml",
            format!("about = \"\"\nversion = [\"cp\"]\npublish = {{ run = [[\"cp\", \"{{image}}\", \"{{store}}\"]] }}\n[update]\nrun = [[\"cp\", \"{word}\"]]\n"),
        );
        let err = bench.expect(&["run", "pair", "--into", "results/r"], 2);
        for word in words {
            assert!(err.contains(word), "`{word}` is not in: {err}");
        }
        assert!(!bench.path("results").exists());
    }
}

#[test]
fn an_image_that_does_not_exist_is_named() {
    let text = scenario(&["raw"], &[("a", "a.bin"), ("b", "gone.tar")]);
    says(&text, &["scenarios/bad.toml", "image b", "gone.tar"]);
}

#[test]
fn a_plan_is_not_shown_for_images_that_are_not_there_and_cannot_be() {
    let bench = Bench::new();
    bench.pair("pair", &["raw"]);
    let said = |source: &str| {
        let text =
            format!("about = 'a test'\nmethods = ['raw']\n[[image]]\nname = 'a'\n{source}\n");
        bench.write("s.toml", text);
        bench.expect(&["list", "s.toml"], 2)
    };
    for source in ["file = 'absent.tar'", "build = '.'"] {
        let said = said(source);
        assert!(said.contains("s.toml: image `a`: there is no "), "{said}");
    }
    let said = said("docker = 'Bad Name'");
    assert!(
        said.contains("s.toml:3: image `a`: docker: `Bad Name` is not"),
        "{said}"
    );
    bench.expect(&["list", "pair"], 0);
}

#[test]
fn images_without_one_source_are_refused() {
    says(
        "about = \"\"\nmethods = [\"raw\"]\n[[image]]\nname = \"a\"\n",
        &["bad.toml:3", "no source"],
    );
    says(
        "about = \"\"\nmethods = [\"raw\"]\n[[image]]\nname = \"a\"\nfile = \"a.bin\"\ndocker = \"x\"\n",
        &["bad.toml:3", "2 sources"],
    );
    says(
        "about = \"\"\nmethods = [\"raw\"]\n[[image]]\nname = \"../a\"\nfile = \"a.bin\"\n",
        &["bad.toml:3", "../a"],
    );
    says(
        "about = \"\"\nmethods = [\"raw\"]\n[[image]]\nname = \"a\"\nfile = \"a.bin\"\nno_cache = true\n",
        &["`no_cache` belongs to `build`"],
    );
    says(
        &format!("about = \"\"\nmethods = [\"raw\"]\n{IMAGE}{IMAGE}"),
        &["bad.toml:6", "`a` is listed twice"],
    );
}

#[test]
fn a_method_that_is_to_be_measured_once_or_left_out_is_one_of_the_scenario() {
    says(
        &format!("about = \"\"\nmethods = [\"raw\"]\nonce = [\"gzip/6\"]\n{IMAGE}"),
        &["bad.toml:3", "`gzip/6` is to be measured once"],
    );
    let bench = Bench::new();
    bench.pair("pair", &["raw", "zstd/3"]);
    let said = |without: &str| bench.expect(&["run", "pair", "--without", without], 2);
    let missing = said("gzip/6");
    assert!(
        missing.contains("--without gzip/6: pair has no such method; it has raw, zstd/3"),
        "{missing}"
    );
    let none = said("raw,zstd/3");
    assert!(
        none.contains("--without leaves no method of pair"),
        "{none}"
    );
    let one = bench.run(&["list", "pair", "--without", "zstd/3"]);
    let shown = text(&one.stdout);
    assert!(
        shown.contains("method  raw") && !shown.contains("zstd/3"),
        "{shown}"
    );
}

#[test]
fn a_scenario_that_does_not_exist_gets_the_nearest_name() {
    let bench = Bench::new();
    bench.pair("rebuild", &["raw"]);
    assert!(
        bench
            .expect(&["run", "rebuilt"], 2)
            .contains("did you mean `rebuild`?")
    );
    assert!(
        bench
            .expect(&["run", "no/such.toml"], 2)
            .contains("no scenario file at no/such.toml")
    );
}

#[test]
fn a_registry_source_is_checked_before_anything_runs() {
    let image = |lines: &str| {
        format!("about = \"\"\nmethods = [\"raw\"]\n[[image]]\nname = \"a\"\n{lines}\n")
    };
    for (lines, words) in [
        (
            "registry = \"app:1\"",
            ["scenarios/bad.toml:3", "`app:1` names no registry"],
        ),
        (
            "registry = \"registry.example/App:1\"",
            ["scenarios/bad.toml:3", "is not an image in a registry"],
        ),
        (
            "registry = \"registry.example/app:1\"\nplatform = \"arm64\"",
            ["platform `arm64`", "linux/arm64"],
        ),
        (
            "docker = \"app:1\"\nplatform = \"linux/arm64\"",
            ["image `a`", "`platform` belongs to `registry`"],
        ),
        (
            "registry = \"registry.example/app:1\"\nnormalize = true",
            ["image `a`", "`normalize` belongs to docker, file, build"],
        ),
        (
            "synthetic = { seed = 1, mib = 1 }\nnormalize = true",
            ["image `a`", "`normalize` belongs to docker, file, build"],
        ),
    ] {
        says(&image(lines), &words);
    }
}

#[test]
fn what_is_no_image_cannot_be_normalized() {
    let text = "about = \"\"\nmethods = [\"raw\"]\n[[image]]\nname = \"a\"\nfile = \"a.bin\"\nnormalize = true\n";
    says(text, &["image a", "a.bin", "not a tar, so not an image"]);
}

#[test]
fn an_unusable_cache_is_named() {
    let bench = Bench::new();
    bench.pair("pair", &["raw"]);
    fs::write(bench.path("cache"), "a file").unwrap();
    let err = bench.expect(&["run", "pair", "--into", "results/r"], 2);
    assert!(err.contains(bench.path("cache").to_str().unwrap()), "{err}");
    assert!(!bench.path("results/r/rows.csv").exists());
}

#[test]
fn a_full_disk_ends_the_run_and_loses_no_row() {
    let bench = Bench::new();
    bench.pair("pair", &["raw", "fastcdc/16k"]);
    let Some(small) = SmallDisk::at(bench.path("small"), 900) else {
        return;
    };
    let output = bench.run(&["run", "pair", "--into", "small/r"]);
    let rows = fs::read_to_string(small.0.join("r/rows.csv"));
    drop(small);
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(
        err.contains("is full") && err.contains("the rows so far are kept"),
        "{err}"
    );
    assert!(rows.unwrap().ends_with('\n'));
}

/// By the time that the lab looks, another trial may have made room again.
#[test]
fn a_step_that_says_that_there_was_no_space_is_a_failure_where_there_is_plenty_alone() {
    let bench = Bench::new();
    bench.pair("pair", &["says"]);
    let text = "about = \"a test\"\nversion = [\"cp\", \"--version\"]\n[publish]\nrun = [[\"sh\", \"-c\", \"echo No space left on device; exit 1\"]]\n[update]\nrun = [[\"false\"]]\n";
    bench.write("scenarios/methods/says.toml", text);
    bench.expect(&["run", "pair", "--into", "results/r"], 1);
    let Some(small) = SmallDisk::at(bench.path("small"), 1400) else {
        return;
    };
    let output = bench.run(&["run", "pair", "--into", "small/r"]);
    drop(small);
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(err.contains("is full"), "{err}");
}

#[test]
fn results_of_another_schema_or_torn_are_refused() {
    let bench = Bench::new();
    bench.pair("pair", &["raw"]);
    bench.expect(&["run", "pair", "--into", "results/r"], 0);
    let path = bench.path("results/r/rows.csv");
    let good = fs::read_to_string(&path).unwrap();
    fs::write(
        &path,
        good.replace(&format!("\n{SCHEMA},pair,"), "\n9,pair,"),
    )
    .unwrap();
    assert!(
        bench
            .expect(&["report", "results/r"], 2)
            .contains("schema 9")
    );
    fs::write(&path, good.replacen(",raw,", ",", 1)).unwrap();
    assert!(
        bench
            .expect(&["report", "results/r"], 2)
            .contains("rows.csv: record 1")
    );
    assert!(
        bench
            .expect(&["report", "nowhere"], 2)
            .contains("nowhere: no rows.csv here")
    );
}
