//! A results folder of a million rows is read, reported and compared in little memory.

use std::fs;
use std::io::Write;
use std::time::Instant;

use delta_lab::dice::Dice;
use nix::sys::resource::{UsageWho, getrusage};

use crate::bench::Bench;

const SCENARIOS: usize = 4;
const METHODS: usize = 20;
const IMAGES: usize = 12;
const SAMPLES: u64 = 105;
const POLICIES: [&str; 5] = ["all", "every-step", "growing", "newest", "previous"];

/// The moves of each case: every image published, the newest updated from nothing and from each earlier one.
fn moves() -> Vec<(&'static str, usize, Option<usize>)> {
    let newest = IMAGES - 1;
    let publishes = (0..IMAGES).map(|image| ("publish", image, None));
    let updates = (0..newest).map(|base| ("update", newest, Some(base)));
    publishes
        .chain([("update", newest, None)])
        .chain(updates)
        .collect()
}

fn plan() -> String {
    let mut plan = String::from("schema = 2\n");
    for scenario in 0..SCENARIOS {
        plan += &format!("[[scenario]]\nname = \"history-{scenario}\"\nsamples = {SAMPLES}\n");
        for image in 0..IMAGES {
            plan += &format!(
                "[[scenario.image]]\nname = \"v{image}\"\nbytes = 250000000\nsha256 = \"{}\"\n",
                format!("{image:02x}").repeat(32)
            );
        }
        for method in 0..METHODS {
            plan += &format!("[[scenario.method]]\nname = \"m/{method}\"\nversion = \"m 1.2\"\n");
        }
        for policy in POLICIES {
            plan += &format!("[[scenario.case]]\ncase = \"policy={policy}\"\n");
            for (verb, image, base) in moves() {
                let bases = base.map_or(String::new(), |base| format!("bases = \"v{base}\"\n"));
                plan += &format!(
                    "[[scenario.case.moves]]\nverb = \"{verb}\"\nimage = \"v{image}\"\n{bases}"
                );
            }
        }
    }
    plan
}

/// rows.csv of every act of the plan; the times differ by `seed`.
fn rows(seed: u64, to: &mut impl Write) -> usize {
    let mut dice = Dice::new(seed);
    let mut count = 0;
    writeln!(to, "schema,scenario,method,version,case,verb,image,image_sha256,bases,bases_sha256,sample,image_bytes,payload_bytes,header_bytes,upload_bytes,requests,store_bytes,store_files,wall_ns,cpu_ns,peak_rss_bytes,check,error").unwrap();
    let sha = |image: usize| format!("{image:02x}").repeat(32);
    for scenario in 0..SCENARIOS {
        for policy in POLICIES {
            for method in 0..METHODS {
                for sample in 1..=SAMPLES {
                    for (verb, image, base) in moves() {
                        let (bases, base_sha) =
                            base.map_or(Default::default(), |base| (format!("v{base}"), sha(base)));
                        let cost = 1000 * (method as u64 + 1) * (image as u64 + 3);
                        let figures = match verb {
                            "publish" => format!(",,,,{cost},2"),
                            _ => format!("{cost},612,0,{},,", method + 1),
                        };
                        let wall = cost * 900 + dice.below(cost * 200);
                        writeln!(
                            to,
                            "2,history-{scenario},m/{method},m 1.2,policy={policy},{verb},v{image},{},{bases},{base_sha},{sample},250000000,{figures},{wall},{},{},exact,",
                            sha(image),
                            wall / 2,
                            8_000_000 + cost,
                        )
                        .unwrap();
                        count += 1;
                    }
                }
            }
        }
    }
    count
}

/// Asked for by name, since it writes 500 MB: `cargo test --release --test claims a_million_rows -- --ignored --nocapture`.
#[test]
#[ignore = "writes 500 MB"]
fn a_million_rows_are_reported_and_compared_in_less_than_a_gigabyte() {
    let bench = Bench::new();
    for (seed, folder) in [(1, "results/a"), (2, "results/b")] {
        bench.write(&format!("{folder}/plan.toml"), plan());
        let file = fs::File::create(bench.path(folder).join("rows.csv")).unwrap();
        let count = rows(seed, &mut std::io::BufWriter::new(file));
        assert!(count >= 1_000_000, "{count} rows");
    }
    for args in [
        &["report", "results/a"][..],
        &["diff", "results/a", "results/b"],
        &["diff", "results/a", "results/b", "--paired"],
    ] {
        let began = Instant::now();
        let output = bench.run(args);
        let took = began.elapsed();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{said}");
        // The largest child so far, in kB.
        let peak = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss();
        eprintln!("{args:?}: {:.1} s, {} MB", took.as_secs_f64(), peak / 1000);
        assert!(peak < 1_000_000, "{args:?}: {peak} kB");
    }
}
