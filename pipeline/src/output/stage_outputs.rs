//! What each stage's output looks like, for programs and for people.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;
use stages::baselines::{BaselineScores, NAMES};
use stages::hyperparameter::HYPERPARAMETERS;
use stages::mip::{Importances, MipState, Objective};
use stages::stage::{
    Baselines, BaselinesReport, BudgetQuality, BudgetQualityReport, CompareSearches, DrawnBudgets, Evaluate,
    EvaluateFinal, EvaluatedBudget, Evaluation, FinalReport, FitForest, GivenArchitectures, GivenBudget,
    Handle, Mip, MipReport, NasSearch, NasSearchReport, OneShotAnalysis, OneShotReport, Prune, Rank,
    RankedBudget, Sample, SampleBudgets, ScoreBaselines, Search, SearchComparison, SearchOutcome,
    SelectArchitecture, SelectBudget, Time, Train, TrainedBudget,
};
use stages::{Budget, Genotype};

use super::conditions::scored_on;
use super::diverged::diverged_text;
use super::final_network::{FinalJson, final_text};
use super::format;
use super::nas::{MipJson, NasSearchJson, RankedJson, mip_text, nas_search_text, ranked_table};
use super::one_shot::{OneShotJson, one_shot_text};
use super::quality::{QualityJson, quality_text};
use super::search::{ComparisonJson, SearchJson, Took, combined_text, comparison_text, cost, remarks};
use super::table::{Align, Table};
use super::untrained::{BaselinesJson, baselines_text};
use crate::engine::node::{Known, Show, Shown};

type Result = std::result::Result<Shown, serde_json::Error>;

fn shown(json: impl Serialize, text: String) -> Result {
    Ok(Shown { json: serde_json::to_value(json)?, text, titled: false })
}

/// Of a text that says by itself what it is.
fn titled(json: impl Serialize, text: String) -> Result {
    Ok(Shown { titled: true, ..shown(json, text)? })
}

fn architectures(genotypes: &[Genotype]) -> Result {
    let genotypes: Vec<String> = genotypes.iter().map(ToString::to_string).collect();
    shown(&genotypes, genotypes.join("\n") + "\n")
}

impl Show for Sample {
    fn show(&self, genotypes: &Vec<Genotype>, _: &Known<'_>) -> Result {
        architectures(genotypes)
    }
}

impl Show for GivenArchitectures {
    fn show(&self, genotypes: &Vec<Genotype>, _: &Known<'_>) -> Result {
        architectures(genotypes)
    }
}

impl Show for Train {
    fn show(&self, trained: &Vec<TrainedBudget>, _: &Known<'_>) -> Result {
        let mut text = String::new();
        for budget in trained {
            let best = budget.trainings.iter().map(|training| training.score).fold(0.0, f64::max);
            let trainings = format::plural(budget.trainings.len() as u64, "training");
            let diverged = format::diverged(budget.diverged.len() as u64);
            let _ = writeln!(text, "{}: {trainings}{diverged}, best score {best:.2}%", budget.budget);
        }
        let diverged = trained.iter().flat_map(|budget| &budget.diverged);
        shown(trained, text + &diverged_text(diverged))
    }
}

impl Show for Evaluate {
    fn show(&self, evaluated: &Vec<EvaluatedBudget>, _: &Known<'_>) -> Result {
        let mut text = String::new();
        for budget in evaluated {
            let scores: Vec<String> = budget.scores.iter().map(|score| format!("{score:.2}")).collect();
            let _ = writeln!(text, "{}\n  {}", budget.budget, scores.join(" "));
        }
        let diverged = evaluated.iter().flat_map(|budget| &budget.diverged);
        let mut json = serde_json::to_value(evaluated)?;
        let unit = if self.seconds.is_some() { "mean_seconds" } else { "mean_training_flops" };
        for budget in json.as_array_mut().into_iter().flatten().filter_map(|budget| budget.as_object_mut()) {
            let cost = budget.remove("mean_cost").unwrap_or_default();
            budget.insert(unit.to_owned(), cost);
        }
        shown(json, text + &diverged_text(diverged))
    }
}

impl Show for Time {
    fn show(&self, seconds: &Vec<f64>, _: &Known<'_>) -> Result {
        let mut text = String::new();
        for seconds in seconds {
            let _ = writeln!(text, "{seconds:.3} s a training, on average over the architectures");
        }
        shown(seconds, text)
    }
}

impl Show for SampleBudgets {
    fn show(&self, drawn: &DrawnBudgets, _: &Known<'_>) -> Result {
        let lines: Vec<String> = drawn.budgets.iter().map(ToString::to_string).collect();
        shown(drawn, lines.join("\n") + "\n")
    }
}

impl Show for Rank {
    fn show(&self, ranked: &Vec<RankedBudget>, _: &Known<'_>) -> Result {
        let diverged = ranked.iter().flat_map(|budget| &budget.diverged);
        let text = ranked_table(ranked, None).to_string() + &diverged_text(diverged);
        shown(ranked.iter().map(RankedJson::of).collect::<Vec<_>>(), text)
    }
}

impl Show for FitForest {
    fn show(&self, importances: &Importances, _: &Known<'_>) -> Result {
        let headings = [("hyper-parameter", Align::Left), ("importance", Align::Right), ("", Align::Left)];
        let mut table = Table::new(&headings, 2);
        let observed = importances.iter().flatten().count();
        for (row, &importance) in HYPERPARAMETERS.iter().zip(importances) {
            // What is the only one has no share to show.
            let bar = importance.filter(|_| observed > 1).map_or_else(String::new, format::bar);
            table.row(vec![row.name.to_owned(), format::importance(importance, observed), bar]);
        }
        shown(named(importances), table.to_string())
    }
}

impl Show for Prune {
    fn show(&self, state: &MipState, _: &Known<'_>) -> Result {
        let mut text = String::new();
        for fixed in &state.fixed {
            let _ = writeln!(text, "  {} fixed to {}", HYPERPARAMETERS[fixed.index].name, fixed.value);
        }
        let open: Vec<&str> =
            state.space.open().into_iter().map(|index| HYPERPARAMETERS[index].name).collect();
        let left = if open.is_empty() { "nothing".to_owned() } else { open.join(", ") };
        let _ = writeln!(text, "  left to vary: {left}");
        shown(pruned_json(state, self.objective)?, text)
    }
}

impl Show for SelectBudget {
    fn show(&self, budget: &Budget, _: &Known<'_>) -> Result {
        shown(budget, format!("{budget}\n"))
    }
}

impl Show for GivenBudget {
    fn show(&self, budget: &Budget, _: &Known<'_>) -> Result {
        shown(budget, format!("{budget}\n"))
    }
}

impl Show for Mip {
    fn show(&self, report: &MipReport, _: &Known<'_>) -> Result {
        titled(MipJson::of(report, &report.diverged), mip_text(report) + &diverged_text(&report.diverged))
    }
}

impl Show for Search {
    fn show(&self, outcome: &SearchOutcome, known: &Known<'_>) -> Result {
        let found =
            outcome.best.as_ref().map_or_else(String::new, |Evaluation { genotype, training, .. }| {
                let on = scored_on(self.template.scoring);
                let score = training.score;
                format!("{genotype}\nscore {score:.2}% of {on} under the budget\n{}", combined_text(outcome))
            });
        let lost = outcome.evaluations.iter().filter(|one| one.training.divergence.is_some()).count();
        let of_reference = outcome.combination.iter().flat_map(|combination| &combination.diverged);
        let text = format!(
            "{found}the strategy {} scored {}{} ({})\n{}",
            outcome.strategy.name(),
            format::plural(outcome.evaluations.len() as u64, "architecture"),
            format::diverged(lost as u64),
            cost(outcome, known.of_own()),
            remarks(outcome),
        );
        shown(
            SearchJson::of(outcome, known.of_own()),
            text + &diverged_text(of_reference.chain(&outcome.diverged)),
        )
    }
}

impl Show for SelectArchitecture {
    fn show(&self, found: &Vec<Genotype>, _: &Known<'_>) -> Result {
        let text = |genotype: &Genotype| format!("{genotype}\n");
        shown(found.first().map(Genotype::to_string), found.iter().map(text).collect())
    }
}

impl Show for NasSearch {
    fn show(&self, report: &NasSearchReport, known: &Known<'_>) -> Result {
        let search = known.of(self.search);
        let text = nas_search_text(report, search) + &diverged_text(&report.diverged);
        titled(NasSearchJson::of(report, search), text)
    }
}

impl Show for CompareSearches {
    fn show(&self, comparison: &SearchComparison, known: &Known<'_>) -> Result {
        let elapsed_ms = |trained| known.of::<Vec<TrainedBudget>>(trained)?.elapsed_ms;
        let all = |searches: &[(Handle<SearchOutcome>, Handle<Vec<TrainedBudget>>)]| {
            searches.iter().map(|(search, _)| known.of(*search)?.elapsed_ms).collect()
        };
        let took = Took::of(
            (elapsed_ms(self.full), elapsed_ms(self.cheap)),
            self.strategies.iter().map(|compared| all(&compared.searches)),
        );
        let text = comparison_text(comparison, &took) + &diverged_text(&comparison.diverged);
        titled(ComparisonJson::of(comparison, &took), text)
    }
}

impl Show for BudgetQuality {
    fn show(&self, report: &BudgetQualityReport, _: &Known<'_>) -> Result {
        titled(QualityJson::of(report), quality_text(report, self.budgets) + &diverged_text(&report.diverged))
    }
}

impl Show for EvaluateFinal {
    fn show(&self, report: &FinalReport, _: &Known<'_>) -> Result {
        titled(FinalJson::of(report), final_text(report))
    }
}

impl Show for OneShotAnalysis {
    fn show(&self, report: &OneShotReport, _: &Known<'_>) -> Result {
        titled(OneShotJson::of(report), one_shot_text(report) + &diverged_text(&report.diverged))
    }
}

impl Show for ScoreBaselines {
    fn show(&self, scores: &Vec<BaselineScores>, _: &Known<'_>) -> Result {
        let headings = NAMES.map(|name| (name, Align::Right));
        let mut table = Table::new(&headings, 2);
        for row in scores {
            let cell =
                |score: Option<f64>| score.map_or_else(|| "none".to_owned(), |score| score.to_string());
            table.row(row.values().map(cell).to_vec());
        }
        shown(scores, table.to_string())
    }
}

impl Show for Baselines {
    fn show(&self, report: &BaselinesReport, _: &Known<'_>) -> Result {
        titled(BaselinesJson::of(report), baselines_text(report))
    }
}

/// The state with the agreement of its trials under the name of what it is, as everywhere.
fn pruned_json(
    state: &MipState,
    objective: Objective,
) -> std::result::Result<serde_json::Value, serde_json::Error> {
    let mut json = serde_json::to_value(state)?;
    for (place, trial) in state.trials.iter().enumerate() {
        if let Some(told) = json["trials"][place].as_object_mut() {
            told.remove("agreement");
            if trial.dropped_after.is_none() {
                told.remove("dropped_after");
            }
            let (name, number) = match objective {
                Objective::Spearman => ("spearman", trial.agreement),
                Objective::Kendall => ("kendall", trial.agreement),
                Objective::Precision => ("precision", trial.agreement),
                Objective::Regret => ("regret", trial.agreement.map(|agreement| 0.0 - agreement)),
            };
            told.insert(name.to_owned(), number.into());
        }
    }
    Ok(json)
}

/// Importances by name; what was not observed has none.
pub(super) fn named(importances: &Importances) -> BTreeMap<&'static str, Option<f64>> {
    HYPERPARAMETERS.iter().map(|row| row.name).zip(importances.iter().copied()).collect()
}
