//! The rules of a team: which method it ships by, what its clients have, and how much an update may grow.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use bytesize::ByteSize;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::words;

/// rules.toml, checked.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// The team's own method first; the verdict speaks of it.
    pub methods: Vec<String>,
    /// Images of the releases that clients have.
    #[serde(default)]
    pub from: Vec<String>,
    /// Of every method.
    #[serde(default)]
    limits: Limits,
    /// Of one method; what is not named there is as in `limits`.
    #[serde(default)]
    method: BTreeMap<String, Limits>,
    #[serde(default, rename = "waiver")]
    pub waivers: Vec<Waiver>,
}

/// What an update may cost. What is not given is not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// How much more clients of a release may fetch than before the change.
    pub delta_grows: Option<Size>,
    /// How much more a client with nothing may fetch.
    pub full_grows: Option<Size>,
    /// How much more the server may store for this release.
    pub storage_grows: Option<Size>,
    /// The largest share that an update may be of a full download.
    pub delta_share: Option<f64>,
    /// The most requests of an update.
    pub requests: Option<u64>,
}

/// A limit that may be passed for a time, and why.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    /// Name of the limit, such as `delta_grows`.
    pub limit: String,
    /// How far it may be passed: the figure that the limit would be.
    pub up_to: Size,
    /// The last day, such as `2026-12-31`.
    pub until: String,
    pub why: String,
}

/// The names of the limits.
pub const LIMITS: [&str; 5] = [
    "delta_grows",
    "full_grows",
    "storage_grows",
    "delta_share",
    "requests",
];

/// A number of bytes, written as such or as `"1.5 MB"`.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Size(pub f64);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Size, D::Error> {
        let said = toml::Value::deserialize(from)?;
        let size = match &said {
            toml::Value::Integer(bytes) => *bytes as f64,
            toml::Value::Float(number) => *number,
            toml::Value::String(text) => {
                let size: Result<ByteSize, String> = text.parse();
                size.map_err(|_| {
                    D::Error::custom(format!("`{text}` is no size such as \"1.5 MB\""))
                })?
                .as_u64() as f64
            }
            _ => {
                return Err(D::Error::custom(format!(
                    "`{said}` is no size such as \"1.5 MB\""
                )));
            }
        };
        if !size.is_finite() || size < 0.0 {
            return Err(D::Error::custom(format!("`{said}` is below nothing")));
        }
        Ok(Size(size))
    }
}

impl Rules {
    /// The rules of a file; the error names the file and the nearest right word.
    pub fn read(path: &Path) -> Result<Rules> {
        let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        Rules::parse(&text).with_context(|| format!("{}", path.display()))
    }

    pub(super) fn parse(text: &str) -> Result<Rules> {
        let rules: Rules = toml::from_str(text)?;
        ensure!(!rules.methods.is_empty(), "`methods` names no method");
        for name in rules.method.keys() {
            ensure!(
                rules.methods.contains(name),
                "[method.\"{name}\"]: `methods` does not name it{}",
                words::meant(name, rules.methods.iter().map(String::as_str))
            );
        }
        let all = rules.method.values().chain([&rules.limits]);
        for share in all.filter_map(|limits| limits.delta_share) {
            ensure!(
                share.is_finite() && share >= 0.0,
                "delta_share = {share}: 0.25 is a quarter of a full download"
            );
        }
        for waiver in &rules.waivers {
            waiver.check()?;
        }
        Ok(rules)
    }

    /// The limits of a method.
    pub fn limits(&self, method: &str) -> Limits {
        let own = self.method.get(method).copied().unwrap_or_default();
        let all = self.limits;
        Limits {
            delta_grows: own.delta_grows.or(all.delta_grows),
            full_grows: own.full_grows.or(all.full_grows),
            storage_grows: own.storage_grows.or(all.storage_grows),
            delta_share: own.delta_share.or(all.delta_share),
            requests: own.requests.or(all.requests),
        }
    }
}

impl Waiver {
    fn check(&self) -> Result<()> {
        if !LIMITS.contains(&self.limit.as_str()) {
            bail!(
                "a waiver of `{}`{}",
                self.limit,
                words::meant(&self.limit, LIMITS.into_iter())
            );
        }
        ensure!(!self.why.trim().is_empty(), "a waiver says `why`");
        let until: Result<jiff::civil::Date, _> = self.until.parse();
        until
            .with_context(|| format!("until = \"{}\": a day is written 2026-12-31", self.until))?;
        Ok(())
    }

    /// Whether it still counts on a day; days are compared as they are written.
    pub fn counts(&self, today: &str) -> bool {
        today <= self.until.as_str()
    }
}
