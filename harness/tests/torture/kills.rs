//! The kill campaign: a run that is killed at any moment, in whatever part, is continued to the same rows, and leaves
//! nothing behind.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::chown;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use delta_lab::dice::Dice;
use delta_lab::record::{Finding, Results, Row};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use walkdir::WalkDir;

use super::Campaign;
use super::processes::{Seen, groups_of, nobody_is_left, tree_of};
use crate::bench::{Bench, LAB, has, repeatable};

/// A tool that rewrites its store in place, so that only doing its publishes again can take it back.
const IN_PLACE: &str = r#"
about = "appends every image to one file"
version = ["curl", "--version"]
[publish]
run = [["sh", "-c", "cat \"$0\" >> \"$1/all\"; sleep 0.03; wc -c < \"$1/all\" > \"$1/$2\"; wc -c < \"$0\" >> \"$1/$2\"", "{image}", "{store}", "{name}"]]
[update]
run = [["sh", "-c", "curl -sf -o at $0/$1 && curl -sf -o all $0/all && head -c $(head -n 1 at) all | tail -c $(tail -n 1 at) > $2", "{url}", "{name}", "{out}"]]
"#;

/// A tool that writes what nobody could tell from a right store if it lived on: random bytes, replaced at the end.
const SLOW: &str = r#"
about = "leaves noise in its store until it is done"
version = ["curl", "--version"]
[publish]
run = [["sh", "-c", "head -c 50000 /dev/urandom > \"$1/noise\"; (sleep 0.05; head -c 50000 /dev/urandom > \"$1/noise-$2\") & wait; sleep 0.02; rm \"$1/noise\" \"$1/noise-$2\"; cp \"$0\" \"$1/$2\"", "{image}", "{store}", "{name}"]]
[update]
run = [{ run = ["{ssh}", "server", "cat", "{name}"], stdout = "{out}" }]
"#;

/// Who is hit.
#[derive(Clone, Copy, Debug)]
enum Victim {
    Lab,
    Group,
    /// One shim, or all.
    Shim,
    Shims,
    /// One process that is no lab's and no shim.
    Step,
    /// Whatever runs the program, as `killall delta-lab` does.
    Program,
    /// Everything that the run started, the run too.
    Everybody,
}

const VICTIMS: &[Victim] = &[
    Victim::Lab,
    Victim::Group,
    Victim::Shim,
    Victim::Shims,
    Victim::Step,
    Victim::Program,
    Victim::Everybody,
];

/// SIGKILL is listed twice: nobody can prepare for it.
const SIGNALS: &[Signal] = &[
    Signal::SIGKILL,
    Signal::SIGKILL,
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGHUP,
];

/// Longest wait for a run to end: far beyond what it takes, so that a hang is a failed claim.
const PATIENCE: Duration = Duration::from_secs(180);

/// A bench whose runs may be another user's.
struct Yard {
    bench: Bench,
    user: Option<u32>,
}

/// What an undisturbed run brings.
struct Whole {
    rows: Vec<Row>,
    findings: Vec<Finding>,
    files: BTreeSet<String>,
    time: Duration,
}

impl Yard {
    fn new(user: Option<u32>) -> Yard {
        let bench = Bench::new();
        let mut methods = vec!["raw", "fastcdc/16k"];
        if has("curl") {
            bench.write("scenarios/methods/in-place.toml", IN_PLACE);
            bench.write("scenarios/methods/slow.toml", SLOW);
            methods.extend(["in-place", "slow"]);
        }
        bench.write(
            "scenarios/cut.toml",
            format!(
                "about = \"killed again and again\"\nmethods = {methods:?}\nprobes = [\"chunks\"]\n\
                 [[image]]\nname = \"v1\"\nsynthetic = {{ seed = 1, mib = 1 }}\n\
                 [[image]]\nname = \"v2\"\nsynthetic = {{ changes = [\"patch\"] }}\n"
            ),
        );
        for folder in ["tmp", "results", "cache"] {
            fs::create_dir_all(bench.path(folder)).unwrap();
        }
        let yard = Yard { bench, user };
        for entry in WalkDir::new(yard.bench.dir.path()) {
            if let Some(user) = user {
                chown(entry.unwrap().path(), Some(user), Some(user)).unwrap();
            }
        }
        yard
    }

    /// A run that is timed, or one of sizes alone that does so many trials at a time; of an odd number it takes up stores
    /// that earlier ones left.
    fn command(&self, into: &str, jobs: Option<usize>) -> Command {
        let mut command = self
            .bench
            .command(&["run", "cut", "--retry", "--into", into]);
        if let Some(jobs) = jobs {
            command.args(["--jobs", &jobs.to_string()]);
            if jobs % 2 == 1 {
                command.arg("--reuse");
            }
        }
        command
            .env("TMPDIR", self.bench.path("tmp"))
            .process_group(0)
            .stdin(std::process::Stdio::null());
        for (stream, name) in [(0, "out"), (1, "err")] {
            let file = File::create(self.bench.path(name)).unwrap();
            match stream {
                0 => command.stdout(file),
                _ => command.stderr(file),
            };
        }
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        command
    }

    fn said(&self) -> String {
        let said = fs::read(self.bench.path("err")).unwrap();
        String::from_utf8_lossy(&said).into_owned()
    }

    /// A run to its end.
    fn finish(&self, into: &str) -> Whole {
        let begun = Instant::now();
        let mut child = self.command(into, None).spawn().unwrap();
        let ended = self.wait(&mut child);
        assert_eq!(ended.code(), Some(0), "{}", self.said());
        let time = begun.elapsed();
        let results = Results::load(&self.bench.path(into)).unwrap();
        let mut findings = results.findings;
        findings.sort_by_key(|it| (it.act(), it.part.clone(), it.measure.clone()));
        Whole {
            rows: repeatable(&results.rows),
            findings,
            files: files(&self.bench.path(into)),
            time,
        }
    }

    fn wait(&self, child: &mut Child) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(ended) = child.try_wait().unwrap() {
                return ended;
            }
            if begun.elapsed() > PATIENCE {
                let tree = tree_of(child.id());
                child.kill().ok();
                panic!("still there after {PATIENCE:?}: {tree:?}\n{}", self.said());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// One run that is hit once or twice, and how it ended.
    fn cut(&self, into: &str, dice: &mut Dice, time: Duration, seen: &mut BTreeSet<Seen>) -> u32 {
        let jobs = dice.chance(40).then(|| 1 + dice.index(3));
        let mut child = self.command(into, jobs).spawn().unwrap();
        let (mut hits, mut blows) = (0, Vec::new());
        for _ in 0..1 + dice.index(2) {
            // A little beyond the end, so that the last moments are among the drawn.
            let most = u64::try_from(time.as_micros()).unwrap() * 11 / 10;
            std::thread::sleep(Duration::from_micros(dice.below(most)));
            let (victim, signal) = (*dice.pick(VICTIMS), *dice.pick(SIGNALS));
            let tree = tree_of(child.id());
            seen.extend(&tree);
            hits += u32::from(victim.strike(signal, &tree, dice));
            blows.push((victim, signal));
        }
        let ended = self.wait(&mut child);
        let said = self.said();
        assert!(!said.contains("panicked"), "{blows:?}: {said}");
        // A step that was hit is a failed row; publishing again what was published before must not fail, and ends the
        // run when it was hit.
        let honest = match ended.code() {
            Some(2) => said.contains("done again after an interruption"),
            Some(code) => {
                matches!(code, 0 | 1) || blows.iter().any(|(_, it)| code == 128 + *it as i32)
            }
            None => blows
                .iter()
                .any(|(_, it)| ended.signal() == Some(*it as i32)),
        };
        assert!(honest, "{blows:?}: {ended}: {said}");
        hits
    }
}

impl Victim {
    /// Whether there was somebody to hit.
    fn strike(self, signal: Signal, tree: &[Seen], dice: &mut Dice) -> bool {
        let Some(lab) = tree.first() else {
            return false;
        };
        let shims: Vec<Seen> = tree.iter().copied().filter(|it| it.is_shim()).collect();
        let steps = tree[1..].iter().copied();
        let steps: Vec<Seen> = steps.filter(|it| !it.is_shim()).collect();
        let one = |of: &[Seen], dice: &mut Dice| match of {
            [] => Vec::new(),
            of => vec![*dice.pick(of)],
        };
        let hit = match self {
            Victim::Group => return killpg(Pid::from_raw(lab.pid), signal).is_ok(),
            Victim::Lab => vec![*lab],
            Victim::Shim => one(&shims, dice),
            Victim::Shims => shims,
            Victim::Step => one(&steps, dice),
            Victim::Program => tree.iter().copied().filter(|it| it.is_lab()).collect(),
            Victim::Everybody => tree.to_vec(),
        };
        // Between two steps there is only the lab.
        let hit = if hit.is_empty() { vec![*lab] } else { hit };
        for victim in &hit {
            victim.strike(signal);
        }
        true
    }
}

fn files(folder: &Path) -> BTreeSet<String> {
    let entries = WalkDir::new(folder).min_depth(1).into_iter();
    entries
        .map(|entry| {
            let entry = entry.unwrap();
            let path = entry.path().strip_prefix(folder).unwrap();
            path.to_str().unwrap().to_string()
        })
        .collect()
}

fn campaign(name: &'static str, rounds: u64, user: Option<u32>) {
    let Some(campaign) = Campaign::wanted(name, rounds) else {
        return;
    };
    let yard = Yard::new(user);
    // Once to make the images, and once more for the time that the others take.
    yard.finish("results/first");
    let whole = yard.finish("results/whole");
    let mut hits = 0;
    campaign.run(|dice| {
        let into = "results/cut";
        fs::remove_dir_all(yard.bench.path(into)).ok();
        // Now and then the images are made anew, and are hit while they are.
        if dice.chance(20) {
            fs::remove_dir_all(yard.bench.path("cache")).unwrap();
        }
        let mut seen = BTreeSet::new();
        for _ in 0..1 + dice.index(4) {
            hits += yard.cut(into, dice, whole.time, &mut seen);
        }
        let cut = yard.finish(into);
        assert_eq!(cut.rows, whole.rows);
        assert_eq!(cut.findings, whole.findings);
        assert_eq!(cut.files, whole.files, "left in the results folder");
        let left = files(&yard.bench.path("tmp"));
        assert!(left.is_empty(), "left in TMPDIR: {left:?}");
        let making = files(&yard.bench.path("cache"));
        let making: Vec<_> = making
            .iter()
            .filter(|it| it.starts_with("making/"))
            .collect();
        assert!(making.is_empty(), "left in the cache: {making:?}");
        nobody_is_left(&seen, yard.bench.dir.path());
        assert_eq!(groups_of(&seen), [] as [std::path::PathBuf; 0]);
    });
    eprintln!("{name}: {hits} blows hit somebody");
    assert!(hits > 0, "every run was over before its blow");
}

#[test]
fn a_run_that_is_killed_at_random_moments_is_continued_to_the_same_rows() {
    campaign("kills", 3, None);
}

#[test]
fn so_is_a_run_of_an_ordinary_user() {
    const NOBODY: u32 = 65_534;
    if !nix::unistd::geteuid().is_root() {
        eprintln!(
            "skipped: only root can become another user; the other campaign ran as an ordinary one"
        );
        return;
    }
    let may = Command::new(LAB)
        .arg("--version")
        .uid(NOBODY)
        .gid(NOBODY)
        .output();
    if !may.is_ok_and(|it| it.status.success()) {
        eprintln!("skipped: an ordinary user can't run {LAB}");
        return;
    }
    campaign("kills-of-a-user", 2, Some(NOBODY));
}
