//! Stores of earlier publishes (`--jobs N --reuse`): the rows are those of a run that publishes, and nothing is published twice.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use delta_lab::record::{Row, Verb};

use crate::bench::{Bench, LAB, SmallDisk, has, repeatable, text};

/// A user who owns nothing.
const NOBODY: u32 = 65_534;

const METHODS: &[&str] = &["raw", "gzip/6", "fastcdc/16k", "zstd-patch/3", "layers"];

fn bench() -> Bench {
    let bench = Bench::new();
    bench.pair("cut", METHODS);
    bench.turn("policy = [\"previous\", \"all\"]");
    bench
}

impl Bench {
    /// The scenario `cut` with these axes in the place of its own.
    fn turn(&self, axes: &str) {
        let text = fs::read_to_string(self.path("scenarios/cut.toml")).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with("axes"));
        let text = lines.collect::<Vec<_>>().join("\n");
        self.write(
            "scenarios/cut.toml",
            format!("axes = {{ {axes} }}\n{text}\n"),
        );
    }

    /// Runs `scenario` with stores reused, one trial at a time, into a folder of its own; its rows and what it said.
    fn reusing(&self, scenario: &str, into: &str) -> (Vec<Row>, String) {
        let into = format!("results/{into}");
        let args = ["run", scenario, "-j", "1", "--reuse", "--into", &into];
        let said = self.expect(&args, 0);
        (self.rows(&into), said)
    }

    /// Folders of what is kept.
    fn kept(&self) -> Vec<PathBuf> {
        let kept = fs::read_dir(self.path("cache/stores")).unwrap();
        kept.map(|entry| entry.unwrap().path()).collect()
    }
}

fn publishes(rows: &[Row]) -> usize {
    let published = |row: &&Row| row.verb == Verb::Publish && row.verified();
    rows.iter().filter(published).count()
}

#[test]
fn rows_of_reused_stores_are_those_of_a_run_that_publishes() {
    let bench = bench();
    bench.expect(
        &["run", "cut", "--samples", "1", "--into", "results/one"],
        0,
    );
    let one = bench.rows("results/one");
    let mut said = String::new();
    for into in ["results/first", "results/second"] {
        said = bench.expect(&["run", "cut", "-j", "3", "--reuse", "--into", into], 0);
        assert_eq!(repeatable(&bench.rows(into)), repeatable(&one), "{into}");
    }
    let all = format!("{} publishes were not done again", publishes(&one));
    assert!(publishes(&one) > 10 && said.contains(&all), "{said}");
    // A run without it neither takes stores up nor keeps any.
    let kept = bench.kept().len();
    let said = bench.expect(&["run", "cut", "-j", "2", "--into", "results/none"], 0);
    assert!(!said.contains("not done again"), "{said}");
    assert_eq!(bench.kept().len(), kept);
    assert!(
        bench
            .path("cache/making")
            .read_dir()
            .unwrap()
            .next()
            .is_none()
    );
}

/// A tool whose store has one more byte each time: what is published anew has another size.
#[test]
fn what_is_done_once_is_not_done_again_for_another_road_or_scenario() {
    if !has("curl") {
        return;
    }
    let bench = Bench::counting(
        "cut",
        1,
        "cp \"$image\" \"$store/$name\"\ncat $counts/publish-* >\"$store/more-$name\"\nprintf %40s >>\"$store/more-$name\"",
    );
    bench.turn("road = [\"direct\", \"cdn\"]");
    let (first, said) = bench.reusing("cut", "first");
    assert!(said.contains("2 publishes were not done again"), "{said}");
    let text = fs::read_to_string(bench.path("scenarios/cut.toml")).unwrap();
    bench.write(
        "scenarios/other.toml",
        text.replace("name = \"cut\"", "name = \"other\""),
    );
    let (second, said) = bench.reusing("other", "second");
    assert!(said.contains("4 publishes were not done again"), "{said}");
    assert_eq!(
        (bench.count("publish-old"), bench.count("publish-new")),
        (1, 1)
    );
    let sizes = |rows: &[Row]| {
        rows.iter()
            .map(|row| (row.store_bytes, row.room.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(sizes(&first), sizes(&second));
    // Updates were done, each time.
    let made = second
        .iter()
        .filter(|row| row.verb == Verb::Update && row.verified());
    assert!(made.count() >= 2 && bench.count("update-new") >= 4);

    // Other images, or a method whose commands are others, are published.
    let image = fs::read(bench.path("scenarios/old.bin")).unwrap();
    bench.write("scenarios/old.bin", &image[1..]);
    bench.reusing("cut", "third");
    assert_eq!(
        (bench.count("publish-old"), bench.count("publish-new")),
        (2, 2)
    );
    let file = "scenarios/methods/cut.toml";
    let text = fs::read_to_string(bench.path(file)).unwrap();
    bench.write(file, text.replace("%40s", "%41s"));
    bench.reusing("cut", "fourth");
    assert_eq!(
        (bench.count("publish-old"), bench.count("publish-new")),
        (3, 3)
    );
}

#[test]
fn other_cores_another_program_and_another_user_publish_anew() {
    if !has("curl") {
        return;
    }
    let bench = Bench::counting("cut", 1, "cp \"$image\" \"$store/$name\"");
    bench.turn("cores = [\"1\"]");
    bench.reusing("cut", "first");
    bench.turn("cores = [\"all\"]");
    bench.reusing("cut", "second");
    bench.reusing("cut", "third");
    assert_eq!(bench.count("publish-new"), 2, "once for each value");

    // What lies behind a program's end changes nothing that it does.
    let another = bench.path("another");
    let mut program = fs::read(LAB).unwrap();
    program.push(0);
    bench.write_program("another", program);
    let reusing = |program: &Path, cache: &str, into: &str| {
        let mut command = Command::new(program);
        command
            .args(["run", "cut", "-j", "1", "--reuse", "--into", into])
            .current_dir(bench.dir.path())
            .env("DELTA_LAB_CACHE", bench.path(cache));
        command
    };
    let output = reusing(&another, "cache", "results/fourth")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(bench.count("publish-new"), 3);

    if !nix::unistd::geteuid().is_root() {
        return;
    }
    for entry in walkdir::WalkDir::new(bench.dir.path()) {
        chown(entry.unwrap().path(), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    // A store of another user's has another owner: root does not take it.
    let publishes = |user: u32, into: &str| {
        let mut command = reusing(Path::new(LAB), "theirs", into);
        let output = command.uid(user).gid(user).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        bench.count("publish-new")
    };
    assert_eq!(publishes(NOBODY, "results/fifth"), 4);
    assert_eq!(publishes(NOBODY, "results/sixth"), 4);
    assert_eq!(publishes(0, "results/seventh"), 5);
}

#[test]
fn what_is_not_as_it_was_kept_is_published_again() {
    let bench = bench();
    let (first, _) = bench.reusing("cut", "first");
    let kept = bench.kept();
    for (at, folder) in kept.iter().enumerate() {
        let store = folder.join("store");
        match at % 4 {
            0 => fs::write(store.join("more"), "").unwrap(),
            1 => fs::write(folder.join("publish.json"), "{}").unwrap(),
            2 => fs::remove_dir_all(store).unwrap(),
            _ => {
                let files = walkdir::WalkDir::new(&store).into_iter().flatten();
                let file = files.filter(|it| it.file_type().is_file()).last().unwrap();
                let mut bytes = fs::read(file.path()).unwrap();
                *bytes.last_mut().unwrap() ^= 1;
                fs::write(file.path(), bytes).unwrap();
            }
        }
    }
    let (second, said) = bench.reusing("cut", "second");
    assert_eq!(repeatable(&second), repeatable(&first));
    // Policies have publishes in common: what was mended by one is taken up by the other.
    let again = format!("{} publishes", publishes(&first) - kept.len());
    assert!(said.contains(&again), "{said}");
    let (third, said) = bench.reusing("cut", "third");
    assert_eq!(repeatable(&third), repeatable(&first));
    let all = format!("{} publishes", publishes(&first));
    assert!(said.contains(&all), "{said}");
}

#[test]
fn a_cache_without_room_keeps_nothing_and_says_so() {
    let bench = bench();
    let (first, _) = bench.reusing("cut", "first");
    fs::remove_dir_all(bench.path("cache/stores")).unwrap();
    let Some(_disk) = SmallDisk::at(bench.path("cache/stores"), 100) else {
        return;
    };
    fs::remove_dir(bench.path("cache/making")).unwrap();
    fs::create_dir(bench.path("cache/stores/making")).unwrap();
    std::os::unix::fs::symlink("stores/making", bench.path("cache/making")).unwrap();
    let (second, said) = bench.reusing("cut", "second");
    assert_eq!(repeatable(&second), repeatable(&first));
    assert!(said.contains("the cache's disk is full"), "{said}");
}

#[test]
fn times_are_of_steps_that_were_done() {
    let bench = bench();
    for command in [
        &["run", "cut"][..],
        &["ci", "--base", "a", "--image", "b", "--rules", "c"],
    ] {
        let said = bench.expect(&[command, &["--reuse"]].concat(), 2);
        assert!(said.contains("--jobs"), "{said}");
        for wrong in ["0", "-1", "ten"] {
            let reuse = format!("--reuse={wrong}");
            let said = bench.expect(&[command, &["--jobs", "2", &reuse]].concat(), 2);
            assert!(said.contains("--reuse"), "{said}");
        }
    }
}
