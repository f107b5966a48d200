//! What colours mean, the same in every chart. Fills are told apart by lightness first, so that they stay apart in grey
//! and for colour-blind readers; by hue (blue and orange) second; by a hatch third. Series have a shape each as well.

use plotters::style::RGBColor;

use super::element::{Fill, Shape};

pub const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
pub const SOFT_INK: RGBColor = RGBColor(0x55, 0x55, 0x55);
pub const RULE: RGBColor = RGBColor(0xD4, 0xD4, 0xD4);
pub const BAND: RGBColor = RGBColor(0xF4, 0xF4, 0xF4);

/// What stays in the background: series and points that are there for comparison.
pub const GREY: RGBColor = RGBColor(0xA8, 0xA8, 0xA8);

/// The looks of series in the foreground, the most different first: neighbours differ in lightness, in hue and in shape.
/// Blue, vermilion, green, pink, sky blue and orange are those of Okabe and Ito's palette for all eyes
/// (<https://jfly.uni-koeln.de/color/>), some of them darker to stand on white.
pub const SERIES: [(RGBColor, Shape); 8] = [
    (RGBColor(0x0B, 0x4A, 0x82), Shape::Disc),
    (RGBColor(0xE0, 0x8A, 0x00), Shape::Square),
    (RGBColor(0x11, 0x11, 0x11), Shape::Triangle),
    (RGBColor(0x3F, 0xA7, 0xE0), Shape::Diamond),
    (RGBColor(0x8C, 0x2D, 0x04), Shape::Ring),
    (RGBColor(0x00, 0x9E, 0x73), Shape::Frame),
    (RGBColor(0x5B, 0x2A, 0x86), Shape::Wedge),
    (RGBColor(0xCC, 0x79, 0xA7), Shape::Cross),
];

/// An update that an older release helps.
pub const DELTA: Fill = Fill {
    area: RGBColor(0x0B, 0x4A, 0x82),
    line: RGBColor(0x08, 0x35, 0x5E),
    hatched: false,
};

/// An update from nothing.
pub const FULL: Fill = Fill {
    area: RGBColor(0xF7, 0xC0, 0x7B),
    line: RGBColor(0x9C, 0x5A, 0x0A),
    hatched: false,
};

/// The server's step.
pub const PUBLISH: Fill = Fill {
    area: RGBColor(0xFF, 0xFF, 0xFF),
    line: RGBColor(0x66, 0x66, 0x66),
    hatched: true,
};

/// The part of a store that a release added: pale for the first, dark for the last.
pub fn release(at: usize, releases: usize) -> Fill {
    let (pale, dark) = ((0xDC, 0xE9, 0xF5), (0x0B, 0x4A, 0x82));
    let share = match releases {
        0 | 1 => 0.5,
        _ => at as f64 / (releases - 1) as f64,
    };
    let mix = |from: u8, to: u8| {
        (f64::from(from) + (f64::from(to) - f64::from(from)) * share).round() as u8
    };
    Fill {
        area: RGBColor(
            mix(pale.0, dark.0),
            mix(pale.1, dark.1),
            mix(pale.2, dark.2),
        ),
        line: DELTA.line,
        hatched: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lightness as a grey print shows it, 0 to 255 (ITU-R BT.601).
    fn grey(color: RGBColor) -> f64 {
        0.299 * f64::from(color.0) + 0.587 * f64::from(color.1) + 0.114 * f64::from(color.2)
    }

    #[test]
    fn the_fills_of_one_chart_differ_in_grey() {
        assert!(grey(FULL.area) - grey(DELTA.area) > 100.0);
        assert_eq!(
            [PUBLISH, FULL, DELTA].map(|fill| fill.hatched),
            [true, false, false]
        );
        let shades: Vec<f64> = (0..4).map(|at| grey(release(at, 4).area)).collect();
        assert!(shades.windows(2).all(|pair| pair[0] - pair[1] > 30.0));
    }

    #[test]
    fn every_series_has_its_own_shape_and_its_neighbours_another_lightness() {
        for (at, (color, shape)) in SERIES.iter().enumerate() {
            assert!(SERIES[at + 1..].iter().all(|(_, other)| other != shape));
            let Some((next, _)) = SERIES.get(at + 1) else {
                continue;
            };
            assert!((grey(*color) - grey(*next)).abs() > 30.0, "{at}");
        }
    }
}
