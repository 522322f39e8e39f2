//! `pipeline replay`: the whole method on results that somebody has already, without training anything.

mod combined;
mod pruned;
mod raced;
mod study;

use std::path::PathBuf;

use clap::Args;
use stages::mip::pareto_by;
use stages::statistics::{rank_quality, top_of};

use super::Global;
use super::forest::ForestArgs;
use super::given::path;
use super::inputs::{Inputs, TableArgs};
use super::report::write;
use crate::error::Error;
use crate::output::replay::{self, Chosen, RankedTrial, Replayed};
use crate::output::{self, page};
use crate::tables::{Choice, InputTable, LeftOut, NotTaken, Observed, whole};
use combined::combined;
use pruned::pruned;
use raced::raced;
use study::{numbers, report};

/// The whole method on tables of results that you have, without training anything
///
/// Ranks every budget (Spearman's `r_s`, Kendall's tau-b, precision at the top, regret and gain over random
/// architectures, each with its 95% bootstrap interval over the architectures; `pipeline rank --help` says what they
/// are), says which hyper-parameters matter (`pipeline importance --help`), prunes the least important ones over the
/// budgets of the table (Algorithm 1 of Zheng et al.), and prints the Pareto front of cost and `r_s`, and which budgets
/// rank better together (by the sum of an architecture's ranks under each); also what the best budget and the best such
/// sum are worth on one half of the architectures, when they are chosen on the other. The cache is not touched.
///
/// TRUTH has a row for each architecture: its name and its accuracy under full training. ACCURACIES has a row for each
/// architecture and a column for each budget. TRIALS has a row for each budget: its name, which heads its column of
/// ACCURACIES, and its hyper-parameters, which may be any numbers, texts or truth values; if there are, also what a
/// training costs and the `r_s` that was published.
///
/// Columns are chosen by their headings. TRUTH and ACCURACIES are joined by `arch`, `architecture`, `genotype` or `id`;
/// budgets are named by `trial`, `budget`, `name` or `id`. Hyper-parameters are all columns of TRIALS that are none of
/// these and are not called like a cost, an accuracy, a rank correlation, a state or a machine. A missing value (an
/// empty cell, NaN; among numbers NA, `<NA>`, null or None as well) leaves out what it belongs to, which is named; any
/// other cell that is no finite number where one must stand (91.2%, n/a, inf) is refused with its line.
#[derive(Args)]
#[command(after_help = "Examples:
  pipeline replay --truth truth.csv --trials trials.csv --accuracies accuracies.csv
  pipeline replay --truth truth.csv --trials trials.csv --accuracies accuracies.csv --cost gpu_hours --lambda 0.3
  pipeline replay --truth t.csv --trials b.csv --accuracies a.csv --columns epochs,optimizer --samples 8 --json")]
pub(crate) struct Replay {
    #[command(flatten)]
    tables: TableArgs,
    /// Architectures at the top of a ranking [default: a tenth of them]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(1..))]
    top: Option<u64>,
    /// Weight of the cost in the choice of a budget, from 0 up to but not 1 [default: 0.1; 0 without a cost]
    #[arg(long, value_name = "LAMBDA", value_parser = lambda)]
    lambda: Option<f64>,
    /// Cost of full training, in the unit of the cost column [default: that of the dearest budget]
    #[arg(long, value_name = "COST", value_parser = positive)]
    full_cost: Option<f64>,
    /// Budgets that each round of pruning draws from the table, cheap ones rather [default: all in the first round]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    samples: Option<u64>,
    /// Budgets that are ranked together at most; 1 for none
    #[arg(long, default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=5))]
    combine: u64,
    /// Say what racing would save and lose (`mip.race` of a run): a budget that is behind at this confidence, from .5
    /// up to but not 1, whatever its cost weighs, is not tried on the rest of the architectures
    #[arg(long, value_name = "CONFIDENCE", value_parser = confidence)]
    race: Option<f64>,
    #[command(flatten)]
    forest: ForestArgs,
    /// Seed of bootstraps, forests and draws
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Write a report as well: an HTML file, or its numbers where the name ends in .json
    #[arg(long, value_name = "F", value_parser = path())]
    report: Option<PathBuf>,
}

/// Bootstrap samples behind the spread of importances, where nobody says how many.
const BOOTSTRAP: u32 = 100;
/// Weight of the cost, where nobody says which.
const LAMBDA: f64 = 0.1;
/// Random orders of the architectures that budgets race over.
const ORDERS: usize = 200;
/// How far an `r_s` may be from the published one: half a unit of its third digit.
const ROUNDING: f64 = 0.0005;

pub(super) fn lambda(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|lambda| (0.0..1.0).contains(lambda));
    number.ok_or_else(|| "is no weight; give a number from 0 up to but not 1".to_owned())
}

pub(super) fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|cost: &f64| *cost > 0.0 && cost.is_finite());
    number.ok_or_else(|| "is no cost; give a number above 0".to_owned())
}

fn confidence(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|confidence| (0.5..1.0).contains(confidence));
    number.ok_or_else(|| "is no confidence; give a number from 0.5 up to but not 1".to_owned())
}

impl Replay {
    pub(super) fn run(&self, global: &Global) -> Result<(), Error> {
        replay::print(&self.replay(global)?, global.json)
    }

    /// The weight of the cost, where there is one or not.
    fn weight(&self, has_cost: bool) -> f64 {
        self.lambda.unwrap_or(if has_cost { LAMBDA } else { 0.0 })
    }

    /// The cost of full training: as asked, or as the run says whose tables these are, or that of the dearest budget.
    /// Where nothing costs anything any unit will do.
    fn unit(&self, inputs: &Inputs, dearest: f64) -> f64 {
        self.full_cost.or(inputs.full_cost).unwrap_or(if dearest > 0.0 { dearest } else { 1.0 })
    }

    fn replay(&self, global: &Global) -> Result<Replayed, Error> {
        let inputs = Inputs::read(&self.tables, global)?;
        if let (None, Some(lambda)) = (&inputs.cost, self.lambda.filter(|lambda| *lambda > 0.0)) {
            let problem = "weighs a cost, and no column of the trials is one; name it with --cost".to_owned();
            return Err(Error::Flag { flag: "--lambda", value: lambda.to_string(), problem });
        }
        let mut left_out: Vec<LeftOut> = Vec::new();
        let k = self
            .top
            .map_or_else(|| top_of(inputs.known.rows.len()), |k| usize::try_from(k).unwrap_or(usize::MAX));
        let (mut trials, mut estimates) = (Vec::new(), Vec::new());
        for budget in &inputs.budgets {
            let column_of = inputs.known.estimates(&inputs.accuracies, budget.column, Some(inputs.key))?;
            let (x, y) = column_of.beside(&inputs.known.truths);
            let quality = rank_quality(&x, &y, k, self.seed).map_err(Error::Input)?;
            let difference = budget.published.zip(quality.spearman).map(|(published, own)| own - published);
            trials.push(RankedTrial {
                budget: budget.name.clone(),
                cost: budget.cost,
                published: budget.published,
                difference,
                differs: difference.is_some_and(|difference| difference.abs() > ROUNDING),
                quality,
            });
            left_out.extend(column_of.left_out);
            estimates.push(column_of.numbers);
        }
        let spearmans: Vec<Option<f64>> = trials.iter().map(|trial| trial.quality.spearman).collect();
        let rows: Vec<usize> = inputs.budgets.iter().map(|budget| budget.row).collect();
        let (observed, empty) = Observed::all(&inputs.trials, inputs.features.clone(), &rows)?;
        let empty =
            empty.iter().map(|feature| NotTaken { column: feature.heading(&inputs.trials), why: "empty" });
        let (whole, lacking) =
            whole(&inputs.trials, (&rows, Some(inputs.name)), (&spearmans, "without an r_s"), &observed);
        let targets: Vec<f64> = whole.iter().filter_map(|&place| spearmans[place]).collect();
        let bootstrap = self.forest.bootstrap.unwrap_or(BOOTSTRAP);
        let hyperparameters = if whole.is_empty() {
            Vec::new()
        } else {
            let learned = (&whole[..], &targets[..]);
            self.forest.explain(&inputs.trials, &rows, &observed, learned, (bootstrap, self.seed))?
        };
        let pruning = pruned(self, &inputs, &observed, &whole, &trials)?;
        let racing = raced(self, &inputs, &trials, &estimates)?;
        let front = pareto_by(&trials, |trial| Some((trial.cost?, trial.quality.spearman?)));
        let pareto = front.into_iter().map(|trial| trial.budget.clone()).collect();
        let combinations = combined(self, &trials, &estimates, &inputs.known.truths, k)?;
        left_out.extend(lacking);
        let headings = inputs.trials.headings();
        let chosen =
            |choice: &Choice| Chosen { column: headings[choice.column].clone(), column_is: choice.why };
        let found = Replayed {
            truth: inputs.truths.headings()[inputs.truth.column].clone(),
            truth_table: inputs.truths.path().display().to_string(),
            truth_is: inputs.truth.why,
            joined_by: inputs.accuracies.headings()[inputs.key].clone(),
            architectures: inputs.known.rows.len(),
            cost: inputs.cost.as_ref().map(chosen),
            published: inputs.published.as_ref().map(chosen),
            names: headings[inputs.name].clone(),
            budgets: trials,
            hyperparameters,
            learned_from: whole.len(),
            pruning,
            racing,
            pareto,
            combinations,
            tables: [&inputs.truths, &inputs.trials, &inputs.accuracies].map(InputTable::source).into(),
            left_out: inputs.known.left_out.iter().chain(&inputs.left_out).cloned().chain(left_out).collect(),
            not_taken: inputs.not_taken.iter().cloned().chain(empty).collect(),
        };
        if let Some(place) = &self.report {
            let report = report(&found, &inputs, estimates, &observed)?;
            let is_json = place.extension().is_some_and(|suffix| suffix == "json");
            let text = if is_json { numbers(&report)?.to_string() } else { page::html(&report) };
            write(place, &text)?;
            output::message(&format!("report: {}", place.display()));
        }
        Ok(found)
    }
}
