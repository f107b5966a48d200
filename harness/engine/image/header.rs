//! A tar header, field by field against the header it is expected to resemble.

use std::collections::HashMap;

use anyhow::Result;

use super::script::{Kind, Script};
use super::tar::{self, Header, field};

const TIDY: Kind = 10;
const OTHER: Kind = 11;
const TIME: Kind = 12;
const SIZE: Kind = 13;
const SUM: Kind = 14;
const PREFIX: Kind = 15;

/// Modification times used lately: most new ones are among them.
const RECENT: usize = 64;

/// What was learned from the headers coded so far.
#[derive(Default)]
pub struct Memory {
    /// The last header of each kind, for entries that resemble none in the base.
    last: HashMap<u8, Header>,
    times: Times,
    tidy: u32,
}

/// Modification times: what became of each in the base, and those that came up lately.
#[derive(Default)]
struct Times {
    became: HashMap<u64, u64>,
    shift: i64,
    recent: Vec<u64>,
    last_way: u32,
}

/// A number as most programs write it: eleven octal digits and this byte.
fn plain_number(bytes: &[u8]) -> Option<(u64, u8)> {
    let (digits, end) = (bytes.get(..11)?, *bytes.get(11)?);
    let all = digits.iter().all(|digit| matches!(digit, b'0'..=b'7'));
    (all && matches!(end, 0 | b' '))
        .then(|| tar::octal(digits))
        .flatten()
        .map(|number| (number, end))
}

fn put_number(number: u64, end: u8) -> [u8; 12] {
    let mut field = [end; 12];
    for (n, digit) in field[..11].iter_mut().enumerate() {
        *digit = b'0' + (number >> (3 * (10 - n)) & 7) as u8;
    }
    field
}

/// The checksum's field as GNU tar and Go write it.
fn put_sum(header: &mut Header) {
    let sum = tar::sum(header);
    let mut field = *b"000000\0 ";
    for (n, digit) in field[..6].iter_mut().enumerate() {
        *digit = b'0' + (sum >> (3 * (5 - n)) & 7) as u8;
    }
    header[field::SUM].copy_from_slice(&field);
}

/// Sets the checksum of a header whose name was completed.
pub fn renew_sum(header: &mut Header) {
    put_sum(header);
}

impl Memory {
    /// The header that a new one of this kind is held against when the base has none.
    fn last(&self, kind: u8) -> Header {
        self.last.get(&kind).copied().unwrap_or_else(|| {
            let mut header = [0; 512];
            header[field::KIND] = kind;
            header[field::MTIME].copy_from_slice(&put_number(0, 0));
            header
        })
    }

    /// Codes the prefix field of `header`, foretold by `like`'s.
    pub fn prefix(script: &mut Script, like: &Header, header: &mut Header) {
        let same = script.flag(PREFIX, &[], header[field::PREFIX] == like[field::PREFIX]);
        if same {
            header[field::PREFIX].copy_from_slice(&like[field::PREFIX]);
        } else {
            script.bytes(PREFIX, &like[field::PREFIX], &mut header[field::PREFIX]);
        }
    }

    /// Codes all of `header` but name and prefix, which are there. `base` is the header it resembles; `same_size` says
    /// that the contents, and so the size, are the base's.
    pub fn code(
        &mut self,
        script: &mut Script,
        base: Option<&Header>,
        same_size: bool,
        header: &mut Header,
    ) -> Result<()> {
        let like = match base {
            Some(base) => *base,
            None => {
                let folder = tar::text(&header[field::NAME]).last() == Some(&b'/');
                let kind = script.choice(
                    field::KIND as Kind,
                    8,
                    &[u32::from(folder)],
                    header[field::KIND].into(),
                ) as u8;
                self.last(kind)
            }
        };
        let hints = [u32::from(base.is_some()), self.tidy & 7];
        let given_size = plain_number(&header[field::SIZE]).map(|(number, _)| number);
        let given_time = plain_number(&header[field::MTIME]).map(|(number, _)| number);
        let as_usual = script.is_writing() && is_tidy(header, &like);
        let tidy = script.flag(TIDY, &hints, as_usual);
        self.tidy = self.tidy << 1 | u32::from(tidy);
        if !tidy {
            for (n, range) in field::OTHERS.iter().enumerate() {
                let same = header[range.clone()] == like[range.clone()];
                if script.flag(OTHER, &[n as u32], same) {
                    header[range.clone()].copy_from_slice(&like[range.clone()]);
                } else {
                    script.bytes(
                        20 + n as Kind,
                        &like[range.clone()],
                        &mut header[range.clone()],
                    );
                }
            }
        } else {
            for range in field::OTHERS {
                header[range.clone()].copy_from_slice(&like[range]);
            }
        }
        self.time(script, base, &like, tidy, given_time, header);
        size(script, &like, tidy, same_size, given_size, header);
        let computed = tidy || {
            let mut usual = *header;
            put_sum(&mut usual);
            script.flag(SUM, &[], usual[field::SUM] == header[field::SUM])
        };
        if computed {
            put_sum(header);
        } else {
            script.bytes(SUM, &[], &mut header[field::SUM]);
        }
        self.last.insert(header[field::KIND], *header);
        script.check()
    }

    fn time(
        &mut self,
        script: &mut Script,
        base: Option<&Header>,
        like: &Header,
        tidy: bool,
        given: Option<u64>,
        header: &mut Header,
    ) {
        let end = plain_number(&like[field::MTIME]).map_or(0, |(_, end)| end);
        let plain = tidy || {
            let usual = plain_number(&header[field::MTIME]).is_some_and(|(_, found)| found == end);
            script.flag(TIME, &[100], usual)
        };
        if !plain {
            script.bytes(TIME, &like[field::MTIME], &mut header[field::MTIME]);
            return;
        }
        let before = base.and_then(|base| plain_number(&base[field::MTIME]));
        let before = before.map(|(number, _)| number);
        let time = self.times.code(script, before, given.unwrap_or(0));
        header[field::MTIME].copy_from_slice(&put_number(time, end));
    }
}

/// Whether a header of unchanged contents says their size as the base's does.
pub fn same_size(header: &Header, base: &Header) -> bool {
    let number = |header: &Header| plain_number(&header[field::SIZE]).map(|(number, _)| number);
    match number(header) {
        Some(size) => number(base) == Some(size),
        None => true,
    }
}

/// Whether everything that is not coded on its own is as in `like`, and the sum as computed.
fn is_tidy(header: &Header, like: &Header) -> bool {
    let mut usual = *header;
    put_sum(&mut usual);
    let same_end = |range: std::ops::Range<usize>, default: u8| {
        let expected = plain_number(&like[range.clone()]).map_or(default, |(_, end)| end);
        plain_number(&header[range]).is_some_and(|(_, end)| end == expected)
    };
    usual == *header
        && same_end(field::MTIME, 0)
        && same_end(field::SIZE, 0)
        && field::OTHERS
            .iter()
            .all(|range| header[range.clone()] == like[range.clone()])
}

fn size(
    script: &mut Script,
    like: &Header,
    tidy: bool,
    same: bool,
    given: Option<u64>,
    header: &mut Header,
) {
    let found = plain_number(&like[field::SIZE]);
    let end = found.map_or(0, |(_, end)| end);
    let before = found.map_or(0, |(number, _)| number);
    let plain = tidy || {
        let usual = plain_number(&header[field::SIZE]).is_some_and(|(_, found)| found == end);
        script.flag(SIZE, &[100], usual)
    };
    if !plain {
        script.bytes(SIZE, &like[field::SIZE], &mut header[field::SIZE]);
        return;
    }
    let size = if same {
        before
    } else {
        let grown = given.unwrap_or(0) as i64 - before as i64;
        let folder = u32::from(header[field::KIND]);
        let grown = script.difference(SIZE, &[folder, u64::BITS - before.leading_zeros()], grown);
        before.wrapping_add(grown as u64) & ((1 << 33) - 1)
    };
    header[field::SIZE].copy_from_slice(&put_number(size, end));
}

impl Times {
    const BECAME: u32 = 0;
    const SHIFTED: u32 = 1;
    const RECENT: u32 = 2;
    const NEW: u32 = 3;

    fn code(&mut self, script: &mut Script, base: Option<u64>, given: u64) -> u64 {
        let became = base.map(|base| self.became.get(&base).copied());
        let expected = became.and_then(|became| became.or(base));
        let shifted = base.map(|base| base.wrapping_add_signed(self.shift));
        let place = self.recent.iter().rev().position(|time| *time == given);
        let way = match place {
            _ if expected == Some(given) => Times::BECAME,
            _ if shifted == Some(given) => Times::SHIFTED,
            Some(_) => Times::RECENT,
            None => Times::NEW,
        };
        let known = match became {
            None => 0,
            Some(None) => 1,
            Some(Some(_)) => 2,
        };
        let way = script.choice(TIME, 2, &[known, self.last_way << 2 | known], way);
        let last = self.recent.last().copied().unwrap_or(0);
        let time = match way {
            Times::BECAME => expected.unwrap_or(0),
            Times::SHIFTED => shifted.unwrap_or(0),
            Times::RECENT => {
                let place = script.number(TIME, &[1], place.unwrap_or(0) as u64) as usize;
                // A hostile script may say any number.
                let from_last = self.recent.iter().rev();
                from_last.copied().nth(place).unwrap_or(0)
            }
            _ => {
                let moved = script.difference(TIME, &[2], given as i64 - last as i64);
                last.wrapping_add_signed(moved)
            }
        } & ((1 << 33) - 1);
        self.last_way = way;
        if let Some(base) = base {
            self.became.insert(base, time);
            self.shift = time as i64 - base as i64;
        }
        if let Some(place) = self.recent.iter().position(|recent| *recent == time) {
            self.recent.remove(place);
        } else if self.recent.len() == RECENT {
            self.recent.remove(0);
        }
        self.recent.push(time);
        time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_came_up_before_any_other_is_no_time() {
        for ago in [0, 1, u64::MAX] {
            let mut script = Script::writing();
            script.choice(TIME, 2, &[0, 0], Times::RECENT);
            script.number(TIME, &[1], ago);
            let mut script = Script::reading(script.finish());
            assert_eq!(Times::default().code(&mut script, None, 0), 0);
        }
    }
}
