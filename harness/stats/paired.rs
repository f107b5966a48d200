//! Paired samples of one quantity: is the second of each pair larger, or is it noise?
//!
//! The test is Wilcoxon's signed-rank test (Wilcoxon, Individual comparisons by ranking methods, 1945) on the logarithms
//! of the ratios, one-sided, exact for up to 30 pairs. It asks for no distribution of the noise but that it treats both
//! sides alike, and one wild sample does not decide it. The estimate that belongs to it is the median of all means of
//! two (Hodges and Lehmann, 1963).

/// Up to here the distribution is counted out, with ties as they are; beyond it the normal approximation is close.
const EXACT_PAIRS: usize = 30;
/// Beyond this the median of the ratios stands for the median of all means of two, which would be millions.
const WALSH_PAIRS: usize = 500;

/// What pairs say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paired {
    /// How many pairs there are.
    pub pairs: usize,
    /// The second over the first: the estimate of Hodges and Lehmann.
    pub ratio: f64,
    /// How often noise alone would rank the second so high.
    pub p_larger: f64,
    /// How often noise alone would rank it so low.
    pub p_smaller: f64,
}

/// Judges pairs of positive figures; pairs with a zero are left out. `None` without any pair.
pub fn judge(pairs: &[(u64, u64)]) -> Option<Paired> {
    let ratios: Vec<f64> = pairs
        .iter()
        .filter(|(first, second)| *first > 0 && *second > 0)
        .map(|(first, second)| (*second as f64 / *first as f64).ln())
        .collect();
    let (p_larger, p_smaller) = signed_ranks(&ratios);
    Some(Paired {
        pairs: ratios.len(),
        ratio: centre(&ratios)?.exp(),
        p_larger,
        p_smaller,
    })
}

/// The smallest error rate at which so many pairs can show anything, with one weak pair among them against the rest.
pub fn least_level(pairs: usize) -> f64 {
    2.0 * 0.5_f64.powi(i32::try_from(pairs).unwrap_or(i32::MAX))
}

/// One-sided p-values: of a rank sum as high, and as low, as that of the positive differences.
fn signed_ranks(differences: &[f64]) -> (f64, f64) {
    let mut sizes: Vec<(f64, bool)> = differences
        .iter()
        .filter(|difference| **difference != 0.0)
        .map(|difference| (difference.abs(), *difference > 0.0))
        .collect();
    sizes.sort_by(|one, other| one.0.total_cmp(&other.0));
    // Twice the ranks: with ties, the mean of two ranks may lie half way.
    let mut ranks: Vec<usize> = Vec::with_capacity(sizes.len());
    for alike in sizes.chunk_by(|one, other| one.0 == other.0) {
        let first = ranks.len() + 1;
        ranks.extend(alike.iter().map(|_| 2 * first + alike.len() - 1));
    }
    let positive = ranks.iter().zip(&sizes).filter(|(_, (_, up))| *up);
    let sum: usize = positive.map(|(rank, _)| rank).sum();
    match ranks.len() {
        0 => (1.0, 1.0),
        1..=EXACT_PAIRS => counted(&ranks, sum),
        _ => approximated(&ranks, sum),
    }
}

/// Every pattern of signs is as likely as any other: the shares of those whose sum is as high, and as low.
fn counted(ranks: &[usize], sum: usize) -> (f64, f64) {
    let total: usize = ranks.iter().sum();
    let mut patterns = vec![0.0; total + 1];
    patterns[0] = 1.0;
    for rank in ranks {
        for at in (*rank..=total).rev() {
            patterns[at] += patterns[at - rank];
        }
    }
    let all = 2.0_f64.powi(ranks.len() as i32);
    let high: f64 = patterns[sum..].iter().sum();
    let low: f64 = patterns[..=sum].iter().sum();
    (high / all, low / all)
}

fn approximated(ranks: &[usize], sum: usize) -> (f64, f64) {
    let mean = ranks.iter().sum::<usize>() as f64 / 2.0;
    let squares = ranks.iter().map(|rank| (*rank as f64).powi(2));
    let deviation = squares.sum::<f64>().sqrt() / 2.0;
    // A half is the correction for whole numbers; the ranks are doubled.
    let tail = |distance: f64| upper_tail((distance - 1.0) / deviation);
    (tail(sum as f64 - mean), tail(mean - sum as f64))
}

/// The share of a normal distribution above `z`, to about seven digits (Abramowitz and Stegun, 26.2.17).
fn upper_tail(z: f64) -> f64 {
    if z < 0.0 {
        return 1.0 - upper_tail(-z);
    }
    const TERMS: [f64; 5] = [
        0.319_381_530,
        -0.356_563_782,
        1.781_477_937,
        -1.821_255_978,
        1.330_274_429,
    ];
    let t = 1.0 / (1.0 + 0.231_641_9 * z);
    let sum = TERMS.iter().rev().fold(0.0, |sum, term| (sum + term) * t);
    (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() * sum
}

/// The median of the means of every two differences, each with itself too.
fn centre(differences: &[f64]) -> Option<f64> {
    let mut means: Vec<f64> = match differences.len() {
        0 => return None,
        1..=WALSH_PAIRS => differences
            .iter()
            .enumerate()
            .flat_map(|(at, one)| differences[at..].iter().map(move |two| (one + two) / 2.0))
            .collect(),
        _ => differences.to_vec(),
    };
    let middle = means.len() / 2;
    let even = means.len().is_multiple_of(2);
    let (below, upper, _) = means.select_nth_unstable_by(middle, f64::total_cmp);
    let upper = *upper;
    let lower = below.iter().copied().max_by(f64::total_cmp);
    Some(match lower.filter(|_| even) {
        Some(lower) => f64::midpoint(lower, upper),
        None => upper,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p_values_are_those_of_the_tables() {
        // Ten pairs, all larger: one pattern of 1,024. One weak pair against the rest: two.
        let all: Vec<(u64, u64)> = (1..=10).map(|at| (1000, 1000 + 10 * at)).collect();
        assert_eq!(judge(&all).unwrap().p_larger, 1.0 / 1024.0);
        let mut one = all.clone();
        one[0] = (1000, 995);
        assert_eq!(judge(&one).unwrap().p_larger, 2.0 / 1024.0);
        assert_eq!(least_level(10), 2.0 / 1024.0);
        // A rank sum of 8 with ten pairs has p = 0.0244 (the table in Wilcoxon and Wilcox, 1964).
        let ranks: Vec<usize> = (1..=10).map(|rank| 2 * rank).collect();
        assert!((counted(&ranks, 16).1 - 0.0244).abs() < 5e-5);
    }

    #[test]
    fn both_sides_are_treated_alike_and_ties_count_half() {
        let pairs = [(100, 110), (100, 90), (100, 100), (200, 220), (100, 120)];
        let swapped = pairs.map(|(first, second)| (second, first));
        let (one, other) = (judge(&pairs).unwrap(), judge(&swapped).unwrap());
        assert!((one.p_larger - other.p_smaller).abs() < 1e-12);
        assert!((one.ratio * other.ratio - 1.0).abs() < 1e-12);
        assert_eq!(judge(&[(0, 5), (5, 0)]), None);
        assert_eq!(judge(&[(5, 5)]).unwrap().p_larger, 1.0);
    }

    #[test]
    fn what_ties_has_the_mean_of_its_ranks() {
        // Of the ranks 1.5, 1.5, 3 and 4 the third alone is of a smaller figure. Of all 16 patterns of signs 5 have at most
        // its 3 below: none, one of the two that tie, both, and it alone.
        let pairs = [(100, 110), (100, 110), (100, 60), (100, 300)];
        let judged = judge(&pairs).unwrap();
        assert_eq!(judged.p_larger, 5.0 / 16.0);
        assert_eq!(judged.p_smaller, 13.0 / 16.0);
    }

    #[test]
    fn the_approximation_meets_the_count() {
        let ranks: Vec<usize> = (1..=30).map(|rank| 2 * rank).collect();
        for sum in [500, 600, 700] {
            let (exact, near) = (counted(&ranks, sum), approximated(&ranks, sum));
            assert!((exact.0 - near.0).abs() < 2e-3, "{sum}: {exact:?} {near:?}");
            assert!((exact.1 - near.1).abs() < 2e-3, "{sum}: {exact:?} {near:?}");
        }
        assert!((upper_tail(1.959_964) - 0.025).abs() < 1e-6);
        assert!((upper_tail(0.0) - 0.5).abs() < 1e-6);
    }

    #[test]
    fn one_wild_sample_does_not_move_the_estimate() {
        let mut pairs = vec![(1000, 1200); 10];
        pairs[3] = (1000, 90_000);
        assert!((judge(&pairs).unwrap().ratio - 1.2).abs() < 1e-9);
    }
}
