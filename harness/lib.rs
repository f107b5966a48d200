//! delta-lab: image pairs in, verified numbers out.

#![forbid(unsafe_code)]

pub mod image;
pub mod method;
pub mod record;
pub mod report;
pub mod source;
pub mod stats;
pub mod store;
pub mod wire;
