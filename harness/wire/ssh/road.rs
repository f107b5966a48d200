//! The lab's side of the road: runs what a stand-in asks for, carries its streams, and counts them.

use std::convert::Infallible;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::unix::pipe;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, mpsc};

use super::remote::{Pipes, Remote, Server};
use super::{End, LONGEST_LINE_BYTES};
use crate::wire::meter::Meter;

/// What every command shares.
#[derive(Clone)]
pub struct Site {
    pub server: Arc<Server>,
    /// Held by one command at a time, until its client has connected.
    pub doors: Arc<Mutex<Doors>>,
    pub meter: Arc<Meter>,
}

/// Where clients connect for a command's input and output, and for its errors.
pub struct Doors {
    pub streams: TcpListener,
    pub errors: TcpListener,
}

impl Doors {
    /// Drops connections that nobody waits for: of a client that went away between its two.
    fn clear(&self) {
        let mut nobody = std::task::Context::from_waker(std::task::Waker::noop());
        for door in [&self.streams, &self.errors] {
            while let std::task::Poll::Ready(Ok(_)) = door.poll_accept(&mut nobody) {}
        }
    }
}

/// Accepts commands for as long as it is polled. Each holds `running` until it has ended; one whose task is dropped is
/// killed.
pub async fn accept(listener: TcpListener, site: Site, running: mpsc::Sender<Infallible>) {
    loop {
        match listener.accept().await {
            Ok((control, _)) if site.meter.is_cut() => drop(control),
            Ok((control, _)) => {
                // Weak until a command is asked for: a connection that idles does not hold up the end.
                let (site, running) = (site.clone(), running.downgrade());
                tokio::spawn(async move {
                    // It fails when the client breaks off; what crossed until then is counted.
                    converse(control, &site, &running).await.ok();
                });
            }
            // Out of file descriptors, or a client gone before it was greeted: others may still come.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// One command, from its line to the end of its client.
async fn converse(
    control: TcpStream,
    site: &Site,
    running: &mpsc::WeakSender<Infallible>,
) -> io::Result<()> {
    let meter = &site.meter;
    // The three connections of a command stand for the one that ssh would make.
    meter.connected();
    control.set_nodelay(true)?;
    let (mut asked, mut answers) = control.into_split();
    let Some(line) = command_line(&mut asked, meter).await? else {
        meter.ran("", None);
        return Ok(());
    };
    let Some(_running) = running.upgrade() else {
        return Ok(());
    };
    let name = label(&line.to_string_lossy());
    let Some((stream, errors_down)) = open_streams(&mut asked, &mut answers, site).await? else {
        meter.ran(&name, None);
        return Ok(());
    };
    let (from_client, to_client) = stream.into_split();
    let (remote, pipes) = match Remote::start(&line, &site.server) {
        Ok(started) => started,
        Err(error) => {
            meter.ran(&name, None);
            meter.note(format!("{name} could not be started: {error}"));
            return Ok(());
        }
    };
    let Pipes {
        input,
        output,
        errors,
    } = pipes;
    let taking = tokio::spawn(take_input(from_client, input, Arc::clone(meter)));
    let ended = tokio::select! {
        ended = async {
            tokio::try_join!(
                give(output, to_client, meter, &name),
                // Payload too: a client can keep it, and a release sent this way would be free.
                give(errors, errors_down, meter, &name),
            )?;
            remote.ended().await
        } => ended.ok(),
        () = gone(&mut asked) => None,
        () = meter.cut() => None,
    };
    if meter.is_cut() {
        // All connections close at once: nobody is told of an end, and nobody's input is waited for.
        taking.abort();
        drop(remote);
        meter.ran(&name, None);
        return Err(io::ErrorKind::ConnectionReset.into());
    }
    // Before the client hears of the end: when it is done, nothing of its command's process group runs.
    drop(remote);
    meter.ran(&name, ended.map(|end| u16::from(end.code())));
    if let Some(end) = ended {
        tell_end(end, &name, &mut answers, meter).await?;
        gone(&mut asked).await;
    }
    // Input that the command did not want has crossed all the same. Closing the connection on it would also reset
    // it, and take output with it that is still on its way.
    if let Ok(mut from_client) = taking.await {
        let mut piece = [0; 4096];
        while let Ok(bytes @ 1..) = from_client.read(&mut piece).await {
            count_upload(meter, bytes);
        }
    }
    Ok(())
}

/// The command line; nothing when what was sent is none. An error when nothing was sent.
async fn command_line(asked: &mut OwnedReadHalf, meter: &Meter) -> io::Result<Option<OsString>> {
    let mut length = [0; 4];
    asked.read_exact(&mut length).await?;
    meter.received(length.len() as u64);
    let length = u32::from_be_bytes(length) as usize;
    if length > LONGEST_LINE_BYTES {
        return Ok(None);
    }
    let mut line = vec![0; length];
    asked.read_exact(&mut line).await?;
    meter.received(length as u64);
    Ok(Some(OsString::from_vec(line)))
}

/// Tells the ports for the command's input and output and for its errors, and waits for both; nothing when the client
/// goes away instead of using them.
async fn open_streams(
    asked: &mut OwnedReadHalf,
    answers: &mut OwnedWriteHalf,
    site: &Site,
) -> io::Result<Option<(TcpStream, TcpStream)>> {
    let doors = site.doors.lock().await;
    doors.clear();
    for door in [&doors.streams, &doors.errors] {
        let port = door.local_addr()?.port().to_be_bytes();
        send(&port, answers, &|bytes| site.meter.sent_framing(bytes)).await?;
    }
    tokio::select! {
        accepted = async { tokio::try_join!(doors.streams.accept(), doors.errors.accept()) } => {
            let ((stream, _), (errors, _)) = accepted?;
            stream.set_nodelay(true)?;
            errors.set_nodelay(true)?;
            Ok(Some((stream, errors)))
        }
        () = gone(asked) => Ok(None),
    }
}

/// Ends when the client has: it sends nothing more on this connection, so whatever comes is the end.
async fn gone(asked: &mut OwnedReadHalf) {
    asked.read_exact(&mut [0]).await.ok();
}

/// Carries the client's input to the command, until either has enough. Gives back the client's end.
async fn take_input(
    mut from: OwnedReadHalf,
    mut to: pipe::Sender,
    meter: Arc<Meter>,
) -> OwnedReadHalf {
    let mut piece = vec![0; PIECE_BYTES];
    while let Ok(bytes @ 1..) = from.read(&mut piece).await {
        count_upload(&meter, bytes);
        if to.write_all(&piece[..bytes]).await.is_err() {
            break;
        }
    }
    from
}

fn count_upload(meter: &Meter, bytes: usize) {
    meter.received(bytes as u64);
    meter.uploaded(bytes as u64);
}

/// Carries what the command writes to the client, and its end.
async fn give(
    mut from: pipe::Receiver,
    mut to: impl AsyncWrite + Unpin,
    meter: &Meter,
    name: &str,
) -> io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let bytes = from.read(&mut piece).await?;
        if bytes == 0 {
            return to.shutdown().await;
        }
        let mut rest = &piece[..bytes];
        while !rest.is_empty() {
            let fits = passed(rest.len(), meter).await?;
            let (now, later) = rest.split_at(fits);
            send(now, &mut to, &|bytes| meter.sent_payload(name, bytes)).await?;
            rest = later;
        }
    }
}

/// How many of so many bytes may cross now. Where none may, it waits for the end of the line, which is an error.
async fn passed(bytes: usize, meter: &Meter) -> io::Result<usize> {
    let Some(gate) = meter.gate() else {
        return Ok(bytes);
    };
    match gate.take(bytes as u64) {
        0 => {
            gate.ended().await;
            Err(io::ErrorKind::ConnectionReset.into())
        }
        taken => Ok(taken as usize),
    }
}

/// An end other than well is payload: an exit code is a byte that a server can choose.
async fn tell_end(
    end: End,
    name: &str,
    answers: &mut OwnedWriteHalf,
    meter: &Meter,
) -> io::Result<()> {
    send(&end.to_bytes(), answers, &|bytes| match end {
        End::Exit(0) => meter.sent_framing(bytes),
        _ => meter.sent_payload(name, bytes),
    })
    .await?;
    answers.shutdown().await
}

/// What a pipe holds on Linux.
const PIECE_BYTES: usize = 64 << 10;

/// Counts where the kernel takes it, so that a client that breaks off is charged for what left.
async fn send(
    mut bytes: &[u8],
    to: &mut (impl AsyncWrite + Unpin),
    count: &impl Fn(u64),
) -> io::Result<()> {
    while !bytes.is_empty() {
        let sent = to.write(bytes).await?;
        count(sent as u64);
        bytes = &bytes[sent..];
    }
    Ok(())
}

/// What a command is listed as: `ssh casync pull`. The program and, where it has one, its verb; other words may be
/// paths and numbers, which differ from run to run.
fn label(line: &str) -> String {
    let mut words = line.split_whitespace();
    let program = words.next().unwrap_or_default();
    let program = program.rsplit('/').next().unwrap_or_default();
    let verb = words.next().filter(|word| {
        word.starts_with(|letter: char| letter.is_ascii_lowercase())
            && word
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'-')
    });
    match verb {
        Some(verb) => format!("ssh {program} {verb}"),
        None => format!("ssh {program}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_listed_by_its_program_and_verb() {
        for (line, name) in [
            ("casync pull - - v1.caibx default.castr", "ssh casync pull"),
            ("/usr/bin/borg serve --info", "ssh borg serve"),
            ("rsync --server --sender -e.Ls . v1", "ssh rsync"),
            ("sh -c 'exit 3'", "ssh sh"),
            ("cat /tmp/x8271/out", "ssh cat"),
            ("", "ssh "),
        ] {
            assert_eq!(label(line), name);
        }
    }
}
