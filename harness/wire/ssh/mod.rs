//! The wire's road for programs that want ssh: a stand-in for the `ssh` program, and the lab's side of it.
//!
//! No login, no encryption, no network but loopback. What ssh carries in the channel of a command is carried as it is,
//! on three connections, so that nothing needs framing and every byte of ours repeats from run to run:
//!
//! - *control*: the stand-in sends the length of the command line (four bytes, highest first) and the line. The lab
//!   answers with two ports (two bytes each), and when the command has ended with two bytes that say how.
//! - *stream*, to the first port: the command's standard input up, its standard output down, each ended by its half.
//! - *errors*, to the second: its standard error down.
//!
//! The two ports are the same for every command of a wire, so that a client can be let connect to them and to nothing
//! else; the lab tells them to one command at a time.
//!
//! The stand-in keeps its half of the control connection open as long as it lives: that is how the lab sees it go.

mod arguments;
mod remote;
pub(super) mod road;
mod stand_in;

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};

pub use remote::Server;
pub use stand_in::main;

/// First argument of the program when it is to stand in for `ssh`.
pub const WORD: &str = "__ssh";

/// The kernel takes no longer argument (MAX_ARG_STRLEN in linux/binfmts.h), and the line is one of `sh -c`.
const LONGEST_LINE_BYTES: usize = 128 << 10;

/// Status of a stand-in whose command was killed by a signal, or that could not do its work: ssh's own.
const TROUBLE: u8 = 255;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Exit(u8),
    Signal(u8),
}

impl End {
    fn to_bytes(self) -> [u8; 2] {
        match self {
            End::Exit(code) => [0, code],
            End::Signal(signal) => [1, signal],
        }
    }

    fn from_bytes(bytes: [u8; 2]) -> Option<End> {
        match bytes {
            [0, code] => Some(End::Exit(code)),
            [1, signal] => Some(End::Signal(signal)),
            _ => None,
        }
    }

    /// The exit code that ssh has for it.
    fn code(self) -> u8 {
        match self {
            End::Exit(code) => code,
            End::Signal(_) => TROUBLE,
        }
    }
}

/// Makes the file `at` a program that takes ssh's arguments and runs the command by way of `lab` (this program) at
/// the wire's `address`: tools want one program, not a command line.
pub fn write_program(lab: &Path, address: SocketAddr, at: &Path) -> Result<()> {
    let lab = lab
        .to_str()
        .with_context(|| format!("{}: the path is not UTF-8", lab.display()))?
        .replace('\'', r"'\''");
    write_script(at, &format!("exec '{lab}' {WORD} {address} \"$@\""))
}

/// Makes the file `at` a program that takes the place of ssh on a road that has none, and says so.
pub fn write_refusal(at: &Path) -> Result<()> {
    let says = "echo 'ssh: there is none on this road' >&2";
    write_script(at, &format!("{says}\nexit {TROUBLE}"))
}

fn write_script(at: &Path, lines: &str) -> Result<()> {
    let script = format!("#!/bin/sh\n{lines}\n");
    fs::write(at, script).with_context(|| format!("write {}", at.display()))?;
    fs::set_permissions(at, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("make {} executable", at.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commands_exit_code_is_sshs_and_a_signal_is_sshs_own_trouble() {
        for (end, code) in [
            (End::Exit(0), 0),
            (End::Exit(3), 3),
            (End::Signal(9), TROUBLE),
        ] {
            assert_eq!(end.code(), code);
            assert_eq!(End::from_bytes(end.to_bytes()), Some(end));
        }
        assert_eq!(End::from_bytes([2, 0]), None);
    }
}
