//! Turns: of the shards on one machine one runs at a time, so that none is timed while another one works.

use std::io::ErrorKind;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::time::Duration;

use anyhow::{Context, Result};

/// An abstract socket: there is one of its name on a machine, whichever user or folder asks, and it goes with its process.
/// Containers with a network of their own do not see each other's.
pub const NAME: &str = "delta-lab shard";

const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// Held for as long as a shard runs.
pub struct Turn {
    _held: UnixListener,
}

impl Turn {
    /// Waits until no other shard runs on this machine; says so once if it has to.
    pub fn wait(say: &mut dyn FnMut(&str)) -> Result<Turn> {
        let name = SocketAddr::from_abstract_name(NAME).context("name the socket of shards")?;
        let mut said = false;
        loop {
            match UnixListener::bind_addr(&name) {
                Ok(held) => return Ok(Turn { _held: held }),
                Err(error) if error.kind() == ErrorKind::AddrInUse => {
                    if !said {
                        say("another shard runs on this machine: waiting until it ends");
                        said = true;
                    }
                    std::thread::sleep(BETWEEN_LOOKS);
                }
                Err(error) => return Err(error).context("take the turn of a shard"),
            }
        }
    }
}
