//! Invented results for tests of the reading half: plausible sizes, from a seed.

use std::ops::Range;

use crate::record::{
    Act, Case, Check, Finding, Host, Move, Plan, PlannedCase, PlannedImage, PlannedMethod, Results,
    Row, SCHEMA, ScenarioPlan, Verb,
};

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

/// A move of the plan; images and bases by their places.
type Deed = (Verb, usize, Vec<usize>);

/// A results folder with one scenario `name` of `methods`, `images` and `samples`, without axes: every image is
/// published for clients of all earlier ones, the newest updated from nothing and from each. Every row is verified.
pub fn results(name: &str, methods: usize, images: usize, samples: u32) -> Results {
    with_cases(name, methods, images, samples, &[("", all(images))])
}

/// A scenario whose axis `policy` has the values `all` and `previous`; one sample.
pub fn policies(methods: usize, images: usize) -> Results {
    let mut previous = publishes(images, |image| image.saturating_sub(1)..image);
    previous.push((Verb::Update, images - 1, Vec::new()));
    previous.push((Verb::Update, images - 1, vec![images - 2]));
    let cases = [("policy=all", all(images)), ("policy=previous", previous)];
    with_cases("smoke", methods, images, 1, &cases)
}

/// A scenario whose client updates to each image from the one before; one sample.
pub fn every_step(methods: usize, images: usize) -> Results {
    let before = |image: usize| image.saturating_sub(1)..image;
    let mut moves = publishes(images, before);
    moves.extend((0..images).map(|image| (Verb::Update, image, before(image).collect())));
    with_cases("steps", methods, images, 1, &[("", moves)])
}

/// Nine releases under two policies: updates to the newest from each, and those of clients that take every, every second and
/// every fourth release; one sample.
pub fn skipping(methods: usize) -> Results {
    const IMAGES: usize = 9;
    let mut moves = publishes(IMAGES, |image| image.saturating_sub(4)..image);
    for image in 1..IMAGES {
        let strides = [4, 2, 1].into_iter();
        let made = strides.filter(|stride| image.is_multiple_of(*stride));
        moves.extend(made.map(|stride| (Verb::Update, image, vec![image - stride])));
    }
    let cases = [("policy=all", all(IMAGES)), ("policy=cadence", moves)];
    with_cases("skipping", methods, IMAGES, 1, &cases)
}

fn all(images: usize) -> Vec<Deed> {
    let mut moves = publishes(images, |image| 0..image);
    moves.push((Verb::Update, images - 1, Vec::new()));
    moves.extend((0..images - 1).map(|base| (Verb::Update, images - 1, vec![base])));
    moves
}

fn publishes(images: usize, bases: fn(usize) -> Range<usize>) -> Vec<Deed> {
    (0..images)
        .map(|image| (Verb::Publish, image, bases(image).collect()))
        .collect()
}

fn with_cases(
    name: &str,
    methods: usize,
    images: usize,
    samples: u32,
    cases: &[(&str, Vec<Deed>)],
) -> Results {
    let mut dice = Dice(1);
    let mut rows = Vec::new();
    for (case, moves) in cases {
        let case: Case = case.parse().expect("a case of a test");
        for method in &METHODS[..methods] {
            for sample in 1..=samples {
                for (verb, image, bases) in moves {
                    let row = Row {
                        scenario: name.into(),
                        case: case.clone(),
                        sample,
                        ..row(method, *verb, *image, bases, &mut dice)
                    };
                    rows.push(row);
                }
            }
        }
    }
    let plan = ScenarioPlan {
        name: name.into(),
        about: "invented images".into(),
        samples,
        images: (0..images).map(planned_image).collect(),
        methods: METHODS[..methods].iter().map(planned_method).collect(),
        cases: cases.iter().map(planned_case).collect(),
        ..ScenarioPlan::default()
    };
    Results {
        dir: "results/invented".into(),
        plan: Plan {
            schema: SCHEMA,
            scenarios: vec![plan],
        },
        rows,
        findings: Vec::new(),
        host: host(),
        ..Results::default()
    }
}

fn planned_image(at: usize) -> PlannedImage {
    let (name, bytes, sha256) = image(at);
    let about = [
        ("layout", if at == 0 { "legacy" } else { "oci" }.to_string()),
        ("engine", "docker 20.10.24".to_string()),
        ("layers_compressed", "no".to_string()),
        ("largest_layer_bytes", (80_000_000 + at).to_string()),
        ("image_bytes", bytes.to_string()),
    ];
    PlannedImage {
        name,
        form: None,
        bytes,
        sha256,
        about: about
            .into_iter()
            .map(|(key, value)| (key.to_string(), value))
            .collect(),
    }
}

fn planned_method(method: &Invented) -> PlannedMethod {
    PlannedMethod {
        name: method.0.into(),
        version: Some(format!("{} 1.2.3", method.0)),
        skipped: None,
        once: false,
    }
}

fn planned_case((case, moves): &(&str, Vec<Deed>)) -> PlannedCase {
    let named = |(verb, at, bases): &Deed| Move {
        verb: *verb,
        image: image(*at).0,
        bases: bases.iter().map(|base| image(*base).0).collect(),
    };
    PlannedCase {
        case: case.parse().expect("a case of a test"),
        moves: moves.iter().map(named).collect(),
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

fn row(method: &Invented, verb: Verb, at: usize, bases: &[usize], dice: &mut Dice) -> Row {
    let (name, image_bytes, image_sha256) = image(at);
    let mut row = Row {
        schema: SCHEMA,
        method: method.0.into(),
        version: format!("{} 1.2.3", method.0).into(),
        verb,
        image: name.into(),
        image_sha256: image_sha256.into(),
        bases: bases.iter().map(|base| image(*base).0).collect(),
        bases_sha256: bases
            .iter()
            .map(|base| image(*base).2)
            .collect::<Vec<_>>()
            .join("+")
            .into(),
        image_bytes,
        peak_rss_bytes: Some(12_000_000 + image_bytes / (1 + method.3)),
        check: Check::Exact,
        ..Row::default()
    };
    match verb {
        Verb::Publish => publish(&mut row, method, at, dice),
        _ => update(&mut row, method, at, bases.iter().max(), dice),
    }
    row
}

fn publish(row: &mut Row, method: &Invented, at: usize, dice: &mut Dice) {
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
}

fn update(row: &mut Row, method: &Invented, at: usize, nearest: Option<&usize>, dice: &mut Dice) {
    let mut share = method.1;
    let mut requests = if method.3 == 1 { 1 } else { 2_000 + method.3 };
    if let Some(nearest) = nearest {
        // Each release in between adds as much again.
        share = (method.2 * (at - nearest) as f64).min(method.1);
        requests = method.3 * (at - nearest) as u64;
    }
    let payload = (row.image_bytes as f64 * share) as u64;
    row.payload_bytes = Some(payload);
    row.header_bytes = Some(requests * 312);
    row.upload_bytes = Some(0);
    row.requests = Some(requests);
    row.wall_ns = Some(dice.near(80e6 + requests as f64 * 4e5 + payload as f64 * 3.0));
    row.cpu_ns = row.wall_ns.map(|wall| wall / 2);
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
                base_read_bytes: None,
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
        row.verb == Verb::Update && !row.bases.is_empty()
    });
    results
}

/// What a probe found of every image but the first: two figures of the whole, and one for each of `parts`.
pub fn add_findings(results: &mut Results, probe: &str, images: usize, parts: usize) {
    for at in 1..images {
        let act = Act {
            scenario: results.plan.scenarios[0].name.clone(),
            doer: probe.into(),
            verb: Verb::Probe,
            image: image(at).0,
            bases: [image(at - 1).0].into_iter().collect(),
            sample: 1,
            ..Act::default()
        };
        let mut find = |part: &str, measure: &str, value: i64| {
            results
                .findings
                .push(Finding::of(&act, part, measure, value));
        };
        find("", "layers", 7);
        find("", "shared_layer_bytes", 90_000_000 + at as i64);
        for part in 0..parts {
            find(&format!("layer {}", part + 1), "layer_bytes", 1_000 << part);
        }
    }
    results.plan.scenarios[0].probes.push(probe.into());
}

fn host() -> Host {
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
        ..Host::default()
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
