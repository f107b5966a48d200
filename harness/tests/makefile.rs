//! Claims about the Makefile.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The words that the Makefile gives a variable.
fn words(variable: &str) -> Vec<String> {
    let text = fs::read_to_string(Path::new(ROOT).join("Makefile")).unwrap();
    let text = text.replace("\\\n", " ");
    let start = format!("{variable} := ");
    let value = text.lines().find_map(|line| line.strip_prefix(&start));
    let words = value.unwrap().split_whitespace();
    words.map(str::to_string).collect()
}

/// The methods of a scenario that is in the checkout.
fn methods(scenario: &str) -> BTreeSet<String> {
    let path = Path::new(ROOT).join(format!("scenarios/{scenario}.toml"));
    let scenario: toml::Table = fs::read_to_string(path).unwrap().parse().unwrap();
    let methods = scenario["methods"].as_array().unwrap().iter();
    methods
        .map(|method| method.as_str().unwrap().to_string())
        .collect()
}

#[test]
fn make_real_runs_or_names_every_method_of_the_real_scenarios() {
    let named = [words("QUICK"), words("SLOW")].concat();
    let unique: BTreeSet<String> = named.iter().cloned().collect();
    assert_eq!(unique.len(), named.len(), "none is in both: {named:?}");
    for scenario in [
        "rebuild",
        "security-update",
        "debian-11-to-12",
        "ubuntu-18-to-20",
    ] {
        assert_eq!(methods(scenario), unique, "{scenario}");
    }
}

#[test]
fn the_first_table_of_make_bench_is_of_methods_of_quickstart() {
    let first: BTreeSet<String> = words("FIRST").into_iter().collect();
    let all = methods("quickstart");
    assert!(first.is_subset(&all), "{first:?}");
}

#[test]
fn the_makefile_finds_the_program_where_cargo_puts_it() {
    let program = |target: Option<&str>| {
        let mut make = Command::new("make");
        make.args(["--silent", "lab"]).current_dir(ROOT);
        // Of the run that this test is in, whose paths may be relative to somewhere else.
        make.env_remove("CARGO_TARGET_DIR").env_remove("MAKEFLAGS");
        make.envs(target.map(|target| ("CARGO_TARGET_DIR", target)));
        let output = make.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let elsewhere = program(Some("/else/where"));
    assert_eq!(elsewhere, "/else/where/release/delta-lab\n");
    assert!(program(None).ends_with("release/delta-lab\n"));
}
