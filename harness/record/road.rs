//! Roads: what stands between a store and its clients, as the axis `road` names it, and how many clients take it, as
//! the axis `clients` does.

use anyhow::{Context, Result, bail, ensure};

use crate::words;

/// A road by name.
#[derive(Debug, PartialEq, Eq)]
pub struct Road {
    pub name: &'static str,
    pub about: &'static str,
    /// The object store that holds what was published, by whom it may be read; without one, the lab itself serves it.
    pub bucket: Option<Access>,
    /// Whether a caching proxy stands in front.
    pub cache: bool,
}

/// Who may read an object of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Whoever knows its name.
    Public,
    /// Whoever holds a presigned URL of that object.
    Signed,
}

/// Every road. A new one is a line here.
pub const ROADS: &[Road] = &[
    Road {
        name: Road::DIRECT,
        about: "the lab serves the store's folder",
        bucket: None,
        cache: false,
    },
    Road {
        name: "s3",
        about: "an S3 object store that everybody may read",
        bucket: Some(Access::Public),
        cache: false,
    },
    Road {
        name: "cdn",
        about: "a caching proxy before such a store, empty at first",
        bucket: Some(Access::Public),
        cache: true,
    },
    Road {
        name: "presigned",
        about: "a private S3 object store, read by presigned URLs, each of one object",
        bucket: Some(Access::Signed),
        cache: false,
    },
];

impl Road {
    /// The axis of a case that names a road.
    pub const AXIS: &str = "road";
    /// Its value where the axis is not turned.
    pub const DIRECT: &str = "direct";

    /// The road of that name; the error names the nearest right word.
    pub fn named(name: &str) -> Result<&'static Road> {
        match ROADS.iter().find(|road| road.name == name) {
            Some(road) => Ok(road),
            None => bail!(
                "no road `{name}`{}",
                words::meant(name, ROADS.iter().map(|road| road.name))
            ),
        }
    }
}

/// How many clients make the same update, one after another.
pub struct Clients;

impl Clients {
    /// The axis of a case that says how many.
    pub const AXIS: &str = "clients";
    /// Its value where the axis is not turned.
    pub const ONE: &str = "1";
    /// Each of them is run and verified.
    pub const MOST: u32 = 1000;

    /// How many a value of the axis says.
    pub fn named(value: &str) -> Result<u32> {
        let how = || format!("clients = `{value}`: write a whole number, such as `20`");
        let clients: u32 = value.parse().ok().with_context(how)?;
        ensure!(clients.to_string() == value, how());
        ensure!(
            (1..=Clients::MOST).contains(&clients),
            "clients = {clients}: it may be 1 to {}",
            Clients::MOST
        );
        Ok(clients)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_road_is_found_by_its_name_and_a_wrong_one_names_the_nearest() {
        for road in ROADS {
            assert_eq!(Road::named(road.name).unwrap(), road);
        }
        let why = Road::named("cnd").unwrap_err().to_string();
        assert_eq!(why, "no road `cnd`; did you mean `cdn`?");
    }

    #[test]
    fn clients_are_a_plain_whole_number_within_bounds() {
        assert_eq!(Clients::named("20").unwrap(), 20);
        for value in ["0", "1001", "020", "+3", "two", ""] {
            assert!(Clients::named(value).is_err(), "{value}");
        }
    }
}
