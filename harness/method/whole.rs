//! Methods that move the whole image, uncompressed or compressed, and do not use a base.
//!
//! The others are compared with them: `raw` is the cost of a plain download, the rest is what any server can do with a
//! standard tool. An image is one object and one request.

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

/// Window of zstd's long mode, as a power of two: 128 MiB, the default of `zstd --long` and the largest that every zstd
/// client decodes without an option (ZSTD_WINDOWLOG_LIMIT_DEFAULT). A client needs that much memory.
const LONG_WINDOW_LOG: u32 = 27;

/// The form in which a whole image crosses the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Raw,
    /// As `gzip -n` writes it: without a name and a time.
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
    /// The suffix of an object of this form.
    pub(super) fn ending(self) -> &'static str {
        match self {
            Form::Raw => "raw",
            Form::Gzip { .. } => "gz",
            Form::Zstd { .. } | Form::ZstdLong { .. } => "zst",
        }
    }

    /// The library and the parameters that decide the bytes; `None` for the raw form.
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

    /// Streams `from`, which has `bytes` bytes, to `to` in this form.
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

    /// Streams the image that `from` has in this form to `to`. A damaged stream is an error, except in the raw form, which
    /// has no checksum.
    pub(super) fn read(self, from: impl Read, to: &mut dyn Write) -> Result<()> {
        match self {
            Form::Raw => {
                io::copy(&mut { from }, to)?;
            }
            Form::Gzip { .. } => {
                let mut decoder = GzDecoder::new(from);
                io::copy(&mut decoder, to)?;
                // Read to the end, so that the connection is free for the next request.
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

/// A method that moves an image in one form.
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

    fn uses_bases(&self) -> bool {
        false
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
