//! Units: the paragraphs of a text and the functions of a binary.

/// A part of a file that edits move and replace as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit {
    pub id: u32,
    pub seed: u64,
}
