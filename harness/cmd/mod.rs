//! The commands: read flags, call the library, print. One thin file each.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

mod check_method;
mod completions;
mod diff;
mod doctor;
mod list;
mod progress;
mod report;
mod run;
mod save;
mod selection;

/// Bad input, or the lab's own trouble. A step that failed, or a difference that was found, is 1; all well is 0.
pub const TROUBLE: u8 = 2;
/// A step failed, a difference was found, or a claim does not hold.
pub const FAILED: u8 = 1;

/// Ships container images (or any big archive) to machines that hold an older one, by every method worth
/// considering, through one metered wire, and writes down what each one cost.
#[derive(Parser)]
#[command(
    name = "delta-lab",
    version,
    after_help = "\
Start here:
  delta-lab doctor              what can run on this machine, and how to get the rest
  delta-lab list quickstart     what a scenario would do; nothing is run
  delta-lab run quickstart      do it: verified rows in results/<date>-<host>/rows.csv
  delta-lab report              table and charts of the newest results

Exit codes: 0 all well (methods whose tool is missing are skipped by name);
            1 a step failed or was refused its number, `diff` found a difference, or
              `check-method` a claim that does not hold;
            2 bad input or usage, or the lab itself could not go on.

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
    /// What can run here, in which version, and how to get the rest
    ///
    /// Nothing is installed or changed. `make tools` installs what Debian has.
    Doctor(doctor::Args),
    /// The plan of a scenario: images, methods, steps; nothing is run
    ///
    /// Without a SCENARIO, every one in scenarios/.
    List(list::Args),
    /// Make and keep the images of a scenario, nothing more
    ///
    /// Images are kept in the user's cache folder, or in DELTA_LAB_CACHE; each is made once, hashed, and verified
    /// whenever it is used.
    Save(save::Args),
    /// Run scenarios: every step a process, every byte over the wire, every output verified
    ///
    /// Every step is a process of its own, every byte a client pulls crosses one counted wire, and what a client rebuilt
    /// is compared with the image before there is a number. Rows are on disk one by one: after a crash or a kill,
    /// the same command goes on where it stopped.
    #[command(after_help = "\
Examples:
  delta-lab run quickstart --report
  delta-lab run mine.toml --into results/mine --samples 5
  delta-lab run rebuild -m raw -m layers -m casync/64k --time-limit 600")]
    Run(run::Args),
    /// Draw every view of a results folder: report.md, and charts as SVG and PNG
    ///
    /// Reads the rows and nothing else; no tool is run.
    Report(report::Args),
    /// Compare the bytes of a run with a baseline, exactly
    ///
    /// Bytes, requests and files repeat exactly, so any difference is one; time never does, so it is not looked at. Rows
    /// made by another version of a method, or of another image, are listed as incomparable.
    #[command(after_help = "\
Example, a gate for CI:
  delta-lab run smoke --into target/smoke && delta-lab diff results/baseline target/smoke

Exit codes: 0 every step that could be compared has the same bytes; 1 not so, or nothing could be compared.")]
    Diff(diff::Args),
    /// Put the contract of a declared method to the proof, claim by claim
    CheckMethod(check_method::Args),
    /// Print a completion script for your shell
    Completions(completions::Args),
}

/// Parses the command line and does what it says; returns the exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // `delta-lab list | head` ends quietly. Not so where clients may break off: there a broken pipe is an error like
    // any other, and must not end the lab.
    if !matches!(
        cli.command,
        Command::Run(_) | Command::Save(_) | Command::CheckMethod(_)
    ) {
        sigpipe::reset();
    }
    match dispatch(cli.command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("delta-lab: {error:#}");
            ExitCode::from(TROUBLE)
        }
    }
}

fn dispatch(command: Command) -> Result<ExitCode> {
    match command {
        Command::Doctor(args) => doctor::run(&args),
        Command::List(args) => list::run(&args),
        Command::Save(args) => save::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::CheckMethod(args) => check_method::run(&args),
        Command::Completions(args) => completions::run::<Cli>(&args),
    }
}
