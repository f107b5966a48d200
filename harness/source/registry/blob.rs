//! Blobs on their way: each a file under its digest, which a broken connection leaves half and the next one continues.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use bytesize::ByteSize;
use ureq::BodyReader;

use super::manifest::Descriptor;
use super::server::Server;
use crate::image::Hashing;

/// How often a blob's connection may break before the pull gives up; what came is kept even then.
const TRIES: u32 = 5;

/// Bytes read from a connection at once, at most.
const PIECE_BYTES: usize = 64 << 10;

/// Most bytes believed of a config. Real ones are some kilobytes.
const CONFIG_LIMIT_BYTES: u64 = 32 << 20;

/// A blob that is wanted, and what it is called in lines of progress and in errors.
pub struct Wanted<'a> {
    digest: &'a str,
    bytes: u64,
    what: String,
}

/// A blob that is here, whole and verified.
pub struct Blob {
    pub file: File,
    pub bytes: u64,
    path: PathBuf,
}

impl Wanted<'_> {
    pub fn config(config: &Descriptor) -> Result<Wanted<'_>> {
        ensure!(
            config.bytes <= CONFIG_LIMIT_BYTES,
            "its config has {} bytes",
            config.bytes
        );
        Ok(Wanted {
            digest: &config.digest,
            bytes: config.bytes,
            what: "the config".to_string(),
        })
    }

    pub fn layer(layer: &Descriptor, number: usize, of: usize) -> Wanted<'_> {
        Wanted {
            digest: &layer.digest,
            bytes: layer.bytes,
            what: format!("layer {number} of {of}"),
        }
    }

    /// How far it is.
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

    /// Removes its file; who has it open goes on reading. Failure costs room and nothing else, so it is only said.
    pub fn discard(&self, say: &dyn Fn(&str)) {
        if let Err(error) = fs::remove_file(&self.path) {
            say(&format!("{} stays: {error}", self.path.display()));
        }
    }
}

/// Fetches a blob into the folder `shelf`, or the rest of it where a part is there already, and verifies it.
pub fn fetch(
    server: &Server,
    wanted: &Wanted<'_>,
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
            "{}: what was kept of it is damaged, and thrown away",
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

/// What a file turned out to hold.
struct Found {
    /// `sha256:…`
    sha256: String,
    /// Whether it is not of one answer: begun by an earlier pull, or gone on with.
    is_pieced: bool,
}

/// Brings the file to the length of the blob.
fn complete(
    server: &Server,
    wanted: &Wanted<'_>,
    file: &File,
    say: &dyn Fn(&str),
) -> Result<Found> {
    let what = &wanted.what;
    let mut half = kept(file)?;
    if half.passed_bytes() > wanted.bytes {
        say(&format!(
            "{what}: what was kept of it is too long, and thrown away"
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
            format!("{what}: going on at {}", wanted.of(before))
        });
        let answer = server.blob(wanted.digest, before)?;
        if before > 0 && !answer.continues {
            say(&format!(
                "{what}: {} sends it from its start",
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
        let broken = broken.unwrap_or_else(|| "the answer ended".to_string());
        let broken = format!(
            "{what} broke off at {}: {broken}",
            wanted.of(half.passed_bytes())
        );
        ensure!(
            half.passed_bytes() > start && tries < TRIES,
            "{broken}; what came is kept, and the next try goes on there"
        );
        say(&broken);
    }
    Ok(Found {
        sha256: format!("sha256:{}", half.finish().1),
        is_pieced,
    })
}

/// Writes what comes; why it broke off, if it did. Fails when the disk does, and when more comes than there is.
fn append(
    mut body: BodyReader<'static>,
    half: &mut Hashing<&File>,
    wanted: &Wanted<'_>,
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

/// What the file holds, hashed; what is written next goes to its end.
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

/// Two images may share a blob, and two labs pull them at once: one fetches it, the other finds it there.
fn lock(file: &File, wanted: &Wanted, say: &dyn Fn(&str)) -> io::Result<()> {
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
