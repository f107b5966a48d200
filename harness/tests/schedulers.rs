//! The recipes for more than one machine, run for real: a one-node Slurm that the test starts and stops, GNU parallel, and
//! the commands of the GitHub workflow.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use delta_lab::record::Results;

use crate::bench::{Bench, LAB, checkout, has, noise, repeatable, text};

const SCENARIO: &str = r#"
about = "two releases"
methods = ["raw", "gzip/6", "fastcdc/{4k,16k,64k}", "zstd-patch/3"]
probes = ["chunks"]
samples = 3
[[image]]
name = "v1"
synthetic = { seed = 43, mib = 1 }
[[image]]
name = "v2"
synthetic = { changes = ["patch"] }
"#;

/// How long a scheduler may take to be there, or to end.
const PATIENCE: Duration = Duration::from_secs(120);

/// A folder with the scenario, the program in its PATH, and the rows of one run in results/one.
fn bench() -> Bench {
    let bench = Bench::new();
    bench.write("mine.toml", SCENARIO);
    fs::create_dir(bench.path("bin")).unwrap();
    fs::copy(LAB, bench.path("bin/delta-lab")).unwrap();
    bench.expect(&["run", "mine.toml", "--into", "results/one"], 0);
    bench
}

fn bash(bench: &Bench, commands: &str) -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut bash = Command::new("bash");
    bash.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", commands])
        .current_dir(bench.dir.path())
        .env("DELTA_LAB_CACHE", bench.path("cache"))
        .env("PATH", format!("{}:{path}", bench.path("bin").display()));
    bash
}

fn done(output: &Output) {
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success(), "{said}");
}

/// results/mine has what results/one has.
fn is_one_run(bench: &Bench) {
    let load = |dir: &str| Results::load(&bench.path(dir)).unwrap();
    let (one, mine) = (load("results/one"), load("results/mine"));
    assert_eq!(repeatable(&one.rows), repeatable(&mine.rows));
    assert_eq!((one.findings, one.plan), (mine.findings, mine.plan));
    assert_eq!(mine.merged.unwrap().machines().len(), 1);
    bench.expect(&["diff", "--exact", "results/one", "results/mine"], 0);
}

/// The line of a page's examples that begins so.
fn line_of(page: &str, begins: &str) -> String {
    let page = fs::read_to_string(checkout().join(page)).unwrap();
    let line = page.lines().find(|line| line.starts_with(begins));
    let line = line.unwrap_or_else(|| panic!("no line `{begins}`"));
    line.split(" #").next().unwrap().trim().to_string()
}

/// Processes that end with the test, by their own ids. What each says goes to a file of its name.
struct Daemons<'a> {
    dir: &'a Path,
    running: Vec<(&'static str, Child)>,
}

impl Daemons<'_> {
    fn start(&mut self, name: &'static str, args: &[&str]) {
        let log = fs::File::create(self.dir.join(name)).unwrap();
        let child = Command::new(name)
            .args(args)
            .env("SLURM_CONF", self.dir.join("slurm.conf"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.running.push((name, child));
    }

    /// Waits until it is there. Why it did not come is what the daemons said last.
    fn wait_for(&mut self, what: &str, is_there: impl Fn() -> bool) -> Result<(), String> {
        let begun = Instant::now();
        while !is_there() {
            let ended = |(_, child): &mut (_, Child)| !matches!(child.try_wait(), Ok(None));
            if begun.elapsed() > PATIENCE || self.running.iter_mut().any(ended) {
                let said = self.running.iter().map(|(name, _)| {
                    let log = fs::read_to_string(self.dir.join(name)).unwrap();
                    let last: Vec<&str> = log.lines().rev().take(5).collect();
                    format!("{name}: {}", last.join(" | "))
                });
                return Err(format!(
                    "{what} did not come\n{}",
                    said.collect::<Vec<_>>().join("\n")
                ));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }
}

impl Drop for Daemons<'_> {
    fn drop(&mut self) {
        for (_, child) in self.running.iter_mut().rev() {
            let id = nix::unistd::Pid::from_raw(child.id().cast_signed());
            let _ = nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM);
            let begun = Instant::now();
            while begun.elapsed() < PATIENCE && matches!(child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(50));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Two ports next to each other that nobody listens at, below those that the kernel gives to clients: one of these may be
/// taken by another test's connection before the daemon is up.
fn free_ports(turn: u16) -> [u16; 2] {
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let begin = 20_000 + (std::process::id() % 5_000) as u16 * 2 + turn * 2;
    let mut pairs = (begin..32_000).step_by(2).map(|port| [port, port + 1]);
    pairs.find(|pair| pair.iter().all(is_free)).unwrap()
}

/// A cluster of this machine alone, with keys, ports and folders of its own. It needs no systemd.
fn slurm(dir: &Path) -> Daemons<'_> {
    let mut why = String::new();
    // Somebody else may have taken a port in the meantime.
    for turn in 0..3 {
        match start_slurm(dir, free_ports(turn)) {
            Ok(daemons) => return daemons,
            Err(said) => why = said,
        }
    }
    panic!("{why}");
}

fn start_slurm(dir: &Path, [controller, node]: [u16; 2]) -> Result<Daemons<'_>, String> {
    let host = nix::unistd::gethostname().unwrap();
    let host = host.to_string_lossy().into_owned();
    let host = host.split('.').next().unwrap();
    for folder in ["state", "spool"] {
        fs::create_dir_all(dir.join(folder)).unwrap();
    }
    let key = dir.join("munge.key");
    for kept in [&key, &dir.join("munge.socket")] {
        let _ = fs::remove_file(kept);
    }
    fs::write(&key, noise(std::process::id().into(), 128)).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o400)).unwrap();
    let at = dir.display();
    let cores = std::thread::available_parallelism().unwrap();
    let conf = format!(
        "ClusterName=lab\nSlurmctldHost={host}(127.0.0.1)\nSlurmctldPort={controller}\nSlurmdPort={node}\n\
         AuthType=auth/munge\nAuthInfo=socket={at}/munge.socket\nSlurmUser=root\nSlurmdUser=root\n\
         StateSaveLocation={at}/state\nSlurmdSpoolDir={at}/spool\n\
         SlurmctldPidFile={at}/slurmctld.pid\nSlurmdPidFile={at}/slurmd.pid\n\
         ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nJobAcctGatherType=jobacct_gather/none\n\
         AccountingStorageType=accounting_storage/none\nMpiDefault=none\nReturnToService=2\n\
         SelectType=select/cons_tres\nSchedulerType=sched/builtin\n\
         NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} State=UNKNOWN\n\
         PartitionName=lab Nodes=ALL Default=YES MaxTime=INFINITE State=UP\n"
    );
    fs::write(dir.join("slurm.conf"), conf).unwrap();
    let mut daemons = Daemons {
        dir,
        running: Vec::new(),
    };
    let file = |flag: &str, name: &str| format!("--{flag}={at}/{name}");
    let munge = [
        "--foreground".to_string(),
        "--force".to_string(),
        file("key-file", "munge.key"),
        file("socket", "munge.socket"),
        file("pid-file", "munged.pid"),
        file("log-file", "munged.log"),
        file("seed-file", "munge.seed"),
    ];
    let munge: Vec<&str> = munge.iter().map(String::as_str).collect();
    daemons.start("munged", &munge);
    let socket = dir.join("munge.socket");
    daemons.wait_for("munged", || socket.exists())?;
    let conf = dir.join("slurm.conf").display().to_string();
    daemons.start("slurmctld", &["-D", "-f", &conf]);
    daemons.start("slurmd", &["-D", "-f", &conf, "-N", host]);
    daemons.wait_for("a node of Slurm", || {
        let output = Command::new("sinfo")
            .args(["--noheader", "--format=%T"])
            .env("SLURM_CONF", &conf)
            .output()
            .unwrap();
        text(&output.stdout).trim() == "idle"
    })?;
    Ok(daemons)
}

#[test]
fn sixteen_tasks_of_a_slurm_array_are_one_run() {
    let tools = ["munged", "slurmctld", "slurmd", "sbatch", "sinfo"];
    if !tools.iter().all(|tool| has(tool)) {
        return;
    }
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: slurmd needs root");
        return;
    }
    let bench = bench();
    fs::create_dir(bench.path("examples")).unwrap();
    let script = "examples/shards.slurm";
    fs::copy(checkout().join(script), bench.path(script)).unwrap();
    let dir = tempfile::TempDir::with_prefix("delta-lab-slurm-").unwrap();
    let _daemons = slurm(dir.path());
    let submit = line_of("README.md", "sbatch ");
    let mut submit = bash(&bench, &submit);
    let output = submit.env("SLURM_CONF", dir.path().join("slurm.conf"));
    let output = output.output().unwrap();
    let logs = || {
        let files = fs::read_dir(bench.dir.path()).unwrap().flatten();
        let logs = files.filter(|it| it.file_name().to_string_lossy().ends_with(".out"));
        let logs: Vec<String> = logs
            .map(|it| fs::read_to_string(it.path()).unwrap())
            .collect();
        logs.join("\n")
    };
    assert!(
        output.status.success(),
        "{}{}",
        text(&output.stderr),
        logs()
    );
    let folders = fs::read_dir(bench.path("results/shards")).unwrap();
    assert_eq!(folders.count(), 16);
    // As the script's head says.
    let head = fs::read_to_string(checkout().join(script)).unwrap();
    let merge = head
        .lines()
        .find_map(|line| line.strip_prefix("#   delta-lab merge"));
    done(
        &bash(&bench, &format!("delta-lab merge{}", merge.unwrap()))
            .output()
            .unwrap(),
    );
    is_one_run(&bench);
}

#[test]
fn gnu_parallel_over_three_hosts_is_one_run() {
    if !has("parallel") {
        return;
    }
    let bench = bench();
    // In the place of ssh: whatever host it is, the command runs here. As with ssh it has a shell, and begins in the home folder.
    let ssh: PathBuf = bench.path("bin/here");
    let stand_in = "#!/bin/bash\nset -e\nwhile [[ $1 == -* ]]; do shift; done\necho \"$1\" >>\"$HOSTS\"\nshift\nif [[ $1 == -- ]]; then shift; fi\nexport SHELL=/bin/bash\ncd\nexec bash -c \"$*\"\n";
    fs::write(&ssh, stand_in).unwrap();
    fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(bench.path("home")).unwrap();
    let deal = line_of("README.md", "parallel ");
    let mut deal = bash(&bench, &deal);
    deal.env("PARALLEL_SSH", &ssh)
        .env("PARALLEL_HOME", bench.path("parallel"))
        .env("HOME", bench.path("home"))
        .env("HOSTS", bench.path("hosts"));
    done(&deal.output().unwrap());
    let hosts = fs::read_to_string(bench.path("hosts")).unwrap();
    for host in ["node1", "node2", "node3"] {
        assert!(hosts.contains(host), "{hosts}");
    }
    done(
        &bash(&bench, &line_of("README.md", "delta-lab merge "))
            .output()
            .unwrap(),
    );
    is_one_run(&bench);
}

/// The commands of a step of the workflow, with the expressions that GitHub puts in.
fn step(name: &str) -> String {
    let page = fs::read_to_string(checkout().join("examples/shards.yml")).unwrap();
    let (_, rest) = page.split_once(&format!("- name: {name}\n")).unwrap();
    let (_, rest) = rest.split_once("run: |\n").unwrap();
    let inside = |line: &&str| line.is_empty() || line.starts_with("          ");
    let lines = rest.lines().take_while(inside).map(str::trim_start);
    lines.collect::<Vec<&str>>().join("\n")
}

#[test]
fn the_workflow_of_shards_is_one_run() {
    if !has("jq") {
        return;
    }
    let bench = bench();
    let play = |name: &str, env: &[(&str, &str)]| {
        let mut bash = bash(&bench, &step(name));
        bash.envs(env.iter().copied())
            .env("GITHUB_OUTPUT", bench.path("output"))
            .env("GITHUB_STEP_SUMMARY", bench.path("summary"));
        done(&bash.output().unwrap());
    };
    play("plan", &[]);
    let output = fs::read_to_string(bench.path("output")).unwrap();
    // A probe, and six methods in three samples.
    assert!(output.contains("count=19\n"), "{output}");
    assert!(output.contains("shards=[1,2,3,"), "{output}");
    play("images", &[]);
    for shard in 1..=19 {
        play("shard", &[("SHARD", &format!("{shard}/19"))]);
    }
    // What the actions that carry files between jobs do.
    fs::create_dir_all(bench.path("shards/lab")).unwrap();
    fs::rename(bench.path("lab.tar"), bench.path("shards/lab/lab.tar")).unwrap();
    for shard in 1..=19 {
        let name = format!("shard-{shard}");
        fs::create_dir_all(bench.path(&format!("shards/{name}"))).unwrap();
        let from = bench.path(&format!("results/{name}"));
        fs::rename(from, bench.path(&format!("shards/{name}/{name}"))).unwrap();
    }
    play("merge", &[]);
    is_one_run(&bench);
    let summary = fs::read_to_string(bench.path("summary")).unwrap();
    assert!(summary.contains("rows from 19 folders"), "{summary}");
}
