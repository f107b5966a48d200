//! `check-method`: whether a declared method keeps the contract.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use super::out;
use crate::clock;
use crate::run::contract;

/// Every variant is run on small images: a changed one, an empty one, one after an empty one, an unchanged one and an
/// unrelated one. Each is rebuilt from nothing and from the one before. A method that moves trees gets small trees of
/// what is easily lost, and one that moves images the same as images of one layer. Programs of another release of Debian are
/// extracted into the cache first. Nothing may be left beside the images, and an update may not change the store. Then every cheat
/// that is known is tried in the method's room: reading the store, the lab's processes, accomplices outside, times and names
/// of files. One line for each claim; exit code 1 when one does not hold.
#[derive(clap::Args)]
pub struct Args {
    /// File of a declared method, such as scenarios/methods/casync.toml
    file: PathBuf,
    /// Also on a pair of 80 MiB whose beginning moved to its end: a window smaller than the base shows (takes minutes
    /// with slow tools)
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
