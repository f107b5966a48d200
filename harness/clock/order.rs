//! What goes between the lab, the two shims and the step: orders, answers, and the roads they take.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use serde::{Deserialize, Serialize};

use super::Work;

/// How often the lab is looked for, and limits are looked at. Short against the seconds a step takes; long against
/// the 0.2 ms a look takes.
pub const LOOK_EVERY: Duration = Duration::from_millis(LOOK_EVERY_MS as u64);
pub const LOOK_EVERY_MS: u8 = 20;

/// Two readings of one thing may differ by so much.
pub const TICK_NS: u64 = 10_000_000;

/// Work as the inner shim gets it.
#[derive(Serialize, Deserialize)]
pub struct Order {
    pub work: Work,
    /// Takes the process ids of the commands: the door of their control group.
    pub door: Option<PathBuf>,
    /// Whether the namespaces have begun, and the walls are to be built.
    pub walls: bool,
}

/// How orders and answers go between two processes.
#[derive(Clone)]
pub enum Channel {
    /// Standard input and output.
    Streams,
    /// This file, and one beside it.
    File(PathBuf),
}

impl Channel {
    pub fn of(word: Option<String>) -> Channel {
        word.map_or(Channel::Streams, |path| Channel::File(path.into()))
    }

    /// The channel between the two shims.
    pub fn inner(&self) -> Channel {
        match self {
            Channel::Streams => Channel::Streams,
            Channel::File(path) => Channel::File(path.with_extension("inner")),
        }
    }

    pub fn read<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        match self {
            Channel::Streams => serde_json::from_reader(io::stdin()),
            Channel::File(path) => {
                let text = fs::read(path).with_context(|| format!("read {}", path.display()))?;
                serde_json::from_slice(&text)
            }
        }
        .context("read the order")
    }

    /// Where the answer goes, opened now: the step may have other mounts by the time it is given.
    pub fn answer(&self) -> Result<Box<dyn Write>> {
        Ok(match self {
            Channel::Streams => Box::new(io::stdout()),
            Channel::File(path) => {
                let path = path.with_extension("ran");
                let file = File::create(&path);
                Box::new(file.with_context(|| format!("create {}", path.display()))?)
            }
        })
    }
}

/// Leaves the standard streams to the command that was given them: a stream ends when the last who holds it lets go.
pub fn let_go_of_streams() -> Result<()> {
    let nothing = File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .context("open /dev/null")?;
    dup2_stdin(&nothing)
        .and_then(|()| dup2_stdout(&nothing))
        .and_then(|()| dup2_stderr(&nothing))
        .context("let go of the streams")
}
