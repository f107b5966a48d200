//! Invented results for tests of the reading half: plausible sizes, from a seed.

use std::collections::BTreeMap;

use crate::record::{Check, Fact, Host, Results, Row, SCHEMA, Step};

/// Name, share of an image that a full update moves, share that a delta moves, requests of a delta,
/// bytes a second published.
type Invented = (&'static str, f64, f64, u64, f64);

/// As in the field: four orders between the best delta and the raw image.
const METHODS: &[Invented] = &[
    ("raw", 1.0, 1.0, 1, 900e6),
    ("fastcdc/64k", 0.36, 0.0143, 64, 180e6),
    ("xdelta3", 1.0, 0.000_03, 1, 14e6),
    ("gzip/6", 0.40, 0.40, 1, 40e6),
    ("zstd/3", 0.33, 0.33, 1, 300e6),
    ("zstd/19", 0.27, 0.27, 1, 2e6),
    ("fixed/64k", 0.37, 0.21, 1_512, 200e6),
    ("fastcdc/16k", 0.38, 0.0076, 131, 150e6),
    ("fastcdc/256k", 0.35, 0.031, 38, 190e6),
    ("zstd-patch/3", 0.33, 0.000_15, 1, 110e6),
    ("zstd-patch/19", 0.27, 0.000_11, 1, 1.5e6),
    ("layers", 0.39, 0.1086, 3, 35e6),
    ("casync/16k", 0.41, 0.0081, 1_064, 60e6),
    ("casync/64k", 0.40, 0.0149, 695, 70e6),
    ("casync/256k", 0.39, 0.034, 212, 80e6),
    ("xdelta3-cli/default-window-64MiB", 1.0, 0.0251, 1, 12e6),
    ("xdelta3-cli/whole-base", 1.0, 0.000_031, 1, 11e6),
    ("zsync", 0.42, 0.0046, 187, 50e6),
    ("zchunk/with-a-dictionary", 0.35, 0.019, 321, 45e6),
    ("bsdiff", 1.0, 0.000_06, 1, 0.9e6),
];

/// A results folder with one scenario `name` of `methods`, `images` and `samples`; every row is verified.
pub fn results(name: &str, methods: usize, images: usize, samples: u32) -> Results {
    let mut dice = Dice(1);
    let mut rows = Vec::new();
    for method in &METHODS[..methods] {
        for sample in 1..=samples {
            for at in 0..images {
                rows.push(publish(name, method, at, sample, &mut dice));
            }
            rows.push(update(name, method, images - 1, None, sample, &mut dice));
            for base in 0..images - 1 {
                let base = Some(base);
                rows.push(update(name, method, images - 1, base, sample, &mut dice));
            }
        }
    }
    Results {
        dir: "results/invented".into(),
        rows,
        facts: facts(name, images),
        host: host(methods),
    }
}

/// `v1`, `v2`, ... of about 129 MB, each a little larger than the one before.
fn image(at: usize) -> (String, u64, String) {
    let name = format!("v{}", at + 1);
    (
        name,
        128_000_000 + 1_234_567 * at as u64,
        format!("{:02x}", 0xa0 + at).repeat(32),
    )
}

fn row(scenario: &str, method: &Invented, step: Step, at: usize, sample: u32) -> Row {
    let (image, image_bytes, image_sha256) = image(at);
    Row {
        schema: SCHEMA,
        scenario: scenario.into(),
        method: method.0.into(),
        version: format!("{} 1.2.3", method.0),
        step,
        image,
        image_sha256,
        sample,
        image_bytes,
        peak_rss_bytes: Some(12_000_000 + image_bytes / (1 + method.3)),
        check: Check::Exact,
        ..Row::default()
    }
}

fn publish(scenario: &str, method: &Invented, at: usize, sample: u32, dice: &mut Dice) -> Row {
    let mut row = row(scenario, method, Step::Publish, at, sample);
    let size = row.image_bytes as f64;
    let share = if at == 0 { method.1 } else { method.2 };
    row.store_bytes = Some((size * share) as i64);
    row.store_files = Some(if at == 0 {
        2 * method.3 as i64
    } else {
        method.3 as i64
    });
    row.wall_ns = Some(dice.near(size / method.4 * 1e9));
    row.cpu_ns = row.wall_ns.map(|wall| wall * 9 / 10);
    row
}

fn update(
    scenario: &str,
    method: &Invented,
    at: usize,
    base: Option<usize>,
    sample: u32,
    dice: &mut Dice,
) -> Row {
    let mut row = row(scenario, method, Step::Update, at, sample);
    let mut share = method.1;
    let mut requests = if method.3 == 1 { 1 } else { 2_000 + method.3 };
    if let Some(base) = base {
        // Each release in between adds as much again.
        share = (method.2 * (at - base) as f64).min(method.1);
        requests = method.3 * (at - base) as u64;
        (row.base, _, row.base_sha256) = image(base);
    }
    let payload = (row.image_bytes as f64 * share) as u64;
    row.payload_bytes = Some(payload);
    row.header_bytes = Some(requests * 312);
    row.upload_bytes = Some(0);
    row.requests = Some(requests);
    row.wall_ns = Some(dice.near(80e6 + requests as f64 * 4e5 + payload as f64 * 3.0));
    row.cpu_ns = row.wall_ns.map(|wall| wall / 2);
    row
}

/// Makes every row of `method` that `of` picks one without figures.
pub fn spoil(results: &mut Results, method: &str, check: Check, why: &str, of: fn(&Row) -> bool) {
    for row in &mut results.rows {
        if row.method == method && of(row) {
            *row = Row {
                payload_bytes: None,
                header_bytes: None,
                upload_bytes: None,
                requests: None,
                store_bytes: None,
                store_files: None,
                wall_ns: None,
                cpu_ns: None,
                peak_rss_bytes: None,
                check,
                error: why.into(),
                ..row.clone()
            };
        }
    }
}

/// Twelve methods with everything that can go wrong: two tools absent, one crash, one wrong output.
pub fn troubled(images: usize, samples: u32) -> Results {
    let mut results = results("quickstart", 16, images, samples);
    let absent = "casync is not installed: apt-get install casync";
    for method in ["casync/16k", "casync/64k"] {
        spoil(&mut results, method, Check::Skipped, absent, |_| true);
    }
    spoil(
        &mut results,
        "layers",
        Check::Failed,
        "killed by signal 11",
        |_| true,
    );
    let wrong = "the output is not the image: sha256 61ab0ddc5c5d, expected a2a2a2a2a2a2";
    spoil(&mut results, "fixed/64k", Check::Failed, wrong, |row| {
        !row.base.is_empty()
    });
    results
}

fn facts(scenario: &str, images: usize) -> Vec<Fact> {
    let fact = |at: usize, fact: &str, value: &str| Fact {
        schema: SCHEMA,
        scenario: scenario.into(),
        image: image(at).0,
        base: String::new(),
        fact: fact.into(),
        value: value.into(),
    };
    (0..images)
        .flat_map(|at| {
            [
                fact(at, "layout", if at == 0 { "legacy" } else { "oci" }),
                fact(at, "engine", "docker 20.10.24"),
                fact(at, "layers_compressed", "no"),
                fact(at, "largest_layer_bytes", &(80_000_000 + at).to_string()),
            ]
        })
        .collect()
}

fn host(methods: usize) -> Host {
    let versions: BTreeMap<String, String> = METHODS[..methods]
        .iter()
        .map(|method| (method.0.to_string(), format!("{} 1.2.3", method.0)))
        .collect();
    Host {
        schema: SCHEMA,
        lab: "0.1.0".into(),
        command: vec!["delta-lab".into(), "run".into(), "quickstart".into()],
        started: "2026-11-22T07:00:00Z".into(),
        os: "Debian GNU/Linux 12".into(),
        kernel: "6.1.0".into(),
        cpu: "Invented CPU".into(),
        cores: 2,
        memory_bytes: 8_000_000_000,
        methods: versions,
        skipped: [(
            "zsync".to_string(),
            "not installed: apt-get install zsync".to_string(),
        )]
        .into(),
    }
}

/// A few per cent of noise, the same on every machine (the generator is Knuth's MMIX).
struct Dice(u64);

impl Dice {
    fn near(&mut self, value: f64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let noise = (self.0 >> 40) as f64 / (1 << 24) as f64;
        (value * (0.95 + noise * 0.2)) as u64
    }
}
