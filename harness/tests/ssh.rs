//! The stand-in for ssh carries a command's three streams and its end, and the wire counts every byte of them.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use delta_lab::store::Store;
use delta_lab::wire::{Traffic, Wire};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use tempfile::TempDir;

use crate::bench::{Bench, LAB, has, noise, text};
use crate::clock::sleepers;

/// A store, a client's folder, and a wire between them.
pub struct Site {
    pub dir: TempDir,
    pub store: Store,
}

impl Site {
    pub fn new() -> Site {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(&dir.path().join("server/store")).unwrap();
        fs::create_dir(dir.path().join("client")).unwrap();
        Site { dir, store }
    }

    pub fn client(&self) -> PathBuf {
        self.dir.path().join("client")
    }

    pub fn open(&self) -> (Wire, PathBuf) {
        let wire = Wire::open(&self.store).unwrap();
        let (fresh, program) = (self.client().join("fresh"), self.client().join("ssh"));
        wire.write_ssh(Path::new(LAB), &fresh).unwrap();
        // Copied by another process: a file that this one has open for writing while another test forks can't be run.
        copied(&fresh, &program);
        (wire, program)
    }

    /// Runs one command with this input.
    fn run(&self, line: &str, input: &[u8]) -> (Output, Traffic) {
        let (wire, program) = self.open();
        let output = fed(start(&program, line), input.to_vec());
        (output, wire.close().unwrap())
    }
}

pub fn copied(from: &Path, to: &Path) {
    let copy = Command::new("cp").arg(from).arg(to).status().unwrap();
    assert!(copy.success());
}

fn start(program: &Path, line: &str) -> Child {
    Command::new(program)
        .args(["host", line])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Writes the input while the output is read.
fn fed(mut child: Child, input: Vec<u8>) -> Output {
    let mut stdin = child.stdin.take().unwrap();
    let feeding = thread::spawn(move || stdin.write_all(&input).ok());
    let output = child.wait_with_output().unwrap();
    feeding.join().unwrap();
    output
}

/// Header bytes of a command: its line with the length before it, and two ports.
fn header(line: &str) -> u64 {
    (4 + line.len() + 4) as u64
}

/// How a command ended: header bytes when it ended well, payload otherwise.
const END: u64 = 2;

fn figures(traffic: &Traffic) -> (u64, u64, u64, u64) {
    assert_eq!(traffic.note, "");
    (
        traffic.payload_bytes,
        traffic.upload_bytes,
        traffic.header_bytes,
        traffic.requests,
    )
}

/// A time to sleep that nobody else sleeps for.
fn mark() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{}.{next:03}7", 3000 + std::process::id())
}

/// Whether who sleeps for this long is gone, or is at once: the kernel may still be taking it apart.
fn dies(mark: &str) -> bool {
    let give_up = Instant::now() + Duration::from_secs(20);
    while sleepers(mark) > 0 {
        if Instant::now() > give_up {
            return false;
        }
        thread::yield_now();
    }
    true
}

fn first_line(child: &mut Child) -> String {
    let mut line = Vec::new();
    let output = child.stdout.as_mut().unwrap();
    let mut byte = [0];
    while output.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
        line.push(byte[0]);
    }
    String::from_utf8(line).unwrap()
}

#[test]
fn both_directions_are_counted_to_the_byte() {
    let site = Site::new();
    fs::write(site.store.object("there"), noise(2, 70_001)).unwrap();
    for (line, input, output) in [
        ("cat", noise(1, 100_003), noise(1, 100_003)),
        ("cat there", Vec::new(), noise(2, 70_001)),
        ("cat >/dev/null; printf abc", noise(1, 5), b"abc".to_vec()),
        ("true", Vec::new(), Vec::new()),
    ] {
        let (ran, traffic) = site.run(line, &input);
        assert_eq!(ran.status.code(), Some(0), "{line}");
        assert!(ran.stdout == output && ran.stderr.is_empty(), "{line}");
        let (down, up) = (output.len() as u64, input.len() as u64);
        assert_eq!(
            figures(&traffic),
            (down, up, header(line) + END, 1),
            "{line}"
        );
        assert_eq!((traffic.failed_requests, traffic.connections), (0, 1));
        let program = line.split([' ', ';']).next().unwrap();
        assert!(
            traffic.objects[0]
                .object
                .starts_with(&format!("ssh {program}"))
        );
        assert_eq!(traffic.objects[0].statuses, [(0, 1)].into());
    }
}

#[test]
fn exit_code_signal_and_errors_come_through() {
    let site = Site::new();
    for (line, code, errors) in [
        ("echo oops >&2; exit 7", 7, "oops\n"),
        ("exit 200", 200, ""),
        // ssh says 255 for a command that was killed; why, it keeps to itself.
        (
            "kill -9 $$",
            255,
            "ssh stand-in: the command was killed by signal 9 (SIGKILL)\n",
        ),
    ] {
        let (ran, traffic) = site.run(line, b"");
        assert_eq!(ran.status.code(), Some(code), "{line}");
        assert_eq!(text(&ran.stderr), errors, "{line}");
        let crossed = if code == 255 { 0 } else { errors.len() };
        assert_eq!(
            figures(&traffic),
            (crossed as u64 + END, 0, header(line), 1)
        );
        assert_eq!(traffic.failed_requests, 1);
        assert_eq!(traffic.objects[0].statuses, [(code as u16, 1)].into());
    }
    let (ran, traffic) = site.run("no-such-program", b"");
    assert_eq!(ran.status.code(), Some(127));
    assert!(text(&ran.stderr).contains("no-such-program"));
    let errors = ran.stderr.len() as u64;
    assert_eq!(
        figures(&traffic),
        (errors + END, 0, header("no-such-program"), 1)
    );
}

#[test]
fn much_at_once_both_ways_does_not_block() {
    let site = Site::new();
    let input = noise(3, 32 << 20);
    let (ran, traffic) = site.run("head -c 1000000 /dev/zero >&2 & cat; wait", &input);
    assert!(ran.status.success() && ran.stdout == input);
    assert_eq!(ran.stderr.len(), 1_000_000);
    assert_eq!(
        (traffic.payload_bytes, traffic.upload_bytes),
        ((32 << 20) + 1_000_000, 32 << 20)
    );
}

#[test]
fn a_command_that_ends_first_ends_its_client() {
    let site = Site::new();
    let (wire, program) = site.open();
    // The input stays open, and says nothing.
    let mut child = start(&program, "echo done");
    let silent = child.stdin.take();
    assert_eq!(first_line(&mut child), "done");
    assert!(child.wait().unwrap().success());
    drop(silent);
    // More input than any buffer on the way holds, for a command that wants none of it; its output comes whole.
    let ran = fed(
        start(&program, "exec <&-; head -c 3000000 /dev/zero; exit 4"),
        vec![7; 64 << 20],
    );
    assert_eq!((ran.status.code(), ran.stdout.len()), (Some(4), 3_000_000));
    let traffic = wire.close().unwrap();
    assert_eq!(
        (traffic.payload_bytes, traffic.requests),
        (5 + 3_000_000 + END, 2)
    );
    assert_eq!(traffic.note, "");
    assert!(traffic.upload_bytes < 64 << 20, "{}", traffic.upload_bytes);
}

#[test]
fn each_stream_ends_by_itself() {
    let site = Site::new();
    let (wire, program) = site.open();
    let mut child = start(&program, "echo out; exec >&-; cat >&2");
    let mut input = child.stdin.take().unwrap();
    let mut output = String::new();
    // It ends before the input does.
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_to_string(&mut output).unwrap();
    input.write_all(b"in").unwrap();
    drop(input);
    let ran = child.wait_with_output().unwrap();
    assert_eq!(
        (output.as_str(), text(&ran.stderr).as_str()),
        ("out\n", "in")
    );
    assert!(ran.status.success());
    assert_eq!(figures(&wire.close().unwrap()).0, 4 + 2);
}

#[test]
fn a_client_that_breaks_off_takes_its_command_with_it() {
    let site = Site::new();
    let mark = mark();
    for line in [
        format!("echo begun; exec sleep {mark}"),
        format!("sleep {mark} <&- >&- 2>&- & echo begun; wait"),
        format!("setsid sleep {mark} <&- >&- 2>&- & echo begun; wait"),
    ] {
        let (wire, program) = site.open();
        let mut child = start(&program, &line);
        assert_eq!(first_line(&mut child), "begun");
        while sleepers(&mark) == 0 {
            thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let traffic = wire.close().unwrap();
        assert!(dies(&mark), "{line}");
        assert_eq!((traffic.note.as_str(), traffic.requests), ("", 1));
        assert_eq!(traffic.failed_requests, 1);
    }
    // A reader that has enough: the command writes without end.
    let (wire, program) = site.open();
    let mut child = start(&program, &format!("sleep {mark} & exec yes"));
    assert_eq!(first_line(&mut child), "y");
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(255));
    wire.close().unwrap();
    assert!(dies(&mark));
}

#[test]
fn what_a_command_left_running_goes_with_it() {
    let site = Site::new();
    let mark = mark();
    // The second leaves its group and session, as a daemon does.
    for left in ["", "setsid "] {
        let line = format!("{left}sleep {mark} <&- >&- 2>&- & echo done");
        let (ran, traffic) = site.run(&line, b"");
        assert!(ran.status.success());
        assert!(dies(&mark), "{line}");
        assert_eq!(traffic.note, "");
    }
}

#[test]
fn a_wire_that_closes_takes_its_commands_with_it_and_says_so() {
    let site = Site::new();
    let (wire, program) = site.open();
    let mark = mark();
    let mut child = start(&program, &format!("echo begun; exec sleep {mark}"));
    assert_eq!(first_line(&mut child), "begun");
    let traffic = wire.close().unwrap();
    assert!(traffic.note.contains("were cut"), "{}", traffic.note);
    assert!(dies(&mark));
    let ran = child.wait_with_output().unwrap();
    assert_eq!(ran.status.code(), Some(255));
    assert!(
        text(&ran.stderr).contains("hung up"),
        "{}",
        text(&ran.stderr)
    );
    let late = start(&program, "true").wait_with_output().unwrap();
    assert_eq!(late.status.code(), Some(255));
    assert!(
        text(&late.stderr).contains("connect to the lab"),
        "{}",
        text(&late.stderr)
    );
}

#[test]
fn non_blocking_streams_are_waited_for() {
    let site = Site::new();
    let (wire, program) = site.open();
    let (input, mut to_input) = std::io::pipe().unwrap();
    let (mut from_output, mut output) = std::io::pipe().unwrap();
    for end in [input.as_fd(), output.as_fd()] {
        fcntl(end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    }
    // The output is full before the command begins.
    let mut full = 0;
    while let Ok(bytes) = output.write(&[1; 4096]) {
        full += bytes;
    }
    let line = "echo begun; echo begun >&2; cat";
    let mut child = Command::new(&program)
        .args(["host", line])
        .stdin(input)
        .stdout(output)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut begun = [0; 6];
    child
        .stderr
        .as_mut()
        .unwrap()
        .read_exact(&mut begun)
        .unwrap();
    // The input was empty all the while.
    let feeding = thread::spawn(move || to_input.write_all(&noise(5, 300_000)).unwrap());
    let mut received = Vec::new();
    from_output.read_to_end(&mut received).unwrap();
    feeding.join().unwrap();
    assert!(child.wait().unwrap().success());
    assert!(received[full..].starts_with(b"begun\n"));
    assert!(received[full + 6..] == noise(5, 300_000));
    assert_eq!(
        figures(&wire.close().unwrap()),
        (300_012, 300_000, header(line) + END, 1)
    );
}

#[test]
fn a_command_has_an_environment_of_its_own() {
    let site = Site::new();
    let (wire, program) = site.open();
    let ran = Command::new(&program)
        .args(["host", "env; ls -A \"$HOME\"; touch \"$HOME\"/memo"])
        .env("SECRET_OF_THE_CLIENT", "x")
        .output()
        .unwrap();
    let said = text(&ran.stdout);
    // Neither the client's nor the lab's: what a shell needs, and what it adds by itself.
    let known = [
        "HOME", "TMPDIR", "SHELL", "LC_ALL", "PATH", "PWD", "OLDPWD", "SHLVL", "_",
    ];
    let names = said.lines().map(|line| line.split('=').next().unwrap());
    let strange: Vec<&str> = names.filter(|name| !known.contains(name)).collect();
    assert!(strange.is_empty(), "{strange:?}");
    let home = said
        .lines()
        .find_map(|line| line.strip_prefix("HOME="))
        .unwrap();
    assert!(!Path::new(home).starts_with(site.store.path()), "{home}");
    assert!(
        Path::new(home).join("memo").exists(),
        "nothing was there before"
    );
    wire.close().unwrap();
    assert!(!Path::new(home).exists());
}

#[test]
fn a_stand_in_says_what_is_wrong_and_exits_as_ssh_does() {
    for (words, why) in [
        (vec![], "no address"),
        (vec!["nowhere", "host", "true"], "nowhere: no address"),
        (
            vec!["127.0.0.1:1", "host", "true"],
            "connect to the lab at 127.0.0.1:1",
        ),
        (
            vec!["127.0.0.1:1", "-C", "host", "true"],
            "does not compress",
        ),
    ] {
        let ran = Command::new(LAB)
            .arg("__ssh")
            .args(&words)
            .output()
            .unwrap();
        assert_eq!(ran.status.code(), Some(255), "{words:?}");
        assert!(text(&ran.stderr).contains(why), "{}", text(&ran.stderr));
    }
}

/// A release, and the next with 9,000 new bytes in three places.
pub fn releases() -> (Vec<u8>, Vec<u8>) {
    let old = noise(1, 2_000_000);
    let mut new = old.clone();
    for (seed, at) in [(2, 100_000), (3, 900_000), (4, 1_500_000)] {
        new.splice(at..at, noise(seed, 3000));
    }
    (old, new)
}

/// A site whose store holds the new release as `new` and as casync's chunks; its client holds the old one as `old`.
pub fn release_site() -> Site {
    let site = Site::new();
    let (old, new) = releases();
    fs::write(site.client().join("old"), old).unwrap();
    fs::write(site.store.object("new"), new).unwrap();
    site
}

pub fn publish_chunks(site: &Site) {
    let make = [
        "--chunk-size=16384",
        "--store=default.castr",
        "make",
        "new.caibx",
        "new",
    ];
    let made = Command::new("casync")
        .args(make)
        .current_dir(site.store.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", text(&made.stderr));
}

/// Pulls the new release with casync through `ssh`, helped by the old one.
pub fn pull_with_casync(site: &Site, ssh: &Path, out: &str) -> ExitStatus {
    Command::new("casync")
        .args([
            "--store=host:default.castr",
            "--seed=old",
            "extract",
            "host:new.caibx",
            out,
        ])
        .env("CASYNC_SSH_PATH", ssh)
        .current_dir(site.client())
        .status()
        .unwrap()
}

/// The same with rsync.
pub fn pull_with_rsync(site: &Site, ssh: &Path, out: &str) -> ExitStatus {
    copied(&site.client().join("old"), &site.client().join(out));
    Command::new("rsync")
        // The seed is the time of day unless it is given.
        .args([
            "--ignore-times",
            "--checksum-seed=1",
            "-e",
            ssh.to_str().unwrap(),
            "host:new",
            out,
        ])
        .current_dir(site.client())
        .status()
        .unwrap()
}

type Pull = fn(&Site, &Path, &str) -> ExitStatus;

fn pulled(site: &Site, pull: Pull, out: &str) -> Traffic {
    let (wire, program) = site.open();
    assert!(pull(site, &program, out).success());
    let traffic = wire.close().unwrap();
    assert!(fs::read(site.client().join(out)).unwrap() == releases().1);
    assert_eq!((traffic.note.as_str(), traffic.requests), ("", 1));
    traffic
}

/// Every file below a folder with its length.
fn lengths(folder: &Path) -> Vec<(PathBuf, u64)> {
    walkdir::WalkDir::new(folder)
        .into_iter()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| (entry.file_name().into(), entry.metadata().unwrap().len()))
        .collect()
}

#[test]
fn casync_moves_its_index_and_exactly_the_chunks_its_seed_lacks() {
    if !has("casync") {
        return;
    }
    let site = release_site();
    publish_chunks(&site);
    // The old release, cut the same way: these are the chunks a seed can give.
    let cut = Command::new("casync")
        .args([
            "make",
            "--chunk-size=16384",
            "--store=old.castr",
            "old.caibx",
            "old",
        ])
        .current_dir(site.client())
        .output()
        .unwrap();
    assert!(cut.status.success());
    let held = lengths(&site.client().join("old.castr"));
    let mut lacking = lengths(&site.store.object("default.castr"));
    lacking.retain(|(chunk, _)| !held.iter().any(|(name, _)| name == chunk));
    assert!(!lacking.is_empty() && lacking.len() < 40);

    let traffic = pulled(&site, pull_with_casync, "out");
    let index = fs::metadata(site.store.object("new.caibx")).unwrap().len();
    let chunks: u64 = lacking.iter().map(|(_, bytes)| bytes).sum();
    let count = lacking.len() as u64;
    // casync's own messages (caprotocol.h): each begins with its type and length (8 + 8), and a chunk's goes on with
    // flags (8) and the chunk's name (32). Beside the index and the chunks there are a greeting, the end of the index
    // and pieces of the index.
    let messages = traffic.payload_bytes - index - chunks - count * (16 + 8 + 32);
    assert!((16..200).contains(&messages), "{messages}: {traffic:?}");
    assert_eq!(traffic.objects[0].object, "ssh casync pull");
    // A request is type, length and flags (24), then 32 bytes for each chunk. How many it names at once, and whether it
    // names one again that it waits for, depends on what has come by then.
    let again = pulled(&site, pull_with_casync, "again");
    assert_eq!(again.payload_bytes, traffic.payload_bytes);
    assert_eq!(again.header_bytes, traffic.header_bytes);
    assert_eq!(again.upload_bytes.abs_diff(traffic.upload_bytes) % 8, 0);
}

#[test]
fn rsync_moves_the_same_bytes_twice_but_for_how_it_frames_them() {
    if !has("rsync") {
        return;
    }
    let site = release_site();
    let traffic = pulled(&site, pull_with_rsync, "out");
    let again = pulled(&site, pull_with_rsync, "again");
    assert_eq!(traffic.objects[0].object, "ssh rsync");
    assert_eq!(again.upload_bytes, traffic.upload_bytes);
    assert_eq!(again.header_bytes, traffic.header_bytes);
    // rsync sends what it has when the other end is idle, four bytes before each piece.
    let differ = again.payload_bytes.abs_diff(traffic.payload_bytes);
    assert!(
        differ.is_multiple_of(4) && differ < 100,
        "{traffic:?}\n{again:?}"
    );
    // The new bytes and the blocks they lie in go down; a checksum for each block of the old release goes up.
    assert!(
        (9_000..40_000).contains(&traffic.payload_bytes),
        "{traffic:?}"
    );
    assert!(
        (5_000..40_000).contains(&traffic.upload_bytes),
        "{traffic:?}"
    );
}

/// A method that uses the stand-in as a tool would.
fn declare(bench: &Bench, name: &str, update: &str) {
    let text = format!(
        "about = \"a test\"\nversion = [\"cp\", \"--version\"]\n\
         [publish]\nrun = [[\"cp\", \"{{image}}\", \"{{store}}/{{name}}\"]]\n\
         [update]\nrun = [{{ run = [\"sh\", \"-c\", '{update}', \"{{ssh}}\"], stdout = \"{{out}}\" }}]\n"
    );
    bench.write(&format!("scenarios/methods/{name}.toml"), text);
}

#[test]
fn a_declared_method_pulls_over_ssh_and_is_not_told_where_the_store_is() {
    let bench = Bench::new();
    bench.pair("roads", &["cat", "nosy"]);
    declare(&bench, "cat", r#"exec "$0" -q host cat {name}"#);
    // The store's folder is `store` in a folder of the trial's.
    let nosy =
        r#"{{ env; cat "$0"; echo "$0"; }} | grep -q /store && exit 9; exec "$0" host cat {name}"#;
    declare(&bench, "nosy", nosy);
    bench.expect(&["run", "roads", "--into", "results/r", "--objects"], 0);
    let rows = bench.rows("results/r");
    let updates: Vec<_> = rows.iter().filter(|row| row.requests.is_some()).collect();
    assert_eq!(updates.len(), 4);
    for row in updates {
        let figures = (row.payload_bytes, row.upload_bytes, row.requests);
        assert_eq!(figures, (Some(row.image_bytes), Some(0), Some(1)));
        assert_eq!(row.header_bytes, Some(header("cat new") + END));
    }
    let objects =
        fs::read_to_string(bench.path("results/r/objects/roads.cat.update-new-from-old.1.csv"));
    assert!(objects.unwrap().contains("\nssh cat new,1,305000\n"));
}

#[test]
fn an_update_that_changes_the_store_over_ssh_gets_no_number() {
    let bench = Bench::new();
    bench.pair("writer", &["writer"]);
    declare(
        &bench,
        "writer",
        r#""$0" host touch mine; exec "$0" host cat {name}"#,
    );
    bench.expect(&["run", "writer", "--into", "results/r"], 1);
    let rows = bench.rows("results/r");
    assert!(!rows.iter().any(|row| row.verified()));
    assert!(
        rows[0].error.contains("changed the store"),
        "{}",
        rows[0].error
    );
}
