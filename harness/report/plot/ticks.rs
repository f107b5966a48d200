//! Tick labels by unit: short, round, and each its own unit.

use super::super::units;

/// Bytes in decimal units: `50 MB`.
pub fn bytes(value: f64) -> String {
    units::round(units::bytes(value.round() as i64))
}

/// Nanoseconds: `1 s`.
pub fn time(ns: f64) -> String {
    units::round(units::time(ns.round() as u64))
}

/// Whole numbers: `12,000`.
pub fn count(value: f64) -> String {
    units::count(value.round() as i64)
}

/// A share or a quotient: `0.05`, `2`.
pub fn ratio(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// Powers of two as chunk sizes and windows are written: `64k`, `8M`.
pub fn binary(bytes: f64) -> String {
    const KIB: f64 = 1024.0;
    let units = [
        ("G", KIB * KIB * KIB),
        ("M", KIB * KIB),
        ("k", KIB),
        ("", 1.0),
    ];
    let (unit, one) = units
        .into_iter()
        .find(|(_, one)| bytes >= *one)
        .unwrap_or(("", 1.0));
    format!("{}{unit}", ratio((bytes / one * 10.0).round() / 10.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_read_well_in_every_unit() {
        assert_eq!([5e7, 2.5e3, 0.0].map(bytes), ["50 MB", "2.5 kB", "0 B"]);
        assert_eq!([1e9, 1.5e6].map(time), ["1 s", "1.5 ms"]);
        assert_eq!([0.0, 12_000.0].map(count), ["0", "12,000"]);
        assert_eq!([0.05, 0.2, 2.0, 0.0].map(ratio), ["0.05", "0.2", "2", "0"]);
        let sizes = [512.0, 65_536.0, 1_048_576.0, 8_388_608.0, 1_572_864.0];
        assert_eq!(sizes.map(binary), ["512", "64k", "1M", "8M", "1.5M"]);
    }
}
