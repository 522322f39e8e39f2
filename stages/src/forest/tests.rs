//! Against scikit-learn, and what no forest may do.

use super::*;
use crate::random::Random;
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    single: Single,
    published: Published,
}

#[derive(Deserialize)]
struct Single {
    rows: Vec<Vec<f64>>,
    targets: Vec<f64>,
    trees: Vec<GoldenTree>,
}

#[derive(Deserialize)]
struct GoldenTree {
    counts: Vec<u32>,
    importances: Vec<f64>,
}

#[derive(Deserialize)]
struct Published {
    rows: Vec<Vec<f64>>,
    targets: Vec<f64>,
    importances: Vec<f64>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../../goldens/forest.json")).unwrap()
}

#[test]
fn a_tree_equals_scikit_learns_on_the_same_bootstrap_sample() {
    let Single { rows, targets, trees } = golden().single;
    let samples = Samples::new(&rows, &targets).unwrap();
    assert!(trees.len() >= 10);
    for (number, tree) in trees.iter().enumerate() {
        for (ours, theirs) in
            samples.tree::<()>(&tree.counts, number as u64).importances.iter().zip(&tree.importances)
        {
            assert!((ours - theirs).abs() < 1e-9, "tree {number}: {ours} {theirs}");
        }
    }
}

#[test]
fn the_forest_of_the_published_trials_agrees_with_scikit_learn() {
    let Published { rows, targets, importances } = golden().published;
    let ours = Samples::new(&rows, &targets).unwrap().importances(20_000, 0);
    // Two forests of this size differ by about 0.002 by chance.
    for (feature, (ours, theirs)) in ours.iter().zip(&importances).enumerate() {
        assert!((ours - theirs).abs() < 0.008, "feature {feature}: {ours} {theirs}");
    }
}

#[test]
fn a_constant_target_has_no_importances() {
    let rows = [[1.0, 2.0], [2.0, 1.0], [3.0, 3.0]];
    // 0.1 has no exact mean: rounding must not pass for information.
    assert_eq!(Samples::new(&rows, &[0.1; 3]).unwrap().importances(100, 0), [0.0, 0.0]);
    assert_eq!(Samples::new::<[f64; 2]>(&[], &[]).unwrap().importances(100, 0), [0.0; 0]);
}

#[test]
fn a_constant_feature_has_none_and_shares_add_up() {
    let rows: Vec<[f64; 3]> = (0..30).map(|i| [f64::from(i % 5), 7.0, f64::from(i % 3)]).collect();
    let targets: Vec<f64> = rows.iter().map(|row| 2.0 * row[0] + row[2]).collect();
    let importances = Samples::new(&rows, &targets).unwrap().importances(200, 0);
    assert_eq!(importances[1], 0.0);
    assert!(importances[0] > importances[2] && importances[2] > 0.0);
    assert!((importances.iter().sum::<f64>() - 1.0).abs() < 1e-12);
}

#[test]
fn equal_features_share_alike() {
    let rows: Vec<[f64; 2]> = (0..20).map(|i| [f64::from(i), f64::from(i)]).collect();
    let targets: Vec<f64> = (0..20).map(f64::from).collect();
    let importances = Samples::new(&rows, &targets).unwrap().importances(2000, 0);
    assert!((importances[0] - 0.5).abs() < 0.02, "{importances:?}");
}

#[test]
fn units_and_threads_do_not_matter() {
    let Published { rows, targets, .. } = golden().published;
    let scaled: Vec<f64> = targets.iter().map(|target| target * 1024.0).collect();
    let importances = |targets: &[f64]| Samples::new(&rows, targets).unwrap().importances(50, 1);
    assert_eq!(importances(&targets), importances(&scaled));
    let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(importances(&targets), one_thread.install(|| importances(&targets)));
}

#[test]
fn refuses_what_is_no_table() {
    assert!(Samples::new(&[vec![1.0], vec![1.0, 2.0]], &[0.0, 1.0]).is_err());
    assert!(Samples::new(&[[1.0]], &[0.0, 1.0]).is_err());
    assert!(Samples::new(&[[f64::NAN]], &[0.0]).is_err());
    assert!(Samples::new(&[[1.0]], &[f64::INFINITY]).is_err());
}

#[test]
fn sorting_and_counting_find_the_same_splits() {
    let mut random = Random::new(3, "test", 0);
    let numbers: Vec<[f64; 3]> = (0..500).map(|_| [0; 3].map(|_| random.below(400) as f64)).collect();
    let targets: Vec<f64> = numbers.iter().map(|row| row[0] + (row[1] * row[2]).sqrt()).collect();
    let samples = Samples::new(&numbers, &targets).unwrap();
    let rows: Vec<u32> = (0..500).collect();
    let mut grower = Grower {
        samples: &samples,
        counts: &vec![1; 500],
        cells: vec![Side::default(); 3 * 400],
        sorted: Vec::new(),
        decreases: vec![0.0; 3],
        order: vec![0, 1, 2],
        ties: 0,
    };
    for size in [1, 2, 10, 100, 500] {
        let node = &rows[..size];
        assert_eq!(grower.count(node, 400), grower.whole(node));
        for feature in 0..3 {
            grower.sort(node, feature);
            let mut sorted = vec![Side::default(); 400];
            for &(level, side) in &grower.sorted {
                sorted[level].add(side);
            }
            assert_eq!(sorted, grower.cells[feature * 400..][..400]);
            assert!(grower.sorted.is_sorted_by_key(|&(level, _)| level));
        }
    }
    // A whole tree by each way: few rows among many levels, and the same rows among themselves.
    let few: Vec<[f64; 3]> = numbers[..60].to_vec();
    let apart: Vec<[f64; 3]> = few.iter().chain(&numbers[60..]).copied().collect();
    let counts: Vec<u32> = (0..500).map(|row| u32::from(row < 60)).collect();
    let alone = Samples::new(&few, &targets[..60]).unwrap();
    assert!(alone.levels.iter().all(|&levels| levels <= MANY_LEVELS));
    for seed in 0..20 {
        let all = Samples {
            targets: [&alone.targets[..], &[0; 440]].concat(),
            ..Samples::new(&apart, &targets).unwrap()
        };
        let tree = |samples: &Samples, counts: &[u32]| samples.tree::<()>(counts, seed).importances;
        assert_eq!(tree(&alone, &[1; 60]), tree(&all, &counts));
    }
}

#[test]
fn leaves_share_the_rows_and_predict_their_means() {
    let Single { rows, targets, trees } = golden().single;
    let samples = Samples::new(&rows, &targets).unwrap();
    for (number, GoldenTree { counts, importances }) in trees.iter().enumerate() {
        let tree = samples.tree::<Ranges>(counts, number as u64);
        assert_eq!(tree.importances, samples.tree::<()>(counts, number as u64).importances);
        assert!(tree.leaves.len() > importances.len());
        for row in (0..rows.len()).filter(|&row| counts[row] > 0) {
            let holds = |ranges: &Ranges| {
                (0..4).all(|feature| {
                    let (first, end) = ranges.0[feature];
                    (first..end).contains(&samples.code(row, feature))
                })
            };
            let values: Vec<f64> =
                tree.leaves.iter().filter(|(ranges, _)| holds(ranges)).map(|(_, value)| *value).collect();
            // The targets are sums of steps that a tree finds, so that its leaves hold one value each.
            assert_eq!(values, [samples.targets[row] as f64], "tree {number}, row {row}");
        }
    }
}
