//! Inputs: the amounts of a recommendation that are turned to see whether the pick hangs on them.

use super::Assumptions;

/// What an input is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// A whole number of things.
    Count,
    Dollars,
    BitsPerSecond,
    Milliseconds,
}

/// An input of the recommendation.
pub struct Input {
    /// As in the file of assumptions.
    pub key: &'static str,
    /// In words, for a sentence such as `at $2 or more for a GB of egress` or `with 3 devices or more`.
    pub words: &'static str,
    pub scale: Scale,
    pub get: fn(&Assumptions) -> f64,
    pub set: fn(&mut Assumptions, f64),
}

/// Every input that is turned. Memory, the link's name and trees are choices, not amounts.
pub const INPUTS: &[Input] = &[
    input(
        "fleet.devices",
        "devices",
        Scale::Count,
        |a| a.fleet.devices,
        |a, v| a.fleet.devices = v,
    ),
    input(
        "fleet.releases_per_year",
        "releases a year",
        Scale::Count,
        |a| a.fleet.releases_per_year,
        |a, v| a.fleet.releases_per_year = v,
    ),
    input(
        "fleet.releases_behind",
        "releases behind",
        Scale::Count,
        |a| a.fleet.releases_behind,
        |a, v| a.fleet.releases_behind = v,
    ),
    input(
        "fleet.releases_kept",
        "releases kept",
        Scale::Count,
        |a| a.fleet.releases_kept,
        |a, v| a.fleet.releases_kept = v,
    ),
    input(
        "price.egress_gb",
        "a GB of egress",
        Scale::Dollars,
        |a| a.price.egress_gb,
        |a, v| a.price.egress_gb = v,
    ),
    input(
        "price.requests_million",
        "a million requests",
        Scale::Dollars,
        |a| a.price.requests_million,
        |a, v| a.price.requests_million = v,
    ),
    input(
        "price.storage_gb_month",
        "a GB stored for a month",
        Scale::Dollars,
        |a| a.price.storage_gb_month,
        |a, v| a.price.storage_gb_month = v,
    ),
    input(
        "price.build_hour",
        "an hour of a build machine",
        Scale::Dollars,
        |a| a.price.build_hour,
        |a, v| a.price.build_hour = v,
    ),
    input(
        "price.device_hour",
        "an hour of a device",
        Scale::Dollars,
        |a| a.price.device_hour,
        |a, v| a.price.device_hour = v,
    ),
    input(
        "price.data_gb",
        "a GB of device data",
        Scale::Dollars,
        |a| a.price.data_gb,
        |a, v| a.price.data_gb = v,
    ),
    input(
        "link.bits_per_s",
        "a bandwidth",
        Scale::BitsPerSecond,
        |a| a.link().map_or(f64::NAN, |it| it.bits_per_s),
        |a, v| {
            if let Some(link) = a.link_mut() {
                link.bits_per_s = v;
            }
        },
    ),
    input(
        "link.round_trip_ms",
        "a round trip",
        Scale::Milliseconds,
        |a| a.link().map_or(f64::NAN, |it| it.round_trip_ms),
        |a, v| {
            if let Some(link) = a.link_mut() {
                link.round_trip_ms = v;
            }
        },
    ),
];

const fn input(
    key: &'static str,
    words: &'static str,
    scale: Scale,
    get: fn(&Assumptions) -> f64,
    set: fn(&mut Assumptions, f64),
) -> Input {
    Input {
        key,
        words,
        scale,
        get,
        set,
    }
}
