//! Stage `compare-searches`: what strategies find under the budget, and at what cost (Table 2 of Zheng et al.).

use cache::Fields;
use serde::{Deserialize, Serialize};

use super::{
    DivergedTraining, Handle, Input, Inputs, JobRunner, SearchOutcome, Stage, StageError, TrainedBudget,
    TrainingSummary,
};
use crate::{Budget, Error, Genotype};

/// The searches of one strategy under several seeds.
#[derive(Clone, Debug)]
pub struct ComparedSearches {
    /// The strategy's name.
    pub strategy: &'static str,
    /// Its searches, each with the full training of what it found.
    pub searches: Vec<(Handle<SearchOutcome>, Handle<Vec<TrainedBudget>>)>,
}

/// Compares strategies; the output is a [`SearchComparison`].
#[derive(Clone, Debug)]
pub struct CompareSearches {
    /// The budget that they search with.
    pub budget: Handle<Budget>,
    /// The same architectures under full training, and under the budget: what an evaluation costs with the one in place
    /// of the other.
    pub full: Handle<Vec<TrainedBudget>>,
    /// Those under the budget.
    pub cheap: Handle<Vec<TrainedBudget>>,
    /// The strategies.
    pub strategies: Vec<ComparedSearches>,
    /// Random architectures, fully trained: as many as each strategy trains fully. What no search is worth.
    pub unsearched: Handle<Vec<TrainedBudget>>,
    /// These architectures.
    pub drawn: Handle<Vec<Genotype>>,
}

/// Strategies beside each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchComparison {
    /// The budget that they searched with.
    pub budget: Budget,
    /// Floating point operations of a full training, in those of one under the budget: of the same architectures.
    pub full_ratio: f64,
    /// A row for each strategy, and one for random architectures without a search.
    pub rows: Vec<ComparedStrategy>,
    /// Every training of theirs that diverged.
    pub diverged: Vec<DivergedTraining>,
}

/// What the searches of one strategy found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ComparedStrategy {
    /// Its name; none for architectures that no search found.
    pub strategy: Option<String>,
    /// What was found, a seed each.
    pub found: Vec<FoundArchitecture>,
}

/// What one search found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoundArchitecture {
    /// The architecture.
    pub genotype: Genotype,
    /// Its full training on all training images, with a seed that no search has seen.
    pub trained: TrainingSummary,
    /// Architectures that the search had scored; 0 without a search.
    pub evaluations: u64,
    /// Floating point operations of the search's distinct trainings.
    pub search_flops: u64,
    /// Share of skip connections among the edges of the normal cell.
    pub skips: f64,
}

impl ComparedStrategy {
    /// Percent of the test images that were misclassified, a seed each; none where a training diverged.
    pub fn test_errors(&self) -> Option<Vec<f64>> {
        let error = |found: &FoundArchitecture| {
            found.trained.divergence.is_none().then_some(100.0 - found.trained.test_accuracy)
        };
        self.found.iter().map(error).collect()
    }

    /// A mean over the seeds.
    pub fn mean(&self, of: impl Fn(&FoundArchitecture) -> f64) -> f64 {
        self.found.iter().map(of).sum::<f64>() / self.found.len().max(1) as f64
    }
}

impl Stage for CompareSearches {
    type Output = SearchComparison;

    fn name(&self) -> &'static str {
        "compare-searches"
    }

    fn parameters(&self) -> Result<Fields, Error> {
        let names = self.strategies.iter().map(|compared| compared.strategy).collect::<Vec<_>>().join(" ");
        Ok(Fields::new().with("compare.strategies", names.as_str())?)
    }

    fn inputs(&self) -> Vec<Input> {
        let searches = self.strategies.iter().flat_map(|compared| &compared.searches);
        let searches =
            searches.flat_map(|(search, trained)| [search.role("search"), trained.role("trained")]);
        [self.budget.role("budget"), self.full.role("full"), self.cheap.role("cheap")]
            .into_iter()
            .chain(searches)
            .chain([self.unsearched.role("unsearched"), self.drawn.role("architectures")])
            .collect()
    }

    fn run(&self, inputs: &Inputs, _: &dyn JobRunner) -> Result<Self::Output, StageError> {
        let (mut rows, mut diverged) = (Vec::new(), Vec::new());
        for ComparedSearches { strategy, searches } in &self.strategies {
            let mut found = Vec::new();
            for &(search, trained) in searches {
                let (search, training) = (inputs.read(search)?, inputs.read_only(trained)?);
                let [of_best] = training.trainings.as_slice() else {
                    return Err(inputs.unexpected(trained, "is not one training"));
                };
                found.push(FoundArchitecture {
                    evaluations: search.evaluations.len() as u64,
                    search_flops: search.training_flops(),
                    skips: search.best.normal.skips(),
                    genotype: search.best,
                    trained: of_best.clone(),
                });
                diverged.extend(search.diverged.into_iter().chain(training.diverged));
            }
            rows.push(ComparedStrategy { strategy: Some((*strategy).to_owned()), found });
        }
        let unsearched = inputs.read_only(self.unsearched)?;
        let found = inputs.read(self.drawn)?.into_iter().zip(unsearched.trainings);
        let found = found.map(|(genotype, trained)| FoundArchitecture {
            evaluations: 0,
            search_flops: 0,
            skips: genotype.normal.skips(),
            genotype,
            trained,
        });
        rows.push(ComparedStrategy { strategy: None, found: found.collect() });
        diverged.extend(unsearched.diverged);
        let flops = |trained: Handle<Vec<TrainedBudget>>| -> Result<f64, StageError> {
            let trained = inputs.read_only(trained)?;
            Ok(trained.trainings.iter().map(|training| training.training_flops as f64).sum())
        };
        let full_ratio = flops(self.full)? / flops(self.cheap)?;
        Ok(SearchComparison { budget: inputs.read(self.budget)?, full_ratio, rows, diverged })
    }
}
