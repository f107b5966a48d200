//! A pull request's life: each change judged, each comment read.

use std::fs;
use std::path::Path;

use delta_lab::archive::wrap_rootfs;

use crate::bench::{Bench, noise, text};

/// A file of an image, and when it was written.
pub struct Written {
    pub path: String,
    pub contents: Vec<u8>,
    pub mtime: u64,
}

/// Files as a released image has them.
pub fn released() -> Vec<Written> {
    let file = |at: u64| Written {
        path: format!("usr/lib/app/module-{at:03}.so"),
        contents: noise(at + 1, 9_000 + 50 * at as usize),
        mtime: 1_700_000_000,
    };
    (0..120).map(file).collect()
}

/// Saves the files as an image of one layer.
pub fn image(bench: &Bench, name: &str, files: &[Written]) {
    let rootfs = bench.path("rootfs.tar");
    let mut tar = tar::Builder::new(fs::File::create(&rootfs).unwrap());
    for file in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(file.contents.len() as u64);
        header.set_mtime(file.mtime);
        header.set_mode(0o644);
        tar.append_data(&mut header, Path::new(&file.path), file.contents.as_slice())
            .unwrap();
    }
    tar.into_inner().unwrap();
    let mut out = fs::File::create(bench.path(name)).unwrap();
    wrap_rootfs(&rootfs, &mut out, "shop/backend").unwrap();
}

const RULES: &str = "methods = [\"fastcdc/16k\", \"layers\"]\nfrom = [\"1.4.2.tar\"]\n\n[method.\"fastcdc/16k\"]\ndelta_grows = \"200 kB\"\n";

/// A checkout with the released image, the main branch's, which has one changed file, and the rules.
fn checkout() -> (Bench, Vec<Written>) {
    let bench = Bench::new();
    let mut files = released();
    image(&bench, "1.4.2.tar", &files);
    files[7].contents[100] ^= 1;
    image(&bench, "main.tar", &files);
    bench.write("rules.toml", RULES);
    (bench, files)
}

/// Judges pr.tar; returns the exit code, what was printed and the comment.
fn judge(bench: &Bench, more: &[&str]) -> (i32, String, String) {
    let mut words = vec![
        "ci",
        "--base",
        "main.tar",
        "--image",
        "pr.tar",
        "--rules",
        "rules.toml",
        "--comment",
        "comment.md",
    ];
    words.extend(more);
    let output = bench.run(&words);
    let comment = fs::read_to_string(bench.path("comment.md")).unwrap_or_default();
    eprintln!("{}\n{comment}", text(&output.stderr));
    (output.status.code().unwrap(), text(&output.stdout), comment)
}

#[test]
fn no_change_is_silent_and_an_innocent_one_passes() {
    let (bench, mut files) = checkout();
    image(&bench, "pr.tar", &files);
    let (code, said, comment) = judge(&bench, &[]);
    assert_eq!((code, comment.as_str()), (0, ""));
    assert!(
        said.contains("Unchanged: pr.tar is main.tar to the byte"),
        "{said}"
    );

    files[40].contents[5] ^= 1;
    image(&bench, "pr.tar", &files);
    let (code, _, comment) = judge(&bench, &[]);
    assert_eq!(code, 0, "{comment}");
    let lines: Vec<&str> = comment.lines().collect();
    assert_eq!(lines[0], "<!-- delta-lab ci: updates -->");
    assert!(
        lines[1].starts_with("### Passes: updates got ")
            && lines[1].contains(" bigger: clients on 1.4.2 fetch "),
        "{comment}"
    );
    let last = lines.iter().rev().find(|line| !line.is_empty()).unwrap();
    assert_eq!(
        *last,
        "    delta-lab ci --base main.tar --image pr.tar --rules rules.toml"
    );
    // The line by hand says the same.
    let again = bench.run(&last.split_whitespace().skip(1).collect::<Vec<_>>());
    assert_eq!(text(&again.stdout), comment);
    // So do both methods at a time, in a folder of their own.
    let (code, said, _) = judge(&bench, &["--jobs", "2", "--into", "results/both"]);
    assert_eq!(code, 0, "{said}");
    let told = |text: &str| {
        let lines = text.lines().filter(|line| !line.contains("--image"));
        lines.map(str::to_string).collect::<Vec<_>>()
    };
    assert_eq!(told(&said), told(&comment));
    let rows = bench.rows("results/both");
    assert!(
        rows.iter()
            .all(|row| row.verified() && row.wall_ns.is_none())
    );
}

#[test]
fn unfixed_times_fail_the_gate_and_the_comment_names_the_remedy() {
    let (bench, mut files) = checkout();
    for (at, file) in files.iter_mut().enumerate() {
        file.mtime += 1 + at as u64;
    }
    image(&bench, "pr.tar", &files);
    let (code, _, comment) = judge(&bench, &[]);
    assert_eq!(code, 1);
    let verdict = comment.lines().nth(1).unwrap();
    assert!(
        verdict.starts_with("### Fails: updates got 1.") && verdict.ends_with("limit +200 kB"),
        "{comment}"
    );
    assert!(
        comment.contains("files whose time alone changed") && comment.contains("SOURCE"),
        "{comment}"
    );
}

#[test]
fn a_large_file_fails_the_gate_is_named_first_and_passes_with_a_waiver_that_is_told() {
    let (bench, mut files) = checkout();
    files.push(Written {
        path: "srv/model.bin".into(),
        contents: noise(99, 2_000_000),
        mtime: 1_700_000_000,
    });
    image(&bench, "pr.tar", &files);
    let (code, _, comment) = judge(&bench, &[]);
    assert_eq!(code, 1);
    assert!(
        comment
            .lines()
            .nth(1)
            .unwrap()
            .starts_with("### Fails: updates got 2.0"),
        "{comment}"
    );
    let table = comment.find("| file |").unwrap();
    assert!(
        comment[table..]
            .lines()
            .nth(2)
            .unwrap()
            .starts_with("| srv/model.bin | +2.12 MB | new |"),
        "{comment}"
    );

    let waiver = "\n[[waiver]]\nlimit = \"delta_grows\"\nup_to = \"3 MB\"\nuntil = \"2026-12-31\"\nwhy = \"ships <b>the</b> model\"\n";
    bench.write("rules.toml", format!("{RULES}{waiver}"));
    let (code, _, comment) = judge(&bench, &["--today", "2026-12-31"]);
    assert_eq!(code, 0);
    assert!(
        comment.contains("### Waived: ") && comment.contains("waived until 2026-12-31"),
        "{comment}"
    );
    assert!(comment.contains(r"ships \<b\>the\</b\> model"), "{comment}");
    let (code, _, comment) = judge(&bench, &["--today", "2027-01-01"]);
    assert!(
        code == 1 && comment.contains("ended on 2026-12-31"),
        "{comment}"
    );
}

#[test]
fn clients_of_the_base_itself_have_no_before_and_wrong_rules_are_refused() {
    let (bench, mut files) = checkout();
    files[3].contents[9] ^= 1;
    image(&bench, "pr.tar", &files);
    bench.write(
        "rules.toml",
        "methods = [\"zstd-patch/3\"]\n[limits]\ndelta_share = 0.5\n",
    );
    let (code, _, comment) = judge(&bench, &[]);
    assert_eq!(code, 0, "{comment}");
    assert!(
        comment.contains("### Passes: clients on main fetch "),
        "{comment}"
    );
    bench.write(
        "rules.toml",
        "methods = [\"zstd-patch/3\"]\n[limits]\ndelta_share = 0.0\n",
    );
    assert_eq!(judge(&bench, &[]).0, 1);
    bench.write("rules.toml", "methods = [\"zstd-patch/33\"]\n");
    assert_eq!(judge(&bench, &[]).0, 2);
}

#[test]
fn an_update_is_explained_in_text_markdown_and_json() {
    let (bench, _) = checkout();
    let said = text(&bench.run(&["explain", "1.4.2.tar", "main.tar"]).stdout);
    assert!(
        said.contains("usr/lib/app/module-007.so") && said.contains("changed content"),
        "{said}"
    );
    let page = text(
        &bench
            .run(&["explain", "1.4.2.tar", "main.tar", "--markdown", "--best"])
            .stdout,
    );
    assert!(page.starts_with("# From 1.4.2.tar to main.tar"), "{page}");
    let json = bench
        .run(&["explain", "1.4.2.tar", "main.tar", "--json"])
        .stdout;
    let document: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(document["files"][0]["path"], "usr/lib/app/module-007.so");
}
