//! Rows found by their key: 16 bytes a row, however long the names are.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::Row;

/// Where the row of each key is.
pub struct Keyed<'a> {
    rows: &'a [Row],
    /// The hash of a row's key and the row's place, in order.
    places: Vec<(u64, usize)>,
}

/// The places of the rows' keys.
pub fn keyed(rows: &[Row]) -> Keyed<'_> {
    let places = rows.iter().enumerate().map(|(at, row)| (hash(row), at));
    let mut places: Vec<(u64, usize)> = places.collect();
    places.sort_unstable();
    Keyed { rows, places }
}

impl<'a> Keyed<'a> {
    /// The row of the same act as `row`.
    pub fn find(&self, row: &Row) -> Option<&'a Row> {
        let hash = hash(row);
        let from = self.places.partition_point(|(known, _)| *known < hash);
        let same = self.places[from..]
            .iter()
            .take_while(|(known, _)| *known == hash);
        same.map(|(_, at)| &self.rows[*at])
            .find(|found| found.key() == row.key())
    }

    /// The place of the first row whose act has a row before it.
    pub fn twice(&self) -> Option<usize> {
        let alike = self.places.chunk_by(|one, next| one.0 == next.0);
        let second = alike.filter(|alike| alike.len() > 1).flat_map(|alike| {
            alike.iter().enumerate().filter_map(|(nth, (_, at))| {
                let before = &alike[..nth];
                let key = self.rows[*at].key();
                before
                    .iter()
                    .any(|(_, other)| self.rows[*other].key() == key)
                    .then_some(*at)
            })
        });
        second.min()
    }
}

fn hash(row: &Row) -> u64 {
    // `DefaultHasher::new` has no seed of its own, so that places do not differ from run to run.
    let mut hasher = DefaultHasher::new();
    row.key().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_found_by_its_act_alone_and_the_first_repeated_one_is_told() {
        let row = |image: &str, sample| Row {
            image: image.into(),
            sample,
            ..Row::default()
        };
        let rows = [
            row("a", 1),
            row("b", 1),
            row("a", 2),
            row("b", 1),
            row("a", 1),
        ];
        let keyed = keyed(&rows);
        let asked = Row {
            payload_bytes: Some(7),
            ..row("a", 2)
        };
        assert_eq!(keyed.find(&asked), Some(&rows[2]));
        assert_eq!(keyed.find(&row("c", 1)), None);
        assert_eq!(keyed.twice(), Some(3));
        assert_eq!(super::keyed(&rows[..3]).twice(), None);
    }
}
