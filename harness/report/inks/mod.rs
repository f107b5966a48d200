//! Inks: each prints blocks in its own format.

use anyhow::Result;

use super::block::Block;

mod html;
pub mod markdown;
pub mod terminal;

/// What prints blocks as the whole of a file.
pub type Ink = fn(&[Block]) -> Result<String>;

/// The inks that make a file of the results folder: its name, and what prints it. The terminal is an ink as well.
pub const INKS: &[(&str, Ink)] = &[
    ("report.html", html::print),
    ("report.md", |blocks| Ok(markdown::print(blocks))),
];
