//! `doctor` says which methods can run here, in which version, and why the others cannot.

use crate::bench::{Bench, text};

fn doctor(bench: &Bench, path: &str) -> String {
    let output = bench.command(&["doctor"]).env("PATH", path).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// What is listed under a title.
fn section<'a>(said: &'a str, title: &str) -> &'a str {
    let rest = said.split(&format!("\n{title}\n")).nth(1);
    let rest = rest.unwrap_or_else(|| panic!("no `{title}` in: {said}"));
    rest.split("\n\n").next().unwrap()
}

#[test]
fn a_declared_method_is_here_with_its_tools_version_or_missing_with_its_reason() {
    let bench = Bench::new();
    let method = |tool: &str| {
        format!(
            "about = \"a test\"\ninstall = {{ pip = [\"the-{tool}\"] }}\nversion = [\"{tool}\", \"-V\"]\n\
             params = {{ size = [\"1\", \"2\"] }}\n\
             [publish]\nrun = [[\"{tool}\", \"{{size}}\"]]\n[update]\nrun = [[\"{tool}\"]]\n"
        )
    };
    bench.write("scenarios/methods/here.toml", method("here-tool"));
    bench.write("scenarios/methods/gone.toml", method("gone-tool"));
    bench.write_program("bin/here-tool", "#!/bin/sh\necho here-tool 4.2, by us\n");
    let said = doctor(&bench, &format!("{}:/bin", bench.path("bin").display()));
    let declared = section(&said, "declared methods: shipped, and of scenarios/methods");
    let words: Vec<&str> = declared.split_whitespace().collect();
    assert!(
        words.join(" ").starts_with(
            "no gone/{1,2} gone-tool is not installed: pip install the-gone-tool yes here/{1,2} here-tool 4.2"
        ),
        "{declared}"
    );
    // Other programs are looked for too: nothing of them is on this PATH except what /bin has.
    let programs = section(&said, "other programs");
    let count = |mark: &str| {
        let lines = programs.lines();
        lines.filter(|line| line.starts_with(mark)).count()
    };
    let (here, missing) = (count("  yes "), count("  no "));
    let counted = format!("{here} of {} other programs are here", here + missing);
    assert!(said.contains(&counted), "{counted} is not in: {said}");
}

#[test]
fn a_built_in_method_is_listed_with_the_parameter_it_takes() {
    let said = doctor(&Bench::new(), "/bin");
    let built_in = section(&said, "methods that are built in");
    let words: Vec<&str> = built_in.split_whitespace().collect();
    let words = words.join(" ");
    for shown in [
        "yes raw the whole image",
        "yes fastcdc/SIZE chunks cut by content in a store that all releases share; an average chunk is 256 to 4m, a multiple of 8 bytes yes fastcdc-pack/SIZE",
        "an average chunk is 4k to 4m, a power of four yes bita/SIZE",
        "yes zstd/LEVEL",
        "a level is 1 to 22",
    ] {
        assert!(words.contains(shown), "`{shown}` is not in: {built_in}");
    }
    let long = said.lines().skip(4).find(|line| line.chars().count() > 80);
    assert_eq!(long, None, "lines fit a terminal of 80 columns");
}
