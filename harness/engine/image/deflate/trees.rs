//! A block of a deflate stream: symbols gathered, codes built from their counts, the cheapest of three forms written.

/// Length codes 257.. : extra bits of each (RFC 1951, 3.2.5).
const LENGTH_EXTRA: [u8; 29] = [
    0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
];
const DISTANCE_EXTRA: [u8; 30] = [
    0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13,
    13,
];
/// The order in which lengths of codes for code lengths are written.
const ORDER: [usize; 19] = [
    16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
];
const LENGTH_CODES: usize = 286;
const DISTANCE_CODES: usize = 30;
const END_OF_BLOCK: usize = 256;

/// A symbol: a literal when the distance is 0.
#[derive(Clone, Copy)]
struct Symbol {
    distance: u16,
    /// A literal, or a length less 3.
    value: u8,
}

/// The block being gathered and the bits not yet taken.
pub struct Block {
    symbols: Vec<Symbol>,
    lengths: [u32; LENGTH_CODES],
    distances: [u32; DISTANCE_CODES],
    copies: usize,
    bits: Bits,
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    waiting: u64,
    count: u32,
}

impl Bits {
    fn put(&mut self, value: u32, bits: u32) {
        self.waiting |= u64::from(value) << self.count;
        self.count += bits;
        while self.count >= 8 {
            self.bytes.push(self.waiting as u8);
            self.waiting >>= 8;
            self.count -= 8;
        }
    }

    fn fill_byte(&mut self) {
        if self.count > 0 {
            self.bytes.push(self.waiting as u8);
            (self.waiting, self.count) = (0, 0);
        }
    }
}

/// A prefix code: for each symbol its length in bits (0 when absent) and its bits, first bit lowest.
struct Code {
    lengths: Vec<u8>,
    bits: Vec<u16>,
}

impl Code {
    fn of_lengths(lengths: Vec<u8>) -> Code {
        let mut count = [0_u16; 16];
        lengths
            .iter()
            .filter(|length| **length > 0)
            .for_each(|length| count[usize::from(*length)] += 1);
        let mut next = [0_u16; 16];
        for bits in 1..16 {
            next[bits] = (next[bits - 1] + count[bits - 1]) << 1;
        }
        let bits = lengths
            .iter()
            .map(|length| {
                if *length == 0 {
                    return 0;
                }
                let code = next[usize::from(*length)];
                next[usize::from(*length)] += 1;
                code.reverse_bits() >> (16 - length)
            })
            .collect();
        Code { lengths, bits }
    }

    /// The last symbol with a code.
    fn last(&self) -> usize {
        self.lengths
            .iter()
            .rposition(|length| *length > 0)
            .unwrap_or(0)
    }

    fn put(&self, symbol: usize, to: &mut Bits) {
        to.put(
            u32::from(self.bits[symbol]),
            u32::from(self.lengths[symbol]),
        );
    }
}

fn length_code(length: usize) -> (usize, u32, u32) {
    let value = length - 3;
    if value == 255 {
        return (28, 0, 0);
    }
    bucket(value, 4)
}

fn distance_code(distance: usize) -> (usize, u32, u32) {
    bucket(distance - 1, 2)
}

/// Code, offset in it and bits of the offset, where `ways` codes share each number of bits.
fn bucket(value: usize, ways: usize) -> (usize, u32, u32) {
    if value < 2 * ways {
        return (value, 0, 0);
    }
    let shift = ways.trailing_zeros();
    let extra = usize::BITS - 1 - value.leading_zeros() - shift;
    let code = (extra as usize + 1) * ways + ((value >> extra) - ways);
    (code, (value & ((1 << extra) - 1)) as u32, extra)
}

impl Block {
    pub fn new() -> Block {
        let mut block = Block {
            symbols: Vec::new(),
            lengths: [0; LENGTH_CODES],
            distances: [0; DISTANCE_CODES],
            copies: 0,
            bits: Bits::default(),
        };
        block.clear();
        block
    }

    fn clear(&mut self) {
        self.symbols.clear();
        self.lengths.fill(0);
        self.lengths[END_OF_BLOCK] = 1;
        self.distances.fill(0);
        self.copies = 0;
    }

    pub fn symbols(&self) -> usize {
        self.symbols.len()
    }

    pub fn copies(&self) -> usize {
        self.copies
    }

    pub fn literal(&mut self, byte: u8) {
        self.lengths[usize::from(byte)] += 1;
        self.symbols.push(Symbol {
            distance: 0,
            value: byte,
        });
    }

    /// `length` is 3 to 258, `distance` 1 to 32768.
    pub fn copy(&mut self, length: usize, distance: usize) {
        self.lengths[END_OF_BLOCK + 1 + length_code(length).0] += 1;
        self.distances[distance_code(distance).0] += 1;
        self.copies += 1;
        self.symbols.push(Symbol {
            distance: distance as u16,
            value: (length - 3) as u8,
        });
    }

    /// GNU gzip's guess at what the block will take: a byte a symbol, and the distances.
    pub fn estimate_bytes(&self) -> usize {
        let distances = self.distances.iter().zip(DISTANCE_EXTRA);
        let bits: usize = distances
            .map(|(count, extra)| *count as usize * (5 + usize::from(extra)))
            .sum();
        (self.symbols.len() * 8 + bits) >> 3
    }

    /// Ends the block over `contents` in its shortest form.
    pub fn end(&mut self, contents: &[u8], last: bool) {
        let (literals, tree_bits) = build(&self.lengths, 15, &|symbol| extra_of_length(symbol));
        let (distances, distance_bits) = build(&self.distances, 15, &|symbol| {
            u32::from(DISTANCE_EXTRA[symbol])
        });
        let trees = Trees::of(&literals, &distances);
        let dynamic = (tree_bits + distance_bits + trees.bits + 3 + 7) >> 3;
        let fixed = (self.fixed_bits() + 3 + 7) >> 3;
        let shortest = fixed.min(dynamic);
        let header = |kind: u32| (kind << 1) | u32::from(last);
        if contents.len() as u64 + 4 <= shortest && contents.len() <= 0xFFFF {
            self.bits.put(header(0), 3);
            self.bits.fill_byte();
            let length = contents.len() as u16;
            self.bits.bytes.extend(length.to_le_bytes());
            self.bits.bytes.extend((!length).to_le_bytes());
            self.bits.bytes.extend_from_slice(contents);
        } else if fixed == shortest {
            self.bits.put(header(1), 3);
            self.put_symbols(&fixed_literals(), &Code::of_lengths(vec![5; 30]));
        } else {
            self.bits.put(header(2), 3);
            trees.put(&mut self.bits);
            self.put_symbols(&literals, &distances);
        }
        self.clear();
        if last {
            self.bits.fill_byte();
        }
    }

    /// Whole bytes written so far.
    pub fn take_bytes(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bits.bytes)
    }

    fn fixed_bits(&self) -> u64 {
        let literals = self.lengths.iter().enumerate().map(|(symbol, count)| {
            u64::from(*count) * u64::from(fixed_length(symbol) + extra_of_length(symbol))
        });
        let distances = self.distances.iter().zip(DISTANCE_EXTRA);
        let distances = distances.map(|(count, extra)| u64::from(*count) * u64::from(5 + extra));
        literals.sum::<u64>() + distances.sum::<u64>()
    }

    fn put_symbols(&mut self, literals: &Code, distances: &Code) {
        for symbol in std::mem::take(&mut self.symbols) {
            if symbol.distance == 0 {
                literals.put(usize::from(symbol.value), &mut self.bits);
                continue;
            }
            let (code, offset, extra) = length_code(usize::from(symbol.value) + 3);
            literals.put(END_OF_BLOCK + 1 + code, &mut self.bits);
            self.bits.put(offset, extra);
            let (code, offset, extra) = distance_code(usize::from(symbol.distance));
            distances.put(code, &mut self.bits);
            self.bits.put(offset, extra);
        }
        literals.put(END_OF_BLOCK, &mut self.bits);
    }
}

fn extra_of_length(symbol: usize) -> u32 {
    let code = symbol.checked_sub(END_OF_BLOCK + 1);
    code.map_or(0, |code| u32::from(LENGTH_EXTRA[code]))
}

fn fixed_length(symbol: usize) -> u32 {
    match symbol {
        0..144 => 8,
        144..256 => 9,
        256..280 => 7,
        _ => 8,
    }
}

fn fixed_literals() -> Code {
    Code::of_lengths((0..288).map(|symbol| fixed_length(symbol) as u8).collect())
}

/// The two codes of a block, written as runs of lengths under a third code.
struct Trees {
    literals: usize,
    distances: usize,
    /// Code length or 16 to 18, with the run's bits and how many.
    runs: Vec<(usize, u32, u32)>,
    code: Code,
    written: usize,
    bits: u64,
}

impl Trees {
    fn of(literals: &Code, distances: &Code) -> Trees {
        let (most, least) = (literals.last(), distances.last());
        let mut runs = Vec::new();
        scan(&literals.lengths[..=most], &mut runs);
        scan(&distances.lengths[..=least], &mut runs);
        let mut counts = [0_u32; 19];
        runs.iter().for_each(|(symbol, _, _)| counts[*symbol] += 1);
        let extra = |symbol: usize| [2, 3, 7].get(symbol.wrapping_sub(16)).copied().unwrap_or(0);
        let (code, bits) = build(&counts, 7, &extra);
        let written = (4..=19)
            .rev()
            .find(|n| *n == 4 || code.lengths[ORDER[n - 1]] > 0)
            .unwrap_or(4);
        Trees {
            literals: most + 1,
            distances: least + 1,
            runs,
            code,
            written,
            bits: bits + 3 * written as u64 + 5 + 5 + 4,
        }
    }

    fn put(&self, to: &mut Bits) {
        to.put(self.literals as u32 - 257, 5);
        to.put(self.distances as u32 - 1, 5);
        to.put(self.written as u32 - 4, 4);
        for place in &ORDER[..self.written] {
            to.put(u32::from(self.code.lengths[*place]), 3);
        }
        for (symbol, run, bits) in &self.runs {
            self.code.put(*symbol, to);
            to.put(*run, *bits);
        }
    }
}

/// Code lengths as runs, cut where zlib cuts them.
fn scan(lengths: &[u8], runs: &mut Vec<(usize, u32, u32)>) {
    let mut before = None;
    let mut count = 0_usize;
    let limits = |length: u8, same: bool| match (length, same) {
        (0, _) => (138, 3),
        (_, true) => (6, 3),
        (_, false) => (7, 4),
    };
    let (mut most, mut least) = limits(lengths[0], false);
    for (n, length) in lengths.iter().enumerate() {
        let next = lengths.get(n + 1);
        count += 1;
        if count < most && next == Some(length) {
            continue;
        }
        if count < least {
            runs.extend(std::iter::repeat_n((usize::from(*length), 0, 0), count));
        } else if *length != 0 {
            if before != Some(*length) {
                runs.push((usize::from(*length), 0, 0));
                count -= 1;
            }
            runs.push((16, count as u32 - 3, 2));
        } else if count <= 10 {
            runs.push((17, count as u32 - 3, 3));
        } else {
            runs.push((18, count as u32 - 11, 7));
        }
        count = 0;
        before = Some(*length);
        if let Some(next) = next {
            (most, least) = limits(*next, next == length);
        }
    }
}

/// The code zlib builds from counts, no longer than `longest`, and the bits its symbols take with their extra bits.
fn build(counts: &[u32], longest: u8, extra: &dyn Fn(usize) -> u32) -> (Code, u64) {
    let lengths = lengths_of(counts, longest);
    let bits = counts.iter().enumerate().map(|(symbol, count)| {
        u64::from(*count) * u64::from(u32::from(lengths[symbol]) + extra(symbol))
    });
    // A symbol that zlib adds so that there are two has a count of one in its tree but none in the block.
    let bits = bits.sum();
    (Code::of_lengths(lengths), bits)
}

/// Huffman's algorithm with a heap in the order of zlib: by count, then by depth.
fn lengths_of(counts: &[u32], longest: u8) -> Vec<u8> {
    let symbols = counts.len();
    let mut heap = Heap {
        nodes: vec![],
        count: counts.to_vec(),
        depth: vec![0; symbols],
    };
    heap.count.resize(2 * symbols + 2, 0);
    heap.depth.resize(2 * symbols + 2, 0);
    let mut top = None;
    for (symbol, count) in counts.iter().enumerate() {
        if *count > 0 {
            heap.nodes.push(symbol);
            top = Some(symbol);
        }
    }
    // Two symbols at least, as zlib does it.
    while heap.nodes.len() < 2 {
        let added = match top {
            Some(symbol) if symbol >= 2 => 0,
            Some(symbol) => {
                top = Some(symbol + 1);
                symbol + 1
            }
            None => {
                top = Some(0);
                0
            }
        };
        heap.count[added] = 1;
        heap.nodes.push(added);
    }
    let present = heap.nodes.clone();
    for place in (0..heap.nodes.len() / 2).rev() {
        heap.sink(place);
    }
    let mut parent = vec![0_usize; 2 * symbols + 2];
    let mut order = Vec::new();
    let mut node = symbols;
    loop {
        let least = heap.pop();
        let second = heap.nodes[0];
        order.extend([least, second]);
        heap.count[node] = heap.count[least] + heap.count[second];
        heap.depth[node] = heap.depth[least].max(heap.depth[second]) + 1;
        parent[least] = node;
        parent[second] = node;
        heap.nodes[0] = node;
        node += 1;
        heap.sink(0);
        if heap.nodes.len() < 2 {
            break;
        }
    }
    order.push(heap.nodes[0]);
    limit(&order, &parent, symbols, longest, &present)
}

/// Code lengths of a tree whose nodes are in `order` of their making, the root last; none above `longest`.
fn limit(
    order: &[usize],
    parent: &[usize],
    symbols: usize,
    longest: u8,
    present: &[usize],
) -> Vec<u8> {
    let longest = u32::from(longest);
    let mut length = vec![0_u32; parent.len()];
    let mut of_length = [0_u32; 16];
    let mut over = 0_i32;
    let Some((_, nodes)) = order.split_last() else {
        return vec![0; symbols];
    };
    for node in nodes.iter().rev() {
        length[*node] = length[parent[*node]] + 1;
        if length[*node] > longest {
            length[*node] = longest;
            over += 1;
        }
        if *node < symbols {
            of_length[length[*node] as usize] += 1;
        }
    }
    if over > 0 {
        while over > 0 {
            let mut bits = longest as usize - 1;
            while of_length[bits] == 0 {
                bits -= 1;
            }
            of_length[bits] -= 1;
            of_length[bits + 1] += 2;
            of_length[longest as usize] -= 1;
            over -= 2;
        }
        // The lengths are dealt out anew, the longest to the nodes that were made first.
        let mut leaves = nodes.iter().filter(|node| **node < symbols);
        for bits in (1..=longest as usize).rev() {
            for leaf in leaves.by_ref().take(of_length[bits] as usize) {
                length[*leaf] = bits as u32;
            }
        }
    }
    let mut lengths = vec![0_u8; symbols];
    for symbol in present {
        lengths[*symbol] = length[*symbol] as u8;
    }
    lengths
}

struct Heap {
    nodes: Vec<usize>,
    count: Vec<u32>,
    depth: Vec<u32>,
}

impl Heap {
    fn smaller(&self, one: usize, other: usize) -> bool {
        let key = |node: usize| (self.count[node], self.depth[node]);
        key(one) <= key(other)
    }

    fn sink(&mut self, mut place: usize) {
        let node = self.nodes[place];
        loop {
            let mut child = 2 * place + 1;
            if child >= self.nodes.len() {
                break;
            }
            if child + 1 < self.nodes.len()
                && self.smaller(self.nodes[child + 1], self.nodes[child])
            {
                child += 1;
            }
            if self.smaller(node, self.nodes[child]) {
                break;
            }
            self.nodes[place] = self.nodes[child];
            place = child;
        }
        self.nodes[place] = node;
    }

    fn pop(&mut self) -> usize {
        let least = self.nodes[0];
        let last = self.nodes.pop().unwrap_or(least);
        if !self.nodes.is_empty() {
            self.nodes[0] = last;
            self.sink(0);
        }
        least
    }
}
