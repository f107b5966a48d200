//! The engine: codecs that know files and nothing of the lab.

pub mod image;
pub mod pair;
