//! The server's side: where its commands run, and the remote command, a process of the lab's, which lives no longer than
//! its client wants it.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use std::{fs, thread};

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::net::unix::pipe;

use super::{End, TROUBLE};
use crate::clock::{self, Limits, Room, Work};

/// The server that commands run on: its store, and a home that is fresh for each wire.
pub struct Server {
    /// The store: working folder of every command, so that clients name what is in it and never learn where it is.
    store: PathBuf,
    /// Beside the store, so that a run which clears away one clears away both.
    place: TempDir,
    /// The program under whose shim commands run. Until it is known, which is before any client is told of this wire,
    /// they run as they are.
    shim: Arc<OnceLock<PathBuf>>,
    commands: AtomicU64,
}

impl Server {
    /// A server for the store at `store` (canonical).
    pub fn of(store: &Path, shim: Arc<OnceLock<PathBuf>>) -> Result<Server> {
        let beside = store.parent().unwrap_or(store);
        let place = tempfile::Builder::new()
            .prefix("server-home-")
            .tempdir_in(beside)
            .context("make the server a home")?;
        let server = Server {
            store: store.to_path_buf(),
            place,
            shim,
            commands: AtomicU64::new(0),
        };
        for folder in [server.home(), server.tmp(), server.orders()] {
            fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
        }
        Ok(server)
    }

    /// All that a command may write beside the store.
    fn own(&self) -> PathBuf {
        self.place.path().join("own")
    }

    fn home(&self) -> PathBuf {
        self.own().join("home")
    }

    fn tmp(&self) -> PathBuf {
        self.own().join("tmp")
    }

    fn orders(&self) -> PathBuf {
        self.place.path().join("orders")
    }

    /// Gives `line` to a shell, as sshd does, in the store and with an environment of its own.
    fn command(&self, line: &OsStr) -> io::Result<Command> {
        let mut env = clock::environment(&self.home(), &self.tmp());
        // What a login shell has, and no more.
        env.retain(|(name, _)| ["HOME", "LC_ALL", "PATH", "TMPDIR"].contains(&name.as_str()));
        env.push(("SHELL".to_string(), SHELL.to_string()));
        let Some(shim) = self.shim.get() else {
            let mut command = Command::new(SHELL);
            command.arg("-c").arg(line).current_dir(&self.store);
            command.env_clear().envs(env);
            return Ok(command);
        };
        let text = line.to_str().ok_or(io::ErrorKind::InvalidInput)?;
        let work = Work {
            commands: vec![vec![SHELL.to_string(), "-c".to_string(), text.to_string()].into()],
            dir: self.store.clone(),
            env,
            log: None,
            // The client's limits end its commands too.
            limits: Limits {
                time: Duration::MAX,
                memory_bytes: u64::MAX,
            },
            guard: None,
            room: Some(Room {
                write: vec![self.store.clone(), self.own()],
                tmp: self.tmp(),
                walls: clock::held_by(shim).walls,
                ..Room::default()
            }),
            stop: None,
            cores: None,
            lab: std::process::id(),
        };
        let number = self.commands.fetch_add(1, Ordering::Relaxed);
        let order = self.orders().join(number.to_string());
        fs::write(&order, serde_json::to_vec(&work)?)?;
        let mut command = Command::new(shim);
        command.arg(clock::WORD).arg(order);
        Ok(command)
    }
}

const SHELL: &str = "/bin/sh";

/// A command that runs. Dropped, it and all that it started are killed and gone.
pub struct Remote {
    child: Child,
}

/// The lab's ends of a command's streams.
pub struct Pipes {
    pub input: pipe::Sender,
    pub output: pipe::Receiver,
    pub errors: pipe::Receiver,
}

impl Remote {
    /// Starts the command that a client sent as `line`.
    pub fn start(line: &OsStr, server: &Server) -> io::Result<(Remote, Pipes)> {
        let mut command = server.command(line)?;
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut remote = Remote {
            child: command.spawn()?,
        };
        let child = &mut remote.child;
        let taken = "the three streams were asked for, and are taken once";
        let input = OwnedFd::from(child.stdin.take().expect(taken));
        let output = OwnedFd::from(child.stdout.take().expect(taken));
        let errors = OwnedFd::from(child.stderr.take().expect(taken));
        let pipes = Pipes {
            input: pipe::Sender::from_owned_fd(input)?,
            output: pipe::Receiver::from_owned_fd(output)?,
            errors: pipe::Receiver::from_owned_fd(errors)?,
        };
        Ok((remote, pipes))
    }

    /// Waits for the command. It is left unreaped, so that its process id stays its own until the drop.
    pub async fn ended(&self) -> io::Result<End> {
        let pid = self.pid();
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
        let waited = tokio::task::spawn_blocking(move || {
            loop {
                match waitid(Id::Pid(pid), flags) {
                    Err(nix::errno::Errno::EINTR) => {}
                    other => return other,
                }
            }
        });
        let status = waited.await.map_err(io::Error::other)??;
        let byte = |number: i32| u8::try_from(number).unwrap_or(TROUBLE);
        Ok(match status {
            WaitStatus::Exited(_, code) => End::Exit(byte(code)),
            WaitStatus::Signaled(_, signal, _) => End::Signal(byte(signal as i32)),
            _ => End::Exit(TROUBLE),
        })
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }
}

impl Remote {
    /// Whether it has ended; it stays unreaped.
    fn is_over(&self) -> bool {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
        !matches!(
            waitid(Id::Pid(self.pid()), flags),
            Ok(WaitStatus::StillAlive)
        )
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        // The shim, told to end, takes all that the command started with it, also what has left the process group.
        if !self.is_over() {
            kill(self.pid(), Signal::SIGTERM).ok();
            let give_up = Instant::now() + PATIENCE;
            while !self.is_over() && Instant::now() < give_up {
                thread::sleep(Duration::from_millis(1));
            }
        }
        // It has not been reaped, so these are nobody else's; the group is there once it has left the lab's.
        killpg(self.pid(), Signal::SIGKILL).ok();
        kill(self.pid(), Signal::SIGKILL).ok();
        self.child.wait().ok();
    }
}

/// How long a shim may take to end its command. It looks every 20 ms.
const PATIENCE: Duration = Duration::from_secs(1);
