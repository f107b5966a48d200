//! Every example in the docs is run.

use std::fs;

use crate::bench::{Bench, checkout, has};

fn page(path: &str) -> String {
    fs::read_to_string(checkout().join(path)).unwrap()
}

/// The fenced blocks of a language in a page, in order.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    page.split(&fence)
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap().to_string())
        .collect()
}

/// The declared method that the format page shows.
fn copying_method() -> String {
    let mut blocks = blocks(&page("scenarios/README.md"), "toml").into_iter();
    let copies = blocks.find(|block| block.starts_with("about   = \"copies"));
    copies.expect("the page shows a method that copies")
}

#[test]
fn the_readme_scenario_is_one() {
    let bench = Bench::new();
    let text = blocks(&page("README.md"), "toml").remove(0);
    bench.write("mine.toml", &text);
    for image in ["october.tar", "november.tar"] {
        bench.write(image, "an image");
    }
    fs::copy(
        checkout().join("scenarios/methods/casync.toml"),
        bench.path("scenarios/methods/casync.toml"),
    )
    .unwrap();
    let output = bench.run(&["list", "mine.toml"]);
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        out.contains("docker save shop/backend:latest") && out.contains("72 acts"),
        "{out}"
    );
}

#[test]
fn the_readme_commands_are_commands() {
    let page = page("README.md");
    let makefile = fs::read_to_string(checkout().join("Makefile")).unwrap();
    for line in blocks(&page, "sh").concat().lines() {
        let line = line.split('#').next().unwrap().trim();
        let words: Vec<&str> = line.split_whitespace().collect();
        let words: Vec<&str> = words
            .into_iter()
            .map(|word| word.trim_start_matches("target/release/"))
            .collect();
        // What other programs run is looked at as a command of ours.
        let from = words.iter().position(|word| *word == "delta-lab");
        let words = match (words.as_slice(), from) {
            (["parallel", ..], Some(from)) => words[from..].to_vec(),
            (["sbatch", "--wait", script, ..], _) => {
                assert!(checkout().join(script).is_file(), "{line}");
                continue;
            }
            _ => words,
        };
        match words.as_slice() {
            [] => {}
            ["make", target] => assert!(makefile.contains(&format!("\n{target}:")), "{line}"),
            ["delta-lab", command, ..] => {
                let help = Bench::new().run(&[command, "--help"]);
                assert!(help.status.success(), "{line}");
                let help = String::from_utf8_lossy(&help.stdout).into_owned();
                for flag in words.iter().filter(|word| word.starts_with("--")) {
                    assert!(help.contains(*flag), "{line}: no {flag} in\n{help}");
                }
            }
            _ => panic!("not a command of ours: {line}"),
        }
    }
}

#[test]
fn the_forms_of_the_format_page_are_forms() {
    let bench = Bench::new();
    bench.pair("forms", &["raw"]);
    let plain = fs::read_to_string(bench.path("scenarios/forms.toml")).unwrap();
    let page = page("scenarios/README.md");
    let mut blocks = blocks(&page, "toml").into_iter();
    let forms = blocks.find(|block| block.starts_with("[axes]\nform = "));
    let (head, images) = plain.split_once("[[image]]").unwrap();
    let text = format!("{head}{}[[image]]{images}", forms.unwrap());
    bench.write("scenarios/forms.toml", text);
    let output = bench.run(&["list", "forms"]);
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    for words in [
        "form    squashfs/128k        squashfs -comp zstd -b 128k",
        "form    layers/64            64 layers by package",
    ] {
        assert!(out.contains(words), "`{words}` is not in {out}");
    }
}

#[test]
fn the_scenario_of_the_format_page_is_one() {
    let bench = Bench::new();
    bench.write(
        "scenarios/page.toml",
        blocks(&page("scenarios/README.md"), "toml").remove(0),
    );
    let output = bench.run(&["list", "page"]);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Follows the page literally: the file it shows, put where it says, moves images.
#[test]
fn the_declared_method_of_the_format_page_works() {
    if !has("curl") {
        return;
    }
    let bench = Bench::new();
    bench.pair("copies", &["copy"]);
    bench.write("scenarios/methods/copy.toml", copying_method());
    bench.expect(&["run", "copies", "--into", "results/r"], 0);
    for row in bench
        .rows("results/r")
        .iter()
        .filter(|row| row.requests.is_some())
    {
        assert_eq!(
            (row.payload_bytes, row.requests),
            (Some(row.image_bytes), Some(1)),
            "{row:?}"
        );
    }
}

/// The same for the file that moves trees.
#[test]
fn the_declared_method_that_moves_trees_keeps_every_claim() {
    if !has("curl") || !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: only root can unpack an image with its owners");
        return;
    }
    let bench = Bench::new();
    let file = blocks(&page("scenarios/README.md"), "toml")
        .into_iter()
        .find(|block| block.contains("moves   ="));
    bench.write("scenarios/methods/tarred.toml", file.unwrap());
    let output = bench.run(&["check-method", "scenarios/methods/tarred.toml"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
}

/// Follows the page with a tool of one's own: its commands in the places of the page's, then `check-method`, then a run.
#[test]
fn a_tool_of_ones_own_is_declared_checked_and_run_as_the_page_says() {
    if !has("curl") || !has("gzip") {
        return;
    }
    let bench = Bench::new();
    bench.pair("mine", &["mine"]);
    bench.write_program(
        "bin/my-tool",
        "#!/bin/sh\nset -e\ncase $1 in\n\
         --version) echo my-tool 1.0 ;;\n\
         put) gzip -n -c \"$2\" >\"$3\" ;;\n\
         get) curl -fsS \"$2\" | gzip -d >\"$3\" ;;\nesac\n",
    );

    let mut method = copying_method();
    for (theirs, mine) in [
        (r#"["curl", "--version"]"#, r#"["my-tool", "--version"]"#),
        (
            r#"["cp", "{image}", "{store}/{name}"]"#,
            r#"["my-tool", "put", "{image}", "{store}/{name}"]"#,
        ),
        (
            r#"["curl", "--fail", "--silent", "--show-error", "-o", "{out}", "{url}/{name}"]"#,
            r#"["my-tool", "get", "{url}/{name}", "{out}"]"#,
        ),
    ] {
        assert!(method.contains(theirs), "{theirs} is not on the page");
        method = method.replace(theirs, mine);
    }
    bench.write("scenarios/methods/mine.toml", method);
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{path}", bench.path("bin").display());
    for (args, words) in [
        (
            &["check-method", "scenarios/methods/mine.toml"][..],
            "29 claims hold, 0 do not",
        ),
        (
            &["run", "mine", "--into", "results/r"],
            "4 acts verified, 0 failed",
        ),
    ] {
        let output = bench.command(args).env("PATH", &path).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success() && said.contains(words),
            "{args:?}: {said}"
        );
    }
    let rows = bench.rows("results/r");
    assert!(
        rows.iter()
            .all(|row| row.version.starts_with("my-tool 1.0")),
        "{rows:?}"
    );
}

#[test]
fn every_shipped_scenario_and_method_is_sound_and_on_the_page() {
    let about = page("scenarios/README.md");
    let output = Bench::new()
        .command(&["list"])
        .current_dir(checkout())
        .output()
        .unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for entry in fs::read_dir(checkout().join("scenarios")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if let Some(name) = name.strip_suffix(".toml") {
            assert!(
                about.contains(&format!("| `{name}` |")),
                "{name} is not on the page"
            );
        }
    }
    for family in delta_lab::method::builtin::METHODS {
        let name = match family.param {
            Some(param) => format!("| `{}/{}` |", family.name, param.word()),
            None => format!("| `{}` |", family.name),
        };
        assert!(about.contains(&name), "{name} is not on the page");
    }
}

#[test]
fn every_column_is_on_the_page() {
    let bench = Bench::new();
    bench.pair("columns", &["raw"]);
    bench.expect(&["run", "columns", "--into", "results/r"], 0);
    let text = fs::read_to_string(bench.path("results/r/rows.csv")).unwrap();
    let about = page("results/README.md");
    for column in text.lines().next().unwrap().split(',') {
        assert!(
            about.contains(&format!("`{column}`")),
            "{column} is not on the page"
        );
    }
}

#[test]
fn a_run_draws_its_views_and_says_where() {
    let bench = Bench::new();
    bench.pair("drawn", &["raw", "zstd/3"]);
    let output = bench.run(&[
        "run",
        "drawn",
        "--into",
        "results/r",
        "--report",
        "--objects",
    ]);
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    for file in [
        "report.html",
        "report.md",
        "drawn-transfer.svg",
        "drawn-transfer.png",
        "drawn-storage.png",
        "drawn-time.png",
    ] {
        let length = bench.path("results/r").join(file).metadata().unwrap().len();
        assert!(length > 200, "{file}");
    }
    for said in ["results/r/report.html", "results/r/report.md"] {
        assert!(out.contains(said), "{said}\n{out}");
    }
    let charts = fs::read_dir(bench.path("results/r")).unwrap();
    let charts = charts.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.as_encoded_bytes().ends_with(b".svg")
    });
    let told = format!("and {} charts beside them, as SVG and PNG", charts.count());
    assert!(out.contains(&told), "{told}\n{out}");
    let objects =
        fs::read_to_string(bench.path("results/r/objects/drawn.raw.update-new-from-old.1.csv"))
            .unwrap();
    assert_eq!(objects.lines().count(), 2, "{objects}");
    // No folder named: the newest results are meant.
    assert!(
        String::from_utf8_lossy(&bench.run(&["report"]).stdout).contains("drawn: update to new")
    );
}

#[test]
fn a_difference_of_one_byte_is_found_and_time_is_not_looked_at() {
    let bench = Bench::new();
    bench.pair("gate", &["raw", "fastcdc/16k"]);
    for run in ["a", "b"] {
        bench.expect(&["run", "gate", "--into", &format!("results/{run}")], 0);
    }
    bench.expect(&["diff", "results/a", "results/b"], 0);
    let rows = bench.path("results/b/rows.csv");
    let row = bench
        .rows("results/b")
        .into_iter()
        .find(|row| row.payload_bytes.is_some())
        .unwrap();
    let payload = row.payload_bytes.unwrap();
    let text = fs::read_to_string(&rows).unwrap();
    fs::write(
        &rows,
        text.replacen(&format!(",{payload},"), &format!(",{},", payload + 1), 1),
    )
    .unwrap();
    let output = bench.run(&["diff", "results/a/rows.csv", "results/b"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!output.stdout.is_empty());
    assert_eq!(
        bench
            .run(&["diff", "results/a", "results/none"])
            .status
            .code(),
        Some(2)
    );
}

#[test]
fn completions_know_the_commands() {
    let output = Bench::new().run(&["completions", "bash"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("delta-lab"));
}
