//! Assumptions: what rows cannot know and a choice hangs on, read from a TOML file with defaults of its own.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::words::meant;

/// The file of defaults, with the sources of its figures.
pub const DEFAULTS: &str = include_str!("assume/assumptions.toml");

/// The fleet, the prices and the links.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assumptions {
    pub fleet: Fleet,
    pub price: Prices,
    #[serde(rename = "link")]
    pub links: Vec<Link>,
    /// Where they come from, in words.
    #[serde(skip, default = "built_in")]
    pub origin: String,
}

fn built_in() -> String {
    format!("the defaults of delta-lab {}", env!("CARGO_PKG_VERSION"))
}

/// Who updates, how often, and over which link. Counts are `f64`, so that one search turns every input.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fleet {
    pub devices: f64,
    pub releases_per_year: f64,
    /// A device that is n releases behind updates to every n-th release alone.
    pub releases_behind: f64,
    pub releases_kept: f64,
    /// Name of one of the links.
    pub link: String,
    /// Whether methods count that move the unpacked tree and cannot give the archive back.
    pub trees: bool,
    pub device_memory_bytes: Option<f64>,
}

/// In US dollars.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    pub egress_gb: f64,
    pub requests_million: f64,
    pub storage_gb_month: f64,
    pub build_hour: f64,
    pub device_hour: f64,
    pub data_gb: f64,
    /// From the edge of a content delivery network to clients. Files of earlier releases lack these three.
    #[serde(default = "cdn_gb")]
    pub cdn_gb: f64,
    #[serde(default = "cdn_requests_million")]
    pub cdn_requests_million: f64,
    /// From the origin to that edge.
    #[serde(default = "cdn_fill_gb")]
    pub cdn_fill_gb: f64,
}

fn cdn_gb() -> f64 {
    0.085
}

fn cdn_requests_million() -> f64 {
    0.75
}

fn cdn_fill_gb() -> f64 {
    0.0
}

/// The road between a server and a device.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    pub name: String,
    pub bits_per_s: f64,
    pub round_trip_ms: f64,
    /// Requests that a client keeps in flight.
    pub parallel: f64,
}

impl Default for Assumptions {
    fn default() -> Assumptions {
        Assumptions::parse(DEFAULTS).expect("a test parses the defaults")
    }
}

impl Assumptions {
    /// Reads a file's text.
    ///
    /// # Errors
    /// When a key is missing or unknown, a number is out of range, or the fleet's link is not among the links.
    pub fn parse(text: &str) -> Result<Assumptions> {
        let assumed: Assumptions = toml::from_str(text)?;
        assumed.check()?;
        Ok(assumed)
    }

    /// Fails when a number is out of range or the fleet's link is unknown; the error names the key.
    pub fn check(&self) -> Result<()> {
        let (fleet, price) = (&self.fleet, &self.price);
        let counts = [
            ("fleet.devices", fleet.devices),
            ("fleet.releases_per_year", fleet.releases_per_year),
            ("fleet.releases_behind", fleet.releases_behind),
            ("fleet.releases_kept", fleet.releases_kept),
        ];
        for (key, value) in counts {
            ensure!(
                value.is_finite() && value > 0.0 && value <= 1e12,
                "{key} is {value}; it must be above 0 and at most a million million"
            );
        }
        ensure!(
            fleet.releases_behind.fract() == 0.0,
            "fleet.releases_behind is {}; it must be a whole number",
            fleet.releases_behind
        );
        let memory = fleet.device_memory_bytes.unwrap_or(0.0);
        let prices = [
            ("fleet.device_memory_bytes", memory),
            ("price.egress_gb", price.egress_gb),
            ("price.requests_million", price.requests_million),
            ("price.storage_gb_month", price.storage_gb_month),
            ("price.build_hour", price.build_hour),
            ("price.device_hour", price.device_hour),
            ("price.data_gb", price.data_gb),
            ("price.cdn_gb", price.cdn_gb),
            ("price.cdn_requests_million", price.cdn_requests_million),
            ("price.cdn_fill_gb", price.cdn_fill_gb),
        ];
        for (key, value) in prices {
            ensure!(
                value.is_finite() && value >= 0.0,
                "{key} is {value}; it must be 0 or more"
            );
        }
        for (at, link) in self.links.iter().enumerate() {
            link.check()?;
            let twice = self.links[..at].iter().any(|it| it.name == link.name);
            ensure!(!twice, "link `{}` is listed twice", link.name);
        }
        self.link().map(|_| ())
    }

    /// The fleet's link.
    ///
    /// # Errors
    /// When no link has its name.
    pub fn link(&self) -> Result<&Link> {
        let name = &self.fleet.link;
        let known = || self.links.iter().map(|link| link.name.as_str());
        let mut links = self.links.iter();
        links
            .find(|link| link.name.eq_ignore_ascii_case(name))
            .with_context(|| format!("no link `{name}`{}", meant(name, known())))
    }

    /// The fleet's link, to be changed; the first where none has its name, which `check` has ruled out.
    pub(super) fn link_mut(&mut self) -> Option<&mut Link> {
        let name = self.fleet.link.clone();
        let mut links = self.links.iter_mut();
        links.find(|link| link.name.eq_ignore_ascii_case(&name))
    }
}

impl Link {
    fn check(&self) -> Result<()> {
        let name = &self.name;
        ensure!(!name.is_empty(), "a link has no name");
        ensure!(
            self.bits_per_s.is_finite() && self.bits_per_s > 0.0,
            "link `{name}`: bits_per_s is {}; it must be above 0",
            self.bits_per_s
        );
        ensure!(
            self.round_trip_ms.is_finite() && self.round_trip_ms >= 0.0,
            "link `{name}`: round_trip_ms is {}; it must be 0 or more",
            self.round_trip_ms
        );
        ensure!(
            self.parallel.is_finite() && self.parallel >= 1.0,
            "link `{name}`: parallel is {}; it must be 1 or more",
            self.parallel
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_a_file_that_reads() {
        let assumed = Assumptions::parse(DEFAULTS).unwrap();
        assert_eq!(assumed.link().unwrap().name, "4G");
        assert!(
            assumed
                .links
                .is_sorted_by(|one, next| one.bits_per_s <= next.bits_per_s)
        );
    }

    #[test]
    fn a_file_of_an_earlier_release_has_the_prices_that_the_defaults_have() {
        let old: Vec<&str> = DEFAULTS
            .lines()
            .filter(|line| !line.starts_with("cdn_"))
            .collect();
        assert_eq!(old.len() + 3, DEFAULTS.lines().count());
        let old = Assumptions::parse(&old.join("\n")).unwrap();
        assert_eq!(old, Assumptions::parse(DEFAULTS).unwrap());
    }

    #[test]
    fn a_file_that_makes_no_sense_is_refused_by_key() {
        let cases = [
            ("devices = 1000", "devices = 0", "fleet.devices is 0"),
            (
                "link = \"4G\"",
                "link = \"5G\"",
                "no link `5G`; did you mean",
            ),
            (
                "egress_gb = 0.09",
                "egress_gb = -1",
                "price.egress_gb is -1",
            ),
            (
                "egress_gb = 0.09",
                "egres_gb = 1",
                "unknown field `egres_gb`",
            ),
            (
                "releases_behind = 1",
                "releases_behind = 1.5",
                "whole number",
            ),
            (
                "parallel = 1",
                "parallel = 0",
                "link `modem`: parallel is 0",
            ),
            (
                "bits_per_s = 56_000",
                "bits_per_s = nan",
                "link `modem`: bits_per_s",
            ),
            (
                "name = \"3G\"",
                "name = \"4G\"",
                "link `4G` is listed twice",
            ),
        ];
        for (from, to, says) in cases {
            let text = DEFAULTS.replacen(from, to, 1);
            assert_ne!(text, DEFAULTS, "{from}");
            let why = format!("{:#}", Assumptions::parse(&text).unwrap_err());
            assert!(why.contains(says), "{to}: {why}");
        }
    }

    #[test]
    fn the_link_that_is_changed_is_the_fleets_however_its_name_is_written() {
        let mut assumed = Assumptions::parse(&DEFAULTS.replace("\"4G\"", "\"4g\"")).unwrap();
        assumed.fleet.link = "4G".into();
        assumed.link_mut().unwrap().bits_per_s = 7.0;
        assert_eq!(assumed.link().unwrap().bits_per_s, 7.0);
        assumed.fleet.link = "5G".into();
        assert!(assumed.link_mut().is_none());
    }
}
