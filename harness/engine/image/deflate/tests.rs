//! What Go writes, known by heart: `compress/flate` of Go 1.19.8 was given these contents, each
//! in one write, at levels 1 to 9.

use flate2::Crc;

use super::{Deflate, Program, Style};

/// Numbers that look random: the upper half of a 64-bit congruential generator (Knuth's MMIX).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 32) as u32) % limit
    }

    fn noise(&mut self, bytes: usize) -> Vec<u8> {
        (0..bytes).map(|_| self.below(256) as u8).collect()
    }
}

/// Words that come again, near and far, between numbers.
fn text(bytes: usize) -> Vec<u8> {
    let mut numbers = Numbers(1);
    let words: Vec<Vec<u8>> = (0..900)
        .map(|_| {
            let letters = 1 + numbers.below(9);
            (0..letters)
                .map(|_| b'a' + numbers.below(26) as u8)
                .collect()
        })
        .collect();
    let mut text = Vec::new();
    while text.len() < bytes {
        let most = 1 + numbers.below(900);
        text.extend_from_slice(&words[numbers.below(most) as usize]);
        match numbers.below(8) {
            0 => text.extend(numbers.below(100_000).to_string().bytes()),
            _ => text.push(b' '),
        }
    }
    text.truncate(bytes);
    text
}

/// Pieces copied from every distance up to beyond the window, often from its end, with noise between.
fn copies(bytes: usize) -> Vec<u8> {
    let mut numbers = Numbers(2);
    let mut copies = numbers.noise(9);
    while copies.len() < bytes {
        let distance = match numbers.below(4) {
            0 => 1 + numbers.below(9),
            1 => 4_090 + numbers.below(12),
            2 => 32_500 + numbers.below(270),
            _ => 1 + numbers.below(33_000),
        };
        let distance = (distance as usize).min(copies.len());
        let length = match numbers.below(5) {
            0 => numbers.below(300),
            _ => 3 + numbers.below(6),
        };
        for _ in 0..length {
            copies.push(copies[copies.len() - distance]);
        }
        let between = numbers.below(4) as usize;
        copies.extend(numbers.noise(between));
    }
    copies.truncate(bytes);
    copies
}

/// Noise that comes again after so many bytes.
fn again_after(period: usize, bytes: usize) -> Vec<u8> {
    Numbers(3).noise(period).repeat(bytes / period + 1)[..bytes].to_vec()
}

/// Symbols that come as often as Fibonacci's numbers say, the rare ones literals and the others copies of one length
/// each: the deepest of trees, whose codes come to the limit of length.
fn rarer_and_rarer() -> Vec<u8> {
    let mut numbers = Numbers(4);
    let mut symbols = Vec::new();
    let (mut count, mut next) = (1, 1);
    for symbol in 0..19_u8 {
        symbols.extend(std::iter::repeat_n(symbol, count));
        (count, next) = (next, count + next);
    }
    for place in (1..symbols.len()).rev() {
        symbols.swap(place, numbers.below(place as u32 + 1) as usize);
    }
    // Noise first, a block of its own, to copy from.
    let mut contents = numbers.noise(1 << 14);
    for symbol in symbols {
        match symbol {
            0..12 => contents.push(symbol * 20),
            _ => {
                let from = contents.len() - 20 - numbers.below(16_000) as usize;
                let length = usize::from(symbol) - 8;
                contents.extend_from_within(from..from + length);
            }
        }
    }
    contents
}

/// Matches of the lengths at which the search stops or does not look on: one byte later, or farther back, is a longer
/// one.
fn longer_later_and_farther() -> Vec<u8> {
    let mut numbers = Numbers(6);
    let mut contents = Vec::new();
    let mut push = |parts: &[&[u8]]| {
        for part in parts {
            contents.extend_from_slice(part);
            contents.extend(numbers.noise(3));
        }
    };
    let mut others = Numbers(7);
    for limit in [4_usize, 5, 6, 7, 16, 32, 128, 258] {
        for length in [limit - 1, limit, limit + 1] {
            let match_now = others.noise(length);
            let more = others.noise(40);
            let later = [&match_now[1..], &more].concat();
            push(&[&match_now, &later, &[&match_now[..], &more].concat()]);
            let farther = [&others.noise(length)[..], &more].concat();
            push(&[&farther, &farther[..length], &farther]);
        }
    }
    contents
}

/// A word so often, with few bytes between, that a search ends by the number of places it has looked at.
fn one_word(bytes: usize) -> Vec<u8> {
    let mut numbers = Numbers(8);
    let mut contents = Vec::new();
    while contents.len() < bytes {
        contents.extend_from_slice(b"word");
        contents.extend((0..3).map(|_| b'0' + numbers.below(20) as u8));
    }
    contents
}

/// Runs that come again a window later, with single bytes changed.
fn runs_again(bytes: usize) -> Vec<u8> {
    let mut numbers = Numbers(9);
    let mut runs = Vec::new();
    while runs.len() < bytes {
        let (byte, length) = (numbers.below(60) as u8, 4 + numbers.below(9));
        runs.extend(std::iter::repeat_n(byte, length as usize));
    }
    for place in 1 << 15..bytes {
        runs[place] = match numbers.below(14) {
            0 => numbers.below(256) as u8,
            _ => runs[place - (1 << 15)],
        };
    }
    runs.truncate(bytes);
    runs
}

/// Short contents of all lengths, of some or many bytes, repetitive or not: ends, and forms that are nearly as short.
fn short() -> Vec<Vec<u8>> {
    let mut numbers = Numbers(10);
    let text = text(2_000);
    let contents = |n: usize| match n % 4 {
        0 => text[n..n + n / 4].to_vec(),
        1 => numbers.noise(n / 4),
        2 => {
            let least = numbers.below(250);
            let noise = (0..n / 4).map(|_| (least + numbers.below(256 - least)) as u8);
            noise.collect()
        }
        _ => {
            let ways = 1 + numbers.below(60);
            (0..n / 4).map(|_| numbers.below(ways) as u8).collect()
        }
    };
    let repeated = (0..300).map(|length| again_after(9, length));
    (0..640).map(contents).chain(repeated).collect()
}

/// Noise with copies in it, few to many, that is hardly worth compressing.
fn hardly_worth_it() -> Vec<Vec<u8>> {
    let mut numbers = Numbers(11);
    let contents = |n: u32| {
        let mut contents = numbers.noise(64);
        while contents.len() < 130 + 4 * n as usize {
            let between = 20 + numbers.below(40) as usize;
            contents.extend(numbers.noise(between));
            let from = numbers.below(contents.len() as u32 - 12) as usize;
            let length = 4 + numbers.below(8) as usize;
            contents.extend_from_within(from..from + length);
        }
        contents
    };
    (0..400).map(contents).collect()
}

/// Contents by name, each for a rule: where a match may start, blocks and their forms, ties of codes, ends.
fn contents() -> Vec<(String, Vec<Vec<u8>>)> {
    let mut contents = vec![
        ("text".to_owned(), vec![text(300_000)]),
        ("copies".to_owned(), vec![copies(300_000)]),
        ("rarer and rarer".to_owned(), vec![rarer_and_rarer()]),
        ("longer ones".to_owned(), vec![longer_later_and_farther()]),
        ("one word".to_owned(), vec![one_word(150_000)]),
        ("runs again".to_owned(), vec![runs_again(200_000)]),
        ("short".to_owned(), short()),
        ("hardly worth it".to_owned(), hardly_worth_it()),
        // Longer than what is held.
        ("text, long".to_owned(), vec![text(1_400_000)]),
        ("noise, long".to_owned(), vec![Numbers(3).noise(1_200_000)]),
        ("one byte".to_owned(), vec![vec![7; 200_000]]),
        // Each byte equally often: all codes are ties.
        ("all bytes".to_owned(), vec![(0..=255).rev().collect()]),
    ];
    // Around a block's number of symbols and a stored block's number of bytes.
    for length in [16_383, 16_384, 16_385, 65_535, 65_536] {
        let noise = Numbers(5).noise(length);
        contents.push((format!("noise of {length}"), vec![noise]));
    }
    for period in [3, 4_095, 4_097, 32_505, 32_600, 32_767, 32_768, 32_769] {
        let again = again_after(period, 140_000);
        contents.push((format!("again after {period}"), vec![again]));
    }
    contents
}

/// What Go wrote of each of the contents, for levels 1 to 9: bytes, and their CRC-32.
#[rustfmt::skip]
const WRITTEN: [[(usize, u32); 9]; 25] = [
    [(122321, 0x3cca4ee0), (119170, 0x2f9b0c1d), (118536, 0x81133360), (113320, 0x229c0aae), (113096, 0xdaf86288), (113094, 0xed930b8c), (113094, 0xed930b8c), (113094, 0xed930b8c), (113094, 0xed930b8c)],
    [(48637, 0x82bc44d5), (46918, 0x8284a6bd), (45657, 0x64746172), (37145, 0x2d844f31), (36229, 0xb27d3a98), (34562, 0xf068f6ab), (34409, 0x9f268918), (33923, 0xdcb40d50), (33813, 0xa1eb67e1)],
    [(92930, 0xe78e4f95), (56139, 0xf82d41d6), (54174, 0x3dc8dd29), (39105, 0x3cde20d4), (39095, 0xfeb2caef), (39095, 0xfeb2caef), (39095, 0xfeb2caef), (39095, 0xfeb2caef), (39095, 0xfeb2caef)],
    [(4630, 0xfef111b8), (4569, 0x5b9b0be9), (4564, 0x4bf53bbb), (4567, 0x7538884b), (4552, 0xc032529f), (4548, 0xc51a7c9c), (4544, 0x05879f5c), (4536, 0xba37e63b), (4533, 0xfaa7f0fc)],
    [(54096, 0x8742c3b3), (52543, 0xee539f64), (52091, 0x6bcac800), (50953, 0x7603c439), (50738, 0xc188408a), (50120, 0x7a7811f7), (49794, 0x12cda0fb), (49697, 0x51fbd2d9), (49579, 0x4510bf83)],
    [(82504, 0x5e6b6f37), (75260, 0x4e8e2b46), (73841, 0xd585e82f), (58309, 0x5255cc14), (56078, 0x0cb93e3e), (54766, 0xf7bf9412), (51676, 0xed59d4fa), (49940, 0x4277e7c7), (49940, 0x4277e7c7)],
    [(63632, 0x664ad376), (55686, 0xe8a8d0c6), (55685, 0x548b1865), (55656, 0xacde9fc8), (55655, 0xe3283f0c), (55655, 0xe3283f0c), (55655, 0xe3283f0c), (55655, 0xe3283f0c), (55655, 0xe3283f0c)],
    [(384232, 0x97ffe1a7), (362937, 0xa7265787), (362785, 0x63468891), (361841, 0xc45ba96f), (361841, 0xc45ba96f), (361841, 0xc45ba96f), (361841, 0xc45ba96f), (361841, 0xc45ba96f), (361841, 0xc45ba96f)],
    [(567169, 0x91d30b64), (553587, 0x90599193), (550035, 0x5ebba3f2), (523683, 0x5151939d), (522641, 0xda171022), (522637, 0x2e2f9309), (522637, 0x2e2f9309), (522637, 0x2e2f9309), (522637, 0x2e2f9309)],
    [(1200100, 0x83769a7f), (1200375, 0xf251ed2a), (1200375, 0xf251ed2a), (1200375, 0xf251ed2a), (1200375, 0xf251ed2a), (1200375, 0xf251ed2a), (1200375, 0xf251ed2a), (1200375, 0xf251ed2a), (1200375, 0xf251ed2a)],
    [(264, 0x0eea19f2), (895, 0xab492320), (895, 0xab492320), (215, 0x33eb0abe), (215, 0x33eb0abe), (215, 0x33eb0abe), (215, 0x33eb0abe), (215, 0x33eb0abe), (215, 0x33eb0abe)],
    [(266, 0xea890fab), (266, 0xea890fab), (266, 0xea890fab), (266, 0xea890fab), (266, 0xea890fab), (266, 0xea890fab), (266, 0xea890fab), (266, 0xea890fab), (266, 0xea890fab)],
    [(16393, 0xf6894959), (16393, 0xf6894959), (16393, 0xf6894959), (16393, 0xf6894959), (16393, 0xf6894959), (16393, 0xf6894959), (16393, 0xf6894959), (16393, 0xf6894959), (16393, 0xf6894959)],
    [(16394, 0x1f676826), (16394, 0x1f676826), (16394, 0x1f676826), (16394, 0x1f676826), (16394, 0x1f676826), (16394, 0x1f676826), (16394, 0x1f676826), (16394, 0x1f676826), (16394, 0x1f676826)],
    [(16395, 0x91400a28), (16396, 0xf216c999), (16396, 0xf216c999), (16396, 0xf216c999), (16396, 0xf216c999), (16396, 0xf216c999), (16396, 0xf216c999), (16396, 0xf216c999), (16396, 0xf216c999)],
    [(65545, 0xa4a9e665), (65560, 0x73aa67f5), (65560, 0x73aa67f5), (65560, 0x73aa67f5), (65560, 0x73aa67f5), (65560, 0x73aa67f5), (65560, 0x73aa67f5), (65560, 0x73aa67f5), (65560, 0x73aa67f5)],
    [(65551, 0x6cab2c43), (65561, 0xc72ea1fd), (65561, 0xc72ea1fd), (65561, 0xc72ea1fd), (65561, 0xc72ea1fd), (65561, 0xc72ea1fd), (65561, 0xc72ea1fd), (65561, 0xc72ea1fd), (65561, 0xc72ea1fd)],
    [(667, 0x6878572f), (636, 0x1e8ea07e), (636, 0x1e8ea07e), (161, 0x83bfbf44), (161, 0x83bfbf44), (161, 0x83bfbf44), (161, 0x83bfbf44), (161, 0x83bfbf44), (161, 0x83bfbf44)],
    [(10639, 0xa5dd48d5), (5502, 0x0210ba2e), (5502, 0x0210ba2e), (5176, 0x0e4aae0e), (5176, 0x0e4aae0e), (5176, 0x0e4aae0e), (5176, 0x0e4aae0e), (5176, 0x0e4aae0e), (5176, 0x0e4aae0e)],
    [(16746, 0xc6068554), (5558, 0x213ba794), (5558, 0x213ba794), (5244, 0xd7f9c914), (5244, 0xd7f9c914), (5244, 0xd7f9c914), (5244, 0xd7f9c914), (5244, 0xd7f9c914), (5244, 0xd7f9c914)],
    [(124957, 0x366f17dc), (34349, 0xcfcb892f), (34349, 0xcfcb892f), (33564, 0x4c16ddcc), (33564, 0x4c16ddcc), (33564, 0x4c16ddcc), (33564, 0x4c16ddcc), (33564, 0x4c16ddcc), (33564, 0x4c16ddcc)],
    [(140020, 0x6fdfeec6), (33892, 0xcac5bdd5), (33892, 0xcac5bdd5), (33602, 0xf2b01c36), (33602, 0xf2b01c36), (33602, 0xf2b01c36), (33602, 0xf2b01c36), (33602, 0xf2b01c36), (33602, 0xf2b01c36)],
    [(127828, 0xb0dc51f3), (35059, 0xb87c97ed), (35059, 0xb87c97ed), (34470, 0xf6cf9e1b), (34470, 0xf6cf9e1b), (34470, 0xf6cf9e1b), (34470, 0xf6cf9e1b), (34470, 0xf6cf9e1b), (34470, 0xf6cf9e1b)],
    [(140020, 0xcb76d8b4), (34439, 0x14a6ea32), (34439, 0x14a6ea32), (34439, 0x14a6ea32), (34439, 0x14a6ea32), (34439, 0x14a6ea32), (34439, 0x14a6ea32), (34439, 0x14a6ea32), (34439, 0x14a6ea32)],
    [(140020, 0xf8205f39), (140050, 0xe4b2ba86), (140050, 0xe4b2ba86), (140050, 0xe4b2ba86), (140050, 0xe4b2ba86), (140050, 0xe4b2ba86), (140050, 0xe4b2ba86), (140050, 0xe4b2ba86), (140050, 0xe4b2ba86)],
];

/// Bytes and sum of what is written for these contents one after another.
fn written(all: &[Vec<u8>], style: Style) -> (usize, u32) {
    let mut crc = Crc::new();
    let mut bytes = 0;
    for contents in all {
        let mut deflate = Deflate::new(Vec::new(), style);
        // Pieces that end nowhere near where Go's would.
        for piece in contents.chunks(10_007) {
            deflate.feed(piece).unwrap();
        }
        let written = deflate.finish().unwrap();
        crc.update(&written);
        bytes += written.len();
    }
    (bytes, crc.sum())
}

#[test]
fn go_is_written_again_at_every_level() {
    let contents = contents();
    assert_eq!(contents.len(), WRITTEN.len());
    for ((name, contents), facts) in contents.iter().zip(WRITTEN) {
        for (level, fact) in (1..).zip(facts) {
            let program = Program::Go;
            let ours = written(contents, Style { program, level });
            assert_eq!(ours, fact, "{name} at level {level}");
        }
    }
}
