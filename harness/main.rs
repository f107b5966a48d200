//! The program: parse, dispatch, print the error.

#![forbid(unsafe_code)]

use std::path::Path;
use std::process::ExitCode;

use delta_lab::wire::ssh;
use delta_lab::{clock, cmd, method, probe};

fn main() -> ExitCode {
    // Looked at before anything else is set up, so that what is measured starts small.
    let mut words = std::env::args_os()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned());
    match words.next().as_deref() {
        Some(clock::WORD) => clock::shim::main(words),
        Some(ssh::WORD) => ssh::main(std::env::args_os().skip(2)),
        Some(method::STEP_WORD) => step(method::do_step),
        Some(probe::WORD) => step(probe::main),
        Some(method::cheats::WORD) => step(method::cheats::main),
        _ => {
            clock::listen_to_children();
            cmd::main()
        }
    }
}

/// Does one step of the program itself: `WORD NAME FILE`.
fn step(act: fn(&str, &Path) -> anyhow::Result<()>) -> ExitCode {
    let name = std::env::args().nth(2).unwrap_or_default();
    let file = std::env::args_os().nth(3).unwrap_or_default();
    match act(&name, Path::new(&file)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
