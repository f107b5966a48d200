//! Links: how long an update takes over one, and up to which bandwidth a delta is quicker than a full download.

use super::assume::Link;
use super::offer::Cost;

/// Up to which bandwidth a delta is quicker than every full download.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pays {
    Always,
    /// In bits a second.
    Below(f64),
    Never,
}

impl Link {
    /// Seconds until the device has the image: requests × round trip / parallelism + bytes × 8 / bandwidth + apply time.
    ///
    /// Apply time was measured on loopback and holds the little time that the bytes took there. A method that applies
    /// while it downloads is quicker than this: the figure is an upper bound.
    pub fn seconds(&self, cost: &Cost) -> f64 {
        self.fixed_seconds(cost) + self.bits(cost) / self.bits_per_s
    }

    /// What does not change with the bandwidth.
    fn fixed_seconds(&self, cost: &Cost) -> f64 {
        let trips = cost.requests as f64 * self.round_trip_ms / 1e3 / self.parallel;
        trips + cost.apply_ns as f64 / 1e9
    }

    fn bits(&self, cost: &Cost) -> f64 {
        cost.wire_bytes as f64 * 8.0
    }

    /// Up to which bandwidth `delta` is quicker than each of `fulls`, at this link's round trip and parallelism.
    ///
    /// Over the time that a bit takes both are straight lines, so they cross once at most.
    pub fn pays(&self, delta: &Cost, fulls: &[&Cost]) -> Pays {
        let mut longest_bit: f64 = 0.0;
        for full in fulls {
            let saved_bits = self.bits(full) - self.bits(delta);
            let lost_seconds = self.fixed_seconds(delta) - self.fixed_seconds(full);
            if saved_bits <= 0.0 {
                return Pays::Never;
            }
            longest_bit = longest_bit.max(lost_seconds / saved_bits);
        }
        match longest_bit {
            0.0 => Pays::Always,
            seconds => Pays::Below(1.0 / seconds),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(wire_bytes: u64, requests: u64, apply_ns: u64) -> Cost {
        Cost {
            from: String::new(),
            transfer_bytes: wire_bytes,
            wire_bytes,
            requests,
            apply_ns,
            memory_bytes: 0,
            base_read_bytes: None,
        }
    }

    fn link(bits_per_s: f64) -> Link {
        Link {
            name: "a link".into(),
            bits_per_s,
            round_trip_ms: 100.0,
            parallel: 4.0,
        }
    }

    #[test]
    fn time_is_round_trips_and_bits_and_apply_time() {
        let seconds = link(8e6).seconds(&cost(3_000_000, 40, 500_000_000));
        assert!((seconds - (1.0 + 3.0 + 0.5)).abs() < 1e-9, "{seconds}");
    }

    #[test]
    fn at_the_crossover_both_take_the_same_time() {
        let (delta, full) = (
            cost(5_000_000, 1, 8_000_000_000),
            cost(80_000_000, 1, 1_000_000_000),
        );
        let Pays::Below(bits) = link(1e6).pays(&delta, &[&full]) else {
            panic!("a delta that takes longer to apply pays up to some bandwidth");
        };
        let at = link(bits);
        assert!((at.seconds(&delta) - at.seconds(&full)).abs() < 1e-6);
        assert!(link(bits * 0.9).seconds(&delta) < link(bits * 0.9).seconds(&full));
        assert!(link(bits * 1.1).seconds(&delta) > link(bits * 1.1).seconds(&full));
        // A second full download that is quicker to unpack lowers it.
        let raw = cost(82_000_000, 1, 100_000_000);
        let Pays::Below(lower) = link(1e6).pays(&delta, &[&full, &raw]) else {
            panic!("it still pays on slow links");
        };
        assert!(lower < bits);
    }

    #[test]
    fn a_delta_that_is_smaller_and_quicker_always_pays_and_a_larger_one_never() {
        let full = cost(80, 1, 10);
        assert_eq!(link(1.0).pays(&cost(8, 1, 5), &[&full]), Pays::Always);
        assert_eq!(link(1.0).pays(&cost(80, 1, 5), &[&full]), Pays::Never);
    }
}
