//! Minimum importance pruning (Zheng et al., section 4.2 and Algorithm 1): which budgets to try next, which hyper-parameter to
//! stop varying, and which budget is best in the end.

use serde::{Deserialize, Serialize};

use crate::forest::Samples;
use crate::hyperparameter::{COUNT, HYPERPARAMETERS, Value};
use crate::space::BudgetSpace;
use crate::{Budget, Error};

/// Below this importance a hyper-parameter is fixed to its cheapest value, otherwise to the best one seen (Eq. 9).
pub const UNIMPORTANT: f64 = 0.1;

/// A budget that has been tried: one element of the paper's 𝒟.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// The budget b.
    pub budget: Budget,
    /// Its training FLOPs, averaged over the architectures.
    pub cost: f64,
    /// `r_s` of its accuracies and the fully trained ones; `None` when undefined.
    pub spearman: Option<f64>,
}

impl Trial {
    /// Eq. 1: `r_s - λ·cost/full_cost`. The paper writes a plus and asks for less time; this is what it asks for.
    /// `None` when `r_s` is undefined.
    pub fn objective(&self, lambda: f64, full_cost: f64) -> Option<f64> {
        self.spearman.map(|spearman| spearman - lambda * self.cost / full_cost)
    }
}

/// Why a hyper-parameter was given the value it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// Its importance was below [`UNIMPORTANT`].
    Cheapest,
    /// The value of the trial with the highest `r_s`.
    BestTrial,
}

/// A hyper-parameter that pruning has fixed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fixed {
    /// Its row in the table of hyper-parameters.
    pub index: usize,
    /// The value that it keeps.
    pub value: Value,
    /// Its importance when it was fixed.
    pub importance: f64,
    /// Which half of Eq. 9 chose the value.
    pub reason: Reason,
}

/// The state between two rounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MipState {
    /// What pruning has left of the budget space.
    pub space: BudgetSpace,
    /// What pruning has fixed, in its order.
    pub fixed: Vec<Fixed>,
    /// All budgets tried so far, in the order in which they were drawn.
    pub trials: Vec<Trial>,
}

impl MipState {
    /// Before the first round.
    pub const fn new(space: BudgetSpace) -> Self {
        Self { space, fixed: Vec::new(), trials: Vec::new() }
    }

    /// Whether no hyper-parameter has a choice left.
    pub fn finished(&self) -> bool {
        self.space.open().is_empty()
    }

    /// The budgets of round `round`: up to `count` that no round has drawn, by Eq. 2 with these relative costs
    /// ([`BudgetSpace::relative_costs`] of [`MipState::space`]). Fewer when the space holds no more.
    pub fn next_budgets(
        &self,
        count: usize,
        costs: &[Vec<f64>; COUNT],
        temperature: f64,
        seed: u64,
        round: u64,
    ) -> Vec<Budget> {
        let drawn: Vec<Budget> = self.trials.iter().map(|trial| trial.budget).collect();
        self.space.draw(count, &drawn, costs, temperature, (seed, round))
    }

    /// The importance of each hyper-parameter, in the table's order, out of all trials whose `r_s` is defined (Eq. 8).
    ///
    /// # Errors
    /// [`Error::Numbers`] when a trial's `r_s` is not finite.
    pub fn importances(&self, trees: usize, seed: u64) -> Result<[f64; COUNT], Error> {
        let defined = self.trials.iter().filter_map(|trial| Some((trial.budget, trial.spearman?)));
        let (rows, targets): (Vec<[f64; COUNT]>, Vec<f64>) =
            defined.map(|(budget, spearman)| (budget.values().map(Value::number), spearman)).unzip();
        let mut importances = [0.0; COUNT];
        for (slot, share) in
            importances.iter_mut().zip(Samples::new(&rows, &targets)?.importances(trees, seed))
        {
            *slot = share;
        }
        Ok(importances)
    }

    /// Fixes the least important of the hyper-parameters that have a choice (Eq. 9), and the last one too when only one is
    /// left then. Of equal importances the one that can cost more goes first, then the first by name. `costs` are the
    /// relative costs of [`MipState::space`].
    ///
    /// The cheapest value is the one with the lowest relative cost; among values of one cost, which only hyper-parameters
    /// that change no FLOPs have, the best trial's own if it is there, else the first of the space.
    pub fn prune(&mut self, importances: &[f64; COUNT], costs: &[Vec<f64>; COUNT]) {
        let dearest = |index: usize| costs[index].iter().copied().fold(0.0, f64::max);
        let order = |&a: &usize, &b: &usize| {
            let by_importance = importances[a].total_cmp(&importances[b]);
            let by_cost = || dearest(b).total_cmp(&dearest(a));
            by_importance
                .then_with(by_cost)
                .then_with(|| HYPERPARAMETERS[a].name.cmp(HYPERPARAMETERS[b].name))
        };
        if let Some(least) = self.space.open().into_iter().min_by(order) {
            self.fix(least, importances[least], costs);
        }
        if let &[last] = self.space.open().as_slice() {
            // Alone it has all of the importance that is left to share.
            self.fix(last, 1.0, costs);
        }
    }

    fn fix(&mut self, index: usize, importance: f64, costs: &[Vec<f64>; COUNT]) {
        let values = self.space.values(index);
        let least = costs[index].iter().copied().fold(f64::INFINITY, f64::min);
        let is_cheapest =
            |value: Value| values.iter().zip(&costs[index]).any(|(v, cost)| *v == value && *cost <= least);
        let of_best_trial = best_spearman(&self.trials).map(|trial| trial.budget.values()[index]);
        let chosen = match of_best_trial.filter(|value| values.contains(value)) {
            Some(value) if importance >= UNIMPORTANT => Some((value, Reason::BestTrial)),
            Some(value) if is_cheapest(value) => Some((value, Reason::Cheapest)),
            _ => values.iter().find(|&&value| is_cheapest(value)).map(|&value| (value, Reason::Cheapest)),
        };
        if let Some((value, reason)) = chosen {
            self.space.fix(index, value);
            self.fixed.push(Fixed { index, value, importance, reason });
        }
    }
}

/// The trial with the highest `r_s`; of equal ones the cheaper, then the earlier. It does not depend on λ, so that
/// another λ never asks for other trainings.
pub fn best_spearman(trials: &[Trial]) -> Option<&Trial> {
    best_by(trials, |trial| trial.spearman)
}

/// The trial with the highest objective (Eq. 1); of equal ones the cheaper, then the earlier. `None` when no trial's `r_s` is
/// defined.
pub fn best_objective(trials: &[Trial], lambda: f64, full_cost: f64) -> Option<&Trial> {
    best_by(trials, |trial| trial.objective(lambda, full_cost))
}

fn best_by<'a>(trials: &'a [Trial], score: impl Fn(&Trial) -> Option<f64>) -> Option<&'a Trial> {
    let scored = trials.iter().filter_map(|trial| Some((score(trial)?, trial)));
    let better = |best: (f64, &'a Trial), next: (f64, &'a Trial)| {
        let wins = next.0 > best.0 || (next.0 == best.0 && next.1.cost < best.1.cost);
        if wins { next } else { best }
    };
    scored.reduce(better).map(|(_, trial)| trial)
}

/// The Pareto front of (cost, `r_s`): the trials that no other one beats in one of the two without losing in the other, by
/// ascending cost. Of trials equal in both the earliest stands for all.
pub fn pareto(trials: &[Trial]) -> Vec<&Trial> {
    let mut scored: Vec<(f64, &Trial)> =
        trials.iter().filter_map(|trial| Some((trial.spearman?, trial))).collect();
    scored.sort_by(|(a_spearman, a), (b_spearman, b)| {
        a.cost.total_cmp(&b.cost).then_with(|| b_spearman.total_cmp(a_spearman))
    });
    let mut most = f64::NEG_INFINITY;
    scored.retain(|(spearman, _)| {
        let gains = *spearman > most;
        most = most.max(*spearman);
        gains
    });
    scored.into_iter().map(|(_, trial)| trial).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
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
        let golden: Golden = serde_json::from_str(include_str!("../goldens/forest.json")).unwrap();
        let Published { rows, targets, hours } = golden.published;
        let trial = |((row, spearman), hours): ((&[f64; COUNT], &f64), &f64)| {
            let text: Vec<String> =
                COLUMNS.iter().zip(row).map(|(name, value)| format!("{name}={value}")).collect();
            Trial { budget: text.join(",").parse().unwrap(), cost: *hours, spearman: Some(*spearman) }
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

    fn trial(text: &str, cost: f64, spearman: Option<f64>) -> Trial {
        Trial { budget: text.parse().unwrap(), cost, spearman }
    }

    #[test]
    fn replays_on_the_published_trials() {
        let trials = published();
        let mut state = MipState { trials, ..MipState::new(space_of(&published())) };
        let importances = state.importances(1000, 0).unwrap();
        // The paper's Figure 4: epochs and layers matter most, cutout least.
        let mut order: Vec<usize> = (0..COUNT).collect();
        order.sort_by(|&a, &b| importances[b].total_cmp(&importances[a]));
        let mut leading = [HYPERPARAMETERS[order[0]].name, HYPERPARAMETERS[order[1]].name];
        leading.sort_unstable();
        assert_eq!(leading, ["epochs", "layers"]);
        let rounds = state.space.open().len() - 1;
        for _ in 0..rounds {
            assert!(!state.finished());
            let importances = state.importances(200, 0).unwrap();
            let costs = costs(&state.space);
            state.prune(&importances, &costs);
        }
        assert!(state.finished());
        assert_eq!(state.fixed.len(), COUNT);
        assert_eq!(state.fixed[0].index, index("cutout"));
        assert_eq!(state.fixed[0].value, Value::Count(0));
        let by_name = |name: &str| state.fixed.iter().find(|fixed| fixed.index == index(name)).unwrap();
        assert_eq!(by_name("layers").reason, Reason::BestTrial);
        assert_eq!(by_name("layers").value, Value::Count(20));
    }

    #[test]
    fn lambda_trades_correlation_for_cost() {
        let trials = published();
        let found = |lambda: f64| best_objective(&trials, lambda, 100.0).unwrap().budget;
        let most = "epochs=300,batch_size=256,learning_rate=0.06,layers=20,channels=36,image_size=32,cutout=0,float_bits=16";
        assert_eq!(found(0.0), most.parse().unwrap());
        assert_eq!(best_spearman(&trials).unwrap().budget, most.parse().unwrap());
        // Measured in the hours of BPE-2, the cheap budgets win.
        let cheap = best_objective(&trials, 0.5, 0.55).unwrap().budget;
        assert_eq!(cheap, "BPE-1,batch_size=512,learning_rate=0.1,float_bits=16".parse().unwrap());
        assert!(trials[0].objective(0.5, 1.0).unwrap() < trials[0].spearman.unwrap());
    }

    #[test]
    fn the_pareto_front_of_the_published_trials() {
        let trials = published();
        let front = pareto(&trials);
        for pair in front.windows(2) {
            assert!(pair[0].cost < pair[1].cost && pair[0].spearman < pair[1].spearman);
        }
        for trial in &trials {
            let beaten = |other: &&&Trial| other.cost <= trial.cost && other.spearman >= trial.spearman;
            assert!(
                front.iter().any(|other| beaten(&other)),
                "{trial:?} is beaten by none and not on the front"
            );
        }
        let budgets: Vec<Budget> = front.iter().map(|trial| trial.budget).collect();
        assert!(budgets.contains(&"BPE-1".parse().unwrap()) && budgets.contains(&"BPE-2".parse().unwrap()));
    }

    #[test]
    fn undefined_correlations_are_left_out() {
        let trials = [trial("BPE-1", 1.0, None), trial("BPE-2", 5.0, Some(0.2))];
        assert_eq!(best_objective(&trials, 0.1, 10.0).unwrap().budget, "BPE-2".parse().unwrap());
        assert_eq!(pareto(&trials).len(), 1);
        assert_eq!(best_spearman(&trials[..1]), None);
        let state = MipState { trials: trials[..1].to_vec(), ..MipState::new(space_of(&trials)) };
        assert_eq!(state.importances(10, 0).unwrap(), [0.0; COUNT]);
    }

    #[test]
    fn of_equal_scores_the_cheaper_then_the_earlier_wins() {
        let trials =
            [trial("BPE-1", 2.0, Some(0.5)), trial("BPE-2", 1.0, Some(0.5)), trial("DARTS", 1.0, Some(0.5))];
        assert_eq!(best_spearman(&trials).unwrap().budget, "BPE-2".parse().unwrap());
        assert_eq!(
            pareto(&trials).iter().map(|trial| trial.budget).collect::<Vec<_>>(),
            ["BPE-2".parse().unwrap()]
        );
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

    fn importances(shares: &[(&str, f64)]) -> [f64; COUNT] {
        let mut importances = [0.0; COUNT];
        for (name, share) in shares {
            importances[index(name)] = *share;
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
        let cheapest = Fixed { index: 0, value: Value::Count(5), importance: 0.05, reason: Reason::Cheapest };
        assert_eq!(fixed, [cheapest]);
        let fixed = prune(&[("epochs", 0.2), ("layers", 0.4), ("channels", 0.4)]);
        assert_eq!(
            fixed,
            [Fixed { index: 0, value: Value::Count(20), importance: 0.2, reason: Reason::BestTrial }]
        );
    }

    #[test]
    fn ties_go_by_cost_then_by_name_and_the_last_is_fixed_too() {
        let lists: [(&str, &[f64]); 3] =
            [("epochs", &[1.0, 2.0]), ("channels", &[4.0, 8.0]), ("layers", &[3.0, 6.0])];
        let mut state = MipState {
            trials: vec![trial("BPE-1,epochs=2", 1.0, Some(0.3))],
            ..MipState::new(space(&lists))
        };
        // Channels cost a factor of 4, epochs and layers 2 each; all have the importance 0.
        state.prune(&[0.0; COUNT], &costs(&state.space));
        assert_eq!(state.fixed[0].index, index("channels"));
        state.prune(&[0.0; COUNT], &costs(&state.space));
        assert_eq!((state.fixed[1].index, state.fixed[2].index), (index("epochs"), index("layers")));
        assert_eq!(state.fixed[2].reason, Reason::BestTrial);
        assert!(state.finished());
    }

    #[test]
    fn among_values_of_one_cost_the_best_trials_own_is_kept() {
        let lists: [(&str, &[f64]); 2] = [("batch_size", &[32.0, 64.0, 128.0]), ("epochs", &[5.0, 10.0])];
        let trials = vec![trial("BPE-1,batch_size=64", 1.0, Some(0.4))];
        let mut state = MipState { trials, ..MipState::new(space(&lists)) };
        let costs = costs(&state.space);
        state.prune(&importances(&[("epochs", 0.99), ("batch_size", 0.01)]), &costs);
        assert_eq!((state.fixed[0].value, state.fixed[0].reason), (Value::Count(64), Reason::Cheapest));
    }

    #[test]
    fn a_round_without_trials_prunes_to_the_cheapest() {
        let mut state = MipState::new(space(&[("epochs", &[5.0, 10.0]), ("learning_rate", &[0.1, 0.03])]));
        let costs = costs(&state.space);
        state.prune(&[0.0; COUNT], &costs);
        assert_eq!(state.fixed[0].value, Value::Count(5));
        assert_eq!(state.fixed[1].value, Value::Real(0.1));
    }

    #[test]
    fn rounds_never_repeat_a_budget_until_the_space_is_used_up() {
        let mut state =
            MipState::new(space(&[("epochs", &[1.0, 2.0, 3.0]), ("learning_rate", &[0.1, 0.03])]));
        let costs = costs(&state.space);
        for round in 0..3 {
            let drawn = state.next_budgets(4, &costs, 1.0, 0, round);
            assert_eq!(drawn.len(), [4, 2, 0][round as usize]);
            for budget in drawn {
                assert!(state.trials.iter().all(|trial| trial.budget != budget));
                state.trials.push(Trial { budget, cost: 1.0, spearman: None });
            }
        }
        assert_eq!(state.trials.len() as u128, state.space.size());
    }
}
