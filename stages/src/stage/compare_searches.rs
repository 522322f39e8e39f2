//! Stage `compare-searches`: what strategies find under the budget, and at what cost (Table 2 of Zheng et al.).

use std::collections::HashSet;

use cache::Fields;
use serde::{Deserialize, Serialize};

use super::{
    DivergedTraining, Handle, ImageKind, Input, Inputs, JobRunner, JobTemplate, SearchOutcome, Stage,
    StageError, TrainedBudget, TrainingSummary,
};
use crate::network::EdgeFlops;
use crate::search::Strategy;
use crate::{Budget, Error, Genotype};

/// The searches of one strategy under several seeds.
#[derive(Clone, Debug)]
pub struct ComparedSearches {
    /// The strategy, with settings as they were asked for.
    pub strategy: Strategy,
    /// Its searches, each with the full training of what it found, under seeds that follow one another.
    pub searches: Vec<(Handle<SearchOutcome>, Handle<Vec<TrainedBudget>>)>,
    /// The first seed.
    pub seed: u64,
}

/// Compares strategies; the output is a [`SearchComparison`].
#[derive(Clone, Debug)]
pub struct CompareSearches {
    /// The budget that they search with.
    pub budget: Handle<Budget>,
    /// The same architectures under full training, and under the budget: how long a training takes with the one in place
    /// of the other.
    pub full: Handle<Vec<TrainedBudget>>,
    /// Those under the budget.
    pub cheap: Handle<Vec<TrainedBudget>>,
    /// The strategies.
    pub strategies: Vec<ComparedSearches>,
    /// Random search with as many full trainings as each search has, which is one: an architecture, and its training, for
    /// each seed. What no search is worth.
    pub unsearched: Vec<Unsearched>,
    /// What the searches' trainings share, and full training in place of their budget.
    pub template: JobTemplate,
    /// Full training.
    pub full_budget: Budget,
    /// The images, and how many of them are for training.
    pub images: (ImageKind, usize),
}

/// An architecture that no search found, and its full training.
pub type Unsearched = (Handle<Vec<Genotype>>, Handle<Vec<TrainedBudget>>);

/// Strategies beside each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchComparison {
    /// The budget that they searched with.
    pub budget: Budget,
    /// Floating point operations of a full training, in those of one under the budget: of the same sampled architectures.
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
    /// What shrank of the settings that were asked for, a sentence each.
    pub shrunk: Vec<String>,
    /// Its searches, a seed each.
    pub searches: Vec<ComparedSearch>,
}

/// One search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ComparedSearch {
    /// What it found; none where its supernet diverged, or the training of everything that it found.
    pub found: Option<FoundArchitecture>,
    /// Architectures that the search had scored; 0 without a search.
    pub evaluations: u64,
    /// Floating point operations of the search's distinct trainings.
    pub search_flops: u64,
    /// The same with full training in place of the budget, for what the search has met under the budget; of a supernet of
    /// several stages the most that it can be, since it is not known which operations it would keep.
    pub full_search_flops: u64,
    /// Seed of the search; without one the place in the row.
    pub seed: u64,
}

/// What one search found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoundArchitecture {
    /// The architecture.
    pub genotype: Genotype,
    /// Its full training on all training images, with a seed that no search has seen.
    pub trained: TrainingSummary,
    /// Share of skip connections among the edges of the normal cell.
    pub skips: f64,
}

impl ComparedStrategy {
    /// What its searches found, as far as they did.
    pub fn found(&self) -> impl Iterator<Item = &FoundArchitecture> {
        self.searches.iter().filter_map(|search| search.found.as_ref())
    }

    /// Percent of the test images that were misclassified, a seed each; none where a search or a training diverged.
    pub fn test_errors(&self) -> Option<Vec<f64>> {
        let error = |search: &ComparedSearch| search.found.as_ref()?.test_error();
        self.searches.iter().map(error).collect()
    }

    /// A mean over the seeds.
    pub fn mean(&self, of: impl Fn(&ComparedSearch) -> f64) -> f64 {
        self.searches.iter().map(of).sum::<f64>() / self.searches.len().max(1) as f64
    }

    /// A mean over what was found; none where nothing was.
    pub fn mean_found(&self, of: impl Fn(&FoundArchitecture) -> f64) -> Option<f64> {
        let values: Vec<f64> = self.found().map(of).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    }
}

impl FoundArchitecture {
    /// Percent of the test images that were misclassified; none where the training diverged.
    pub fn test_error(&self) -> Option<f64> {
        self.trained.divergence.is_none().then_some(100.0 - self.trained.test_accuracy)
    }

    fn new(genotype: Genotype, trained: &TrainingSummary) -> Self {
        Self { skips: genotype.normal.skips(), genotype, trained: trained.clone() }
    }
}

impl Stage for CompareSearches {
    type Output = SearchComparison;

    const NAME: &'static str = "compare-searches";
    const VERSION: u32 = 3;

    fn parameters(&self) -> Result<Fields, Error> {
        let names = self.strategies.iter().map(|one| one.strategy.name()).collect::<Vec<_>>().join(" ");
        let mut fields = Fields::new().with("compare.strategies", names.as_str())?;
        if let Some(first) = self.strategies.first() {
            fields.insert("search.seed", first.seed)?;
        }
        self.template.add_to(&mut fields)?;
        for (name, value) in self.full_budget.fields()?.iter() {
            fields.insert(&format!("full.{name}"), value.clone())?;
        }
        Ok(fields)
    }

    fn inputs(&self) -> Vec<Input> {
        let searches = self.strategies.iter().flat_map(|compared| &compared.searches);
        let searches =
            searches.flat_map(|(search, trained)| [search.role("search"), trained.role("trained")]);
        let unsearched = self
            .unsearched
            .iter()
            .flat_map(|(drawn, trained)| [drawn.role("architectures"), trained.role("unsearched")]);
        [self.budget.role("budget"), self.full.role("full"), self.cheap.role("cheap")]
            .into_iter()
            .chain(searches)
            .chain(unsearched)
            .collect()
    }

    fn run(&self, inputs: &Inputs, _: &dyn JobRunner) -> Result<Self::Output, StageError> {
        let (mut rows, mut diverged) = (Vec::new(), Vec::new());
        let full = FullTraining::new(self)?;
        for ComparedSearches { strategy, searches, seed } in &self.strategies {
            let (mut compared, mut shrunk) = (Vec::new(), Vec::new());
            for (number, &(search, trained)) in searches.iter().enumerate() {
                let (search, training) = (inputs.read(search)?, inputs.read_only(trained)?);
                let found = match (&search.best, training.trainings.as_slice()) {
                    (Some(best), [of_best]) => Some(FoundArchitecture::new(best.genotype.clone(), of_best)),
                    (None, []) => None,
                    _ => return Err(inputs.unexpected(trained, "is not one training")),
                };
                compared.push(ComparedSearch {
                    found,
                    evaluations: search.evaluations.len() as u64,
                    search_flops: search.training_flops(),
                    full_search_flops: full.of(strategy, &search)?,
                    seed: seed.wrapping_add(number as u64),
                });
                // The same budget, and so the same of every search.
                shrunk = search.shrunk;
                diverged.extend(search.diverged.into_iter().chain(training.diverged));
            }
            rows.push(ComparedStrategy {
                strategy: Some(strategy.name().to_owned()),
                shrunk,
                searches: compared,
            });
        }
        let mut searches = Vec::new();
        for (number, &(drawn, trained)) in self.unsearched.iter().enumerate() {
            let (drawn, training) = (inputs.read(drawn)?, inputs.read_only(trained)?);
            let ([genotype], [of_it]) = (drawn.as_slice(), training.trainings.as_slice()) else {
                return Err(inputs.unexpected(trained, "is not one training"));
            };
            searches.push(ComparedSearch {
                found: Some(FoundArchitecture::new(genotype.clone(), of_it)),
                evaluations: 0,
                search_flops: 0,
                full_search_flops: 0,
                seed: number as u64,
            });
            diverged.extend(training.diverged);
        }
        rows.push(ComparedStrategy { strategy: None, shrunk: Vec::new(), searches });
        let flops = |trained: Handle<Vec<TrainedBudget>>| -> Result<f64, StageError> {
            let trained = inputs.read_only(trained)?;
            Ok(trained.trainings.iter().map(|training| training.training_flops as f64).sum())
        };
        let full_ratio = flops(self.full)? / flops(self.cheap)?;
        Ok(SearchComparison { budget: inputs.read(self.budget)?, full_ratio, rows, diverged })
    }
}

/// What searches cost with full training in place of their budget.
struct FullTraining<'a> {
    stage: &'a CompareSearches,
    networks: EdgeFlops,
    /// Images of a network's training.
    images: u64,
}

impl<'a> FullTraining<'a> {
    fn new(stage: &'a CompareSearches) -> Result<Self, Error> {
        let CompareSearches { full_budget, images: (ImageKind { channels, classes }, count), .. } = stage;
        let images = stage.template.scoring.learnt(*count) as u64 * u64::from(full_budget.epochs);
        Ok(Self { stage, networks: EdgeFlops::new(full_budget, *channels, *classes)?, images })
    }

    /// Of a search: each architecture that it met is trained once, and its supernet, if it has one, in full size.
    fn of(&self, strategy: &Strategy, search: &SearchOutcome) -> Result<u64, Error> {
        let CompareSearches {
            full_budget, images: (ImageKind { channels, classes }, count), template, ..
        } = self.stage;
        let supernet = match strategy.fitting(search.evaluations.len(), full_budget).0 {
            Strategy::Supernet(strategy) => {
                let job = template.supernet(&strategy, full_budget, 0);
                job.size(*count, *channels, *classes)?.flops
            }
            _ => 0,
        };
        let met: HashSet<&Genotype> = search.evaluations.iter().map(|one| &one.genotype).collect();
        let flops = |genotype: &Genotype| self.networks.of(genotype).saturating_mul(self.images);
        Ok(met.into_iter().map(flops).fold(supernet, u64::saturating_add))
    }
}
