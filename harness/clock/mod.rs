//! The clock: runs one step's commands and brings back the kernel's account of them.
//!
//! A step never runs as our own child. The kernel carries a process's peak memory over to the program it
//! turns into, so a child's account would begin at the lab's own size. Each step is therefore spawned by a
//! small process of our own program (the shim, `shim.rs`), whose few megabytes are the floor of every figure. What a step
//! may reach is its room (`room.rs`).

use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

mod calls;
mod cgroup;
mod cold;
mod cores;
mod environment;
mod inner;
mod order;
mod release;
pub mod room;
mod root;
mod scratch;
pub mod shim;
mod tree;
mod walls;

pub use cgroup::sweep;
pub use cold::Cold;
pub use cores::cores;
pub use environment::{environment, environment_in};
pub use release::Release;
pub use room::{Held, Room};
pub use scratch::Scratch;

/// First argument of the program when it is to be a shim.
pub const WORD: &str = "__shim";

/// Exit code of a shim that can't build the walls it was asked for, before anything of the step began.
const NO_WALLS: u8 = 77;

/// What a step may use before it is killed with everything it started.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    pub time: Duration,
    /// Resident memory of the step's whole process tree, in bytes.
    pub memory_bytes: u64,
}

/// A program and its arguments; there is no shell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandLine {
    pub argv: Vec<String>,
    /// File that takes standard output, made new, for programs that print their result; the log takes it if not.
    pub stdout: Option<PathBuf>,
}

impl From<Vec<String>> for CommandLine {
    fn from(argv: Vec<String>) -> CommandLine {
        CommandLine { argv, stdout: None }
    }
}

/// The commands of one step, run one after the other; the first that fails ends it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Work {
    pub commands: Vec<CommandLine>,
    /// Working folder.
    pub dir: PathBuf,
    /// The environment, whole: nothing of the lab's own is passed on.
    pub env: Vec<(String, String)>,
    /// File that takes what the commands print. Without one the work is one command, which has the shim's own streams.
    pub log: Option<PathBuf>,
    pub limits: Limits,
    /// File that is locked (shared) for as long as anything of the step may still run.
    pub guard: Option<PathBuf>,
    /// What the step may reach; without one, all that the lab may.
    pub room: Option<Room>,
    /// File, there and empty before the step begins, that kills the step once something is written into it.
    pub stop: Option<PathBuf>,
    /// How many processors it may use; without a number, those that the lab may.
    #[serde(default)]
    pub cores: Option<usize>,
    /// Process id of the lab that gives the order; when it is not the shim's parent any more, nobody wants the step.
    pub lab: u32,
}

/// What the kernel says the step cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub wall_ns: u64,
    /// User and system time of every process of the step that was waited for.
    pub cpu_ns: u64,
    /// Peak resident memory of the largest single process.
    pub peak_rss_bytes: u64,
}

/// How a step's commands ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    Well,
    Exit {
        program: String,
        code: i32,
    },
    Signal {
        program: String,
        signal: i32,
    },
    NotStarted {
        program: String,
        why: String,
    },
    TimeLimit,
    /// By whoever wrote into [`Work::stop`].
    Stopped,
    MemoryLimit {
        bytes: u64,
    },
    /// The lab that asked for the step is gone; nobody reads this.
    Orphaned,
}

/// The shim's answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ran {
    pub account: Account,
    pub end: End,
    /// What kept the step in its room.
    pub held: Held,
}

/// Runs the work under the shim and waits for it.
///
/// An error here is the lab's own trouble (the shim could not be started); a step that fails is an `Ok` whose
/// `end` says how.
pub fn run(work: &Work) -> Result<Ran> {
    run_under(
        &std::env::current_exe().context("find this program, to start its shim")?,
        work,
    )
}

/// The same with the program whose shim is used given by path: delta-lab, when the caller is another program.
pub fn run_under(shim: &Path, work: &Work) -> Result<Ran> {
    let mut work = work.clone();
    if let Some(room) = &mut work.room {
        room.walls &= held_by(shim).walls;
    }
    let answer = start(shim, &work)?;
    // A step that kills its shim, or somebody who mistook the shim for the lab.
    if let Some(signal) = answer.status.signal() {
        let program = "the step's shim".to_string();
        return Ok(Ran {
            account: Account::default(),
            end: End::Signal { program, signal },
            held: Held::default(),
        });
    }
    ran(&answer)
}

fn ran(answer: &Output) -> Result<Ran> {
    if !answer.status.success() {
        bail!(
            "the shim ended with {}: {}",
            answer.status,
            String::from_utf8_lossy(&answer.stderr).trim()
        );
    }
    serde_json::from_slice(&answer.stdout).context("read the shim's answer")
}

/// What keeps steps in their rooms on this machine.
pub fn held() -> Held {
    let lab = std::env::current_exe();
    lab.map_or(Held::default(), |lab| held_by(&lab).clone())
}

/// What keeps steps in their rooms on this machine: seen on a step that does nothing, once.
pub fn held_by(shim: &Path) -> &'static Held {
    static HELD: OnceLock<Held> = OnceLock::new();
    HELD.get_or_init(|| {
        for walls in [true, false] {
            // A shim that was killed, or came too late on a busy machine, says nothing about the kernel: it is asked again.
            for _ in 0..3 {
                match try_room(shim, walls) {
                    Ok(Some(held)) => return held,
                    Ok(None) => break,
                    Err(_) => {}
                }
            }
        }
        Held::default()
    })
}

/// Runs a step that does nothing in a room; `None` where the kernel builds no walls.
fn try_room(shim: &Path, walls: bool) -> Result<Option<Held>> {
    let scratch = Scratch::new()?;
    let work = Work {
        commands: vec![vec!["true".to_string()].into()],
        dir: scratch.path().to_path_buf(),
        env: environment(scratch.path(), scratch.path()),
        log: Some(scratch.path().join("log")),
        limits: Limits {
            time: Duration::from_secs(20),
            memory_bytes: 1 << 30,
        },
        guard: None,
        room: Some(Room {
            write: vec![scratch.path().to_path_buf()],
            tmp: scratch.path().to_path_buf(),
            walls,
            ..Room::default()
        }),
        stop: None,
        cores: None,
        lab: std::process::id(),
    };
    let answer = start(shim, &work)?;
    if answer.status.code() == Some(i32::from(NO_WALLS)) {
        return Ok(None);
    }
    let ran = ran(&answer)?;
    ensure!(ran.end == End::Well, "a room in which nothing can be run");
    Ok(Some(ran.held))
}

fn start(shim: &Path, work: &Work) -> Result<Output> {
    let spec = serde_json::to_vec(work).context("write the shim's order")?;
    duct::cmd!(shim, WORD)
        .stdin_bytes(spec)
        .stdout_capture()
        .stderr_capture()
        .unchecked()
        .run()
        .with_context(|| format!("start the shim {}", shim.display()))
}

/// Makes the kernel tell of children that end, where whoever started this program had SIGCHLD ignored: it would
/// forget them, and no wait would find one.
pub fn listen_to_children() {
    let nobody = Arc::new(AtomicBool::new(false));
    // It fails for signals that can't be caught, which this is not.
    signal_hook::flag::register(signal_hook::consts::SIGCHLD, nobody).ok();
}

impl Work {
    /// Why the step failed, in words, with the last line its commands printed; `None` when it ended well.
    pub fn failure(&self, end: &End) -> Option<String> {
        let what = match end {
            End::Well => return None,
            End::Exit { program, code } => format!("{program} exited with {code}"),
            End::Signal { program, signal } => {
                let name = nix::sys::signal::Signal::try_from(*signal)
                    .map_or("unknown", |signal| signal.as_str());
                format!("{program} was killed by signal {signal} ({name})")
            }
            End::NotStarted { program, why } => format!("{program} could not be started: {why}"),
            End::TimeLimit => format!(
                "killed at the time limit of {} s",
                self.limits.time.as_secs_f64()
            ),
            End::MemoryLimit { bytes } => {
                format!(
                    "killed at the memory limit of {} bytes, holding {bytes}",
                    self.limits.memory_bytes
                )
            }
            End::Stopped => "killed half way".to_string(),
            End::Orphaned => "the lab went away".to_string(),
        };
        let words = self.log.as_deref().map(last_words);
        Some(match words.unwrap_or_default() {
            words if words.is_empty() => what,
            words => format!("{what}: {words}"),
        })
    }
}

/// How the line begins by which a crashed program says why, with the traces of all its threads after it (Go).
const CRASHES: [&str; 2] = ["panic: ", "fatal error: "];

/// The last line or two of a log, or the line by which a program crashed, on one line, at most 300 characters.
fn last_words(log: &Path) -> String {
    let Ok(tail) = tail(log, 256 << 10) else {
        return String::new();
    };
    // A progress meter rewrites its line with carriage returns; only what was written last was meant to stay.
    let lines: Vec<String> = tail
        .lines()
        .map(|line| printable(line.rsplit('\r').next().unwrap_or(line)))
        .filter(|line| !line.is_empty())
        .collect();
    let is_crash = |line: &&String| CRASHES.iter().any(|begin| line.starts_with(begin));
    let words = match lines.iter().rev().find(is_crash) {
        Some(crash) => crash.clone(),
        None => lines[lines.len().saturating_sub(2)..].join(" / "),
    };
    match words.char_indices().nth_back(299) {
        Some((from, _)) => format!("…{}", &words[from..]),
        None => words,
    }
}

/// A line without what a terminal would obey: its sequences (`ESC [ … letter`) and other control characters.
pub fn printable(line: &str) -> String {
    let mut parts = line.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let end = part.find(|letter: char| letter.is_ascii_alphabetic());
        plain.push_str(end.map_or("", |end| &part[end + 1..]));
    }
    plain.retain(|letter| !letter.is_control());
    plain.trim().to_string()
}

fn tail(path: &Path, bytes: u64) -> Result<String> {
    let mut file = fs::File::open(path).with_context(|| format!("open {}", path.display()))?;
    let length = file
        .metadata()
        .with_context(|| format!("look at {}", path.display()))?
        .len();
    file.seek(SeekFrom::Start(length.saturating_sub(bytes)))
        .with_context(|| format!("seek in {}", path.display()))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)
        .with_context(|| format!("read {}", path.display()))?;
    Ok(String::from_utf8_lossy(&tail).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_taken_out() {
        let said = "\u{1b}[31mred\u{1b}[0m\u{7} \u{1b}]0;title\u{7}and\u{9b}2J more\t";
        assert_eq!(printable(said), "red ]0;titleand2J more");
    }

    #[test]
    fn of_a_crash_its_reason_is_told_and_not_the_last_line_of_its_trace() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let said = |text: &str| {
            fs::write(&log, text).unwrap();
            last_words(&log)
        };
        let trace = "\ngoroutine 1 [running]:\nmain.copy(0x1)\n\t/copy.go:7 +0x1\n".repeat(200);
        let crash = format!("reading\nfatal error: concurrent map writes\n{trace}");
        assert_eq!(said(&crash), "fatal error: concurrent map writes");
        assert_eq!(said("one\ntwo\nthree\n"), "two / three");
    }
}
