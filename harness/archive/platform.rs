//! The platform an image runs on: `os/architecture[/variant]`, with the names of the OCI image format.

use std::env::consts;
use std::fmt;
use std::str::FromStr;

use anyhow::{Error, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

/// An operating system and an architecture.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Platform {
    os: String,
    architecture: String,
    variant: Option<String>,
}

/// Architectures that Rust names otherwise than the image format, which uses Go's names.
const ARCHITECTURES: &[(&str, &str)] = &[
    ("x86_64", "amd64"),
    ("aarch64", "arm64"),
    ("x86", "386"),
    ("powerpc64", "ppc64le"),
    ("loongarch64", "loong64"),
];

impl Platform {
    /// The platform this program runs on, without a variant.
    pub fn of_this_machine() -> Platform {
        let known = ARCHITECTURES.iter().find(|(ours, _)| *ours == consts::ARCH);
        Platform {
            os: consts::OS.to_string(),
            architecture: known.map_or(consts::ARCH, |(_, theirs)| theirs).to_string(),
            variant: None,
        }
    }

    /// The platform that an image's config states.
    pub fn in_json(config: &Value) -> Platform {
        Platform::deserialize(config).unwrap_or_default()
    }

    /// Whether an image for this platform runs on `wanted`. Variants are compared when both name one.
    pub fn serves(&self, wanted: &Platform) -> bool {
        let variants = self.variant().zip(wanted.variant());
        self.os == wanted.os
            && self.architecture == wanted.architecture
            && variants.is_none_or(|(here, wanted)| here == wanted)
    }

    /// Whether this marks an attestation: build records are stored as images for the platform `unknown`.
    pub fn is_attestation(&self) -> bool {
        self.architecture == "unknown"
    }

    fn variant(&self) -> Option<&str> {
        self.variant
            .as_deref()
            .filter(|variant| !variant.is_empty())
    }
}

impl FromStr for Platform {
    type Err = Error;

    fn from_str(text: &str) -> Result<Platform> {
        let parts: Vec<&str> = text.split('/').collect();
        ensure!(
            (2..=3).contains(&parts.len()) && !parts.contains(&""),
            "platform `{text}`: write os/architecture or os/architecture/variant, for example linux/arm64"
        );
        Ok(Platform {
            os: parts[0].to_string(),
            architecture: parts[1].to_string(),
            variant: parts.get(2).map(|variant| variant.to_string()),
        })
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        if self.os.is_empty() && self.architecture.is_empty() {
            return write!(to, "no stated platform");
        }
        write!(to, "{}/{}", self.os, self.architecture)?;
        self.variant()
            .map_or(Ok(()), |variant| write!(to, "/{variant}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(text: &str) -> Platform {
        text.parse().unwrap()
    }

    #[test]
    fn a_variant_counts_when_both_name_one() {
        assert!(platform("linux/arm/v7").serves(&platform("linux/arm")));
        assert!(platform("linux/arm64").serves(&platform("linux/arm64/v8")));
        assert!(!platform("linux/arm/v6").serves(&platform("linux/arm/v7")));
        assert!(!platform("linux/amd64").serves(&platform("linux/arm64")));
        assert!(!platform("windows/amd64").serves(&platform("linux/amd64")));
    }

    #[test]
    fn a_platform_is_spelt_as_the_image_format_spells_it() {
        assert_eq!(platform("linux/arm/v7").to_string(), "linux/arm/v7");
        for wrong in ["linux", "linux/", "a/b/c/d", ""] {
            assert!(wrong.parse::<Platform>().is_err(), "{wrong}");
        }
        let here = Platform::of_this_machine().to_string();
        assert!(
            here.starts_with("linux/") && !here.contains("x86"),
            "{here}"
        );
        assert_eq!(here == "linux/amd64", cfg!(target_arch = "x86_64"));
        assert_eq!(here == "linux/arm64", cfg!(target_arch = "aarch64"));
        assert_eq!(Platform::default().to_string(), "no stated platform");
        let half = Platform {
            os: "linux".to_string(),
            ..Platform::default()
        };
        assert_eq!(half.to_string(), "linux/");
    }

    #[test]
    fn an_attestation_is_told_from_an_image() {
        assert!(platform("unknown/unknown").is_attestation());
        assert!(!platform("linux/amd64").is_attestation());
    }
}
