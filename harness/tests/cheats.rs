//! Cheats from within: methods that want a row without paying for it. Each is refused, or pays in full.
//!
//! All publish in the open and try in secret; what they try is in `CHEATS`, one line each in the table of claims below.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use delta_lab::clock::held_by;
use delta_lab::record::{Row, Verb};

use crate::bench::{Bench, LAB, has, noise, scenario, text};

/// A cheat: what its publish does with the image beside an empty file of its name, and what its update does to get the
/// image back. Python, with `image` and `store`, or `url`, `ssh` and `out`, and `name` set.
struct Cheat {
    name: &'static str,
    publish: &'static str,
    update: &'static str,
}

/// What every script begins with.
const COMMON: &str = r#"
import sys, os, glob, subprocess, ctypes, socket, urllib.request, urllib.error
def read(path):
    with open(path, "rb") as f: return f.read()
def write(path, data):
    with open(path, "wb") as f: f.write(data)
def head(url):
    return urllib.request.urlopen(urllib.request.Request(url, method="HEAD")).headers
libc = ctypes.CDLL(None, use_errno=True)
"#;

/// Left by a publish where an update may look: `place` is a folder that both can name.
const CHEATS: &[Cheat] = &[
    Cheat {
        name: "mtimes-over-http",
        publish: r#"
for i in range(0, len(data), 7):
    path = f"{store}/{name}.{i // 7}"
    open(path, "w").close()
    os.utime(path, ns=(0, int.from_bytes(data[i:i+7].ljust(7, b"\0"), "big")))
"#,
        update: r#"
size = int(read_url(f"{url}/{name}.size"))
got = b""
for i in range((size + 6) // 7):
    got += int(head(f"{url}/{name}.{i}")["ETag"].strip('"').split("-")[1], 16).to_bytes(16, "big")[-7:]
write(out, got[:size])
"#,
    },
    Cheat {
        name: "lengths-over-http",
        publish: r#"
for i in range(0, len(data), 2):
    with open(f"{store}/{name}.{i // 2}", "w") as f: f.truncate(int.from_bytes(data[i:i+2].ljust(2, b"\0"), "big"))
"#,
        update: r#"
size = int(read_url(f"{url}/{name}.size"))
got = b""
for i in range((size + 1) // 2):
    got += int(head(f"{url}/{name}.{i}")["Content-Length"]).to_bytes(2, "big")
write(out, got[:size])
"#,
    },
    Cheat {
        name: "lengths-beside-ranges",
        publish: r#"
for i in range(0, len(data), 2):
    with open(f"{store}/{name}.{i // 2}", "w") as f: f.truncate(1 + int.from_bytes(data[i:i+2].ljust(2, b"\0"), "big"))
"#,
        update: r#"
size = int(read_url(f"{url}/{name}.size"))
got = b""
for i in range((size + 1) // 2):
    part = urllib.request.Request(f"{url}/{name}.{i}", headers={"Range": "bytes=0-0"})
    total = urllib.request.urlopen(part).headers["Content-Range"].split("/")[1]
    got += (int(total) - 1).to_bytes(2, "big")
write(out, got[:size])
"#,
    },
    Cheat {
        name: "names-over-ssh",
        publish: r#"
for i in range(0, len(data), 100):
    open(f"{store}/{name}.{i:08}.{data[i:i+100].hex()}", "w").close()
"#,
        update: r#"
names = subprocess.run([ssh, "host", "ls"], stdout=subprocess.PIPE, check=True).stdout.decode().split()
parts = sorted(n for n in names if n.startswith(name + ".") and len(n.split(".")) == 3)
write(out, b"".join(bytes.fromhex(n.split(".")[2]) for n in parts))
"#,
    },
    Cheat {
        name: "exit-codes-over-ssh",
        publish: "write(f'{store}/{name}', data)",
        update: r#"
got = b""
for i in range(int(read_url(f"{url}/{name}.size"))):
    line = f"exit $(od -An -tu1 -j{i} -N1 {name})"
    got += bytes([subprocess.run([ssh, "host", line]).returncode])
write(out, got)
"#,
    },
    Cheat {
        name: "the-server-writes-the-clients-file",
        publish: "write(f'{store}/{name}', data)",
        update: r#"subprocess.run([ssh, "host", "cp", name, out])"#,
    },
    Cheat {
        name: "a-path-to-the-store",
        publish: "write(f'{store}/{name}', data)",
        update: r#"
head(f"{url}/{name}.size")
for up in ["..", "../..", "../../..", "../../../.."]:
    for path in glob.glob(f"{up}/*/store/{name}") + glob.glob(f"{up}/store/{name}"): write(out, read(path))
"#,
    },
    Cheat {
        name: "mtimes-in-the-store",
        publish: r#"
for i in range(0, len(data), 7):
    path = f"{store}/{name}.{i // 7}"
    open(path, "w").close()
    os.utime(path, ns=(0, int.from_bytes(data[i:i+7].ljust(7, b"\0"), "big")))
"#,
        update: r#"
size = int(read_url(f"{url}/{name}.size"))
for store in glob.glob("../../*/store"):
    got = b""
    for i in range((size + 6) // 7): got += os.stat(f"{store}/{name}.{i}").st_mtime_ns.to_bytes(16, "big")[-7:]
    write(out, got[:size])
"#,
    },
    Cheat {
        name: "the-labs-environment",
        publish: "",
        update: r#"
head(f"{url}/{name}.size")
for folder in os.environ.values():
    for path in glob.glob(folder + "/**", recursive=True):
        if os.path.isfile(path) and os.path.getsize(path) == SIZE: write(out, read(path))
"#,
    },
    Cheat {
        name: "the-labs-processes",
        publish: "",
        update: r#"
head(f"{url}/{name}.size")
words = set()
for pid in os.listdir("/proc"):
    try: words |= set(read(f"/proc/{pid}/environ").decode().replace("=", "\0").split("\0"))
    except OSError: pass
    try: words |= {os.readlink(f"/proc/{pid}/cwd"), *(os.readlink(f) for f in glob.glob(f"/proc/{pid}/fd/*"))}
    except OSError: pass
for folder in words:
    if not folder.startswith("/") or folder == "/": continue
    for path in glob.glob(folder + "/**/new.bin", recursive=True): write(out, read(path))
"#,
    },
    Cheat {
        name: "a-link-in-the-store",
        publish: "os.symlink(image, f'{store}/{name}')",
        update: r#"write(out, subprocess.run([ssh, "host", "cat", name], stdout=subprocess.PIPE).stdout)"#,
    },
    Cheat {
        name: "a-file-in-tmp",
        publish: r#"
for place in PLACES:
    try: write(f"{place}/{KEY}.{name}", data)
    except OSError: pass
"#,
        update: r#"
head(f"{url}/{name}.size")
for place in PLACES:
    if os.path.exists(f"{place}/{KEY}.{name}"): write(out, read(f"{place}/{KEY}.{name}"))
"#,
    },
    Cheat {
        name: "shared-memory",
        publish: r#"
shm = libc.shmget(int(KEY) + (name == "new"), SIZE, 0o1666)
libc.shmat.restype = ctypes.c_void_p
ctypes.memmove(libc.shmat(shm, None, 0), data, len(data))
"#,
        update: r#"
head(f"{url}/{name}.size")
shm = libc.shmget(int(KEY) + (name == "new"), SIZE, 0o666)
if shm >= 0:
    libc.shmat.restype = ctypes.c_void_p
    write(out, ctypes.string_at(libc.shmat(shm, None, 0), SIZE))
"#,
    },
    Cheat {
        name: "times-of-other-files",
        publish: r#"
for i in range(0, len(data), 7):
    try: os.utime(f"{BENCH}/bricks/{name}.{i // 7}", ns=(0, int.from_bytes(data[i:i+7].ljust(7, b"\0"), "big")))
    except OSError: pass
"#,
        update: r#"
size = int(read_url(f"{url}/{name}.size"))
got = b""
for i in range((size + 6) // 7): got += os.stat(f"{BENCH}/bricks/{name}.{i}").st_mtime_ns.to_bytes(16, "big")[-7:]
write(out, got[:size])
"#,
    },
    Cheat {
        name: "the-kernels-keyring",
        publish: r#"
# add_key(2) to the user's keyring, which outlives the process.
for i in range(0, len(data), 10000):
    part = data[i:i+10000]
    libc.syscall(248, b"user", f"{KEY}.{name}.{i}".encode(), part, len(part), -4)
"#,
        update: r#"
size = int(read_url(f"{url}/{name}.size"))
got = b""
for i in range(0, size, 10000):
    key = libc.syscall(249, b"user", f"{KEY}.{name}.{i}".encode(), None, -4)
    room = ctypes.create_string_buffer(10000)
    length = libc.syscall(250, 11, key, room, 10000)
    got += room.raw[:max(0, length)]
write(out, got)
"#,
    },
    Cheat {
        name: "an-accomplice-on-tcp",
        publish: "",
        update: r#"
head(f"{url}/{name}.size")
s = socket.create_connection(("127.0.0.1", TCP))
got = b""
while True:
    part = s.recv(1 << 16)
    if not part: break
    got += part
write(out, got)
"#,
    },
    Cheat {
        name: "an-accomplice-by-datagrams",
        publish: "",
        update: r#"
size = int(read_url(f"{url}/{name}.size"))
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
s.sendto(b"?", ("127.0.0.1", UDP))
got = b""
while len(got) < size: got += s.recv(1 << 16)
write(out, got)
"#,
    },
    // Landlock's rules are of TCP alone; a connection of MPTCP's falls back to TCP where the other end has none.
    Cheat {
        name: "an-accomplice-on-mptcp",
        publish: "",
        update: r#"
head(f"{url}/{name}.size")
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
s.connect(("127.0.0.1", TCP))
got = b""
while True:
    part = s.recv(1 << 16)
    if not part: break
    got += part
write(out, got)
"#,
    },
    Cheat {
        name: "an-accomplice-on-a-socket",
        publish: "",
        update: r#"
head(f"{url}/{name}.size")
for address in ["\0delta-lab-cheat-" + KEY, BENCH + "/socket"]:
    s = socket.socket(socket.AF_UNIX)
    try: s.connect(address)
    except OSError: continue
    got = b""
    while True:
        part = s.recv(1 << 16)
        if not part: break
        got += part
    write(out, got)
"#,
    },
    Cheat {
        name: "a-daemon-left-behind",
        publish: r#"
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        s = socket.socket(socket.AF_UNIX)
        s.bind("\0delta-lab-daemon-" + KEY + name)
        s.listen()
        while True:
            c, _ = s.accept()
            c.sendall(data)
            c.close()
    os._exit(0)
"#,
        update: r#"
head(f"{url}/{name}.size")
s = socket.socket(socket.AF_UNIX)
s.connect("\0delta-lab-daemon-" + KEY + name)
got = b""
while True:
    part = s.recv(1 << 16)
    if not part: break
    got += part
write(out, got)
"#,
    },
    Cheat {
        name: "the-disk-below",
        publish: "",
        update: r#"
head(f"{url}/{name}.size")
import stat
for line in read("/proc/partitions").decode().split("\n")[2:]:
    if not line.strip(): continue
    major, minor, blocks, disk = line.split()
    for path in ["/dev/" + disk, "disk"]:
        try:
            if path == "disk": os.mknod("disk", 0o600 | stat.S_IFBLK, os.makedev(int(major), int(minor)))
            open(path, "rb").read(512)
            # It can be read: that is enough, without searching it.
            open(OPENED, "w").close()
            print("opened", path)
        except OSError: pass
"#,
    },
];

/// As long as the cheats that take a command for each byte allow.
const IMAGE_BYTES: usize = 24;
const LARGE_BYTES: usize = 2_000;

/// A bench with every cheat declared, and accomplices outside who hand out the new image.
fn bench(bytes: usize, cheats: &[&Cheat]) -> Bench {
    let bench = Bench::new();
    static BENCHES: AtomicU32 = AtomicU32::new(0);
    let nth = BENCHES.fetch_add(1, Ordering::Relaxed);
    // Two benches at once do not share what they hide.
    let key = std::process::id() * 16 + 2 * nth + u32::from(bytes == LARGE_BYTES) * 100_000_000;
    let new = noise(2, bytes);
    bench.write("scenarios/old.bin", noise(1, bytes));
    bench.write("scenarios/new.bin", &new);
    for image in ["old", "new"] {
        for number in 0..=bytes / 7 {
            bench.write(&format!("bricks/{image}.{number}"), "");
        }
    }
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = tcp.local_addr().unwrap().port();
    let unix = UnixListener::bind(bench.path("socket")).unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let datagrams = udp.local_addr().unwrap().port();
    let (one, other, third) = (new.clone(), new.clone(), new);
    thread::spawn(move || {
        while let Ok((mut client, _)) = tcp.accept() {
            client.write_all(&one).ok();
        }
    });
    thread::spawn(move || {
        while let Ok((mut client, _)) = unix.accept() {
            client.write_all(&other).ok();
        }
    });
    thread::spawn(move || {
        while let Ok((_, client)) = udp.recv_from(&mut [0; 16]) {
            for part in third.chunks(1000) {
                udp.send_to(part, client).ok();
            }
        }
    });
    let root = bench.dir.path().display();
    let known = format!(
        "SIZE = {bytes}\nKEY = '{key}'\nBENCH = '{root}'\nTCP = {port}\nUDP = {datagrams}\nOPENED = '{root}/opened'\n\
         PLACES = ['/tmp', '/var/tmp', '/dev/shm', '/run', '{root}', os.path.dirname('{root}')]\n\
         def read_url(url): return urllib.request.urlopen(url).read()\n"
    );
    for cheat in cheats {
        let publish = format!(
            "{COMMON}{known}image, store, name = sys.argv[1:]\ndata = read(image)\nwrite(f'{{store}}/{{name}}.size', str(len(data)).encode())\n{}",
            cheat.publish
        );
        let update = format!(
            "{COMMON}{known}url, name, out, ssh = sys.argv[1:]\n{}",
            cheat.update
        );
        // A literal string with three quotes: nothing in the scripts needs escaping, but braces.
        let braced = |script: String| script.replace('{', "{{").replace('}', "}}");
        bench.write(
            &format!("scenarios/methods/{}.toml", cheat.name),
            format!(
                "about = \"a cheat\"\nversion = [\"python3\", \"--version\"]\n\
                 [publish]\nrun = [[\"python3\", \"-c\", '''{}''', \"{{image}}\", \"{{store}}\", \"{{name}}\"]]\n\
                 [update]\nrun = [[\"python3\", \"-c\", '''{}''', \"{{url}}\", \"{{name}}\", \"{{out}}\", \"{{ssh}}\"]]\n",
                braced(publish),
                braced(update)
            ),
        );
    }
    let names: Vec<&str> = cheats.iter().map(|cheat| cheat.name).collect();
    let images = [("old", "old.bin"), ("new", "new.bin")];
    bench.write("scenarios/cheats.toml", scenario(&names, &images));
    bench
}

/// The cheats that take a command or a request for every byte or two, and the others.
fn slow(cheat: &Cheat) -> bool {
    cheat.name.contains("exit-codes")
}

/// Runs them; each verified row has paid: its payload, and what was stored for it, are as long as the image, which does
/// not compress.
fn run(bench: &Bench, as_user: Option<u32>) -> Vec<Row> {
    let mut command = bench.command(&["run", "cheats", "--into", "results/r"]);
    if let Some(user) = as_user {
        for entry in walkdir::WalkDir::new(bench.dir.path()) {
            chown(entry.unwrap().path(), Some(user), Some(user)).unwrap();
        }
        command.uid(user).gid(user);
    }
    let output = command.output().unwrap();
    let said = text(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{said}");
    let rows = bench.rows("results/r");
    for row in rows.iter().filter(|row| row.verified()) {
        let paid = match row.verb {
            Verb::Publish => row.store_bytes.unwrap_or_default().unsigned_abs(),
            Verb::Update => row.payload_bytes.unwrap_or_default(),
            Verb::Probe => panic!("no probe is among the cheats"),
        };
        assert!(
            paid >= row.image_bytes,
            "{} got {} of {} for {paid} bytes",
            row.method,
            row.image,
            row.image_bytes
        );
    }
    assert!(!bench.path("opened").exists(), "a disk could be opened");
    rows
}

/// Cheats that only pay: what they carry is counted, so they may have their row.
const PAYING: &[&str] = &[
    "lengths-over-http",
    "lengths-beside-ranges",
    "names-over-ssh",
    "exit-codes-over-ssh",
];

fn all_cheats(as_user: Option<u32>) {
    if !has("python3") {
        return;
    }
    for (bytes, cheats) in [
        (
            IMAGE_BYTES,
            CHEATS
                .iter()
                .filter(|cheat| slow(cheat))
                .collect::<Vec<_>>(),
        ),
        (
            LARGE_BYTES,
            CHEATS.iter().filter(|cheat| !slow(cheat)).collect(),
        ),
    ] {
        let bench = bench(bytes, &cheats);
        let rows = run(&bench, as_user);
        for cheat in cheats {
            let verified = rows
                .iter()
                .any(|row| row.method == cheat.name && row.verified());
            let pays = PAYING.contains(&cheat.name);
            let why = rows.iter().find(|row| row.method == cheat.name);
            assert_eq!(
                verified,
                pays,
                "{}: {:?}",
                cheat.name,
                why.map(|row| &row.error)
            );
        }
    }
}

/// Whether this kernel can build a room; says plainly when a claim is skipped for it.
fn rooms() -> bool {
    let held = held_by(LAB.as_ref());
    if !held.walls || held.landlock == 0 {
        eprintln!("skipped: no rooms here: {held}");
        return false;
    }
    true
}

#[test]
fn no_cheat_gets_a_row_for_less_than_it_carries() {
    if rooms() {
        all_cheats(None);
    }
}

#[test]
fn no_cheat_of_an_ordinary_user_does_either() {
    const NOBODY: u32 = 65_534;
    if !nix::unistd::geteuid().is_root() {
        eprintln!(
            "skipped: only root can become an ordinary user; the other claim was made as one"
        );
        return;
    }
    let may = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "true"])
        .uid(NOBODY)
        .gid(NOBODY)
        .status();
    if !rooms() || !may.is_ok_and(|status| status.success()) {
        eprintln!("skipped: ordinary users have no namespaces here");
        return;
    }
    // Where they have, the lab makes use of it.
    let mut doctor = Command::new(LAB);
    doctor.arg("doctor").uid(NOBODY).gid(NOBODY);
    let said = text(&doctor.output().unwrap().stdout);
    assert!(said.contains("own mounts, processes and /tmp"), "{said}");
    all_cheats(Some(NOBODY));
}

#[test]
fn a_publish_that_removes_its_store_or_kills_its_shim_is_a_failed_row() {
    let bench = Bench::new();
    let methods = ["remover", "killer", "raw"];
    bench.pair("enders", &methods);
    for (name, script) in [
        ("remover", "rm -rf $1; exit 0"),
        ("killer", "kill -9 $PPID; kill -9 -1; exit 0"),
    ] {
        bench.write(
            &format!("scenarios/methods/{name}.toml"),
            format!(
                "about = \"a test\"\nversion = [\"sh\", \"-c\", \"echo 1\"]\n[publish]\nrun = [[\"sh\", \"-c\", \"{script}\", \"{{image}}\", \"{{store}}\"]]\n[update]\nrun = [[\"false\"]]\n"
            ),
        );
    }
    bench.expect(&["run", "enders", "--into", "results/r"], 1);
    let rows = bench.rows("results/r");
    assert_eq!(rows.len(), 3 * 4);
    for row in &rows {
        assert_eq!(row.verified(), row.method == "raw", "{row:?}");
    }
}

/// A row's figures do not depend on the lab's environment, and a step sees nothing of it.
#[test]
fn the_environment_of_a_step_is_its_own() {
    let bench = Bench::new();
    bench.pair("env", &["env"]);
    bench.write(
        "scenarios/methods/env.toml",
        "about = \"a test\"\nversion = [\"sh\", \"-c\", \"echo 1\"]\n[publish]\nrun = [{ run = [\"env\"], stdout = \"{store}/{name}\" }]\n[update]\nrun = [[\"sh\", \"-c\", \"env; exit 3\"]]\n",
    );
    let output = bench
        .command(&["run", "env", "--into", "results/r"])
        .env("SECRET", "the-secret")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let rows = fs::read_to_string(bench.path("results/r/rows.csv")).unwrap();
    assert!(!rows.contains("the-secret"), "{rows}");
}

/// Every base is as it was, to its last stamp: what a step may not write it may not touch either.
#[test]
fn a_base_cannot_be_touched() {
    if !rooms() {
        return;
    }
    let bench = Bench::new();
    bench.pair("toucher", &["toucher"]);
    bench.write(
        "scenarios/methods/toucher.toml",
        "about = \"a test\"\nversion = [\"sh\", \"-c\", \"echo 1\"]\n[publish]\nrun = [[\"sh\", \"-c\", \"touch $0; chmod 600 $0; printf x >> $0; cp $0 $1/$2\", \"{image}\", \"{store}\", \"{name}\"]]\n[update]\nrun = [[\"false\"]]\n",
    );
    let place = bench.path("scenarios/old.bin");
    let stamps = || {
        let about = fs::metadata(&place).unwrap();
        (
            about.mtime(),
            about.mtime_nsec(),
            about.ctime(),
            about.ctime_nsec(),
            about.len(),
        )
    };
    let before = stamps();
    bench.expect(&["run", "toucher", "--into", "results/r"], 1);
    assert_eq!(stamps(), before);
    let mut image = Vec::new();
    fs::File::open(&place)
        .unwrap()
        .read_to_end(&mut image)
        .unwrap();
    assert_eq!(image, noise(1, 300_000));
}

#[test]
fn a_row_says_how_far_its_step_was_locked_in_and_what_it_may_reach_beyond() {
    if !rooms() {
        return;
    }
    let word = held_by(LAB.as_ref()).word();
    let bench = Bench::new();
    bench.pair("pair", &["raw", "needy"]);
    let place = bench.path("models");
    bench.write("models/one", "a model");
    bench.write(
        "scenarios/methods/needy.toml",
        format!(
            "about = 'a test'\nversion = ['sh', '-c', 'echo 1']\nroom = {{ read = ['{0}'], why = 'its models' }}\n\
             [publish]\nrun = [['sh', '-c', 'cat $0/one; cp $1 $2', '{0}', '{{image}}', '{{store}}/{{name}}']]\n\
             [update]\nrun = [['curl', '-fsS', '-o', '{{out}}', '{{url}}/{{name}}']]\n",
            place.display()
        ),
    );
    bench.expect(&["run", "pair", "--into", "results/r"], 0);
    for row in bench.rows("results/r") {
        let beyond = match row.method == "needy" {
            true => format!("; reads {}: its models", place.display()),
            false => String::new(),
        };
        assert_eq!(row.room, format!("{word}{beyond}").as_str());
    }
    let host = fs::read_to_string(bench.path("results/r/host.toml")).unwrap();
    let held = held_by(LAB.as_ref()).to_string();
    assert!(host.contains(&held), "{host}");
    bench.expect(&["report", "results/r"], 0);
    let report = fs::read_to_string(bench.path("results/r/report.md")).unwrap();
    assert!(report.contains(&held), "the report does not say: {held}");
}

#[test]
fn a_scenario_can_demand_a_locked_room_and_nothing_else() {
    let bench = Bench::new();
    bench.pair("pair", &["raw"]);
    let scenario = fs::read_to_string(bench.path("scenarios/pair.toml")).unwrap();
    let demand = |word: &str| {
        bench.write(
            "scenarios/pair.toml",
            format!("room = '{word}'\n{scenario}"),
        );
    };
    demand("locked");
    let held = held_by(LAB.as_ref());
    let said = bench.expect(
        &["run", "pair", "--into", "r"],
        if held.locked() { 0 } else { 2 },
    );
    assert!(
        held.locked() || said.contains("this machine can't lock a step in"),
        "{said}"
    );
    demand("shut");
    let said = bench.expect(&["list", "pair"], 2);
    assert!(
        said.contains("pair.toml:1: room = \"shut\": it may be \"locked\""),
        "{said}"
    );
}

#[test]
fn an_image_that_somebody_else_changes_is_not_blamed_on_the_method() {
    if !rooms() {
        return;
    }
    let bench = Bench::new();
    bench.pair("victim", &["victim"]);
    let fifo = bench.path("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    bench.write(
        "scenarios/methods/victim.toml",
        format!(
            "about = 'a test'\nversion = ['sh', '-c', 'echo 1']\nroom = {{ read = ['{}'], why = 'to wait there' }}\n\
             [publish]\nrun = [['sh', '-c', 'cat $0; cp $1 $2/$3', '{0}', '{{image}}', '{{store}}', '{{name}}']]\n\
             [update]\nrun = [['curl', '-fsS', '-o', '{{out}}', '{{url}}/{{name}}']]\n",
            fifo.display()
        ),
    );
    let place = bench.path("scenarios/old.bin");
    let spoiler = thread::spawn(move || {
        // Opened when the step has opened it too.
        let door = fs::File::options().write(true).open(fifo).unwrap();
        let file = fs::File::options().append(true).open(place).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
        drop(door);
    });
    let said = bench.expect(&["run", "victim", "--into", "results/r"], 2);
    spoiler.join().unwrap();
    assert!(
        said.contains("somebody changed an image while victim ran, which can't have"),
        "{said}"
    );
    assert!(said.contains("old.bin"), "{said}");
}

/// Whoever can open the terminal that the lab was started in can type into it, as its user.
#[test]
fn a_step_cannot_reach_the_terminal() {
    if !rooms() || !has("script") || !has("curl") {
        return;
    }
    let bench = Bench::new();
    bench.pair("terminal", &["terminal"]);
    let tries = "for t in /dev/tty /dev/ptmx /dev/pts/*; do (: <>$t) 2>/dev/null && echo $t >>$1; done; true";
    bench.write(
        "scenarios/methods/terminal.toml",
        format!(
            "about = \"a test\"\nversion = [\"curl\", \"--version\"]\n\
             [publish]\nrun = [[\"cp\", \"{{image}}\", \"{{store}}/{{name}}\"]]\n\
             [update]\nrun = [[\"sh\", \"-c\", 'curl -fsS -o \"$1\" \"$2\"; {tries}', \"sh\", \"{{out}}\", \"{{url}}/{{name}}\"]]\n"
        ),
    );
    // What it may open there it may open elsewhere.
    let run = format!("tty && {LAB} run terminal --into results/r");
    let output = Command::new("script")
        .args(["-qec", &run, "/dev/null"])
        .current_dir(bench.dir.path())
        .env("DELTA_LAB_CACHE", bench.path("cache"))
        .output()
        .unwrap();
    assert!(text(&output.stdout).contains("/dev/pts/"), "no terminal");
    let rows = bench.rows("results/r");
    assert_eq!(rows.len(), 4);
    for row in rows {
        assert!(row.verified(), "{} {}: {}", row.verb, row.image, row.error);
    }
}
