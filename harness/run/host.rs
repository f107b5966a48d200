//! What machine this is: the facts of host.toml that the lab can read off it.

use std::fs;

use procfs::Current;

use crate::record::{Host, SCHEMA};

/// The machine as it is now. What cannot be read is empty or 0, never a guess.
pub fn look() -> Host {
    let os = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let os = os
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .unwrap_or_default();
    let cpus = procfs::CpuInfo::current().ok();
    let model = cpus
        .as_ref()
        .and_then(|cpus| cpus.model_name(0).map(str::to_string));
    Host {
        schema: SCHEMA,
        lab: env!("CARGO_PKG_VERSION").to_string(),
        command: command(),
        started: jiff::Timestamp::now()
            .strftime("%Y-%m-%dT%H:%M:%SZ")
            .to_string(),
        os: os.trim_matches('"').to_string(),
        kernel: procfs::sys::kernel::Version::current()
            .map(|version| format!("{}.{}.{}", version.major, version.minor, version.patch))
            .unwrap_or_default(),
        cpu: model.unwrap_or_default(),
        cores: std::thread::available_parallelism().map_or(0, |cores| cores.get() as u64),
        memory_bytes: procfs::Meminfo::current().map_or(0, |memory| memory.mem_total),
        machine: raw_name(),
        boot: fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .unwrap_or_default()
            .trim()
            .to_string(),
        ..Host::default()
    }
}

/// The command line this program was started with, whichever way its file was named.
pub fn command() -> Vec<String> {
    let words = std::env::args_os()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned());
    std::iter::once("delta-lab".to_string())
        .chain(words)
        .collect()
}

fn raw_name() -> String {
    nix::unistd::gethostname()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// The machine's name, made fit for a folder's name.
pub fn name() -> String {
    let fit: String = raw_name()
        .chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() {
                letter
            } else {
                '-'
            }
        })
        .collect();
    if fit.is_empty() {
        "host".to_string()
    } else {
        fit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fact_of_this_machine_is_told() {
        let host = look();
        assert_eq!(
            (host.schema, host.lab.as_str()),
            (SCHEMA, env!("CARGO_PKG_VERSION"))
        );
        assert_eq!(host.command, command());
        assert_eq!(host.command[0], "delta-lab");
        let uname = nix::sys::utsname::uname().unwrap();
        let release = uname.release().to_string_lossy();
        // Some kernels leave the third number out.
        let (two, _) = host.kernel.rsplit_once('.').unwrap();
        assert!(two.contains('.') && release.starts_with(two), "{two}");
        assert_eq!(host.machine, uname.nodename().to_string_lossy());
        assert!(host.started.starts_with("20") && host.started.ends_with('Z'));
        assert!(!host.os.is_empty() && !host.os.contains('"'), "{}", host.os);
        assert!(host.cores > 0 && host.memory_bytes > 1 << 20);
        assert_eq!(
            (host.boot.len(), host.boot.trim()),
            (36, host.boot.as_str())
        );
        let name = name();
        assert!(name == "host" || name.len() == host.machine.len());
        assert!(
            name.bytes()
                .all(|it| it == b'-' || it.is_ascii_alphanumeric())
        );
    }
}
