//! Inks: each prints blocks in its own format.

use super::block::Block;

pub mod markdown;
pub mod terminal;

/// What prints blocks as the whole of a file.
pub type Ink = fn(&[Block]) -> String;

/// The inks that make a file of the results folder: its name, and what prints it. The terminal is an ink as well.
pub const INKS: &[(&str, Ink)] = &[("report.md", markdown::print)];
