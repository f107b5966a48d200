//! delta-lab: image pairs in, verified numbers out.

#![forbid(unsafe_code)]

pub mod archive;
pub mod clock;
pub mod cmd;
pub mod crosscheck;
pub mod image;
pub mod method;
pub mod plan;
pub mod record;
pub mod report;
pub mod run;
pub mod scenario;
pub mod shim;
pub mod source;
pub mod stats;
pub mod store;
pub mod wire;
pub mod words;
