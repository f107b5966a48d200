//! A run continues where it stopped: nothing is lost, doubled or torn. Kills at random moments are in `torture/kills`.

use crate::bench::{Bench, noise, repeatable};

/// A tool that rewrites its store in place, so that only doing its publishes again can take it back.
const IN_PLACE: &str = r#"
about = "appends every image to one file"
version = ["sh", "--version"]
[publish]
run = [["sh", "-c", "cat \"$0\" >> \"$1/all\"; sleep 0.03; wc -c < \"$1/all\" > \"$1/$2\"; wc -c < \"$0\" >> \"$1/$2\"", "{image}", "{store}", "{name}"]]
[update]
run = [["sh", "-c", "curl -sf -o at $0/$1 && curl -sf -o all $0/all && head -c $(head -n 1 at) all | tail -c $(tail -n 1 at) > $2", "{url}", "{name}", "{out}"]]
"#;

fn bench() -> Bench {
    let bench = Bench::new();
    let mut methods = vec!["raw", "fastcdc/16k", "zstd-patch/3"];
    if crate::bench::has("curl") {
        bench.write(
            "scenarios/methods/in-place.toml",
            IN_PLACE.replace("[\"sh\", \"--version\"]", "[\"curl\", \"--version\"]"),
        );
        methods.push("in-place");
    }
    bench.pair("cut", &methods);
    let text = std::fs::read_to_string(bench.path("scenarios/cut.toml")).unwrap();
    bench.write(
        "scenarios/cut.toml",
        text.replacen("methods", "samples = 2\nmethods", 1),
    );
    bench
}

#[test]
fn finished_steps_are_not_done_again() {
    let bench = bench();
    bench.expect(&["run", "cut", "--into", "results/r"], 0);
    let before = std::fs::read(bench.path("results/r/rows.csv")).unwrap();
    let err = bench.expect(&["run", "cut", "--into", "results/r"], 0);
    assert!(err.contains("nothing was left to do"), "{err}");
    assert_eq!(
        std::fs::read(bench.path("results/r/rows.csv")).unwrap(),
        before
    );
}

#[test]
fn a_torn_last_line_is_mended() {
    let bench = bench();
    bench.expect(&["run", "cut", "--into", "results/whole"], 0);
    bench.expect(&["run", "cut", "--into", "results/r"], 0);
    let rows = bench.path("results/r/rows.csv");
    let text = std::fs::read(&rows).unwrap();
    std::fs::write(&rows, &text[..text.len() - 40]).unwrap();
    bench.expect(&["run", "cut", "--into", "results/r"], 0);
    assert_eq!(
        repeatable(&bench.rows("results/r")),
        repeatable(&bench.rows("results/whole"))
    );
}

/// What is published again, and fails, leaves a store that no update can be made from.
#[test]
fn a_publish_that_failed_when_it_was_done_again_is_no_store_to_go_on_from() {
    if !crate::bench::has("curl") {
        return;
    }
    let bench = Bench::new();
    bench.pair("pair", &["moody"]);
    let switch = bench.path("switch");
    std::fs::create_dir(&switch).unwrap();
    let file = r#"
about = "a test"
version = ["curl", "--version"]
room = { read = ["SWITCH"], why = "a test" }
[publish]
run = [
  ["cp", "{image}", "{store}/{name}"],
  ["sh", "-c", "if test $1 != $2 && test -e SWITCH/fails; then mv $0/$2 $0/noise; exit 1; fi", "{store}", "old", "{name}"],
]
[update]
run = [["curl", "-fsS", "-o", "{out}", "{url}/{name}"]]
"#;
    bench.write(
        "scenarios/methods/moody.toml",
        file.replace("SWITCH", switch.to_str().unwrap()),
    );
    bench.expect(&["run", "pair", "--into", "results/r"], 0);
    let whole = repeatable(&bench.rows("results/r"));
    // The last update is to be made again, and the store of a finished trial is gone.
    let rows = bench.path("results/r/rows.csv");
    let text = std::fs::read_to_string(&rows).unwrap();
    let kept: Vec<&str> = text.lines().collect();
    let kept = kept[..kept.len() - 1].join("\n") + "\n";
    std::fs::write(&rows, kept).unwrap();
    std::fs::write(switch.join("fails"), "").unwrap();
    let err = bench.expect(&["run", "pair", "--into", "results/r"], 2);
    assert!(err.contains("done again after an interruption"), "{err}");
    std::fs::remove_file(switch.join("fails")).unwrap();
    bench.expect(&["run", "pair", "--into", "results/r"], 0);
    assert_eq!(repeatable(&bench.rows("results/r")), whole);
}

#[test]
fn two_runs_into_one_folder_are_refused() {
    let bench = bench();
    bench.write("results/r/.run.lock", "");
    let lock = std::fs::File::open(bench.path("results/r/.run.lock")).unwrap();
    lock.lock().unwrap();
    let err = bench.expect(&["run", "cut", "--into", "results/r"], 2);
    assert!(err.contains("another run is writing here"), "{err}");
}

#[test]
fn rows_of_other_images_are_not_mixed_in() {
    let bench = bench();
    bench.expect(&["run", "cut", "--into", "results/r"], 0);
    bench.write("scenarios/new.bin", noise(3, 1000));
    let err = bench.expect(&["run", "cut", "--into", "results/r"], 2);
    assert!(err.contains("holds rows of another image `new`"), "{err}");
}
