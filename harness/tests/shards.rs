//! Shards: a run dealt out to several machines and merged is the run of one, and what does not belong together is refused.

use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::process::Stdio;
use std::time::Duration;

use delta_lab::record::{Host, Results, Row, SCHEMA, read_rows, write_host, write_plan};
use delta_lab::run::turn;

use crate::bench::{Bench, repeatable, text};

const WHOLE: &str = r#"
about = "two releases"
methods = ["raw", "gzip/6", "fastcdc/{4k,16k}", "zstd-patch/3", "absent"]
probes = ["chunks", "layers"]
samples = 2
once = ["zstd-patch/3"]
[axes]
policy = ["all", "previous"]
[[image]]
name = "v1"
synthetic = { seed = 41, mib = 1 }
[[image]]
name = "v2"
synthetic = { changes = ["patch"] }
[[expect]]
says = "the whole image crosses"
of = { method = "raw", image = "v2", case = "policy=all" }
measure = "payload_bytes"
equals = { share = 1.0, of = "image_bytes" }
"#;

fn bench() -> Bench {
    let bench = Bench::new();
    bench.write("scenarios/whole.toml", WHOLE);
    bench.write(
        "scenarios/methods/absent.toml",
        "about = \"\"\ninstall = { apt = [\"some-package\"] }\nversion = [\"no-such-tool\", \"-V\"]\n\
         [publish]\nrun = [[\"no-such-tool\", \"{image}\", \"{store}\"]]\n[update]\nrun = [[\"no-such-tool\", \"{url}\", \"{out}\"]]\n",
    );
    bench
}

/// Runs every shard into a folder of its own; their names.
fn dealt(bench: &Bench, shards: usize) -> Vec<String> {
    let deal = |at| {
        let (shard, into) = (format!("{at}/{shards}"), format!("results/shard-{at}"));
        bench.expect(&["run", "whole", "--shard", &shard, "--into", &into], 0);
        into
    };
    (1..=shards).map(deal).collect()
}

fn merge(bench: &Bench, folders: &[String], code: i32) -> String {
    let mut args = vec!["merge"];
    args.extend(folders.iter().map(String::as_str));
    args.extend(["--into", "results/merged"]);
    let output = bench.run(&args);
    let said = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}

/// The rows without times, in the order of the file.
fn in_order(rows: &[Row]) -> Vec<Row> {
    rows.iter()
        .flat_map(|row| repeatable(std::slice::from_ref(row)))
        .collect()
}

#[test]
fn sixteen_shards_run_apart_and_merged_are_the_bytes_of_one_run() {
    let bench = bench();
    bench.expect(&["run", "whole", "--into", "results/one"], 0);
    let folders = dealt(&bench, 16);
    // Of fewer methods the third shard is another part.
    let few = [
        "run",
        "whole",
        "-m",
        "zstd-patch/3",
        "--shard",
        "3/16",
        "--into",
        &folders[2],
    ];
    let said = bench.expect(&few, 2);
    assert!(said.contains("begun with other methods of whole"), "{said}");
    // A plan lists the methods of the last command first.
    let path = bench.path(&folders[4]);
    let mut plan = Results::load(&path).unwrap().plan;
    plan.scenarios[0].methods.reverse();
    write_plan(&path, &plan).unwrap();
    let said = merge(&bench, &folders, 0);
    assert!(said.contains("from 16 folders and 1 machine:"), "{said}");
    assert!(said.contains("holds: the whole image crosses"), "{said}");
    let load = |dir: &str| Results::load(&bench.path(dir)).unwrap();
    let (one, merged) = (load("results/one"), load("results/merged"));
    assert_eq!(in_order(&one.rows), in_order(&merged.rows));
    assert!(one.rows.len() >= 90, "{}", one.rows.len());
    assert_eq!((&one.findings, &one.plan), (&merged.findings, &merged.plan));
    // One machine made them all, so no time is missing.
    let timed = |rows: &[Row]| rows.iter().filter(|row| row.wall_ns.is_some()).count();
    assert_eq!(timed(&one.rows), timed(&merged.rows));
    let diff = ["diff", "--exact", "results/one", "results/merged"];
    bench.expect(&diff, 0);
    bench.expect(&["report", "results/merged"], 0);
}

#[test]
fn what_is_missing_is_named_and_a_shard_twice_is_refused() {
    let bench = bench();
    let folders = dealt(&bench, 4);
    let said = merge(&bench, &folders[..3], 1);
    assert!(said.contains("missing: whole"), "{said}");
    assert!(!said.contains("holds:"), "{said}");
    fs::remove_dir_all(bench.path("results/merged")).unwrap();
    fs::create_dir(bench.path("results/rows-alone")).unwrap();
    let rows = |folder: &str| bench.path(folder).join("rows.csv");
    fs::copy(rows(&folders[0]), rows("results/rows-alone")).unwrap();
    let alone = [&folders[..], &["results/rows-alone".to_string()]].concat();
    let said = merge(&bench, &alone, 2);
    assert!(
        said.contains("results/rows-alone: no plan.toml here"),
        "{said}"
    );
    let twice = [&folders[..], &folders[1..2]].concat();
    let said = merge(&bench, &twice, 2);
    assert!(
        said.contains("results/shard-2 and results/shard-2: both have rows of whole"),
        "{said}"
    );
    assert!(!bench.path("results/merged").exists());
    merge(&bench, &folders, 0);
    let again = merge(&bench, &folders, 2);
    assert!(again.contains("holds rows already"), "{again}");
}

#[test]
fn another_plan_another_image_another_version_and_a_run_that_has_not_ended_are_refused() {
    let bench = bench();
    let folders = dealt(&bench, 2);
    let spoilt = |file: &str, from: &str, to: &str, says: &str| {
        let path = bench.path(&folders[1]).join(file);
        let sound = fs::read_to_string(&path).unwrap();
        let changed = sound.replace(from, to);
        assert_ne!(changed, sound, "{from} is not in {file}");
        fs::write(&path, changed).unwrap();
        let said = merge(&bench, &folders, 2);
        assert!(said.contains(says), "`{says}` is not in: {said}");
        assert!(!bench.path("results/merged").exists());
        fs::write(&path, sound).unwrap();
    };
    spoilt(
        "plan.toml",
        "samples = 2",
        "samples = 3",
        "differ in the samples",
    );
    spoilt(
        "plan.toml",
        "name = \"gzip/6\"",
        "name = \"gzip/7\"",
        "differ in the methods",
    );
    let image = Results::load(&bench.path(&folders[0]))
        .unwrap()
        .plan
        .scenarios[0]
        .images[0]
        .sha256
        .clone();
    spoilt(
        "plan.toml",
        &image,
        &"0".repeat(64),
        "image `v1` is another one",
    );
    spoilt(
        "plan.toml",
        "version = \"delta-lab",
        "version = \"gamma-lab",
        "two versions are not comparable",
    );
    spoilt(
        "host.toml",
        "lab = \"",
        "lab = \"9.",
        "made by delta-lab 9.",
    );
    let now = format!("\n{SCHEMA},");
    spoilt("rows.csv", &now, "\n2,", "of schema");
    fs::create_dir(bench.path(&folders[1]).join("work")).unwrap();
    let said = merge(&bench, &folders, 2);
    assert!(said.contains("its run has not ended"), "{said}");
    fs::remove_dir(bench.path(&folders[1]).join("work")).unwrap();
    merge(&bench, &folders, 0);
}

#[test]
fn times_of_two_machines_never_stand_in_one_chart() {
    let bench = bench();
    let folders = dealt(&bench, 3);
    let path = bench.path(&folders[2]);
    let host = Results::load(&path).unwrap().host;
    let other = Host {
        machine: "elsewhere".into(),
        ..host.clone()
    };
    write_host(&path, &other).unwrap();
    let said = merge(&bench, &folders, 0);
    assert!(said.contains("3 folders and 2 machines"), "{said}");
    let merged = Results::load(&bench.path("results/merged")).unwrap();
    let theirs: Vec<Row> = read_rows(&path.join("rows.csv")).unwrap();
    let (mut shown, mut withheld) = (0, 0);
    for row in merged.rows.iter().filter(|row| row.verified()) {
        let foreign = theirs.iter().any(|it| it.key() == row.key());
        let figures = [row.wall_ns, row.cpu_ns, row.peak_rss_bytes];
        assert!(figures.iter().all(|it| it.is_none() == foreign), "{row:?}");
        shown += usize::from(!foreign);
        withheld += usize::from(foreign);
    }
    assert!(shown > withheld && withheld > 0, "{shown} {withheld}");
    // The file keeps what the charts leave out.
    let kept = read_rows(&bench.path("results/merged/rows.csv")).unwrap();
    assert!(
        kept.iter()
            .filter(|row| row.verified())
            .all(|row| row.wall_ns.is_some())
    );
    bench.expect(&["report", "results/merged"], 0);
    let page = fs::read_to_string(bench.path("results/merged/report.md")).unwrap();
    let note = format!(
        "times and memory are those of {}; those of {withheld} rows",
        host.machine
    );
    assert!(
        page.contains(&note) && page.contains("elsewhere: "),
        "{page}"
    );
}

#[test]
fn a_shard_waits_while_another_one_runs_on_its_machine() {
    let bench = bench();
    // Other tests run shards too: wait for a turn as they do.
    let name = SocketAddr::from_abstract_name(turn::NAME).unwrap();
    let other = loop {
        match UnixListener::bind_addr(&name) {
            Ok(other) => break other,
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    let shard = ["run", "whole", "--shard", "1/9", "--into", "results/w"];
    let mut child = bench
        .command(&shard)
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut lines = std::io::BufReader::new(child.stderr.take().unwrap());
    while !said.contains("another shard runs on this machine") {
        let read = std::io::BufRead::read_line(&mut lines, &mut said).unwrap();
        assert!(read > 0, "it did not wait: {said}");
    }
    assert!(!bench.path("results/w/rows.csv").exists());
    drop(other);
    std::io::Read::read_to_string(&mut lines, &mut said).unwrap();
    assert!(child.wait().unwrap().success(), "{said}");
    assert!(bench.path("results/w/rows.csv").exists());
}

#[test]
fn a_shard_that_is_moved_to_another_machine_does_not_go_on_in_its_folder() {
    let bench = bench();
    let folders = dealt(&bench, 2);
    let path = bench.path(&folders[0]);
    let host = Results::load(&path).unwrap().host;
    let shard = ["run", "whole", "--shard", "1/2", "--into", &folders[0]];
    let rebooted = Host {
        boot: "another".into(),
        ..host.clone()
    };
    write_host(&path, &rebooted).unwrap();
    bench.expect(&shard, 0);
    let moved = Host {
        machine: "elsewhere".into(),
        ..host
    };
    write_host(&path, &moved).unwrap();
    let said = bench.expect(&shard, 2);
    assert!(said.contains("was begun on elsewhere"), "{said}");
}

#[test]
fn the_plan_as_json_has_every_trial() {
    let bench = bench();
    let output = bench.run(&["list", "whole", "--json", "--steps"]);
    let plan: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let trials = plan[0]["trials"].as_array().unwrap();
    // Two probes; six methods under two cases in two samples, one of them in the first alone.
    assert_eq!(trials.len(), 2 + 6 * 2 * 2 - 2);
    assert_eq!(trials[2]["doer"], "raw");
    assert_eq!(trials[2]["case"], "policy=all");
    assert_eq!(trials[2]["steps"][0], "publish v1");
    let absent = &plan[0]["doers"][5];
    assert_eq!(absent["name"], "absent");
    assert!(absent["skipped"].as_str().unwrap().contains("some-package"));
    for wrong in ["17/16", "0/2", "x"] {
        bench.expect(&["run", "whole", "--shard", wrong], 2);
    }
}
