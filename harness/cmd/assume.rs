//! The flags that say what rows cannot know: a file of assumptions, and single ones of them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::record::replace;
use crate::stats::assume::Assumptions;

/// Where a results folder keeps the assumptions that its report was made with.
const KEPT: &str = "assumptions.toml";

#[derive(clap::Args)]
pub struct Assume {
    /// TOML with the fleet, prices and links [default: assumptions.toml in the results folder, else built in: --print-assumptions of `recommend` prints them]
    #[arg(long, value_name = "FILE")]
    pub assume: Option<PathBuf>,
}

impl Assume {
    /// The file's, else those that the results folder keeps, else the defaults.
    pub fn read(&self, dir: &Path) -> Result<Assumptions> {
        let kept = dir.join(KEPT);
        let (path, origin) = match &self.assume {
            Some(path) => (path.clone(), path.display().to_string()),
            None if kept.is_file() => (kept, format!("{KEPT} in this folder")),
            None => return Ok(Assumptions::default()),
        };
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let mut assumed =
            Assumptions::parse(&text).with_context(|| format!("in {}", path.display()))?;
        assumed.origin = origin;
        Ok(assumed)
    }

    /// The same for a report, whose folder keeps a copy of the file, so that the next report assumes the same.
    pub fn keep(&self, dir: &Path) -> Result<Assumptions> {
        let mut assumed = self.read(dir)?;
        if let Some(path) = &self.assume {
            let text = fs::read(path).with_context(|| format!("read {}", path.display()))?;
            replace(&dir.join(KEPT), &text)?;
            assumed.origin = format!("{KEPT} in this folder");
        }
        Ok(assumed)
    }
}

/// Single assumptions, each in place of the file's.
#[derive(clap::Args)]
#[command(next_help_heading = "Instead of the file's")]
pub struct Single {
    /// How many devices update
    #[arg(long, value_name = "N")]
    devices: Option<f64>,
    /// Releases a year
    #[arg(long, value_name = "N")]
    releases: Option<f64>,
    /// Devices update to only every N-th release
    #[arg(long, value_name = "N")]
    behind: Option<f64>,
    /// Releases that the server keeps
    #[arg(long, value_name = "N")]
    kept: Option<f64>,
    /// Name of the devices' link, such as 3G
    #[arg(long, value_name = "NAME")]
    link: Option<String>,
    /// Memory that an update may take on a device, such as 256MB
    #[arg(long, value_name = "SIZE")]
    memory: Option<bytesize::ByteSize>,
    /// Also count methods that move the unpacked tree and cannot give the archive back
    #[arg(long)]
    trees: bool,
    /// Dollars for a GB out of the server
    #[arg(long, value_name = "USD")]
    egress: Option<f64>,
    /// Dollars for a million requests
    #[arg(long, value_name = "USD")]
    requests: Option<f64>,
    /// Dollars for a GB stored for a month
    #[arg(long, value_name = "USD")]
    storage: Option<f64>,
    /// Dollars for an hour of a build machine
    #[arg(long, value_name = "USD")]
    build_hour: Option<f64>,
    /// Dollars for an hour of a device that updates
    #[arg(long, value_name = "USD")]
    device_hour: Option<f64>,
    /// Dollars that a device pays for a GB on its link
    #[arg(long, value_name = "USD")]
    data: Option<f64>,
}

impl Single {
    /// Puts what was given in place of the file's.
    pub fn put_into(&self, assumed: &mut Assumptions) {
        let (fleet, price) = (&mut assumed.fleet, &mut assumed.price);
        let given = [
            (self.devices, &mut fleet.devices),
            (self.releases, &mut fleet.releases_per_year),
            (self.behind, &mut fleet.releases_behind),
            (self.kept, &mut fleet.releases_kept),
            (self.egress, &mut price.egress_gb),
            (self.requests, &mut price.requests_million),
            (self.storage, &mut price.storage_gb_month),
            (self.build_hour, &mut price.build_hour),
            (self.device_hour, &mut price.device_hour),
            (self.data, &mut price.data_gb),
        ];
        for (value, place) in given {
            if let Some(value) = value {
                *place = value;
            }
        }
        if let Some(link) = &self.link {
            fleet.link.clone_from(link);
        }
        if let Some(memory) = self.memory {
            fleet.device_memory_bytes = Some(memory.0 as f64);
        }
        fleet.trees |= self.trees;
    }
}
