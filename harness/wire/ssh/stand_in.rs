//! The stand-in for the `ssh` program: asks the lab for a command and relays its three streams.
//!
//! The streams it is given may be non-blocking (casync's are), and are shared with the program that gave them, so
//! their mode is not ours to change: where the kernel says "not now", it is asked when.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::process::ExitCode;
use std::thread;

use anyhow::{Context, Result, anyhow, ensure};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

use super::{End, LONGEST_LINE_BYTES, TROUBLE, arguments};

/// The stand-in's whole life: `ADDRESS [OPTION…] HOST COMMAND…`. Its exit code is the command's.
pub fn main(words: impl Iterator<Item = OsString>) -> ExitCode {
    match run(&words.collect::<Vec<_>>()) {
        Ok(end) => {
            if let End::Signal(signal) = end {
                let name = Signal::try_from(i32::from(signal)).map_or("unknown", Signal::as_str);
                say(&format!(
                    "the command was killed by signal {signal} ({name})"
                ));
            }
            ExitCode::from(end.code())
        }
        Err(error) => {
            say(&format!("{error:#}"));
            ExitCode::from(TROUBLE)
        }
    }
}

fn run(words: &[OsString]) -> Result<End> {
    let (address, words) = words
        .split_first()
        .context("no address of a wire is given")?;
    let address: SocketAddr = address
        .to_str()
        .and_then(|text| text.parse().ok())
        .with_context(|| format!("{}: no address of a wire", address.display()))?;
    let asked = arguments::parse(words)?;
    let line = asked.line.as_encoded_bytes();
    ensure!(
        line.len() <= LONGEST_LINE_BYTES,
        "the command line has {} bytes, a shell takes {LONGEST_LINE_BYTES}",
        line.len()
    );
    let mut control = connect(address)?;
    let length = (line.len() as u32).to_be_bytes();
    control
        .write_all(&[&length, line].concat())
        .context("ask the lab for the command")?;
    let stream = connect(SocketAddr::new(address.ip(), port(&mut control)?))?;
    let errors = connect(SocketAddr::new(address.ip(), port(&mut control)?))?;
    let up = stream.try_clone().context("share the connection")?;
    // Not waited for: it may be reading what nobody will ever write.
    thread::spawn(move || give_input(up, asked.no_input));
    let output = own(io::stdout()).context("find standard output")?;
    let down = thread::spawn(move || {
        take(stream, output)?;
        // Whoever waits for the end of the output must see it, though the command may run on.
        nix::unistd::close(io::stdout().as_raw_fd()).ok();
        io::Result::Ok(())
    });
    let own_errors = own(io::stderr()).context("find standard error")?;
    let errors = thread::spawn(move || take(errors, own_errors));
    let mut end = [0; 2];
    let end = control.read_exact(&mut end).map(|()| End::from_bytes(end));
    for (stream, what) in [(down, "output"), (errors, "errors")] {
        let taken = stream.join();
        taken
            .map_err(|_| anyhow!("the thread that takes the {what} panicked"))?
            .with_context(|| format!("read the command's {what}"))?;
    }
    end.ok()
        .flatten()
        .context("the lab hung up before the command had ended")
}

fn port(control: &mut TcpStream) -> Result<u16> {
    let mut port = [0; 2];
    control
        .read_exact(&mut port)
        .context("read the lab's answer")?;
    Ok(u16::from_be_bytes(port))
}

fn connect(address: SocketAddr) -> Result<TcpStream> {
    let connected = TcpStream::connect(address).and_then(|stream| {
        stream.set_nodelay(true)?;
        Ok(stream)
    });
    connected.with_context(|| format!("connect to the lab at {address}"))
}

/// Standard input goes up until it ends; input that can't be read has.
fn give_input(mut up: TcpStream, none: bool) {
    if !none && let Ok(mut input) = own(io::stdin()) {
        let mut piece = vec![0; PIECE_BYTES];
        while let Ok(bytes @ 1..) = patiently(&mut input, PollFlags::POLLIN, |input| {
            input.read(&mut piece)
        }) {
            if up.write_all(&piece[..bytes]).is_err() {
                return;
            }
        }
    }
    up.shutdown(Shutdown::Write).ok();
}

/// Relays what comes to one of our streams.
fn take(mut from: TcpStream, mut to: File) -> io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let bytes = from.read(&mut piece)?;
        if bytes == 0 {
            return Ok(());
        }
        if write_patiently(&mut to, &piece[..bytes]).is_err() {
            // Nobody reads it any more. The lab sees this process end, and ends the command.
            std::process::exit(i32::from(TROUBLE));
        }
    }
}

const PIECE_BYTES: usize = 64 << 10;

/// The same stream, without a buffer or a lock.
fn own(stream: impl AsFd) -> io::Result<File> {
    Ok(File::from(stream.as_fd().try_clone_to_owned()?))
}

fn write_patiently(to: &mut File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = patiently(to, PollFlags::POLLOUT, |to| to.write(bytes))?;
        bytes = &bytes[written..];
    }
    Ok(())
}

/// Tries again whenever the kernel says it may be worth it.
fn patiently(
    file: &mut File,
    ready: PollFlags,
    mut attempt: impl FnMut(&mut File) -> io::Result<usize>,
) -> io::Result<usize> {
    loop {
        match attempt(file) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                match poll(&mut [PollFd::new(file.as_fd(), ready)], PollTimeout::NONE) {
                    Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// `eprintln!` would panic where standard error is full and non-blocking.
fn say(words: &str) {
    if let Ok(mut errors) = own(io::stderr()) {
        write_patiently(&mut errors, format!("ssh stand-in: {words}\n").as_bytes()).ok();
    }
}
