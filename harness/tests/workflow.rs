//! The example workflows, played through: their own commands, with tars for images and a stand-in for GitHub's `gh`.

use std::fs;
use std::process::Output;

use crate::bench::{Bench, LAB, checkout, text};
use crate::ci::{Written, image, released};

/// Keeps comments in a folder; of `gh api` it knows what the workflow asks.
const GH: &str = r#"#!/bin/sh
method=GET
while [ $# -gt 0 ]; do
  case "$1" in
    --method) method=$2; shift ;;
    --field) body=${2#body=@}; shift ;;
  esac
  shift
done
case $method in
  GET) grep -lF '<!-- delta-lab ci: updates -->' comments/* 2>/dev/null | sed 's,.*/,,' ;;
  POST) cp "$body" "comments/$(($(ls comments | wc -l) + 1))" ;;
  PATCH) cp "$body" comments/1 ;;
esac
exit 0
"#;

/// The commands of a step of the workflow.
fn step(name: &str) -> String {
    let page = fs::read_to_string(checkout().join("examples/github.yml")).unwrap();
    let (_, rest) = page.split_once(&format!("- name: {name}\n")).unwrap();
    let (_, rest) = rest.split_once("run: |\n").unwrap();
    let inside = |line: &&str| line.is_empty() || line.starts_with("          ");
    let lines: Vec<&str> = rest
        .lines()
        .take_while(inside)
        .map(str::trim_start)
        .collect();
    lines.join("\n")
}

/// A checkout of the team's, with what the workflow's first steps leave there.
fn begun() -> (Bench, Vec<Written>) {
    let bench = Bench::new();
    let mut files = released();
    image(&bench, "1.4.2.tar", &files);
    files[7].contents[100] ^= 1;
    image(&bench, "main.tar", &files);
    bench.write(
        "rules.toml",
        "methods = [\"fastcdc/16k\"]\nfrom = [\"1.4.2.tar\"]\n[limits]\ndelta_grows = \"200 kB\"\n",
    );
    fs::create_dir(bench.path("comments")).unwrap();
    bench.write_program("bin/gh", GH);
    bench.write_program("bin/docker", "#!/bin/sh\ncat > /dev/null\n");
    std::os::unix::fs::symlink(LAB, bench.path("bin/delta-lab")).unwrap();
    (bench, files)
}

/// Does a step as a runner does, with tars in the places of the references.
fn play(bench: &Bench, name: &str) -> Output {
    let mut commands = step(name);
    for image in ["main", "pr", "planted"] {
        commands = commands.replace(&format!("shop/backend:{image} "), &format!("{image}.tar "));
    }
    let path = std::env::var("PATH").unwrap_or_default();
    let mut bash = bench.command(&[]);
    let env: Vec<_> = bash
        .get_envs()
        .map(|(key, value)| (key.to_owned(), value.map(|it| it.to_owned())))
        .collect();
    bash = std::process::Command::new("bash");
    for (key, value) in env {
        bash.env(key, value.unwrap_or_default());
    }
    bash.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", &commands])
        .current_dir(bench.dir.path())
        .env("PATH", format!("{}:{path}", bench.path("bin").display()))
        .env("GITHUB_STEP_SUMMARY", "summary.md")
        .env("GITHUB_REPOSITORY", "shop/backend")
        .env("PR", "7")
        .output()
        .unwrap()
}

/// A push: the check's exit code, and the comments there are afterwards.
fn push(bench: &Bench, files: &[Written]) -> (i32, Vec<String>) {
    image(bench, "pr.tar", files);
    let judged = play(bench, "judge").status.code().unwrap();
    let commented = play(bench, "comment");
    assert!(commented.status.success(), "{}", text(&commented.stderr));
    let mut comments: Vec<_> = fs::read_dir(bench.path("comments"))
        .unwrap()
        .map(|it| it.unwrap().path())
        .collect();
    comments.sort();
    (
        judged,
        comments
            .iter()
            .map(|path| fs::read_to_string(path).unwrap())
            .collect(),
    )
}

#[test]
fn a_pull_request_has_one_comment_that_is_kept_current() {
    let (bench, mut files) = begun();
    assert_eq!(push(&bench, &files), (0, Vec::new()));
    for file in &mut files {
        file.mtime += 60;
    }
    let (code, comments) = push(&bench, &files);
    assert_eq!((code, comments.len()), (1, 1));
    assert!(
        comments[0].contains("### Fails: ") && comments[0].contains("time alone"),
        "{}",
        comments[0]
    );
    for file in &mut files {
        file.mtime -= 60;
    }
    files.push(Written {
        path: "srv/model.bin".into(),
        contents: crate::bench::noise(5, 1_000_000),
        mtime: 1_700_000_000,
    });
    let (code, comments) = push(&bench, &files);
    assert_eq!((code, comments.len()), (1, 1));
    assert!(
        comments[0].contains("srv/model.bin") && !comments[0].contains("time alone"),
        "{}",
        comments[0]
    );
    files.pop();
    let (code, comments) = push(&bench, &files);
    assert_eq!((code, comments.len()), (0, 1));
    assert!(comments[0].contains("### Unchanged"), "{}", comments[0]);
    let summary = fs::read_to_string(bench.path("summary.md")).unwrap();
    assert!(
        summary.contains("### Fails: ") && summary.contains("Unchanged: "),
        "{summary}"
    );
}

#[test]
fn a_planted_regression_proves_that_the_gate_fires_and_a_gate_without_limits_is_found_out() {
    let (bench, mut files) = begun();
    files.push(Written {
        path: "planted".into(),
        contents: crate::bench::noise(6, 1_000_000),
        mtime: 1_700_000_000,
    });
    image(&bench, "planted.tar", &files);
    let proof = play(&bench, "prove that the gate fires");
    assert!(proof.status.success(), "{}", text(&proof.stdout));
    bench.write(
        "rules.toml",
        "methods = [\"fastcdc/16k\"]\nfrom = [\"1.4.2.tar\"]\n",
    );
    let proof = play(&bench, "prove that the gate fires");
    assert!(text(&proof.stdout).contains("the gate let 50 MB pass: exit code 0"));
    assert!(!proof.status.success());
}

#[test]
fn the_workflows_use_commands_and_files_of_the_pages() {
    let pages = ["README.md", "examples/README.md"]
        .map(|page| fs::read_to_string(checkout().join(page)).unwrap());
    for file in ["examples/github.yml", "examples/gitlab.yml"] {
        let workflow = fs::read_to_string(checkout().join(file)).unwrap();
        let line = workflow
            .lines()
            .find(|line| line.contains("delta-lab ci"))
            .unwrap();
        let command = line
            .trim()
            .trim_start_matches("- ")
            .split(" | ")
            .next()
            .unwrap();
        assert!(
            pages.iter().all(|page| page.contains(command)),
            "{file}: {command}"
        );
    }
}

#[test]
fn the_rules_and_thresholds_of_the_examples_are_read() {
    let rules = checkout().join("examples/rules.toml");
    let mut text = fs::read_to_string(&rules).unwrap();
    delta_lab::stats::gate::Rules::read(&rules).unwrap();
    // The waiver that is shown behind marks is one.
    text = text.replace("\n# [[waiver]]", "\n[[waiver]]");
    for key in ["limit", "up_to", "until", "why"] {
        text = text.replace(&format!("\n# {key} "), &format!("\n{key} "));
    }
    let shown = tempfile::NamedTempFile::new().unwrap();
    fs::write(shown.path(), text).unwrap();
    assert_eq!(
        delta_lab::stats::gate::Rules::read(shown.path())
            .unwrap()
            .waivers
            .len(),
        1
    );
    delta_lab::stats::Thresholds::read(&checkout().join("examples/thresholds.toml")).unwrap();
}
