//! Servers that answer few ranges at once (the axis `ranges`): a client may get the whole object instead, or an error.

use delta_lab::record::{Row, Verb};

use crate::bench::{Bench, has};

const LIMITS: &str = r#"["all", "whole:1", "501:1"]"#;

/// A method whose client asks for two ranges of the image before it fetches the image.
const ASKS: &str = r#"
about = "a test"
version = ["curl", "--version"]
[publish]
run = [["cp", "{image}", "{store}/{name}"]]
[update]
run = [
  ["curl", "-fsS", "-r", "0-9,20-29", "-o", "{tmp}/two", "{url}/{name}"],
  ["curl", "-fsS", "-o", "{out}", "{url}/{name}"],
]
"#;

fn rows(methods: &[&str]) -> (Bench, Vec<Row>) {
    let bench = Bench::new();
    bench.pair("few", methods);
    let text = std::fs::read_to_string(bench.path("scenarios/few.toml")).unwrap();
    let axes = format!("axes = {{ ranges = {LIMITS} }}\nmethods");
    bench.write("scenarios/few.toml", text.replacen("methods", &axes, 1));
    bench.write("scenarios/methods/asks.toml", ASKS);
    bench.run(&["run", "few", "--into", "results/r"]);
    let rows = bench.rows("results/r");
    (bench, rows)
}

#[test]
fn what_a_server_makes_of_two_ranges_is_in_the_bytes_or_fails_the_update_alone() {
    if !has("curl") {
        return;
    }
    let (bench, rows) = rows(&["asks"]);
    let image = std::fs::metadata(bench.path("scenarios/new.bin"))
        .unwrap()
        .len();
    for row in rows {
        let ranges = row.case.get("ranges").unwrap();
        let said = format!("{}: {}", row.act(), row.error);
        if row.verb == Verb::Publish {
            // A store is proven by a server without limits, whatever its clients meet.
            assert!(row.verified(), "{said}");
            continue;
        }
        match ranges {
            "501:1" => assert!(row.error.contains("curl exited with 22"), "{said}"),
            "whole:1" => assert_eq!(row.payload_bytes, Some(2 * image), "{said}"),
            _ => assert!(row.payload_bytes.unwrap() < image + 1000, "{said}"),
        }
    }
}

/// Our own clients ask for one range at a time, or do without.
#[test]
fn built_in_methods_do_not_mind() {
    let methods = [
        "fastcdc/16k",
        "fastcdc-pack/16k",
        "bita/16k",
        "layers",
        "zstd-patch/3",
    ];
    let (_bench, rows) = rows(&methods);
    let updates = rows
        .iter()
        .filter(|row| row.verb == Verb::Update && row.case.get("ranges") == Some("all"));
    for row in updates {
        for other in rows.iter().filter(|it| {
            (&it.method, it.verb, &it.image, &it.bases)
                == (&row.method, row.verb, &row.image, &row.bases)
        }) {
            assert_eq!(
                (other.check, other.payload_bytes),
                (row.check, row.payload_bytes),
                "{}: {}",
                other.act(),
                other.error
            );
        }
    }
}
