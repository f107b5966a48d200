//! `patch`: image patches outside the lab, made, applied and looked into.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, ensure};
use bytesize::ByteSize;

use super::out::{self, note};
use crate::engine::image::{self, Effort, Failure, Shown};
use crate::image::hex;

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(clap::Subcommand)]
enum Act {
    /// Make the patch that turns OLD into NEW
    ///
    /// The patch is decoded and compared with NEW before it appears.
    ///
    /// Looks inside layers and files, and inside layers or images that Docker (Go), gzip, zlib or pigz compressed. A layer
    /// that another program compressed is coded as plain bytes, so its patch is larger; a message says so. Compressed layers
    /// are unpacked into temporary files, in TMPDIR when it is set.
    #[command(after_help = "\
Examples:
  delta-lab patch make web-1.tar web-2.tar -o web-1-2.dlp
  delta-lab patch make web-1.tar web-2.tar -o web-1-2.dlp --effort best
  delta-lab patch make --no-base web-2.tar -o web-2.dlp

Exit codes: 0 all well; 2 bad usage, or a file could not be used.")]
    Make(Make),
    /// Make NEW from OLD and a patch
    ///
    /// OLD is compared by its hash before anything is done, and NEW appears only when its hash is right.
    #[command(after_help = "\
Examples:
  delta-lab patch apply web-1.tar web-1-2.dlp -o web-2.tar
  delta-lab patch apply --no-base web-2.dlp -o web-2.tar

Exit codes: 0 all well; 1 the patch is damaged, or was made from another OLD;
            2 bad usage, or a file could not be used.")]
    Apply(Apply),
    /// Show what a patch contains. With --base OLD, show what each file costs, largest first
    #[command(after_help = "\
Examples:
  delta-lab patch show web-1-2.dlp
  delta-lab patch show web-1-2.dlp --base web-1.tar --most 20

Exit codes: 0 all well; 2 bad usage, a file could not be used, the patch is damaged, or OLD is another.")]
    Show(Show),
}

#[derive(clap::Args)]
struct Make {
    /// OLD and NEW: files that docker or podman saved, or any others; only NEW with --no-base
    #[arg(required = true, num_args = 1..=2, value_names = ["OLD", "NEW"])]
    files: Vec<PathBuf>,
    /// Where the patch goes
    #[arg(short, long, value_name = "PATCH")]
    output: PathBuf,
    /// Time to spend: `fast`, or `best` for a smaller patch
    #[arg(long, default_value = "fast", value_parser = effort)]
    effort: Effort,
    /// The patch needs no OLD: it is NEW, compressed
    #[arg(long)]
    no_base: bool,
}

#[derive(clap::Args)]
struct Apply {
    /// OLD and the patch; only the patch with --no-base
    #[arg(required = true, num_args = 1..=2, value_names = ["OLD", "PATCH"])]
    files: Vec<PathBuf>,
    /// Where NEW goes
    #[arg(short, long, value_name = "NEW")]
    output: PathBuf,
    /// The patch was made without OLD
    #[arg(long)]
    no_base: bool,
}

#[derive(clap::Args)]
struct Show {
    /// The patch
    patch: PathBuf,
    /// OLD, to see what each file costs
    #[arg(long, value_name = "OLD")]
    base: Option<PathBuf>,
    /// Files to list
    #[arg(long, default_value_t = 50)]
    most: usize,
}

fn effort(text: &str) -> Result<Effort, String> {
    match text {
        "fast" => Ok(Effort::Fast),
        "best" => Ok(Effort::Best),
        _ => Err("`fast` or `best`".to_string()),
    }
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let say = |text: &str| note(text);
    match &args.act {
        Act::Make(make) => {
            let (base, new) = pair(&make.files, make.no_base)?;
            let made = image::make(base, new, &make.output, make.effort, &say)?;
            let size = |bytes| ByteSize(bytes).display().si().to_string();
            note(&format!(
                "{}: {} for an image of {}",
                make.output.display(),
                size(made.patch_bytes),
                size(made.image_bytes)
            ));
        }
        Act::Apply(apply) => {
            let (base, patch) = pair(&apply.files, apply.no_base)?;
            match image::apply(base, patch, &apply.output, &say) {
                Ok(_) => {}
                Err(Failure::Unfit(error)) => {
                    note(&format!("delta-lab: {error:#}"));
                    return Ok(ExitCode::from(super::FAILED));
                }
                Err(Failure::Trouble(error)) => return Err(error),
            }
        }
        Act::Show(show) => {
            let shown = image::show(&show.patch, show.base.as_deref())?;
            out::print(&in_words(&shown, show.most))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The base, if there is to be one, and the other file.
fn pair(files: &[PathBuf], no_base: bool) -> Result<(Option<&Path>, &Path)> {
    match files {
        [only] => {
            ensure!(no_base, "OLD is missing: name it, or say --no-base");
            Ok((None, only))
        }
        [base, other] => {
            ensure!(!no_base, "--no-base and an OLD do not go together");
            Ok((Some(base), other))
        }
        _ => anyhow::bail!("one or two files"),
    }
}

/// What a patch says of itself, and the files that took the most of it.
fn in_words(shown: &Shown, most: usize) -> String {
    let mut lines = vec![format!("patch   {} bytes", shown.patch_bytes)];
    lines.push(match &shown.base {
        Some((bytes, sha)) => format!("base    {bytes} bytes, sha256 {}", hex(sha)),
        None => "base    none".to_string(),
    });
    let (bytes, sha) = &shown.image;
    lines.push(format!("image   {bytes} bytes, sha256 {}", hex(sha)));
    lines.push(format!("script  {} bytes", shown.script_bytes));
    for (number, (codec, bytes)) in shown.groups.iter().enumerate() {
        lines.push(format!("group   {number}: {bytes} bytes of {codec}"));
    }
    let Some((entries, kept)) = shown.counts else {
        lines.push("(what each file took is shown with --base)\n".to_string());
        return lines.join("\n");
    };
    lines.push(format!(
        "entries {entries}: {kept} with contents of the base, {} with coded ones",
        shown.entries.len()
    ));
    lines.push(format!(
        "{:>10} {:>12} how       file <- base",
        "coded", "bytes"
    ));
    for entry in shown.entries.iter().take(most) {
        lines.push(format!(
            "{:>10} {:>12} {:9} {} <- {}",
            entry.coded_bytes,
            entry.bytes,
            entry.form,
            printable(&entry.path),
            printable(&entry.against)
        ));
    }
    lines.join("\n") + "\n"
}

/// A path without bytes that a terminal would obey.
fn printable(path: &str) -> String {
    path.chars()
        .map(|letter| if letter.is_control() { '?' } else { letter })
        .collect()
}
