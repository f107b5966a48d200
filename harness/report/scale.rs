//! An axis: where a figure lies between its ends, and which round figures to mark on it.

/// From this ratio of the largest to the smallest figure on, about one and a half orders, a linear axis would show
/// most bars as a hairline.
const LOG_FROM_RATIO: f64 = 30.0;

/// The most ticks an axis has room for.
const MOST_TICKS: usize = 9;

/// A linear axis from zero, or a logarithmic one from a power of ten.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    pub log: bool,
    low: f64,
    high: f64,
}

impl Scale {
    /// The axis on which all of `values` can be told apart. Zeros lie at its foot on either kind.
    pub fn over(values: impl IntoIterator<Item = u64>) -> Scale {
        let sizes = values.into_iter().filter(|value| *value > 0);
        let (smallest, high) = sizes.fold((f64::INFINITY, 0.0_f64), |(low, high), value| {
            (low.min(value as f64), high.max(value as f64))
        });
        if high / smallest <= LOG_FROM_RATIO || high == 0.0 {
            return Scale {
                log: false,
                low: 0.0,
                high: high.max(1.0),
            };
        }
        // The smallest bar keeps a visible length.
        let low = 10_f64.powf((smallest / 2.0).log10().floor());
        Scale {
            log: true,
            low,
            high,
        }
    }

    /// Place of a value, 0 at the axis' foot and 1 at its end.
    pub fn fraction(&self, value: f64) -> f64 {
        let place = if self.log {
            (value.max(self.low) / self.low).log10() / (self.high / self.low).log10()
        } else {
            value / self.high
        };
        place.clamp(0.0, 1.0)
    }

    /// Round values from the foot up to the end.
    pub fn ticks(&self) -> Vec<f64> {
        if self.log {
            let decades = (self.high / self.low).log10().floor() as usize;
            let step = (decades + 1).div_ceil(MOST_TICKS);
            (0..=decades)
                .step_by(step)
                .map(|decade| self.low * 10_f64.powi(decade as i32))
                .collect()
        } else {
            let step = round_step(self.high / 7.0);
            let steps = (self.high / step * 1.000_001).floor() as usize;
            (0..=steps).map(|at| at as f64 * step).collect()
        }
    }
}

/// The nearest 1, 2 or 5 times a power of ten that is not below `step`.
fn round_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .map(|digit| digit * power)
        .into_iter()
        .find(|round| *round >= step)
        .unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_span_orders_get_a_log_axis_with_a_tick_for_each_decade() {
        let scale = Scale::over([7_600, 28_000_000, 257_838_080]);
        assert!(scale.log);
        assert_eq!(scale.ticks(), [1e3, 1e4, 1e5, 1e6, 1e7, 1e8]);
        assert!(scale.fraction(7_600.0) > 0.1);
        assert_eq!(scale.fraction(257_838_080.0), 1.0);
    }

    #[test]
    fn sizes_of_one_order_get_a_linear_axis_from_zero() {
        let scale = Scale::over([0, 10, 90]);
        assert!(!scale.log);
        assert_eq!(scale.ticks(), [0.0, 20.0, 40.0, 60.0, 80.0]);
        assert_eq!(scale.fraction(45.0), 0.5);
    }

    #[test]
    fn an_axis_stands_on_nothing_and_on_zeros() {
        for values in [vec![], vec![0, 0]] {
            let scale = Scale::over(values);
            assert_eq!(scale.fraction(0.0), 0.0);
            assert!(scale.ticks().len() < MOST_TICKS);
        }
    }

    #[test]
    fn a_zero_lies_at_the_foot_of_a_log_axis() {
        let scale = Scale::over([0, 1, 1_000_000_000_000]);
        assert_eq!(scale.fraction(0.0), 0.0);
        assert!(scale.fraction(1.0) > 0.0);
        assert!(scale.ticks().len() <= MOST_TICKS);
    }
}
