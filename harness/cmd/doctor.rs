//! `doctor`: what can run here, in which version, and how to get the rest.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use anyhow::Result;
use bytesize::ByteSize;

use crate::method::{self, Contender};
use crate::run::host;
use crate::source::cache::Cache;
use crate::source::docker::Engine;

#[derive(clap::Args)]
pub struct Args {}

/// Programs that stand beside the methods' own tools: name, how to ask for the version, Debian package, what for.
const BESIDE: &[(&str, &str, &str, &str)] = &[
    (
        "curl",
        "--version",
        "curl",
        "fetches what declared methods publish as files",
    ),
    (
        "gzip",
        "--version",
        "gzip",
        "packs the archives of gzip-casync and gzip-xdelta3",
    ),
    (
        "bzip2",
        "--version",
        "bzip2",
        "packs the full updates beside bsdiff's patches",
    ),
    (
        "docker",
        "--version",
        "docker.io",
        "builds and saves images",
    ),
    (
        "mmdebstrap",
        "--version",
        "mmdebstrap",
        "makes the root filesystems images stand on",
    ),
    (
        "skopeo",
        "--version",
        "skopeo",
        "a registry's real client, for the tests",
    ),
    (
        "docker-registry",
        "--version",
        "docker-registry",
        "a real registry, for the tests",
    ),
    ("ssh", "-V", "openssh-client", "real ssh, for the tests"),
    (
        "sshd",
        "-V",
        "openssh-server",
        "a real ssh server, for the tests",
    ),
];

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
    println!("\ntools");
    let tools = tools(&contenders);
    for tool in &tools {
        match &tool.version {
            Ok(version) => println!("  yes  {:<22} {version} ({})", tool.name, tool.purpose),
            Err(why) => println!("  no   {:<22} {why}", tool.name),
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
    println!(
        "{} of {} tools are here; `make tools docker peers` brings what Debian, crates.io and PyPI have",
        tools.iter().filter(|tool| tool.version.is_ok()).count(),
        tools.len()
    );
    if !contenders
        .iter()
        .any(|contender| matches!(contender, Contender::Declared(_)))
    {
        println!("no declared methods: there is no folder scenarios/methods here");
    }
    Ok(ExitCode::SUCCESS)
}

/// Of a version line: curl's goes on with every library it was built with.
const SHOWN_CHARACTERS: usize = 60;

/// A program, its version or why it is not here, and what the lab does with it.
struct Tool {
    name: String,
    version: std::result::Result<String, String>,
    purpose: String,
}

/// The tools of the declared methods, each once, and those that stand beside them.
fn tools(contenders: &[Contender]) -> Vec<Tool> {
    let mut tools: BTreeMap<String, Tool> = BTreeMap::new();
    for contender in contenders {
        let Contender::Declared(declared) = contender else {
            continue;
        };
        let name = declared.tool().to_string();
        match tools.get_mut(&name) {
            Some(tool) => tool.purpose = format!("{}, {}", tool.purpose, declared.name),
            None => {
                let version = declared.tool_version().map_err(|why| format!("{why:#}"));
                let purpose = declared.name.clone();
                tools.insert(
                    name.clone(),
                    Tool {
                        name,
                        version,
                        purpose,
                    },
                );
            }
        }
    }
    let beside = BESIDE.iter().map(|(name, flag, package, purpose)| Tool {
        name: name.to_string(),
        version: version_of(name, flag)
            .ok_or_else(|| format!("not installed: apt-get install {package}")),
        purpose: purpose.to_string(),
    });
    tools.into_values().chain(beside).collect()
}

/// The first line with a digit that the program prints when asked for its version, whatever its exit code: sshd has no
/// such flag, and says its version all the same.
fn version_of(program: &str, flag: &str) -> Option<String> {
    // Debian keeps servers in /usr/sbin, which an ordinary user's PATH leaves out.
    let places = format!(
        "{}:/usr/sbin:/sbin",
        std::env::var("PATH").unwrap_or_default()
    );
    let path = which::which_in(program, Some(places), "/").ok()?;
    let mut asked = Command::new(path);
    let output = asked.arg(flag).stdin(Stdio::null()).output().ok()?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    let line = said
        .lines()
        .find(|line| line.contains(|letter: char| letter.is_ascii_digit()))?;
    Some(line.trim().chars().take(SHOWN_CHARACTERS).collect())
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
        ("file, registry, synthetic", Ok("built in".to_string())),
        ("docker, build", docker),
        ("command: mmdebstrap", mmdebstrap),
    ]
}
