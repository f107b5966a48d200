//! The files of declared methods: what a wrong one is told, and what becomes of odd tools.

use delta_lab::record::Check;

use crate::bench::{Bench, is, text};

/// What `check-method` says of the file m.toml, which it refuses.
fn refused(file: &str) -> String {
    let bench = Bench::new();
    bench.write("m.toml", file);
    let output = bench.run(&["check-method", "m.toml"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    said
}

/// A file whose lines 5 and 7 are the commands of the two verbs; `top` is its second line.
fn file(top: &str, publish: &str, update: &str) -> String {
    format!(
        "about = \"\"\n{top}\nversion = [\"cp\"]\n[publish]\nrun = [{publish}]\n[update]\nrun = [{update}]\n"
    )
}

fn says(file: &str, words: &str) {
    let said = refused(file);
    assert!(said.contains(words), "`{words}` is not in: {said}");
}

#[test]
fn a_placeholder_of_an_earlier_release_names_its_successor() {
    for (publish, update, words) in [
        (
            r#"["cp", "{tree}"]"#,
            r#"["cp", "{out}"]"#,
            "m.toml:5: [publish]: \"{tree}\": {tree} is now {image}",
        ),
        (
            r#"["cp", "{each-base-tree:-C}"]"#,
            r#"["cp", "{out}"]"#,
            "m.toml:5: [publish]: \"{each-base-tree:-C}\": {each-base-tree:-C} is now {each-base:\u{2026}}",
        ),
        (
            r#"["cp", "{image}"]"#,
            r#"["cp", "x{base-tree}"]"#,
            "m.toml:7: [update]: \"x{base-tree}\": {base-tree} is now {base}",
        ),
    ] {
        for moves in ["", "moves = \"tree\""] {
            says(&file(moves, publish, update), words);
        }
    }
}

#[test]
fn a_tree_has_no_length() {
    let publish = r#"["cp", "{image-bytes}"]"#;
    let update = r#"["cp", "{out}"]"#;
    says(
        &file("moves = \"tree\"", publish, update),
        "m.toml:5: [publish]: \"{image-bytes}\": {image-bytes} is the length of an archive, and this method moves trees",
    );
    let from_base = "[publish-from-base]\nrun = [[\"cp\", \"-B{base-bytes}\"]]\n";
    let file = file("moves = \"tree\"", r#"["cp", "{image}"]"#, update);
    says(
        &format!("{file}{from_base}"),
        "m.toml:9: [publish-from-base]: \"-B{base-bytes}\": {base-bytes} is the length of an archive",
    );
    says(
        &file.replace("\"tree\"", "\"trees\""),
        "unknown variant `trees`",
    );
}

#[test]
fn a_command_on_the_server_is_not_told_a_path_of_the_client() {
    let publish = r#"["cp", "{image}", "{store}/{name}"]"#;
    for (update, told) in [
        (
            r#"["{ssh}", "host", "cp", "{name}", "{out}"]"#,
            "\"{out}\": ",
        ),
        (
            r#"["{ssh}", "host", "cp", "{name}", "x={tmp}/y"]"#,
            "\"x={tmp}/y\": ",
        ),
        (
            r#"["env", "A=b", "{ssh}", "host", "cp", "{name}", "{out}"]"#,
            "\"{out}\": ",
        ),
        (
            r#"["sh", "-c", "{ssh} host cp {name} {out}"]"#,
            "\"{ssh} host cp {name} {out}\": ",
        ),
        (
            r#"["sh", "-c", "$0 host cp $1 $2", "{ssh}", "{name}", "{out}"]"#,
            "\"{out}\": ",
        ),
    ] {
        let words =
            format!("m.toml:7: [update]: {told}a command on the server must not be told {{");
        says(&file("", publish, update), &words);
    }
    // Through a parameter as well.
    let params = "params = { to = { mine = \"{out}\" } }";
    says(
        &file(
            params,
            publish,
            r#"["{ssh}", "host", "cp", "{name}", "{to}"]"#,
        ),
        "m.toml: [update]: params mine: \"{out}\": a command on the server must not be told {out}",
    );
    // And through what commands share; a step may hold it only where each of its placeholders has a place.
    let shared = "shared = { to = \"{out}\", from = \"{store}/{name}\", both = [\"a\", \"b\"] }";
    for (words, why) in [
        (
            r#"["{ssh}", "host", "cp", "{name}", "{to}"]"#,
            "m.toml: [update]: \"{out}\": a command on the server must not be told {out}",
        ),
        (
            r#"["cp", "{from}", "{out}"]"#,
            "m.toml: [update]: {store} has no place in [update]",
        ),
        (
            r#"["cp", "-{both}", "{out}"]"#,
            "m.toml: [update]: {both} stands for several words, so it must be a word of its own",
        ),
    ] {
        says(&file(shared, publish, words), why);
    }
}

#[test]
fn a_tool_may_be_given_ssh_and_paths_of_its_own() {
    let bench = Bench::new();
    bench.pair("pair", &["m"]);
    let publish = r#"["cp", "{image}", "{store}/{name}"]"#;
    for update in [
        r#"["rsync", "-e", "{ssh}", "host:{name}", "{out}"]"#,
        r#"["rsync", "-e", "'{ssh}'", "host:{name}", "{out}"]"#,
        r#"["env", "CASYNC_SSH_PATH={ssh}", "casync", "extract", "host:{name}", "{out}"]"#,
        r#"["env", "BORG_BASE_DIR={tmp}", "BORG_RSH='{ssh}'", "borg", "extract"]"#,
        r#"{ run = ["{ssh}", "host", "cat", "{name}"], stdout = "{out}" }"#,
    ] {
        bench.write("scenarios/methods/m.toml", file("", publish, update));
        bench.expect(&["list", "pair"], 0);
    }
}

#[test]
fn a_room_needs_absolute_paths_and_a_reason() {
    let with = |room: &str| file(room, r#"["cp", "{image}"]"#, r#"["cp", "{out}"]"#);
    for (room, words) in [
        (
            r#"room = { read = ["etc/borg"], why = "keys" }"#,
            "m.toml:2: room: \"etc/borg\" is not an absolute path",
        ),
        (
            r#"room = { write = ["/var/../root"], why = "keys" }"#,
            "m.toml:2: room: \"/var/../root\" is not an absolute path",
        ),
        (
            r#"room = { read = ["/"], why = "all" }"#,
            "m.toml:2: room: \"/\" is not an absolute path",
        ),
        (
            r#"room = { read = ["/opt"] }"#,
            "m.toml:2: room: why is missing",
        ),
        (
            r#"room = { read = ["/opt"], why = " " }"#,
            "m.toml:2: room: why is missing",
        ),
        (r#"room = { why = "x" }"#, "m.toml:2: room names no path"),
        (
            r#"room = { reed = ["/opt"], why = "x" }"#,
            "unknown field `reed`",
        ),
    ] {
        says(&with(room), words);
    }
    let bench = Bench::new();
    bench.write(
        "m.toml",
        with(r#"room = { read = ["/opt/x"], write = ["/var/y"], why = "its models" }"#),
    );
    let methods = delta_lab::method::declared::read(&bench.path("m.toml")).unwrap();
    use delta_lab::method::Doer;
    let room = methods[0].about().room.clone().unwrap();
    assert_eq!(room.read, [std::path::Path::new("/opt/x")]);
    assert_eq!(room.write, [std::path::Path::new("/var/y")]);
    assert_eq!(room.why, "its models");
}

#[test]
fn what_is_no_value_of_a_parameter_is_named_with_its_line() {
    for (params, words) in [
        (
            "params = { size = [1] }",
            ["line 2", "invalid type: integer `1`, expected a string"],
        ),
        (
            "params = { size = \"1\" }",
            ["line 2", "expected a list of values in quotes, or a table"],
        ),
        (
            "params = { size = { a = 1 } }",
            ["line 2", "expected a value in quotes, or a list of them"],
        ),
        (
            "params = { size = { a = { b = \"c\" } } }",
            ["line 2", "expected a value in quotes, or a list of them"],
        ),
        (
            "params = { size = [\"1k\", \"1k\"] }",
            ["m.toml", "params: size: two values are named `1k`"],
        ),
        (
            "params = { tree = [\"1k\"] }",
            ["m.toml", "parameter `tree` has the name of a placeholder"],
        ),
        (
            "shared = { tool = 1 }",
            ["line 2", "expected a value in quotes, or a list of them"],
        ),
        (
            "shared = { image = \"x\" }",
            ["m.toml", "[shared]: `image` has the name of a placeholder"],
        ),
        (
            "shared = { size = \"x\" }\nparams = { size = [\"1\"] }",
            ["m.toml", "[shared]: `size` has the name of a parameter"],
        ),
        (
            "parms = { size = [\"1\"] }",
            ["line 2", "unknown field `parms`"],
        ),
    ] {
        for words in words {
            says(
                &file(params, r#"["cp", "{image}"]"#, r#"["cp", "{out}"]"#),
                words,
            );
        }
    }
    says(
        &file(
            "",
            r#"{ run = ["cp"], stdout = "x", stdin = "y" }"#,
            r#"["cp"]"#,
        ),
        "unknown field `stdin`",
    );
}

/// A method that copies, whose version command is this shell script.
fn versioned(bench: &Bench, script: &str) {
    let text = format!(
        "about = \"a test\"\nversion = [\"sh\", \"-c\", {script:?}]\n\
         [publish]\nrun = [[\"cp\", \"{{image}}\", \"{{store}}/{{name}}\"]]\n\
         [update]\nrun = [[\"curl\", \"-fsS\", \"-o\", \"{{out}}\", \"{{url}}/{{name}}\"]]\n"
    );
    bench.write("scenarios/methods/m.toml", text);
}

#[test]
fn a_version_command_that_is_killed_is_a_failure_and_no_skip() {
    let bench = Bench::new();
    bench.pair("pair", &["m"]);
    for (script, check, code, words) in [
        (
            "kill -SEGV $$",
            Check::Failed,
            1,
            "sh was killed by signal 11 (SIGSEGV)",
        ),
        (
            "echo no such module >&2; exit 1",
            Check::Skipped,
            0,
            "sh exited with 1: no such module",
        ),
    ] {
        versioned(&bench, script);
        let into = format!("results/{code}");
        bench.expect(&["run", "pair", "--into", &into], code);
        let rows = bench.rows(&into);
        assert_eq!(rows.len(), 4);
        for row in rows {
            is(&row, check);
            assert!(row.error.contains(words), "{}", row.error);
        }
    }
}

#[test]
fn a_version_is_short_and_has_no_control_characters() {
    if !crate::bench::has("curl") {
        return;
    }
    let bench = Bench::new();
    bench.pair("pair", &["m"]);
    versioned(
        &bench,
        r"printf 'tool \033[31m9\a\b '; head -c 3000000 /dev/zero | tr '\0' x",
    );
    bench.expect(&["run", "pair", "--into", "results/r"], 0);
    for row in bench.rows("results/r") {
        assert!(row.version.starts_with("tool [31m9 xxx"), "{}", row.version);
        assert!(row.version.contains("x\u{2026}; flags "), "{}", row.version);
        assert!(row.version.chars().count() <= 200);
    }
}
