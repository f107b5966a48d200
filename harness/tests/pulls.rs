//! Clients of registries that pull in part: zstd-chunked by the releases of Debian that have it, and its traps.

use std::fs;

use delta_lab::record::{Check, Results, Row, Verb};

use crate::bench::{Bench, checkout, has, text};
use crate::roots::{has_walls, kept_cache};

fn shipped(name: &str) -> String {
    fs::read_to_string(checkout().join(format!("scenarios/methods/{name}.toml"))).unwrap()
}

/// Two synthetic images, and their rows; nothing where Debian's archive can't be reached.
fn rows(bench: &Bench, methods: &[(&str, String)]) -> Option<Vec<Row>> {
    if !has("mmdebstrap") || !has_walls() {
        return None;
    }
    for (name, file) in methods {
        bench.write(&format!("scenarios/methods/{name}.toml"), file);
    }
    let names: Vec<&str> = methods.iter().map(|(name, _)| *name).collect();
    bench.write(
        "scenarios/images.toml",
        format!(
            "about = \"a test\"\nmethods = {names:?}\n[[image]]\nname = \"v1\"\nsynthetic = {{ seed = 1, mib = 4 }}\n\
             [[image]]\nname = \"v2\"\nsynthetic = {{ changes = [\"package-bump\"] }}\n"
        ),
    );
    let mut command = bench.command(&["run", "images", "--into", "results/r"]);
    let output = command
        .env("DELTA_LAB_CACHE", kept_cache())
        .output()
        .unwrap();
    let rows = bench.rows("results/r");
    if let Some(row) = rows.iter().find(|row| row.check == Check::Skipped) {
        assert!(row.error.contains("of Debian"), "{}", row.error);
        eprintln!("skipped: {}", row.error);
        return None;
    }
    assert!(!rows.is_empty(), "{}", text(&output.stderr));
    Some(rows)
}

fn update<'a>(rows: &'a [Row], method: &str, base: &str) -> &'a Row {
    let mut updates = rows
        .iter()
        .filter(|row| row.verb == Verb::Update && row.method == method);
    updates.find(|row| row.bases.to_string() == base).unwrap()
}

/// The trap: a base that was loaded, or built, has no table of its files, and is of no use.
#[test]
fn a_client_that_pulled_its_base_asks_for_the_files_it_lacks_and_one_that_loaded_it_for_whole_layers()
 {
    let pulled = shipped("zstd-chunked");
    let pull = r#""--src-tls-verify=false", "docker://{registry}/oci:{base-name}", "containers-storage:oci:{base-name}"]"#;
    assert!(pulled.contains(pull), "{pulled}");
    let load = r#""docker-archive:{base}", "containers-storage:oci:{base-name}"]"#;
    let loaded = pulled.replace(pull, load);
    let bench = Bench::new();
    let Some(rows) = rows(&bench, &[("pulled", pulled), ("loaded", loaded)]) else {
        return;
    };
    for row in &rows {
        assert_eq!(row.check, Check::Image, "{row:?}");
        let version = &row.version;
        assert!(
            version.contains("skopeo version 1.") && version.contains(", Debian trixie"),
            "{version}"
        );
    }
    let bytes = |method, base| update(&rows, method, base).payload_bytes.unwrap();
    let (pulled, loaded) = (bytes("pulled", "v1"), bytes("loaded", "v1"));
    assert!(
        pulled < bytes("pulled", "") / 2 && pulled < loaded / 2,
        "{pulled} {loaded}"
    );
    let results = Results::load(&bench.path("results/r")).unwrap();
    let held = |method: &str| {
        let mut found = results.findings.iter();
        let found = found.find(|it| it.method == method && it.measure == "hold_bytes");
        found.unwrap().value
    };
    assert!(held("pulled") > 1_000_000 && held("loaded") == 0);
}

/// The trap: Debian 12's client ends well, and what it fetched in part has another owner than the image's. The same
/// commands with Debian 13's client, whose options are written in another way, rebuild the image's tree.
#[test]
fn debian_12s_client_rebuilds_another_tree_and_its_rows_say_so() {
    let old = shipped("zstd-chunked-12");
    let options = r#"pull_options = {{enable_partial_images = "true", use_hard_links = "false", ostree_repos = ""}}\n"#;
    assert!(
        old.contains(options) && old.contains("\"bookworm\""),
        "{old}"
    );
    let end = r#"skip_mount_home = "true"\n"#;
    let now = format!(r#"{end}[storage.options.pull_options]\nenable_partial_images = "true"\n"#);
    let new = old
        .replace(options, "")
        .replace(end, &now)
        .replace("\"bookworm\"", "\"trixie\"");
    let bench = Bench::new();
    let Some(rows) = rows(&bench, &[("twelve", old), ("thirteen", new)]) else {
        return;
    };
    for row in rows.iter().filter(|row| row.method == "thirteen") {
        assert_eq!(row.check, Check::Tree, "{row:?}");
    }
    let mut failed = rows
        .iter()
        .filter(|row| row.method == "twelve" && !row.verified());
    let why = failed.find(|row| row.error.contains("wrong tree: "));
    assert!(why.is_some(), "{rows:?}");
}
