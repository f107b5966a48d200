//! `check-method`: whether a declared method keeps the contract.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use super::out;
use crate::clock;
use crate::run::contract;

#[derive(clap::Args)]
pub struct Args {
    /// File of a declared method, such as scenarios/methods/casync.toml
    file: PathBuf,
    /// Also test an 80 MiB pair whose start moved to its end. This exposes tools that search only part of the base. Slow
    /// tools need minutes
    #[arg(long)]
    far: bool,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let (mut kept, mut broken, mut open) = (0, 0, 0);
    contract::check(&args.file, args.far, &mut |claim| match &claim.kept {
        Ok(seen) => {
            kept += 1;
            out::print(&format!(
                "ok   {}: {} ({seen})\n",
                claim.method, claim.claim
            ))
        }
        Err(why) if claim.machine => {
            open += 1;
            out::print(&format!("open {}: {}: {why}\n", claim.method, claim.claim))
        }
        Err(why) => {
            broken += 1;
            out::print(&format!("not  {}: {}: {why}\n", claim.method, claim.claim))
        }
    })?;
    out::print(&format!("{kept} claims hold, {broken} do not\n"))?;
    if open > 0 {
        out::print(&format!(
            "{open} cheats are open on this machine, whatever the method: {}\n",
            clock::held()
        ))?;
    }
    Ok(ExitCode::from(if broken > 0 { super::FAILED } else { 0 }))
}
