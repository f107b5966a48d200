//! What the program writes for people: results to standard output, all else to standard error.

use std::io::{self, Write};

use anyhow::{Context, Result};

/// Prints a result. One that can't be printed (a full disk, a reader that is gone) is an error.
pub fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .context("print the result to standard output")
}

/// Columns of the terminal, 80 when there is none.
pub fn width() -> usize {
    terminal_size::terminal_size().map_or(80, |(columns, _)| usize::from(columns.0))
}

/// Says something in passing. Where nobody can be told, it is dropped: no run ends for that.
pub fn note(text: &str) {
    writeln!(io::stderr().lock(), "{text}").ok();
}
