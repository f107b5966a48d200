//! Cross-checks: computes what a client had to pull from the store and the bases, without the tool, and compares it with
//! what the wire metered.
//!
//! A tool's store is a file format, from which one can compute what a client with given bases lacks. If the lab can read the
//! format, no figure depends on the meter alone: a difference is an error, and the step has no figure.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::Read;
use std::ops::RangeInclusive;

use anyhow::{Context, Result, bail, ensure};

use crate::image::Image;
use crate::store::Store;
use crate::wire::{ObjectTraffic, Traffic};
use crate::words;

mod bita;
mod casync;
mod cursor;
#[cfg(test)]
mod tests;
mod zchunk;
mod zstd_chunked;
mod zsync;

/// A format the lab can read: one line of `FORMATS`.
pub struct Format {
    pub name: &'static str,
    /// Whether chunks are in a folder of their own, apart from the index.
    pub has_chunks: bool,
    expect: Expect,
}

/// Computes what a client with these bases must pull of each object. Fails on a file that breaks its format.
type Expect = fn(&Pull) -> Result<Vec<Expected>>;

/// Every format. Adding one is a file and a line here.
pub const FORMATS: &[Format] = &[
    Format {
        name: "bita",
        has_chunks: false,
        expect: bita::expect,
    },
    Format {
        name: "casync",
        has_chunks: true,
        expect: casync::expect,
    },
    // casync's files, with a client of its own.
    Format {
        name: "desync",
        has_chunks: true,
        expect: casync::expect_of_desync,
    },
    Format {
        name: "zchunk",
        has_chunks: false,
        expect: zchunk::expect,
    },
    Format {
        name: "zsync",
        has_chunks: false,
        expect: zsync::expect,
    },
    // Layers of a registry, in an OCI layout.
    Format {
        name: "zstd-chunked",
        has_chunks: false,
        expect: zstd_chunked::expect,
    },
];

/// The format of that name; the error names the nearest.
pub fn format(name: &str) -> Result<&'static Format> {
    FORMATS
        .iter()
        .find(|format| format.name == name)
        .with_context(|| {
            let known = FORMATS.iter().map(|format| format.name);
            format!("no format `{name}`{}", words::meant(name, known))
        })
}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// One image as a method published it, in a format the lab can read.
#[derive(Clone, Debug)]
pub struct Published {
    pub format: &'static Format,
    pub image: Image,
    /// Name of its index in the store.
    pub index: String,
    /// Folder of the chunks in the store, for a format that has one.
    pub chunks: Option<String>,
}

/// One update: the image that the client wanted, and the bases that it had.
struct Pull<'a> {
    store: &'a Store,
    wanted: &'a Published,
    bases: &'a [Published],
}

/// One object that a client must request, and how much of it must cross the wire.
///
/// The numbers are ranges, because some tools have a choice; most ranges have one number.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Expected {
    object: String,
    requests: RangeInclusive<u64>,
    payload_bytes: RangeInclusive<u64>,
}

impl Expected {
    fn exactly(object: impl Into<String>, requests: u64, payload_bytes: u64) -> Expected {
        Expected {
            object: object.into(),
            requests: requests..=requests,
            payload_bytes: payload_bytes..=payload_bytes,
        }
    }
}

/// Fails unless exactly what a client with these bases had to pull crossed the wire. The error names the object and both
/// figures.
pub fn check(
    store: &Store,
    wanted: &Published,
    bases: &[Published],
    traffic: &Traffic,
) -> Result<()> {
    let pull = Pull {
        store,
        wanted,
        bases,
    };
    compare(&(wanted.format.expect)(&pull)?, traffic)
}

fn compare(expected: &[Expected], traffic: &Traffic) -> Result<()> {
    let mut missing: BTreeMap<&str, &Expected> = expected
        .iter()
        .map(|expected| (expected.object.as_str(), expected))
        .collect();
    let mut wrong = Vec::new();
    for crossed in &traffic.objects {
        match missing.remove(crossed.object.as_str()) {
            None => wrong.push(format!(
                "{}: requested, but no client with these bases needs it: {}, 0 expected",
                crossed.object,
                figures(crossed)
            )),
            Some(expected)
                if !expected.requests.contains(&crossed.requests)
                    || !expected.payload_bytes.contains(&crossed.payload_bytes) =>
            {
                wrong.push(format!(
                    "{}: {}, {} expected",
                    crossed.object,
                    figures(crossed),
                    wish(expected)
                ));
            }
            Some(_) => {}
        }
    }
    let optional = |expected: &Expected| expected.requests.contains(&0);
    for expected in missing.values().filter(|expected| !optional(expected)) {
        wrong.push(format!(
            "{}: not requested, but no base has it: 0 bytes crossed, {} expected",
            expected.object,
            wish(expected)
        ));
    }
    if traffic.upload_bytes > 0 {
        wrong.push(format!(
            "{} bytes were uploaded, 0 expected",
            traffic.upload_bytes
        ));
    }
    match wrong.len() {
        0 => Ok(()),
        1 => bail!("{}", wrong[0]),
        more => bail!("{}; and {} more", wrong[0], more - 1),
    }
}

fn figures(crossed: &ObjectTraffic) -> String {
    format!(
        "{} bytes crossed in {} requests",
        crossed.payload_bytes, crossed.requests
    )
}

fn wish(expected: &Expected) -> String {
    let span = |range: &RangeInclusive<u64>| match (range.start(), range.end()) {
        (least, most) if least == most => least.to_string(),
        (least, most) => format!("{least} to {most}"),
    };
    format!(
        "{} in {}",
        span(&expected.payload_bytes),
        span(&expected.requests)
    )
}

/// Longest index that is read into memory; real ones are far shorter.
const INDEX_LIMIT_BYTES: u64 = 1 << 30;

/// The first `bytes` of an object, or all of it, and the object's length.
fn head_of(store: &Store, object: &str, bytes: Option<u64>) -> Result<(Vec<u8>, u64)> {
    let path = store.object(object);
    let about =
        fs::metadata(&path).with_context(|| format!("{object}: inspect it in the store"))?;
    // A folder has a length too.
    ensure!(about.is_file(), "{object}: it is no file in the store");
    let whole = about.len();
    let wanted = bytes.unwrap_or(whole).min(whole);
    ensure!(
        wanted <= INDEX_LIMIT_BYTES,
        "{object}: {wanted} bytes are too long for an index"
    );
    let mut head = Vec::new();
    File::open(&path)
        .and_then(|file| file.take(wanted).read_to_end(&mut head))
        .with_context(|| format!("{object}: read it in the store"))?;
    Ok((head, whole))
}

/// The number of runs of adjacent spans. A span is its first byte and its length; they are in order.
fn runs(spans: impl Iterator<Item = (u64, u64)>) -> u64 {
    let spans: Vec<(u64, u64)> = spans.collect();
    let runs = spans.chunk_by(|(first, bytes), (next, _)| first + bytes == *next);
    runs.count() as u64
}
