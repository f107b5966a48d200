//! `nearest` chooses the base that holds most of an image, says when none does, and chooses by the figure that
//! experiment n is about.

use delta_lab::stats::predict::NEAREST;

use crate::bench::{Bench, checkout, noise, text};

/// `new.bin` is `old.bin` with 20 kB put in; `half.bin` holds half of it, `other.bin` nothing.
fn bench() -> Bench {
    let bench = Bench::new();
    let (old, other) = (noise(1, 3_000_000), noise(2, 3_000_000));
    let new = [&old[..2_000_000], &noise(3, 20_000), &old[2_000_000..]].concat();
    bench.write(
        "half.bin",
        [&old[..1_500_000], &other[..1_500_000]].concat(),
    );
    bench.write("old.bin", old);
    bench.write("other.bin", other);
    bench.write("new.bin", new);
    bench
}

/// What `nearest` prints.
fn nearest(bench: &Bench, words: &[&str]) -> String {
    let output = bench.run(&[&["nearest"], words].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn the_base_that_holds_most_is_chosen_in_any_order_and_none_where_none_helps() {
    let bench = bench();
    let chosen = nearest(&bench, &["new.bin", "other.bin", "old.bin", "half.bin"]);
    assert!(
        chosen.contains("\nuse old.bin: sure, the next best needs "),
        "{chosen}"
    );
    let order: Vec<&str> = chosen
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(order, ["old.bin", "half.bin", "other.bin", "use"]);
    let none = nearest(&bench, &["new.bin", "other.bin"]);
    assert!(
        none.contains("use none: the best, other.bin, holds next to nothing"),
        "{none}"
    );
    let json = nearest(&bench, &["new.bin", "half.bin", "old.bin", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json["base"], &json["sure"]),
        (&"old.bin".into(), &"sure".into())
    );
    assert_eq!(json["bases"][0]["base"], "half.bin");
}

#[test]
fn an_image_that_is_not_there_is_named() {
    let bench = bench();
    for gone in [["new.bin", "gone.bin"], ["gone.bin", "old.bin"]] {
        let said = bench.expect(&["nearest", gone[0], gone[1]], 2);
        assert!(said.contains("gone.bin: no such file"), "{said}");
    }
}

#[test]
fn the_experiments_judge_the_figure_by_which_it_chooses_over_all_methods() {
    let of_both = [
        // Least of all, and little.
        ("n-similarity", &["regret_place", "regret_ppm"][..]),
        // Layers are few and small: little.
        ("n-layers", &["regret_ppm"]),
    ];
    for (name, measures) in of_both {
        let file = checkout().join(format!("scenarios/experiments/{name}.toml"));
        let scenario = std::fs::read_to_string(file).unwrap();
        let scenario: toml::Table = scenario.parse().unwrap();
        let expects = scenario["expect"].as_array().unwrap();
        let judged = expects
            .iter()
            .filter(|expect| expect["of"]["by"].as_str() == Some(NEAREST));
        let judged: Vec<_> = judged
            .map(|expect| {
                assert!(expect["of"].get("method").is_none());
                expect["measure"].as_str().unwrap()
            })
            .collect();
        assert_eq!(judged, measures, "{name}");
        let first = expects[0].get("equals").and_then(toml::Value::as_integer);
        assert_eq!(first, (name == "n-similarity").then_some(1), "{name}");
    }
}
