//! `check-method`: whether a declared method keeps the contract.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use crate::run::contract;

/// Every variant is run on small images: a changed one, an empty one, one after an empty one, an unchanged one and an
/// unrelated one, each rebuilt from nothing and from the one before; where the method moves trees they are small trees of
/// what is easily lost. Nothing may be left beside the images, and an
/// update may not change the store. One line per claim; exit code 1 when one does not hold.
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
    let (mut kept, mut broken) = (0, 0);
    contract::check(&args.file, args.far, &mut |claim| match &claim.kept {
        Ok(seen) => {
            kept += 1;
            println!("ok   {}: {} ({seen})", claim.method, claim.claim);
        }
        Err(why) => {
            broken += 1;
            println!("not  {}: {}: {why}", claim.method, claim.claim);
        }
    })?;
    println!("{kept} claims hold, {broken} do not");
    Ok(ExitCode::from(if broken > 0 { super::FAILED } else { 0 }))
}
