//! Small tables whose right answer is known.

use super::seed::Seed;
use super::*;

const NOISY: f64 = 1e9;

/// Architectures whose truths are their numbers, under budgets of these costs and noises, with one hyper-parameter that
/// is the budget's place and one that is 0.
fn table(architectures: usize, budgets: &[(f64, f64)]) -> Table {
    let budget = |(place, &(cost, noise)): (usize, &(f64, f64))| {
        let mut random = Random::new(7, "noise of a made table", place as u64);
        let estimates = (0..architectures).map(|truth| truth as f64 + noise * random.normal()).collect();
        Candidate { cost, estimates }
    };
    let place = (0..budgets.len()).map(|place| place as f64).collect();
    let factor = |column| Factor { columns: vec![column], is_ordered: true };
    Table {
        truths: (0..architectures).map(|truth| truth as f64).collect(),
        budgets: budgets.iter().enumerate().map(budget).collect(),
        names: vec!["place".into(), "nothing".into()],
        factors: vec![factor(place), factor(vec![0.0; budgets.len()])],
        curves: Vec::new(),
        baselines: Vec::new(),
    }
}

/// Learning curves of so many epochs for architectures whose truths are their numbers. The noise shrinks to nothing.
fn curves(architectures: usize, epochs: usize, noise: f64) -> Vec<Vec<f64>> {
    let curve = |truth: usize| {
        let mut random = Random::new(7, "noise of made curves", truth as u64);
        let left = |epoch: usize| 1.0 - epoch as f64 / epochs as f64;
        (1..=epochs).map(|epoch| truth as f64 + noise * left(epoch) * random.normal()).collect()
    };
    (0..architectures).map(curve).collect()
}

fn settings(ground_truth: usize, totals: &[usize], searched: &[usize]) -> Settings {
    Settings {
        ground_truth,
        totals: totals.into(),
        searched: searched.into(),
        seeds: 100,
        a_round: 3,
        lambda: 0.1,
        trees: 10,
        seed: 0,
    }
}

const MIP: Way = Way::Chosen(Chooser::Pruning);

#[test]
fn a_budget_that_ranks_perfectly_and_costs_nothing_wins() {
    let table = table(60, &[(0.0, 0.0), (0.0, NOISY), (0.0, NOISY)]);
    let found = compare(&table, &settings(10, &[12, 15], &[25, 50])).unwrap();
    assert_eq!(found.len(), 4);
    for compared in &found {
        for way in [MIP, Way::Chosen(Chooser::Random), Way::Chosen(Chooser::Grid), Way::Oracle, Way::Fixed(0)]
        {
            assert_eq!(compared.row(way).unwrap().regret.mean, 0.0, "{way:?}");
        }
        assert!(compared.row(Way::Fixed(1)).unwrap().regret.mean > 1.0);
        let mip = compared.row(MIP).unwrap();
        assert!(mip.over_random_search.is_above_0() && mip.over_random_budget.is_above_0());
        assert_eq!((mip.tried, mip.ranked), (3.0, 1.0));
    }
    let all = Tally { better: 2, worse: 0 };
    let whole = Verdict { totals: 2, worth_it: 2, over_random_search: all, over_random_budget: all };
    assert_eq!(verdict(&found), whole);
    assert!(break_even(&found).iter().all(|total| total.from == Some(25)), "every pool pays");
}

#[test]
fn budgets_of_noise_are_not_worth_their_choice() {
    let table = table(300, &[(0.04, NOISY); 12]);
    let found = compare(&table, &Settings { seeds: 400, ..settings(10, &[20], &[20, 60]) }).unwrap();
    for compared in &found {
        for row in &compared.rows {
            assert!(
                matches!(row.way, Way::Oracle | Way::Fixed(_)) || !row.over_random_search.is_above_0(),
                "{row:?}"
            );
        }
        let mip = compared.row(MIP).unwrap();
        assert!(mip.over_random_search.mean < 0.0, "what it tried it paid for: {mip:?}");
        assert!(mip.tried >= 3.0, "{mip:?}");
    }
    assert_eq!(verdict(&found).worth_it, 0);
    assert_eq!(break_even(&found)[0].from, None);
}

#[test]
fn every_way_spends_what_it_has_and_no_more() {
    let costs = [(0.0, 5.0), (0.01, 4.0), (0.1, 3.0), (0.3, 2.0), (1.0, 1.0), (f64::INFINITY, 0.0)];
    let settings = settings(5, &[6, 7, 11, 30, 200], &[1, 10, 35]);
    let of_all = vec![Some(0.5); costs.len()];
    for index in 0..24 {
        let mut table = table(40, &costs);
        let epochs = [1, 2, 3, 6, 9, 50][index as usize % 6];
        table.curves = curves(40, epochs, [0.0, 10.0, NOISY][index as usize % 3]);
        let scores =
            |scored: usize| (0..40).map(|at| if at < scored { 1.0 } else { f64::NEG_INFINITY }).collect();
        table.baselines = vec![scores(7), scores(0)];
        let mut seed = Seed::new(&table, &settings, &of_all, index).unwrap();
        for (total, searched) in
            settings.totals.iter().flat_map(|&total| [1, 10, 35].map(|pool| (total, pool)))
        {
            let played = way::all(&mut seed, &axes(&table).unwrap(), total, searched).unwrap();
            let has = |way: Way| played.iter().any(|(other, _)| *other == way);
            assert_eq!(
                [Way::OneEpoch, Way::Halving, Way::Hyperband, Way::Baseline(1), Way::Baseline(2)].map(has),
                [epochs > 1, epochs > 2, epochs > 2, true, false]
            );
            for (way, outcome) in played {
                assert!(outcome.spent <= total as f64 * (1.0 + 1e-9), "{way:?}: {outcome:?} of {total}");
                // Nobody keeps what would have trained another architecture.
                let left = total as f64 - outcome.spent;
                assert!(
                    left < 1.0 || outcome.full_trainings == 5 + searched,
                    "{way:?}: {outcome:?} of {total}"
                );
                assert!(outcome.regret >= 0.0 && outcome.full_trainings <= 5 + searched);
            }
        }
    }
}

#[test]
fn what_ranks_without_a_ground_truth_is_found_out_and_changes_no_other_way() {
    let plain = table(60, &[(0.1, NOISY), (0.1, NOISY), (0.1, NOISY)]);
    let settings = settings(10, &[20, 25], &[25, 50]);
    let before = compare(&plain, &settings).unwrap();
    assert_eq!(cheaper(&before), None);
    let truths = plain.truths.clone();
    let nothing = vec![f64::NEG_INFINITY; 60];
    let table = Table { curves: curves(60, 9, 0.0), baselines: vec![nothing, truths], ..plain };
    let found = compare(&table, &settings).unwrap();
    for (compared, before) in found.iter().zip(&before) {
        for row in &before.rows {
            assert_eq!(compared.row(row.way), Some(row));
        }
        for way in [Way::OneEpoch, Way::Halving, Way::Hyperband, Way::Baseline(1)] {
            let row = compared.row(way).unwrap();
            // Brackets of Hyperband that begin late leave some of the architectures out.
            assert!(row.regret.mean == 0.0 || way == Way::Hyperband, "{row:?}");
            assert!(row.over_pruning.is_above_0(), "{row:?}");
            assert_eq!((row.tried, row.ranked), (0.0, 0.0), "no budget is tried: {row:?}");
        }
        // Of 60 all are trained for 1 of 9 epochs, and the rest takes so many of them 8 epochs on.
        let one = compared.row(Way::OneEpoch).unwrap();
        let begun = (compared.searched + 10) as f64;
        assert_eq!(one.full_trainings, ((compared.total as f64 * 9.0 - begun) / 8.0).floor().min(begun));
        // A baseline without a score leaves the random order, which is that of random search.
        let (none, search) =
            (compared.row(Way::Baseline(0)).unwrap(), compared.row(Way::RandomSearch).unwrap());
        assert_eq!((none.regret, none.over_random_search.mean), (search.regret, 0.0));
    }
    let answer = cheaper(&found).unwrap();
    let all = Tally { better: 2, worse: 0 };
    assert_eq!((answer.ways, answer.best, answer.over_pruning), (5, Way::OneEpoch, all));
    // Random search may be better as well.
    assert!([4, 5].contains(&answer.better_somewhere), "{answer:?}");
}

#[test]
fn curves_that_say_nothing_are_not_worth_their_epochs() {
    let table = Table { curves: vec![vec![1.0; 27]; 300], ..table(300, &[(0.04, NOISY)]) };
    let found = compare(&table, &Settings { seeds: 400, ..settings(10, &[20], &[290]) }).unwrap();
    for way in [Way::OneEpoch, Way::Halving, Way::Hyperband] {
        let row = found[0].row(way).unwrap();
        assert!(row.over_random_search.is_below_0(), "{row:?}");
    }
}

#[test]
fn what_random_search_finds_is_the_mean_of_the_best_of_some() {
    // Of n numbered from 0 the largest of k drawn without replacement is k (n + 1) / (k + 1) - 1 on average.
    let found =
        compare(&table(50, &[(0.5, 1.0)]), &Settings { seeds: 4000, ..settings(4, &[9], &[46]) }).unwrap();
    let regret = found[0].row(Way::RandomSearch).unwrap().regret;
    let expected = 49.0 - (9.0 * 51.0 / 10.0 - 1.0);
    let (low, high) = regret.interval.unwrap();
    assert!(low < expected && expected < high, "{regret:?}, expected {expected}");
}

#[test]
fn threads_change_no_bit() {
    let table = table(60, &[(0.01, 5.0), (0.02, 20.0), (0.05, 2.0), (0.1, 1.0), (0.03, 9.0)]);
    let table = Table { curves: curves(60, 9, 20.0), baselines: vec![vec![0.0; 60]], ..table };
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| compare(&table, &settings(10, &[15, 20], &[20, 50])).unwrap())
    };
    assert_eq!(on(1), on(3));
}

#[test]
fn an_axis_has_the_budgets_that_differ_from_the_dearest_in_it_alone() {
    let mut table = table(30, &[(0.1, 1.0), (0.2, 1.0), (1.0, 0.0), (0.3, 1.0)]);
    table.factors = [[1.0, 2.0, 3.0, 3.0], [8.0, 8.0, 8.0, 4.0], [5.0, 5.0, 5.0, 6.0]]
        .map(|column| Factor { columns: vec![column.into()], is_ordered: true })
        .into();
    table.names = ["epochs", "channels", "layers"].map(String::from).into();
    let found = axes(&table).unwrap();
    assert_eq!(found.len(), 1, "the fourth budget differs in two");
    assert_eq!((found[0].factor, &found[0].budgets), (0, &vec![0, 1]));
    let compared = compare(&table, &settings(5, &[40], &[20])).unwrap();
    assert_eq!(compared[0].row(Way::Chosen(Chooser::Axis(0))).unwrap().tried, 2.0);
}

#[test]
fn an_estimator_asks_for_what_was_good() {
    for is_ordered in [true, false] {
        let mut table = table(4, &[(0.1, 1.0); 40]);
        let halves: Vec<f64> = (0..40).map(|budget| f64::from(budget % 2)).collect();
        let columns = if is_ordered {
            vec![halves]
        } else {
            vec![halves.clone(), halves.iter().map(|half| 1.0 - half).collect()]
        };
        table.factors = vec![Factor { columns, is_ordered }];
        table.names.truncate(1);
        let budgets: Vec<usize> = (0..40).collect();
        let mut estimator = parzen::Estimator::new(&table, &budgets).unwrap();
        let mut random = Random::new(0, "estimator", 0);
        for budget in 0..20 {
            estimator.tell(budget, (budget % 2 == 1).then_some(0.5 + budget as f64 / 100.0));
        }
        let good = (0..50).filter(|_| estimator.ask(&budgets[20..], &mut random).unwrap() % 2 == 1).count();
        assert!(good > 40, "{good} of 50, ordered: {is_ordered}");
        assert_eq!(estimator.ask(&[], &mut random), None);
    }
}

#[test]
fn tables_and_settings_that_do_not_fit_are_refused() {
    let good = || (table(30, &[(0.1, 1.0), (1.0, 0.0)]), settings(5, &[10], &[20]));
    let refused = |(table, settings): (Table, Settings)| compare(&table, &settings).is_err();
    assert!(!refused(good()));
    let changes: [fn(&mut Table, &mut Settings); 17] = [
        |table, _| table.truths[3] = f64::NAN,
        |table, _| table.budgets[1].estimates[0] = f64::INFINITY,
        |table, _| table.budgets[1].cost = -1.0,
        |table, _| table.budgets[1].cost = f64::NAN,
        |table, _| table.budgets[0].estimates.truncate(29),
        |table, _| table.factors[0].columns[0].truncate(1),
        |table, _| table.names.truncate(1),
        |table, _| table.curves = curves(29, 3, 0.0),
        |table, _| table.curves = vec![Vec::new(); 30],
        |table, _| {
            table.curves = curves(30, 3, 0.0);
            table.curves[4].truncate(2);
        },
        |table, _| {
            table.curves = curves(30, 3, 0.0);
            table.curves[4][1] = f64::NAN;
        },
        |table, _| table.baselines = vec![vec![0.0; 31]],
        |table, _| table.baselines = vec![vec![f64::NAN; 30]],
        |_, settings| settings.searched.push(26),
        |_, settings| settings.ground_truth = usize::MAX,
        |_, settings| settings.totals.push(5),
        |_, settings| settings.seeds = 0,
    ];
    for (place, change) in changes.into_iter().enumerate() {
        let (mut table, mut settings) = good();
        change(&mut table, &mut settings);
        assert!(refused((table, settings)), "change {place}");
    }
}
