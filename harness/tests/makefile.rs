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

#[test]
fn make_real_runs_or_names_every_method_of_the_real_scenarios() {
    let named = [words("QUICK"), words("SLOW")].concat();
    let unique: BTreeSet<&str> = named.iter().map(String::as_str).collect();
    assert_eq!(unique.len(), named.len(), "none is in both: {named:?}");
    for scenario in [
        "rebuild",
        "security-update",
        "debian-11-to-12",
        "ubuntu-18-to-20",
    ] {
        let path = Path::new(ROOT).join(format!("scenarios/{scenario}.toml"));
        let text = fs::read_to_string(path).unwrap();
        let scenario: toml::Table = text.parse().unwrap();
        let methods = scenario["methods"].as_array().unwrap().iter();
        let methods: BTreeSet<&str> = methods.map(|method| method.as_str().unwrap()).collect();
        assert_eq!(methods, unique);
    }
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
