//! The words that name methods, in a scenario and after `-m`: what they stand for, and what is said of a wrong one.

use std::fs;

use crate::bench::{Bench, checkout, text};

/// A folder with a pair of images, casync's file and a scenario whose list of methods stands on line 2.
fn bench(methods: &[&str]) -> Bench {
    let bench = Bench::new();
    bench.pair("pair", methods);
    for file in ["casync.toml", "zsync.toml"] {
        let from = checkout().join("scenarios/methods").join(file);
        fs::copy(from, bench.path("scenarios/methods").join(file)).unwrap();
    }
    bench
}

/// The methods that `list` shows, in order.
fn listed(bench: &Bench, args: &[&str]) -> Vec<String> {
    let output = bench.run(&[&["list", "pair"], args].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let out = text(&output.stdout);
    out.lines()
        .filter_map(|line| line.trim().strip_prefix("method  "))
        .map(|line| line.split_whitespace().next().unwrap().to_string())
        .collect()
}

#[test]
fn braces_stand_for_one_method_each_in_their_order() {
    let bench = bench(&["raw", "fastcdc/{4k, 8k,16k}", "casync/{64k,16k}", "zsync"]);
    let names = [
        "raw",
        "fastcdc/4k",
        "fastcdc/8k",
        "fastcdc/16k",
        "casync/64k",
        "casync/16k",
        "zsync",
    ];
    assert_eq!(listed(&bench, &[]), names);
}

#[test]
fn after_m_words_are_separated_by_commas_outside_of_braces() {
    let bench = bench(&["raw"]);
    let methods = &["-m", "gzip/9,fastcdc/{32k,65536},raw", "-m", "fastcdc/64k"];
    let names = ["gzip/9", "fastcdc/32k", "fastcdc/64k", "raw"];
    assert_eq!(listed(&bench, methods), names);
}

#[test]
fn what_a_shell_makes_of_braces_without_quotes_is_explained() {
    let bench = bench(&["raw"]);
    let said = bench.expect(&["list", "pair", "-m", "fastcdc/4k", "fastcdc/8k"], 2);
    assert!(said.contains("write quotes around the braces"), "{said}");
    // Not for a scenario that has nothing to do with them.
    let said = bench.expect(&["list", "nothing", "-m", "fastcdc/4k"], 2);
    assert!(said.contains("no scenario `nothing`"), "{said}");
}

#[test]
fn a_wrong_word_is_refused_with_its_line_and_what_is_right() {
    for (word, said) in [
        (
            "fastcdc",
            "`fastcdc` needs a SIZE: write `fastcdc/16k`, or several as `fastcdc/{16k,64k,256k}`; an average chunk is 256 to 4m, a multiple of 8 bytes",
        ),
        (
            "gzip",
            "`gzip` needs a LEVEL: write `gzip/6`; a level is 1 to 9",
        ),
        (
            "fastcdc/5m",
            "`fastcdc/5m`: an average chunk is 256 to 4m, a multiple of 8 bytes",
        ),
        (
            "fastcdc/{64k,1001}",
            "`fastcdc/1001`: an average chunk is 256 to 4m, a multiple of 8 bytes",
        ),
        (
            "bita/48k",
            "`bita/48k`: an average chunk is 1k to 4m, a power of two",
        ),
        ("fixed/17m", "`fixed/17m`: a chunk is 64 to 16m"),
        ("zstd/23", "`zstd/23`: a level is 1 to 22"),
        ("zstd-patch/0", "`zstd-patch/0`: a level is 1 to 22"),
        ("gzip/10", "`gzip/10`: a level is 1 to 9"),
        (
            "xdelta3/9",
            "`xdelta3/9`: xdelta3 takes no parameter: write `xdelta3`",
        ),
        (
            "zsync/9",
            "`zsync/9`: zsync takes no parameter: write `zsync`",
        ),
        (
            "casync",
            "`casync` needs a parameter: write `casync/16k`, `casync/64k` or `casync/256k`, or several as `casync/{16k,64k,256k}`",
        ),
        (
            "casync/65k",
            "unknown method `casync/65k`; did you mean `casync/64k`?",
        ),
        (
            "fastcd/32k",
            "unknown method `fastcd/32k`; did you mean `fastcdc/32k`?",
        ),
        (
            "casinc/{64k}",
            "unknown method `casinc/64k`; did you mean `casync/64k`?",
        ),
        ("bsdif", "unknown method `bsdif`; did you mean `bsdiff`?"),
        ("gzip/{6", "`gzip/{6`: a `{` without its `}`"),
        ("gzip/6}", "`gzip/6}`: a `}` without its `{`"),
        (
            "gzip/{6,}",
            "`gzip/{6,}`: an empty value between the braces",
        ),
        (
            "gzip/{6,{7}}",
            "`gzip/{6,{7}}`: braces hold values and commas, such as `fastcdc/{16k,64k}`",
        ),
        (
            "fastcdc/{64k,65536}",
            "method `fastcdc/64k` is listed twice",
        ),
    ] {
        let bench = bench(&[word]);
        let err = bench.expect(&["list", "pair"], 2);
        let place = "scenarios/pair.toml:2: ";
        assert!(
            err.contains(&format!("{place}{said}")),
            "`{said}` is not in: {err}"
        );
    }
}

#[test]
fn a_declared_method_cannot_take_the_name_of_a_built_in_one() {
    let bench = bench(&["raw"]);
    fs::rename(
        bench.path("scenarios/methods/casync.toml"),
        bench.path("scenarios/methods/fastcdc.toml"),
    )
    .unwrap();
    let err = bench.expect(&["list", "pair"], 2);
    let said = "scenarios/methods/fastcdc.toml: there is a method `fastcdc` already";
    assert!(err.contains(said), "{err}");
}
