//! A layer's tar, whatever it is compressed with.

use std::io::{BufReader, Read};

use anyhow::{Context, Result};
use flate2::bufread::MultiGzDecoder;

use super::Compression;
use super::walk::Part;

/// Reads a layer's tar. Of gzip and zstd every member or frame: some tools write layers of many.
pub(super) fn plain<'a>(layer: &'a Part) -> Result<Box<dyn Read + 'a>> {
    let packed = BufReader::with_capacity(1 << 17, layer.reader());
    Ok(match Compression::of(layer)? {
        Compression::None => Box::new(packed),
        Compression::Gzip => Box::new(BufReader::with_capacity(
            1 << 17,
            MultiGzDecoder::new(packed),
        )),
        Compression::Zstd => {
            let mut frames = zstd::Decoder::with_buffer(packed)
                .with_context(|| format!("{}: begin to read its zstd", layer.what))?;
            // The largest there is, 2 GiB: who writes a layer chooses its window.
            frames
                .window_log_max(31)
                .with_context(|| format!("{}: begin to read its zstd", layer.what))?;
            Box::new(frames)
        }
    })
}
