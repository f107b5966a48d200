//! The version of a program that has no flag for it: that of the Debian package it is from.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::clock::Release;
use crate::image::hash_file;

/// `desync 1.0.4-1`. Of a program on PATH that is not from that package, a digest of its file.
pub fn package_version(package: &str, program: &str, release: Option<&Release>) -> Result<String> {
    if let Some(release) = release {
        let version = release.packages.get(package);
        let version =
            version.with_context(|| format!("{package} is not among those of {}", release.name))?;
        return Ok(format!("{package} {version}"));
    }
    let path = which::which(program).with_context(|| format!("find {program}"))?;
    if let Some(version) = installed(package, &path) {
        return Ok(format!("{package} {version}"));
    }
    let (_, sha256) = hash_file(&path)?;
    Ok(format!("{program}, sha256 {}", &sha256[..12]))
}

/// The version of the package that is installed here, when the program is of it.
fn installed(package: &str, program: &Path) -> Option<String> {
    let asked = |arguments: &[&str]| {
        let mut command = Command::new("dpkg-query");
        let output = command.args(arguments).stdin(Stdio::null()).output().ok()?;
        let printed = String::from_utf8(output.stdout).ok()?;
        output.status.success().then_some(printed)
    };
    let real = std::fs::canonicalize(program).ok()?;
    let owner = asked(&["--search", real.to_str()?])?;
    // `desync: /usr/bin/desync`, with `:amd64` behind the name where several may be installed.
    let (owner, _) = owner.split_once(": ")?;
    if owner.split(':').next() != Some(package) {
        return None;
    }
    let version = asked(&["--show", "--showformat=${Version}", package])?;
    (!version.is_empty()).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_of_no_package_is_known_by_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("tool");
        std::fs::write(&program, "#!/bin/sh\n").unwrap();
        assert_eq!(installed("coreutils", &program), None);
        use std::os::unix::fs::PermissionsExt;
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&program, executable).unwrap();
        let name = program.to_str().unwrap();
        let version = package_version("tool", name, None).unwrap();
        // Of `#!/bin/sh` and a line's end, as sha256sum has it.
        assert_eq!(version, format!("{name}, sha256 a8076d3d28d2"));
    }

    #[test]
    fn a_release_knows_its_packages() {
        let release = Release {
            tree: "/nowhere".into(),
            name: "Debian sid".to_string(),
            packages: [("desync".to_string(), "1.0.4-1".to_string())].into(),
        };
        let version = |package| package_version(package, "desync", Some(&release));
        assert_eq!(version("desync").unwrap(), "desync 1.0.4-1");
        assert!(version("casync").is_err());
    }
}
