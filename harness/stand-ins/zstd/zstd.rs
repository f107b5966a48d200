//! Stands in for zstd 0.13 in the `bitar` (0.15.0) and `oci-delta` (0.1.1) crates, the only users of it here: it is zstd 0.14.
//!
//! Both bind the same C library. Those crates ask for 0.13 with its default features, and they compile the decoders of formats
//! older than zstd 0.8 and the builder of dictionaries: more than half of the C library's time, for nothing used here.

pub use newer::{compression_level_range, stream};
