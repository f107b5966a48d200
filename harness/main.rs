//! The program: parse, dispatch, print the error.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use delta_lab::wire::ssh;
use delta_lab::{cmd, method, shim};

fn main() -> ExitCode {
    // Looked at before anything else is set up, so that what is measured starts small.
    let mut words = std::env::args_os()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned());
    match words.next().as_deref() {
        Some(shim::WORD) => shim::main(),
        Some(ssh::WORD) => ssh::main(std::env::args_os().skip(2)),
        Some(method::STEP_WORD) => {
            let (name, call) = (
                words.next().unwrap_or_default(),
                words.next().unwrap_or_default(),
            );
            match method::do_step(&name, &call) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    eprintln!("{error:#}");
                    ExitCode::FAILURE
                }
            }
        }
        _ => cmd::main(),
    }
}
