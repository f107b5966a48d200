//! Where the bytes of an update come from: what `explain` finds of two images, file by file.

/// An update from one image to another, taken apart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Explained {
    pub base_bytes: u64,
    pub image_bytes: u64,
    pub layers: Vec<ExplainedLayer>,
    /// Every entry of the layers that the base does not have, in their order.
    pub files: Vec<ExplainedFile>,
    /// What a patch spends on the names, modes and times of all entries together.
    pub heads_patch_bytes: u64,
    /// How many entries' heads are not as they are in the base.
    pub heads_changed: usize,
}

/// A layer of the image; of a tar without layers, all of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExplainedLayer {
    /// Lower-case hex sha256 of its bytes; empty where there are no layers.
    pub digest: String,
    /// As the archive stores it.
    pub bytes: u64,
    /// Whether the base has it too.
    pub shared: bool,
}

/// One entry of a layer that the base does not have.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExplainedFile {
    pub path: String,
    /// Its place among the layers.
    pub layer: usize,
    pub kind: Kind,
    /// Whether its contents are a gzip file.
    pub gzip: bool,
    /// Bytes of contents.
    pub bytes: u64,
    /// What moves when whole layers move: contents, head and padding.
    pub layer_bytes: u64,
    /// Its part of the chunks that the base does not have, compressed; chunks of 64 KiB on average.
    pub chunk_bytes: u64,
    /// What a patch against the nearest file of the base spends on its contents.
    pub patch_bytes: u64,
}

/// How an entry differs from what the base has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The base has neither its path nor its contents.
    #[default]
    New,
    /// The base has its path with other contents.
    Changed,
    /// A gzip file whose contents are as they were once both are unpacked.
    Recompressed,
    /// The base has its contents under another path.
    Moved,
    /// Mode, owner or link target differ, contents do not.
    Metadata,
    /// Only the time differs.
    Mtime,
    /// Nothing differs: the layer differs elsewhere.
    Same,
}

impl Kind {
    pub fn words(self) -> &'static str {
        match self {
            Kind::New => "new",
            Kind::Changed => "changed content",
            Kind::Recompressed => "recompressed",
            Kind::Moved => "only moved",
            Kind::Metadata => "only mode or owner",
            Kind::Mtime => "only mtime",
            Kind::Same => "unchanged",
        }
    }

    pub const ALL: [Kind; 7] = [
        Kind::Changed,
        Kind::Recompressed,
        Kind::New,
        Kind::Moved,
        Kind::Metadata,
        Kind::Mtime,
        Kind::Same,
    ];
}

/// One way to count what a file costs an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    Layers,
    Chunks,
    Patch,
}

impl Cost {
    /// What the methods of that name are charged by.
    pub fn of_method(method: &str) -> Cost {
        const LAYERS: [&str; 4] = ["layers", "raw", "gzip", "zstd"];
        const CHUNKS: [&str; 16] = [
            "fixed",
            "fastcdc",
            "fastcdc-pack",
            "gear",
            "buzhash",
            "peaks",
            "casync",
            "casync-ssh",
            "casync-tree",
            "gzip-casync",
            "bita",
            "bita-cli",
            "desync",
            "zsync",
            "zsync-gz",
            "zchunk",
        ];
        let family = method.split('/').next().unwrap_or_default();
        if LAYERS.contains(&family) {
            Cost::Layers
        } else if CHUNKS.contains(&family) {
            Cost::Chunks
        } else {
            Cost::Patch
        }
    }

    pub fn of(self, file: &ExplainedFile) -> u64 {
        match self {
            Cost::Layers => file.layer_bytes,
            Cost::Chunks => file.chunk_bytes,
            Cost::Patch => file.patch_bytes,
        }
    }

    pub fn words(self) -> &'static str {
        match self {
            Cost::Layers => "whole layers",
            Cost::Chunks => "chunks of 64 KiB",
            Cost::Patch => "a patch",
        }
    }
}
