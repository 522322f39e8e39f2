//! The trainings of a round whose budgets race ([`crate::mip::race`]), for stage `train`.

use cache::Fields;

use super::diverged::diverged;
use super::jobs::{self, JobGrid};
use super::{Handle, Input, Inputs, JobRunner, JobTemplate, StageError, TrainedBudget, TrainingSummary};
use crate::mip::race::{Race, Racer, Rule};
use crate::{Budget, Error, Genotype};

/// How the budgets of a round race, and against what.
#[derive(Clone, Debug)]
pub struct Racing {
    /// When a budget is dropped.
    pub rule: Rule,
    /// The full trainings of the architectures, which are in a random order.
    pub full: Handle<Vec<TrainedBudget>>,
    /// The trainings of the rounds before, in order: the best so far is somebody to beat.
    pub earlier: Vec<Handle<Vec<TrainedBudget>>>,
}

impl Racing {
    /// Adds what a race depends on to a key.
    pub(super) fn add_to(&self, fields: &mut Fields) -> Result<(), Error> {
        let Rule { confidence, objective, seed } = self.rule;
        fields.insert("mip.race", confidence)?;
        fields.insert("mip.seed", seed)?;
        objective.add_to(fields)
    }

    pub(super) fn inputs(&self) -> Vec<Input> {
        let earlier = self.earlier.iter().map(|trained| trained.role("earlier"));
        [self.full.role("full")].into_iter().chain(earlier).collect()
    }

    /// Trains the architectures group by group under the budgets that are left.
    ///
    /// A budget that a round before has tried does not race again: it has as many trainings as it had there.
    pub(super) fn train(
        &self,
        (inputs, runner): (&Inputs, &dyn JobRunner),
        template: &JobTemplate,
        architectures: &[Genotype],
        budgets: &[Budget],
    ) -> Result<Vec<TrainedBudget>, StageError> {
        let full = inputs.read_only(self.full)?.trainings;
        if full.len() != architectures.len() {
            return Err(inputs.unexpected(self.full, "is not of these architectures"));
        }
        let truths: Vec<f64> = full.iter().map(|training| training.score).collect();
        let mut tried: Vec<TrainedBudget> = Vec::new();
        for &earlier in &self.earlier {
            for budget in inputs.read(earlier)? {
                if budget.trainings.len() > full.len() {
                    return Err(
                        inputs.unexpected(earlier, "has trainings of more architectures than there are")
                    );
                }
                if tried.iter().all(|known| known.budget != budget.budget) {
                    tried.push(budget);
                }
            }
        }
        let is_whole = |known: &&TrainedBudget| known.trainings.len() == full.len();
        let known = tried.iter().filter(is_whole).map(|known| Racer {
            cost: cost(&known.trainings, &full),
            estimates: known.trainings.iter().map(|training| training.score).collect(),
        });
        let again = |budget: &Budget| tried.iter().find(|known| known.budget == *budget);
        let new: Vec<Budget> = budgets.iter().filter(|budget| again(budget).is_none()).copied().collect();
        let mut race = Race::new(self.rule, &truths, known.collect(), new.len())?;
        let mut trained: Vec<TrainedBudget> = new.iter().map(|&budget| nothing_yet(budget)).collect();
        loop {
            let (next, left) = (race.next_group(), race.left().to_vec());
            if next.is_empty() {
                break;
            }
            let racing: Vec<Budget> = left.iter().map(|&place| new[place]).collect();
            let group = architectures[next.clone()].to_vec();
            let grid = JobGrid { template, architectures: &group, budgets: &racing };
            let found = jobs::train(runner, &grid)?;
            let mut told = Vec::new();
            for (number, (&place, trainings)) in left.iter().zip(found.chunks(group.len())).enumerate() {
                let budget = &mut trained[place];
                budget.diverged.extend(diverged(&grid, number * group.len(), trainings));
                budget.trainings.extend_from_slice(trainings);
                told.push(Racer {
                    cost: cost(&budget.trainings, &full),
                    estimates: trainings.iter().map(|training| training.score).collect(),
                });
            }
            race.tell(told)?;
        }
        // In the order in which they were drawn. What was trained before is asked for once more, and found.
        let mut trained = trained.into_iter();
        let mut all = Vec::new();
        for budget in budgets {
            let Some(known) = again(budget) else {
                all.extend(trained.next());
                continue;
            };
            let group = architectures[..known.trainings.len()].to_vec();
            let grid = JobGrid { template, architectures: &group, budgets: &[*budget] };
            let trainings = jobs::train(runner, &grid)?;
            all.push(TrainedBudget { budget: *budget, diverged: diverged(&grid, 0, &trainings), trainings });
        }
        Ok(all)
    }
}

const fn nothing_yet(budget: Budget) -> TrainedBudget {
    TrainedBudget { budget, trainings: Vec::new(), diverged: Vec::new() }
}

/// The FLOPs of some trainings in those of the full trainings of the same architectures, which are the first ones.
fn cost(trainings: &[TrainingSummary], full: &[TrainingSummary]) -> f64 {
    let flops = |trainings: &[TrainingSummary]| -> f64 {
        trainings.iter().map(|training| training.training_flops as f64).sum()
    };
    flops(trainings) / flops(&full[..trainings.len()])
}
