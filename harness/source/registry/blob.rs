//! Fetches blobs: each becomes a file named by its digest, and an interrupted download is resumed.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use bytesize::ByteSize;
use ureq::BodyReader;

use super::server::Server;
use crate::archive::document::Descriptor;
use crate::image::Hashing;

/// Broken connections to one blob after which the pull gives up. The bytes received are kept even then.
const TRIES: u32 = 5;

/// Bytes read from a connection at once, at most.
const PIECE_BYTES: usize = 64 << 10;

/// Longest config that is fetched. Real ones are a few kilobytes.
const CONFIG_LIMIT_BYTES: u64 = 32 << 20;

/// A blob to be fetched, and its name in progress lines and errors.
pub struct WantedBlob<'a> {
    digest: &'a str,
    bytes: u64,
    what: String,
}

/// A blob that was fetched and verified.
pub struct Blob {
    pub file: File,
    pub bytes: u64,
    path: PathBuf,
}

impl WantedBlob<'_> {
    pub fn config(config: &Descriptor) -> Result<WantedBlob<'_>> {
        ensure!(
            config.bytes <= CONFIG_LIMIT_BYTES,
            "its config has {} bytes",
            config.bytes
        );
        Ok(WantedBlob {
            digest: &config.digest,
            bytes: config.bytes,
            what: "the config".to_string(),
        })
    }

    pub fn layer(layer: &Descriptor, number: usize, of: usize) -> WantedBlob<'_> {
        WantedBlob {
            digest: &layer.digest,
            bytes: layer.bytes,
            what: format!("layer {number} of {of}"),
        }
    }

    /// How much of it has been received.
    fn of(&self, here: u64) -> String {
        let size = |bytes| ByteSize(bytes).display().si();
        format!("{} of {}", size(here), size(self.bytes))
    }
}

impl Blob {
    /// All of it, in memory.
    pub fn read(&self) -> Result<Vec<u8>> {
        let (mut file, mut bytes) = (&self.file, Vec::new());
        file.rewind()
            .and_then(|()| file.read_to_end(&mut bytes))
            .with_context(|| format!("read {}", self.path.display()))?;
        Ok(bytes)
    }

    /// Removes its file; open handles stay readable. A failure only wastes disk space, so it is reported and is not an
    /// error.
    pub fn discard(&self, say: &dyn Fn(&str)) {
        if let Err(error) = fs::remove_file(&self.path) {
            say(&format!("{} stays: {error}", self.path.display()));
        }
    }
}

/// Fetches a blob into the folder `shelf`, or only the rest if a part is there already, and verifies it.
pub fn fetch(
    server: &Server,
    wanted: &WantedBlob<'_>,
    shelf: &Path,
    say: &dyn Fn(&str),
) -> Result<Blob> {
    let path = shelf.join(wanted.digest.replace(':', "-"));
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .with_context(|| format!("make {}", path.display()))?;
    lock(&file, wanted, say).with_context(|| format!("lock {}", path.display()))?;
    let mut found = complete(server, wanted, &file, say)?;
    if found.sha256 != wanted.digest && found.is_pieced {
        say(&format!(
            "{}: the part kept from an earlier pull is damaged and is fetched again",
            wanted.what
        ));
        empty(&file)?;
        found = complete(server, wanted, &file, say)?;
    }
    if found.sha256 != wanted.digest {
        fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))?;
        bail!(
            "digest mismatch: {} should be {}, and {} sent {}",
            wanted.what,
            wanted.digest,
            server.host(),
            found.sha256
        );
    }
    Ok(Blob {
        file,
        bytes: wanted.bytes,
        path,
    })
}

/// A file that has the length of its blob.
struct Assembled {
    /// `sha256:…`
    sha256: String,
    /// Whether the file was assembled from several responses.
    is_pieced: bool,
}

/// Downloads what the file lacks of the blob.
fn complete(
    server: &Server,
    wanted: &WantedBlob<'_>,
    file: &File,
    say: &dyn Fn(&str),
) -> Result<Assembled> {
    let what = &wanted.what;
    let mut half = kept(file)?;
    if half.passed_bytes() > wanted.bytes {
        say(&format!(
            "{what}: the part kept from an earlier pull is too long and is fetched again"
        ));
        half = empty(file)?;
    }
    let mut is_pieced = half.passed_bytes() > 0;
    let mut tries = 0;
    while half.passed_bytes() < wanted.bytes {
        let before = half.passed_bytes();
        say(&if before == 0 {
            format!("{what}: {}", ByteSize(wanted.bytes).display().si())
        } else {
            format!("{what}: resuming at {}", wanted.of(before))
        });
        let answer = server.blob(wanted.digest, before)?;
        if before > 0 && !answer.continues {
            say(&format!(
                "{what}: {} sends it from the start",
                server.host()
            ));
            half = empty(file)?;
        }
        is_pieced = answer.continues;
        let start = half.passed_bytes();
        let broken = append(answer.body, &mut half, wanted)?;
        if half.passed_bytes() == wanted.bytes {
            break;
        }
        tries += 1;
        let broken = broken.unwrap_or_else(|| "the response ended".to_string());
        let broken = format!(
            "{what} broke off at {}: {broken}",
            wanted.of(half.passed_bytes())
        );
        ensure!(
            half.passed_bytes() > start && tries < TRIES,
            "{broken}; the bytes received are kept, and the next try resumes there"
        );
        say(&broken);
    }
    Ok(Assembled {
        sha256: format!("sha256:{}", half.finish().1),
        is_pieced,
    })
}

/// Writes a response to the file; returns the reason if it broke off. Fails when the file cannot be written and when more
/// bytes come than the blob has.
fn append(
    mut body: BodyReader<'static>,
    half: &mut Hashing<&File>,
    wanted: &WantedBlob<'_>,
) -> Result<Option<String>> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let read = match body.read(&mut piece) {
            Ok(0) => return Ok(None),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Ok(Some(error.to_string())),
        };
        ensure!(
            half.passed_bytes() + read as u64 <= wanted.bytes,
            "{} is longer than the {} bytes that its manifest says",
            wanted.what,
            wanted.bytes
        );
        half.write_all(&piece[..read])
            .with_context(|| format!("write {}", wanted.what))?;
    }
}

/// Hashes what the file holds; the next write goes to its end.
fn kept(file: &File) -> Result<Hashing<&File>> {
    let mut from = file;
    from.rewind().context("read what is kept of a blob")?;
    let mut hashing = Hashing::new(file);
    io::copy(&mut hashing, &mut io::sink()).context("read what is kept of a blob")?;
    Ok(hashing)
}

fn empty(file: &File) -> Result<Hashing<&File>> {
    let mut from = file;
    file.set_len(0)
        .and_then(|()| from.rewind())
        .context("empty what is kept of a blob")?;
    Ok(Hashing::new(file))
}

/// Takes the blob's lock. Two processes may pull images that share a blob: one fetches it, the other waits and finds it.
fn lock(file: &File, wanted: &WantedBlob, say: &dyn Fn(&str)) -> io::Result<()> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            say(&format!(
                "waiting: another delta-lab is fetching {}",
                wanted.what
            ));
            file.lock()
        }
        Err(TryLockError::Error(error)) => Err(error),
        Ok(()) => Ok(()),
    }
}
