//! The remote command: a process of the lab's, which lives no longer than its client wants it.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use tokio::net::unix::pipe;

use super::{End, TROUBLE};

/// A command that runs. Dropped, it and all of its process group are killed and gone.
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
    /// Gives `line` to a shell, as sshd does, in `folder` and with an environment of its own: of the lab's own, only
    /// where programs are.
    pub fn start(line: &OsStr, folder: &Path, home: &Path) -> io::Result<(Remote, Pipes)> {
        let mut command = Command::new("/bin/sh");
        command
            .arg("-c")
            .arg(line)
            .current_dir(folder)
            .env_clear()
            .env("HOME", home)
            .env("TMPDIR", home)
            .env("SHELL", "/bin/sh")
            .env("LC_ALL", "C.UTF-8")
            // A group of its own, to be killed by.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
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

impl Drop for Remote {
    fn drop(&mut self) {
        // It has not been reaped, so this is nobody else's group.
        killpg(self.pid(), Signal::SIGKILL).ok();
        self.child.wait().ok();
    }
}
