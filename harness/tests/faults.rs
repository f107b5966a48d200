//! Faults: an update that is cut or killed half way is tried again in what it left; one row has the bytes of all attempts.

use delta_lab::record::{Check, Results, Row, Verb};

use crate::bench::{Bench, has, noise};

const FAULTS: &str = "\n[axes]\nfault = [\"none\", \"cut:25%\", \"cut:75%\", \"kill:50%\"]\n";

/// A pair under every fault, the update declared as `update`: a list of commands.
fn declared(update: &str) -> Bench {
    let bench = Bench::new();
    bench.pair("pair", &["mine"]);
    let scenario = std::fs::read_to_string(bench.path("scenarios/pair.toml")).unwrap();
    let scenario = scenario.replacen("[[image]]", &format!("{FAULTS}[[image]]"), 1);
    bench.write("scenarios/pair.toml", scenario);
    bench.write(
        "scenarios/methods/mine.toml",
        format!(
            "about = \"a test\"\nversion = [\"curl\", \"--version\"]\n[publish]\nrun = [[\"cp\", \"{{image}}\", \"{{store}}/{{name}}\"]]\n[update]\nrun = [{update}]\n"
        ),
    );
    bench
}

fn updates(results: &Results) -> impl Iterator<Item = &Row> {
    results.rows.iter().filter(|row| row.verb == Verb::Update)
}

fn finding(results: &Results, row: &Row, measure: &str) -> i64 {
    let mut found = results.findings.iter();
    let found = found.find(|it| it.act() == row.act() && it.measure == measure);
    found
        .unwrap_or_else(|| panic!("{} has no {measure}", row.act()))
        .value
}

fn loaded(bench: &Bench) -> Results {
    Results::load(&bench.path("results/r")).unwrap()
}

/// The share in percent that a row's fault comes after; 0 without one.
fn percent(row: &Row) -> u64 {
    let fault = row.case.get("fault").unwrap();
    let share = fault.split_once(':').map(|(_, share)| share);
    share.map_or(0, |share| share.trim_end_matches('%').parse().unwrap())
}

#[test]
fn a_client_that_begins_again_pays_for_the_share_that_was_lost_to_the_byte() {
    let bench = declared(r#"["curl", "-sS", "-o", "{out}", "{url}/{name}"]"#);
    if !has("curl") {
        return;
    }
    bench.expect(&["run", "pair", "--into", "results/r"], 0);
    let results = loaded(&bench);
    assert_eq!(updates(&results).count(), 8);
    for row in updates(&results) {
        assert_eq!(row.check, Check::Exact, "{}: {}", row.act(), row.error);
        let whole = row.image_bytes;
        let lost = whole * percent(row) / 100;
        assert_eq!(row.payload_bytes, Some(whole + lost), "{}", row.act());
        if lost > 0 {
            assert_eq!(row.requests, Some(2));
            assert_eq!(finding(&results, row, "attempts"), 2);
            assert_eq!(finding(&results, row, "undisturbed_bytes"), whole as i64);
            assert_eq!(finding(&results, row, "first_attempt_bytes"), lost as i64);
            let percent = (whole + lost) * 100 / whole;
            assert_eq!(finding(&results, row, "resume_percent"), percent as i64);
        }
    }
}

#[test]
fn a_client_that_resumes_pays_nothing_twice_but_what_was_on_its_way() {
    // -C -: from where the output ends. --no-buffer: what came is in the file when the client is killed.
    let bench = declared(r#"["curl", "-sSN", "-C", "-", "-o", "{out}", "{url}/{name}"]"#);
    if !has("curl") {
        return;
    }
    bench.expect(&["run", "pair", "--into", "results/r"], 0);
    let results = loaded(&bench);
    for row in updates(&results) {
        assert_eq!(row.check, Check::Exact, "{}: {}", row.act(), row.error);
        let fault = row.case.get("fault").unwrap();
        // Of a killed client, what its socket held is lost with it.
        if !fault.starts_with("kill") {
            assert_eq!(row.payload_bytes, Some(row.image_bytes), "{fault}");
        }
    }
}

#[test]
fn a_resume_that_rebuilds_a_wrong_image_is_a_failed_row_and_so_is_a_cut_that_nobody_noticed() {
    // Appends the whole to what came before, and a byte, since a client that was killed early may have written nothing.
    let bench = declared(
        r#"["sh", "-c", "[ ! -e {out} ] || printf x >> {out}; curl -sSfN {url}/{name} >> {out}"]"#,
    );
    if !has("curl") {
        return;
    }
    bench.expect(&["run", "pair", "--into", "results/r"], 1);
    for row in updates(&loaded(&bench)) {
        let whole = percent(row) == 0;
        assert_eq!(row.verified(), whole, "{}: {}", row.act(), row.error);
        if !whole {
            assert!(row.error.contains("tried again after"), "{}", row.error);
            assert!(row.error.contains("wrong output"), "{}", row.error);
            assert_eq!(row.payload_bytes, None);
        }
    }
    let bench = declared(r#"["sh", "-c", "curl -sSN {url}/{name} > {out} || true"]"#);
    bench.expect(&["run", "pair", "--into", "results/r"], 1);
    for row in updates(&loaded(&bench)) {
        let fault = row.case.get("fault").unwrap().to_string();
        assert_eq!(
            row.verified(),
            !fault.starts_with("cut"),
            "{fault}: {}",
            row.error
        );
        if fault.starts_with("cut") {
            let said = "said that all was well through";
            assert!(row.error.contains(said), "{}", row.error);
        }
    }
}

#[test]
fn what_an_interrupted_client_left_in_the_way_is_removed_for_a_third_attempt() {
    let bench =
        declared(r#"["sh", "-c", "test ! -e {out} && exec curl -sSN -o {out} {url}/{name}"]"#);
    if !has("curl") {
        return;
    }
    bench.expect(&["run", "pair", "--into", "results/r"], 0);
    let results = loaded(&bench);
    // A client may be killed before it has made its output.
    let is_cut = |row: &&Row| row.case.get("fault").unwrap().starts_with("cut");
    for row in updates(&results).filter(is_cut) {
        assert_eq!(finding(&results, row, "attempts"), 3, "{}", row.act());
        let left = finding(&results, row, "left_bytes");
        assert_eq!(left, finding(&results, row, "first_attempt_bytes"));
    }
}

#[test]
fn every_built_in_method_survives_a_cut_and_a_kill() {
    let bench = Bench::new();
    let methods = [
        "raw",
        "gzip/6",
        "layers",
        "fixed/16k",
        "fastcdc/16k",
        "bita/16k",
        "zstd-patch/3",
        "xdelta3",
        "bsdiff",
        "rsync",
        "image-patch/fast",
        "tar-diff/3",
    ];
    bench.write(
        "scenarios/all.toml",
        format!(
            "about = \"\"\nmethods = {methods:?}\n[axes]\nfault = [\"cut:50%\", \"kill:50%\"]\n[[image]]\nname = \"v1\"\nsynthetic = {{ seed = 3, mib = 1 }}\n[[image]]\nname = \"v2\"\nsynthetic = {{ changes = [\"rebuild\", \"patch\"] }}\n"
        ),
    );
    bench.expect(&["run", "all", "--into", "results/r"], 0);
    let results = loaded(&bench);
    for row in updates(&results) {
        assert!(row.verified(), "{}: {}", row.act(), row.error);
        let both = row.payload_bytes.unwrap() + row.upload_bytes.unwrap();
        let one = finding(&results, row, "undisturbed_bytes");
        // Where a chunk method asks at once, the second attempt is as long as one that was left alone.
        assert!(both as i64 >= one, "{}: {both} of {one}", row.act());
        assert!(finding(&results, row, "attempts") >= 2, "{}", row.act());
    }
}

#[test]
fn a_fault_that_does_not_exist_is_refused_with_its_place() {
    let bench = Bench::new();
    bench.write("scenarios/old.bin", noise(1, 1000));
    bench.write(
        "scenarios/odd.toml",
        "about = \"\"\nmethods = [\"raw\"]\n[axes]\nfault = [\"cut:100%\"]\n[[image]]\nname = \"a\"\nfile = \"old.bin\"\n",
    );
    let err = bench.expect(&["list", "odd"], 2);
    assert!(err.contains("odd.toml:4"), "{err}");
    assert!(err.contains("the share may be 1% to 99%"), "{err}");
}
