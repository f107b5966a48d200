//! Stands in for zstd 0.13 in the `bitar` crate (0.15.0), the only user of it here: it is zstd 0.14.
//!
//! Both bind the same C library. bitar asks for 0.13 with its default features, and they compile the decoders of formats
//! older than zstd 0.8 and the builder of dictionaries: more than half of the C library's time, for nothing used here.

pub use newer::{compression_level_range, stream};
