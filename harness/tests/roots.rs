//! Programs of another Debian release: extracted once or not at all, run behind the walls of a room, skipped by name.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use delta_lab::record::{Check, Row};

use crate::bench::{Bench, checkout, has, is, text};

/// Kept from test to test, since what is in it takes a network.
pub fn kept_cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("roots-cache")
}

/// desync's method with a shell among its programs, so that one extraction serves all tests.
fn desync() -> String {
    let file = fs::read_to_string(checkout().join("scenarios/methods/desync.toml")).unwrap();
    let root =
        r#"root    = { debian = "sid", include = ["desync", "coreutils"], if-missing = true }"#;
    assert!(file.contains(root), "{file}");
    file.replace(root, ROOT)
}

const ROOT: &str = r#"root = { debian = "sid", include = ["desync", "coreutils", "bash"] }"#;

/// Whether root's programs can be had here; says plainly when a test is skipped for them.
pub fn has_walls() -> bool {
    let held = delta_lab::clock::held_by(Path::new(crate::bench::LAB));
    let fine = nix::unistd::geteuid().is_root() && held.walls;
    if !fine {
        eprintln!("skipped: another release's programs take root and walls, and here is {held}");
    }
    fine
}

/// Runs the scenario with the kept cache; nothing where Debian's archive can't be reached.
fn rows(bench: &Bench, scenario: &str) -> Option<Vec<Row>> {
    let mut command = bench.command(&["run", scenario, "--into", "results/r"]);
    let output = command
        .env("DELTA_LAB_CACHE", kept_cache())
        .output()
        .unwrap();
    let rows = bench.rows("results/r");
    if let Some(row) = rows.iter().find(|row| row.check == Check::Skipped) {
        assert!(row.error.contains("of Debian sid"), "{}", row.error);
        eprintln!("skipped: {}", row.error);
        return None;
    }
    assert!(!rows.is_empty(), "{}", text(&output.stderr));
    Some(rows)
}

#[test]
fn a_tool_of_another_release_moves_images_and_is_held_to_its_format() {
    if !has("mmdebstrap") || !has_walls() {
        return;
    }
    let bench = Bench::new();
    bench.pair("pair", &["desync"]);
    bench.write("scenarios/methods/desync.toml", desync());
    let Some(rows) = rows(&bench, "pair") else {
        return;
    };
    for row in &rows {
        is(row, Check::Exact);
        assert_eq!(&*row.room, "locked");
        let version = &row.version;
        assert!(
            version.starts_with("desync 1.") && version.contains(", Debian sid, packages "),
            "{version}"
        );
    }
    let update = |base: &str| {
        let mut updates = rows.iter().filter(|row| row.requests.is_some());
        let row = updates.find(|row| row.bases.to_string() == base).unwrap();
        row.payload_bytes.unwrap()
    };
    assert!(update("old") < update("") / 2);
}

/// What a step tries among the other release's programs, before it fetches the image as it should: each must fail.
const TRIES: &str = r#"
fail() { echo "$1" >&2; exit 1; }
[ ! -e "$SECRET" ] || fail "the machine's files are there"
cat "$SECRET" 2>/dev/null && fail "the machine's files can be read"
[ ! -e /.machine ] || fail "the machine's root is there"
ls / >/dev/null 2>&1 && fail "the root can be listed"
(echo x >/usr/bin/mine) 2>/dev/null && fail "the release can be written to"
(echo x >/etc/mine) 2>/dev/null && fail "its configuration can be written to"
(exec 3<>/dev/tcp/127.0.0.1/$PORT) 2>/dev/null && fail "another port answers"
[ ! -e /proc/$LAB/environ ] || fail "the lab's process is there"
mknod "$TMPDIR/disk" b 8 0 2>/dev/null && fail "a device can be made"
address=${1#http://}
exec 3<>/dev/tcp/${address%%:*}/${address##*:}
printf 'GET /%s HTTP/1.0\r\n\r\n' "$2" >&3
while IFS= read -r line <&3 && [ "$line" != $'\r' ]; do :; done
cat <&3 >"$3"
"#;

#[test]
fn the_walls_of_a_room_stand_around_another_releases_programs() {
    if !has("mmdebstrap") || !has_walls() {
        return;
    }
    let bench = Bench::new();
    bench.pair("pair", &["walled"]);
    let accomplice = TcpListener::bind("127.0.0.1:0").unwrap();
    let tries = TRIES
        .replace("$SECRET", bench.path("scenarios/new.bin").to_str().unwrap())
        .replace(
            "$PORT",
            &accomplice.local_addr().unwrap().port().to_string(),
        )
        .replace("$LAB", &std::process::id().to_string());
    let method = |update: &str| {
        format!(
            "about = \"a test\"\nversion = [\"bash\", \"--version\"]\n{ROOT}\n\
             room = {{ powers = [\"mknod\"], why = \"a test\" }}\n\
             [publish]\nrun = [[\"cp\", \"{{image}}\", \"{{store}}/{{name}}\"]]\n\
             [update]\nrun = [[\"bash\", \"-c\", '''{}''', \"sh\", \"{{url}}\", \"{{name}}\", \"{{out}}\"]]\n",
            update.replace('{', "{{").replace('}', "}}")
        )
    };
    bench.write("scenarios/methods/walled.toml", method(&tries));
    let Some(rows) = rows(&bench, "pair") else {
        return;
    };
    for row in &rows {
        is(row, Check::Exact);
        assert!(row.version.contains("Debian sid"), "{}", row.version);
        assert_eq!(&*row.room, "locked; keeps mknod: a test");
    }
    // The same tries succeed where there is no room, so it is the room that refuses them.
    let secret = bench.path("scenarios/new.bin");
    assert!(secret.exists() && fs::read_dir("/").is_ok());
}

/// A program called mmdebstrap, in a folder that comes first in PATH.
fn stand_in(bench: &Bench, script: &str) -> String {
    bench.write("bin/mmdebstrap", format!("#!/bin/sh\n{script}\n"));
    let program = bench.path("bin/mmdebstrap");
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    format!("{}:{path}", bench.path("bin").display())
}

fn foreign(bench: &Bench) {
    bench.pair("pair", &["foreign"]);
    bench.write(
        "scenarios/methods/foreign.toml",
        "about = \"a test\"\nversion = [\"tool\"]\nroot = { debian = \"sid\", include = [\"tool\"] }\n\
         [publish]\nrun = [[\"tool\"]]\n[update]\nrun = [[\"tool\"]]\n",
    );
}

#[test]
fn what_another_release_needs_and_is_not_here_is_a_skip_by_name() {
    let bench = Bench::new();
    foreign(&bench);
    let path = stand_in(&bench, "echo 'E: no mirror answers' >&2; exit 100");
    let lists = |path: &str| {
        let output = bench.command(&["list", "pair"]).env("PATH", path).output();
        text(&output.unwrap().stdout)
    };
    if !has_walls() {
        assert!(lists(&path).contains("skipped: needs tool of Debian sid"));
        return;
    }
    assert!(lists(&path).contains("tool of Debian sid, extracted when it is first run"));
    // What the lab itself needs to try a room.
    fs::create_dir(bench.path("bare")).unwrap();
    std::os::unix::fs::symlink(which::which("true").unwrap(), bench.path("bare/true")).unwrap();
    let said = lists(bench.path("bare").to_str().unwrap());
    assert!(
        said.contains("skipped: needs mmdebstrap: apt-get install mmdebstrap"),
        "{said}"
    );
    let mut command = bench.command(&["run", "pair", "--into", "results/r"]);
    let output = command.env("PATH", path).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    for row in bench.rows("results/r") {
        assert_eq!(row.check, Check::Skipped);
        for words in [
            "needs tool of Debian sid, and a mirror",
            "E: no mirror answers",
        ] {
            assert!(row.error.contains(words), "{}", row.error);
        }
    }
    assert_eq!(fs::read_dir(bench.path("cache/making")).unwrap().count(), 0);
}

/// Writes half of a release, and then waits for ever; the second time it ends.
const SLOW: &str = r#"
for tree; do :; done
mkdir -p "$tree/usr/bin" "$tree/var/cache/apt/archives"
: >"$tree/var/cache/apt/archives/tool_1.2-3_all.deb"
[ ! -e "$0.slow" ] || exec sleep 1000
echo whole >"$tree/usr/bin/other"
"#;

#[test]
fn an_extraction_that_was_killed_leaves_nothing_half_and_is_made_again() {
    if !has_walls() {
        return;
    }
    let bench = Bench::new();
    foreign(&bench);
    let path = stand_in(&bench, SLOW);
    bench.write("bin/mmdebstrap.slow", "");
    let start = || {
        let mut command: Command = bench.command(&["run", "pair", "--into", "results/r"]);
        command.env("PATH", &path).stderr(Stdio::null());
        command.spawn().unwrap()
    };
    let making = bench.path("cache/making");
    let half = || {
        let entries = fs::read_dir(&making).into_iter().flatten().flatten();
        let mut trees = entries.map(|entry| entry.path().join("root/tree/usr/bin"));
        trees.any(|tree| tree.is_dir())
    };
    let mut first = start();
    let give_up = Instant::now() + Duration::from_secs(60);
    while !half() {
        assert!(Instant::now() < give_up, "nothing was begun");
        std::thread::sleep(Duration::from_millis(10));
    }
    first.kill().unwrap();
    first.wait().unwrap();
    let roots = || fs::read_dir(bench.path("cache/roots")).unwrap().count();
    assert!(
        half() && roots() == 0,
        "half of it is nowhere but in making"
    );
    fs::remove_file(bench.path("bin/mmdebstrap.slow")).unwrap();
    assert!(start().wait().unwrap().success());
    assert!(!half() && roots() == 1);
    let rows = bench.rows("results/r");
    let why = "tool is in none of the packages of Debian sid";
    assert!(rows.iter().all(|row| row.error.contains(why)), "{rows:?}");
}

#[test]
fn a_root_is_checked_when_the_file_is_read() {
    let bench = Bench::new();
    let with = |root: &str, update: &str| {
        let file = format!(
            "about = \"\"\nroot = {root}\nversion = [\"cp\"]\n[publish]\nrun = [[\"cp\", \"{{image}}\"]]\n[update]\nrun = [{update}]\n"
        );
        bench.write("m.toml", file);
        let output = bench.run(&["check-method", "m.toml"]);
        assert_eq!(output.status.code(), Some(2));
        text(&output.stderr)
    };
    let copy = r#"["cp", "{out}"]"#;
    for (root, update, words) in [
        (
            r#"{ debian = "sid", include = [] }"#,
            copy,
            "m.toml:2: root: include is missing",
        ),
        (
            r#"{ debian = "-o", include = ["a"] }"#,
            copy,
            "m.toml:2: root: \"-o\" is no release of Debian",
        ),
        (
            r#"{ debian = "sid", include = ["-o"] }"#,
            copy,
            "m.toml:2: root: \"-o\" is no package",
        ),
        (
            r#"{ debian = "sid", includes = ["a"] }"#,
            copy,
            "unknown field `includes`",
        ),
        (
            r#"{ debian = "sid", include = ["a"] }"#,
            r#"["a", "-e", "{ssh}", "{out}"]"#,
            "m.toml:7: [update]: \"{ssh}\": {ssh} is a program of this machine",
        ),
    ] {
        let said = with(root, update);
        assert!(said.contains(words), "`{words}` is not in: {said}");
    }
}
