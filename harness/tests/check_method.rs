//! `check-method` lets a sound method pass and names what an unsound one breaks.

use crate::bench::{Bench, has, text};

/// Copies in and out, with commands of the test's own around the copy.
fn declare(bench: &Bench, name: &str, publish: &str, update: &str) -> String {
    let path = format!("scenarios/methods/{name}.toml");
    bench.write(
        &path,
        format!(
            "about = \"a test\"\nversion = [\"curl\", \"--version\"]\n\
             [publish]\nrun = [[\"cp\", \"{{image}}\", \"{{store}}/{{name}}\"]{publish}]\n\
             [update]\nrun = [[\"curl\", \"-fsS\", \"-o\", \"{{out}}\", \"{{url}}/{{name}}\"]{update}]\n"
        ),
    );
    path
}

fn check(bench: &Bench, path: &str, code: i32) -> String {
    let output = bench.run(&["check-method", path]);
    let said = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}

#[test]
fn a_sound_method_keeps_every_claim() {
    if !has("curl") {
        return;
    }
    let bench = Bench::new();
    let said = check(&bench, &declare(&bench, "copy", "", ""), 0);
    for words in [
        "ok   copy: rebuilds a changed image from the one before (305000 bytes fetched of 305000)",
        "ok   copy: rebuilds an empty file from nothing (226 bytes fetched of 0)",
        "29 claims hold, 0 do not",
    ] {
        assert!(said.contains(words), "`{words}` is not in: {said}");
    }
}

#[test]
fn a_room_with_a_hole_lets_cheats_through_and_they_are_named() {
    if !has("curl") {
        return;
    }
    let bench = Bench::new();
    let path = declare(&bench, "copy", "", "");
    let method = std::fs::read_to_string(bench.path(&path)).unwrap();
    // The lab's own scratch folders are there too.
    let tmp = std::env::temp_dir();
    let hole = format!(
        "room = {{ write = ['{}'], why = 'a test' }}\n",
        tmp.display()
    );
    bench.write(&path, hole + &method);
    let output = bench.run(&["check-method", &path]);
    let said = text(&output.stdout);
    let through = "the room: no client gets the image for free by a copy that the publish left in a folder for everybody: ";
    let told = |word: &str| said.contains(&format!("{word} {through}"));
    // A machine without rooms has no walls to make a hole in.
    assert!(
        told("not ") && output.status.code() == Some(1) || told("open"),
        "{said}"
    );
}

#[test]
fn what_a_method_breaks_is_named() {
    if !has("curl") {
        return;
    }
    let bench = Bench::new();
    for (name, publish, update, words) in [
        (
            "grabber",
            "",
            r#", ["sh", "-c", "for d in ../../*/store; do touch $d/mine; done"]"#,
            "from the one before: publish of old: published, but a client with nothing can't rebuild it: ",
        ),
        (
            "appender",
            "",
            r#", ["sh", "-c", "echo >> $0", "{out}"]"#,
            "not  appender: rebuilds an unchanged image from nothing: publish of old",
        ),
    ] {
        let said = check(&bench, &declare(&bench, name, publish, update), 1);
        assert!(said.contains(words), "`{words}` is not in: {said}");
    }
    // What a step puts beside its image is in its room, and gone with it; without walls it is found.
    let litter = declare(&bench, "litter", r#", ["touch", "{image}.lock"]"#, "");
    let said = text(&bench.run(&["check-method", &litter]).stdout);
    assert!(
        !said.contains("new.lock") || said.contains("not  litter: leaves nothing"),
        "{said}"
    );
}

#[test]
fn a_missing_program_is_a_broken_claim_and_a_bad_file_is_bad_input() {
    let bench = Bench::new();
    bench.write(
        "absent.toml",
        "about = \"\"\nversion = [\"no-such-tool\"]\n[publish]\nrun = [[\"no-such-tool\"]]\n[update]\nrun = [[\"no-such-tool\"]]\n",
    );
    let said = check(&bench, "absent.toml", 1);
    assert!(
        said.contains("its programs are here: no-such-tool is not installed"),
        "{said}"
    );
    bench.write("bad.toml", "about = 3\n");
    assert!(check(&bench, "bad.toml", 2).contains("bad.toml"));
    assert!(check(&bench, "gone.toml", 2).contains("gone.toml"));
}

#[test]
fn a_printed_result_goes_where_it_is_told_and_nowhere_else() {
    if !has("curl") {
        return;
    }
    let bench = Bench::new();
    let method = |stdout: &str| {
        format!(
            "about = \"\"\nversion = [\"curl\", \"--version\"]\n\
             [publish]\nrun = [{{ run = [\"cat\", \"{{image}}\"], stdout = \"{{store}}/{{name}}\" }}]\n\
             [update]\nrun = [\n{{ run = [\"curl\", \"-fsS\", \"{{url}}/{{name}}\"], stdout = {stdout} }}]\n"
        )
    };
    bench.write("printed.toml", method("\"{out}\""));
    check(&bench, "printed.toml", 0);
    for (stdout, words) in [
        ("\"{store}/x\"", "printed.toml:7: [update]: \"{store}/x\""),
        ("\"{out}\", stderr = \"x\"", "stderr"),
        ("3", "printed.toml"),
    ] {
        bench.write("printed.toml", method(stdout));
        let said = check(&bench, "printed.toml", 2);
        assert!(said.contains(words), "`{words}` is not in: {said}");
    }
}
