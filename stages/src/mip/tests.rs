//! Rounds, the pruning rule and the final choice, on the published trials and on small spaces.

use super::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    published: Published,
}

#[derive(Deserialize)]
struct Published {
    rows: Vec<[f64; COUNT]>,
    targets: Vec<f64>,
    hours: Vec<f64>,
}

/// Columns of the golden, by name; the table has its own order.
const COLUMNS: [&str; COUNT] =
    ["epochs", "batch_size", "learning_rate", "layers", "channels", "image_size", "cutout", "float_bits"];

fn published() -> Vec<Trial> {
    let golden: Golden = serde_json::from_str(include_str!("../../goldens/forest.json")).unwrap();
    let Published { rows, targets, hours } = golden.published;
    let trial = |((row, spearman), hours): ((&[f64; COUNT], &f64), &f64)| {
        let text: Vec<String> =
            COLUMNS.iter().zip(row).map(|(name, value)| format!("{name}={value}")).collect();
        Trial {
            budget: text.join(",").parse().unwrap(),
            cost: *hours,
            agreement: Some(*spearman),
            dropped_after: None,
        }
    };
    rows.iter().zip(&targets).zip(&hours).map(trial).collect()
}

fn space_of(trials: &[Trial]) -> BudgetSpace {
    let mut values: [Vec<Value>; COUNT] = Default::default();
    for trial in trials {
        for (list, value) in values.iter_mut().zip(trial.budget.values()) {
            if !list.contains(&value) {
                list.push(value);
            }
        }
    }
    BudgetSpace::new(values).unwrap()
}

/// Relative costs with training FLOPs up to a factor: a layer's go with channels squared and pixels.
fn costs(space: &BudgetSpace) -> [Vec<f64>; COUNT] {
    let flops = |budget: &Budget| {
        let Budget { epochs, layers, channels, image_size, .. } = *budget;
        let factors = [epochs, layers, channels, channels, image_size, image_size];
        Ok::<_, std::convert::Infallible>(factors.map(f64::from).iter().product())
    };
    space.relative_costs(flops).unwrap()
}

fn index(name: &str) -> usize {
    HYPERPARAMETERS.iter().position(|row| row.name == name).unwrap()
}

fn trial(text: &str, cost: f64, agreement: Option<f64>) -> Trial {
    Trial { budget: text.parse().unwrap(), cost, agreement, dropped_after: None }
}

#[test]
fn replays_on_the_published_trials() {
    let trials = published();
    let mut state = MipState { trials, ..MipState::new(space_of(&published())) };
    let importances = state.importances(1000, 0).unwrap();
    // The paper's Figure 4: epochs and layers matter most, cutout least.
    let mut order: Vec<usize> = (0..COUNT).collect();
    order.sort_by(|&a, &b| importances[b].unwrap().total_cmp(&importances[a].unwrap()));
    let mut leading = [HYPERPARAMETERS[order[0]].name, HYPERPARAMETERS[order[1]].name];
    leading.sort_unstable();
    assert_eq!(leading, ["epochs", "layers"]);
    let rounds = state.space.open().len() - 1;
    for _ in 0..rounds {
        assert!(state.space.open().len() > 1);
        let importances = state.importances(200, 0).unwrap();
        let costs = costs(&state.space);
        state.prune(&importances, &costs);
    }
    assert!(state.space.open().is_empty());
    assert_eq!(state.fixed.len(), COUNT);
    assert_eq!(state.fixed[0].index, index("cutout"));
    assert_eq!(state.fixed[0].value, Value::Count(0));
    let by_name = |name: &str| state.fixed.iter().find(|fixed| fixed.index == index(name)).unwrap();
    // A cutout costs nothing either way.
    assert_eq!(state.fixed[0].reason, FixReason::BestTrial);
    assert_eq!(by_name("layers").reason, FixReason::BestTrial);
    assert_eq!(by_name("layers").value, Value::Count(20));
}

#[test]
fn lambda_trades_correlation_for_cost() {
    let trials = published();
    let found = |lambda: f64| best_objective(&trials, lambda, 100.0).unwrap().budget;
    let most = "epochs=300,batch_size=256,learning_rate=0.06,layers=20,channels=36,image_size=32,cutout=0,float_bits=16";
    assert_eq!(found(0.0), most.parse().unwrap());
    assert_eq!(best_agreement(&trials).unwrap().budget, most.parse().unwrap());
    // Measured in the hours of BPE-2, the cheap budgets win.
    let cheap = best_objective(&trials, 0.5, 0.55).unwrap().budget;
    assert_eq!(cheap, "BPE-1,batch_size=512,learning_rate=0.1,float_bits=16".parse().unwrap());
    assert!(trials[0].objective(0.5, 1.0).unwrap() < trials[0].agreement.unwrap());
}

#[test]
fn the_pareto_front_of_the_published_trials() {
    let trials = published();
    let front = pareto(&trials);
    for pair in front.windows(2) {
        assert!(pair[0].cost < pair[1].cost && pair[0].agreement < pair[1].agreement);
    }
    for trial in &trials {
        let beaten = |other: &&&Trial| other.cost <= trial.cost && other.agreement >= trial.agreement;
        assert!(front.iter().any(|other| beaten(&other)), "{trial:?} is beaten by none and not on the front");
    }
    let budgets: Vec<Budget> = front.iter().map(|trial| trial.budget).collect();
    assert!(budgets.contains(&"BPE-1".parse().unwrap()) && budgets.contains(&"BPE-2".parse().unwrap()));
}

#[test]
fn undefined_correlations_are_left_out() {
    let trials = [trial("BPE-1", 1.0, None), trial("BPE-2", 5.0, Some(0.2))];
    assert_eq!(best_objective(&trials, 0.1, 10.0).unwrap().budget, "BPE-2".parse().unwrap());
    assert_eq!(pareto(&trials).len(), 1);
    assert_eq!(best_agreement(&trials[..1]), None);
    let state = MipState { trials: trials[..1].to_vec(), ..MipState::new(space_of(&trials)) };
    assert_eq!(state.importances(10, 0).unwrap(), [None; COUNT]);
}

#[test]
fn of_equal_scores_the_cheaper_then_the_earlier_wins() {
    let trials =
        [trial("BPE-1", 2.0, Some(0.5)), trial("BPE-2", 1.0, Some(0.5)), trial("DARTS", 1.0, Some(0.5))];
    assert_eq!(best_agreement(&trials).unwrap().budget, "BPE-2".parse().unwrap());
    assert_eq!(
        pareto(&trials).iter().map(|trial| trial.budget).collect::<Vec<_>>(),
        ["BPE-2".parse().unwrap()]
    );
}

#[test]
fn what_was_dropped_is_learned_from_and_never_chosen() {
    let whole = [trial("BPE-1,epochs=5", 1.0, Some(0.2)), trial("BPE-1,epochs=10", 2.0, Some(0.5))];
    let dropped = Trial { dropped_after: Some(10), ..trial("BPE-1,epochs=20", 0.5, Some(0.9)) };
    let trials = [&whole[..], &[dropped]].concat();
    assert_eq!(best_agreement(&trials), Some(&whole[1]));
    assert_eq!(best_objective(&trials, 0.9, 2.0), Some(&whole[0]));
    assert_eq!(pareto(&trials), [&whole[0], &whole[1]]);
    assert!(best_agreement(&[dropped]).is_none() && pareto(&[dropped]).is_empty());
    let of = |trials: &[Trial]| {
        let state = MipState { trials: trials.to_vec(), ..MipState::new(space_of(&published())) };
        state.importances(50, 0).unwrap()[index("epochs")]
    };
    // Without it the two trials that are left still differ in their epochs alone; with it alone there is nothing to
    // see.
    assert_eq!((of(&trials), of(&[dropped])), (Some(1.0), None));
    // The value that pruning keeps is of the best that was tried on all.
    let mut state = MipState { trials, ..MipState::new(space(&[("epochs", &[5.0, 10.0, 20.0])])) };
    let costs = costs(&state.space);
    state.prune(&importances(&[("epochs", 1.0)]), &costs);
    assert_eq!((state.fixed[0].value, state.fixed[0].reason), (Value::Count(10), FixReason::BestTrial));
}

/// A space with these lists and one value everywhere else.
fn space(lists: &[(&str, &[f64])]) -> BudgetSpace {
    let base: Budget = "BPE-1".parse().unwrap();
    let mut values = base.values().map(|value| vec![value]);
    for (name, list) in lists {
        let row = &HYPERPARAMETERS[index(name)];
        values[index(name)] =
            list.iter().map(|number| row.parse(&number.to_string(), "test").unwrap()).collect();
    }
    BudgetSpace::new(values).unwrap()
}

fn importances(shares: &[(&str, f64)]) -> Importances {
    let mut importances = [None; COUNT];
    for (name, share) in shares {
        importances[index(name)] = Some(*share);
    }
    importances
}

#[test]
fn unimportant_means_cheapest_and_important_means_best_seen() {
    let lists: [(&str, &[f64]); 3] =
        [("epochs", &[5.0, 10.0, 20.0]), ("layers", &[3.0, 6.0]), ("channels", &[4.0, 8.0])];
    let trials = vec![
        trial("BPE-1,epochs=20,layers=6,channels=8", 9.0, Some(0.9)),
        trial("BPE-1,epochs=5,layers=3,channels=4", 1.0, Some(0.1)),
    ];
    let prune = |shares| {
        let mut state = MipState { trials: trials.clone(), ..MipState::new(space(&lists)) };
        let costs = costs(&state.space);
        state.prune(&importances(shares), &costs);
        state.fixed
    };
    let fixed = prune(&[("epochs", 0.05), ("layers", 0.4), ("channels", 0.55)]);
    let cheapest =
        Fixed { index: 0, value: Value::Count(5), importance: Some(0.05), reason: FixReason::Cheapest };
    assert_eq!(fixed, [cheapest]);
    let fixed = prune(&[("epochs", 0.2), ("layers", 0.4), ("channels", 0.4)]);
    assert_eq!(
        fixed,
        [Fixed { index: 0, value: Value::Count(20), importance: Some(0.2), reason: FixReason::BestTrial }]
    );
}

#[test]
fn ties_go_by_cost_then_by_name_and_the_last_is_fixed_too() {
    let lists: [(&str, &[f64]); 3] =
        [("epochs", &[1.0, 2.0]), ("channels", &[4.0, 8.0]), ("layers", &[3.0, 6.0])];
    let mut state =
        MipState { trials: vec![trial("BPE-1,epochs=2", 1.0, Some(0.3))], ..MipState::new(space(&lists)) };
    // Channels cost a factor of 4, epochs and layers 2 each; all have the importance 0.
    let nothing = importances(&[("epochs", 0.0), ("layers", 0.0)]);
    state.prune(&nothing, &costs(&state.space));
    assert_eq!(state.fixed[0].index, index("channels"));
    state.prune(&nothing, &costs(&state.space));
    assert_eq!((state.fixed[1].index, state.fixed[2].index), (index("epochs"), index("layers")));
    // Channels were not observed, epochs were and do not matter, and of the last one nothing is claimed.
    assert_eq!(state.fixed.iter().map(|fixed| fixed.importance).collect::<Vec<_>>(), [None, Some(0.0), None]);
    assert_eq!(state.fixed[2].reason, FixReason::BestTrial);
    assert!(state.space.open().is_empty());
}

#[test]
fn among_values_of_one_cost_the_best_trials_own_is_kept() {
    let lists: [(&str, &[f64]); 2] = [("batch_size", &[32.0, 64.0, 128.0]), ("epochs", &[5.0, 10.0])];
    let trials = vec![trial("BPE-1,batch_size=64", 1.0, Some(0.4))];
    let mut state = MipState { trials, ..MipState::new(space(&lists)) };
    let costs = costs(&state.space);
    state.prune(&importances(&[("epochs", 0.99), ("batch_size", 0.01)]), &costs);
    assert_eq!((state.fixed[0].value, state.fixed[0].reason), (Value::Count(64), FixReason::BestTrial));
}

#[test]
fn what_no_trial_varies_is_not_observed() {
    // Three budgets: epochs go with r_s, layers vary and do not matter, batch sizes vary only where there is no r_s.
    let state = MipState {
        trials: vec![
            trial("BPE-1,epochs=5,layers=3", 1.0, Some(0.1)),
            trial("BPE-1,epochs=20,layers=3", 4.0, Some(0.9)),
            trial("BPE-1,epochs=5,layers=6", 2.0, Some(0.1)),
            trial("BPE-1,epochs=20,layers=6", 8.0, Some(0.9)),
            trial("BPE-1,epochs=5,layers=3,batch_size=64", 1.0, None),
        ],
        ..MipState::new(space(&[
            ("epochs", &[5.0, 20.0]),
            ("layers", &[3.0, 6.0]),
            ("batch_size", &[64.0, 128.0]),
        ]))
    };
    let importances = state.importances(100, 0).unwrap();
    // Bootstrap samples that lack a budget give some of it to layers.
    assert!(importances[index("epochs")].unwrap() > 0.8, "{importances:?}");
    assert!(importances[index("layers")].unwrap() < 0.2, "{importances:?}");
    let others = (0..COUNT).filter(|&other| ![index("epochs"), index("layers")].contains(&other));
    assert!(others.into_iter().all(|other| importances[other].is_none()), "{importances:?}");
}

#[test]
fn a_round_without_trials_prunes_to_the_cheapest() {
    let mut state = MipState::new(space(&[("epochs", &[5.0, 10.0]), ("learning_rate", &[0.1, 0.03])]));
    let costs = costs(&state.space);
    state.prune(&[None; COUNT], &costs);
    let fixed = [0, 1].map(|place| (state.fixed[place].value, state.fixed[place].reason));
    assert_eq!(fixed, [(Value::Count(5), FixReason::Cheapest), (Value::Real(0.1), FixReason::First)]);
}

#[test]
fn rounds_never_repeat_a_budget_until_the_space_is_used_up() {
    let mut state = MipState::new(space(&[("epochs", &[1.0, 2.0, 3.0]), ("learning_rate", &[0.1, 0.03])]));
    let costs = costs(&state.space);
    for round in 0..3 {
        let drawn = state.next_budgets(4, &[], &costs, 1.0, (0, round));
        assert_eq!(drawn.len(), [4, 2, 0][round as usize]);
        for budget in drawn {
            assert!(state.trials.iter().all(|trial| trial.budget != budget));
            state.trials.push(Trial { budget, cost: 1.0, agreement: None, dropped_after: None });
        }
    }
    assert_eq!(state.trials.len(), 6);
}
