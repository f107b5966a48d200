//! A publish counts when a client with nothing rebuilt the image from its store. One that leaves the same store as another
//! sample did is proven by that one's client.

use delta_lab::record::Verb;

use crate::bench::{Bench, has};

/// Three samples of two images by a method that writes down its steps.
fn bench(publish: &str) -> Bench {
    Bench::counting("often", 3, publish)
}

#[test]
fn a_store_that_every_sample_leaves_is_proven_once() {
    if !has("curl") {
        return;
    }
    let bench = bench(r#"cp "$image" "$store/$name""#);
    bench.expect(&["run", "often", "--into", "results/r"], 0);
    assert_eq!(bench.count("publish-old"), 3);
    // No update of `old` is in the plan: this one was its proof.
    assert_eq!(bench.count("update-old"), 1);
    let planned = bench.rows("results/r");
    let updates = planned.iter().filter(|row| row.verb == Verb::Update);
    assert_eq!(bench.count("update-new"), updates.count());
}

#[test]
fn a_store_that_differs_in_anything_is_proven_again() {
    if !has("curl") {
        return;
    }
    // The same names and lengths, and another letter in each sample.
    let bench = bench(
        "cp \"$image\" \"$store/$name\"\nwc -l <$counts/publish-$name | tr -d '\\n' >\"$store/sample-$name\"",
    );
    bench.expect(&["run", "often", "--into", "results/r"], 0);
    assert_eq!(bench.count("update-old"), 3);
}

#[test]
fn a_later_sample_whose_store_gives_nothing_fails() {
    if !has("curl") {
        return;
    }
    let bench = bench(
        "cp \"$image\" \"$store/$name\"\nif [ $name = old ] && [ $(wc -l <$counts/publish-old) = 2 ]; then\n\
         printf x | dd of=\"$store/$name\" conv=notrunc status=none; fi",
    );
    bench.expect(&["run", "often", "--into", "results/r"], 1);
    for row in bench.rows("results/r") {
        assert_eq!(row.verified(), row.sample != 2, "{}", row.act());
        let is_first = row.verb == Verb::Publish && row.image == "old";
        let said = row.error.contains("a client with nothing can't rebuild it");
        assert_eq!(said, is_first && row.sample == 2, "{}", row.error);
    }
}
