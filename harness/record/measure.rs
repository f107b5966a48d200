//! Measures: the named figures of a row. The one table that columns, charts, gates and expectations read.

use super::Row;

/// What a figure counts, and so how it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Bytes,
    Nanoseconds,
    Count,
}

/// A named figure of a row. Less is better of each.
#[derive(Debug)]
pub struct Measure {
    /// As in rows.csv where it is a column there, with its unit.
    pub name: &'static str,
    /// What it is, in a few words for a reader.
    pub about: &'static str,
    pub unit: Unit,
    /// A column of rows.csv; the others are worked out from columns.
    pub column: bool,
    /// Decided by the inputs and the method's version alone, so that two runs must agree on it to the byte.
    pub exact: bool,
    /// `None` where the row has no such figure.
    pub of: fn(&Row) -> Option<i128>,
}

/// Every measure.
pub const MEASURES: &[Measure] = &[
    exact("image_bytes", "size of the image", Unit::Bytes, |row| {
        Some(row.image_bytes.into())
    }),
    exact("payload_bytes", "response bodies", Unit::Bytes, |row| {
        row.payload_bytes.map(Into::into)
    }),
    exact("header_bytes", "heads and framing", Unit::Bytes, |row| {
        row.header_bytes.map(Into::into)
    }),
    exact("upload_bytes", "request bodies", Unit::Bytes, |row| {
        row.upload_bytes.map(Into::into)
    }),
    // Heads are left out: they differ by client and server, not by method, and have a measure of their own.
    Measure {
        column: false,
        ..exact(
            "transfer_bytes",
            "bodies in both directions",
            Unit::Bytes,
            |row| {
                row.payload_bytes
                    .map(|payload| i128::from(payload) + i128::from(row.upload_bytes.unwrap_or(0)))
            },
        )
    },
    exact("requests", "requests", Unit::Count, |row| {
        row.requests.map(Into::into)
    }),
    exact(
        "store_bytes",
        "bytes added to the store",
        Unit::Bytes,
        |row| row.store_bytes.map(Into::into),
    ),
    exact(
        "store_files",
        "files added to the store",
        Unit::Count,
        |row| row.store_files.map(Into::into),
    ),
    drifting("wall_ns", "wall time", Unit::Nanoseconds, |row| {
        row.wall_ns.map(Into::into)
    }),
    drifting("cpu_ns", "processor time", Unit::Nanoseconds, |row| {
        row.cpu_ns.map(Into::into)
    }),
    drifting("peak_rss_bytes", "peak memory", Unit::Bytes, |row| {
        row.peak_rss_bytes.map(Into::into)
    }),
    drifting(
        "base_read_bytes",
        "read of the base from disk",
        Unit::Bytes,
        |row| row.base_read_bytes.map(Into::into),
    ),
];

/// The probe by whose measures a base can be chosen.
pub const SIMILARITY: &str = "similarity";

/// The measures of how well bases are chosen by such a measure, over all targets: the mean of delta with the chosen base over
/// delta with the best one, and Spearman's rho of measure and delta, both in millionths; and the place among all measures, to a
/// thousandth.
pub const CHOSEN: &[&str] = &["regret_ppm", "regret_place", "rho_ppm"];

/// The measure of that name.
pub fn measure(name: &str) -> Option<&'static Measure> {
    MEASURES.iter().find(|measure| measure.name == name)
}

const fn exact(
    name: &'static str,
    about: &'static str,
    unit: Unit,
    of: fn(&Row) -> Option<i128>,
) -> Measure {
    Measure {
        name,
        about,
        unit,
        column: true,
        exact: true,
        of,
    }
}

/// A figure that differs from run to run.
const fn drifting(
    name: &'static str,
    about: &'static str,
    unit: Unit,
    of: fn(&Row) -> Option<i128>,
) -> Measure {
    Measure {
        exact: false,
        ..exact(name, about, unit, of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_measure_has_a_name_of_its_own_that_ends_in_its_unit() {
        for (at, one) in MEASURES.iter().enumerate() {
            assert!(MEASURES[..at].iter().all(|other| other.name != one.name));
            let ending = match one.unit {
                Unit::Bytes => "_bytes",
                Unit::Nanoseconds => "_ns",
                Unit::Count => "s",
            };
            assert!(one.name.ends_with(ending), "{}", one.name);
        }
    }

    #[test]
    fn what_crosses_the_wire_counts_in_both_directions() {
        let transfer = measure("transfer_bytes").unwrap();
        let row = |payload_bytes| Row {
            payload_bytes,
            upload_bytes: Some(24),
            ..Row::default()
        };
        assert_eq!((transfer.of)(&row(Some(1000))), Some(1024));
        assert_eq!((transfer.of)(&row(None)), None);
    }
}
