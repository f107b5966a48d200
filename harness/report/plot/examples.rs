//! Charts of every kind for the tests, made from seeds.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::super::units;
use super::ticks::{binary, bytes, count, ratio, time};
use super::*;

fn axis(words: &str, tick: fn(f64) -> String, spacing: Spacing) -> Axis {
    Axis {
        words: words.into(),
        tick,
        spacing,
    }
}

/// Numbers from a seed.
struct Seeded(ChaCha8Rng);

impl Seeded {
    fn new(seed: u64) -> Seeded {
        Seeded(ChaCha8Rng::seed_from_u64(seed))
    }

    /// From `low` to `high`, evenly over the orders between.
    fn between(&mut self, low: f64, high: f64) -> f64 {
        let share = f64::from(self.0.next_u32()) / f64::from(u32::MAX);
        low * (high / low).powf(share)
    }
}

const METHODS: [&str; 11] = [
    "hdiffpatch",
    "bsdiff-cli",
    "zstd-patch/19",
    "xdelta3-cli/whole",
    "rsync-batch",
    "gzip-xdelta3/rsyncable",
    "casync/64k",
    "fastcdc/16k",
    "bita-cli/brotli",
    "layers",
    "raw",
];

pub fn method(at: usize) -> String {
    let (name, round) = (METHODS[at % METHODS.len()], at / METHODS.len());
    match round {
        0 => name.to_string(),
        _ => format!("{name}-{round}"),
    }
}

/// Bars of `methods` methods, three each: two with whiskers, one hatched.
pub fn bars(methods: usize, low: f64, high: f64) -> Bars {
    let mut random = Seeded::new(methods as u64);
    let mut bar = |fill| {
        let value = random.between(low, high) as u64;
        Bar::Shown {
            ends: vec![(value, fill)],
            whisker: (fill != palette::PUBLISH).then_some((value - value / 9, value + value / 7)),
            label: units::time(value),
        }
    };
    let mut groups: Vec<Group> = (0..methods)
        .map(|at| Group {
            method: method(at),
            bars: vec![
                bar(palette::DELTA),
                bar(palette::FULL),
                bar(palette::PUBLISH),
            ],
            cells: Vec::new(),
        })
        .collect();
    if let Some(group) = groups.last_mut() {
        group.bars[1] = Bar::Absent("failed, see below");
    }
    Bars {
        title: "security-update: time of each step for updates".into(),
        subtitle: "Median of 3 samples, whiskers from the fastest to the slowest. Fastest first."
            .into(),
        axis: "wall time",
        tick: time,
        legend: vec![
            (palette::DELTA, "update to updates from release".into()),
            (palette::FULL, "update to updates from nothing".into()),
            (palette::PUBLISH, "publish updates".into()),
        ],
        heads: Vec::new(),
        groups,
        notes: vec!["Skipped: desync: desync is not installed: a Go program".into()],
    }
}

/// Stores after each of several releases.
fn stores(releases: usize) -> Bars {
    let mut random = Seeded::new(releases as u64);
    let groups = (0..6).map(|at| {
        let mut size = random.between(3e7, 9e7);
        let mut sizes = Vec::new();
        for _ in 0..releases {
            sizes.push(size as u64);
            size += random.between(1e5, 6e7);
        }
        let ends = sizes.iter().enumerate();
        let ends = ends.map(|(at, size)| (*size, palette::release(at, releases)));
        Group {
            method: method(at),
            bars: vec![Bar::Shown {
                ends: ends.rev().collect(),
                whisker: None,
                label: String::new(),
            }],
            cells: sizes
                .iter()
                .rev()
                .take(3)
                .rev()
                .map(|size| units::bytes(*size))
                .collect(),
        }
    });
    Bars {
        title: "history: server storage after each release".into(),
        subtitle: "A bar's parts end at the store's size after each release.".into(),
        axis: "bytes in the store",
        tick: bytes,
        legend: (0..releases)
            .map(|at| (palette::release(at, releases), format!("after 1.{at}")))
            .collect(),
        heads: (releases.saturating_sub(3)..releases)
            .map(|at| format!("after 1.{at}"))
            .collect(),
        groups: groups.collect(),
        notes: Vec::new(),
    }
}

/// What updates cost over the chunk size, with a knee.
pub fn sweep() -> Lines {
    let mut random = Seeded::new(3);
    let sizes: Vec<f64> = (12..=20).map(|at| f64::from(1 << at)).collect();
    let names = [
        "fastcdc", "casync", "bita", "fixed", "borg", "desync", "zchunk",
    ];
    let series = names.iter().enumerate().map(|(at, name)| {
        let knee = random.between(14.5, 17.0);
        let floor = random.between(2.2e7, 4.5e7);
        let point = |size: &f64| {
            let away = size.log2() - knee;
            (*size, floor * (1.0 + away * away / 12.0))
        };
        Series {
            name: name.to_string(),
            points: sizes.iter().map(point).collect(),
            front: at < 4,
        }
    });
    Lines {
        title: "security-update: bytes of an update over the chunk size".into(),
        subtitle: "A client that holds release. Smaller chunks find more but cost an index.".into(),
        x: axis("average chunk size", binary, Spacing::Log2),
        y: axis(
            "bytes over the wire, lower is better",
            bytes,
            Spacing::Fitting,
        ),
        series: series.collect(),
        marks: vec![Mark {
            at: 32_768.0,
            words: "knee of fastcdc: 32k".into(),
        }],
        notes: Vec::new(),
    }
}

/// Stores over the releases, eight lines that end close together.
pub fn history() -> Lines {
    let mut random = Seeded::new(5);
    let releases: Vec<String> = (0..10).map(|at| format!("12.{at}")).collect();
    let series = (0..10).map(|at| {
        let mut size = random.between(5e7, 6e7);
        let mut points = Vec::new();
        for release in 0..releases.len() {
            points.push((release as f64, size));
            size += random.between(1e6, 2.4e7);
        }
        Series {
            name: method(at),
            points,
            front: true,
        }
    });
    Lines {
        title: "debian-12: server storage over ten releases".into(),
        subtitle: "Patches are kept from the release before only.".into(),
        x: axis("release", count, Spacing::Names(releases.clone())),
        y: axis(
            "bytes in the store, lower is better",
            bytes,
            Spacing::Linear,
        ),
        series: series.collect(),
        marks: Vec::new(),
        notes: Vec::new(),
    }
}

/// Delta size over the window: a cliff.
pub fn cliff() -> Lines {
    let windows: Vec<f64> = (23..=29).map(|at| f64::from(1 << at)).collect();
    let series =
        [("xdelta3 whole image", 0.07), ("xdelta3 by layer", 0.045)].map(|(name, share)| Series {
            name: name.into(),
            points: windows
                .iter()
                .map(|window| {
                    let lost = if *window < 2.0e8 { 0.5 } else { 0.0 };
                    (*window, share + lost * share * 12.0)
                })
                .collect(),
            front: true,
        });
    Lines {
        title: "security-update: what a source window that is too small costs".into(),
        subtitle: "xdelta3 -9, source windows from 8 MiB to 512 MiB.".into(),
        x: axis("source window", binary, Spacing::Log2),
        y: axis("delta / image", ratio, Spacing::Linear),
        series: series.into(),
        marks: vec![
            Mark {
                at: 2.6e8,
                words: "size of the base".into(),
            },
            Mark {
                at: 2.0e8,
                words: "cliff".into(),
            },
        ],
        notes: Vec::new(),
    }
}

/// Bytes against time of 44 methods, with the front among them.
pub fn pareto(named: bool) -> Points {
    let mut random = Seeded::new(8);
    let mut dots: Vec<Dot> = (0..44)
        .map(|at| {
            let moved = random.between(4.7e6, 3.5e8);
            Dot {
                name: method(at),
                at: (moved, random.between(5e8, 2e11) * (1e8 / moved).sqrt()),
                kind: 0,
                front: named,
            }
        })
        .collect();
    let all = dots.clone();
    for dot in &mut dots {
        let better = |other: &Dot| other.at.0 < dot.at.0 && other.at.1 < dot.at.1;
        dot.front |= !all.iter().any(better);
    }
    Points {
        title: "security-update: bytes of an update against the time to apply it".into(),
        subtitle: "44 methods. What is on the front is beaten by no other in both.".into(),
        x: axis(
            "bytes over the wire, lower is better",
            bytes,
            Spacing::Fitting,
        ),
        y: axis(
            "wall time of the update, lower is better",
            time,
            Spacing::Fitting,
        ),
        kinds: Vec::new(),
        dots,
        front: Some("front: no other method is better in both".into()),
        diagonal: None,
        notes: Vec::new(),
    }
}

/// A predictor against the delta that came of it, two methods.
pub fn predictor() -> Points {
    let mut random = Seeded::new(9);
    let dots = (0..80).map(|at| {
        let truth = random.between(0.02, 0.95);
        Dot {
            name: format!("image {at}"),
            at: (truth, (truth * random.between(0.7, 1.4)).min(1.0)),
            kind: at % 2,
            front: at < 3,
        }
    });
    Points {
        title: "layers: does chunk overlap foretell the delta?".into(),
        subtitle: "40 ordered pairs. The three worst are named.".into(),
        x: axis("1 - chunk overlap", ratio, Spacing::Linear),
        y: axis("delta / image", ratio, Spacing::Linear),
        kinds: vec!["xdelta3".into(), "fastcdc/64k".into()],
        dots: dots.collect(),
        front: None,
        diagonal: Some("delta as foretold".into()),
        notes: Vec::new(),
    }
}

/// Every name of a plot as somebody hostile would choose it.
pub fn hostile() -> Vec<(&'static str, Plot)> {
    let name = |at: usize| {
        format!("</text><script>alert({at})</script>&amp;\"' --> ]]> \u{202e}\u{1b}[31m\0ß∞")
    };
    let long = "a-scenario-whose-name-goes-on-".repeat(8);
    let (mut bars, mut lines, mut points) = (bars(5, 1e6, 1e9), history(), pareto(false));
    for (at, group) in bars.groups.iter_mut().enumerate() {
        group.method = name(at);
    }
    for (at, series) in lines.series.iter_mut().enumerate() {
        series.name = name(at);
    }
    for (at, dot) in points.dots.iter_mut().enumerate() {
        dot.name = name(at);
    }
    lines.x.spacing = Spacing::Names((0..10).map(name).collect());
    for title in [&mut bars.title, &mut lines.title, &mut points.title] {
        *title = format!("{long} {}", name(0));
    }
    bars.notes.push(name(3).repeat(20));
    vec![
        ("hostile bars", Plot::Bars(bars)),
        ("hostile lines", Plot::Lines(lines)),
        ("hostile points", Plot::Points(points)),
    ]
}

/// Charts of every kind, by name.
pub fn examples() -> Vec<(&'static str, Plot)> {
    let mut broken = sweep();
    broken.series[1].points.clear();
    broken.series[2].points = vec![(8192.0, 0.0), (16_384.0, f64::NAN), (f64::INFINITY, 1e7)];
    broken.series[3].points = vec![(65_536.0, 9e9)];
    let mut zeros = cliff();
    for series in &mut zeros.series {
        series.points.iter_mut().for_each(|point| point.1 = 0.0);
    }
    let mut examples = vec![
        ("bars of one method", Plot::Bars(bars(1, 1e9, 2e9))),
        ("bars of ten methods", Plot::Bars(bars(10, 1e9, 2e10))),
        ("bars of 44 methods", Plot::Bars(bars(44, 5e8, 4e11))),
        ("stores after two releases", Plot::Bars(stores(2))),
        ("stores after twelve releases", Plot::Bars(stores(12))),
        ("lines over the chunk size", Plot::Lines(sweep())),
        ("lines over releases", Plot::Lines(history())),
        ("lines with a cliff", Plot::Lines(cliff())),
        ("lines with gaps, zeros and orders", Plot::Lines(broken)),
        ("lines at zero", Plot::Lines(zeros)),
        ("points with a front", Plot::Points(pareto(false))),
        ("points that all have names", Plot::Points(pareto(true))),
        ("points of two kinds", Plot::Points(predictor())),
    ];
    examples.extend(hostile());
    examples
}
