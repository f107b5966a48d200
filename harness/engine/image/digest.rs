//! Digests that need not be sent: the sha256 of an outer entry, where names and JSON beside it repeat it in hex.
//!
//! In the coded form a digest is a mark of three bytes: 1, and the number of the entry in the outer archive plus one,
//! in base 200; number 0 stands for the entry that the name belongs to. Behind the numbers of all entries come those of
//! what packed layers unpack to, which is what an image's config names.

use std::collections::HashMap;

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest as _, Sha256};

use super::archive::Archive;
use super::header::renew_sum;
use super::space::Space;
use super::tar::{Header, What, field, octal, sum};

const MARK: u8 = 1;
const BASE: usize = 200;
const HEX: usize = 64;
/// Outer archives with more entries than this are no image's.
const MOST_ENTRIES: usize = 10_000;
/// Longest text in which digests are looked for.
pub const MOST_TEXT: u64 = 4 << 20;

pub type Sha = [u8; 32];

/// Whether a name holds what may be a mark.
pub fn has_mark(name: &[u8]) -> bool {
    name.contains(&MARK)
}

pub fn sha256(space: &Space) -> Result<Sha> {
    let mut hash = Sha256::new();
    space.pieces(|piece| {
        hash.update(piece);
        Ok(())
    })?;
    Ok(hash.finalize().into())
}

/// The digests of an image's outer entries, by the place of each in the outer archive, and of what packed layers unpack
/// to, by the same place behind all these.
#[derive(Default)]
pub struct Digests {
    of: HashMap<Sha, usize>,
}

impl Digests {
    /// Of a base that was walked.
    pub fn of(archive: &Archive) -> Result<Digests> {
        Digests::with(archive, &|index| Ok(archive.unpacked(index).cloned()))
    }

    /// Of an image that was walked; none when it does not look like one whose names or texts repeat digests. `unpacked` is
    /// what an outer entry that is a packed archive unpacks to.
    pub fn with(
        archive: &Archive,
        unpacked: &dyn Fn(usize) -> Result<Option<Space>>,
    ) -> Result<Digests> {
        let mut digests = Digests::default();
        let Some(outer) = archive.tars.get(archive.outer) else {
            return Ok(digests);
        };
        let telling = |index: &usize| {
            let path: &[u8] = &archive.entries[*index].path;
            matches!(path, b"manifest.json" | b"index.json" | b"oci-layout")
        };
        if outer.entries.len() > MOST_ENTRIES || !outer.entries.iter().any(telling) {
            return Ok(digests);
        }
        for (place, index) in outer.entries.iter().enumerate() {
            if archive.entries[*index].is_regular() && archive.entries[*index].size > 0 {
                let sha = sha256(&archive.content(*index)?)?;
                digests.of.entry(sha).or_insert(place);
                if let Some(tar) = unpacked(*index)? {
                    let place = outer.entries.len() + place;
                    digests.of.entry(sha256(&tar)?).or_insert(place);
                }
            }
        }
        Ok(digests)
    }

    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// `text` with marks for the digests in it; nothing when there are none, or a byte that looks like a mark.
    pub fn reduce(&self, text: &[u8], own: Option<usize>) -> Option<Vec<u8>> {
        if self.is_empty() || text.contains(&MARK) {
            return None;
        }
        let mut reduced = Vec::with_capacity(text.len());
        let mut rest = text;
        let mut found = false;
        while let Some(first) = rest.first() {
            let run = rest.iter().take_while(|byte| is_hex(**byte)).count();
            if run == HEX
                && let Some(place) = self.of.get(&from_hex(&rest[..HEX]))
            {
                let number = if own == Some(*place) { 0 } else { place + 1 };
                let (high, low) = (number / BASE, number % BASE);
                reduced.extend([MARK, high as u8 + 1, low as u8 + 1]);
                rest = &rest[HEX..];
                found = true;
                continue;
            }
            if run == 0 {
                reduced.push(*first);
                rest = &rest[1..];
            } else {
                reduced.extend_from_slice(&rest[..run]);
                rest = &rest[run..];
            }
        }
        found.then_some(reduced)
    }

    /// Puts marks into the names of the outer entries, so that those of two images can be alike.
    pub fn show(&self, archive: &mut Archive) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        let outer = archive.tars[archive.outer].entries.clone();
        for (place, index) in outer.into_iter().enumerate() {
            if archive.entries[index].what != What::File {
                continue;
            }
            let header = archive.header(index)?;
            let name = &header[field::NAME];
            let used = super::tar::text(name).to_vec();
            let clean = name[used.len()..].iter().all(|byte| *byte == 0);
            let usual_sum = octal(&header[field::SUM]) == Some(sum(&header));
            let Some(reduced) = self
                .reduce(&used, Some(place))
                .filter(|_| clean && usual_sum)
            else {
                continue;
            };
            let mut shown = header;
            shown[field::NAME].fill(0);
            shown[..reduced.len()].copy_from_slice(&reduced);
            renew_sum(&mut shown);
            // Only where the way back is exact.
            let mut back = shown;
            back[field::NAME].copy_from_slice(&header[field::NAME]);
            renew_sum(&mut back);
            if back == header {
                archive.entries[index].path = super::tar::path_of(&shown).into();
                archive.shown.insert(index, shown);
            }
        }
        archive.index();
        Ok(())
    }
}

/// The places of outer entries whose digests `text` needs; `own` is the place of the entry it belongs to.
pub fn needs(text: &[u8], own: usize) -> Result<Vec<usize>> {
    let mut places = Vec::new();
    expand(text, own, &mut |place| {
        places.push(place);
        Ok([0; 32])
    })?;
    Ok(places)
}

/// The text with digests in place of the marks.
pub fn expand(
    text: &[u8],
    own: usize,
    digest: &mut dyn FnMut(usize) -> Result<Sha>,
) -> Result<Vec<u8>> {
    let mut full = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        if *first != MARK {
            full.push(*first);
            rest = after;
            continue;
        }
        let [high, low, after @ ..] = after else {
            bail!("half a mark");
        };
        let number = usize::from(*high)
            .checked_sub(1)
            .zip(usize::from(*low).checked_sub(1));
        let (high, low) = number.context("no such mark")?;
        let number = high * BASE + low;
        let place = number.checked_sub(1).unwrap_or(own);
        let sha = digest(place)?;
        full.extend(sha.iter().flat_map(|byte| {
            let digit = |four: u8| char::from_digit(u32::from(four), 16).map_or(b'0', |c| c as u8);
            [digit(byte >> 4), digit(byte & 15)]
        }));
        rest = after;
    }
    Ok(full)
}

/// The header whose name had marks.
pub fn complete(
    shown: &Header,
    own: usize,
    digest: &mut dyn FnMut(usize) -> Result<Sha>,
) -> Result<Header> {
    let name = expand(super::tar::text(&shown[field::NAME]), own, digest)?;
    ensure!(name.len() <= field::NAME.len(), "a name grew too long");
    let mut header = *shown;
    header[field::NAME].fill(0);
    header[..name.len()].copy_from_slice(&name);
    renew_sum(&mut header);
    Ok(header)
}

fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

fn from_hex(text: &[u8]) -> Sha {
    let digit = |byte: u8| (byte as char).to_digit(16).unwrap_or(0) as u8;
    let mut sha = [0; 32];
    for (to, pair) in sha.iter_mut().zip(text.chunks(2)) {
        *to = digit(pair[0]) << 4 | digit(pair[1]);
    }
    sha
}
