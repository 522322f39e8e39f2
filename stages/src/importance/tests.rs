//! fANOVA against sums over the whole domain, PED-ANOVA against Optuna, and what cannot be told.

use serde::Deserialize;

use super::*;

fn ordered(column: &[f64]) -> Factor {
    Factor { columns: vec![column.to_vec()], is_ordered: true }
}

/// A factor without order, as whoever reads tables writes it: a column for each choice.
fn choices(column: &[f64], count: usize) -> Factor {
    let indicator = |choice: usize| column.iter().map(|&value| f64::from(value == choice as f64)).collect();
    let needed = if count == 2 { 1..2 } else { 0..count };
    Factor { columns: needed.map(indicator).collect(), is_ordered: false }
}

fn drawn(random: &mut Random, trials: usize, below: u64) -> Vec<f64> {
    (0..trials).map(|_| random.below(below) as f64).collect()
}

#[test]
fn variance_shares_are_those_of_sums_over_the_domain() {
    let mut random = Random::new(1, "test", 0);
    for _ in 0..20 {
        let [a, b, c] = [4, 3, 5].map(|below| drawn(&mut random, 30, below));
        let targets: Vec<f64> =
            (0..30).map(|i| a[i] + if b[i] == 1.0 { 2.0 * c[i] } else { 0.0 } + random.normal()).collect();
        let table = TrialTable::new(&[ordered(&a), choices(&b, 3), ordered(&c)], &targets).unwrap();
        let compare = |tree: Tree<Ranges>| {
            // Every combination of values, looked up in the tree.
            let predict = |values: [usize; 3]| {
                let holds = |ranges: &Ranges| {
                    table.levels.iter().zip(values).all(|(levels, value)| {
                        let within = levels.features.clone().zip(&levels.codes[value]);
                        within.into_iter().all(|(feature, code)| {
                            let (first, end) = ranges.0[feature];
                            (first..end).contains(code)
                        })
                    })
                };
                let found: Vec<f64> =
                    tree.leaves.iter().filter(|(ranges, _)| holds(ranges)).map(|leaf| leaf.1).collect();
                assert_eq!(found.len(), 1, "leaves share the domain");
                found[0]
            };
            let sizes: Vec<usize> = table.levels.iter().map(|levels| levels.codes.len()).collect();
            let domain: Vec<[usize; 3]> = (0..sizes[0])
                .flat_map(|a| {
                    let (b, c) = (sizes[1], sizes[2]);
                    (0..b).flat_map(move |b| (0..c).map(move |c| [a, b, c]))
                })
                .collect();
            let mean = |over: &dyn Fn(&[usize; 3]) -> bool| {
                let values: Vec<f64> =
                    domain.iter().filter(|values| over(values)).map(|&values| predict(values)).collect();
                values.iter().sum::<f64>() / values.len() as f64
            };
            let all = mean(&|_| true);
            let variance = domain.iter().map(|&values| (predict(values) - all).powi(2)).sum::<f64>()
                / domain.len() as f64;
            let shares = fanova::variance_shares(&table.levels, &tree.leaves).unwrap();
            for (factor, share) in shares.into_iter().enumerate() {
                let marginal = (0..sizes[factor]).map(|value| mean(&|values| values[factor] == value) - all);
                let expected =
                    marginal.map(|height| height.powi(2)).sum::<f64>() / sizes[factor] as f64 / variance;
                assert!((share - expected).abs() < 1e-9, "{factor}: {share} {expected}");
            }
        };
        table.samples.each_tree(3, 0, compare);
    }
}

#[derive(Deserialize)]
struct Case {
    columns: [Vec<f64>; 3],
    targets: Vec<f64>,
    best: f64,
    shares: [f64; 3],
}

#[test]
fn divergences_equal_optunas() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../../goldens/divergence.json")).unwrap();
    assert!(cases.len() >= 3);
    for Case { columns: [a, b, c], targets, best, shares } in cases {
        let count = 1 + b.iter().copied().fold(0.0, f64::max) as usize;
        let factors = [ordered(&a), choices(&b, count), ordered(&c)];
        let found = TrialTable::new(&factors, &targets).unwrap().importances(1, best, 0);
        for (found, share) in found.into_iter().zip(shares) {
            let found = found.unwrap().ped_anova;
            assert!((found - share).abs() < 1e-6, "{found} {share}");
        }
    }
}

#[test]
fn what_matters_is_found_by_all_three_and_impurities_are_those_of_the_forest() {
    let mut random = Random::new(2, "test", 0);
    let (a, b, c) = (drawn(&mut random, 80, 5), drawn(&mut random, 80, 4), drawn(&mut random, 80, 3));
    let targets: Vec<f64> = (0..80).map(|i| 4.0 * a[i] + b[i] + 0.1 * random.normal()).collect();
    let table = TrialTable::new(&[ordered(&a), ordered(&b), choices(&c, 3)], &targets).unwrap();
    let found: Vec<Importance> = table.importances(100, 0.2, 0).into_iter().flatten().collect();
    let kinds: [fn(&Importance) -> f64; 3] = [|one| one.impurity, |one| one.fanova, |one| one.ped_anova];
    for share in kinds {
        let shares: Vec<f64> = found.iter().map(share).collect();
        assert!(shares[0] > 0.6 && shares[0] > shares[1], "{shares:?}");
        assert!(
            shares.iter().sum::<f64>() < 1.0 + 1e-9 && shares.iter().all(|share| *share >= 0.0),
            "{shares:?}"
        );
    }
    let impurities: Vec<f64> = found.iter().map(|one| one.impurity).collect();
    let alone: Vec<f64> = table.impurities(100, 0).into_iter().flatten().collect();
    assert_eq!(impurities, alone);
    let spread = table.spread(60, 30, 0).unwrap();
    let (low, high) = spread[0].unwrap();
    assert!(low < high && low < impurities[0] + 0.02 && high > impurities[0] - 0.02, "{low} {high}");
    let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(one_thread.install(|| table.importances(100, 0.2, 0)), table.importances(100, 0.2, 0));
    assert_eq!(one_thread.install(|| table.spread(60, 30, 0).unwrap()), spread);
}

#[test]
fn what_trials_cannot_tell_has_no_importance() {
    let (a, constant) = ([1.0, 2.0, 1.0, 2.0], [7.0; 4]);
    let table = TrialTable::new(&[ordered(&a), ordered(&constant)], &[1.0, 2.0, 1.5, 2.5]).unwrap();
    let found = table.importances(50, 0.5, 0);
    assert!(found[0].is_some_and(|found| found.impurity == 1.0 && found.ped_anova == 1.0), "{found:?}");
    assert_eq!((found[1], table.impurities(50, 0)[1]), (None, None));
    let spread = table.spread(50, 20, 0).unwrap();
    assert!(spread[0].is_some() && spread[1].is_none(), "{spread:?}");
    let flat = TrialTable::new(&[ordered(&a)], &[3.0; 4]).unwrap();
    assert_eq!((flat.importances(50, 0.1, 0), flat.spread(9, 9, 0).unwrap()), (vec![None], vec![None]));
    let one = TrialTable::new(&[ordered(&[1.0])], &[3.0]).unwrap();
    assert_eq!(one.importances(50, 0.1, 0), [None]);
    assert!(TrialTable::new(&[], &[]).unwrap().importances(5, 0.1, 0).is_empty());
    assert!(TrialTable::new(&[ordered(&a)], &[1.0]).is_err());
    assert!(TrialTable::new(&[ordered(&[f64::NAN])], &[1.0]).is_err());
}
