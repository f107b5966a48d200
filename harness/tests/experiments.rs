//! Experiments: each question runs, is judged, and is answered on one page; an expectation that is broken is told.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::bench::{Bench, text};

const QUESTION: &str = r#"
about = "Is a small chunk better?"
methods = ["raw", "layers", "fastcdc/{4k,8k,16k,64k}"]
probes = ["layers"]
[[image]]
name = "old"
synthetic = { seed = 5, mib = 1 }
[[image]]
name = "new"
synthetic = { changes = ["patch"] }
"#;

fn expect(says: &str, method: &str, measure: &str, bound: &str) -> String {
    format!(
        "[[expect]]\nsays = \"{says}\"\nof = {{ method = \"{method}\", image = \"new\", base = \"old\" }}\nmeasure = \"{measure}\"\n{bound}\n"
    )
}

fn bench(expects: &[String]) -> Bench {
    let bench = Bench::new();
    let text = format!("{QUESTION}{}", expects.concat());
    bench.write("scenarios/experiments/x-size.toml", text);
    bench
}

fn page(bench: &Bench) -> String {
    fs::read_to_string(bench.path("results/experiments.md")).unwrap()
}

#[test]
fn an_experiment_is_run_judged_and_answered_on_a_page_with_its_chart() {
    let bench = bench(&[expect(
        "chunks save bytes",
        "fastcdc/16k",
        "transfer_bytes",
        "below = { share = 0.9, of = \"image_bytes\" }",
    )]);
    let output = bench.run(&["experiments"]);
    let out = text(&output.stdout);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{out}{}",
        text(&output.stderr)
    );
    assert!(
        out.contains("x-size: holds: 1 of 1 expectations hold\n"),
        "{out}"
    );
    let page = page(&bench);
    for words in [
        "Is a small chunk better?",
        "**holds**: chunks save bytes",
        "Command: ",
        "Machine: ",
        "fastcdc: of 4k to 64k take ",
        "(experiments/x-size/x-size-sizes.svg)",
    ] {
        assert!(
            page.contains(words),
            "`{words}` is not on the page:\n{page}"
        );
    }
    let chart = bench.path("results/experiments/x-size/x-size-sizes.svg");
    // The page's own chart, with the size to take marked, and not the one of the report.
    let chart = fs::read_to_string(chart).unwrap();
    assert!(chart.contains("the size to take"), "{chart}");
}

#[test]
fn three_broken_expectations_are_three_red_verdicts_that_say_what_differed() {
    let bench = bench(&[
        expect(
            "it holds",
            "raw",
            "payload_bytes",
            "equals = { share = 1.0, of = \"image_bytes\" }",
        ),
        expect("too few", "raw", "requests", "equals = 7"),
        expect(
            "too large",
            "fastcdc/4k",
            "transfer_bytes",
            "below = { share = 0.0001, of = \"image_bytes\" }",
        ),
        expect(
            "not more than raw",
            "fastcdc/16k",
            "payload_bytes",
            "above = { share = 1.0, of = \"payload_bytes\", act = { method = \"raw\", image = \"new\", base = \"old\" } }",
        ),
    ]);
    let output = bench.run(&["experiments", "x"]);
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{out}");
    assert!(
        out.contains("x-size: fails: 1 of 4 expectations hold\n"),
        "{out}"
    );
    for words in [
        "    fails: too few (raw: update new from old: requests 1, not equal to 7)\n",
        "    fails: too large (fastcdc/4k: update new from old: transfer_bytes ",
        "not below 0.01 % of image_bytes ",
        "    fails: not more than raw (fastcdc/16k: update new from old: payload_bytes ",
        "not above 100 % of payload_bytes ",
    ] {
        assert!(out.contains(words), "`{words}` is not in:\n{out}");
    }
    let page = page(&bench);
    assert_eq!(page.matches("**fails**").count(), 3, "{page}");
    assert_eq!(page.matches("**holds**").count(), 1, "{page}");
    // Mended, the same rows are judged again.
    let path = "scenarios/experiments/x-size.toml";
    let mended = fs::read_to_string(bench.path(path)).unwrap();
    let mended = mended.split("[[expect]]").take(2).collect::<Vec<_>>();
    bench.write(path, mended.join("[[expect]]"));
    bench.expect(&["experiments", "x"], 0);
}

#[test]
fn a_missing_tool_and_a_missing_program_are_named_and_a_failed_step_fails_its_experiment() {
    let bench = bench(&[expect("whole", "raw", "requests", "equals = 1")]);
    let absent = QUESTION.replace("\"raw\"", "\"raw\", \"absent\"")
        + &expect("said", "absent", "requests", "equals = 1");
    bench.write("scenarios/experiments/y-absent.toml", absent);
    bench.write(
        "scenarios/experiments/methods/absent.toml",
        "about = \"\"\ninstall = { apt = [\"some-package\"] }\nversion = [\"no-such-tool\", \"-V\"]\n\
         [publish]\nrun = [[\"no-such-tool\", \"{image}\", \"{store}\"]]\n[update]\nrun = [[\"no-such-tool\", \"{url}\", \"{out}\"]]\n",
    );
    bench.write(
        "scenarios/experiments/z-made.toml",
        "about = \"?\"\nmethods = [\"raw\"]\n[[image]]\nname = \"a\"\ncommand = [\"no-such-maker\", \"{out}\"]\n",
    );
    let output = bench.run(&["experiments"]);
    let out = text(&output.stdout);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{out}{}",
        text(&output.stderr)
    );
    for words in [
        "y-absent: undecided: 0 of 1 expectations hold\n",
        "skipped: absent: no-such-tool is not installed: apt-get install some-package",
        "z-made: undecided: skipped: image `a`: no-such-maker is not installed",
        "1 hold, 0 fail, 2 undecided: results/experiments.md\n",
    ] {
        assert!(out.contains(words), "`{words}` is not in:\n{out}");
    }
    bench.write(
        "scenarios/experiments/methods/absent.toml",
        "about = \"\"\nversion = [\"cp\", \"--version\"]\n[publish]\nrun = [[\"cp\", \"{image}\", \"{store}/{name}\"]]\n[update]\nrun = [[\"false\"]]\n",
    );
    let output = bench.run(&["experiments", "y", "--again"]);
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{out}");
    assert!(out.contains("y-absent: fails"), "{out}");
    assert!(out.contains("failed: absent"), "{out}");
    // The page keeps the answers of those that were not asked for.
    assert!(page(&bench).contains("x-size | Is a small chunk better? | holds"));
}

#[test]
fn a_letter_that_does_not_exist_is_refused_and_the_others_are_named() {
    let bench = bench(&[]);
    let err = bench.expect(&["experiments", "q"], 2);
    assert!(err.contains("no experiment `q`; there are x-size"), "{err}");
}

#[test]
fn every_shipped_experiment_is_a_plan_that_can_be_read_and_expects_something() {
    let folder = crate::bench::checkout().join("scenarios/experiments");
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "toml") {
            continue;
        }
        seen += 1;
        let output = Bench::new()
            .command(&["list", path.to_str().unwrap()])
            .current_dir(crate::bench::checkout())
            .output()
            .unwrap();
        let out = text(&output.stdout);
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(
            out.contains("\n  expect  "),
            "{} expects nothing",
            path.display()
        );
    }
    assert!(seen >= 8, "only {seen} experiments");
}

#[test]
fn the_page_that_is_kept_is_what_its_results_say_and_every_chart_on_it_is_there() {
    let checkout = crate::bench::checkout();
    let kept = checkout.join("results/experiments");
    let bench = Bench::new();
    let mut seen = 0;
    for entry in fs::read_dir(&kept).unwrap() {
        let folder = entry.unwrap();
        let name = folder.file_name().into_string().unwrap();
        for file in ["rows.csv", "findings.csv", "plan.toml", "host.toml"] {
            let bytes = fs::read(folder.path().join(file)).unwrap();
            bench.write(&format!("results/experiments/{name}/{file}"), bytes);
        }
        seen += 1;
    }
    assert!(seen >= 8, "only {seen} experiments are kept");
    let from = checkout.join("scenarios/experiments");
    let from = from.to_str().unwrap();
    bench.expect(&["experiments", "--draw", "--from", from], 0);
    let page = page(&bench);
    let typed = fs::read_to_string(checkout.join("results/experiments.md")).unwrap();
    assert!(
        page == typed,
        "results/experiments.md is not what its results say: run delta-lab experiments --draw"
    );
    let charts = page.split("](experiments/").skip(1);
    let charts: Vec<&str> = charts.filter_map(|rest| rest.split(')').next()).collect();
    assert!(charts.len() >= 8, "{charts:?}");
    let in_git = kept_by_git(&kept);
    let drawn = |file: &&String| file.ends_with(".svg") || file.ends_with(".png");
    for chart in in_git.iter().filter(drawn) {
        let linked = charts.contains(&chart.as_str());
        assert!(linked, "{chart} is in git and not on the page: git rm it");
    }
    for chart in charts {
        assert!(kept.join(chart).is_file(), "{chart} is not kept");
        assert!(
            in_git.is_empty() || in_git.contains(chart),
            "{chart} is not in git: git add -f results/experiments/{chart}"
        );
        assert!(
            bench
                .path(&format!("results/experiments/{chart}"))
                .is_file(),
            "{chart} was not drawn"
        );
    }
}

/// The files in `folder` that git keeps; none where the checkout is not of git.
fn kept_by_git(folder: &Path) -> HashSet<String> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z"]).current_dir(folder);
    let listed = git.output().map(|output| output.stdout);
    let listed = String::from_utf8(listed.unwrap_or_default()).unwrap();
    let names = listed.split('\0').filter(|name| !name.is_empty());
    names.map(str::to_string).collect()
}
