//! `doctor` says which tools are here, in which version, and why the others are not.

use crate::bench::{Bench, text};

fn doctor(bench: &Bench, path: &str) -> String {
    let output = bench.command(&["doctor"]).env("PATH", path).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn a_tool_is_here_with_its_version_or_missing_with_its_reason() {
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
    bench.write("bin/here-tool", "#!/bin/sh\necho here-tool 4.2, by us\n");
    use std::os::unix::fs::PermissionsExt;
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(bench.path("bin/here-tool"), executable).unwrap();
    let said = doctor(&bench, &format!("{}:/bin", bench.path("bin").display()));
    let tools = said.split("\ntools\n").nth(1).unwrap();
    let line = |name: &str| {
        let found = tools.lines().find(|line| line.contains(name));
        found.unwrap_or_else(|| panic!("{name} is not in: {tools}"))
    };
    assert!(line("here-tool").starts_with("  yes"), "{said}");
    assert!(line("here-tool").ends_with("here-tool 4.2 (here/1, here/2)"));
    assert!(line("gone-tool").starts_with("  no"), "{said}");
    assert!(line("gone-tool").ends_with("gone-tool is not installed: pip install the-gone-tool"));
    // What stands beside the methods' own tools is looked for too: nothing of it is on this PATH but what /bin has.
    let counted = said.lines().find(|line| line.contains("tools are here"));
    let present = tools
        .lines()
        .filter(|line| line.starts_with("  yes"))
        .count();
    let sources = said.split("\nsources of images\n").nth(1).unwrap();
    let sources = sources
        .lines()
        .filter(|line| line.starts_with("  yes"))
        .count();
    assert!(
        counted
            .unwrap()
            .starts_with(&format!("{} of ", present - sources)),
        "{said}"
    );
}
