//! Figures in words: decimal units and three significant digits, the same everywhere.

/// Bytes as `373 B`, `3.69 MB`, `129 MB`; a negative number keeps its sign.
pub fn bytes(bytes: impl Into<i128>) -> String {
    let bytes = bytes.into();
    let sign = if bytes < 0 { "-" } else { "" };
    let size = bytes.unsigned_abs();
    let units = [(1e3, "kB"), (1e6, "MB"), (1e9, "GB"), (1e12, "TB")];
    match size {
        0..1000 => format!("{sign}{size} B"),
        _ => format!("{sign}{}", in_units(size as f64, &units)),
    }
}

/// Nanoseconds as `850 µs`, `12.3 ms`, `1.24 s`, `16.7 min`.
pub fn time(ns: u64) -> String {
    let units = [
        (1e3, "µs"),
        (1e6, "ms"),
        (1e9, "s"),
        (60e9, "min"),
        (3600e9, "h"),
    ];
    match ns {
        0..1000 => format!("{ns} ns"),
        // Seconds read well far beyond sixty.
        1_000_000_000..999_500_000_000 => in_units(ns as f64, &units[2..3]),
        _ => in_units(ns as f64, &units),
    }
}

/// A count with its thousands apart: `1,064`.
pub fn count(count: impl Into<i128>) -> String {
    let count = count.into();
    let digits = count.unsigned_abs().to_string();
    let mut text = String::from(if count < 0 { "-" } else { "" });
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count of things: `1 file`, `1,064 files`.
pub fn several(things: usize, what: &str) -> String {
    let ending = if things == 1 { "" } else { "s" };
    format!("{} {what}{ending}", count(things as i128))
}

/// A part of a whole in per cent: `1.43 %`.
pub fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".to_string();
    }
    let percent = part as f64 / whole as f64 * 100.0;
    match percent {
        0.0 => "0 %".to_string(),
        ..0.01 => "<0.01 %".to_string(),
        _ => format!("{} %", three_digits(percent)),
    }
}

/// A label without the zeros that only say how exact it is: `1 kB` for `1.00 kB`.
pub fn round(label: String) -> String {
    match label.split_once(' ') {
        Some((number, unit)) if number.contains('.') => {
            let number = number.trim_end_matches('0').trim_end_matches('.');
            format!("{number} {unit}")
        }
        _ => label,
    }
}

fn in_units(value: f64, units: &[(f64, &str)]) -> String {
    let (one, unit) = units
        .iter()
        .find(|(one, _)| value / one < 999.5)
        .or(units.last())
        .expect("every caller names a unit");
    format!("{} {unit}", three_digits(value / one))
}

fn three_digits(value: f64) -> String {
    match value {
        99.95.. => format!("{value:.0}"),
        9.995.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_three_digits_and_decimal_units() {
        let words = [
            0,
            373,
            999,
            1000,
            7600,
            999_499,
            999_500,
            3_689_698,
            257_838_080,
        ]
        .map(bytes);
        assert_eq!(
            words,
            [
                "0 B", "373 B", "999 B", "1.00 kB", "7.60 kB", "999 kB", "1.00 MB", "3.69 MB",
                "258 MB"
            ]
        );
        assert_eq!(bytes(-4096), "-4.10 kB");
        assert_eq!(bytes(u64::MAX), "18446744 TB");
    }

    #[test]
    fn time_goes_from_nanoseconds_to_hours() {
        let words = [0, 850_000, 12_340_000, 1_240_000_000, 95_200_000_000].map(time);
        assert_eq!(words, ["0 ns", "850 µs", "12.3 ms", "1.24 s", "95.2 s"]);
        assert_eq!(time(1_000_000_000_000), "16.7 min");
        assert_eq!(time(7_200_000_000_000), "120 min");
    }

    #[test]
    fn counts_shares_and_round_labels_read_well() {
        assert_eq!(
            [0, 999, 1064, 1_234_567].map(count),
            ["0", "999", "1,064", "1,234,567"]
        );
        assert_eq!(share(3_689_698, 257_838_080), "1.43 %");
        assert_eq!(share(1, 257_838_080), "<0.01 %");
        assert_eq!([share(0, 5), share(5, 0)], ["0 %", "-"]);
        assert_eq!(round("1.00 kB".into()), "1 kB");
        assert_eq!(round("2.50 MB".into()), "2.5 MB");
        assert_eq!(round("100 B".into()), "100 B");
    }
}
