//! A recommendation in words, the same in the report's summary and in `recommend`.

use crate::stats::assume::Assumptions;
use crate::stats::recommend::input::Scale;
use crate::stats::recommend::{Advice, Flip, Priced};

use super::{sheet, units};

/// How many inputs are named that would change the pick.
const MOST_FLIPS: usize = 2;

/// `1,000 devices on 4G (20 Mbit/s) and 12 releases a year`
pub fn question(assumed: &Assumptions) -> String {
    let fleet = &assumed.fleet;
    let link = match assumed.link() {
        Ok(link) => format!("{} ({})", link.name, sheet::bandwidth(link.bits_per_s)),
        Err(_) => fleet.link.clone(),
    };
    let behind = match fleet.releases_behind {
        1.0 => String::new(),
        behind => format!(", each device {} releases behind", amount(behind)),
    };
    format!(
        "{} devices on {link} and {} releases a year{behind}",
        amount(fleet.devices),
        amount(fleet.releases_per_year)
    )
}

/// Why this pick, what it needs, and what would change it. Whole sentences.
pub fn sentences(advice: &Advice, assumed: &Assumptions) -> Vec<String> {
    let pick = advice.pick();
    let mut said = vec![update(pick), cost(advice), need(advice, assumed)];
    said.push(hangs_on(&advice.flips, &pick.offer.name()));
    said
}

fn update(pick: &Priced) -> String {
    let moved = units::bytes(pick.update.transfer_bytes);
    let time = sheet::seconds(pick.seconds);
    match (&pick.offer.full, pick.update.from.is_empty()) {
        (Some(full), false) => format!(
            "An update moves {moved}, where the full image would be {}, and takes {time} on that link.",
            units::bytes(full.transfer_bytes)
        ),
        (_, false) => format!("An update moves {moved} and takes {time} on that link."),
        (_, true) => format!("A full update moves {moved} and takes {time} on that link."),
    }
}

/// What the fleet costs a year, what of that is most, and what the next best costs.
fn cost(advice: &Advice) -> String {
    let pick = advice.pick();
    let parts = pick.bill.parts();
    let most = parts.iter().max_by(|a, b| a.1.total_cmp(&b.1));
    let most = most.filter(|(_, part)| *part > 0.0);
    let most = most.map(|(name, part)| format!(", {} of it for {name}", dollars(*part)));
    let next = advice.ranked.get(1).map(|next| {
        format!(
            " The next is {}: {}, {}, {}.",
            next.offer.name(),
            dollars(next.bill.total()),
            units::bytes(next.update.transfer_bytes),
            sheet::seconds(next.seconds)
        )
    });
    format!(
        "The fleet costs {} a year{}.{}",
        dollars(pick.bill.total()),
        most.unwrap_or_default(),
        next.unwrap_or_default()
    )
}

/// How much memory an update takes, and the next best: the pick for smaller devices, else the runner-up.
fn need(advice: &Advice, assumed: &Assumptions) -> String {
    let pick = advice.pick();
    let memory = pick.update.memory_bytes;
    let smaller = advice.ranked.iter().skip(1).find(|other| {
        // Half as much, or it is no help.
        other.update.memory_bytes * 2 <= memory
    });
    let limit = match assumed.fleet.device_memory_bytes {
        Some(limit) => format!(" of the {} that devices have", units::bytes(limit as i64)),
        None => String::new(),
    };
    let takes = format!(
        "It takes {} of memory on the device{limit}",
        units::bytes(memory)
    );
    match smaller {
        Some(other) => format!(
            "{takes}; the cheapest that takes half of that or less is {} ({}, {}, {} a year).",
            other.offer.name(),
            units::bytes(other.update.memory_bytes),
            units::bytes(other.update.transfer_bytes),
            dollars(other.bill.total())
        ),
        None => format!("{takes}."),
    }
}

fn hangs_on(flips: &[Flip], pick: &str) -> String {
    let named: Vec<String> = flips.iter().take(MOST_FLIPS).map(flip).collect();
    match named.as_slice() {
        [] => format!(
            "No single assumption, turned up or down a million times, makes another method cheaper than {pick}."
        ),
        named => format!("What would change the pick: {}.", named.join("; ")),
    }
}

/// `at $0.46 or more for an hour of a device (now $0.05) it is rdiff`
pub fn flip(flip: &Flip) -> String {
    let or = if flip.at > flip.now {
        "or more"
    } else {
        "or less"
    };
    let (at, now) = (value(flip.scale, flip.at), value(flip.scale, flip.now));
    let (words, to) = (flip.words, &flip.to);
    match flip.scale {
        Scale::Count => format!("with {at} {words} {or} (now {now}) it is {to}"),
        Scale::Dollars => format!("at {at} {or} for {words} (now {now}) it is {to}"),
        Scale::BitsPerSecond | Scale::Milliseconds => {
            format!("with {words} of {at} {or} (now {now}) it is {to}")
        }
    }
}

/// A value of an input with its unit.
pub fn value(scale: Scale, value: f64) -> String {
    match scale {
        Scale::Count => amount(value),
        Scale::Dollars => dollars(value),
        Scale::BitsPerSecond => sheet::bandwidth(value),
        Scale::Milliseconds => format!("{} ms", digits(value)),
    }
}

/// `$5.10`; below a cent with two digits that count.
pub fn dollars(value: f64) -> String {
    match value {
        0.0 => "$0".to_string(),
        1000.0.. => format!("${}", units::count(value.round() as i64)),
        0.0995.. => format!("${value:.2}"),
        _ => format!("${}", digits(value)),
    }
}

fn amount(value: f64) -> String {
    match value.fract() {
        0.0 => units::count(value as i64),
        _ => digits(value),
    }
}

/// A number with at least two digits that count.
fn digits(value: f64) -> String {
    let text = match value.abs() {
        100.0.. => format!("{value:.0}"),
        1.0.. => format!("{value:.2}"),
        0.0 => return "0".to_string(),
        small => {
            let places = (1.0 - small.log10().floor()) as usize;
            format!("{value:.places$}")
        }
    };
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_of_money_keep_the_digits_that_count() {
        let words = [0.0, 0.000_461, 0.05, 0.085, 5.1, 1.0, 12_345.6].map(dollars);
        assert_eq!(
            words,
            [
                "$0", "$0.00046", "$0.05", "$0.085", "$5.10", "$1.00", "$12,346"
            ]
        );
        assert_eq!([2.0, 1500.0, 2.5].map(amount), ["2", "1,500", "2.5"]);
    }

    #[test]
    fn the_question_names_the_fleet_and_its_link() {
        let mut assumed = Assumptions::default();
        assert_eq!(
            question(&assumed),
            "1,000 devices on 4G (20 Mbit/s) and 12 releases a year"
        );
        assumed.fleet.releases_behind = 3.0;
        assert!(question(&assumed).ends_with("12 releases a year, each device 3 releases behind"));
    }
}
