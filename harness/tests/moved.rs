//! A Docker tag that names another image by now: on a command line that one is meant, in a scenario the one that was saved.

use delta_lab::record::Results;

use crate::bench::{Bench, noise, text};

/// An engine as far as the lab asks one: each tag is a file in the folder `engine`.
const ENGINE: &str = r#"#!/bin/sh
for last; do :; done
case "$1 $2" in
"version --format") echo 20.10.24 ;;
"image inspect")
  [ -f "ENGINE/$last" ] || { echo "Error: No such image: $last" >&2; exit 1; }
  echo "sha256:$(sha256sum <"ENGINE/$last" | cut -c 1-64) 0" ;;
"save -o") cp "ENGINE/$last" "$3" ;;
*) echo "not asked for: $*" >&2; exit 1 ;;
esac
"#;

fn engine() -> Bench {
    let bench = Bench::new();
    let engine = bench.path("engine");
    bench.write_program(
        "bin/docker",
        ENGINE.replace("ENGINE", &engine.display().to_string()),
    );
    bench.write("engine/shop:main", noise(1, 100_000));
    bench.write("engine/shop:pr", noise(2, 100_000));
    bench
}

fn run(bench: &Bench, args: &[&str]) -> String {
    let path = std::env::var("PATH").unwrap();
    let output = bench
        .command(args)
        .env("PATH", format!("{}:{path}", bench.path("bin").display()))
        .output()
        .unwrap();
    let said = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    said
}

/// The length of the newest image in a results folder.
fn newest(bench: &Bench, into: &str) -> u64 {
    let rows = Results::load(&bench.path(into)).unwrap().rows;
    let mut rows = rows
        .iter()
        .filter(|row| &*row.image == "shop-pr" || &*row.image == "pr");
    rows.next_back().unwrap().image_bytes
}

#[test]
fn a_command_line_means_the_image_that_has_the_tag_now() {
    let bench = engine();
    let compare = |into| {
        [
            "compare",
            "shop:main",
            "shop:pr",
            "-m",
            "raw",
            "--into",
            into,
        ]
    };
    run(&bench, &compare("results/one"));
    assert_eq!(newest(&bench, "results/one"), 100_000);
    bench.write("engine/shop:pr", noise(3, 123_000));
    let said = run(&bench, &compare("results/two"));
    assert!(
        said.contains("shop:pr is another image in the engine by now"),
        "{said}"
    );
    assert!(!said.contains("shop:main is another"), "{said}");
    assert_eq!(newest(&bench, "results/two"), 123_000);
    let said = run(&bench, &compare("results/three"));
    assert!(!said.contains("by now"), "{said}");
}

#[test]
fn a_scenario_keeps_to_the_image_that_was_saved_and_says_so() {
    let bench = engine();
    let images = [("main", "shop:main"), ("pr", "shop:pr")];
    let images =
        images.map(|(name, tag)| format!("[[image]]\nname = \"{name}\"\ndocker = \"{tag}\"\n"));
    let scenario = format!("about = \"\"\nmethods = [\"raw\"]\n{}", images.concat());
    bench.write("scenarios/shop.toml", scenario);
    run(&bench, &["run", "shop", "--into", "results/one"]);
    bench.write("engine/shop:pr", noise(3, 123_000));
    let said = run(&bench, &["run", "shop", "--into", "results/two"]);
    assert!(
        said.contains("shop:pr is another image in the engine by now"),
        "{said}"
    );
    assert!(said.contains("delta-lab save --refresh"), "{said}");
    assert_eq!(newest(&bench, "results/two"), 100_000);
    run(&bench, &["save", "shop", "--refresh"]);
    let said = run(&bench, &["run", "shop", "--into", "results/three"]);
    assert!(!said.contains("by now"), "{said}");
    assert_eq!(newest(&bench, "results/three"), 123_000);
}
