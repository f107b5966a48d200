//! Decompresses a layer.

use std::io::{self, BufReader, Read};

use anyhow::{Context, Result};
use flate2::bufread::MultiGzDecoder;

use super::Compression;
use super::walk::FilePart;

/// Most bytes that an archive of this length is unpacked to. Real images are compressed to a fifth at best, and a file with
/// holes is longer than what is stored of it; a few MB made to fill a disk hold a thousand times their length.
pub fn most_bytes(archive_bytes: u64) -> u64 {
    archive_bytes.saturating_mul(100).saturating_add(1 << 28)
}

/// Reads a layer's tar, compressed or not. All gzip members and zstd frames are read: some tools write many in a layer.
///
/// Reading fails where the layer unpacks to more than [`most_bytes`] of the file that it is in.
pub fn plain<'a>(layer: &'a FilePart) -> Result<Box<dyn Read + 'a>> {
    let about = layer.file.metadata();
    let about = about.with_context(|| format!("look at the file of {}", layer.what))?;
    Ok(Box::new(Bounded {
        bytes: unpacked(layer)?,
        read: 0,
        most: most_bytes(about.len()),
    }))
}

/// Reads at most so many bytes; it is an error that there are more.
struct Bounded<R> {
    bytes: R,
    read: u64,
    most: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read(buffer)?;
        self.read += read as u64;
        match self.read > self.most {
            true => Err(io::Error::other(format!(
                "it unpacks to more than {} bytes",
                self.most
            ))),
            false => Ok(read),
        }
    }
}

fn unpacked<'a>(layer: &'a FilePart) -> Result<Box<dyn Read + 'a>> {
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

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn as_much_as_may_be_read_is_read_and_more_is_an_error() {
        for (most, fits) in [(99, false), (100, true), (101, true)] {
            let mut bounded = Bounded {
                bytes: io::repeat(7).take(100),
                read: 0,
                most,
            };
            let read = io::copy(&mut bounded, &mut io::sink());
            assert_eq!(read.is_ok(), fits, "at most {most}");
        }
    }

    /// A file of 0.4 MB that unpacks to a thousand times as much.
    #[test]
    fn a_layer_made_to_fill_a_disk_is_an_error() {
        let mut file = tempfile::tempfile().unwrap();
        let mut packed = flate2::write::GzEncoder::new(&mut file, flate2::Compression::new(6));
        let zeros = vec![0; 1 << 20];
        (0..400).for_each(|_| packed.write_all(&zeros).unwrap());
        packed.finish().unwrap();
        let layer = FilePart {
            length: file.metadata().unwrap().len(),
            file: &file,
            what: "a layer".to_string(),
            offset: 0,
        };
        let read = io::copy(&mut *plain(&layer).unwrap(), &mut io::sink());
        let error = read.unwrap_err().to_string();
        assert!(error.contains("unpacks to more than"), "{error}");
    }
}
