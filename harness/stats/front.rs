//! Fronts: which of many things no other beats in two figures at once (Pareto), less being better of both.

/// Places of the points on the front, in their order. Of equal points all are on it or none.
pub fn front(points: &[(f64, f64)]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..points.len())
        .filter(|at| points[*at].0.is_finite() && points[*at].1.is_finite())
        .collect();
    let by_both = |a: &usize, b: &usize| {
        let (a, b) = (points[*a], points[*b]);
        a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
    };
    order.sort_by(by_both);
    let mut front = Vec::new();
    let mut best: Option<(f64, f64)> = None;
    for at in order {
        let point = points[at];
        // In this order a point is beaten unless it is lower than all before it, or equal to the lowest.
        if best.is_none_or(|best| point.1 < best.1 || point == best) {
            best = Some(point);
            front.push(at);
        }
    }
    front.sort_unstable();
    front
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_point_is_on_the_front_unless_another_is_no_worse_in_both_and_better_in_one(
            points in proptest::collection::vec((0u8..12, 0u8..12), 0..40)
        ) {
            let points: Vec<(f64, f64)> =
                points.into_iter().map(|(x, y)| (x.into(), y.into())).collect();
            let beaten = |(x, y): (f64, f64)| {
                points.iter().any(|(a, b)| *a <= x && *b <= y && (*a < x || *b < y))
            };
            let expected: Vec<usize> =
                (0..points.len()).filter(|at| !beaten(points[*at])).collect();
            prop_assert_eq!(front(&points), expected);
        }
    }

    #[test]
    fn what_is_no_number_is_on_no_front() {
        assert_eq!(
            front(&[(f64::NAN, 1.0), (2.0, f64::INFINITY), (3.0, 3.0)]),
            [2]
        );
    }
}
