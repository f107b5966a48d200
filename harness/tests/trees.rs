//! Methods that move trees: what they rebuild is the image's tree or there is no number.

use std::path::Path;
use std::process::Command;

use delta_lab::record::{Check, Results, Row, Verb};

use crate::bench::{Bench, checkout, has, noise, scenario, text};

/// Whether trees can be unpacked here; says plainly when a test is skipped for it.
fn root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        eprintln!("skipped: only root can unpack an image with its owners");
    }
    root && has("curl") && has("tar")
}

/// Publishes a tar of the tree and unpacks it; then does what the test wants done to the rebuilt tree.
fn declare(bench: &Bench, name: &str, then: &str) {
    let text = format!(
        r#"
about = "a test"
moves = "tree"
version = ["curl", "--version"]
[publish]
run = [["tar", "--xattrs", "--xattrs-include=*", "-C", "{{image}}", "-cf", "{{store}}/{{name}}.tar", "."]]
[update]
run = [
  ["curl", "-fsS", "-o", "{{tmp}}/tar", "{{url}}/{{name}}.tar"],
  ["mkdir", "{{out}}"],
  ["tar", "--xattrs", "--xattrs-include=*", "-C", "{{out}}", "-xpf", "{{tmp}}/tar"],
  {then}
]
"#
    );
    bench.write(&format!("scenarios/methods/{name}.toml"), text);
}

/// A tar with one of everything, as GNU tar writes it; `more` are the words of a shell that changes the tree first.
fn tree(bench: &Bench, name: &str, more: &str) {
    let make = format!(
        "set -e; rm -rf tree; mkdir tree; cd tree; mkdir -p usr/bin etc var/empty; echo root > etc/passwd; \
         cp ../noise usr/bin/tool; chmod 4755 usr/bin/tool; chown 12:34 etc/passwd; ln -s usr/bin bin; \
         ln usr/bin/tool usr/bin/again; \
         chmod 1777 var/empty; {more}; cd ..; tar --xattrs --xattrs-include='*' -C tree -cf scenarios/{name} ."
    );
    bench.write("noise", noise(1, 200_000));
    let made = Command::new("sh")
        .args(["-c", &make])
        .current_dir(bench.dir.path())
        .status();
    assert!(made.unwrap().success());
}

fn pair(bench: &Bench, methods: &[&str]) {
    tree(bench, "old.tar", "true");
    tree(
        bench,
        "new.tar",
        "echo more >> usr/bin/tool; echo new > etc/new; chown 0:0 etc/passwd; rm bin; ln -s usr bin; mknod null c 1 3",
    );
    bench.write(
        "scenarios/trees.toml",
        scenario(methods, &[("old", "old.tar"), ("new", "new.tar")]),
    );
}

fn error<'a>(rows: &'a [Row], method: &str) -> &'a str {
    let row = rows
        .iter()
        .find(|row| row.method == method && !row.error.is_empty());
    row.map_or("", |row| &row.error)
}

#[test]
fn a_method_that_moves_trees_has_rows_that_say_so() {
    if !root() {
        return;
    }
    let bench = Bench::new();
    pair(&bench, &["raw", "honest"]);
    declare(&bench, "honest", "");
    bench.expect(&["run", "trees", "--into", "results/r"], 0);
    let results = Results::load(&bench.path("results/r")).unwrap();
    for row in &results.rows {
        let honest = row.method == "honest";
        assert_eq!(
            row.check,
            if honest { Check::Tree } else { Check::Exact },
            "{row:?}"
        );
    }
    let update = results
        .rows
        .iter()
        .find(|row| row.method == "honest" && row.verb == Verb::Update);
    let update = update.unwrap();
    let archive = bench.path("scenarios/new.tar").metadata().unwrap().len();
    assert_eq!((update.requests, update.image_bytes), (Some(1), archive));
    let fact = |fact: &str, image: &str| {
        let image = results.plan.scenarios[0].image_as(image, None).unwrap();
        image.about[fact].clone()
    };
    assert_eq!(fact("tree_left_out", "new"), "1 device node");
    assert_eq!(fact("tree_left_out", "old"), "nothing");
    assert_eq!(fact("tree_entries", "old"), "9");
    assert!(
        !bench.path("results/r/work").exists(),
        "nothing is left behind"
    );

    // Done already: nothing is unpacked again, and what was known stays known.
    bench.expect(&["run", "trees", "--into", "results/r"], 0);
    assert_eq!(
        Results::load(&bench.path("results/r")).unwrap().plan,
        results.plan
    );
    let report = text(&bench.run(&["report", "results/r"]).stdout);
    assert!(report.contains("tree"), "{report}");
    let report = std::fs::read_to_string(bench.path("results/r/report.md")).unwrap();
    for words in [
        "honest: the unpacked tree is moved",
        "tree left out: nothing (old); 1 device node (new)",
    ] {
        assert!(report.contains(words), "`{words}` is not in {report}");
    }
}

#[test]
fn every_kind_of_difference_is_found_and_named() {
    if !root() {
        return;
    }
    let bench = Bench::new();
    let wrongs = [
        (
            "content",
            r#"["sh", "-c", "echo four > $0/etc/passwd", "{out}"]"#,
            "etc/passwd: 5 bytes with sha256 ",
        ),
        (
            "length",
            r#"["truncate", "-s", "1", "{out}/usr/bin/tool"]"#,
            "usr/bin/again: 1 bytes, the image has ",
        ),
        (
            "mode",
            r#"["chmod", "755", "{out}/usr/bin/tool"]"#,
            "usr/bin/again: mode 0755, the image has 4755 (and 1 more)",
        ),
        (
            "root-mode",
            r#"["chmod", "700", "{out}"]"#,
            "its root: mode 0700, the image has 0755",
        ),
        (
            "owner",
            r#"["chown", "0:34", "{out}/etc/passwd"]"#,
            "etc/passwd: owner 0:34, the image has 12:34",
        ),
        (
            "group-of-a-link",
            r#"["chown", "-h", "0:5", "{out}/bin"]"#,
            "bin: owner 0:5, the image has 0:0",
        ),
        (
            "target",
            r#"["ln", "-sfn", "usr", "{out}/bin"]"#,
            "bin: links to usr, in the image to usr/bin",
        ),
        (
            "kind",
            r#"["sh", "-c", "rm $0/bin; mkdir $0/bin", "{out}"]"#,
            "bin: a folder, in the image a symbolic link",
        ),
        (
            "extra",
            r#"["touch", "{out}/etc/more"]"#,
            "etc/more: a file that the image has not",
        ),
        (
            "missing",
            r#"["rmdir", "{out}/var/empty"]"#,
            "var/empty: is missing",
        ),
        (
            "device",
            r#"["mkfifo", "{out}/null"]"#,
            "null: a device, a fifo or a socket that the image has not",
        ),
        (
            "capability",
            r#"["setcap", "cap_net_raw=ep", "{out}/etc/passwd"]"#,
            "etc/passwd: another security.capability than the image has",
        ),
        (
            "file",
            r#"["sh", "-c", "rm -r $0; touch $0", "{out}"]"#,
            "not a folder",
        ),
        (
            "link",
            r#"["sh", "-c", "mv $0 $0.away; ln -s out.away $0", "{out}"]"#,
            "not a folder",
        ),
        ("nothing", r#"["rm", "-r", "{out}"]"#, "left no folder"),
    ];
    let here: Vec<_> = wrongs
        .into_iter()
        .filter(|(name, ..)| *name != "capability" || has("setcap"))
        .collect();
    let names: Vec<&str> = here.iter().map(|(name, ..)| *name).collect();
    tree(&bench, "old.tar", "true");
    bench.write(
        "scenarios/trees.toml",
        scenario(&names, &[("old", "old.tar")]),
    );
    for (name, then, _) in &here {
        declare(&bench, name, then);
    }
    bench.expect(&["run", "trees", "--into", "results/r"], 1);
    let rows = bench.rows("results/r");
    let verified: Vec<&Row> = rows.iter().filter(|row| row.verified()).collect();
    assert!(verified.is_empty(), "{verified:?}");
    for (name, _, words) in here {
        let said = error(&rows, name);
        assert!(said.contains(words), "{name}: `{words}` is not in: {said}");
    }
}

#[test]
fn times_and_hard_links_are_not_compared() {
    if !root() {
        return;
    }
    let bench = Bench::new();
    tree(&bench, "old.tar", "true");
    bench.write(
        "scenarios/trees.toml",
        scenario(&["loose"], &[("old", "old.tar")]),
    );
    declare(
        &bench,
        "loose",
        r#"["sh", "-c", "cd $0/usr/bin; cp -p again copy; mv copy again; touch tool ..", "{out}"]"#,
    );
    bench.expect(&["run", "trees", "--into", "results/r"], 0);
}

#[test]
fn a_method_that_touches_a_tree_ends_the_run() {
    if !root() {
        return;
    }
    for (how, path) in [
        (
            r#"["sh", "-c", "echo x >> $0/etc/passwd", "{image}"]"#,
            "etc/passwd",
        ),
        (r#"["chmod", "600", "{image}/etc/passwd"]"#, "etc/passwd"),
        (r#"["cp", "-al", "{image}", "{store}/copy"]"#, "root/bin"),
        (r#"["touch", "{image}/more"]"#, "root"),
    ] {
        let bench = Bench::new();
        pair(&bench, &["spoiler"]);
        let text = format!(
            "about = \"a test\"\nmoves = \"tree\"\nversion = [\"cp\", \"--version\"]\n[publish]\nrun = [{how}]\n[update]\nrun = [[\"true\"]]\n"
        );
        bench.write("scenarios/methods/spoiler.toml", text);
        let output = bench.run(&["run", "trees", "--into", "results/r"]);
        let err = crate::bench::text(&output.stderr);
        match output.status.code() {
            // A room refuses it.
            Some(1) => assert!(bench.rows("results/r").iter().all(|row| !row.verified())),
            Some(2) => assert!(
                err.contains("spoiler changed an image it was given to read")
                    && err.contains(path)
                    && err.contains("is not as it was"),
                "{err}"
            ),
            other => panic!("{other:?}: {err}"),
        }
        // The folder is gone after a run that went to its end.
        let left = std::fs::read_dir(bench.path("results/r/work"));
        let names = left.into_iter().flatten().flatten();
        let names: Vec<_> = names.map(|entry| entry.file_name()).collect();
        let is_tree = |name: &std::ffi::OsString| name.as_encoded_bytes().starts_with(b"tree-");
        assert!(!names.iter().any(is_tree), "{names:?}");
    }
}

#[test]
fn an_image_without_a_tree_is_a_named_skip() {
    if !root() {
        return;
    }
    let bench = Bench::new();
    bench.pair("trees", &["raw", "honest"]);
    declare(&bench, "honest", "");
    bench.expect(&["run", "trees", "--into", "results/r"], 0);
    for row in bench.rows("results/r") {
        let skipped = row.method == "honest";
        assert_eq!(row.check == Check::Skipped, skipped, "{row:?}");
        assert_eq!(row.error.contains("no tree here"), skipped, "{row:?}");
    }
}

/// What `check-method` says of a file, and how many bytes of the changed tree it fetched, from nothing and from a base.
fn check(bench: &Bench, file: &Path) -> (String, u64, u64) {
    let output = bench.run(&["check-method", file.to_str().unwrap()]);
    let said = text(&output.stdout) + &text(&output.stderr);
    let fetched = |from: &str| -> u64 {
        let words = format!("rebuilds a changed tree from {from} (");
        let rest = said.split(&words).nth(1).unwrap_or("0 ");
        rest.split(' ').next().unwrap().parse().unwrap()
    };
    let (full, delta) = (fetched("nothing"), fetched("the one before"));
    (said, full, delta)
}

#[test]
fn the_shipped_methods_that_move_trees_keep_every_claim() {
    for (method, tool, share) in [
        ("ostree", "ostree", 2),
        ("ostree-pull", "ostree", 1),
        ("casync-tree", "casync", 1),
    ] {
        if !root() || !has(tool) {
            continue;
        }
        let bench = Bench::new();
        let file = checkout().join(format!("scenarios/methods/{method}.toml"));
        let (said, full, delta) = check(&bench, &file);
        assert!(said.contains("29 claims hold, 0 do not"), "{said}");
        assert!(delta < full / share, "{method}: {delta} of {full}");
    }
}

#[test]
fn a_tool_told_to_lose_something_is_found_out() {
    for (method, tool, flag, instead, lost) in [
        // A checkout as a user: everything is root's who runs it.
        (
            "ostree",
            "ostree",
            r#""--require-hardlinks""#,
            r#""--user-mode", "--force-copy""#,
            "wrong tree: ",
        ),
        // casync's trap: --without=all takes away what --with names.
        (
            "casync-tree",
            "casync",
            r#""--with=symlinks""#,
            r#""--with=symlinks", "--without=all""#,
            "mode 0700, the image has 0755",
        ),
        (
            "casync-tree",
            "casync",
            r#", "--with=fcaps""#,
            "",
            "usr/bin/ping: another security.capability",
        ),
    ] {
        if !root() || !has(tool) {
            continue;
        }
        let bench = Bench::new();
        let file =
            std::fs::read_to_string(checkout().join(format!("scenarios/methods/{method}.toml")));
        let file = file.unwrap();
        assert!(file.contains(flag), "{method} has no {flag}");
        bench.write("scenarios/methods/loser.toml", file.replace(flag, instead));
        let (said, ..) = check(&bench, &bench.path("scenarios/methods/loser.toml"));
        let words = "not  loser: rebuilds a changed tree from nothing: publish of old: published, but a client with nothing can't rebuild it: wrong tree: ";
        assert!(
            said.contains(words) && said.contains(lost),
            "`{lost}` is not in: {said}"
        );
    }
}

/// Docker's own archive of several layers and the tree that the engine exports from a container of it.
#[test]
fn an_image_unpacks_to_what_the_engine_shows() {
    if !root() || !has("docker") || !Path::new("/var/run/docker.sock").exists() {
        eprintln!("skipped: no docker engine here");
        return;
    }
    let bench = Bench::new();
    bench.write(
        "build/Dockerfile",
        "FROM scratch\nADD base.tar /\nCOPY one /data/one\nCOPY two /data/\nADD top.tar /\n",
    );
    tree(
        &bench,
        "old.tar",
        "mkdir -p data/one data/old; echo x > data/one/a; echo y > data/old/b",
    );
    std::fs::rename(
        bench.path("scenarios/old.tar"),
        bench.path("build/base.tar"),
    )
    .unwrap();
    tree(&bench, "old.tar", "rm -r etc; mkdir -p lib; echo l > lib/x");
    std::fs::rename(bench.path("scenarios/old.tar"), bench.path("build/top.tar")).unwrap();
    bench.write("build/one/b", "b");
    bench.write("build/two", "two");
    let docker = |args: &[&str]| {
        let output = Command::new("docker")
            .args(args)
            .current_dir(bench.dir.path())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{args:?}: {}",
            text(&output.stderr)
        );
        text(&output.stdout).trim().to_string()
    };
    let id = docker(&["build", "-q", "build"]);
    let container = docker(&["create", &id, "none"]);
    docker(&["export", "-o", "exported.tar", &container]);
    docker(&["save", "-o", "saved.tar", &id]);
    docker(&["rm", &container]);
    docker(&["rmi", &id]);
    // What the engine puts into a container by itself is not the image's.
    let own = [
        "dev",
        "proc",
        "sys",
        ".dockerenv",
        "etc/hosts",
        "etc/hostname",
        "etc/resolv.conf",
        "etc/mtab",
    ];
    for (archive, folder) in [("exported.tar", "exported"), ("saved.tar", "saved")] {
        delta_lab::archive::unpack::unpack(&bench.path(archive), &bench.path(folder)).unwrap();
        for name in own {
            let path = bench.path(folder).join(name);
            if path.is_dir() {
                std::fs::remove_dir_all(path).unwrap();
            } else {
                std::fs::remove_file(path).ok();
            }
        }
    }
    let listed = |folder: &str| {
        let find = Command::new("find")
            .args([".", "-printf", "%P %y %m %U:%G %s %l\\n"])
            .current_dir(bench.path(folder))
            .output()
            .unwrap();
        let mut lines: Vec<String> = text(&find.stdout)
            .lines()
            // A folder's length is its file system's affair.
            .map(|line| {
                if line.contains(" d ") {
                    line.rsplit_once(' ')
                        .unwrap()
                        .0
                        .rsplit_once(' ')
                        .unwrap()
                        .0
                        .to_string()
                } else {
                    line.to_string()
                }
            })
            .collect();
        lines.sort();
        lines
    };
    assert_eq!(listed("saved"), listed("exported"));
    assert!(listed("saved").len() > 10);
}
