//! Pruning over tables: what is chosen, and that nothing outside the table is.

use super::*;

fn ordered(column: &[f64]) -> Factor {
    Factor { columns: vec![column.to_vec()], is_ordered: true }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

const SETTINGS: Settings =
    Settings { a_round: usize::MAX, temperature: 1.0, lambda: 0.1, full_cost: 100.0, trees: 100, seed: 0 };

/// 36 budgets: `epochs` matters and costs, `channels` costs and does not matter, `seed` does neither.
fn table() -> (Vec<Factor>, Vec<TabulatedTrial>) {
    let (mut columns, mut trials) = (vec![Vec::new(); 3], Vec::new());
    for epochs in [1.0, 2.0, 4.0, 8.0] {
        for channels in [4.0, 8.0, 16.0] {
            for seed in [0.0, 1.0, 2.0] {
                for (column, value) in columns.iter_mut().zip([epochs, channels, seed]) {
                    column.push(value);
                }
                let spearman = Some(epochs / 10.0 + 0.001 * seed);
                trials.push(TabulatedTrial { cost: epochs * channels, spearman });
            }
        }
    }
    (columns.iter().map(|column| ordered(column)).collect(), trials)
}

#[test]
fn what_does_not_matter_goes_first_and_to_its_cheapest_value() {
    let (factors, trials) = table();
    let found = prune(&names(&["epochs", "channels", "seed"]), &factors, &trials, &SETTINGS).unwrap();
    let fixed: Vec<TabulatedFixed> = found.rounds.iter().flat_map(|round| round.fixed.clone()).collect();
    // Channels can cost more than the seed, which costs nothing and keeps the value of the best budget.
    let order: Vec<(usize, Option<FixReason>)> = fixed.iter().map(|one| (one.factor, one.reason)).collect();
    let (cheapest, best) = (Some(FixReason::Cheapest), Some(FixReason::BestTrial));
    assert_eq!(order, [(1, cheapest), (2, best), (0, best)]);
    let value = |fixed: &TabulatedFixed| factors[fixed.factor].columns[0][fixed.value_of];
    assert_eq!(fixed.iter().map(value).collect::<Vec<_>>(), [4.0, 2.0, 8.0]);
    assert_eq!(found.tried.len(), trials.len());
    // 0.802 - 0.1 · 0.32 is the highest objective.
    let best = found.found.unwrap();
    assert_eq!((trials[best].cost, trials[best].spearman), (32.0, Some(0.802)));
    let dear = Settings { lambda: 0.99, full_cost: 8.0, ..SETTINGS };
    let found = prune(&names(&["epochs", "channels", "seed"]), &factors, &trials, &dear).unwrap();
    assert_eq!(trials[found.found.unwrap()].cost, 4.0);
}

#[test]
fn rounds_try_few_budgets_of_the_table_and_none_twice() {
    let (factors, trials) = table();
    let few = Settings { a_round: 5, ..SETTINGS };
    let run = |seed| {
        prune(&names(&["epochs", "channels", "seed"]), &factors, &trials, &Settings { seed, ..few }).unwrap()
    };
    let found = run(3);
    let mut tried = found.tried.clone();
    tried.sort_unstable();
    tried.dedup();
    assert!(tried.len() == found.tried.len() && tried.len() < trials.len(), "{tried:?}");
    assert!(found.rounds[0].tried == 5 && found.tried.contains(&found.found.unwrap()));
    assert_eq!(run(3), found);
    // Budgets with eight epochs and four channels cost 32: 0.802 - 0.1 · 0.32 is the most that there is.
    assert_eq!(found.best.map(|best| (trials[best].cost, trials[best].spearman)), Some((32.0, Some(0.802))));
    assert_ne!(run(4).tried, found.tried);
    let mut first = [0.0; 2];
    for seed in 0..200 {
        for &trial in &run(seed).tried[..5] {
            first[usize::from(trials[trial].cost > 16.0)] += 1.0;
        }
    }
    // A third of the budgets costs more than 16, but Eq. 2 draws the cheap ones.
    assert!(first[1] / (first[0] + first[1]) < 0.1, "{first:?}");
}

#[test]
fn a_value_that_takes_others_with_it_says_so_and_holes_are_no_budgets() {
    // With b = 1 there is no other value of c than 5.
    let factors =
        [ordered(&[1.0, 1.0, 2.0, 2.0]), ordered(&[1.0, 2.0, 1.0, 2.0]), ordered(&[5.0, 6.0, 5.0, 6.0])];
    let trial = |cost, spearman| TabulatedTrial { cost, spearman };
    let trials = [trial(1.0, Some(0.1)), trial(2.0, Some(0.1)), trial(1.0, Some(0.7)), trial(2.0, Some(0.7))];
    let found = prune(&names(&["a", "b", "c"]), &factors, &trials, &SETTINGS).unwrap();
    let first = &found.rounds[0].fixed;
    assert_eq!((first[0].factor + first[1].factor, first[0].reason), (1 + 2, Some(FixReason::Cheapest)));
    assert_eq!(first[1].reason, None);
    // Then a is the last one, and its importance is no reason.
    assert_eq!((first[2].factor, first[2].reason), (0, Some(FixReason::BestTrial)));
    assert_eq!((found.rounds.len(), found.found), (1, Some(2)));
}

#[test]
fn tables_that_hold_little_end_well() {
    let trial = |cost, spearman| TabulatedTrial { cost, spearman };
    let one = prune(&names(&["a"]), &[ordered(&[1.0])], &[trial(0.0, Some(0.5))], &SETTINGS).unwrap();
    assert_eq!((one.rounds.len(), one.tried, one.found), (0, vec![0], Some(0)));
    let none = prune(&names(&["a"]), &[ordered(&[1.0, 2.0])], &[trial(1.0, None); 2], &SETTINGS).unwrap();
    assert_eq!((none.rounds[0].importances.clone(), none.found), (vec![None], None));
    assert_eq!(none.rounds[0].fixed[0].reason, Some(FixReason::First), "no cost tells the values apart");
    let empty = prune(&[], &[], &[], &SETTINGS).unwrap();
    assert_eq!((empty.rounds.len(), empty.found), (0, None));
    // A budget that costs nothing is no unit of cost.
    let free = [trial(0.0, Some(0.5)), trial(3.0, Some(0.6))];
    let few = Settings { a_round: 1, ..SETTINGS };
    let found = prune(&names(&["a"]), &[ordered(&[1.0, 2.0])], &free, &few).unwrap();
    assert_eq!(found.tried, [0]);
}

#[test]
fn where_the_best_budgets_value_is_gone_the_best_of_those_left_gives_it() {
    // The best budget has b = 3, which no budget with the cheap value of a has.
    let factors = [ordered(&[1.0, 1.0, 1.0, 2.0, 2.0]), ordered(&[1.0, 2.0, 2.0, 1.0, 3.0])];
    let trial = |cost, spearman| TabulatedTrial { cost, spearman: Some(spearman) };
    let trials = [trial(1.0, 0.1), trial(2.0, 0.6), trial(2.0, 0.6), trial(9.0, 0.1), trial(9.0, 0.61)];
    let found = prune(&names(&["a", "b"]), &factors, &trials, &SETTINGS).unwrap();
    let fixed = &found.rounds[0].fixed;
    assert_eq!((fixed[0].factor, fixed[0].reason), (0, Some(FixReason::Cheapest)));
    assert_eq!((fixed[1].factor, fixed[1].reason), (1, Some(FixReason::BestTrial)));
    assert_eq!(factors[1].columns[0][fixed[1].value_of], 2.0);
}
