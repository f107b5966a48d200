//! `completions`: a script that teaches a shell the commands and flags.

use std::process::ExitCode;

use anyhow::Result;
use clap::CommandFactory;
use clap_complete::Shell;

#[derive(clap::Args)]
pub struct Args {
    /// The shell the script is for; for bash: `delta-lab completions bash > ~/.local/share/bash-completion/completions/delta-lab`
    shell: Shell,
}

pub fn run<Cli: CommandFactory>(args: &Args) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "delta-lab", &mut script);
    super::out::print(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}
