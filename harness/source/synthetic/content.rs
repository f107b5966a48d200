//! What a file holds: a recipe of a few words that is written out when it is needed, and the edits that later
//! releases made to it.

use std::io::Write;

use flate2::{Compression, GzBuilder};

use super::code;
use super::dice::{Dice, mix};
use super::text::{self, PARAGRAPH_BYTES, Style};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text(Style),
    /// A text in a gzip member, without name and time, as Debian packs its documentation.
    PackedText,
    Code,
    /// Data that is compressed already, such as pictures and fonts, led by these bytes.
    Noise(&'static [u8]),
}

/// The recipe of one file's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    pub kind: Kind,
    pub seed: u64,
    /// Size before edits and compression, in bytes; met roughly, but exactly by `Noise`.
    pub bytes: u64,
    pub edits: Vec<Edit>,
}

/// A change of a content, in the order made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    /// `percent` of the units (paragraphs, functions) are written anew, and a tenth as many are added.
    Revise { seed: u64, percent: u64 },
    /// So many units are added, each at a place of its own.
    Insert { seed: u64, units: u64 },
    /// A few bytes in one place differ.
    Flip { seed: u64 },
}

/// A part of a content that edits move and replace as a whole: a paragraph or a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit {
    pub id: u32,
    pub seed: u64,
}

impl Content {
    pub fn new(kind: Kind, seed: u64, bytes: u64) -> Content {
        Content {
            kind,
            seed,
            bytes,
            edits: Vec::new(),
        }
    }

    /// A seed that differs whenever the recipe does, standing for the content where a digest is only shown.
    pub fn identity(&self) -> u64 {
        self.edits
            .iter()
            .fold(mix(self.seed, self.bytes), |identity, edit| match edit {
                Edit::Revise { seed, percent } => mix(mix(identity, *seed), *percent),
                Edit::Insert { seed, units } => mix(mix(identity, *seed), *units),
                Edit::Flip { seed } => mix(identity, *seed),
            })
    }

    /// Writes the content in place of what `out` holds. `label` is the name and version it mentions.
    pub fn write(&self, label: &str, out: &mut Vec<u8>) {
        out.clear();
        match self.kind {
            Kind::Text(style) => self.text(style, label, out),
            Kind::PackedText => self.text(Style::Prose, label, out),
            Kind::Code => {
                let count = (self.bytes / code::FUNCTION_BYTES).max(1);
                code::binary(self.seed, &self.units(count), count as u32, label, out);
            }
            Kind::Noise(magic) => self.noise(magic, out),
        }
        for edit in &self.edits {
            if let Edit::Flip { seed } = edit {
                flip(*seed, self.kind, out);
            }
        }
        if self.kind == Kind::PackedText {
            *out = gzip(out);
        }
    }

    fn text(&self, style: Style, label: &str, out: &mut Vec<u8>) {
        for unit in self.units((self.bytes / PARAGRAPH_BYTES).max(1)) {
            text::paragraph(style, self.seed, unit.seed, label, out);
        }
    }

    /// A revision of something compressed leaves nothing alike, or leaves it alone.
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

/// Changes up to eight bytes in one place; of a text, into other letters.
fn flip(seed: u64, kind: Kind, out: &mut [u8]) {
    let mut dice = Dice::new(seed);
    let at = dice.below(out.len() as u64) as usize;
    for byte in out.iter_mut().skip(at).take(8) {
        match kind {
            Kind::Text(_) | Kind::PackedText if *byte == b'\n' => {}
            Kind::Text(_) | Kind::PackedText => *byte = b'a' + dice.below(26) as u8,
            Kind::Code | Kind::Noise(_) => *byte = !*byte,
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
        .expect("memory takes every byte")
}
