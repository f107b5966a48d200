//! Where labels go so that none covers another: beside the ends of lines, and around the dots of a scatter.

use std::ops::Range;

/// A point in pixels from a plot's top left corner.
pub type Point = (i32, i32);

/// Moves places on a line until neighbours are `gap` apart and all lie in `range`, each as little as possible.
///
/// The squares of the moves are least: isotonic regression by pooling adjacent violators (Barlow and others, 1972) over
/// the places less what their neighbours before them need. A range that is too short is overrun at its end.
pub fn apart(wanted: &[i32], gap: i32, range: Range<i32>) -> Vec<i32> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by_key(|at| wanted[*at]);
    // Pools of neighbours that touch: their mean and how many they are.
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for (nth, at) in order.iter().enumerate() {
        pools.push((f64::from(wanted[*at] - nth as i32 * gap), 1));
        while let [.., (before, many), (last, few)] = pools[..]
            && before > last
        {
            let mean = (before * many as f64 + last * few as f64) / (many + few) as f64;
            pools.truncate(pools.len() - 2);
            pools.push((mean, many + few));
        }
    }
    let highest = range.end - (wanted.len() as i32 - 1) * gap;
    let means = pools
        .iter()
        .flat_map(|(mean, many)| std::iter::repeat_n(mean.round() as i32, *many));
    let mut places = vec![0; wanted.len()];
    for (nth, (at, mean)) in order.iter().zip(means).enumerate() {
        places[*at] = mean.min(highest).max(range.start) + nth as i32 * gap;
    }
    places
}

/// Places words above vertical lines, given where each line is and how wide its words are: for each, where they begin
/// in pixels from its line, and in which row from the lowest on.
///
/// Words lie over their line, else beside it, and over no other line if that can be; none touch each other.
pub fn above(lines: &[(i32, i32)], room: Range<i32>) -> Vec<(i32, i32)> {
    const APART: i32 = 8;
    let mut taken: Vec<(i32, Range<i32>)> = Vec::new();
    let mut places = Vec::new();
    for (nth, (x, width)) in lines.iter().enumerate() {
        let others = || lines.iter().enumerate().filter(|(at, _)| *at != nth);
        let beside = [x - width / 2, x - 3, x - width + 3];
        let rows = 0..=lines.len() as i32;
        let tries = [true, false].into_iter().flat_map(|strict| {
            let rows = rows.clone();
            rows.flat_map(move |row| beside.map(|left| (strict, row, left)))
        });
        let place = tries.into_iter().find(|(strict, row, left)| {
            let words = left - APART..left + width + APART;
            let covers = others().any(|(_, (other, _))| words.contains(other));
            let touches = |(at, other): &(i32, Range<i32>)| {
                at == row && other.start < words.end && words.start < other.end
            };
            let is_inside = room.start <= *left && left + width <= room.end;
            is_inside && !(*strict && covers) && !taken.iter().any(touches)
        });
        let (_, row, left) = place.unwrap_or((false, nth as i32, room.start));
        taken.push((row, left..left + width));
        places.push((left - x, row));
    }
    places
}

/// A box in pixels, edges included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spot {
    pub left: i32,
    pub top: i32,
    pub right: i32,
    pub bottom: i32,
}

impl Spot {
    /// The box of this size around a middle.
    pub fn around((x, y): Point, (width, height): (i32, i32)) -> Spot {
        Spot {
            left: x - width / 2,
            top: y - height / 2,
            right: x + width / 2,
            bottom: y + height / 2,
        }
    }

    pub fn middle(&self) -> Point {
        (
            i32::midpoint(self.left, self.right),
            i32::midpoint(self.top, self.bottom),
        )
    }

    pub fn touches(&self, other: &Spot) -> bool {
        self.left <= other.right
            && other.left <= self.right
            && self.top <= other.bottom
            && other.top <= self.bottom
    }

    fn widened(&self) -> Spot {
        Spot {
            left: self.left - CLEARANCE,
            top: self.top - CLEARANCE,
            right: self.right + CLEARANCE,
            bottom: self.bottom + CLEARANCE,
        }
    }

    fn holds(&self, other: &Spot) -> bool {
        self.left <= other.left
            && other.right <= self.right
            && self.top <= other.top
            && other.bottom <= self.bottom
    }

    /// Whether a line passes through; looked at in steps of two pixels.
    fn is_crossed(&self, (from, to): (Point, Point)) -> bool {
        let steps = (from.0 - to.0).abs().max((from.1 - to.1).abs()) / 2 + 1;
        (0..=steps).any(|at| {
            let on = |from: i32, to: i32| from + (to - from) * at / steps;
            let (x, y) = (on(from.0, to.0), on(from.1, to.1));
            (self.left..=self.right).contains(&x) && (self.top..=self.bottom).contains(&y)
        })
    }
}

/// How far a label may lie from its dot in pixels; from the second distance on it needs a line to it.
const DISTANCES: [i32; 6] = [9, 24, 40, 60, 84, 112];

/// A label's box is this far from every other box and dot.
const CLEARANCE: i32 = 2;

/// The dots and lines of a scatter, and its labels as they find their places.
pub struct Crowd<'c> {
    pub bounds: Spot,
    pub dots: &'c [Point],
    pub lines: &'c [(Point, Point)],
    pub taken: Vec<Spot>,
    /// From dots to labels that lie too far away to need none.
    pub leaders: Vec<(Point, Point)>,
}

impl Crowd<'_> {
    /// The box for a label of this size at a dot, and its leader where it needs one: the nearest place that covers no
    /// dot and no label and, if there is one, no line. `None` where there is no place.
    pub fn place(&mut self, dot: Point, size: (i32, i32)) -> Option<(Spot, Option<Point>)> {
        let mut best: Option<(i32, Spot, Option<Point>)> = None;
        for (nth, distance) in DISTANCES.into_iter().enumerate() {
            for (turn, direction) in DIRECTIONS.into_iter().enumerate() {
                let spot = beside(dot, size, direction, distance);
                let end = (nth > 0).then(|| nearest(&spot, dot));
                if !self.is_free(&spot, dot, end) {
                    continue;
                }
                let wide = spot.widened();
                let crossed = self.lines.iter().filter(|line| wide.is_crossed(**line));
                let cost = distance * 8 + turn as i32 + crossed.count() as i32 * 150;
                if best.is_none_or(|(least, _, _)| cost < least) {
                    best = Some((cost, spot, end));
                }
            }
        }
        let (_, spot, end) = best?;
        self.taken.push(spot);
        self.leaders.extend(end.map(|end| (dot, end)));
        Some((spot, end))
    }

    fn is_free(&self, spot: &Spot, dot: Point, leader: Option<Point>) -> bool {
        let wide = spot.widened();
        let leader = leader.map(|end| (dot, end));
        self.bounds.holds(spot)
            && !self.taken.iter().any(|taken| taken.touches(&wide))
            && !self
                .dots
                .iter()
                .any(|dot| wide.touches(&Spot::around(*dot, (10, 10))))
            && !self.leaders.iter().any(|line| wide.is_crossed(*line))
            && !leader.is_some_and(|line| self.taken.iter().any(|taken| taken.is_crossed(line)))
    }
}

/// Right, left, above, below, then the corners.
const DIRECTIONS: [(i32, i32); 8] = [
    (1, 0),
    (-1, 0),
    (0, -1),
    (0, 1),
    (1, -1),
    (1, 1),
    (-1, -1),
    (-1, 1),
];

/// The box whose nearest edge or corner lies `distance` from the dot.
fn beside(
    (x, y): Point,
    (width, height): (i32, i32),
    direction: (i32, i32),
    distance: i32,
) -> Spot {
    let (across, down) = direction;
    // A corner is as far away as an edge where both its ways are shorter.
    let way = if across != 0 && down != 0 {
        distance * 7 / 10
    } else {
        distance
    };
    let middle = (
        x + across * (way + width / 2),
        y + down * (way + height / 2),
    );
    Spot::around(middle, (width, height))
}

/// The point of a box that is nearest to another.
fn nearest(spot: &Spot, (x, y): Point) -> Point {
    (
        x.clamp(spot.left, spot.right),
        y.clamp(spot.top, spot.bottom),
    )
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};

    use super::*;

    #[test]
    fn places_that_are_apart_already_stay() {
        assert_eq!(apart(&[50, 10, 100], 16, 0..200), [50, 10, 100]);
        assert!(apart(&[], 16, 0..200).is_empty());
    }

    #[test]
    fn places_on_one_another_make_room_to_both_sides() {
        assert_eq!(apart(&[50, 50], 16, 0..200), [42, 58]);
        assert_eq!(apart(&[2, 0], 16, 0..200), [16, 0]);
        assert_eq!(apart(&[200, 199, 198], 16, 0..200), [200, 184, 168]);
    }

    #[test]
    fn crowded_places_end_up_apart_in_their_order_and_within_the_range() {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        for round in 0..200 {
            let wanted: Vec<i32> = (0..8).map(|_| (random.next_u32() % 300) as i32).collect();
            let places = apart(&wanted, 16, 0..300);
            let mut sorted = places.clone();
            sorted.sort_unstable();
            assert!(
                sorted.windows(2).all(|two| two[1] - two[0] >= 16),
                "{round}"
            );
            assert!(sorted[0] >= 0 && sorted[7] <= 300, "{round}: {places:?}");
        }
    }

    #[test]
    fn words_above_lines_cover_no_other_line_and_no_other_words() {
        // "size of the base" over its line would lie over the cliff's line too.
        assert_eq!(above(&[(300, 90), (260, 30)], 0..640), [(-3, 0), (-15, 0)]);
        assert_eq!(above(&[(630, 90)], 0..640), [(-87, 0)]);
        let same = above(&[(300, 90), (300, 90), (300, 90)], 0..640);
        assert_eq!(same, [(-45, 0), (-45, 1), (-45, 2)]);
    }

    #[test]
    fn no_label_of_a_crowd_covers_a_dot_or_another_label() {
        let mut random = ChaCha8Rng::seed_from_u64(11);
        let mut place = || {
            let mut within = |end: u32| (random.next_u32() % end) as i32;
            (within(600), within(400))
        };
        let dots: Vec<Point> = (0..44).map(|_| place()).collect();
        let mut crowd = Crowd {
            bounds: Spot {
                left: 0,
                top: 0,
                right: 640,
                bottom: 400,
            },
            dots: &dots,
            lines: &[],
            taken: Vec::new(),
            leaders: Vec::new(),
        };
        let spots: Vec<Spot> = dots
            .iter()
            .filter_map(|dot| crowd.place(*dot, (70, 14)))
            .map(|(spot, _)| spot)
            .collect();
        assert!(spots.len() > 35, "{} of 44 found a place", spots.len());
        for (at, spot) in spots.iter().enumerate() {
            assert!(spots[at + 1..].iter().all(|other| !other.touches(spot)));
            let dot = |dot: &Point| spot.touches(&Spot::around(*dot, (10, 10)));
            assert!(!dots.iter().any(dot));
        }
    }
}
