//! The link sheet as a table, for inks whose readers cannot change the links.

use crate::record::Unit;
use crate::stats::Pays;

use super::block::{Cell, Column, Grid, Keep, METHOD, NO_FIGURE, Sheet, SheetRow};
use super::units;

impl Sheet {
    /// A row for each update, a column for each link, and up to which bandwidth it pays.
    pub fn grid(&self) -> Grid {
        let names = self.rows.iter().map(|row| row.name.as_str());
        let names = Column::names(Keep::Always, "update over a link", names.collect());
        let mut columns = vec![names.measuring(METHOD, None)];
        for (at, link) in self.links.iter().enumerate() {
            let keep = if at == self.chosen {
                Keep::Key
            } else {
                Keep::Helpful
            };
            let cell = |row: &SheetRow| Cell {
                text: seconds(link.seconds(&row.cost)),
                value: Some((link.seconds(&row.cost) * 1e9) as i128),
                of: Some(row.of.clone()),
            };
            let cells: Vec<Cell> = self.rows.iter().map(cell).collect();
            let head = format!("{} ({})", link.name, bandwidth(link.bits_per_s));
            let times = Column::figures(keep, &link.name, head, cells);
            columns.push(times.measuring("time", Some(Unit::Nanoseconds)));
        }
        let pays = self.rows.iter().map(|row| self.pays(row)).collect();
        columns.push(Column::figures(Keep::Key, "pays", "pays up to", pays));
        Grid { columns }
    }

    /// Up to which bandwidth a delta is quicker than every full download.
    pub fn pays(&self, row: &SheetRow) -> Cell {
        let Some(link) = self.links.get(self.chosen).filter(|_| row.delta) else {
            return NO_FIGURE.into();
        };
        let fulls: Vec<_> = self.fulls.iter().collect();
        match link.pays(&row.cost, &fulls) {
            Pays::Always => "always".into(),
            Pays::Never => "never".into(),
            Pays::Below(bits) => Cell {
                value: Some(bits as i128),
                ..bandwidth(bits).into()
            },
        }
    }
}

/// `5.93 s`, `12.3 min`, `3.20 h`, from seconds. Minutes begin early, so that a column of times compares at a glance.
pub fn seconds(seconds: f64) -> String {
    let digits = |value: f64| match value {
        99.95.. => format!("{value:.0}"),
        9.995.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    };
    match seconds {
        36_000.0.. => format!("{} h", digits(seconds / 3600.0)),
        600.0.. => format!("{} min", digits(seconds / 60.0)),
        _ => units::time((seconds * 1e9) as u64),
    }
}

/// `20 Mbit/s`
pub fn bandwidth(bits_per_s: f64) -> String {
    let (value, unit) = match bits_per_s {
        1e9.. => (bits_per_s / 1e9, "Gbit/s"),
        1e6.. => (bits_per_s / 1e6, "Mbit/s"),
        1e3.. => (bits_per_s / 1e3, "kbit/s"),
        _ => (bits_per_s, "bit/s"),
    };
    let digits = match value {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    };
    let digits = match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.'),
        false => &digits,
    };
    format!("{digits} {unit}")
}
