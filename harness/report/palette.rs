//! What the fills mean, the same in every chart: told apart by lightness first, so that they stay apart in grey and for
//! eyes that see colour otherwise; by hue (blue and orange) second; by a hatch third.

use plotters::style::RGBColor;

use super::canvas::Fill;

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
