//! The stand-in's bytes are those of a real ssh, within its framing.
//!
//! The same pull twice: over the stand-in, and with OpenSSH's `ssh` to an `sshd` on loopback that runs nothing but what
//! it is told to in the store's folder. Between those two stands a relay that counts. Real ssh adds a handshake, which is
//! measured with a command that moves nothing, and a frame around each message, which it can tell apart.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};

use delta_lab::wire::Traffic;

use crate::bench::{has, text};
use crate::ssh::{
    Site, copied, publish_chunks, pull_with_casync, pull_with_rsync, release_site, releases,
};

/// A cipher that leaves the length of each packet readable, so that the relay can tell packets apart. A packet is its
/// length (4 bytes), then the length of its padding (1), the message and the padding, and a tag (16). The padding has at
/// least 4 bytes, and makes what stands between length and tag a multiple of 16 (RFC 4253, section 6; RFC 5647).
const CIPHER: &str = "aes128-gcm@openssh.com";

const TAG: usize = 16;
/// Bytes of a packet around its message and padding.
const PACKET: u64 = 4 + 1 + 16;
/// A message of data: its type (1), its channel (4) and the length of the data (4); RFC 4254, section 5.2. One that
/// makes the window larger is of the same length, and has no data.
const DATA: u64 = 1 + 4 + 4;
const LEAST_PADDING: u64 = 4;
/// Fifteen more bytes may be needed for the next multiple of 16.
const MOST_PADDING: u64 = LEAST_PADDING + 15;

/// The largest of the messages that may come in one run and not in the other, whichever end is first to end a stream:
/// `eow@openssh.com` (1 + 4 + 4 + 15 + 1), the end of a stream (1 + 4).
const OTHER: u64 = PACKET + 25 + MOST_PADDING;

/// What crossed the relay in one direction.
#[derive(Debug)]
struct Direction {
    bytes: u64,
    /// Encrypted packets.
    packets: u64,
    /// Those that are neither data nor a larger window: ssh's log at its third level names each of them.
    other: u64,
}

/// Keys, settings and a client program for one sshd.
struct Real {
    site: Site,
    sshd: PathBuf,
    dir: PathBuf,
}

impl Real {
    /// Nothing, said plainly, where sshd can't run.
    fn new(site: Site) -> Option<Real> {
        let sshd = PathBuf::from("/usr/sbin/sshd");
        if !has("ssh") || !has("ssh-keygen") {
            return None;
        }
        if !sshd.exists() {
            eprintln!("skipped: sshd is not installed");
            return None;
        }
        // A folder of the system's that an sshd of root's wants to find; the service would have made it.
        if output("id", &["-u"]) == "0" && fs::create_dir_all("/run/sshd").is_err() {
            eprintln!("skipped: sshd wants /run/sshd, and it can't be made");
            return None;
        }
        let dir = site.dir.path().join("sshd");
        fs::create_dir(&dir).unwrap();
        let real = Real { site, sshd, dir };
        for key in ["host_key", "user_key"] {
            let file = real.path(key);
            output(
                "ssh-keygen",
                &["-q", "-t", "ed25519", "-N", "", "-f", &file],
            );
        }
        fs::copy(real.dir.join("user_key.pub"), real.dir.join("may_enter")).unwrap();
        // ForceCommand: the store is the working folder, as it is for the stand-in, and the line is the client's.
        let config = format!(
            "HostKey {}\nAuthorizedKeysFile {}\nForceCommand cd {} && exec /bin/sh -c \"$SSH_ORIGINAL_COMMAND\"\n\
             Ciphers {CIPHER}\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\n\
             PermitUserRC no\nPrintMotd no\nPrintLastLog no\nPidFile none\n",
            real.path("host_key"),
            real.path("may_enter"),
            real.site.store.path().display(),
        );
        fs::write(real.dir.join("config"), config).unwrap();
        Some(real)
    }

    fn path(&self, file: &str) -> String {
        self.dir.join(file).to_str().unwrap().to_string()
    }

    /// Runs a client of ssh through the relay: what crossed up and down. `client` is given the program to use for ssh.
    fn crossed(&self, name: &str, client: impl FnOnce(&Path) -> bool) -> (Direction, Direction) {
        let relay = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = relay.local_addr().unwrap().port();
        let (log, written) = (self.dir.join(format!("{name}.log")), self.dir.join("fresh"));
        let script = format!(
            "#!/bin/sh\nexec ssh -F none -vvv -E '{}' -p {port} -l '{}' -i '{}' -o HostName=127.0.0.1 -o Ciphers={CIPHER} \
             -o Compression=no -o BatchMode=yes -o IdentitiesOnly=yes -o IdentityAgent=none -o UpdateHostKeys=no \
             -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o GlobalKnownHostsFile=/dev/null \"$@\"\n",
            log.display(),
            output("id", &["-un"]),
            self.path("user_key"),
        );
        fs::write(&written, script).unwrap();
        fs::set_permissions(&written, fs::Permissions::from_mode(0o755)).unwrap();
        let program = self.dir.join(name);
        copied(&written, &program);
        let counting = self.relay_one(relay, name);
        let went_well = client(&program);
        let said = fs::read_to_string(&log).unwrap_or_default();
        let server = fs::read_to_string(self.dir.join(format!("{name}.sshd"))).unwrap_or_default();
        assert!(went_well, "{name}: {server}\n{said}");
        let (up, down) = counting.join().unwrap();
        let direction = |crossed: Vec<u8>, way: &str| Direction {
            bytes: crossed.len() as u64,
            packets: encrypted_packets(&crossed),
            other: said.matches(&format!("{way} packet: type ")).count() as u64 - PLAIN_PACKETS,
        };
        (direction(up, "send"), direction(down, "receive"))
    }

    /// Accepts one connection and gives it to an sshd of its own, keeping what crosses both ways.
    fn relay_one(&self, relay: TcpListener, name: &str) -> JoinHandle<(Vec<u8>, Vec<u8>)> {
        let log = fs::File::create(self.dir.join(format!("{name}.sshd"))).unwrap();
        let (sshd, config) = (self.sshd.clone(), self.path("config"));
        thread::spawn(move || {
            let (client, _) = relay.accept().unwrap();
            let (ours, theirs) = UnixStream::pair().unwrap();
            let end = || Stdio::from(OwnedFd::from(theirs.try_clone().unwrap()));
            // -i: it serves the one connection it is given, and listens nowhere.
            let mut server: Child = Command::new(sshd)
                .args(["-i", "-e", "-f", &config])
                .stdin(end())
                .stdout(end())
                .stderr(log)
                .spawn()
                .unwrap();
            drop(theirs);
            let (client_end, our_end) = (client.try_clone().unwrap(), ours.try_clone().unwrap());
            let up = thread::spawn(move || {
                let bytes = pumped(client_end, &our_end);
                our_end.shutdown(Shutdown::Write).ok();
                bytes
            });
            let down = pumped(ours, &client);
            client.shutdown(Shutdown::Both).ok();
            let up = up.join().unwrap();
            server.wait().unwrap();
            (up, down)
        })
    }
}

/// Carries bytes until either end is gone, and keeps a copy.
fn pumped(mut from: impl Read, mut to: impl Write) -> Vec<u8> {
    let mut piece = vec![0; 64 << 10];
    let mut kept = Vec::new();
    while let Ok(read @ 1..) = from.read(&mut piece) {
        kept.extend_from_slice(&piece[..read]);
        if to.write_all(&piece[..read]).is_err() {
            break;
        }
    }
    kept
}

/// Counts the packets after the one that says that what follows is encrypted (SSH_MSG_NEWKEYS, 21).
fn encrypted_packets(mut crossed: &[u8]) -> u64 {
    // The version, a line of text; RFC 4253, section 4.2.
    let version = crossed.iter().position(|&byte| byte == b'\n').unwrap();
    crossed = &crossed[version + 1..];
    let (mut encrypted, mut packets, mut plain) = (false, 0, 0);
    while !crossed.is_empty() {
        let length = u32::from_be_bytes(crossed[..4].try_into().unwrap()) as usize;
        if encrypted {
            packets += 1;
            crossed = &crossed[4 + length + TAG..];
        } else {
            plain += 1;
            encrypted = crossed[5] == 21;
            crossed = &crossed[4 + length..];
        }
    }
    assert_eq!(plain, PLAIN_PACKETS);
    packets
}

/// What is offered (20), the client's or the server's half of the key (30, 31), and 21.
const PLAIN_PACKETS: u64 = 3;

/// Runs a program that must succeed; what it printed.
fn output(program: &str, args: &[&str]) -> String {
    let ran = Command::new(program).args(args).output().unwrap();
    assert!(ran.status.success(), "{program}: {}", text(&ran.stderr));
    text(&ran.stdout).trim().to_string()
}

/// Real ssh's bytes are the handshake's, ours, and those around each message; `spare` is what the command itself may
/// differ by.
fn within_framing(what: &str, real: &Direction, handshake: &Direction, ours: u64, spare: u64) {
    let added = real.bytes - handshake.bytes;
    // The server makes the window larger once in the handshake's command, too.
    let unnamed = |direction: &Direction| direction.packets - direction.other;
    let data = unnamed(real) - unnamed(handshake);
    let others = real.other.abs_diff(handshake.other);
    eprintln!(
        "{what}: {ours} bytes here, {} over ssh: {} of handshake and {} around {data} messages",
        real.bytes,
        handshake.bytes,
        added.saturating_sub(ours),
    );
    let least = ours + data * (PACKET + DATA + LEAST_PADDING);
    let most = ours + data * (PACKET + DATA + MOST_PADDING);
    let slack = others * OTHER + spare;
    assert!(
        (least.saturating_sub(slack)..=most + slack).contains(&added),
        "{what}: {added} bytes beyond the handshake, expected {least} to {most}, give or take {slack}"
    );
}

type Pull = fn(&Site, &Path, &str) -> std::process::ExitStatus;

#[test]
fn real_ssh_moves_the_same_bytes_within_its_framing() {
    let tools: [(&str, Pull); 2] = [("rsync", pull_with_rsync), ("casync", pull_with_casync)];
    for (tool, pull) in tools {
        if !has(tool) {
            continue;
        }
        let site = release_site();
        if tool == "casync" {
            publish_chunks(&site);
        }
        let Some(real) = Real::new(site) else {
            return;
        };
        let (wire, program) = real.site.open();
        assert!(pull(&real.site, &program, "here").success());
        let traffic: Traffic = wire.close().unwrap();
        assert_eq!(traffic.note, "");

        let (up, down) = real.crossed("nothing", |ssh| {
            let mut nothing = Command::new(ssh);
            nothing.args(["host", "true"]).stdin(Stdio::null());
            nothing.status().unwrap().success()
        });
        let (real_up, real_down) =
            real.crossed("pull", |ssh| pull(&real.site, ssh, "there").success());
        let there = fs::read(real.site.client().join("there")).unwrap();
        assert!(there == releases().1);

        assert!(real_down.bytes >= traffic.payload_bytes && real_up.bytes >= traffic.upload_bytes);
        // What the tools themselves differ by from run to run, as the claims about the stand-in tell: rsync down, by how
        // it frames what it sends; casync up, by 24 bytes for each request and 32 for each chunk it names: at most as much again.
        let (spare_down, spare_up) = match tool {
            "rsync" => (100, 0),
            _ => (0, traffic.upload_bytes),
        };
        let down_words = format!("{tool} down");
        within_framing(
            &down_words,
            &real_down,
            &down,
            traffic.payload_bytes,
            spare_down,
        );
        // The command line goes up, and is longer than `true`: our header has it, with ten bytes of our own around
        // it. Padding may round it up by fifteen.
        let line = traffic.header_bytes - 10 - "true".len() as u64;
        let up_words = format!("{tool} up");
        within_framing(
            &up_words,
            &real_up,
            &up,
            traffic.upload_bytes + line,
            15 + spare_up,
        );
    }
}
