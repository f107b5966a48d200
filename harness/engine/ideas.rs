//! The ideas in an image patch, each with a switch: what one is worth is seen when it is off.
//!
//! Only encoders look at the switches. The format stays the same, and a decoder needs none of them.

/// What an encoder may use; all of it by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ideas {
    /// Archives, layers and their entries; without it an image is one run of bytes.
    pub entries: bool,
    /// Bases that are found by another name or by their contents, not only by the same path.
    pub pairing: bool,
    /// gzip members, unpacked and packed again.
    pub gzip: bool,
    /// Sums and digests that follow from other contents.
    pub derived: bool,
    /// Programs coded beside others that changed alike.
    pub beside: bool,
    /// Copies from the base.
    pub copies: bool,
    /// zstd frames where they are smaller.
    pub frames: bool,
    /// References of programs, masked and predicted.
    pub references: bool,
    /// Masks that tell what a reference refers to; otherwise all are zero.
    pub labels: bool,
    /// Masks by the names of symbols.
    pub names: bool,
    /// Literals mixed from contexts; otherwise they are packed by LZMA.
    pub mixing: bool,
}

impl Default for Ideas {
    fn default() -> Self {
        Self {
            entries: true,
            pairing: true,
            gzip: true,
            derived: true,
            beside: true,
            copies: true,
            frames: true,
            references: true,
            labels: true,
            names: true,
            mixing: true,
        }
    }
}

/// What the table of worth switches off, one thing at a time.
pub type Off = (&'static str, fn(&mut Ideas));

/// The table of worth: a line for each idea.
pub const OFF: &[Off] = &[
    ("entries", |on| on.entries = false),
    ("pairing by name and contents", |on| on.pairing = false),
    ("gzip replay", |on| on.gzip = false),
    ("derived sums and digests", |on| on.derived = false),
    ("programs beside each other", |on| on.beside = false),
    ("copies", |on| on.copies = false),
    ("zstd frames", |on| on.frames = false),
    ("references", |on| on.references = false),
    ("masks by what is referred to", |on| on.labels = false),
    ("masks by symbol names", |on| on.names = false),
    ("mixed literals", |on| on.mixing = false),
];
