//! What a target gave: the whole result of `nas-search` for a person, and every output as JSON.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;
use stages::hyperparameter::{COUNT, HYPERPARAMETERS};
use stages::mip::MipState;
use stages::stage::{
    DrawnBudgets, Evaluate, EvaluatedBudget, FitForest, Mip, MipReport, NasSearch, NasSearchReport, Pick,
    Prune, Rank, RankedBudget, Sample, SampleBudgets, Search, SearchOutcome, SelectBudget, Train,
    TrainedBudget,
};
use stages::{Budget, Genotype};

use super::format;
use super::table::{Align, Table};
use crate::engine::manifest::TrainingCount;
use crate::engine::node::{Dag, NodeIndex, Show, Shown};
use crate::engine::run::Output;
use crate::error::Error;

/// What a run says about itself beside its result.
pub(crate) struct RunSummary<'a> {
    pub(crate) target: &'a str,
    pub(crate) trainings: TrainingCount,
    pub(crate) elapsed_ms: u64,
}

#[derive(Serialize)]
struct RunJson<'a> {
    target: &'a str,
    trainings: TrainingCount,
    elapsed_ms: u64,
    result: serde_json::Value,
}

/// Prints the outputs of the target's nodes.
pub(crate) fn print(
    dag: &Dag,
    targets: &[NodeIndex],
    outputs: &BTreeMap<NodeIndex, Output>,
    ran: &RunSummary,
    json: bool,
) -> Result<(), Error> {
    let mut shown = Vec::new();
    for &target in targets {
        let node = &dag.nodes()[target];
        let Some(output) = outputs.get(&target) else { continue };
        shown.push((node, node.stage.show_bytes(&node.name, &output.bytes)?));
    }
    if json {
        let result = match shown.as_slice() {
            [(_, one)] => one.json.clone(),
            many => many.iter().map(|(node, shown)| (node.name.clone(), shown.json.clone())).collect(),
        };
        return super::json(&RunJson {
            target: ran.target,
            trainings: ran.trainings,
            elapsed_ms: ran.elapsed_ms,
            result,
        });
    }
    let mut text = String::new();
    for (node, shown) in &shown {
        if !shown.titled {
            let _ = writeln!(text, "{}", super::heading(&node.name));
        }
        let _ = writeln!(text, "{}", shown.text);
    }
    let _ = write!(
        text,
        "{} run, {} from the cache, in {}",
        format::plural(ran.trainings.run, "training"),
        format::count(ran.trainings.cached),
        format::duration(ran.elapsed_ms)
    );
    super::result(&text)
}

fn shown(json: impl Serialize, text: String) -> Result<Shown, serde_json::Error> {
    Ok(Shown { json: serde_json::to_value(json)?, text, titled: false })
}

/// Of a text that says by itself what it is.
fn titled(json: impl Serialize, text: String) -> Result<Shown, serde_json::Error> {
    Ok(Shown { titled: true, ..shown(json, text)? })
}

impl Show for Sample {
    fn show(&self, genotypes: &Vec<Genotype>) -> Result<Shown, serde_json::Error> {
        let genotypes: Vec<String> = genotypes.iter().map(ToString::to_string).collect();
        shown(&genotypes, genotypes.join("\n") + "\n")
    }
}

impl Show for Train {
    fn show(&self, trained: &Vec<TrainedBudget>) -> Result<Shown, serde_json::Error> {
        shown(trained, trained_text(trained))
    }
}

impl Show for Evaluate {
    fn show(&self, evaluated: &Vec<EvaluatedBudget>) -> Result<Shown, serde_json::Error> {
        shown(evaluated, evaluated_text(evaluated))
    }
}

impl Show for SampleBudgets {
    fn show(&self, drawn: &DrawnBudgets) -> Result<Shown, serde_json::Error> {
        let lines: Vec<String> = drawn.budgets.iter().map(ToString::to_string).collect();
        shown(drawn, lines.join("\n") + "\n")
    }
}

impl Show for Rank {
    fn show(&self, ranked: &Vec<RankedBudget>) -> Result<Shown, serde_json::Error> {
        let picks: Vec<Pick> = ranked.iter().map(Pick::of).collect();
        shown(picks.iter().map(PickJson::of).collect::<Vec<_>>(), picks_table(&picks).to_string())
    }
}

impl Show for FitForest {
    fn show(&self, importances: &[f64; COUNT]) -> Result<Shown, serde_json::Error> {
        shown(named(importances), importances_text(importances))
    }
}

impl Show for Prune {
    fn show(&self, state: &MipState) -> Result<Shown, serde_json::Error> {
        shown(state, pruned_text(state))
    }
}

impl Show for SelectBudget {
    fn show(&self, budget: &Budget) -> Result<Shown, serde_json::Error> {
        shown(budget, format!("{budget}\n"))
    }
}

impl Show for Mip {
    fn show(&self, report: &MipReport) -> Result<Shown, serde_json::Error> {
        titled(MipJson::of(report), mip_text(report))
    }
}

impl Show for Search {
    fn show(&self, outcome: &SearchOutcome) -> Result<Shown, serde_json::Error> {
        let text = format!(
            "{}\nscore {:.2}% under the budget found, the best of {}\n",
            outcome.best,
            outcome.training.score,
            format::plural(outcome.scored, "architecture")
        );
        shown(outcome, text)
    }
}

impl Show for NasSearch {
    fn show(&self, report: &NasSearchReport) -> Result<Shown, serde_json::Error> {
        titled(ReportJson::of(report), report_text(report))
    }
}

/// The result of `nas-search`: the fields that programs rely on.
#[derive(Serialize)]
struct ReportJson {
    #[serde(flatten)]
    mip: MipJson,
    best: BestJson,
}

#[derive(Serialize)]
struct MipJson {
    budget: Budget,
    spearman: Option<f64>,
    interval: Option<(f64, f64)>,
    cost_ratio: f64,
    importances: BTreeMap<&'static str, f64>,
    pareto: Vec<PickJson>,
}

#[derive(Serialize)]
struct PickJson {
    budget: Budget,
    spearman: Option<f64>,
    interval: Option<(f64, f64)>,
    cost_ratio: f64,
}

#[derive(Serialize)]
struct BestJson {
    genotype: String,
    parameters: u64,
    mult_adds: u64,
    accuracy: f64,
}

impl ReportJson {
    fn of(report: &NasSearchReport) -> Self {
        let best = &report.best;
        Self {
            mip: MipJson::of(&report.mip),
            best: BestJson {
                genotype: best.genotype.to_string(),
                parameters: best.parameters,
                mult_adds: best.mult_adds,
                accuracy: best.test_accuracy,
            },
        }
    }
}

impl MipJson {
    fn of(report: &MipReport) -> Self {
        let found = &report.found;
        Self {
            budget: found.budget,
            spearman: found.spearman,
            interval: found.interval,
            cost_ratio: found.cost_ratio,
            // The last forest has seen all trials.
            importances: report.rounds.last().map_or_else(BTreeMap::new, |round| named(&round.importances)),
            pareto: report.pareto.iter().map(PickJson::of).collect(),
        }
    }
}

impl PickJson {
    fn of(pick: &Pick) -> Self {
        let Pick { budget, spearman, interval, cost_ratio } = *pick;
        Self { budget, spearman, interval, cost_ratio }
    }
}

fn named(importances: &[f64; COUNT]) -> BTreeMap<&'static str, f64> {
    HYPERPARAMETERS.iter().map(|row| row.name).zip(importances.iter().copied()).collect()
}

fn trained_text(trained: &[TrainedBudget]) -> String {
    let mut text = String::new();
    for budget in trained {
        let best = budget.trainings.iter().map(|training| training.score).fold(0.0, f64::max);
        let trainings = format::plural(budget.trainings.len() as u64, "training");
        let _ = writeln!(text, "{}: {trainings}, best score {best:.2}%", budget.budget);
    }
    text
}

fn evaluated_text(evaluated: &[EvaluatedBudget]) -> String {
    let mut text = String::new();
    for budget in evaluated {
        let scores: Vec<String> = budget.scores.iter().map(|score| format!("{score:.2}")).collect();
        let _ = writeln!(text, "{}\n  {}", budget.budget, scores.join(" "));
    }
    text
}

fn importances_text(importances: &[f64; COUNT]) -> String {
    let mut table =
        Table::new(&[("hyper-parameter", Align::Left), ("importance", Align::Right), ("", Align::Left)], 2);
    for (row, &importance) in HYPERPARAMETERS.iter().zip(importances) {
        table.row(vec![row.name.to_owned(), format!("{importance:.3}"), format::bar(importance)]);
    }
    table.to_string()
}

fn pruned_text(state: &MipState) -> String {
    let mut text = String::new();
    for fixed in &state.fixed {
        let _ = writeln!(text, "  {} fixed to {}", HYPERPARAMETERS[fixed.index].name, fixed.value);
    }
    let open: Vec<&str> = state.space.open().into_iter().map(|index| HYPERPARAMETERS[index].name).collect();
    let left = if open.is_empty() { "nothing".to_owned() } else { open.join(", ") };
    let _ = writeln!(text, "  left to vary: {left}");
    text
}

/// A budget without what all budgets of a table share would be shorter, but could not be copied into `--budget`.
fn picks_table(picks: &[Pick]) -> Table {
    let mut table = Table::new(
        &[
            ("cost", Align::Right),
            ("r_s", Align::Right),
            ("95% interval", Align::Left),
            ("budget", Align::Left),
        ],
        2,
    );
    for pick in picks {
        table.row(vec![
            format::percent(pick.cost_ratio),
            format::correlation(pick.spearman),
            format::interval(pick.interval),
            pick.budget.to_string(),
        ]);
    }
    table
}

fn mip_text(report: &MipReport) -> String {
    let found = &report.found;
    let mut text = format!(
        "{}\n  {}\n  ranks architectures like full training with r_s {} (95% interval {})\n  at {} of its cost{}\n\n",
        super::heading("Budget found"),
        found.budget,
        format::correlation(found.spearman),
        format::interval(found.interval),
        format::percent(found.cost_ratio),
        format::times_cheaper(found.cost_ratio)
    );
    let _ = writeln!(
        text,
        "{}\n{}",
        super::heading("Importance of each hyper-parameter, round by round"),
        rounds_table(report)
    );
    let _ = writeln!(
        text,
        "{}\n{}",
        super::heading(&format!(
            "Pareto front: the best of {} at their cost",
            format::plural(report.tried, "budget")
        )),
        picks_table(&report.pareto)
    );
    text
}

fn rounds_table(report: &MipReport) -> Table {
    let numbers: Vec<String> = (1..=report.rounds.len()).map(|round| format!("{round}")).collect();
    let mut headings = vec![("", Align::Left)];
    headings.extend(numbers.iter().map(|number| (number.as_str(), Align::Right)));
    headings.push(("fixed to", Align::Left));
    let mut table = Table::new(&headings, 2);
    for (index, row) in HYPERPARAMETERS.iter().enumerate() {
        // What had no choice from the start has nothing to say.
        let fixed = report.rounds.iter().enumerate().find_map(|(round, found)| {
            found.fixed.iter().find(|fixed| fixed.index == index).map(|fixed| (round, fixed))
        });
        let Some((fixed_round, fixed)) = fixed else { continue };
        let mut cells = vec![row.name.to_owned()];
        cells.extend(report.rounds.iter().map(|found| format!("{:.3}", found.importances[index])));
        let why = match fixed.reason {
            stages::mip::FixReason::Cheapest => "the cheapest",
            stages::mip::FixReason::BestTrial => "of the best budget",
        };
        cells.push(format!("{} in round {}, {why}", fixed.value, fixed_round + 1));
        table.row(cells);
    }
    table
}

fn report_text(report: &NasSearchReport) -> String {
    let best = &report.best;
    let mut text = mip_text(&report.mip);
    let _ = writeln!(
        text,
        "{}\n  {}\n  {:.2}% of the test images right after full training; {}, {}\n  the best of {} under the budget found",
        super::heading("Best architecture"),
        best.genotype,
        best.test_accuracy,
        format::large(best.parameters as f64, "parameters"),
        format::large(best.mult_adds as f64, "multiply-adds"),
        format::plural(best.scored, "architecture")
    );
    text
}
