//! The engine: chunks, the pipeline that moves them, and codecs that know files. It knows nothing of the lab.

pub mod chunk;
pub mod flow;
pub mod ideas;
pub mod image;
pub mod pair;
pub mod tar_diff;
