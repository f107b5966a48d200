//! Methods that move the whole image, as it is or compressed: a base is no help to them.
//!
//! They are the yardstick: `raw` is what a plain download costs, the others what any server could do with a
//! standard tool. One object, one request.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use anyhow::{Context, Result};
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use super::Method;
use super::object::{create_out, put};
use super::version::{LAB, ZLIB, zstd as zstd_version};
use crate::image::Image;
use crate::store::Store;
use crate::wire::{Client, WireUrl};

/// Window of the long form of zstd, as a power of two: the largest (128 MiB) that every zstd client decodes
/// without being told to (ZSTD_WINDOWLOG_LIMIT_DEFAULT), as `zstd --long` chooses. A client needs that much memory.
const LONG_WINDOW_LOG: u32 = 27;

/// The form in which a whole image crosses the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Raw,
    /// As `gzip -n` writes it: no name, no time.
    Gzip {
        level: u32,
    },
    /// One frame with a checksum and the image's length.
    Zstd {
        level: i32,
    },
    /// The same with long-distance matching over a window of 128 MiB, as `zstd --long`.
    ZstdLong {
        level: i32,
    },
}

impl Form {
    /// How an object of this form is named.
    pub(super) fn ending(self) -> &'static str {
        match self {
            Form::Raw => "raw",
            Form::Gzip { .. } => "gz",
            Form::Zstd { .. } | Form::ZstdLong { .. } => "zst",
        }
    }

    /// The libraries and parameters that decide the bytes; nothing for the raw form.
    pub(super) fn version(self) -> Option<String> {
        match self {
            Form::Raw => None,
            Form::Gzip { level } => Some(format!("{ZLIB} -{level}")),
            Form::Zstd { level } => Some(zstd_version(level)),
            Form::ZstdLong { level } => {
                Some(format!("{} --long={LONG_WINDOW_LOG}", zstd_version(level)))
            }
        }
    }

    /// Writes all of `from` (`bytes` long) to `to` in this form, streaming.
    pub(super) fn write(self, from: &mut dyn Read, bytes: u64, to: &mut dyn Write) -> Result<()> {
        let mut from = from.take(bytes);
        match self {
            Form::Raw => {
                io::copy(&mut from, to)?;
            }
            Form::Gzip { level } => {
                let mut encoder = GzEncoder::new(to, flate2::Compression::new(level));
                io::copy(&mut from, &mut encoder)?;
                encoder.finish()?;
            }
            Form::Zstd { level } | Form::ZstdLong { level } => {
                let mut encoder = zstd::Encoder::new(to, level)?;
                encoder.include_checksum(true)?;
                encoder.set_pledged_src_size(Some(bytes))?;
                if matches!(self, Form::ZstdLong { .. }) {
                    encoder.long_distance_matching(true)?;
                    encoder.window_log(LONG_WINDOW_LOG)?;
                }
                io::copy(&mut from, &mut encoder)?;
                encoder.finish()?;
            }
        }
        Ok(())
    }

    /// Writes what `from` holds in this form to `to`, streaming. A damaged stream is an error, but for the raw
    /// form, which holds nothing to check against.
    pub(super) fn read(self, from: impl Read, to: &mut dyn Write) -> Result<()> {
        match self {
            Form::Raw => {
                io::copy(&mut { from }, to)?;
            }
            Form::Gzip { .. } => {
                let mut decoder = GzDecoder::new(from);
                io::copy(&mut decoder, to)?;
                // What follows is nobody's; reading to the end also frees the connection for the next request.
                io::copy(&mut decoder.into_inner(), &mut io::sink())?;
            }
            Form::Zstd { .. } | Form::ZstdLong { .. } => {
                let mut decoder = zstd::Decoder::new(from)?;
                decoder.window_log_max(LONG_WINDOW_LOG)?;
                io::copy(&mut decoder, to)?;
            }
        }
        Ok(())
    }
}

/// A method that knows one form and no base.
pub struct Whole(pub Form);

impl Whole {
    fn object(&self, name: &str) -> String {
        format!("{name}.{}", self.0.ending())
    }
}

impl Method for Whole {
    fn version(&self) -> Result<String> {
        Ok(match self.0.version() {
            Some(form) => format!("{LAB}, {form}"),
            None => LAB.to_string(),
        })
    }

    fn publish(&self, image: &Image, _bases: &[Image], store: &Store) -> Result<()> {
        let mut from: File = image.open()?;
        put(store, &self.object(&image.name), |to| {
            self.0.write(&mut from, image.bytes, to)
        })
    }

    fn update(&self, name: &str, _bases: &[Image], wire: &WireUrl, out: &Path) -> Result<()> {
        let object = self.object(name);
        let download = Client::new(wire).get(&object)?;
        let mut rebuilt = create_out(out)?;
        self.0
            .read(download, &mut rebuilt)
            .with_context(|| format!("rebuild {} from {object}", out.display()))
    }
}
