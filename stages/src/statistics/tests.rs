//! Against `SciPy`, against all ways to break ties, and what intervals hold.

use super::*;
use crate::random::Random;

fn r(x: &[f64], y: &[f64]) -> Option<f64> {
    correlate(x, y, 0).unwrap().spearman
}

#[derive(Deserialize)]
struct Case {
    x: Vec<f64>,
    y: Vec<f64>,
    spearman: f64,
    kendall: f64,
}

#[test]
fn equals_scipy() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../../goldens/correlation.json")).unwrap();
    assert!(cases.len() >= 6);
    for Case { x, y, spearman, kendall } in cases {
        let quality = rank_quality(&x, &y, 1, 0).unwrap();
        assert_eq!(r(&x, &y), quality.spearman);
        assert!((quality.spearman.unwrap() - spearman).abs() < 1e-12, "{x:?} {y:?}");
        assert!((quality.kendall.unwrap() - kendall).abs() < 1e-12, "{x:?} {y:?}");
    }
}

#[test]
fn perfect_and_reversed_order() {
    assert_eq!(r(&[1.0, 2.0, 3.0], &[10.0, 20.0, 21.0]), Some(1.0));
    assert_eq!(r(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0]), Some(-1.0));
}

#[test]
fn a_constant_side_has_no_order() {
    for (x, y) in [([5.0; 3], [1.0, 2.0, 3.0]), ([1.0, 2.0, 3.0], [5.0; 3])] {
        let correlation = correlate(&x, &y, 0).unwrap();
        assert_eq!((correlation.spearman, correlation.interval), (None, None));
    }
    assert_eq!((r(&[], &[]), r(&[1.0], &[2.0])), (None, None));
}

#[test]
fn refuses_what_is_no_list_of_pairs() {
    assert!(correlate(&[1.0, 2.0], &[1.0], 0).is_err());
    assert!(correlate(&[1.0, f64::NAN], &[1.0, 2.0], 0).unwrap_err().to_string().contains("architecture 1"));
}

fn top(pairs: &[(f64, f64)], k: usize) -> Option<Top> {
    let (x, y): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    rank_quality(&x, &y, k, 0).unwrap().top
}

#[test]
fn the_top_of_a_ranking_can_be_bad_where_the_rest_is_good() {
    // The truly best is ranked third, and all else in order.
    let pairs = [(9.0, 3.0), (8.0, 2.0), (7.0, 4.0), (6.0, 1.0), (5.0, 0.0)];
    let of = |k| {
        let top = top(&pairs, k).unwrap();
        (top.k, top.precision, top.regret, top.best_of_top)
    };
    assert_eq!(of(1), (1, 0.0, 1.0, 3.0));
    assert_eq!(of(2), (2, 0.5, 1.0, 3.0));
    assert_eq!(of(3), (3, 1.0, 1.0, 4.0));
    assert_eq!(of(9), (5, 1.0, 1.0, 4.0));
    assert_eq!((top(&[], 1), top(&pairs, 0)), (None, None));
    // The best of two random ones: 4 in 4 of 10 pairs, 3 in 3, 2 in 2, 1 in 1.
    let two = top(&pairs, 2).unwrap();
    assert!((two.best_of_random - 3.0).abs() < 1e-12 && two.over_random.abs() < 1e-12, "{two:?}");
    assert_eq!(top(&pairs, 5).unwrap().over_random, 0.0, "all are all, ranked or not");
}

#[test]
fn equal_estimates_are_worth_what_chance_makes_of_them() {
    let pairs = [(1.0, 10.0), (1.0, 20.0), (1.0, 30.0), (1.0, 40.0)];
    for (k, precision) in [(1, 0.25), (2, 0.5), (3, 0.75), (4, 1.0)] {
        let top = top(&pairs, k).unwrap();
        assert_eq!((top.k, top.precision, top.regret, top.over_random), (k, precision, 15.0, 0.0));
    }
    // The first two of three are sure of nothing but the one above the tie.
    let two = top(&[(2.0, 1.0), (1.0, 3.0), (1.0, 2.0)], 2).unwrap();
    assert_eq!((two.precision, two.regret, two.best_of_top), (0.5, 2.0, 2.5));
}

/// All ways to take `k` of `n` elements.
fn subsets(n: usize, k: usize) -> Vec<Vec<usize>> {
    let all = (0..1_u32 << n).filter(|set| set.count_ones() as usize == k);
    all.map(|set| (0..n).filter(|i| set >> i & 1 == 1).collect()).collect()
}

#[test]
fn the_top_is_the_average_over_all_ways_to_break_ties() {
    let mut random = Random::new(5, "test", 0);
    for _ in 0..40 {
        let n = 2 + random.below(6) as usize;
        let pairs: Vec<(f64, f64)> =
            (0..n).map(|_| (random.below(3) as f64, random.below(4) as f64)).collect();
        let k = 1 + random.below(n as u64) as usize;
        // Sets that hold the k largest, in one way or another to break ties.
        let tops = |value: &dyn Fn(usize) -> f64| -> Vec<Vec<usize>> {
            let sum = |set: &[usize]| set.iter().map(|&i| value(i)).sum::<f64>();
            let most = subsets(n, k).iter().map(|set| sum(set)).fold(f64::MIN, f64::max);
            subsets(n, k).into_iter().filter(|set| sum(set) == most).collect()
        };
        let best = |set: &Vec<usize>| set.iter().map(|&i| pairs[i].1).fold(f64::MIN, f64::max);
        let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
        let (highest, truly) = (tops(&|i| pairs[i].0), tops(&|i| pairs[i].1));
        let shared = highest
            .iter()
            .flat_map(|a| truly.iter().map(|b| a.iter().filter(|i| b.contains(i)).count() as f64 / k as f64));
        let top = top(&pairs, k).unwrap();
        for (ours, theirs) in [
            (top.precision, mean(shared.collect())),
            (top.best_of_top, mean(highest.iter().map(best).collect())),
            (top.best_of_random, mean(subsets(n, k).iter().map(best).collect())),
        ] {
            assert!((ours - theirs).abs() < 1e-12, "{pairs:?} {k}: {ours} {theirs}");
        }
        assert_eq!(top.over_random, top.best_of_top - top.best_of_random);
    }
}

#[test]
fn a_resample_is_judged_as_a_list_with_repetitions() {
    let mut random = Random::new(6, "test", 0);
    for _ in 0..40 {
        let n = 2 + random.below(7) as usize;
        let list = |random: &mut Random| -> Vec<f64> { (0..n).map(|_| random.below(5) as f64).collect() };
        let (x, y) = (list(&mut random), list(&mut random));
        let mut counts = vec![0_u32; n];
        (0..n).for_each(|_| counts[random.below(n as u64) as usize] += 1);
        let repeated = |list: &[f64]| -> Vec<f64> {
            let copies = list.iter().zip(&counts);
            copies.flat_map(|(&value, &count)| vec![value; count as usize]).collect()
        };
        let whole = rank_quality(&repeated(&x), &repeated(&y), 2, 0).unwrap();
        let sides = Sides::new(&x, &y).unwrap();
        assert_eq!((sides.spearman(&counts), sides.kendall(&counts)), (whole.spearman, whole.kendall));
        let (ours, theirs) = (sides.top(&counts, 2).unwrap(), whole.top.unwrap());
        for (ours, theirs) in [
            (ours.precision, theirs.precision),
            (ours.regret, theirs.regret),
            (ours.best_of_top, theirs.best_of_top),
            (ours.best_of_random, theirs.best_of_random),
        ] {
            assert!((ours - theirs).abs() < 1e-12, "{x:?} {y:?} {counts:?}: {ours} {theirs}");
        }
    }
}

#[test]
fn what_is_undefined_says_so_and_the_rest_is_still_there() {
    let flat = rank_quality(&[5.0; 4], &[1.0, 2.0, 3.0, 4.0], 1, 0).unwrap();
    assert_eq!((flat.spearman, flat.interval, flat.kendall, flat.kendall_interval), (None, None, None, None));
    let top = flat.top.unwrap();
    assert_eq!((top.precision, top.regret), (0.25, 1.5));
    assert!(top.regret_interval.is_some_and(|(low, high)| low < high), "{top:?}");
    let one = rank_quality(&[1.0], &[2.0], 1, 0).unwrap();
    assert_eq!((one.spearman, one.kendall, one.architectures), (None, None, 1));
    let top = one.top.unwrap();
    assert_eq!(
        (top.precision, top.regret, top.precision_interval, top.over_random_interval),
        (1.0, 0.0, None, None)
    );
    assert_eq!(rank_quality(&[], &[], 1, 0).unwrap().top, None);
    let two = rank_quality(&[1.0, 2.0], &[3.0, 4.0], 1, 0).unwrap();
    assert_eq!((two.spearman, two.kendall), (Some(1.0), Some(1.0)));
    assert!(rank_quality(&[1.0], &[1.0, 2.0], 1, 0).is_err());
}

#[test]
fn rank_sums_order_by_the_average_rank() {
    let sums = rank_sum(&[&[1.0, 2.0, 3.0, 4.0], &[10.0, 30.0, 20.0, 20.0]]);
    // Ranks 1 to 4, and 1, 4, 2.5, 2.5.
    assert_eq!(sums, [-6.0, 2.0, 1.0, 3.0]);
    assert!(rank_sum(&[]).is_empty());
}

#[test]
fn the_interval_is_as_wide_as_theory_says() {
    let mut random = Random::new(1, "test", 0);
    let x: Vec<f64> = (0..100).map(|_| random.normal()).collect();
    let y: Vec<f64> = x.iter().map(|x| x + random.normal()).collect();
    let Correlation { spearman, interval, count } = correlate(&x, &y, 7).unwrap();
    let ((low, high), r) = (interval.unwrap(), spearman.unwrap());
    assert_eq!(count, 100);
    assert!(low < r && r < high);
    // Fisher's transformation with Bonett and Wright's factor for ranks.
    let half_width = 1.96 * ((1.0 + r * r / 2.0) / 97.0).sqrt() * (1.0 - r * r);
    assert!(((high - low) / 2.0 / half_width - 1.0).abs() < 0.25, "{low} {high} {half_width}");
}

#[test]
fn the_interval_repeats_and_depends_on_the_seed() {
    let mut random = Random::new(2, "test", 0);
    let x: Vec<f64> = (0..20).map(f64::from).collect();
    let y: Vec<f64> = x.iter().map(|x| x + 9.0 * random.normal()).collect();
    assert_eq!(correlate(&x, &y, 1).unwrap(), correlate(&x, &y, 1).unwrap());
    assert_ne!(correlate(&x, &y, 1).unwrap().interval, correlate(&x, &y, 2).unwrap().interval);
}

#[test]
fn every_interval_holds_its_number_and_no_thread_changes_a_bit() {
    let mut random = Random::new(3, "test", 0);
    let x: Vec<f64> = (0..60).map(|_| random.normal()).collect();
    let y: Vec<f64> = x.iter().map(|x| x + random.normal()).collect();
    let quality = || rank_quality(&x, &y, 6, 4).unwrap();
    let found = quality();
    let top = found.top.unwrap();
    for (value, interval) in [
        (found.spearman.unwrap(), found.interval),
        (found.kendall.unwrap(), found.kendall_interval),
        (top.precision, top.precision_interval),
        (top.regret, top.regret_interval),
        (top.over_random, top.over_random_interval),
    ] {
        let (low, high) = interval.unwrap();
        assert!(low <= value && value <= high && low < high, "{value} {low} {high}");
    }
    assert_eq!(found.interval, correlate(&x, &y, 4).unwrap().interval, "one set of resamples for all");
    let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(one_thread.install(quality), found);
    assert_ne!(rank_quality(&x, &y, 6, 5).unwrap().kendall_interval, found.kendall_interval);
}

#[test]
fn an_interval_without_resampling_is_the_published_formula() {
    // By hand: atanh(.5) = .549306, its deviation sqrt((1 + .125) / 25) = .212132.
    let (low, high) = approximate_interval(0.5, 28).unwrap();
    assert!((low - 0.132_75).abs() < 1e-4 && (high - 0.746_52).abs() < 1e-4, "{low} {high}");
    assert_eq!([approximate_interval(0.5, 3), approximate_interval(-1.0, 28)], [None, None]);
    // With many pairs it is what the bootstrap says.
    let mut random = Random::new(5, "test", 0);
    let x: Vec<f64> = (0..400).map(|_| random.normal()).collect();
    let y: Vec<f64> = x.iter().map(|x| x + random.normal()).collect();
    let found = correlate(&x, &y, 1).unwrap();
    let (near, (low, high)) =
        (approximate_interval(found.spearman.unwrap(), 400).unwrap(), found.interval.unwrap());
    assert!((near.0 - low).abs() < 0.02 && (near.1 - high).abs() < 0.02, "{near:?} {low} {high}");
}
