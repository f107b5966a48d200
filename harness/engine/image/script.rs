//! The script's vocabulary: flags, choices, numbers, bytes and names, each coded in the direction the coder works.

use anyhow::{Result, ensure};

use super::coder::Coder;

/// What a value is, so that each kind of value has statistics of its own.
pub type Kind = u32;

/// The stream that says how the image is put together, written or read.
pub struct Script {
    coder: Coder,
}

fn hash(parts: &[u32]) -> u32 {
    let mut hash = 0x811C_9DC5_u32;
    for part in parts {
        hash = (hash ^ part).wrapping_mul(0x0100_0193);
        hash = (hash ^ hash >> 15).wrapping_mul(0x2C1B_3C6D);
    }
    hash
}

impl Script {
    pub fn writing() -> Script {
        Script {
            coder: Coder::writing(),
        }
    }

    pub fn reading(coded: Vec<u8>) -> Script {
        Script {
            coder: Coder::reading(coded),
        }
    }

    pub fn is_writing(&self) -> bool {
        self.coder.is_writing()
    }

    /// Fails when a reader reads what was never written: checked at least once for each thing that takes memory.
    pub fn check(&self) -> Result<()> {
        ensure!(!self.coder.ran_out(), "the script ends too early");
        Ok(())
    }

    pub fn finish(self) -> Vec<u8> {
        self.coder.finish()
    }

    /// One flag, foretold by each of `hints` on its own and by all of them together.
    pub fn flag(&mut self, kind: Kind, hints: &[u32], flag: bool) -> bool {
        let mut contexts = [0_u32; 10];
        contexts[0] = hash(&[kind, 0xF1A6]);
        let mut all = contexts[0];
        let few = hints.len().min(8);
        for (n, hint) in hints.iter().take(few).enumerate() {
            contexts[n + 1] = hash(&[kind, n as u32, *hint]);
            all = hash(&[all, *hint]);
        }
        contexts[few + 1] = all;
        self.coder.bit(kind, &contexts[..few + 2], flag)
    }

    /// One of `2^bits` values.
    pub fn choice(&mut self, kind: Kind, bits: u32, hints: &[u32], value: u32) -> u32 {
        let mut node = 1_u32;
        for bit in (0..bits).rev() {
            let flag = value >> bit & 1 == 1;
            let mut with = [0_u32; 8];
            let few = hints.len().min(7);
            for (to, hint) in with.iter_mut().zip(hints) {
                *to = hash(&[*hint, node]);
            }
            with[few] = node;
            let flag = self.flag(kind, &with[..=few], flag);
            node = node << 1 | u32::from(flag);
        }
        node - (1 << bits)
    }

    /// Any number: its length in bits, then its bits from the top; the first three of them have statistics.
    pub fn number(&mut self, kind: Kind, hints: &[u32], value: u64) -> u64 {
        let length = u64::BITS - value.leading_zeros();
        let length = self.choice(kind, 7, hints, length).min(64);
        if length <= 1 {
            return u64::from(length);
        }
        let mut read = 1_u64;
        for (nth, bit) in (0..length - 1).rev().enumerate() {
            let flag = value >> bit & 1 == 1;
            let known = if nth < 3 { read as u32 } else { 99 + bit };
            let flag = self.flag(kind, &[hash(&[length, known, 0xB175])], flag);
            read = read << 1 | u64::from(flag);
        }
        read
    }

    /// A number that may be negative; near zero is cheap.
    pub fn difference(&mut self, kind: Kind, hints: &[u32], value: i64) -> i64 {
        let folded = (value as u64) << 1 ^ (value >> 63) as u64;
        let folded = self.number(kind, hints, folded);
        (folded >> 1) as i64 ^ -((folded & 1) as i64)
    }

    /// Bytes of a length both sides know. `like` is what they may be: each is foretold by the byte at its place there.
    pub fn bytes(&mut self, kind: Kind, like: &[u8], bytes: &mut [u8]) {
        let mut text = Text::new(kind);
        for (n, byte) in bytes.iter_mut().enumerate() {
            let like = like.get(n).copied().unwrap_or(0);
            let guess = [(1, u32::from(like)), (2, n as u32 & 0xFFFF)];
            *byte = text.byte(&mut self.coder, &guess, *byte);
        }
    }

    /// Bytes of a length both sides know, which may resemble `first` or `second`, shifted.
    pub fn resembling(&mut self, kind: Kind, first: &[u8], second: &[u8], bytes: &mut [u8]) {
        let mut text = Text::new(kind);
        let (mut first, mut second) = (Follow::new(first), Follow::new(second));
        for byte in bytes {
            let guess = [first.guess(1), second.guess(2)];
            *byte = text.byte(&mut self.coder, &guess, *byte);
            first.saw(*byte);
            second.saw(*byte);
        }
    }

    /// Text up to a terminating zero, which may not be in it. `first` and `second` are texts it may resemble.
    pub fn text(
        &mut self,
        kind: Kind,
        first: &[u8],
        second: &[u8],
        given: &[u8],
        most: usize,
    ) -> Result<Vec<u8>> {
        let mut text = Text::new(kind);
        let (mut first, mut second) = (Follow::new(first), Follow::new(second));
        let mut found = Vec::new();
        loop {
            let byte = given.get(found.len()).copied().unwrap_or(0);
            let guess = [first.guess(1), second.guess(2)];
            let byte = text.byte(&mut self.coder, &guess, byte);
            if byte == 0 {
                return Ok(found);
            }
            found.push(byte);
            ensure!(found.len() <= most, "a text of more than {most} bytes");
            if found.len() % 64 == 0 {
                self.check()?;
            }
            first.saw(byte);
            second.saw(byte);
        }
    }
}

/// A text beside the one being coded, followed as long as both agree and found again after they differ.
struct Follow<'a> {
    text: &'a [u8],
    at: usize,
    right: u32,
}

impl Follow<'_> {
    fn new(text: &[u8]) -> Follow<'_> {
        Follow {
            text,
            at: 0,
            right: 1,
        }
    }

    fn guess(&self, which: u32) -> (u32, u32) {
        let byte = self.text.get(self.at).copied().unwrap_or(0);
        (which, u32::from(byte) | self.right.min(15) << 8)
    }

    fn saw(&mut self, byte: u8) {
        if self.text.get(self.at) == Some(&byte) {
            self.at += 1;
            self.right += 1;
            return;
        }
        self.right = 0;
        // After a change, a separator leads back into step; within a number or a word, stay beside it.
        if matches!(byte, b'/' | b'.' | b'-' | b'_' | b'=' | b' ' | b'\n') {
            let ahead = self.text.get(self.at..).unwrap_or_default();
            if let Some(skip) = ahead.iter().take(40).position(|other| *other == byte) {
                self.at += skip + 1;
                return;
            }
        }
        self.at += 1;
    }
}

/// Coding bytes one after the other: the last few of them foretell the next.
struct Text {
    kind: Kind,
    last: u64,
    word: u32,
}

impl Text {
    fn new(kind: Kind) -> Text {
        Text {
            kind,
            last: 0,
            word: 0,
        }
    }

    /// One byte; `guess` are pairs of a hint's number and the hint.
    fn byte(&mut self, coder: &mut Coder, guess: &[(u32, u32); 2], byte: u8) -> u8 {
        let last = |bytes: u32| (self.last & ((1_u64 << (8 * bytes)) - 1)) as u32;
        let high = (self.last >> 32) as u32 & 0xFFFF;
        let bases = [
            hash(&[self.kind, 100]),
            hash(&[self.kind, 101, last(1)]),
            hash(&[102, last(2)]),
            hash(&[103, last(3)]),
            hash(&[104, last(4), high & 255]),
            hash(&[105, last(4), high]),
            hash(&[106, self.word]),
            hash(&[self.kind, 107, guess[0].0, guess[0].1]),
            hash(&[self.kind, 108, guess[1].0, guess[1].1]),
            hash(&[109, guess[0].1, guess[1].1, last(1)]),
        ];
        let mut node = 1_u32;
        for bit in (0..8).rev() {
            let contexts = bases.map(|base| hash(&[base, node]));
            let sure = (guess[0].1 >> 8).min(7) * 8 + (guess[1].1 >> 8).min(7);
            let set = 64 + sure + 64 * (self.kind & 1);
            let bit = coder.bit(set, &contexts, byte >> bit & 1 == 1);
            node = node << 1 | u32::from(bit);
        }
        let byte = node as u8;
        self.last = self.last << 8 | u64::from(byte);
        self.word = if byte.is_ascii_alphanumeric() {
            hash(&[self.word, u32::from(byte)])
        } else {
            0
        };
        byte
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_value_comes_back() {
        let numbers = [0, 1, 2, 3, 255, 256, u64::from(u32::MAX), u64::MAX];
        let signed = [0, -1, 1, i64::MIN, i64::MAX, -77];
        let mut script = Script::writing();
        for _ in 0..3 {
            numbers.iter().for_each(|n| {
                script.number(1, &[2], *n);
            });
            signed.iter().for_each(|n| {
                script.difference(2, &[], *n);
            });
            script
                .text(3, b"usr/lib/a.so.1", b"", b"usr/lib/a.so.2", 99)
                .unwrap();
            script.bytes(4, b"abc", &mut [0, 1, 2, 255]);
            script.choice(5, 4, &[9], 13);
        }
        let mut script = Script::reading(script.finish());
        for _ in 0..3 {
            numbers
                .iter()
                .for_each(|n| assert_eq!(script.number(1, &[2], 0), *n));
            signed
                .iter()
                .for_each(|n| assert_eq!(script.difference(2, &[], 0), *n));
            let text = script.text(3, b"usr/lib/a.so.1", b"", b"", 99).unwrap();
            assert_eq!(text, b"usr/lib/a.so.2");
            let mut bytes = [0; 4];
            script.bytes(4, b"abc", &mut bytes);
            assert_eq!(bytes, [0, 1, 2, 255]);
            assert_eq!(script.choice(5, 4, &[9], 0), 13);
        }
        script.check().unwrap();
    }

    #[test]
    fn a_script_that_was_cut_is_noticed() {
        let mut script = Script::reading(Vec::new());
        let text = (0..1000).try_for_each(|_| {
            script
                .text(3, b"", b"", b"", 50)
                .map(drop)
                .and_then(|()| script.check())
        });
        assert!(text.is_err());
    }
}
