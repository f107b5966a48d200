//! How the contents of each entry are had: the vocabulary between what the encoder decides and the decoder does.

/// Largest piece of contents that is coded at once; longer contents are coded in pieces of this length.
pub const PART_BYTES: u64 = 64 << 20;
/// Groups of one patch.
pub const MOST_GROUPS: usize = 1 << 16;
/// Longest contents that are unpacked, expanded or held whole besides.
pub const WHOLE_BYTES: u64 = 64 << 20;
/// Longest program, and longest base of one, that is coded at once all the same: its references reach from one end to the
/// other.
pub const PROGRAM_BYTES: u64 = 128 << 20;

/// Entries of the new image, by their numbers.
pub type Entries = std::collections::BTreeSet<usize>;

#[derive(Clone, Debug, PartialEq)]
pub enum Recipe {
    /// There are none.
    Nothing,
    /// In the script itself: an extended header.
    Text(Vec<u8>),
    /// Those of an entry of the base.
    Base(usize),
    /// Those of an earlier entry of the new image.
    Again(usize),
    /// A layer, whose entries follow; the number of the base's archive it is held against.
    Tar(Option<usize>),
    Coded(Box<Coded>),
}

impl Recipe {
    /// How a group holds the contents, if one does.
    pub fn coded(&self) -> Option<&Coded> {
        match self {
            Recipe::Coded(coded) => Some(coded),
            _ => None,
        }
    }

    /// The groups that hold the contents, piece by piece.
    pub fn groups(&self) -> Vec<usize> {
        let parts = self.coded().into_iter().flat_map(|coded| &coded.parts);
        parts.map(|part| part.group).collect()
    }
}

/// Contents that a group holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Coded {
    /// The base's entry that they are coded against.
    pub base: Option<usize>,
    /// An earlier entry of the new image that they are coded against too: a program that the same group holds.
    pub beside: Option<usize>,
    pub form: Form,
    /// Whether they are a program longer than a piece, or against a longer one, that is coded at once.
    pub program: bool,
    pub parts: Vec<Part>,
}

/// A piece of contents in a group.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    pub group: usize,
    /// What of the base's contents it is coded against; nothing says all of them.
    pub base: Option<(u64, u64)>,
}

/// What has to be done to coded bytes to have the contents.
#[derive(Clone, Debug, PartialEq)]
pub enum Form {
    Plain,
    /// To be compressed in a known style, behind this header; `bytes` is the length of what is coded.
    Gzip {
        style: usize,
        header: Vec<u8>,
        bytes: u64,
    },
    /// A list of md5sums; lines with a mark get the sum of the file they name.
    Sums {
        bytes: u64,
    },
    /// Text with marks for the sha256 of other entries.
    Digests {
        bytes: u64,
    },
    /// A program whose compressed sections are coded unpacked, behind it.
    Sections {
        list: Vec<Section>,
        bytes: u64,
    },
}

/// A compressed stream in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// Where it begins, behind the section's own header, and its length.
    pub at: u64,
    pub packed: u64,
    /// Length of what it holds.
    pub bytes: u64,
    /// Which deflate writes it again.
    pub style: usize,
    /// The header of a zlib stream.
    pub head: [u8; ZLIB_HEAD],
}

/// Bytes of a zlib stream's header.
pub const ZLIB_HEAD: usize = 2;

impl Form {
    /// Length of the coded bytes, for contents of `size` bytes.
    pub fn bytes(&self, size: u64) -> u64 {
        match self {
            Form::Plain => size,
            Form::Gzip { bytes, .. }
            | Form::Sums { bytes }
            | Form::Digests { bytes }
            | Form::Sections { bytes, .. } => *bytes,
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Form::Plain => "plain",
            Form::Gzip { .. } => "gzip",
            Form::Sums { .. } => "md5sums",
            Form::Digests { .. } => "digests",
            Form::Sections { .. } => "sections",
        }
    }
}

/// Where the pieces of coded bytes begin, and how long they are; a program is one.
pub fn cuts(bytes: u64, program: bool) -> impl Iterator<Item = (u64, u64)> {
    let most = match program {
        true => PROGRAM_BYTES,
        false => PART_BYTES,
    };
    (0..bytes.div_ceil(most)).map(move |n| {
        let at = n * most;
        (at, most.min(bytes - at))
    })
}

/// Whether contents and what they are coded against may be a program that is coded at once: too long for a piece, and not
/// too long for that.
pub fn may_be_program(bytes: u64, base: u64) -> bool {
    (PART_BYTES + 1..=PROGRAM_BYTES).contains(&bytes.max(base)) && bytes.min(base) > 0
}

#[cfg(test)]
mod tests {
    use super::{cuts, may_be_program};

    const MIB: u64 = 1 << 20;

    #[test]
    fn long_contents_are_cut_unless_they_are_a_program() {
        let lengths = |bytes, program| {
            let cuts = cuts(bytes, program);
            cuts.map(|(_, length)| length / MIB).collect::<Vec<_>>()
        };
        assert_eq!(lengths(150 * MIB, false), [64, 64, 22]);
        assert_eq!(lengths(100 * MIB, true), [100]);
        assert!(lengths(0, false).is_empty());
    }

    #[test]
    fn a_program_is_longer_than_a_piece_and_not_too_long() {
        for (bytes, base, may_be) in [
            (65, 1, true),
            (1, 65, true),
            (128, 128, true),
            (64, 64, false),
            (129, 64, false),
            (64, 129, false),
            (100, 0, false),
        ] {
            let is = may_be_program(bytes * MIB, base * MIB);
            assert_eq!(is, may_be, "{bytes} MiB, from {base}");
        }
    }
}
