//! The commands: read flags, call the library, print. One thin file each.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

mod against;
mod assume;
mod check_method;
mod ci;
mod compare;
mod completions;
mod diff;
mod doctor;
mod estimate;
mod experiments;
mod explain;
mod images;
mod list;
mod merge;
mod nearest;
mod out;
mod patch;
mod progress;
mod recommend;
mod report;
mod run;
mod save;
mod selection;

/// Bad input, or the lab's own trouble. A step that failed, or a regression, is 1; all well is 0. `diff` and `ci` have
/// further codes: `stats::Ruling`.
pub const TROUBLE: u8 = 2;
/// A step failed, or an expectation or a claim does not hold.
pub const FAILED: u8 = 1;

/// Measures what it costs to ship container images (or any big archive) to machines that hold an older one.
///
/// Every method worth considering moves the images through one metered wire. Every rebuilt image is verified. Bytes,
/// storage, time and memory are written down.
#[derive(Parser)]
#[command(
    name = "delta-lab",
    version,
    after_help = "\
Start here:
  delta-lab compare OLD NEW     what an update costs, by the methods that are installed here
                                and fast enough for images of this size (--all adds the
                                slow ones); OLD and NEW are files or Docker references
  delta-lab doctor              what can run on this machine, and how to get the rest
  delta-lab list quickstart     what a scenario would do; nothing is run
  delta-lab run quickstart      do it: verified rows in results/<date>-<host>/rows.csv
  delta-lab report              table and charts of the newest results

Exit codes: 0 all well (methods whose tool is missing are skipped by name);
            1 a step failed, an expectation or a claim does not hold, `diff` found a
              regression, or `ci` a limit that is passed;
            2 bad input or usage, a result that could not be printed, or the lab could not
              continue;
            3 of `diff`: a step that was verified in BASE failed in HEAD, or its output was
              wrong; of `ci`: a step failed, or its output was wrong;
            4 of `diff` and `ci`: something could not be compared.

list, report, diff, doctor, explain, nearest, recommend and merge end quietly when their reader
goes away, as in `delta-lab list | head`. The signal SIGPIPE ends them; a shell calls that 141.

A SCENARIO is a file in scenarios/ named without its ending; any path to a .toml works too.
How to write one, and how to add a tool of your own: scenarios/README.md.
What the columns of rows.csv mean and how they were measured: results/README.md."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Compare the methods on two images, or on a history of them; no scenario file needed
    ///
    /// OLD and NEW are files (a saved image, any tar, any other file) or Docker references. More images, oldest first, are a
    /// history.
    ///
    /// Without -m, the methods run that are installed here and fast enough for images of this size. Methods that would need
    /// more than 30 s are left out. They are listed, and so are those that can't run here. `--all` adds the slow ones.
    ///
    /// The results folder holds the rows, report.md and the charts.
    #[command(after_help = "\
Examples:
  delta-lab compare october.tar november.tar
  delta-lab compare shop/backend:1.4 shop/backend:1.5
  delta-lab compare v1.tar v2.tar v3.tar -m xdelta3 -m 'fastcdc/{16k,64k,256k}'")]
    Compare(compare::Args),
    /// Show what can run here, in which version, and how to get the rest
    ///
    /// Nothing is installed or changed. `make tools docker peers` installs what Debian, crates.io and PyPI have.
    Doctor(doctor::Args),
    /// Show the plan of a scenario: images, methods, acts; nothing is run
    ///
    /// Without a SCENARIO, every one in scenarios/.
    List(list::Args),
    /// Make and keep the images of a scenario, nothing more
    ///
    /// Images are kept in the user's cache folder, or in DELTA_LAB_CACHE. Each is made once, hashed, and verified
    /// whenever it is used.
    Save(save::Args),
    /// Run scenarios: every step a process, every byte over the wire, every output verified
    ///
    /// Every step is a process of its own. Every byte a client pulls crosses one counted wire. What a client rebuilt is
    /// compared with the image before there is a number. Rows are on disk one by one: after a crash or a kill, the same
    /// command continues where it stopped.
    #[command(after_help = "\
Examples:
  delta-lab run quickstart --report
  delta-lab run mine.toml --into results/mine --samples 5
  delta-lab run rebuild -m raw -m layers -m casync/64k --time-limit 600
  delta-lab run smoke --samples 10 --into target/new --against ../main/delta-lab
  delta-lab run mine.toml --shard 3/16 --into results/mine-3      on another machine, another shard")]
    Run(run::Args),
    /// Merge the results folders of shards into one, as if one run had made it
    ///
    /// Nothing is run. Fails if two folders hold the same trial, or if their plans, images, method versions or delta-lab
    /// versions differ.
    ///
    /// Reports show the bytes of all machines. They show the times of only one machine per scenario: the one with the most
    /// timed rows. rows.csv keeps all times.
    #[command(after_help = "\
Example:
  delta-lab merge results/mine-* --into results/mine

Exit codes: 0 every act of the plan has its row; 1 some lack theirs, a step failed, or an expectation does not hold;
            2 the folders do not belong together.")]
    Merge(merge::Args),
    /// Run the experiments, each a question with expectations, and write the page that answers them
    ///
    /// Each is a scenario in scenarios/experiments. One that needs a program or an engine which is not here is skipped by
    /// name. The page is results/experiments.md.
    #[command(after_help = "\
Examples:
  delta-lab experiments          all of them; what has its results already is not run again
  delta-lab experiments g        only letter g

Exit codes: 0 no expectation fails; 1 one does, or a step failed; 2 bad usage, or the page could not be written.")]
    Experiments(experiments::Args),
    /// Draw every view of a results folder: report.html, report.md, and charts as SVG and PNG
    ///
    /// Reads the results and nothing else; no tool is run. report.html is one file that works from disk: it answers first,
    /// then shows transfer, storage, time and memory, the time over links that its reader can change, and what no other
    /// method beats. Exit code 1 when an expectation does not hold, or a page is not current (--check).
    #[command(after_help = "\
Examples:
  delta-lab report results/mine
  delta-lab report results/mine --assume fleet.toml      with your fleet, prices and links
  delta-lab report results/mine --splice README.md       and put a chart and a table into a page

A page says where: what lies between the markers is replaced.
  <!-- delta-lab:answer SCENARIO -->        the summary's answer
  <!-- delta-lab:table SCENARIO 8 -->       the first 8 methods of the ranking; without a number, all
  <!-- delta-lab:chart SCENARIO transfer --> a chart by its name: transfer, storage, time, front-apply ...
  <!-- /delta-lab -->")]
    Report(report::Args),
    /// Recommend a method for a fleet: what each costs a year, the pick, and what would change it
    ///
    /// Reads the results and the assumptions: how many devices, how often they update, over which link, and what bytes,
    /// storage and time cost. The defaults are examples; --print-assumptions prints them with their sources. The report's
    /// summary gives the same pick for the same assumptions.
    #[command(after_help = "\
Examples:
  delta-lab recommend results/mine --devices 50000 --link 3G
  delta-lab recommend --print-assumptions > fleet.toml
  delta-lab recommend results/mine --assume fleet.toml --memory 256MB")]
    Recommend(recommend::Args),
    /// Compare a run (HEAD) with another (BASE): bytes exactly, time and memory by paired samples
    ///
    /// Bytes, requests and files repeat exactly: whatever grew fails, unless a threshold allows it. Improvements and new
    /// rows are listed and pass. Missing rows fail. Rows of another version of a method, or of another image, are
    /// incomparable.
    ///
    /// The bytes of rsync-ssh, rsync-batch, casync-ssh, desync and borg do not repeat exactly. Give these methods a
    /// threshold; results/README.md says why they differ.
    ///
    /// Time and memory are judged only where the samples of both runs were taken in turn, by a signed-rank test
    /// (Wilcoxon) on at least 8 pairs and beyond a tolerance of 10 %. In simulations noise of
    /// 10 % fails 8 of 1,000 jobs, and a slow-down of 20 % is found in 100 of 100 with ten pairs.
    #[command(after_help = "\
Example, a gate for CI:
  delta-lab run smoke --into target/smoke && delta-lab diff --exact results/baseline target/smoke

Thresholds: the last that fits counts. Each may name a scenario, method, case, verb and image.
A trailing `*` matches any ending.
  [[threshold]]
  measure = \"payload_bytes\"
  method  = \"fastcdc/*\"
  share   = 0.01        # may grow by 1 %, or
  plus    = 4096        # by so many bytes
  [[threshold]]
  measure = \"wall_ns\"
  share   = 0.25        # tolerance of time; `ignore = true` leaves a measure out
Before the first of them, `pass_incomparable = true` lets rows of another version pass.

Exit codes: 0 fine; 1 a regression; 2 bad usage;
            3 a step that was verified in BASE failed in HEAD, or its output was wrong;
            4 something, or all of it, could not be compared.")]
    Diff(diff::Args),
    /// Show how many bytes an update from OLD to NEW downloads, by each way that clients have
    ///
    /// Earlier results for these images are used if there are any; otherwise the quick methods are measured now.
    #[command(after_help = "\
Examples:
  delta-lab estimate shop/backend:1.4 shop/backend:1.5
  delta-lab estimate october.tar november.tar -m layers -m zstd-patch/3")]
    Estimate(estimate::Args),
    /// Judge a change: did it make the image's updates bigger, by how much, and why?
    ///
    /// Clients have a released image. Before the change they would fetch BASE, after it they fetch IMAGE. Each method of the
    /// rules makes both updates from each release, and every output is verified.
    ///
    /// Without a release (`--from`, or `from` in the rules) clients have BASE itself. Then nothing is known of the state
    /// before the change, and the limits on growth cannot fail.
    #[command(after_help = "\
Example:
  delta-lab ci --base shop/backend:main --image shop/backend:pr-7 --rules rules.toml --comment comment.md

Exit codes: 0 within the limits, or waived; 1 a limit is passed; 2 bad usage or rules;
            3 a step failed, or its output was wrong; 4 a method can't run here.
How rules are written, and workflows for GitHub and GitLab: examples/README.md.")]
    Ci(ci::Args),
    /// Explain an update: which files its bytes come from, why, and what would make them go away
    ///
    /// Each file is compared with the one of the same path, then with any of the same contents. What a patch, chunks and whole
    /// layers spend on each file is really coded, not estimated.
    #[command(after_help = "\
Examples:
  delta-lab explain shop/backend:1.4 shop/backend:1.5
  delta-lab explain october.tar november.tar --worst 30")]
    Explain(explain::Args),
    /// Choose the base from which an update of an image will be smallest, and say how sure that is
    ///
    /// Makes a quick patch (zstd -1) from each base and picks the base with the smallest one. Above 2 GiB it picks the base
    /// that lacks the fewest bytes, counted in compressed chunks of about 8 KiB. Experiment n shows how often this picks the
    /// best base.
    #[command(after_help = "\
Examples:
  delta-lab nearest shop/backend:2.0 shop/backend:1.9 shop/backend:1.8 shop/frontend:2.0
  delta-lab nearest november.tar releases/*.tar --json")]
    Nearest(nearest::Args),
    /// Make, apply and show patches between images, outside the lab
    ///
    /// A patch knows what is in an image: layers, files, compressed members. Any other file works too.
    #[command(after_help = "\
Exit codes: 0 all well;
            1 of `apply`: the patch is damaged, or was made from another OLD;
            2 bad usage, or a file could not be used; of `show`, also a damaged patch.")]
    Patch(patch::Args),
    /// Check that a declared method keeps its contract
    ///
    /// Every variant runs on small images: a changed one, an empty one, one after an empty one, an unchanged one and an
    /// unrelated one. Each image is rebuilt from nothing and from the one before. A method that moves trees gets small trees
    /// of what is easily lost. A method that moves images gets the same trees as images of one layer. Programs of another
    /// Debian release are extracted into the cache first.
    ///
    /// The method may leave nothing beside the images, and an update may not change the store. Then every known cheat is
    /// tried in the method's room: reading the store, the lab's processes, accomplices outside, times and names of files.
    ///
    /// Each claim is one line. The exit code is 1 when one does not hold.
    CheckMethod(check_method::Args),
    /// Print a completion script for your shell
    Completions(completions::Args),
}

/// Parses the command line and does what it says; returns the exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(said) => return without_command(&said),
    };
    // `delta-lab list | head` ends quietly. Not so where clients may break off: there a broken pipe is an error like
    // any other, and must not end the lab.
    if !matches!(
        cli.command,
        Command::Run(_)
            | Command::Compare(_)
            | Command::Experiments(_)
            | Command::Patch(_)
            | Command::Estimate(_)
            | Command::Ci(_)
            | Command::Save(_)
            | Command::CheckMethod(_)
    ) {
        sigpipe::reset();
    }
    match dispatch(cli.command) {
        Ok(code) => code,
        Err(error) => {
            out::note(&format!("delta-lab: {error:#}"));
            ExitCode::from(TROUBLE)
        }
    }
}

/// Prints the help or the version, where they were asked for, or what is wrong with the command line.
fn without_command(said: &clap::Error) -> ExitCode {
    sigpipe::reset();
    let printed = said.print().and_then(|()| std::io::stdout().flush());
    match printed {
        Err(error) if !said.use_stderr() => {
            out::note(&format!(
                "delta-lab: print the result to standard output: {error}"
            ));
            ExitCode::from(TROUBLE)
        }
        _ => ExitCode::from(said.exit_code() as u8),
    }
}

fn dispatch(command: Command) -> Result<ExitCode> {
    match command {
        Command::Compare(args) => compare::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::List(args) => list::run(&args),
        Command::Save(args) => save::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Merge(args) => merge::run(&args),
        Command::Experiments(args) => experiments::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Recommend(args) => recommend::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Estimate(args) => estimate::run(&args),
        Command::Ci(args) => ci::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Nearest(args) => nearest::run(&args),
        Command::Patch(args) => patch::run(&args),
        Command::CheckMethod(args) => check_method::run(&args),
        Command::Completions(args) => completions::run::<Cli>(&args),
    }
}
