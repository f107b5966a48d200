//! What the claims share: a folder with scenarios in it, and the program run there.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use delta_lab::record::{Check, Results, Row};
use tempfile::TempDir;

/// The built program.
pub const LAB: &str = env!("CARGO_BIN_EXE_delta-lab");

/// A working folder of its own, with a cache of its own.
pub struct Bench {
    pub dir: TempDir,
}

impl Bench {
    pub fn new() -> Bench {
        let dir = TempDir::with_prefix("delta-lab-test-").unwrap();
        fs::create_dir_all(dir.path().join("scenarios/methods")).unwrap();
        Bench { dir }
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), text).unwrap();
    }

    /// A file that can be run.
    pub fn write_program(&self, path: &str, text: impl AsRef<[u8]>) {
        self.write(path, text);
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(self.path(path), executable).unwrap();
    }

    /// The program with these arguments, in this folder.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(LAB);
        command
            .args(args)
            .current_dir(self.dir.path())
            .env("DELTA_LAB_CACHE", self.path("cache"));
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs and checks the exit code; returns what was printed to standard error.
    pub fn expect(&self, args: &[&str], code: i32) -> String {
        let output = self.run(args);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(
            output.status.code(),
            Some(code),
            "{args:?}\nstdout: {out}\nstderr: {err}"
        );
        err
    }

    pub fn rows(&self, dir: &str) -> Vec<Row> {
        Results::load(&self.path(dir)).unwrap().rows
    }

    /// A scenario of two small images that share most of their bytes.
    pub fn pair(&self, name: &str, methods: &[&str]) {
        self.write("scenarios/old.bin", noise(1, 300_000));
        let mut new = noise(1, 300_000);
        new.splice(100_000..100_000, noise(2, 5_000));
        self.write("scenarios/new.bin", new);
        self.write(
            &format!("scenarios/{name}.toml"),
            scenario(methods, &[("old", "old.bin"), ("new", "new.bin")]),
        );
    }

    /// A scenario of the same images and a method, all of one name, that writes down each of its steps in the folder
    /// `counts`; `publish` is a shell's commands, in which `$image`, `$store`, `$name` and `$counts` stand for what they say.
    pub fn counting(name: &str, samples: u32, publish: &str) -> Bench {
        let bench = Bench::new();
        bench.pair(name, &[name]);
        let file = format!("scenarios/{name}.toml");
        let text = fs::read_to_string(bench.path(&file)).unwrap();
        bench.write(&file, format!("samples = {samples}\n{text}"));
        let counts = bench.path("counts");
        fs::create_dir(&counts).unwrap();
        let counts = counts.display();
        bench.write(
            &format!("scenarios/methods/{name}.toml"),
            format!(
                "about = \"a test\"\nversion = [\"curl\", \"--version\"]\n\
                 room = {{ write = [\"{counts}\"], why = \"it counts its steps\" }}\n\
                 [publish]\nrun = [[\"sh\", \"-euc\", '''image=$1 store=$2 name=$3 counts=$4\n\
                 echo >>$counts/publish-$name\n{publish}''', \"sh\", \"{{image}}\", \"{{store}}\", \"{{name}}\", \"{counts}\"]]\n\
                 [update]\nrun = [[\"sh\", \"-euc\", 'echo >>\"$3/update-$2\"; curl -fsS -o \"$1\" \"$4/$2\"', \"sh\", \"{{out}}\", \"{{name}}\", \"{counts}\", \"{{url}}\"]]\n"
            ),
        );
        bench
    }

    /// How often the method of [`Bench::counting`] did a step.
    pub fn count(&self, step: &str) -> usize {
        let lines = fs::read_to_string(self.path("counts").join(step)).unwrap_or_default();
        lines.len()
    }
}

/// A disk of some kB for as long as this lives.
pub struct SmallDisk(pub PathBuf);

impl SmallDisk {
    /// Mounts one at `path`; says plainly when a test is skipped because nobody may.
    pub fn at(path: PathBuf, kilobytes: u32) -> Option<SmallDisk> {
        fs::create_dir(&path).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={kilobytes}k"), "tmpfs"])
            .arg(&path)
            .status();
        if !mounted.is_ok_and(|status| status.success()) {
            eprintln!("skipped: no right to mount a small tmpfs");
            return None;
        }
        Some(SmallDisk(path))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount").arg(&self.0).status().ok();
    }
}

/// A scenario file of images from files.
pub fn scenario(methods: &[&str], images: &[(&str, &str)]) -> String {
    let mut text = format!("about = \"a test\"\nmethods = {methods:?}\n");
    for (name, file) in images {
        text.push_str(&format!(
            "[[image]]\nname = \"{name}\"\nfile = \"{file}\"\n"
        ));
    }
    text
}

/// Bytes that do not compress, from a seed (xorshift64*, Vigna 2016).
pub fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut noise = Vec::with_capacity(bytes + 8);
    while noise.len() < bytes {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        noise.extend(state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes());
    }
    noise.truncate(bytes);
    noise
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Whether the tool is here; says plainly when a test is skipped for it.
pub fn has(tool: &str) -> bool {
    let found = which::which(tool).is_ok();
    if !found {
        eprintln!("skipped: {tool} is not installed");
    }
    found
}

/// Fails with the row's act and its error, which are short, where its check is another.
#[track_caller]
pub fn is(row: &Row, check: Check) {
    assert!(
        row.check == check,
        "{}: {:?} and not {check:?}: {}",
        row.act(),
        row.check,
        row.error
    );
}

/// The rows without what differs from run to run: time and memory.
pub fn repeatable(rows: &[Row]) -> Vec<Row> {
    let mut rows: Vec<Row> = rows
        .iter()
        .map(|row| Row {
            wall_ns: None,
            cpu_ns: None,
            peak_rss_bytes: None,
            ..row.clone()
        })
        .collect();
    rows.sort_by_key(Row::act);
    rows
}

/// The checkout this test was built from.
pub fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
