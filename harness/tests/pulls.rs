//! Clients of registries that pull in part: zstd-chunked by the releases of Debian that have it, and its traps.

use std::fs;

use delta_lab::record::{Check, Results, Row, Verb};

use crate::bench::{Bench, checkout, has, is, text};
use crate::roots::{has_walls, kept_cache};

fn shipped(name: &str) -> String {
    fs::read_to_string(checkout().join(format!("scenarios/methods/{name}.toml"))).unwrap()
}

/// Two synthetic images, and their rows; nothing where Debian's archive can't be reached.
fn rows(bench: &Bench, methods: &[(&str, String)]) -> Option<Vec<Row>> {
    rows_of(bench, methods, &[r#"["package-bump"]"#.to_string()], "")
}

/// The rows of a synthetic history: each release updated from the one before, by what changed in it; under more axes, each
/// a line of the scenario.
fn rows_of(
    bench: &Bench,
    methods: &[(&str, String)],
    changes: &[String],
    axes: &str,
) -> Option<Vec<Row>> {
    if !has("mmdebstrap") || !has_walls() {
        return None;
    }
    for (name, file) in methods {
        bench.write(&format!("scenarios/methods/{name}.toml"), file);
    }
    let names: Vec<&str> = methods.iter().map(|(name, _)| *name).collect();
    let mut scenario = format!(
        "about = \"a test\"\nmethods = {names:?}\n[axes]\npolicy = [\"every-step\"]\n{axes}\n\
         [[image]]\nname = \"v1\"\nsynthetic = {{ seed = 1, mib = 4 }}\n"
    );
    for (at, changes) in changes.iter().enumerate() {
        scenario += &format!(
            "[[image]]\nname = \"v{}\"\nsynthetic = {{ changes = {changes} }}\n",
            at + 2
        );
    }
    bench.write("scenarios/images.toml", scenario);
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
    let pull = r#""docker://{registry}/oci:{base-name}", "containers-storage:oci:{base-name}"]"#;
    assert!(pulled.contains(pull), "{pulled}");
    let load = r#""docker-archive:{base}", "containers-storage:oci:{base-name}"]"#;
    let checked = pulled.replace(pull, load);
    let (loaded, check) = checked.split_once("[cross-check]").unwrap();
    assert!(check.contains("zstd-chunked"), "{check}");
    let bench = Bench::new();
    let methods = [
        ("pulled", pulled),
        ("loaded", loaded.to_string()),
        ("checked", checked),
    ];
    let Some(rows) = rows(&bench, &methods) else {
        return;
    };
    // What a storage with the base's tables lacks is less than what crossed: the lab says so.
    let told = &update(&rows, "checked", "v1").error;
    assert!(
        told.contains("cross-check: v2/oci/blobs/sha256:") && told.contains("expected"),
        "{told}"
    );
    for row in rows.iter().filter(|row| row.method != "checked") {
        is(row, Check::Image);
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

/// The trap: a second push into a registry leaves out where the tables of layers are that it has already. What then is
/// known of them is what this publish says: nothing. Whole layers cross, and the row has every byte.
#[test]
fn layers_whose_tables_are_lost_come_whole() {
    let kept = shipped("zstd-chunked");
    let lost = kept.replace(
        r#""zstd:chunked", "{archive-kind}"#,
        r#""zstd", "{archive-kind}"#,
    );
    assert_ne!(kept, lost);
    let bench = Bench::new();
    let Some(rows) = rows(&bench, &[("kept", kept), ("lost", lost)]) else {
        return;
    };
    for row in &rows {
        is(row, Check::Image);
    }
    let bytes = |method, base| update(&rows, method, base).payload_bytes.unwrap();
    assert!(bytes("kept", "v1") < bytes("lost", "v1") / 2);
    // A layer is one request, and one with a table that lacks files two.
    let requests = |method| update(&rows, method, "").requests.unwrap();
    assert!(requests("lost") < requests("kept"));
}

/// Releases that differ in every way that synthetic ones can: each row was compared with the tables of contents.
#[test]
fn what_crosses_is_what_the_tables_of_contents_say() {
    let bench = Bench::new();
    let changes = [
        "patch",
        "insert",
        "package-bump",
        "relink",
        "rebuild",
        "base-upgrade",
        "reorder-layers",
    ];
    let more = changes.map(|change| format!("[\"{change}\"]"));
    let methods = [("zstd-chunked", shipped("zstd-chunked"))];
    let Some(rows) = rows_of(&bench, &methods, &more, "") else {
        return;
    };
    let updates = rows.iter().filter(|row| row.verb == Verb::Update);
    assert_eq!(updates.count(), changes.len() + 1);
    for row in &rows {
        is(row, Check::Image);
    }
}

/// The trap: a registry that answers one range in a request, as one before Amazon S3 does, or refuses more.
#[test]
fn from_a_registry_that_refuses_many_ranges_each_layer_comes_twice_or_the_pull_fails() {
    let bench = Bench::new();
    let methods = [("zstd-chunked", shipped("zstd-chunked"))];
    let changes = [r#"["package-bump"]"#.to_string()];
    let axes = r#"ranges = ["all", "whole:1", "501:1"]"#;
    let Some(rows) = rows_of(&bench, &methods, &changes, axes) else {
        return;
    };
    let under = |ranges: &str, base: &str| {
        let mut updates = rows.iter().filter(|row| row.verb == Verb::Update);
        updates
            .find(|row| row.case.get("ranges") == Some(ranges) && row.bases.to_string() == base)
            .unwrap()
    };
    let bytes = |ranges, base| under(ranges, base).payload_bytes.unwrap();
    assert!(bytes("all", "v1") < bytes("all", "") / 2);
    is(under("whole:1", ""), Check::Image);
    assert!(bytes("whole:1", "") > bytes("all", "") * 19 / 10);
    // Layers that the base has are spared all the same.
    assert!(bytes("whole:1", "v1") > 2 * bytes("all", "v1"));
    let why = &under("501:1", "").error;
    assert!(why.contains("fetching partial blob"), "{why}");
}

/// The trap: Debian 12's client ends well, and what it fetched in part has another owner than the image's. The same
/// commands with Debian 13's client, whose options are written in another way, rebuild the image's tree. It pulls one
/// layer at a time, or it crashes now and then; the older one has no such option.
#[test]
fn debian_12s_client_rebuilds_another_tree_and_its_rows_say_so() {
    let old = shipped("zstd-chunked-12");
    let options = r#"pull_options = {{enable_partial_images = "true", use_hard_links = "false", ostree_repos = ""}}\n"#;
    assert!(
        old.contains(options) && old.contains("\"bookworm\""),
        "{old}"
    );
    let pull = r#""--src-tls-verify=false""#;
    assert!(old.contains(pull), "{old}");
    let end = r#"skip_mount_home = "true"\n"#;
    let now = format!(r#"{end}[storage.options.pull_options]\nenable_partial_images = "true"\n"#);
    let new = old
        .replace(options, "")
        .replace(end, &now)
        .replace(pull, &format!(r#""--image-parallel-copies", "1", {pull}"#))
        .replace("\"bookworm\"", "\"trixie\"");
    let bench = Bench::new();
    let Some(rows) = rows(&bench, &[("twelve", old), ("thirteen", new)]) else {
        return;
    };
    for row in rows.iter().filter(|row| row.method == "thirteen") {
        is(row, Check::Tree);
    }
    let mut failed = rows
        .iter()
        .filter(|row| row.method == "twelve" && !row.verified());
    let why = failed.find(|row| row.error.contains("wrong tree: "));
    assert!(why.is_some(), "{rows:?}");
}
