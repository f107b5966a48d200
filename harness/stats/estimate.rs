//! What an update will download, from rows: one line a method.

use std::collections::BTreeMap;

use crate::record::{Results, Row, Verb};

use super::transfer_bytes;

/// What one method moves.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimated {
    pub method: String,
    /// Bodies in both directions.
    pub bytes: u64,
    pub requests: u64,
    pub image_bytes: u64,
    /// The results folder that says so, and when it was made.
    pub from: String,
}

/// The updates of the image with the sha256 `image` by a client of `base`, of every method that the results have
/// verified, the smallest first. Where several folders know a method, the first counts.
pub fn estimates(results: &[Results], base: &str, image: &str) -> Vec<Estimated> {
    let mut known: BTreeMap<&str, Estimated> = BTreeMap::new();
    for folder in results {
        for row in folder.rows.iter().filter(|row| is_it(row, base, image)) {
            let Some(bytes) = transfer_bytes(row) else {
                continue;
            };
            known.entry(&row.method).or_insert_with(|| Estimated {
                method: row.method.to_string(),
                bytes,
                requests: row.requests.unwrap_or(0),
                image_bytes: row.image_bytes,
                from: told(folder),
            });
        }
    }
    let mut known: Vec<Estimated> = known.into_values().collect();
    known.sort_by(|one, other| (one.bytes, &one.method).cmp(&(other.bytes, &other.method)));
    known
}

/// A verified update from this base to this image, under no fault and no detour.
fn is_it(row: &Row, base: &str, image: &str) -> bool {
    let plain = row.case.axes().all(|(axis, value)| match axis {
        "policy" | "cores" => true,
        "fault" => value == "none",
        "road" => value == "direct",
        _ => false,
    });
    row.verb == Verb::Update
        && row.verified()
        && row.image_sha256 == image
        && row.bases_sha256 == base
        && plain
}

fn told(folder: &Results) -> String {
    let day = folder.host.started.get(..10).unwrap_or_default();
    format!("{} {day}", folder.dir.display())
        .trim_end()
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::fixture::results;

    #[test]
    fn rows_are_found_by_the_images_bytes_whatever_the_images_are_called() {
        let mut run = results("any", 4, 2, 2);
        let (base, image) = ("old", "new");
        for row in &mut run.rows {
            row.image_sha256 = if row.image == "v2" { image } else { base }.into();
            row.bases_sha256 = if row.bases.is_empty() { "" } else { base }.into();
        }
        // The full update of a method stands before the one from the base, or behind it.
        let mut back = run.clone();
        back.rows.reverse();
        let bytes = |run: Results| -> Vec<u64> {
            let found = estimates(&[run], base, image);
            found.iter().map(|it| it.bytes).collect()
        };
        assert_eq!(bytes(back), bytes(run.clone()));
        let runs = [run];
        let found = estimates(&runs, base, image);
        let methods: Vec<&str> = found.iter().map(|it| it.method.as_str()).collect();
        assert_eq!(methods, ["xdelta3", "fastcdc/64k", "gzip/6", "raw"]);
        assert_eq!(found[0].from, "results/invented 2026-11-22");
        let [run] = &runs;
        for estimated in &found {
            let row = run.rows.iter().find(|row| {
                (row.verb, row.method.as_str(), row.image.as_str())
                    == (Verb::Update, estimated.method.as_str(), "v2")
                    && !row.bases.is_empty()
            });
            assert_eq!(Some(estimated.bytes), row.unwrap().payload_bytes);
        }
        assert_eq!(estimates(&runs, image, base), []);
    }
}
