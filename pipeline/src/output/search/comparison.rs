//! Strategies beside each other.

use std::fmt::Write;

use serde::Serialize;
use stages::stage::{ComparedSearch, ComparedStrategy, FoundArchitecture, SearchComparison, Spread};

use super::{COLLAPSED, has_collapsed};
use crate::output::diverged::DivergedJson;
use crate::output::format;
use crate::output::table::{Align, Table};

/// A comparison, for programs.
#[derive(Serialize)]
pub(in crate::output) struct ComparisonJson {
    budget: stages::Budget,
    /// What a full training costs, in trainings under the budget, of the same architectures.
    full_ratio: f64,
    strategies: Vec<ComparedJson>,
    diverged_trainings: Vec<DivergedJson>,
}

#[derive(Serialize)]
struct ComparedJson {
    /// None for random architectures that no search found.
    strategy: Option<String>,
    seeds: usize,
    /// What shrank of the settings that were asked for.
    shrunk: Vec<String>,
    /// Percent of the test images, mean and deviation over the seeds; none where a search or a training diverged, and no
    /// deviation of one.
    test_error: Option<f64>,
    test_error_deviation: Option<f64>,
    /// Of what was found; none where nothing was.
    parameters: Option<f64>,
    evaluations: f64,
    search_flops: f64,
    search_seconds: Option<f64>,
    /// What the search would have cost with full training in the place of the budget: for the architectures that it met, and a
    /// supernet of full size; and how long, by what both trainings took here.
    full_search_flops: f64,
    full_search_seconds: Option<f64>,
    skips: Option<f64>,
    /// Searches that found nothing, since all of it diverged.
    diverged: usize,
    /// Searches that have collapsed.
    collapsed: usize,
    found: Vec<ComparedFoundJson>,
}

#[derive(Serialize)]
struct ComparedFoundJson {
    /// Of the search; none without one.
    seed: Option<u64>,
    /// None, as what follows from it, where the search found nothing.
    genotype: Option<String>,
    test_error: Option<f64>,
    parameters: Option<u64>,
    search_flops: u64,
    skips: Option<f64>,
    collapsed: bool,
}

/// How long searches, and a full training, took.
pub(in crate::output) struct Took {
    /// Of a full training, in that of one under the budget, of the same architectures.
    pub(in crate::output) full_ratio: Option<f64>,
    /// Mean of a search's, for each row.
    pub(in crate::output) searches_ms: Vec<Option<f64>>,
}

impl Took {
    /// Of trainings of the same architectures, full ones and those under the budget; and of each row's searches. What is not
    /// known of one is not known of their mean.
    pub(in crate::output) fn of(
        (full, cheap): (Option<u64>, Option<u64>),
        searches: impl Iterator<Item = Option<Vec<u64>>>,
    ) -> Self {
        let mean = |all: Vec<u64>| all.iter().sum::<u64>() as f64 / all.len().max(1) as f64;
        Self {
            full_ratio: full.and_then(|full| Some(full as f64 / cheap?.max(1) as f64)),
            searches_ms: searches.map(|all| all.map(mean)).collect(),
        }
    }
}

/// A row, in numbers.
struct Row<'a> {
    compared: &'a ComparedStrategy,
    error: Option<Spread>,
    parameters: Option<f64>,
    evaluations: f64,
    flops: f64,
    full_flops: f64,
    seconds: Option<f64>,
    full_seconds: Option<f64>,
    skips: Option<f64>,
    diverged: usize,
    collapsed: usize,
}

fn rows<'a>(comparison: &'a SearchComparison, took: &Took) -> Vec<Row<'a>> {
    let row = |(place, compared): (usize, &'a ComparedStrategy)| {
        let flops = compared.mean(|search| search.search_flops as f64);
        let full_flops = compared.mean(|search| search.full_search_flops as f64);
        let seconds = took.searches_ms.get(place).copied().flatten().map(|ms| ms / 1e3);
        Row {
            compared,
            error: compared.test_errors().and_then(|errors| Spread::of(&errors)),
            parameters: compared.mean_found(|found| found.trained.parameters as f64),
            evaluations: compared.mean(|search| search.evaluations as f64),
            flops,
            full_flops,
            seconds,
            // A full training has more operations, and does another number of them a second.
            full_seconds: seconds.and_then(|seconds| {
                Some(seconds * full_flops / flops * took.full_ratio? / comparison.full_ratio)
            }),
            diverged: compared.searches.iter().filter(|search| search.found.is_none()).count(),
            collapsed: compared.found().filter(|found| has_collapsed(&found.genotype)).count(),
            skips: compared.mean_found(|found| found.skips),
        }
    };
    comparison.rows.iter().enumerate().map(row).collect()
}

impl ComparisonJson {
    pub(in crate::output) fn of(comparison: &SearchComparison, took: &Took) -> Self {
        let strategy = |row: Row<'_>| ComparedJson {
            strategy: row.compared.strategy.clone(),
            seeds: row.compared.searches.len(),
            shrunk: row.compared.shrunk.clone(),
            test_error: row.error.map(|error| error.mean),
            test_error_deviation: row.error.and_then(|error| error.deviation),
            parameters: row.parameters,
            evaluations: row.evaluations,
            search_flops: row.flops,
            search_seconds: row.seconds,
            full_search_flops: row.full_flops,
            full_search_seconds: row.full_seconds,
            skips: row.skips,
            diverged: row.diverged,
            collapsed: if row.compared.strategy.is_some() { row.collapsed } else { 0 },
            found: row
                .compared
                .searches
                .iter()
                .map(|search| ComparedFoundJson::of(search, row.compared.strategy.is_some()))
                .collect(),
        };
        Self {
            budget: comparison.budget,
            full_ratio: comparison.full_ratio,
            strategies: rows(comparison, took).into_iter().map(strategy).collect(),
            diverged_trainings: comparison.diverged.iter().map(DivergedJson::of).collect(),
        }
    }
}

impl ComparedFoundJson {
    fn of(search: &ComparedSearch, is_search: bool) -> Self {
        let found = search.found.as_ref();
        Self {
            seed: is_search.then_some(search.seed),
            genotype: found.map(|found| found.genotype.to_string()),
            test_error: found.and_then(FoundArchitecture::test_error),
            parameters: found.map(|found| found.trained.parameters),
            search_flops: search.search_flops,
            skips: found.map(|found| found.skips),
            collapsed: is_search && found.is_some_and(|found| has_collapsed(&found.genotype)),
        }
    }
}

pub(in crate::output) fn comparison_text(comparison: &SearchComparison, took: &Took) -> String {
    let headings = [
        ("strategy", Align::Left),
        ("test error", Align::Left),
        ("parameters", Align::Right),
        ("evaluations", Align::Right),
        ("search", Align::Right),
        ("", Align::Right),
        ("with full training", Align::Right),
        ("", Align::Right),
        ("skips", Align::Right),
    ];
    let mut table = Table::new(&headings, 2);
    let duration = |seconds: Option<f64>| {
        seconds.map_or_else(String::new, |seconds| format::duration((seconds * 1e3).round() as u64))
    };
    for row in rows(comparison, took) {
        let is_search = row.compared.strategy.is_some();
        let of_search = |text: String| if is_search { text } else { String::new() };
        let error = row.error.map_or_else(|| "diverged".to_owned(), format::spread);
        table.row(vec![
            row.compared.strategy.clone().unwrap_or_else(|| "none: a random one".to_owned()),
            error,
            row.parameters.map_or_else(String::new, |mean| format::count(mean.round() as u64)),
            of_search(format!("{:.0}", row.evaluations)),
            of_search(format::large(row.flops, "FLOPs")),
            of_search(duration(row.seconds)),
            of_search(format::large(row.full_flops, "FLOPs")),
            of_search(duration(row.full_seconds)),
            row.skips.map_or_else(String::new, format::percent),
        ]);
    }
    let mut remarks = String::new();
    for shrunk in comparison.rows.iter().flat_map(|row| &row.shrunk) {
        let _ = writeln!(remarks, "  {shrunk}");
    }
    for row in rows(comparison, took) {
        let Some(strategy) = &row.compared.strategy else { continue };
        let all = row.compared.searches.len();
        if row.diverged > 0 {
            let _ = writeln!(
                remarks,
                "  warning: {} of {all} searches of {strategy} diverged and found nothing; the means of its row are of the others",
                row.diverged
            );
        }
        if row.collapsed > 0 {
            let _ = writeln!(
                remarks,
                "  warning: {} of {all} searches of {strategy} collapsed: at least {} of the normal cell's edges are skip connections",
                row.collapsed,
                format::percent(COLLAPSED)
            );
        }
    }
    let seeds = comparison.rows.first().map_or(0, |row| row.searches.len());
    format!(
        "{}\n  under {}\n\n{table}{remarks}\n  Of {} each, and one full training of what each found: mean and deviation of the \
         test error after full training on\n  all training images, with seeds that no search has seen; means of the rest. \
         Search: time of its trainings one after the\n  other, each on the cores that it had. With full training: the same \
         architectures and supernets with full training in the\n  place of the budget, by what both took here; of supernets of several stages the most. Skips: share of \
         skip connections in the normal cell.\n",
        crate::output::heading("Searches compared"),
        comparison.budget,
        format::plural(seeds as u64, "search").replace("searchs", "searches"),
    )
}
