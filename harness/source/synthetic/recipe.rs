//! The contents of a file: a short recipe that is turned into bytes when they are needed, and the edits that later releases
//! made to it.

use std::io::Write;

use flate2::{Compression, GzBuilder};

use super::code;
use super::text::{self, PARAGRAPH_BYTES, Style};
use super::unit::Unit;
use crate::dice::{Dice, mix};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    Text(Style),
    /// A text in a gzip member without a name or a time, as Debian compresses its documentation.
    PackedText,
    Code,
    /// Compressed data, such as pictures and fonts, that begins with these bytes.
    Noise(&'static [u8]),
}

/// The recipe of one file's contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRecipe {
    pub kind: FileKind,
    pub seed: u64,
    /// Size before edits and compression, in bytes: approximate, but exact for `Noise`.
    pub bytes: u64,
    pub edits: Vec<Edit>,
}

/// A change of the contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    /// `percent` of the units (paragraphs, functions) are replaced, and a tenth as many are added.
    Revise { seed: u64, percent: u64 },
    /// This many units are added, each at its own position.
    Insert { seed: u64, units: u64 },
    /// A few bytes at one position differ.
    Flip { seed: u64 },
}

impl FileRecipe {
    pub fn new(kind: FileKind, seed: u64, bytes: u64) -> FileRecipe {
        FileRecipe {
            kind,
            seed,
            bytes,
            edits: Vec::new(),
        }
    }

    /// A number that differs whenever the recipe does. It replaces a digest of the contents where one is only shown.
    pub fn identity(&self) -> u64 {
        self.edits
            .iter()
            .fold(mix(self.seed, self.bytes), |identity, edit| match edit {
                Edit::Revise { seed, percent } => mix(mix(identity, *seed), *percent),
                Edit::Insert { seed, units } => mix(mix(identity, *seed), *units),
                Edit::Flip { seed } => mix(identity, *seed),
            })
    }

    /// Writes the contents to `out`, replacing what it holds. `label` is the name and version they mention.
    pub fn write(&self, label: &str, out: &mut Vec<u8>) {
        out.clear();
        match self.kind {
            FileKind::Text(style) => self.text(style, label, out),
            FileKind::PackedText => self.text(Style::Prose, label, out),
            FileKind::Code => {
                let count = (self.bytes / code::FUNCTION_BYTES).max(1);
                code::binary(self.seed, &self.units(count), count as u32, label, out);
            }
            FileKind::Noise(magic) => self.noise(magic, out),
        }
        for edit in &self.edits {
            if let Edit::Flip { seed } = edit {
                flip(*seed, self.kind, out);
            }
        }
        if self.kind == FileKind::PackedText {
            *out = gzip(out);
        }
    }

    fn text(&self, style: Style, label: &str, out: &mut Vec<u8>) {
        for unit in self.units((self.bytes / PARAGRAPH_BYTES).max(1)) {
            text::paragraph(style, self.seed, unit.seed, label, out);
        }
    }

    /// A revision of compressed data changes all of it, or nothing.
    fn noise(&self, magic: &[u8], out: &mut Vec<u8>) {
        let revised = self.edits.iter().fold(self.seed, |now, edit| match edit {
            Edit::Revise { seed, percent } if Dice::new(*seed).chance(2 * percent) => *seed,
            _ => now,
        });
        out.resize(self.bytes as usize, 0);
        Dice::new(revised).fill(out);
        let magic = &magic[..magic.len().min(out.len())];
        out[..magic.len()].copy_from_slice(magic);
    }

    fn units(&self, count: u64) -> Vec<Unit> {
        let mut units: Vec<Unit> = (0..count)
            .map(|id| Unit {
                id: id as u32,
                seed: mix(self.seed, id),
            })
            .collect();
        for edit in &self.edits {
            match *edit {
                Edit::Revise { seed, percent } => {
                    let mut dice = Dice::new(seed);
                    for unit in &mut units {
                        if dice.chance(percent) {
                            unit.seed = mix(seed, unit.seed);
                        }
                    }
                    let added = units.len() as u64 * percent / 1000;
                    insert(&mut units, &mut dice, added);
                }
                Edit::Insert { seed, units: added } => {
                    insert(&mut units, &mut Dice::new(seed), added);
                }
                Edit::Flip { .. } => {}
            }
        }
        units
    }
}

fn insert(units: &mut Vec<Unit>, dice: &mut Dice, added: u64) {
    for _ in 0..added {
        let unit = Unit {
            id: units.len() as u32,
            seed: dice.u64(),
        };
        let at = dice.below(units.len() as u64 + 1) as usize;
        units.insert(at, unit);
    }
}

/// Changes up to eight bytes at one position; in a text, into other letters.
fn flip(seed: u64, kind: FileKind, out: &mut [u8]) {
    let mut dice = Dice::new(seed);
    let at = dice.below(out.len() as u64) as usize;
    for byte in out.iter_mut().skip(at).take(8) {
        match kind {
            FileKind::Text(_) | FileKind::PackedText if *byte == b'\n' => {}
            FileKind::Text(_) | FileKind::PackedText => *byte = b'a' + dice.below(26) as u8,
            FileKind::Code | FileKind::Noise(_) => *byte = !*byte,
        }
    }
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut member = GzBuilder::new()
        .mtime(0)
        .write(Vec::new(), Compression::new(6));
    member
        .write_all(plain)
        .and_then(|()| member.finish())
        .expect("writing into memory cannot fail")
}
