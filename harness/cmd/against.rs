//! `run --against`: two labs run the same scenarios, sample by sample in turn, so that their times can be compared.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

use super::out;
use crate::image::sha256_hex;
use crate::record::{Results, write_job};

/// One of the two labs, and the folder that it fills.
struct Lab {
    program: PathBuf,
    into: PathBuf,
}

/// Runs `samples` samples of the scenarios on this command line by this lab into `into`, and by the lab at `other` into
/// a folder beside it. Odd samples begin with the other lab, even ones with this one, so that neither is always first.
pub fn run(other: &Path, into: &Path, samples: u32) -> Result<ExitCode> {
    let head = Lab {
        program: std::env::current_exe().context("find this program")?,
        into: into.to_path_buf(),
    };
    let mut beside = into.as_os_str().to_owned();
    beside.push("-against");
    let base = Lab {
        program: other.to_path_buf(),
        into: PathBuf::from(beside),
    };
    begin(&base, &head)?;
    let words = shared_words(std::env::args_os().skip(1));
    let mut worst = 0;
    for sample in 1..=samples {
        let turn = if sample % 2 == 1 {
            [&base, &head]
        } else {
            [&head, &base]
        };
        for lab in turn {
            let code = lab.run(&words, sample)?;
            ensure!(
                code == 0 || code == i32::from(super::FAILED),
                "{}: ended with exit code {code}",
                lab.program.display()
            );
            worst = worst.max(code);
        }
    }
    out::print(&format!(
        "compare them: delta-lab diff {} {}\n",
        base.into.display(),
        head.into.display()
    ))?;
    Ok(ExitCode::from(if worst == 0 { 0 } else { super::FAILED }))
}

impl Lab {
    fn run(&self, words: &[OsString], samples: u32) -> Result<i32> {
        let status = Command::new(&self.program)
            .args(words)
            .arg("--samples")
            .arg(samples.to_string())
            .arg("--into")
            .arg(&self.into)
            .stdout(std::io::stderr())
            .status()
            .with_context(|| format!("start {}", self.program.display()))?;
        status
            .code()
            .with_context(|| format!("{}: {status}", self.program.display()))
    }

    fn version(&self) -> Result<String> {
        let output = Command::new(&self.program)
            .arg("--version")
            .output()
            .with_context(|| format!("start {}", self.program.display()))?;
        ensure!(
            output.status.success(),
            "{}: does not tell its version; is it a delta-lab?",
            self.program.display()
        );
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_string())
    }
}

/// Marks both folders as of one job. Folders that hold rows must be of one job already: samples taken at different times
/// are no pairs.
fn begin(base: &Lab, head: &Lab) -> Result<()> {
    let there = |lab: &Lab| lab.into.join("rows.csv").is_file();
    if there(base) || there(head) {
        let pairs = there(base) && there(head) && {
            let (one, other) = (Results::load(&base.into)?, Results::load(&head.into)?);
            one.pairs_with(&other)
        };
        ensure!(
            pairs,
            "{} and {}: hold rows that were not taken in turn; choose another folder with --into",
            base.into.display(),
            head.into.display()
        );
        return Ok(());
    }
    let now = jiff::Timestamp::now().to_string();
    let id = sha256_hex(format!("{now} {} {}", std::process::id(), head.into.display()).as_bytes());
    for lab in [base, head] {
        std::fs::create_dir_all(&lab.into)
            .with_context(|| format!("make the folder {}", lab.into.display()))?;
        write_job(&lab.into, &id[..16], &lab.version()?)?;
    }
    Ok(())
}

/// The words of this command line that both labs are given: without those that say against whom, how often and where.
fn shared_words(words: impl Iterator<Item = OsString>) -> Vec<OsString> {
    const WITH_VALUE: [&str; 3] = ["--against", "--samples", "--into"];
    let mut shared = Vec::new();
    let mut words = words.peekable();
    while let Some(word) = words.next() {
        let named = |flag: &&str| {
            let text = word.to_string_lossy();
            text == **flag || text.starts_with(&format!("{flag}="))
        };
        match WITH_VALUE.iter().find(|flag| named(flag)) {
            Some(flag) if word == OsStr::new(flag) => {
                words.next();
            }
            Some(_) => {}
            None if word == OsStr::new("--report") => {}
            None => shared.push(word),
        }
    }
    shared
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_labs_are_given_the_same_words() {
        let words = "run smoke --against old -m raw --samples 9 --into=x --report --time-limit 5";
        let shared = shared_words(words.split(' ').map(OsString::from));
        assert_eq!(shared, ["run", "smoke", "-m", "raw", "--time-limit", "5"]);
    }
}
