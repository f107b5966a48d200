//! Recommendations: what every method costs a fleet in a year, the cheapest that fits its devices, and what would change
//! the pick.

use std::cmp::Ordering;

use anyhow::{Result, ensure};

use super::assume::Assumptions;
use super::offer::{Cost, Offer};

mod flip;
pub mod input;

pub use flip::Flip;

const GB: f64 = 1e9;
const HOUR_S: f64 = 3600.0;
const MONTHS: f64 = 12.0;

/// What a method costs the whole fleet in a year, in US dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bill {
    /// Bytes out of the server.
    pub egress: f64,
    pub requests: f64,
    pub storage: f64,
    /// Build machines that publish.
    pub publish: f64,
    /// Devices while they update.
    pub devices: f64,
    /// What devices pay for their link.
    pub data: f64,
}

impl Bill {
    pub fn total(&self) -> f64 {
        self.egress + self.requests + self.storage + self.publish + self.devices + self.data
    }

    /// Each part with its name.
    pub fn parts(&self) -> [(&'static str, f64); 6] {
        [
            ("egress", self.egress),
            ("requests", self.requests),
            ("storage", self.storage),
            ("publishing", self.publish),
            ("device time", self.devices),
            ("device data", self.data),
        ]
    }
}

/// One offer under the assumptions.
#[derive(Clone, Debug)]
pub struct Priced<'o> {
    pub offer: &'o Offer,
    /// The update that devices make: the delta, or the full update where that is cheaper or there is no delta.
    pub update: &'o Cost,
    /// Until a device has the image, over the fleet's link.
    pub seconds: f64,
    pub bill: Bill,
}

/// What to choose.
#[derive(Clone, Debug)]
pub struct Advice<'o> {
    /// Cheapest first; the first is the pick. Never empty.
    pub ranked: Vec<Priced<'o>>,
    /// What fits no device, or is no answer, and why.
    pub left_out: Vec<(String, &'static str)>,
    /// At which value of an input the pick flips, the nearest first.
    pub flips: Vec<Flip>,
}

impl<'o> Advice<'o> {
    pub fn pick(&self) -> &Priced<'o> {
        &self.ranked[0]
    }
}

/// The cheapest offer under the assumptions, and at which values another one would be.
///
/// # Errors
/// When an assumption is out of range, no update from that many releases behind was measured, or nothing fits.
pub fn recommend<'o>(offers: &'o [Offer], assumed: &Assumptions) -> Result<Advice<'o>> {
    assumed.check()?;
    let farthest = farthest(offers);
    ensure!(
        farthest == 0 || assumed.fleet.releases_behind <= farthest as f64,
        "no update from {} releases behind was measured; the farthest is {farthest}",
        assumed.fleet.releases_behind
    );
    let (ranked, left_out) = rank(offers, assumed);
    ensure!(!ranked.is_empty(), "{}", nothing_fits(&left_out));
    let flips = flip::flips(offers, assumed);
    Ok(Advice {
        ranked,
        left_out,
        flips,
    })
}

/// How many releases behind the farthest update with a figure is.
pub fn farthest(offers: &[Offer]) -> usize {
    let far = |offer: &Offer| {
        offer
            .deltas
            .iter()
            .rposition(Option::is_some)
            .map_or(0, |at| at + 1)
    };
    offers.iter().map(far).max().unwrap_or(0)
}

fn nothing_fits(left_out: &[(String, &'static str)]) -> String {
    match left_out.first() {
        None => "no method has the figures that a recommendation needs".to_string(),
        Some((_, why)) => format!("no method fits: {} left out ({why})", left_out.len()),
    }
}

/// The offers that fit, cheapest first, and the others.
fn rank<'o>(
    offers: &'o [Offer],
    assumed: &Assumptions,
) -> (Vec<Priced<'o>>, Vec<(String, &'static str)>) {
    let (mut ranked, mut left_out) = (Vec::new(), Vec::new());
    for offer in offers {
        match price(offer, assumed) {
            Ok(priced) => ranked.push(priced),
            Err(why) => left_out.push((offer.name(), why)),
        }
    }
    ranked.sort_by(by_cost);
    (ranked, left_out)
}

/// The place of the cheapest offer that fits.
fn cheapest(offers: &[Offer], assumed: &Assumptions) -> Option<usize> {
    let priced = offers.iter().enumerate();
    let priced = priced.filter_map(|(at, offer)| Some((at, price(offer, assumed).ok()?)));
    let cheapest = priced.min_by(|(_, a), (_, b)| by_cost(a, b));
    cheapest.map(|(at, _)| at)
}

/// By what the fleet pays, then by time, then by bytes.
fn by_cost(a: &Priced, b: &Priced) -> Ordering {
    let (one, other) = (a.bill.total(), b.bill.total());
    one.total_cmp(&other)
        .then(a.seconds.total_cmp(&b.seconds))
        .then(a.update.wire_bytes.cmp(&b.update.wire_bytes))
}

fn price<'o>(offer: &'o Offer, assumed: &Assumptions) -> Result<Priced<'o>, &'static str> {
    if offer.tree && !assumed.fleet.trees {
        return Err("it moves the unpacked tree and cannot give the archive back");
    }
    let delta = offer.deltas.get(assumed.fleet.releases_behind as usize - 1);
    let ways = [delta.and_then(Option::as_ref), offer.full.as_ref()];
    let fits = |cost: &&Cost| {
        let limit = assumed.fleet.device_memory_bytes;
        limit.is_none_or(|limit| cost.memory_bytes as f64 <= limit)
    };
    let known: Vec<&Cost> = ways.into_iter().flatten().collect();
    if known.is_empty() {
        return Err("it has no verified update that was timed on this machine");
    }
    let priced = known.into_iter().filter(fits);
    priced
        .map(|update| bill(offer, update, assumed))
        .min_by(|a, b| a.bill.total().total_cmp(&b.bill.total()))
        .ok_or("it takes more memory than the devices have")
}

fn bill<'o>(offer: &'o Offer, update: &'o Cost, assumed: &Assumptions) -> Priced<'o> {
    let (fleet, price) = (&assumed.fleet, &assumed.price);
    let seconds = assumed.link().map_or(f64::NAN, |link| link.seconds(update));
    let updates = fleet.devices * fleet.releases_per_year / fleet.releases_behind;
    let gigabytes = updates * update.wire_bytes as f64 / GB;
    let publish_s = offer.publish_ns.unwrap_or(0) as f64 / 1e9;
    let bill = Bill {
        egress: gigabytes * price.egress_gb,
        requests: updates * update.requests as f64 / 1e6 * price.requests_million,
        storage: stored(offer, fleet.releases_kept) / GB * MONTHS * price.storage_gb_month,
        publish: fleet.releases_per_year * publish_s / HOUR_S * price.build_hour,
        devices: updates * seconds / HOUR_S * price.device_hour,
        data: gigabytes * price.data_gb,
    };
    Priced {
        offer,
        update,
        seconds,
        bill,
    }
}

/// The store with that many releases in it: the first as measured, and each further one as the newest was.
fn stored(offer: &Offer, kept: f64) -> f64 {
    let first = offer.first_bytes.unwrap_or(0).max(0) as f64;
    let added = offer.added_bytes.unwrap_or(0).max(0) as f64;
    first + (kept - 1.0).max(0.0) * added
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// An offer of a pair: bytes of the delta, of the full update, and seconds to apply.
    pub fn offer(method: &str, delta: u64, full: u64, apply_s: f64) -> Offer {
        let cost = |from: &str, bytes: u64| Cost {
            from: from.into(),
            transfer_bytes: bytes,
            wire_bytes: bytes,
            requests: 1,
            apply_ns: (apply_s * 1e9) as u64,
            memory_bytes: 100_000_000,
            base_read_bytes: None,
        };
        Offer {
            method: method.into(),
            case: Default::default(),
            tree: false,
            deltas: vec![Some(cost("old", delta))],
            full: Some(cost("", full)),
            publish_ns: Some(10_000_000_000),
            first_bytes: Some(full as i64),
            added_bytes: Some((full + delta) as i64),
            stored_bytes: Some((2 * full + delta) as i64),
        }
    }

    #[test]
    fn a_bill_is_the_sum_of_what_is_bought() {
        let mut assumed = Assumptions::default();
        assumed.fleet.releases_kept = 2.0;
        let one = [offer("m", 5_000_000, 100_000_000, 3.6)];
        let advice = recommend(&one, &assumed).unwrap();
        let bill = advice.pick().bill;
        // 12,000 updates of 5 MB are 60 GB.
        assert!((bill.egress - 60.0 * 0.09).abs() < 1e-9);
        assert!((bill.requests - 12_000.0 * 0.4 / 1e6).abs() < 1e-9);
        assert!((bill.storage - 0.205 * 12.0 * 0.023).abs() < 1e-9);
        assert!((bill.publish - 12.0 * 10.0 / 3600.0 * 0.085).abs() < 1e-9);
        // 2 s for the bits at 20 Mbit/s, 12.5 ms for the request, 3.6 s to apply.
        assert!((advice.pick().seconds - (2.0 + 0.0125 + 3.6)).abs() < 1e-9);
        assert!((bill.devices - 12_000.0 * 5.6125 / 3600.0 * 0.05).abs() < 1e-9);
        let parts: f64 = bill.parts().iter().map(|(_, dollars)| dollars).sum();
        assert!((parts - bill.total()).abs() < 1e-12);
    }

    #[test]
    fn devices_that_update_to_every_second_release_make_half_the_updates() {
        let mut offers = [offer("m", 5_000_000, 100_000_000, 1.0)];
        let mut far = offers[0].deltas[0].clone().unwrap();
        far.wire_bytes = 8_000_000;
        offers[0].deltas.push(Some(far));
        let mut assumed = Assumptions::default();
        assumed.fleet.releases_behind = 2.0;
        let egress = recommend(&offers, &assumed).unwrap().pick().bill.egress;
        assert!((egress - 6_000.0 * 0.008 * 0.09).abs() < 1e-9);
        assumed.fleet.releases_behind = 3.0;
        let why = recommend(&offers, &assumed).unwrap_err().to_string();
        assert!(why.contains("no update from 3 releases behind"), "{why}");
    }

    #[test]
    fn what_fits_no_device_and_what_gives_no_archive_back_is_left_out_and_said() {
        let mut offers = [
            offer("small", 10_000_000, 100_000_000, 1.0),
            offer("greedy", 1_000_000, 100_000_000, 1.0),
            offer("tree", 500_000, 100_000_000, 1.0),
        ];
        for way in offers[1].deltas.iter_mut().chain([&mut offers[1].full]) {
            way.as_mut().unwrap().memory_bytes = 2_000_000_000;
        }
        offers[2].tree = true;
        let mut assumed = Assumptions::default();
        let pick = |assumed: &Assumptions| {
            let advice = recommend(&offers, assumed).unwrap();
            (advice.pick().offer.method.clone(), advice.left_out.len())
        };
        assert_eq!(pick(&assumed), ("greedy".to_string(), 1));
        assumed.fleet.device_memory_bytes = Some(1e9);
        assert_eq!(pick(&assumed), ("small".to_string(), 2));
        assumed.fleet.trees = true;
        assert_eq!(pick(&assumed), ("tree".to_string(), 1));
        assumed.fleet.device_memory_bytes = Some(1e3);
        let why = recommend(&offers, &assumed).unwrap_err().to_string();
        assert!(why.contains("3 left out (it takes more memory"), "{why}");
    }
}
