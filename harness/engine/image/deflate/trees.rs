//! Codes as zlib and GNU gzip build them from a block's counts, and which form of the block they choose.

use super::block::{Block, Run, Trees, count_runs};
use super::codes::Code;

/// Ends the block over `contents` in its shortest form.
pub fn end(block: &mut Block, contents: &[u8], last: bool) {
    let literals = code_of(&block.lengths, 15);
    let distances = code_of(&block.distances, 15);
    let trees = trees_of(&literals, &distances);
    let dynamic = (block.size(&literals, &distances) + trees.bits + 3 + 7) >> 3;
    let fixed = block.size(&Code::fixed_literals(), &Code::fixed_distances());
    let fixed = (fixed + 3 + 7) >> 3;
    let shortest = fixed.min(dynamic);
    if contents.len() as u64 + 4 <= shortest && contents.len() <= 0xFFFF {
        block.bits.put_stored(contents, last);
    } else if fixed == shortest {
        block.put_fixed(last);
    } else {
        block.put_dynamic(&literals, &distances, &trees, last);
    }
    block.clear();
    if last {
        block.bits.fill_byte();
    }
}

fn trees_of(literals: &Code, distances: &Code) -> Trees {
    let mut runs = Vec::new();
    scan(&literals.lengths[..=literals.last()], &mut runs);
    scan(&distances.lengths[..=distances.last()], &mut runs);
    let code = code_of(&count_runs(&runs), 7);
    Trees::of(runs, code)
}

/// The code zlib builds from counts, no longer than `longest`. A symbol that it adds so that there are two has a count
/// of one in its tree but none in the block.
fn code_of(counts: &[u32], longest: u8) -> Code {
    Code::of_lengths(lengths_of(counts, longest))
}

/// Code lengths as runs, cut where zlib cuts them.
fn scan(lengths: &[u8], runs: &mut Vec<Run>) {
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
