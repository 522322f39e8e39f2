//! Section `[mip]`: minimum importance pruning.

use super::section::Section;
use crate::Error;
use crate::mip::{CostUnit, Objective};

/// Minimum importance pruning.
#[derive(Clone, Debug, PartialEq)]
pub struct MipConfig {
    /// Budgets drawn in a round (the paper's K).
    pub budgets_per_round: usize,
    /// Scales the costs of Eq. 2; 1 is the paper's formula.
    pub temperature: f64,
    /// Trees in the random forest.
    pub trees: usize,
    /// What budgets are to be good at.
    pub objective: Objective,
    /// In what the cost of a budget is counted where it is chosen; budgets are drawn and pruned by FLOPs.
    pub cost: CostUnit,
    /// Weight of the cost in Eq. 1; 0 ≤ λ < 1.
    pub lambda: f64,
    /// With which confidence a budget is dropped that can hardly be the best, whatever λ is, before it is tried on all
    /// architectures: after ten at the earliest. Costs are FLOPs in that, also where `cost` is seconds. `None` for no
    /// racing, which not every objective can ([`Objective::can_race`]).
    pub race: Option<f64>,
    /// Architectures that no choice has seen, which confirm the budget found; 0 for none.
    pub confirm: usize,
    /// Whether the first round begins with budgets in which every value of the space stands once.
    pub observe_all: bool,
    /// Seed of drawing budgets, of the forest's bootstrap samples and of the interval's.
    pub seed: u64,
}

impl MipConfig {
    pub(super) fn typed(section: &Section<'_>) -> Result<Self, Error> {
        let objective = Objective::named(section.choice("objective", &Objective::ALL.map(Objective::name))?);
        let named = section.choice("cost", &CostUnit::ALL.map(CostUnit::name))?;
        let cost = CostUnit::ALL.into_iter().find(|unit| unit.name() == named);
        let race = section.real(
            "race",
            |confidence| confidence == 0.0 || (0.5..1.0).contains(&confidence),
            "from 0.5 up to but not 1, or 0 for no racing",
        )?;
        let objective = objective.unwrap_or_default();
        if race > 0.0 && !objective.can_race() {
            let problem = format!(
                "is {race}, and budgets race for mip.objective spearman or kendall: what is best of architectures that are \
                 not trained yet, those that are cannot tell"
            );
            return Err(section.wrong("race", &problem));
        }
        Ok(Self {
            budgets_per_round: section.count("budgets_per_round", 1, 10_000)?,
            temperature: section.real("temperature", |t| t > 0.0, "above 0")?,
            trees: section.count("trees", 1, 1_000_000)?,
            objective,
            cost: cost.unwrap_or_default(),
            lambda: section.real(
                "lambda",
                |lambda| (0.0..1.0).contains(&lambda),
                "from 0 up to but not 1",
            )?,
            race: (race > 0.0).then_some(race),
            confirm: match section.count("confirm", 0, 100_000)? {
                1 => {
                    return Err(section.wrong(
                        "confirm",
                        "is 1, and one architecture has no order; 0 for none, or at least 2",
                    ));
                }
                count => count,
            },
            observe_all: section.flag("observe_all")?,
            seed: section.seed("seed")?,
        })
    }
}
