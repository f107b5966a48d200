//! The shim: a small process that stands between the lab and a step, so that the kernel's account of the step
//! begins small and everything the step starts can be found and killed.
//!
//! It is two processes. The outer one holds the step's lock, watches the lab, and is the subreaper of all that the step
//! starts. The inner one (`inner`) is its child, the first process of the step's own namespaces where the kernel has them,
//! and runs the commands. Each dies with the one above it, and with the inner one all processes of its namespace.
//!
//! A `Work` comes in and a `Ran` goes out as JSON, over standard input and output; or, where those are the command's own
//! streams, in files.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context, Result, ensure};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getppid, setsid};
use rustix::process::{PidfdFlags, pidfd_open};

use super::cgroup::Cgroup;
use super::order::{Channel, LOOK_EVERY, LOOK_EVERY_MS, Order, TICK_NS};
use super::tree::{kill_descendants, reap_all};
use super::{Account, End, NO_WALLS, Ran, WORD, Work, inner, walls};

/// Second word of the inner shim, and of a command that is to die with it.
const INNER: &str = "inner";
const TIED: &str = "tied";

/// The shim's whole life.
pub fn main(mut words: impl Iterator<Item = String>) -> ExitCode {
    let first = words.next();
    let done = match first.as_deref() {
        Some(INNER) => inner::main(&Channel::of(words.next())),
        Some(TIED) => inner::tied(words),
        _ => outer(&Channel::of(first)),
    };
    done.unwrap_or_else(|error| {
        eprintln!("{error:#}");
        ExitCode::FAILURE
    })
}

fn outer(channel: &Channel) -> Result<ExitCode> {
    super::listen_to_children();
    // A Ctrl-C at the terminal is for the lab: the shim sees the lab go and takes the step down with it. And no step can type
    // into that terminal.
    setsid().context("leave the terminal")?;
    let told_to_end = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGTERM, Arc::clone(&told_to_end))
        .context("listen to SIGTERM")?;
    let work: Work = channel.read()?;
    // The order names the lab: asked for here, the parent may already be whoever took over from a lab that was killed.
    let lab = Pid::from_raw(work.lab.cast_signed());
    prctl::set_child_subreaper(true).context("become the subreaper")?;
    let _guard = work.guard.as_deref().map(hold).transpose()?;
    let cgroup = Cgroup::make();
    let walls = work.room.as_ref().is_some_and(|room| room.walls);
    if walls && !walls::begin() {
        return Ok(ExitCode::from(NO_WALLS));
    }
    ensure!(getppid() == lab, "the lab went away before the step began");
    let order = Order {
        door: cgroup.as_ref().map(Cgroup::door),
        work,
        walls,
    };
    let unwanted = || getppid() != lab || told_to_end.load(Ordering::Relaxed);
    let ended = run_inner(&order, channel, &unwanted)?;
    if let Some(cgroup) = &cgroup {
        cgroup.kill();
    }
    // What the step left running is not part of it, and must not outlive it.
    kill_descendants();
    reap_all();
    let ran = match ended {
        Inner::Answered(mut ran) => {
            if let Some(cgroup) = &cgroup {
                ran.account = floored(ran.account, cgroup.cpu_ns());
            }
            ran
        }
        Inner::NoWalls => return Ok(ExitCode::from(NO_WALLS)),
        Inner::Died(end) => Ran {
            account: Account::default(),
            end,
            held: Default::default(),
        },
    };
    drop(cgroup);
    match channel {
        Channel::Streams => {
            let answer = serde_json::to_vec(&ran).context("write the answer")?;
            io::stdout()
                .write_all(&answer)
                .context("print the answer")?;
            Ok(ExitCode::SUCCESS)
        }
        Channel::File(_) => end_like(&ran.end),
    }
}

/// Locks the guard for as long as this process and all it starts live: they inherit the open file.
fn hold(guard: &Path) -> Result<File> {
    let file = File::open(guard).with_context(|| format!("open {}", guard.display()))?;
    file.lock_shared()
        .with_context(|| format!("lock {}", guard.display()))?;
    fcntl(&file, FcntlArg::F_SETFD(FdFlag::empty())).context("pass the lock on")?;
    Ok(file)
}

/// The processor time that was seen in the control group, where the account lacks it: children that nobody waited for.
fn floored(account: Account, seen_ns: u64) -> Account {
    Account {
        cpu_ns: if seen_ns > account.cpu_ns + TICK_NS {
            seen_ns
        } else {
            account.cpu_ns
        },
        ..account
    }
}

/// How the inner shim ended.
enum Inner {
    Answered(Ran),
    NoWalls,
    /// Without an answer: the step killed it, or nobody wants the step any more.
    Died(End),
}

fn run_inner(order: &Order, channel: &Channel, unwanted: &dyn Fn() -> bool) -> Result<Inner> {
    let mut child = start_inner(order, channel)?;
    let pid = Pid::from_raw(child.id().cast_signed());
    // Polled for its end, not waited for in a thread: a process whose children have a namespace can start none.
    let end = pidfd_open(
        rustix::process::Pid::from_child(&child),
        PidfdFlags::empty(),
    )
    .ok();
    let mut orphaned = false;
    while child
        .try_wait()
        .context("wait for the inner shim")?
        .is_none()
    {
        if unwanted() {
            orphaned = true;
            // Without walls its processes are not killed with it.
            kill(pid, Signal::SIGKILL).ok();
            kill_descendants();
        }
        match &end {
            Some(end) => {
                let mut watched = [PollFd::new(end.as_fd(), PollFlags::POLLIN)];
                poll(&mut watched, LOOK_EVERY_MS).ok();
            }
            None => thread::sleep(LOOK_EVERY),
        }
    }
    // Its answer is far shorter than what a pipe holds.
    let output = child
        .wait_with_output()
        .context("read the inner shim's answer")?;
    if orphaned {
        return Ok(Inner::Died(End::Orphaned));
    }
    if output.status.code() == Some(i32::from(NO_WALLS)) {
        return Ok(Inner::NoWalls);
    }
    let answer = match channel.inner() {
        Channel::Streams => output.stdout,
        Channel::File(path) => fs::read(path.with_extension("ran")).unwrap_or_default(),
    };
    match serde_json::from_slice(&answer) {
        Ok(ran) => Ok(Inner::Answered(ran)),
        Err(_) => {
            let signal = std::os::unix::process::ExitStatusExt::signal(&output.status);
            let signal = signal.with_context(|| format!("the inner shim: {}", output.status))?;
            let program = "the step's shim".to_string();
            Ok(Inner::Died(End::Signal { program, signal }))
        }
    }
}

fn start_inner(order: &Order, channel: &Channel) -> Result<Child> {
    let shim = std::env::current_exe().context("find this program")?;
    let text = serde_json::to_vec(order).context("write the inner shim's order")?;
    let mut command = Command::new(shim);
    command.args([WORD, INNER]);
    // Its environment is the step's, and so is that of every command.
    command.env_clear().envs(order.work.env.iter().cloned());
    match channel.inner() {
        Channel::Streams => {
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
        }
        Channel::File(path) => {
            fs::write(&path, &text).with_context(|| format!("write {}", path.display()))?;
            command.arg(path);
        }
    }
    let mut child = command.spawn().context("start the inner shim")?;
    if let Channel::File(_) = channel {
        super::order::let_go_of_streams()?;
    }
    if let Some(mut input) = child.stdin.take() {
        // An inner shim that died has no use for it; how it died is seen when it is waited for.
        input.write_all(&text).ok();
    }
    Ok(child)
}

/// Ends as the command did, whose streams this process has.
fn end_like(end: &End) -> Result<ExitCode> {
    Ok(match end {
        End::Well => ExitCode::SUCCESS,
        End::Exit { code, .. } => ExitCode::from(u8::try_from(*code).unwrap_or(u8::MAX)),
        End::Signal { signal, .. } => {
            setrlimit(Resource::RLIMIT_CORE, 0, 0).context("leave no core file")?;
            let signal = Signal::try_from(*signal).unwrap_or(Signal::SIGKILL);
            kill(Pid::this(), signal).context("end as the command did")?;
            // A signal that does not kill, or not yet.
            kill(Pid::this(), Signal::SIGKILL).context("end as the command did")?;
            ExitCode::FAILURE
        }
        // As shells have it.
        End::NotStarted { .. } => ExitCode::from(127),
        End::TimeLimit | End::Stopped | End::MemoryLimit { .. } | End::Orphaned => {
            ExitCode::FAILURE
        }
    })
}
