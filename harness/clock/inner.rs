//! The inner shim: builds the room, runs the commands in it one after the other, holds them to their limits, and
//! brings back the kernel's account of them.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use nix::sys::prctl;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::Signal;
use nix::sys::time::TimeValLike;
use nix::unistd::{Pid, getppid};

use super::calls;
use super::cores;
use super::order::{Channel, LOOK_EVERY, Order, TICK_NS, let_go_of_streams};
use super::room::{self, Held};
use super::tree::{
    Seen, descendants, kill_descendants, proportional_bytes, reap_all, resident_bytes,
};
use super::{Account, CommandLine, End, Limits, NO_WALLS, Ran, WORD, Work, walls};

/// The inner shim's whole life.
pub fn main(channel: &Channel) -> Result<ExitCode> {
    // Before the order is read: it comes from a parent that lives.
    prctl::set_pdeathsig(Signal::SIGKILL).context("die with the outer shim")?;
    let order: Order = channel.read()?;
    let mut answer = channel.answer()?;
    let work = order.work;
    // Opened before there are walls: these lie where the step may have another mount.
    let log = match &work.log {
        Some(path) => {
            let log = File::create(path).with_context(|| format!("create {}", path.display()))?;
            Some(log)
        }
        None => None,
    };
    let stop = work
        .stop
        .as_ref()
        .map(|path| File::open(path).with_context(|| format!("open {}", path.display())));
    let stop = stop.transpose()?;
    let door = order
        .door
        .and_then(|door| OpenOptions::new().write(true).open(door).ok());
    match (&work.room, order.walls) {
        (Some(room), true) => {
            if let Err(why) = walls::build(room) {
                eprintln!("no room can be built: {why:#}");
                return Ok(ExitCode::from(NO_WALLS));
            }
        }
        _ => prctl::set_child_subreaper(true).context("become the subreaper")?,
    }
    let ran = run(work, log, door, stop, order.walls)?;
    let text = serde_json::to_vec(&ran).context("write the answer")?;
    answer
        .write_all(&text)
        .and_then(|()| answer.flush())
        .context("give the answer")?;
    Ok(ExitCode::SUCCESS)
}

/// What the thread that runs the commands shares with the one that watches them.
type KilledFor = Arc<Mutex<Option<End>>>;

fn run(
    work: Work,
    log: Option<File>,
    door: Option<File>,
    stop: Option<File>,
    walls: bool,
) -> Result<Ran> {
    let limits = work.limits;
    let killed_for = KilledFor::default();
    let (done, ended) = mpsc::channel();
    let doer = Doer {
        work,
        log,
        door,
        walls,
        killed_for: Arc::clone(&killed_for),
    };
    // A thread, because only what locks itself into the room is locked in: this one must still see and kill.
    thread::spawn(move || done.send(doer.run()).ok());
    let mut seen = Seen::default();
    // A limit beyond the clock's end is none.
    let deadline = Instant::now().checked_add(limits.time);
    let outcome = loop {
        match ended.recv_timeout(LOOK_EVERY) {
            Ok(outcome) => break outcome,
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                break Err(anyhow!("the thread that runs the commands panicked"));
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
        }
        let mut killed_for = lock(&killed_for);
        if killed_for.is_none() {
            *killed_for = match is_told_to_stop(stop.as_ref()) {
                true => Some(End::Stopped),
                false => breach(limits, deadline, &mut seen),
            };
        }
        let doomed = killed_for.is_some();
        drop(killed_for);
        // At every look, not once: the next command may just have been spawned.
        if doomed {
            kill_descendants();
        }
    };
    let (held, mut end, wall) = outcome?;
    seen.look(&descendants());
    if let Some(killed) = lock(&killed_for).take() {
        end = killed;
    }
    // What the step left running is not part of it, and must not outlive it.
    kill_descendants();
    reap_all();
    Ok(Ran {
        account: account(wall, &seen)?,
        end,
        held,
    })
}

fn lock(killed_for: &KilledFor) -> std::sync::MutexGuard<'_, Option<End>> {
    killed_for.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs the commands, from within the room.
struct Doer {
    work: Work,
    log: Option<File>,
    door: Option<File>,
    walls: bool,
    killed_for: KilledFor,
}

impl Doer {
    fn run(&self) -> Result<(Held, End, Duration)> {
        if let Some(count) = self.work.cores {
            cores::keep(count)?;
        }
        let held = match &self.work.room {
            Some(room) => Held {
                landlock: room::lock(room, self.walls)?,
                walls: self.walls,
                calls: calls::refuse(self.work.cores.is_some())?,
            },
            None => Held::default(),
        };
        let started = Instant::now();
        let mut end = End::Well;
        for command in &self.work.commands {
            end = self.run_one(command)?;
            if end != End::Well || lock(&self.killed_for).is_some() {
                break;
            }
        }
        Ok((held, end, started.elapsed()))
    }

    fn run_one(&self, command: &CommandLine) -> Result<End> {
        let program = command.argv.first().cloned().unwrap_or_default();
        let started = self.start(command);
        if self.log.is_none() {
            if let Err(error) = &started {
                eprintln!("{program}: {error}");
            }
            let_go_of_streams()?;
        }
        Ok(match started.and_then(|mut child| child.wait()) {
            Err(error) => End::NotStarted {
                program,
                why: error.to_string(),
            },
            Ok(status) => match (status.code(), status.signal()) {
                (Some(0), _) => End::Well,
                (Some(code), _) => End::Exit { program, code },
                (None, signal) => End::Signal {
                    program,
                    signal: signal.unwrap_or_default(),
                },
            },
        })
    }

    fn start(&self, command: &CommandLine) -> io::Result<Child> {
        let mut child = self.process(&command.argv)?;
        child.current_dir(&self.work.dir);
        if let Some(log) = &self.log {
            child
                .stdin(Stdio::null())
                .stdout(log.try_clone()?)
                .stderr(log.try_clone()?);
        }
        if let Some(path) = &command.stdout {
            let file = File::create(self.work.dir.join(path))
                .map_err(|error| io::Error::other(format!("create {}: {error}", path.display())))?;
            child.stdout(file);
        }
        let child = child.spawn()?;
        if let Some(mut door) = self.door.as_ref() {
            // It may be over already; what it started before this is found without the group.
            write!(door, "{}", child.id()).ok();
        }
        Ok(child)
    }

    /// The process to start. Without walls, which would take it along, it is made to die with this one.
    fn process(&self, argv: &[String]) -> io::Result<Command> {
        let (program, arguments) = argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        if self.walls {
            let mut command = Command::new(program);
            command.args(arguments);
            return Ok(command);
        }
        // Looked for here, so that a program that is missing is told as one that could not be started.
        let found = which::which_in(program, std::env::var_os("PATH"), &self.work.dir)
            .map_err(|error| io::Error::new(io::ErrorKind::NotFound, error.to_string()))?;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args([WORD, "tied", &std::process::id().to_string()])
            .arg(found)
            .args(argv);
        Ok(command)
    }
}

/// Becomes a command that dies with its shim: `PARENT PROGRAM NAME ARGUMENT…`.
pub fn tied(mut words: impl Iterator<Item = String>) -> Result<ExitCode> {
    let parent: i32 = words
        .next()
        .and_then(|word| word.parse().ok())
        .context("no shim is named")?;
    prctl::set_pdeathsig(Signal::SIGKILL).context("die with the shim")?;
    ensure!(
        getppid() == Pid::from_raw(parent),
        "the shim is gone already"
    );
    let program = words.next().context("no program is named")?;
    let name = words.next().context("the program has no name")?;
    let error = Command::new(&program).arg0(name).args(words).exec();
    Err(error).with_context(|| format!("start {program}"))
}

/// Whether something was written into the file that stops the step.
fn is_told_to_stop(stop: Option<&File>) -> bool {
    stop.is_some_and(|stop| stop.metadata().is_ok_and(|about| about.len() > 0))
}

/// The first limit that does not hold any more.
fn breach(limits: Limits, deadline: Option<Instant>, seen: &mut Seen) -> Option<End> {
    if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
        return Some(End::TimeLimit);
    }
    let descendants = descendants();
    seen.look(&descendants);
    // Resident sizes count shared pages once for each process, so they only raise the question; the proportional
    // sizes, dearer to read, answer it.
    if resident_bytes(&descendants) <= limits.memory_bytes {
        return None;
    }
    let bytes = proportional_bytes(&descendants);
    (bytes > limits.memory_bytes).then_some(End::MemoryLimit { bytes })
}

/// The kernel's account of all who were waited for, and at least what was seen of the others.
fn account(wall: Duration, seen: &Seen) -> Result<Account> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).context("ask the kernel for the account")?;
    let cpu_us = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    let cpu_ns = cpu_us.unsigned_abs() * 1000;
    // The kernel counts in KiB.
    let peak_rss_bytes = usage.max_rss().unsigned_abs() * 1024;
    Ok(Account {
        wall_ns: u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX),
        cpu_ns: match seen.cpu_ns() {
            seen_ns if seen_ns > cpu_ns + TICK_NS => seen_ns,
            _ => cpu_ns,
        },
        peak_rss_bytes: peak_rss_bytes.max(seen.peak_rss_bytes()),
    })
}
