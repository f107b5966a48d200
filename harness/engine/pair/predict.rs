//! What a reference of the base becomes in the new file.
//!
//! Its target is looked up in the map of addresses and in a dictionary of the targets seen so far in this file.
//! Version 2, frozen.

use std::sync::Arc;

use super::elf::{Form, Kind, Ref, References, SECOND, arm64};
use super::map::{AddressMap, Place};

/// The guesses for one field, the likeliest first.
pub struct Guesses {
    pub values: [u32; 3],
    pub count: usize,
    pub kind: Kind,
    /// What the first guess rests on, 0 to 7.
    pub trust: usize,
}

/// Predicts the references of one file. A file without any is plain.
pub struct Prediction {
    found: Arc<References>,
    map: AddressMap,
    starts: Dictionary,
    ends: Dictionary,
    symbols: Dictionary,
    /// For each kind, how often the dictionary was right where the sure map disagreed: above 0 it wins.
    favour: [i8; Kind::COUNT],
    class: usize,
}

impl Prediction {
    /// `shifts` are the new file's addresses less its offsets, for each segment.
    pub fn new(found: Arc<References>, map: AddressMap) -> Self {
        Self {
            found,
            map,
            starts: Dictionary::new(),
            ends: Dictionary::new(),
            symbols: Dictionary::new(),
            favour: [0; Kind::COUNT],
            class: 0,
        }
    }

    /// The first reference at or behind an offset of the base.
    pub fn first_at(&self, at: usize) -> usize {
        let refs = &self.found.refs;
        refs.partition_point(|reference| (reference.at as usize) < at)
    }

    /// The offset and the width of a reference; past the last there is none.
    pub fn place(&self, which: usize) -> (usize, usize) {
        let reference = self.found.refs.get(which);
        reference.map_or((usize::MAX, 0), |reference| {
            (reference.at as usize, reference.kind.width())
        })
    }

    /// The class of the byte at an offset of the base.
    pub fn class(&mut self, at: usize) -> usize {
        let classes = &self.found.classes;
        let at = at as u32;
        if let Some((range, class)) = classes.get(self.class)
            && range.contains(&at)
        {
            return *class;
        }
        let next = classes.partition_point(|(range, _)| range.start <= at);
        self.class = next.saturating_sub(1);
        match classes.get(self.class) {
            Some((range, class)) if range.contains(&at) => *class,
            _ => 0,
        }
    }

    pub fn kind(&self, which: usize) -> Kind {
        self.found.refs[which].kind
    }

    /// What the field of a reference becomes at an offset of the new file.
    pub fn guess(&self, which: usize, at: usize) -> Guesses {
        let reference = self.found.refs[which];
        let mapped = self.mapped(&reference);
        let known = self.dictionary(reference.kind).get(reference.target);
        let mut targets = [mapped.at; 3];
        let mut count = 1;
        let trust = match known {
            None if mapped.is_sure => 0,
            None => 1,
            Some((known, _)) if known == mapped.at => 2 + usize::from(mapped.is_sure),
            Some((known, times)) => {
                count = 2;
                let wins = !mapped.is_sure || self.favour[reference.kind as usize] >= 0;
                match wins {
                    true => targets[0] = known,
                    false => targets[1] = known,
                }
                4 + usize::from(mapped.is_sure) + 2 * usize::from(times > 0)
            }
        };
        if mapped.other != mapped.at {
            targets[count] = mapped.other;
            count += 1;
        }
        Guesses {
            values: targets.map(|target| self.field_of(&reference, at, target)),
            count,
            kind: reference.kind,
            trust,
        }
    }

    /// Remembers what a field was.
    pub fn learn(&mut self, which: usize, at: usize, value: u32) {
        let reference = self.found.refs[which];
        let target = self.target(which, at, value);
        let mapped = self.mapped(&reference);
        let known = self.dictionary(reference.kind).get(reference.target);
        if let Some((known, _)) = known
            && mapped.is_sure
            && known != mapped.at
        {
            let favour = &mut self.favour[reference.kind as usize];
            if target == known {
                *favour = (*favour + 1).min(8);
            } else if target == mapped.at {
                *favour = (*favour - 1).max(-8);
            }
        }
        let dictionary = match reference.kind.form() {
            Form::Length => &mut self.ends,
            Form::Symbol => &mut self.symbols,
            Form::Offset | Form::Extent => return,
            // Half an address teaches nothing, another instruction something wrong.
            Form::Word if matches!(reference.kind, Kind::Page | Kind::Low) => return,
            Form::Word if (value ^ reference.anchor) & !arm64::mask(reference.kind) != 0 => return,
            _ => &mut self.starts,
        };
        dictionary.set(reference.target, target);
    }

    fn dictionary(&self, kind: Kind) -> &Dictionary {
        match kind.form() {
            Form::Length | Form::Extent => &self.ends,
            Form::Symbol => &self.symbols,
            _ => &self.starts,
        }
    }

    /// The new target by the map alone.
    fn mapped(&self, reference: &Ref) -> Place {
        let target = reference.target;
        match reference.kind.form() {
            Form::Offset => self.map.offset(target),
            Form::Extent => end(|target| self.map.offset(target), target),
            Form::Length => end(|target| self.map.address(target), target),
            Form::Symbol => self.symbol(target),
            _ => self.map.address(target),
        }
    }

    /// Symbols go where the bytes of their table's entries go.
    fn symbol(&self, index: u32) -> Place {
        let (first, second) = (&self.found.symbols.table, &self.found.second.table);
        let (table, other) = match index < SECOND {
            true => (first, second),
            false => (second, first),
        };
        let index = index & !SECOND;
        let old = table.start.wrapping_add(index.wrapping_mul(24));
        if !table.contains(&old) {
            return Place {
                at: index,
                is_sure: false,
                other: index,
            };
        }
        let starts = [table, other].map(|table| self.map.offset(table.start));
        let start = match starts[1].is_sure && !starts[0].is_sure && !other.is_empty() {
            true => starts[1].at,
            false => starts[0].at,
        };
        let place = self.map.offset(old);
        let index = |at: u32| at.wrapping_sub(start) / 24;
        Place {
            at: index(place.at),
            other: index(place.other),
            ..place
        }
    }

    /// What the field's value counts from, and whether it counts down.
    fn origin(&self, reference: &Ref, at: usize) -> (u32, bool) {
        let address = || self.map.new_address(reference.at, at as u32);
        match reference.kind.form() {
            Form::Relative => (address().wrapping_add(reference.tail.into()), false),
            Form::Back => (address(), true),
            Form::Anchored | Form::Length => (self.start(reference.anchor), false),
            Form::Extent => (self.map.offset(reference.anchor).at, false),
            Form::Absolute | Form::Symbol | Form::Offset | Form::Word => (0, false),
        }
    }

    /// Where an anchor went.
    fn start(&self, anchor: u32) -> u32 {
        let known = self.starts.get(anchor);
        known.map_or_else(|| self.map.address(anchor).at, |(known, _)| known)
    }

    fn field_of(&self, reference: &Ref, at: usize, target: u32) -> u32 {
        if reference.kind.form() == Form::Word {
            let place = self.map.new_address(reference.at, at as u32);
            return arm64::field(reference.kind, reference.anchor, place, target);
        }
        let value = match self.origin(reference, at) {
            (origin, false) => target.wrapping_sub(origin),
            (origin, true) => origin.wrapping_sub(target),
        };
        match reference.kind.width() {
            1 => value & 0xff,
            _ => value,
        }
    }

    /// The field that a target makes.
    pub fn field(&self, which: usize, at: usize, target: u32) -> u32 {
        self.field_of(&self.found.refs[which], at, target)
    }

    /// The target that a field makes.
    pub fn target(&self, which: usize, at: usize, value: u32) -> u32 {
        let reference = &self.found.refs[which];
        if reference.kind.form() == Form::Word {
            let place = self.map.new_address(reference.at, at as u32);
            return arm64::target(reference.kind, value, place);
        }
        let value = match reference.kind.width() {
            1 => value as i8 as u32,
            _ => value,
        };
        match self.origin(reference, at) {
            (origin, false) => origin.wrapping_add(value),
            (origin, true) => origin.wrapping_sub(value),
        }
    }
}

/// An end goes where the byte before it goes.
fn end(map: impl Fn(u32) -> Place, target: u32) -> Place {
    let last = map(target.wrapping_sub(1));
    Place {
        at: last.at.wrapping_add(1),
        other: last.other.wrapping_add(1),
        ..last
    }
}

/// Slots of a dictionary that are tried for one key.
const MOST_PROBES: usize = 64;

/// Old targets to new ones, with how often the new one was seen again. Never iterated.
struct Dictionary {
    slots: Vec<(u32, u32, u32)>,
    count: usize,
}

impl Dictionary {
    fn new() -> Self {
        Self {
            slots: vec![(u32::MAX, 0, 0); 1 << 10],
            count: 0,
        }
    }

    fn slot(&self, key: u32) -> usize {
        let mask = self.slots.len() - 1;
        let mut at = super::mix::spread(key) as usize & mask;
        // A hostile base may choose keys that collide: the last slot tried is then overwritten.
        for _ in 0..MOST_PROBES {
            if self.slots[at].0 == key || self.slots[at].0 == u32::MAX {
                break;
            }
            at = (at + 1) & mask;
        }
        at
    }

    fn get(&self, key: u32) -> Option<(u32, u32)> {
        let (found, value, times) = self.slots[self.slot(key)];
        (found == key && key != u32::MAX).then_some((value, times))
    }

    fn set(&mut self, key: u32, value: u32) {
        if key == u32::MAX {
            return;
        }
        if self.count * 2 >= self.slots.len() {
            let larger = vec![(u32::MAX, 0, 0); self.slots.len() * 2];
            let slots = std::mem::replace(&mut self.slots, larger);
            for slot in slots.into_iter().filter(|slot| slot.0 != u32::MAX) {
                let at = self.slot(slot.0);
                self.slots[at] = slot;
            }
        }
        let at = self.slot(key);
        let slot = &mut self.slots[at];
        self.count += usize::from(slot.0 == u32::MAX);
        *slot = match slot.0 == key && slot.1 == value {
            true => (key, value, slot.2.saturating_add(1)),
            false => (key, value, 0),
        };
    }
}
