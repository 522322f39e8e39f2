//! Budgets that were judged by the architectures that they rank: of a run's rounds, or of somebody's tables.

use serde::Serialize;
use stages::genotype::Genotype;
use stages::hyperparameter::HYPERPARAMETERS;
use stages::importance::{Factor, TrialTable};
use stages::mip::{Objective, pareto_by};
use stages::stage::{
    Evaluate, EvaluatedBudget, FitForest, GivenArchitectures, Mip, Prune, RaceReport, Rank, RankedBudget,
    Sample, SelectBudget,
};
use stages::statistics::{Interval, RankQuality};

use super::matrix::Matrix;
use super::pruning::{FixedTo, PruningRound};
use crate::engine::recorded::Recorded;

/// Bootstrap samples behind the spread of importances.
const RESAMPLES: usize = 100;
/// Share of the trials that PED-ANOVA takes for the best ones.
const BEST: f64 = 0.1;

/// Budgets, and what their rankings of some architectures are worth.
#[derive(Serialize)]
pub(crate) struct Study {
    pub(crate) architectures: Vec<JudgedArchitecture>,
    /// How many these are.
    pub(crate) judged: usize,
    /// In the order in which they were tried, each once.
    pub(crate) budgets: Vec<JudgedBudget>,
    /// The place of the budget that was found.
    pub(crate) found: Option<usize>,
    /// The same, with a seed that its choice has not seen.
    pub(crate) confirmed: Option<Confirmed>,
    /// Places of the budgets that none is both cheaper and better than, the cheapest first.
    pub(crate) front: Vec<usize>,
    pub(crate) hyperparameters: Vec<Hyperparameter>,
    pub(crate) rounds: Vec<PruningRound>,
    /// What racing saved, where budgets raced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) race: Option<RaceReport>,
    pub(crate) matrix: Matrix,
    /// What costs are in: `share of full training`, or the column of a table.
    pub(crate) cost_unit: String,
    /// By which number budgets were compared.
    #[serde(serialize_with = "named")]
    pub(crate) objective: Objective,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn named<S: serde::Serializer>(objective: &Objective, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(objective.name())
}

/// An architecture whose worth is known.
#[derive(Serialize)]
pub(crate) struct JudgedArchitecture {
    pub(crate) name: String,
    /// Its accuracy under full training, in percent or the unit of the table.
    pub(crate) truth: f64,
}

/// A budget that was tried.
#[derive(Serialize)]
pub(crate) struct JudgedBudget {
    pub(crate) name: String,
    /// The round that drew it, from 1; none in a table.
    pub(crate) round: Option<usize>,
    /// In the study's unit.
    pub(crate) cost: Option<f64>,
    /// The number by which it was compared, the higher the better: `r_s` where nothing else was asked for.
    pub(crate) agreement: Option<f64>,
    #[serde(flatten)]
    pub(crate) quality: RankQuality,
    /// Architectures that diverged under it.
    pub(crate) diverged: usize,
    /// After how many architectures racing dropped it, where it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dropped_after: Option<u32>,
    /// Which of its values each hyper-parameter has, in the order of these.
    pub(crate) levels: Vec<Option<usize>>,
    /// Its accuracy of each architecture, where there is one.
    pub(crate) scores: Vec<Option<f64>>,
}

/// The budget found, ranked once more.
#[derive(Serialize)]
pub(crate) struct Confirmed {
    #[serde(flatten)]
    pub(crate) quality: RankQuality,
    pub(crate) scores: Vec<Option<f64>>,
}

/// A hyper-parameter, and what is known of its importance.
#[derive(Serialize)]
pub(crate) struct Hyperparameter {
    pub(crate) name: String,
    #[serde(flatten)]
    pub(crate) shares: Shares,
    /// Its different values, ascending.
    pub(crate) levels: Vec<Level>,
}

/// Importances; none where the trials do not tell.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Shares {
    pub(crate) importance: Option<f64>,
    /// What importances of bootstrap samples of the trials span (95%).
    pub(crate) spread: Option<Interval>,
    pub(crate) fanova: Option<f64>,
    pub(crate) ped_anova: Option<f64>,
}

/// A value of a hyper-parameter, and the budgets that have it.
#[derive(Serialize)]
pub(crate) struct Level {
    pub(crate) value: String,
    pub(crate) budgets: usize,
    /// Of their agreement; none where no budget has one.
    pub(crate) mean: Option<f64>,
    pub(crate) lowest: Option<f64>,
    pub(crate) highest: Option<f64>,
}

/// A hyper-parameter's value under each budget.
pub(crate) struct Axis {
    pub(crate) name: String,
    pub(crate) values: Vec<Option<AxisValue>>,
}

/// A value as it is written, and as a number if it is one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AxisValue {
    pub(crate) text: String,
    pub(crate) number: Option<f64>,
}

impl Study {
    /// Brings budgets and hyper-parameters together: what each of its values is worth, the front, and the matrix.
    ///
    /// # Errors
    /// When an accuracy is not a number.
    pub(crate) fn new(
        architectures: Vec<JudgedArchitecture>,
        mut budgets: Vec<JudgedBudget>,
        axes: &[(Axis, Shares)],
        cost_unit: String,
        objective: Objective,
    ) -> Result<Self, stages::Error> {
        let mut hyperparameters = Vec::new();
        for (axis, shares) in axes {
            let known = distinct(&axis.values);
            for (budget, value) in budgets.iter_mut().zip(&axis.values) {
                budget.levels.push(known.iter().position(|level| Some(*level) == value.as_ref()));
            }
            let level = |(place, value): (usize, &&AxisValue)| {
                let number = hyperparameters.len();
                let of: Vec<&JudgedBudget> =
                    budgets.iter().filter(|budget| budget.levels[number] == Some(place)).collect();
                let agreements: Vec<f64> = of.iter().filter_map(|budget| budget.agreement).collect();
                let count = agreements.len();
                Level {
                    value: value.text.clone(),
                    budgets: of.len(),
                    mean: (count > 0).then(|| agreements.iter().sum::<f64>() / count as f64),
                    lowest: agreements.iter().copied().reduce(f64::min),
                    highest: agreements.iter().copied().reduce(f64::max),
                }
            };
            let levels = known.iter().enumerate().map(level).collect();
            hyperparameters.push(Hyperparameter { name: axis.name.clone(), shares: *shares, levels });
        }
        let places: Vec<usize> = (0..budgets.len()).collect();
        let front = pareto_by(&places, |&place| {
            let budget = &budgets[place];
            Some((budget.cost?, budget.agreement?)).filter(|_| budget.dropped_after.is_none())
        });
        Ok(Self {
            front: front.into_iter().copied().collect(),
            matrix: Matrix::of(&architectures, &budgets)?,
            judged: architectures.len(),
            architectures,
            budgets,
            found: None,
            confirmed: None,
            hyperparameters,
            rounds: Vec::new(),
            race: None,
            cost_unit,
            objective,
        })
    }

    /// Of a run's rounds; none where it did not come to rank a budget.
    ///
    /// # Errors
    /// When a number of a record is none.
    pub(crate) fn of_run(recorded: &Recorded) -> Result<Option<Self>, stages::Error> {
        let Some(truth) = recorded.output::<Evaluate>("evaluate@full").and_then(|all| all.into_iter().next())
        else {
            return Ok(None);
        };
        let drawn = recorded
            .output::<Sample>("sample")
            .or_else(|| recorded.output::<GivenArchitectures>("given-architectures"));
        let name = |place: usize| drawn.as_ref().and_then(|drawn| drawn.get(place)).map(Genotype::to_string);
        let architecture = |(place, &truth): (usize, &f64)| JudgedArchitecture {
            name: name(place).unwrap_or_else(|| format!("architecture {place}")),
            truth,
        };
        let architectures: Vec<_> = truth.scores.iter().enumerate().map(architecture).collect();
        let objective = objective_of(recorded);
        let mut budgets: Vec<(stages::Budget, JudgedBudget)> = Vec::new();
        let mut rounds = Vec::new();
        for round in 1.. {
            let Some(ranked) = recorded.output::<Rank>(&format!("rank@{round}")) else { break };
            let evaluated = recorded.output::<Evaluate>(&format!("evaluate@{round}")).unwrap_or_default();
            for ranked in ranked {
                let budget = ranked.trial.budget;
                if budgets.iter().all(|(known, _)| *known != budget) {
                    let scores = evaluated.iter().find(|evaluated| evaluated.budget == budget);
                    budgets.push((budget, judged(&ranked, scores, round, architectures.len())));
                }
            }
            rounds.extend(pruned_round(recorded, round, budgets.len()));
        }
        let selected = recorded.output::<SelectBudget>("select-budget");
        let found = selected.and_then(|selected| budgets.iter().position(|(budget, _)| *budget == selected));
        let seed = match recorded.parameter::<FitForest>("mip.seed") {
            Some(cache::FieldValue::Uint(seed)) => *seed,
            _ => 0,
        };
        let axes = axes_of(&budgets, recorded, seed)?;
        let budgets = budgets.into_iter().map(|(_, judged)| judged).collect();
        let mut study =
            Self::new(architectures, budgets, &axes, "share of full training".to_owned(), objective)?;
        let confirmed = recorded.output::<Rank>("rank@confirm").and_then(|all| all.into_iter().next());
        let evaluated = recorded.output::<Evaluate>("evaluate@confirm").unwrap_or_default();
        study.confirmed = confirmed.map(|ranked| Confirmed {
            quality: ranked.quality,
            scores: evaluated.first().map(|of| scores_of(of, study.judged)).unwrap_or_default(),
        });
        study.race = recorded.output::<Mip>("mip").and_then(|report| report.race);
        (study.found, study.rounds) = (found, rounds);
        Ok(Some(study))
    }
}

fn distinct(values: &[Option<AxisValue>]) -> Vec<&AxisValue> {
    let mut known: Vec<&AxisValue> = Vec::new();
    for value in values.iter().flatten() {
        if !known.contains(&value) {
            known.push(value);
        }
    }
    known.sort_by(|a, b| match (a.number, b.number) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        _ => a.text.cmp(&b.text),
    });
    known
}

/// The scores of so many architectures; none of those that a budget was not tried on.
fn scores_of(evaluated: &EvaluatedBudget, architectures: usize) -> Vec<Option<f64>> {
    (0..architectures).map(|place| evaluated.scores.get(place).copied()).collect()
}

fn judged(
    ranked: &RankedBudget,
    evaluated: Option<&EvaluatedBudget>,
    round: usize,
    architectures: usize,
) -> JudgedBudget {
    JudgedBudget {
        name: ranked.trial.budget.to_string(),
        round: Some(round),
        cost: Some(ranked.cost_ratio),
        agreement: ranked.trial.agreement,
        quality: ranked.quality,
        diverged: ranked.diverged.len(),
        dropped_after: ranked.trial.dropped_after,
        levels: Vec::new(),
        scores: evaluated.map(|evaluated| scores_of(evaluated, architectures)).unwrap_or_default(),
    }
}

fn pruned_round(recorded: &Recorded, round: usize, tried: usize) -> Option<PruningRound> {
    let importances = recorded.output::<FitForest>(&format!("fit-forest@{round}"))?;
    let before = match round {
        1 => 0,
        _ => recorded.output::<Prune>(&format!("prune@{}", round - 1))?.fixed.len(),
    };
    let fixed =
        recorded.output::<Prune>(&format!("prune@{round}")).map(|state| state.fixed).unwrap_or_default();
    let fixed = fixed.get(before..).unwrap_or_default().iter().map(|fixed| FixedTo {
        hyperparameter: HYPERPARAMETERS[fixed.index].name.to_owned(),
        value: fixed.value.to_string(),
        reason: Some(fixed.reason).into(),
    });
    let names = HYPERPARAMETERS.iter().map(|row| row.name.to_owned());
    Some(PruningRound { tried, importances: names.zip(importances).collect(), fixed: fixed.collect() })
}

/// By which number the run compared budgets.
fn objective_of(recorded: &Recorded) -> Objective {
    let named = match recorded.parameter::<Rank>("mip.objective") {
        Some(cache::FieldValue::Text(name)) => Objective::named(name),
        _ => None,
    };
    named.unwrap_or_default()
}

/// The hyper-parameters that differ between budgets, with their importances by all of these.
fn axes_of(
    budgets: &[(stages::Budget, JudgedBudget)],
    recorded: &Recorded,
    seed: u64,
) -> Result<Vec<(Axis, Shares)>, stages::Error> {
    let trees = match recorded.parameter::<FitForest>("mip.trees") {
        Some(cache::FieldValue::Uint(trees)) => usize::try_from(*trees).unwrap_or(usize::MAX),
        _ => return Ok(Vec::new()),
    };
    let ranked: Vec<(&stages::Budget, f64)> =
        budgets.iter().filter_map(|(budget, judged)| Some((budget, judged.agreement?))).collect();
    let targets: Vec<f64> = ranked.iter().map(|(_, agreement)| *agreement).collect();
    let factor = |index: usize| Factor {
        columns: vec![ranked.iter().map(|(budget, _)| budget.values()[index].number()).collect()],
        is_ordered: true,
    };
    let factors: Vec<Factor> = (0..HYPERPARAMETERS.len()).map(factor).collect();
    let table = TrialTable::new(&factors, &targets)?;
    let importances = table.importances(trees, BEST, seed);
    let spreads = table.spread(RESAMPLES, trees, seed)?;
    let mut axes = Vec::new();
    for (index, row) in HYPERPARAMETERS.iter().enumerate() {
        let value = |budget: &stages::Budget| {
            let value = budget.values()[index];
            Some(AxisValue { text: value.to_string(), number: Some(value.number()) })
        };
        let values: Vec<_> = budgets.iter().map(|(budget, _)| value(budget)).collect();
        if distinct(&values).len() < 2 {
            continue;
        }
        let told = importances[index];
        let shares = Shares {
            importance: told.map(|told| told.impurity),
            spread: spreads[index],
            fanova: told.map(|told| told.fanova),
            ped_anova: told.map(|told| told.ped_anova),
        };
        axes.push((Axis { name: row.name.to_owned(), values }, shares));
    }
    Ok(axes)
}
