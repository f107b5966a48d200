//! `doctor`: what can run here, in which version, and how to get the rest.

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use anyhow::Result;
use bytesize::ByteSize;

use super::out;
use crate::clock;
use crate::method::builtin::{Family, METHODS};
use crate::method::{BuiltIn, Doer, Methods};
use crate::run::{host, roots};
use crate::source::FILESYSTEMS;
use crate::source::cache::Cache;
use crate::source::docker::Engine;

#[derive(clap::Args)]
pub struct Args {}

/// Where the shipped declared methods are.
const DECLARED: &str = "scenarios/methods";

/// Programs that are used beside the methods' own tools: name, how to ask for the version, Debian package, what for.
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
        "makes the root filesystems that images are built on, and extracts the programs of another release",
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
    let mut text = machine();
    let methods = Methods::in_folders(&[PathBuf::from(DECLARED)])?;
    let (built_in, declared) = (built_in(), declared(&methods));
    let programs = programs();
    for (title, entries) in [
        ("methods that are built in", &built_in),
        (
            "declared methods: shipped, and of scenarios/methods",
            &declared,
        ),
        ("other programs", &programs),
        ("sources of images", &sources()),
    ] {
        text.push_str(&section(title, entries));
    }
    let here = |entries: &[Entry]| entries.iter().filter(|entry| entry.found.is_ok()).count();
    text.push_str(&format!(
        "\n{} of {} methods can run here; a run names those it has to skip\n\
         {} of {} other programs are here\n\
         `make tools docker peers` installs what Debian, crates.io and PyPI have\n",
        here(&built_in) + here(&declared),
        built_in.len() + declared.len(),
        here(&programs),
        programs.len()
    ));
    out::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// What machine this is.
fn machine() -> String {
    let host = host::look();
    let cache = match Cache::open() {
        Ok(cache) => cache.dir().display().to_string(),
        Err(why) => format!("{why:#}"),
    };
    format!(
        "delta-lab {} on {}, kernel {}\n{} x {}, {} of memory\nimage cache: {cache}\nsandbox: {}\n",
        host.lab,
        host.os,
        host.kernel,
        host.cores,
        host.cpu,
        ByteSize(host.memory_bytes),
        clock::held()
    )
}

/// One thing that is here, with what is to be known of it, or that is not, with the reason.
struct Entry {
    name: String,
    found: std::result::Result<String, String>,
}

/// The built-in families, with the parameters they take.
fn built_in() -> Vec<Entry> {
    METHODS.iter().map(family).collect()
}

fn family(family: &Family) -> Entry {
    let name = match family.param {
        Some(param) => format!("{}/{}", family.name, param.word()),
        None => family.name.to_string(),
    };
    let about = match family.param {
        Some(param) => format!("{}; {param}", family.about),
        None => family.about.to_string(),
    };
    let version = |name: &String| BuiltIn::named(name)?.version(None);
    let found = family.names().first().map_or(Ok(String::new()), version);
    Entry {
        name,
        found: found.map(|_| about).map_err(|why| format!("{why:#}")),
    }
}

/// The declared families, with the parameters they take and the version of their tool.
fn declared(methods: &Methods) -> Vec<Entry> {
    let mut entries: Vec<(String, Vec<String>, Box<dyn Doer>)> = Vec::new();
    for method in methods.shown() {
        if method.about().tool.is_none() {
            continue;
        }
        let (family, variant) = match method.name().split_once('/') {
            Some((family, variant)) => (family.to_string(), vec![variant.to_string()]),
            None => (method.name().to_string(), Vec::new()),
        };
        match entries.last_mut() {
            Some((last, variants, _)) if *last == family => variants.extend(variant),
            _ => entries.push((family, variant, method)),
        }
    }
    let entry = |(family, variants, method): (String, Vec<String>, Box<dyn Doer>)| Entry {
        name: match variants.as_slice() {
            [] => family,
            [only] => format!("{family}/{only}"),
            several => format!("{family}/{{{}}}", several.join(",")),
        },
        // One version for all variants: they share the tool.
        found: match roots::look(method.as_ref()) {
            Ok(looked) => Ok(looked
                .text
                .split("; flags ")
                .next()
                .unwrap_or_default()
                .to_string()),
            Err(why) => Err(format!("{why:#}")),
        },
    };
    entries.into_iter().map(entry).collect()
}

/// The programs that are used beside the methods' own.
fn programs() -> Vec<Entry> {
    let entry = |(name, flag, package, purpose): &(&str, &str, &str, &str)| Entry {
        name: name.to_string(),
        found: version_of(name, flag)
            .map(|version| format!("{version} ({purpose})"))
            .ok_or_else(|| format!("not installed: apt-get install {package} ({purpose})")),
    };
    BESIDE.iter().map(entry).collect()
}

/// A title and its entries; nothing where there are none.
fn section(title: &str, entries: &[Entry]) -> String {
    let mut text = String::new();
    if !entries.is_empty() {
        text = format!("\n{title}\n");
    }
    for entry in entries {
        let (mark, found) = match &entry.found {
            Ok(found) => ("yes", found),
            Err(why) => ("no", why),
        };
        text.push_str(&lines(mark, &entry.name, found));
    }
    text
}

/// Columns of a terminal, and of the names in it.
const WIDTH: usize = 80;
const NAME_WIDTH: usize = 20;
const INDENT: usize = 8 + NAME_WIDTH;

/// An entry in lines of at most `WIDTH` columns, as far as its words are shorter.
fn lines(mark: &str, name: &str, text: &str) -> String {
    let mut lines = format!("  {mark:<4} {name:<NAME_WIDTH$}");
    let mut column = lines.chars().count();
    if column >= INDENT {
        column = WIDTH;
    }
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if column + 1 + length > WIDTH {
            lines.push('\n');
            lines.push_str(&" ".repeat(INDENT - 1));
            column = INDENT - 1;
        }
        lines.push(' ');
        lines.push_str(word);
        column += 1 + length;
    }
    lines.push('\n');
    lines
}

/// Most characters of a version line: curl names every library it was built with.
const SHOWN_CHARACTERS: usize = 60;

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
fn sources() -> Vec<Entry> {
    let docker = Engine::connect()
        .map(|engine| format!("engine {}", engine.version))
        .map_err(|why| format!("{why:#}"));
    let mmdebstrap = which::which("mmdebstrap")
        .map(|path| path.display().to_string())
        .map_err(|_| {
            "not installed: apt-get install mmdebstrap (the shipped Debian scenarios need it)"
                .to_string()
        });
    let built_in = Ok("built in".to_string());
    let filesystems = FILESYSTEMS.iter().map(|it| {
        let version = it.version().map_err(|why| format!("{why:#}"));
        (format!("as = \"{}\"", it.name), version)
    });
    [
        ("file, registry, synthetic", built_in),
        ("docker, build", docker),
        ("command: mmdebstrap", mmdebstrap),
    ]
    .map(|(name, found)| (name.to_string(), found))
    .into_iter()
    .chain(filesystems)
    .map(|(name, found)| Entry { name, found })
    .collect()
}
