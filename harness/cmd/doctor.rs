//! `doctor`: what can run here, in which version, and how to get the rest.

use std::process::ExitCode;

use anyhow::Result;
use bytesize::ByteSize;
use std::path::PathBuf;

use crate::method::{self, Contender};
use crate::run::host;
use crate::source::cache::Cache;
use crate::source::docker::Engine;

#[derive(clap::Args)]
pub struct Args {}

pub fn run(_: &Args) -> Result<ExitCode> {
    let host = host::look();
    println!(
        "delta-lab {} on {}, kernel {}, {} x {}, {} of memory",
        host.lab,
        host.os,
        host.kernel,
        host.cores,
        host.cpu,
        ByteSize(host.memory_bytes)
    );
    match Cache::open() {
        Ok(cache) => println!("image cache: {}", cache.dir().display()),
        Err(why) => println!("image cache: {why:#}"),
    }
    println!("\nmethods");
    let contenders = method::all(&[PathBuf::from("scenarios/methods")])?;
    let mut missing = 0;
    for contender in &contenders {
        match contender.version() {
            Ok(version) => println!("  yes  {:<22} {version}", contender.name()),
            Err(why) => {
                missing += 1;
                println!("  no   {:<22} {why:#}", contender.name());
            }
        }
    }
    println!("\nsources of images");
    for (what, found) in sources() {
        println!(
            "  {}  {what:<22} {}",
            if found.is_ok() { "yes" } else { "no " },
            found.unwrap_or_else(|why| why)
        );
    }
    println!(
        "\n{} of {} methods can run here{}",
        contenders.len() - missing,
        contenders.len(),
        if missing > 0 {
            "; a missing one is skipped by name, never silently"
        } else {
            ""
        }
    );
    if !contenders
        .iter()
        .any(|contender| matches!(contender, Contender::Declared(_)))
    {
        println!("no declared methods: there is no folder scenarios/methods here");
    }
    Ok(ExitCode::SUCCESS)
}

/// What the kinds of source need, and whether it is here.
fn sources() -> Vec<(&'static str, std::result::Result<String, String>)> {
    let docker = Engine::connect()
        .map(|engine| format!("engine {}", engine.version))
        .map_err(|why| format!("{why:#}"));
    let mmdebstrap = which::which("mmdebstrap")
        .map(|path| path.display().to_string())
        .map_err(|_| {
            "not installed: apt-get install mmdebstrap (the shipped Debian scenarios need it)"
                .to_string()
        });
    vec![
        ("file, synthetic", Ok("built in".to_string())),
        ("docker, build", docker),
        ("command: mmdebstrap", mmdebstrap),
    ]
}
