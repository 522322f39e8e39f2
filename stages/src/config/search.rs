//! Section `[search]`: the architecture search.

use super::document::Document;
use super::section::Section;
use crate::search::{Combine, Strategy, SupernetStrategy};
use crate::{Budget, Error};

/// The architecture search.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchConfig {
    /// The budget to search with; none for the one that minimum importance pruning finds.
    pub budget: Option<Budget>,
    /// The strategy, with its settings.
    pub strategy: Strategy,
    /// What it goes by beside trainings under the budget, if it does. Searches that are compared do not.
    pub combine: Option<Combine>,
    /// Architectures that it may ask for.
    pub samples: usize,
    /// Its seed.
    pub seed: u64,
}

impl SearchConfig {
    pub(super) fn typed(section: &Section<'_>, strategy: Strategy) -> Result<Self, Error> {
        let budget = section.text("budget")?;
        let named = Combine::named(&section.texts("combine")?);
        Ok(Self {
            budget: if budget.is_empty() { None } else { Some(section.budget("budget")?) },
            strategy,
            combine: named.map_err(|problem| section.wrong("combine", problem))?,
            samples: section.count("samples", 1, 1_000_000)?,
            seed: section.seed("seed")?,
        })
    }

    /// Refuses to combine numbers of architectures in a search that judges none by itself, and a budget that is there anyway.
    pub(super) fn check_combine(&self, document: &Document) -> Result<(), Error> {
        let Self { budget, strategy, combine: Some(combine), .. } = self else { return Ok(()) };
        let problem = match (strategy, budget) {
            (Strategy::Supernet(SupernetStrategy { method, .. }), _) => format!(
                "combines numbers of architectures, and {} (search.strategy) trains a supernet instead of judging them one \
                 by one; choose random, evolution or reinforcement, or leave this list empty",
                method.name()
            ),
            (_, Some(budget)) if combine.budgets.contains(budget) => {
                format!(
                    "names {budget}, the budget of the search (search.budget), which is one of the numbers anyway"
                )
            }
            _ => return Ok(()),
        };
        Err(Section { document, name: "search" }.wrong("combine", problem))
    }

    /// Jobs of a search that asks for all that it may, and of so many sampled architectures where it places others among them.
    pub(super) fn jobs(&self, sampled: u64) -> u64 {
        let samples = self.samples as u64;
        let of = |combine: &Combine| samples.saturating_add(sampled).saturating_mul(combine.jobs());
        self.combine.as_ref().map_or(samples, of)
    }
}
