//! report.html in a real browser: no error, tables sort, filters filter, the fragment brings a page back, at a desktop's
//! and a phone's width.

use std::fs;
use std::process::Command;

use crate::bench::{Bench, checkout, has, text};

const DRIVER: &str = include_str!("report_page.js");

/// Written into a run's files in place of a method's name: markup, and what a spreadsheet takes for a formula.
const HOSTILE: &str = "=1+1</script><img src=x onerror=alert(1)>";

/// Two scenarios of eight methods, one of which has a hostile name afterwards, reported.
fn reported() -> Bench {
    let bench = Bench::new();
    let methods = [
        "raw",
        "gzip/6",
        "zstd/3",
        "zstd/19",
        "fixed/64k",
        "fastcdc/16k",
        "fastcdc/64k",
        "fastcdc/256k",
    ];
    bench.pair("one", &methods);
    bench.pair("two", &methods);
    bench.expect(&["run", "one", "two", "--into", "results/r"], 0);
    for file in ["results/r/rows.csv", "results/r/plan.toml"] {
        let honest = fs::read_to_string(bench.path(file)).unwrap();
        assert!(honest.contains("gzip/6"), "{file}");
        bench.write(file, honest.replace("gzip/6", HOSTILE));
    }
    bench.expect(&["report", "results/r"], 0);
    bench
}

#[test]
fn the_page_does_what_it_promises_in_a_real_browser() {
    if !has("chromium") {
        return;
    }
    let bench = reported();
    let quoted = format!("{HOSTILE:?}").replace("</", "<\\/");
    let driver = format!(
        "<!doctype html><meta charset=\"utf-8\"><body><script>const HOSTILE = {quoted};\n{DRIVER}</script>"
    );
    bench.write("results/r/driver.html", driver);
    let output = Command::new("timeout")
        .args(["300", "chromium", "--headless", "--disable-gpu"])
        // Debian's sandbox needs what a container may lack, and refuses root. The page is our own.
        .args(["--no-sandbox", "--disable-dev-shm-usage", "--no-first-run"])
        // Frames of file: pages may be looked into; nothing else is opened up.
        .arg("--allow-file-access-from-files")
        .args(["--enable-logging=stderr", "--window-size=1400,900"])
        .arg("--virtual-time-budget=60000")
        .arg(format!(
            "--user-data-dir={}",
            bench.path("profile").display()
        ))
        .arg("--dump-dom")
        .arg(format!(
            "file://{}",
            bench.path("results/r/driver.html").display()
        ))
        .env("HOME", bench.path(""))
        .output()
        .unwrap();
    let (dom, log) = (text(&output.stdout), text(&output.stderr));
    let said = dom.split("<pre id=\"said\">").nth(1);
    let said = said.and_then(|rest| rest.split("</pre>").next());
    let said = said.unwrap_or_else(|| panic!("the driver did not end\n{dom}\n{log}"));
    assert!(!said.contains("FAILS"), "{said}");
    assert!(said.ends_with("end") && said.lines().count() > 50, "{said}");
    // Frames without scripts say so for each script they hold; that is what they are for.
    let errors: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("CONSOLE") && !line.contains("is sandboxed"))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn the_readme_shows_what_the_kept_results_say() {
    let output = Bench::new()
        .command(&[
            "report",
            "results/debian-12",
            "--splice",
            "README.md",
            "--check",
        ])
        .current_dir(checkout())
        .output()
        .unwrap();
    let said = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
}

#[test]
fn the_kept_report_and_its_charts_are_what_the_kept_rows_say() {
    let kept = checkout().join("results/debian-12");
    let bench = Bench::new();
    for file in ["rows.csv", "findings.csv", "plan.toml", "host.toml"] {
        let into = format!("results/debian-12/{file}");
        bench.write(&into, fs::read(kept.join(file)).unwrap());
    }
    bench.expect(&["report", "results/debian-12"], 0);
    let names = |dir: &std::path::Path| {
        let files = fs::read_dir(dir).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
        names.sort();
        names
    };
    let drawn = bench.path("results/debian-12");
    assert_eq!(names(&drawn), names(&kept));
    for name in names(&kept) {
        let same = fs::read(drawn.join(&name)).unwrap() == fs::read(kept.join(&name)).unwrap();
        assert!(
            same,
            "results/debian-12/{name} is not what its rows say: run delta-lab report results/debian-12"
        );
    }
}
