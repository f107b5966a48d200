//! The patch as a file: a fixed head, the script, the table of groups, the groups, and a checksum of all.

use std::io::Write;

use anyhow::{Context, Result, bail, ensure};
use flate2::Crc;

use super::digest::Sha;
use super::space::Space;

/// First bytes of every patch. The last one is the version.
pub const MAGIC: [u8; 4] = *b"DLP\x03";
/// Feature bits: a reader refuses a patch with one it does not know.
const WITH_BASE: u8 = 1;
const WITH_PROGRAMS: u8 = 2;
const KNOWN_FEATURES: u8 = WITH_BASE | WITH_PROGRAMS;
/// Longest image or base.
pub const MOST_BYTES: u64 = 1 << 40;
/// Longest script and longest coded group.
pub const MOST_SCRIPT: u64 = 64 << 20;
pub const MOST_CODED: u64 = 512 << 20;
const CHECK_BYTES: u64 = 4;

/// What a patch says of itself before anything is decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Length and sha256 of the base; nothing for a patch that needs none.
    pub base: Option<(u64, Sha)>,
    pub image: (u64, Sha),
    /// Whether the script says of long contents that they are a program, coded whole.
    pub programs: bool,
    pub script_bytes: u64,
    pub groups: Vec<GroupHead>,
}

/// How a group's files are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// Each against its own base, as [`crate::engine::pair`] does it.
    Pair,
    /// All in one zstd frame, behind all their bases.
    Zstd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupHead {
    pub codec: Codec,
    pub bytes: u64,
}

/// A patch whose head was read and whose bytes are as they were written.
pub struct Patch {
    pub head: Head,
    script: Space,
    groups: Vec<Space>,
}

fn put_number(to: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

impl Head {
    /// The head and the table of groups as bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut head = MAGIC.to_vec();
        let features = [
            (self.base.is_some(), WITH_BASE),
            (self.programs, WITH_PROGRAMS),
        ];
        let features = features.iter().filter(|(has, _)| *has);
        head.push(features.map(|(_, feature)| feature).sum());
        for (bytes, sha) in self.base.iter().chain([&self.image]) {
            put_number(&mut head, *bytes);
            head.extend_from_slice(sha);
        }
        put_number(&mut head, self.script_bytes);
        put_number(&mut head, self.groups.len() as u64);
        for group in &self.groups {
            let codec = match group.codec {
                Codec::Pair => 0,
                Codec::Zstd => 1,
            };
            put_number(&mut head, group.bytes << 1 | codec);
        }
        head
    }
}

/// Reads the head byte by byte.
struct Reader<'a> {
    space: &'a Space,
    at: u64,
}

impl Reader<'_> {
    fn bytes<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.space
            .read(self.at, &mut bytes)
            .context("damaged patch: its header ends too early")?;
        self.at += N as u64;
        Ok(bytes)
    }

    /// A number of at most `most`, seven bits a byte, lowest first.
    fn number(&mut self, most: u64, what: &str) -> Result<u64> {
        let mut number = 0_u64;
        for shift in (0..63).step_by(7) {
            let [byte] = self.bytes()?;
            number |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                ensure!(
                    byte != 0 || shift == 0,
                    "damaged patch: a number in its header has needless zeros"
                );
                ensure!(
                    number <= most,
                    "damaged patch: {what} is {number}, and at most {most} are possible"
                );
                return Ok(number);
            }
        }
        bail!("damaged patch: a number in its header has more than 63 bits")
    }
}

impl Patch {
    /// Reads the head of a patch, and all of it once for its checksum.
    pub fn open(space: &Space) -> Result<Patch> {
        let mut reader = Reader { space, at: 0 };
        let magic: [u8; 4] = reader.bytes()?;
        ensure!(
            magic[..3] == MAGIC[..3],
            "not an image patch: it does not begin with `DLP` (are OLD and PATCH in the right order?)"
        );
        ensure!(
            magic == MAGIC,
            "a patch of format {}; this delta-lab reads only format {}: make the patch again",
            magic[3],
            MAGIC[3]
        );
        let [features] = reader.bytes()?;
        ensure!(
            features & !KNOWN_FEATURES == 0,
            "the patch uses features that this delta-lab does not know ({features:#x}): use a newer one"
        );
        check(space)?;
        let base = match features & WITH_BASE {
            0 => None,
            _ => Some((
                reader.number(MOST_BYTES, "the base's length")?,
                reader.bytes()?,
            )),
        };
        let image = (
            reader.number(MOST_BYTES, "the image's length")?,
            reader.bytes()?,
        );
        let script_bytes = reader.number(MOST_SCRIPT, "the script's length")?;
        let count = reader.number(super::recipe::MOST_GROUPS as u64, "the groups' number")?;
        let mut groups = Vec::new();
        for _ in 0..count {
            let number = reader.number(MOST_CODED << 1 | 1, "a group's length")?;
            let codec = if number & 1 == 0 {
                Codec::Pair
            } else {
                Codec::Zstd
            };
            groups.push(GroupHead {
                codec,
                bytes: number >> 1,
            });
        }
        let head = Head {
            base,
            image,
            programs: features & WITH_PROGRAMS != 0,
            script_bytes,
            groups,
        };
        Patch::lay_out(space, head, reader.at)
    }

    fn lay_out(space: &Space, head: Head, mut at: u64) -> Result<Patch> {
        let mut next = |bytes: u64| -> Result<Space> {
            let part = space
                .part(at, bytes)
                .context("damaged patch: it is shorter than its header says")?;
            at += bytes;
            Ok(part)
        };
        let script = next(head.script_bytes)?;
        let groups: Result<Vec<Space>> =
            head.groups.iter().map(|group| next(group.bytes)).collect();
        ensure!(
            at + CHECK_BYTES == space.len(),
            "damaged patch: it is longer than its header says"
        );
        Ok(Patch {
            script,
            groups: groups?,
            head,
        })
    }

    pub fn script(&self) -> Result<Vec<u8>> {
        self.script.load(MOST_SCRIPT)
    }

    /// The coded bytes of a group.
    pub fn group(&self, number: usize) -> Result<Vec<u8>> {
        let group = self
            .groups
            .get(number)
            .context("damaged patch: it has no such group")?;
        group.load(MOST_CODED)
    }
}

/// Holds the checksum at the end of a patch against its bytes.
fn check(space: &Space) -> Result<()> {
    let covered = space.len().checked_sub(CHECK_BYTES);
    let covered = covered.context("damaged patch: it is cut short, copy it again")?;
    let mut crc = Crc::new();
    space.part(0, covered)?.pieces(|piece| {
        crc.update(piece);
        Ok(())
    })?;
    let mut stated = [0; CHECK_BYTES as usize];
    space.read(covered, &mut stated)?;
    ensure!(
        crc.sum().to_le_bytes() == stated,
        "the checksum is wrong: the patch is damaged, copy it again"
    );
    Ok(())
}

/// Writes a patch and its checksum.
pub struct Writer<W> {
    to: W,
    crc: Crc,
    pub bytes: u64,
}

impl<W: Write> Writer<W> {
    pub fn new(to: W) -> Writer<W> {
        Writer {
            to,
            crc: Crc::new(),
            bytes: 0,
        }
    }

    pub fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.crc.update(bytes);
        self.bytes += bytes.len() as u64;
        self.to.write_all(bytes).context("write the patch")
    }

    pub fn finish(mut self) -> Result<W> {
        let sum = self.crc.sum().to_le_bytes();
        self.to.write_all(&sum).context("write the patch")?;
        Ok(self.to)
    }
}
