//! What a search met and found.

mod combined;
mod comparison;

use std::collections::BTreeMap;
use std::fmt::Write;

use cache::FieldValue;
use serde::Serialize;
use stages::Genotype;
use stages::search::Strategy;
use stages::stage::{Evaluation, SearchOutcome, TrainingLog};
use stages::supernet::{SupernetEpoch, SupernetResult};

use super::format;
use crate::engine::basis::Basis;

use combined::{CombinationJson, CombinedJson};

pub(super) use combined::combined_text;
pub(super) use comparison::{ComparisonJson, Took, comparison_text};

/// From which share of skip connections in the normal cell on a search is said to have collapsed: DARTS, searched for too long,
/// ends with nothing else (Zela et al., 2020), and its authors' cells have at most three of eight.
const COLLAPSED: f64 = 0.5;

/// A search, for programs.
#[derive(Serialize)]
pub(super) struct SearchJson {
    strategy: &'static str,
    settings: BTreeMap<String, serde_json::Value>,
    /// What shrank of the settings that were asked for.
    shrunk: Vec<String>,
    /// What it went by; absent where that was the trainings under its budget alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    combination: Option<CombinationJson>,
    evaluations: Vec<EvaluationJson>,
    /// How many of them the strategy asked for; the others it found in the end.
    asked: u64,
    cost: CostJson,
    /// None where the supernet diverged, or the training of everything that was found.
    best: Option<FoundJson>,
    supernet: Option<SupernetJson>,
}

/// How the architecture of a supernet went, and what training it took.
#[derive(Serialize)]
struct SupernetJson {
    parameters: u64,
    mult_adds: u64,
    flops: u64,
    seconds: Option<f64>,
    /// As an evaluation's.
    origin: Option<&'static str>,
    /// The architectures of the epoch with the best accuracy, and of the last one.
    best: String,
    last: String,
    /// Whether the last one has collapsed.
    collapsed: bool,
    diverged_at: Option<u64>,
    epochs: Vec<SupernetEpoch>,
}

impl SupernetJson {
    fn of(supernet: &SupernetResult, log: Option<&TrainingLog>) -> Self {
        Self {
            parameters: supernet.parameters,
            mult_adds: supernet.mult_adds,
            flops: supernet.training_flops,
            seconds: log.map(|log| seconds(log.elapsed_ms)),
            origin: log.map(origin),
            best: supernet.best.to_string(),
            last: supernet.last.to_string(),
            collapsed: has_collapsed(&supernet.last),
            diverged_at: supernet.diverged_at,
            epochs: supernet.epochs.clone(),
        }
    }
}

#[derive(Serialize)]
struct EvaluationJson {
    genotype: String,
    score: f64,
    /// `run` or `cached`; none where the search's record does not say it.
    origin: Option<&'static str>,
    flops: u64,
    seconds: Option<f64>,
    /// Its place in the order in which results came in.
    arrival: Option<u64>,
    diverged_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    combined: Option<CombinedJson>,
}

#[derive(Serialize)]
struct CostJson {
    /// Of distinct trainings, as are the others.
    flops: u64,
    seconds: Option<f64>,
    run: usize,
    cached: usize,
}

#[derive(Serialize)]
struct FoundJson {
    genotype: String,
    score: f64,
    /// Share of skip connections in the normal cell.
    skips: f64,
    collapsed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    combined: Option<CombinedJson>,
}

fn seconds(elapsed_ms: u64) -> f64 {
    elapsed_ms as f64 / 1e3
}

impl SearchJson {
    /// A search, and what its record says of its trainings.
    pub(super) fn of(outcome: &SearchOutcome, basis: Option<&Basis>) -> Self {
        let log: &[TrainingLog] = basis.map_or(&[], |basis| &basis.log);
        // A supernet comes before what it found.
        let (of_supernet, log) = log.split_at(usize::from(outcome.supernet.is_some()).min(log.len()));
        let of_supernet = of_supernet.first();
        let trainings: BTreeMap<_, bool> = distinct(outcome, log);
        let ran = |log: Option<&TrainingLog>| usize::from(log.is_some_and(|log| log.ran));
        let run = ran(of_supernet) + trainings.values().filter(|ran| **ran).count();
        let all = usize::from(of_supernet.is_some()) + trainings.len();
        let jobs_of_each = outcome.evaluations.first().map_or(1, |evaluation| evaluation.jobs().count());
        let combined = |evaluation: &Evaluation| CombinedJson::of(outcome.combination.as_ref()?, evaluation);
        let evaluations = outcome.evaluations.iter().enumerate().map(|(place, evaluation)| {
            // The training under the search's budget comes first of an evaluation's jobs.
            let log = log.get(place * jobs_of_each);
            EvaluationJson {
                genotype: evaluation.genotype.to_string(),
                score: evaluation.training.score,
                origin: log.map(origin),
                flops: evaluation.training.training_flops,
                seconds: log.map(|log| seconds(log.elapsed_ms)),
                arrival: log.map(|log| log.arrival),
                diverged_at: evaluation.training.divergence.map(|divergence| divergence.step),
                combined: combined(evaluation),
            }
        });
        Self {
            strategy: outcome.strategy.name(),
            settings: settings(&outcome.strategy),
            shrunk: outcome.shrunk.clone(),
            combination: outcome.combination.as_ref().map(CombinationJson::of),
            evaluations: evaluations.collect(),
            asked: outcome.asked,
            cost: CostJson {
                flops: outcome.training_flops(),
                seconds: basis.and_then(|basis| basis.elapsed_ms).map(seconds),
                run,
                cached: all - run,
            },
            best: outcome.best.as_ref().map(|best| FoundJson {
                genotype: best.genotype.to_string(),
                score: best.training.score,
                skips: best.genotype.normal.skips(),
                collapsed: has_collapsed(&best.genotype),
                combined: combined(best),
            }),
            supernet: outcome.supernet.as_ref().map(|supernet| SupernetJson::of(supernet, of_supernet)),
        }
    }
}

/// A strategy's settings by the names that they have in its section of a configuration.
fn settings(strategy: &Strategy) -> BTreeMap<String, serde_json::Value> {
    let section = format!("search.{}.", strategy.name());
    let fields = strategy.fields().unwrap_or_default();
    let setting = |(name, value): (&str, &FieldValue)| {
        let name = name.strip_prefix(&section).filter(|&name| name != "method")?;
        // A number's text is JSON, any other is a text.
        let text = value.to_string();
        Some((name.to_owned(), serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text))))
    };
    fields.iter().filter_map(setting).collect()
}

/// What a person should know of how a search went.
pub(super) fn remarks(outcome: &SearchOutcome) -> String {
    let mut text = String::new();
    for shrunk in &outcome.shrunk {
        let _ = writeln!(text, "  {shrunk}");
    }
    let skips = |genotype: &Genotype| format::percent(genotype.normal.skips());
    let best = match outcome.found() {
        Ok(best) => &best.genotype,
        Err(why) => {
            let _ = writeln!(text, "  warning: {why}");
            return text;
        }
    };
    match outcome.supernet.as_ref().map(|supernet| &supernet.last) {
        _ if has_collapsed(best) => {
            let _ = writeln!(
                text,
                "  warning: the search has collapsed: {} of the normal cell's edges are skip connections",
                skips(best)
            );
        }
        Some(last) if has_collapsed(last) => {
            let _ = writeln!(
                text,
                "  warning: the supernet has collapsed: in the end {} of its normal cell's edges are skip connections; what won \
                 is of an earlier epoch",
                skips(last)
            );
        }
        _ => {}
    }
    text
}

/// Whether a search that gave this has collapsed.
pub(super) fn has_collapsed(genotype: &Genotype) -> bool {
    genotype.normal.skips() >= COLLAPSED
}

fn origin(log: &TrainingLog) -> &'static str {
    if log.ran { "run" } else { "cached" }
}

/// The distinct jobs of a search's evaluations, by their keys: whether each was run for it.
fn distinct(outcome: &SearchOutcome, log: &[TrainingLog]) -> BTreeMap<cache::Digest, bool> {
    let mut trainings = BTreeMap::new();
    for ((key, _), log) in outcome.evaluations.iter().flat_map(Evaluation::jobs).zip(log) {
        *trainings.entry(key).or_insert(false) |= log.ran;
    }
    trainings
}

/// What a search cost, as a person reads it.
pub(super) fn cost(outcome: &SearchOutcome, basis: Option<&Basis>) -> String {
    let took = basis.and_then(|basis| basis.elapsed_ms);
    let took =
        took.map_or_else(String::new, |elapsed| format!(", {} of training", format::duration(elapsed)));
    format!("{}{took}", format::large(outcome.training_flops() as f64, "FLOPs"))
}

#[cfg(test)]
mod tests;
