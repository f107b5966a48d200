//! Decompresses a layer.

use std::io::{BufReader, Read};

use anyhow::{Context, Result};
use flate2::bufread::MultiGzDecoder;

use super::Compression;
use super::walk::FilePart;

/// Reads a layer's tar, compressed or not. All gzip members and zstd frames are read: some tools write many in a layer.
pub fn plain<'a>(layer: &'a FilePart) -> Result<Box<dyn Read + 'a>> {
    let packed = BufReader::with_capacity(1 << 17, layer.reader());
    Ok(match Compression::of(layer)? {
        Compression::None => Box::new(packed),
        Compression::Gzip => Box::new(BufReader::with_capacity(
            1 << 17,
            MultiGzDecoder::new(packed),
        )),
        Compression::Zstd => {
            let mut frames = zstd::Decoder::with_buffer(packed)
                .with_context(|| format!("{}: set up its zstd decoder", layer.what))?;
            // The largest window there is, 2 GiB, because the writer of a layer chooses its window.
            frames
                .window_log_max(31)
                .with_context(|| format!("{}: set up its zstd decoder", layer.what))?;
            Box::new(frames)
        }
    })
}
