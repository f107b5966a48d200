//! Flips: for each input of a recommendation, the nearest value at which another method would be the pick.

use super::input::{INPUTS, Input, Scale};
use super::{Assumptions, Offer, cheapest, farthest};

/// Another pick at another value of one input.
#[derive(Clone, Debug, PartialEq)]
pub struct Flip {
    pub key: &'static str,
    pub words: &'static str,
    pub scale: Scale,
    pub now: f64,
    /// The nearest value found with another pick.
    pub at: f64,
    /// The pick there.
    pub to: String,
}

/// The fourth root of 2: how far apart the values are that are tried.
const STEP: f64 = 1.189_207_115_002_721;
/// Up to a million times as much, and a millionth.
const STEPS: i32 = 80;
/// Where an input is 0, the search begins at this.
const SMALLEST: f64 = 0.001;
/// Halvings of the interval in which the pick flips: more than a double has digits.
const HALVINGS: usize = 60;

/// One flip for each input that has one within a million times its value, nearest first by the factor to get there; last
/// the inputs that are 0 now.
///
/// Between two values that are tried the pick may flip and flip back; such a pair of flips is not found.
pub fn flips(offers: &[Offer], assumed: &Assumptions) -> Vec<Flip> {
    let mut flips: Vec<Flip> = INPUTS
        .iter()
        .filter_map(|input| nearest(input, offers, assumed))
        .collect();
    let distance = |flip: &Flip| match flip.now {
        0.0 => f64::INFINITY,
        now => (flip.at / now).ln().abs(),
    };
    flips.sort_by(|a, b| distance(a).total_cmp(&distance(b)));
    flips
}

fn nearest(input: &Input, offers: &[Offer], assumed: &Assumptions) -> Option<Flip> {
    let now = (input.get)(assumed);
    let largest = match input.key {
        "fleet.releases_behind" => farthest(offers) as f64,
        _ => 1e12,
    };
    let smallest = if input.scale == Scale::Count {
        1.0
    } else {
        0.0
    };
    let pick = |value: f64| -> Option<usize> {
        let mut turned = assumed.clone();
        (input.set)(&mut turned, value);
        cheapest(offers, &turned)
    };
    let picked = pick(now)?;
    let mut found: Vec<(f64, f64)> = Vec::new();
    let directions: &[f64] = if now == 0.0 { &[1.0] } else { &[1.0, -1.0] };
    for direction in directions {
        let value = |step: i32| match now {
            0.0 if step == 0 => 0.0,
            0.0 => SMALLEST * STEP.powi(step),
            now => now * STEP.powf(direction * f64::from(step)),
        };
        for step in 1..=STEPS {
            let (near, far) = (value(step - 1), value(step));
            let whole = |value: f64| round(input, value, *direction);
            let far = whole(far);
            if far < smallest || far > largest {
                break;
            }
            if pick(far).is_some_and(|other| other != picked) {
                found.push((
                    f64::from(step),
                    bisect(input, &pick, picked, (near, far), *direction),
                ));
                break;
            }
        }
    }
    let (_, at) = found.into_iter().min_by(|a, b| a.0.total_cmp(&b.0))?;
    Some(Flip {
        key: input.key,
        words: input.words,
        scale: input.scale,
        now,
        at,
        to: offers[pick(at)?].name(),
    })
}

/// The nearest value to `near` between the two that has another pick than `picked`; `far` has one.
fn bisect(
    input: &Input,
    pick: &dyn Fn(f64) -> Option<usize>,
    picked: usize,
    (mut near, mut far): (f64, f64),
    direction: f64,
) -> f64 {
    for _ in 0..HALVINGS {
        let middle = (near + far) / 2.0;
        let tried = round(input, middle, direction);
        if pick(tried).is_some_and(|other| other != picked) {
            far = middle;
        } else {
            near = middle;
        }
    }
    round(input, far, direction)
}

/// Counts are whole: rounded away from what they are now.
fn round(input: &Input, value: f64, direction: f64) -> f64 {
    match input.scale {
        Scale::Count if direction > 0.0 => value.ceil(),
        Scale::Count => value.floor(),
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::offer;
    use super::super::{Advice, recommend};
    use super::*;

    fn advice<'o>(offers: &'o [Offer], assumed: &Assumptions) -> Advice<'o> {
        recommend(offers, assumed).unwrap()
    }

    /// A small delta that is slow to apply, against a large one that is quick.
    fn rivals() -> [Offer; 2] {
        [
            offer("small", 4_000_000, 90_000_000, 12.0),
            offer("quick", 14_000_000, 90_000_000, 1.0),
        ]
    }

    #[test]
    fn at_a_flip_the_pick_is_another_and_just_before_it_is_the_same() {
        let (offers, assumed) = (rivals(), Assumptions::default());
        let told = advice(&offers, &assumed);
        assert!(told.flips.len() >= 2, "{:?}", told.flips);
        for flip in &told.flips {
            let input = INPUTS.iter().find(|input| input.key == flip.key).unwrap();
            let at = |value: f64| {
                let mut turned = assumed.clone();
                (input.set)(&mut turned, value);
                advice(&offers, &turned).pick().offer.name()
            };
            assert_eq!(at(flip.at), flip.to, "{flip:?}");
            assert_ne!(flip.to, told.pick().offer.name());
            let before = match flip.scale {
                Scale::Count => flip.at - (flip.at - flip.now).signum(),
                _ => flip.at + (flip.now - flip.at) * 1e-6,
            };
            assert_eq!(at(before), told.pick().offer.name(), "{flip:?}");
        }
    }

    #[test]
    fn the_inputs_that_the_pick_hangs_on_most_come_first() {
        let (offers, assumed) = (rivals(), Assumptions::default());
        let told = advice(&offers, &assumed);
        let away = |flip: &Flip| (flip.at / flip.now).ln().abs();
        let known: Vec<f64> = told
            .flips
            .iter()
            .filter(|it| it.now > 0.0)
            .map(away)
            .collect();
        assert!(known.is_sorted(), "{known:?}");
        let keys: Vec<&str> = told.flips.iter().take(2).map(|flip| flip.key).collect();
        assert!(keys.contains(&"price.device_hour"), "{keys:?}");
    }

    #[test]
    fn a_method_that_is_better_in_everything_is_never_flipped_away() {
        let offers = [
            offer("best", 1_000_000, 50_000_000, 1.0),
            offer("worse", 2_000_000, 60_000_000, 2.0),
        ];
        assert_eq!(advice(&offers, &Assumptions::default()).flips, []);
    }
}
