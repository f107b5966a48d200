//! Names of places: the symbols that the dynamic linker binds slots, stubs and symbol entries to.

use std::collections::HashMap;

use super::elf::{Form, Kind, Ref, Symbols, word};
use super::mix::spread;

/// Hashes of names, by symbol index and by address.
#[derive(Default)]
pub struct Names {
    symbols: Vec<u32>,
    places: HashMap<u32, u32>,
}

impl Names {
    /// The names in a file whose dynamic symbols are where `symbols` says. Names are told apart by 32 bits.
    pub fn read(bytes: &[u8], symbols: &Symbols) -> Self {
        let table = symbols.table.start as usize..symbols.table.end as usize;
        let strings = symbols.strings.start as usize..symbols.strings.end as usize;
        let (Some(table), Some(strings)) = (bytes.get(table), bytes.get(strings)) else {
            return Self::default();
        };
        let entries = table.chunks_exact(24);
        let mut names = Self {
            symbols: entries
                .map(|entry| name_hash(strings, word(entry, 0).unwrap_or(0)))
                .collect(),
            places: HashMap::new(),
        };
        for range in [&symbols.relocations, &symbols.jumps] {
            let Some(entries) = bytes.get(range.start as usize..range.end as usize) else {
                continue;
            };
            let is_jump = range.start == symbols.jumps.start;
            for (number, entry) in entries.chunks_exact(24).enumerate() {
                let (Some(slot), Some(symbol)) = (word(entry, 0), word(entry, 12)) else {
                    continue;
                };
                let name = names.symbols.get(symbol as usize).copied().unwrap_or(0);
                if name == 0 {
                    continue;
                }
                names.places.insert(slot, name);
                let stub = symbols.stub(number as u32);
                if is_jump && stub < symbols.stub_end {
                    names.places.insert(stub, spread(name));
                }
            }
        }
        names
    }

    /// The name that a reference can be known by.
    pub fn of(&self, reference: &Ref) -> Option<u32> {
        match reference.kind {
            Kind::Symbol => self.symbols.get(reference.target as usize).copied(),
            Kind::Name | Kind::Slot | Kind::Pointer => None,
            _ if reference.kind.form() == Form::Length => None,
            _ => self.places.get(&reference.target).copied(),
        }
    }
}

fn name_hash(strings: &[u8], at: u32) -> u32 {
    let name = strings.get(at as usize..).unwrap_or_default();
    let name = name.iter().take(256).take_while(|byte| **byte != 0);
    name.fold(0, |hash, byte| {
        spread(hash ^ u32::from(*byte)).wrapping_add(1)
    })
}
