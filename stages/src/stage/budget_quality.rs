//! Stage `budget-quality`: does a search with a budget that ranks better find better architectures (Fig. 3 of Zheng et al.)?

use cache::Fields;
use serde::{Deserialize, Serialize};

use super::diverged::diverged;
use super::jobs::{self, JobGrid};
use super::{
    DivergedTraining, Handle, ImageUse, Input, Inputs, JobRunner, JobTemplate, RankedBudget, Stage,
    StageError,
};
use crate::search::SupernetStrategy;
use crate::statistics::{RankQuality, rank_quality, top_of};
use crate::train::Divergence;
use crate::{Budget, Error, Genotype};

/// Searches by a supernet under budgets that were tried, and trains fully what each found; the output is a
/// [`BudgetQualityReport`].
#[derive(Clone, Debug)]
pub struct BudgetQuality {
    /// The budgets that were tried, round by round.
    pub tried: Vec<Handle<Vec<RankedBudget>>>,
    /// How many of them to search with: evenly by `r_s`, the best and the worst among them.
    pub budgets: usize,
    /// The search.
    pub strategy: SupernetStrategy,
    /// Its seed.
    pub seed: u64,
    /// What the searches share.
    pub template: JobTemplate,
    /// What the full trainings share.
    pub last: JobTemplate,
    /// The full budget f.
    pub full: Budget,
    /// Seed of the interval's bootstrap.
    pub interval_seed: u64,
}

/// What was found under each budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BudgetQualityReport {
    /// The budgets, the worst first.
    pub searched: Vec<SearchedBudget>,
    /// How `r_s` ranks the budgets by the accuracy of what was found with them, as a budget ranks architectures; of those
    /// budgets that found something. None of fewer than two.
    pub correlation: Option<RankQuality>,
    /// Full trainings that diverged.
    pub diverged: Vec<DivergedTraining>,
}

/// A budget, and what a search with it found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchedBudget {
    /// The budget.
    pub budget: Budget,
    /// How well it ranks architectures.
    pub quality: RankQuality,
    /// After how many of them racing dropped it, if it did; then only these say how well it ranks.
    pub dropped_after: Option<u32>,
    /// Mean cost of a training under it, in those of a full one.
    pub cost_ratio: f64,
    /// Floating point operations of the search.
    pub search_flops: u64,
    /// Where the search diverged, if it did; then nothing was found.
    pub divergence: Option<Divergence>,
    /// What it found, and percent correct on the test images after full training; no accuracy where that diverged.
    pub found: Option<(Genotype, Option<f64>)>,
}

/// `count` of the distinct budgets that have an `r_s`, evenly from the worst to the best.
fn spread(tried: impl Iterator<Item = RankedBudget>, count: usize) -> Vec<RankedBudget> {
    let mut distinct: Vec<(f64, RankedBudget)> = Vec::new();
    for ranked in tried {
        let is_known = distinct.iter().any(|(_, known)| known.trial.budget == ranked.trial.budget);
        if let (Some(spearman), false) = (ranked.quality.spearman, is_known) {
            distinct.push((spearman, ranked));
        }
    }
    distinct.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let (all, count) = (distinct.len(), count.min(distinct.len()));
    let place =
        |number: usize| if count > 1 { number * (all - 1) / (count - 1) } else { all.saturating_sub(1) };
    (0..count).map(|number| distinct[place(number)].1.clone()).collect()
}

impl Stage for BudgetQuality {
    type Output = BudgetQualityReport;

    const NAME: &'static str = "budget-quality";
    const VERSION: u32 = 3;

    fn parameters(&self) -> Result<Fields, Error> {
        let mut fields = Fields::new()
            .with("quality.budgets", self.budgets)?
            .with("search.seed", self.seed)?
            .with("mip.seed", self.interval_seed)?
            .with("train.final_seed", self.last.seed)?;
        self.template.add_to(&mut fields)?;
        fields = fields.with_all(&self.strategy.fields()?)?;
        for (name, value) in self.full.fields()?.iter() {
            fields.insert(&format!("full.{name}"), value.clone())?;
        }
        Ok(fields)
    }

    fn inputs(&self) -> Vec<Input> {
        self.tried.iter().map(|ranked| ranked.role("tried")).collect()
    }

    fn run(&self, inputs: &Inputs, runner: &dyn JobRunner) -> Result<Self::Output, StageError> {
        let tried = inputs.read_all(&self.tried)?;
        let budgets = spread(tried.into_iter().flatten(), self.budgets);
        let job =
            |ranked: &RankedBudget| self.template.supernet(&self.strategy, &ranked.trial.budget, self.seed);
        let supernets = jobs::train_supernets(runner, budgets.iter().map(job).collect())?;
        let mut searched = Vec::new();
        for (ranked, (_, supernet)) in budgets.into_iter().zip(supernets) {
            let divergence = supernet.divergence();
            searched.push(SearchedBudget {
                budget: ranked.trial.budget,
                quality: ranked.quality,
                dropped_after: ranked.trial.dropped_after,
                cost_ratio: ranked.cost_ratio,
                search_flops: supernet.training_flops,
                found: divergence.is_none().then(|| (supernet.best.canonical(), None)),
                divergence,
            });
        }
        let found: Vec<Genotype> = searched
            .iter()
            .filter_map(|one| one.found.as_ref().map(|(genotype, _)| genotype.clone()))
            .collect();
        let grid = JobGrid { template: &self.last, architectures: &found, budgets: &[self.full] };
        let trained = jobs::train(runner, &grid)?;
        let diverged = diverged(&grid, 0, &trained);
        let accuracies = searched.iter_mut().filter_map(|one| one.found.as_mut());
        for ((_, accuracy), training) in accuracies.zip(trained) {
            *accuracy = training.divergence.is_none().then_some(training.test_accuracy);
        }
        let known = searched.iter().filter_map(|one| Some((one.quality.spearman?, one.found.as_ref()?.1?)));
        let (ranks, accuracies): (Vec<f64>, Vec<f64>) = known.unzip();
        let correlation = (ranks.len() > 1)
            .then(|| rank_quality(&ranks, &accuracies, top_of(ranks.len()), self.interval_seed))
            .transpose()?;
        Ok(BudgetQualityReport { searched, correlation, diverged })
    }

    fn trainings_at_most(&self) -> u64 {
        2 * self.budgets as u64
    }

    fn image_uses(&self) -> Vec<ImageUse> {
        vec![ImageUse::Scored(self.template.scoring), ImageUse::Final]
    }

    fn trains_supernets(&self) -> bool {
        true
    }

    fn asks_at_once(&self) -> bool {
        false
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::mip::Trial;

    #[test]
    fn budgets_are_taken_evenly_and_once_each() {
        let ranked = |epochs: u32, spearman: Option<f64>| RankedBudget {
            // By r_s, whatever budgets were chosen for.
            trial: Trial {
                budget: Budget { epochs, ..Budget::NAMED[0].1 },
                cost: 1.0,
                agreement: Some(0.3),
                dropped_after: None,
            },
            quality: RankQuality { spearman, ..rank_quality(&[1.0, 2.0], &[1.0, 2.0], 1, 0).unwrap() },
            cost_ratio: 0.1,
            diverged: Vec::new(),
        };
        let tried = vec![
            ranked(1, Some(0.5)),
            ranked(2, None),
            ranked(3, Some(-0.2)),
            ranked(1, Some(0.5)),
            ranked(4, Some(0.9)),
            ranked(5, Some(0.7)),
        ];
        let epochs = |count| {
            let chosen = spread(tried.clone().into_iter(), count);
            chosen.iter().map(|ranked| ranked.trial.budget.epochs).collect::<Vec<_>>()
        };
        assert_eq!(epochs(9), [3, 1, 5, 4]);
        assert_eq!(epochs(3), [3, 1, 4]);
        assert_eq!(epochs(2), [3, 4]);
        assert_eq!(epochs(1), [4]);
        assert!(epochs(0).is_empty());
    }
}
