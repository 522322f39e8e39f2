//! `pipeline compare`: whether it is worth it to choose a budget first, played through in tables of results.

mod besides;
mod measured;

use std::path::PathBuf;

use clap::Args;
use stages::compare::{self, Axis, Settings};

use self::measured::Measured;
use super::Global;
use super::given::path;
use super::inputs::{Inputs, TableArgs};
use super::replay::{lambda, positive};
use crate::error::Error;
use crate::output::compare::{self as output, Names, Played};
use crate::output::replay::Chosen;
use crate::tables::{Choice, InputTable};

/// Whether it is worth it to choose a budget first, played through on tables of results that you have
///
/// Each seed puts the architectures into a random order. The first `--ground-truth` of them are trained fully, so that
/// budgets can be tried on them; those behind them are the pool. Then each way of working spends the same total cost,
/// the ground truth and the budgets that it tries counted: minimum importance pruning (MIP) chooses a budget, ranks the
/// pool with it and trains the best fully as long as there is money; random search trains random architectures fully;
/// others take a budget unchosen, or choose it in another way. What a way finds is the true accuracy of the best
/// architecture that it trained fully, and its regret what that one lacks to the best of ground truth and pool.
///
/// Of what is left behind the ground truth at least half goes into full trainings. The tables are those of `replay`
/// (`pipeline replay --help`), with costs. Nothing is trained, and the cache is not touched.
///
/// Other ways need no ground truth and pay for none. With learning curves (`--curves`, or those of the run) there are
/// three that look at full trainings after some of their epochs, as their learning rate has it then. Successive
/// halving begins as many random architectures as it can pay for, keeps the best third of them (rounded down, one at
/// least; equal ones stay in their order) after E/3^k epochs each, k downwards, where E are the epochs of full
/// training, and trains those that are left fully; it needs an E of 3. Hyperband parts what it has evenly among such
/// brackets, of which each begins at another of these rungs, the last at E. One epoch of full training is given to
/// all architectures, or to as many as half of the total cost pays for, and then the best go on. A training goes on
/// from where it stopped, so that an epoch is paid once. What is left over trains the next best fully: those that
/// came furthest first, then those that were never begun.
///
/// With scores that cost no training (`--with`, or the baselines that the cache has of the run's architectures) each
/// ranks all architectures for nothing, and the total cost trains the best fully. An architecture without a score is
/// ranked last, which is said.
#[derive(Args)]
#[command(after_help = "Examples:
  pipeline compare --truth truth.csv --trials trials.csv --accuracies accuracies.csv
  pipeline compare --truth truth.csv --trials trials.csv --accuracies accuracies.csv --full-cost 12 --ground-truth 10
  pipeline compare --truth t.csv --trials b.csv --accuracies a.csv --with baselines.csv --curves curves.csv
  pipeline compare --run last
  pipeline compare --truth t.csv --trials b.csv --accuracies a.csv --searched 40,80 --total 30,60 --seeds 1000 --json")]
pub(crate) struct Compare {
    #[command(flatten)]
    tables: TableArgs,
    /// Table with the learning curves of full training: a row for each architecture, and its accuracy after each
    /// epoch in the columns `epoch_1`, `epoch_2` and so on
    #[arg(long, value_name = "CURVES.csv", conflicts_with = "run", value_parser = path())]
    curves: Option<PathBuf>,
    /// Table with scores that cost no training, of which more is better, such as one of `pipeline baselines`; may be
    /// repeated
    #[arg(long, value_name = "TABLE.csv", value_parser = path())]
    with: Vec<PathBuf>,
    /// Architectures that are trained fully to choose a budget by [default: 20, or a fifth of all where that is less]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(2..))]
    ground_truth: Option<u64>,
    /// Architectures of the pool that is searched, several with commas between them [default: a quarter, half, and all
    /// of those behind the ground truth]
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = clap::value_parser!(u64).range(1..))]
    searched: Vec<u64>,
    /// Total costs, in full trainings, with commas between them [default: 1.25, 1.5, 2 and 3 times the ground truth's]
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    total: Vec<u64>,
    /// Random orders of the architectures
    #[arg(long, default_value_t = 500, value_name = "N", value_parser = clap::value_parser!(u64).range(2..=100_000))]
    seeds: u64,
    /// Budgets that a round of pruning draws from the table, cheap ones rather
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    samples: u64,
    /// Weight of the cost in the choice of a budget, from 0 up to but not 1
    #[arg(long, default_value = "0.1", value_name = "LAMBDA", value_parser = lambda)]
    lambda: f64,
    /// Cost of full training, in the unit of the cost column [default: that of the dearest budget]
    #[arg(long, value_name = "COST", value_parser = positive)]
    full_cost: Option<f64>,
    /// Trees of a forest
    #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    trees: u32,
    /// Where all seeds begin
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// Architectures that are trained fully to choose by, where nobody says how many.
const GROUND_TRUTH: usize = 20;

impl Compare {
    pub(super) fn run(&self, global: &Global) -> Result<(), Error> {
        output::print(&self.play(global)?, global.json)
    }

    fn play(&self, global: &Global) -> Result<Played, Error> {
        let inputs = Inputs::read(&self.tables, global)?;
        let Some(cost) = &inputs.cost else {
            let problem = "no column is called like a cost; equal cost needs one, so name it with --cost";
            return Err(inputs.trials.problem(format!("{problem}; {}", inputs.trials.columns())));
        };
        let Measured { table, budgets, baselines, full_cost, sources, left_out, not_taken } =
            self.measured(&inputs)?;
        let settings = self.settings(table.truths.len())?;
        let compared = compare::compare(&table, &settings).map_err(Error::Input)?;
        let axes: Vec<Axis> = compare::axes(&table).map_err(Error::Input)?;
        let headings = inputs.trials.headings();
        let chosen =
            |choice: &Choice| Chosen { column: headings[choice.column].clone(), column_is: choice.why };
        let tables = [&inputs.truths, &inputs.trials, &inputs.accuracies].map(InputTable::source);
        Ok(Played {
            truth: inputs.truths.headings()[inputs.truth.column].clone(),
            truth_table: inputs.truths.path().display().to_string(),
            truth_is: inputs.truth.why,
            joined_by: inputs.accuracies.headings()[inputs.key].clone(),
            architectures: table.truths.len(),
            cost: chosen(cost),
            full_cost,
            epochs: table.epochs(),
            is_of_run: inputs.run.is_some(),
            names: Names { budgets, hyperparameters: table.names, baselines },
            settings,
            compared,
            axes,
            tables: tables.into_iter().chain(sources).collect(),
            left_out: inputs.known.left_out.into_iter().chain(inputs.left_out).chain(left_out).collect(),
            not_taken: inputs.not_taken.into_iter().chain(not_taken).collect(),
        })
    }

    /// What is asked for, of so many architectures.
    fn settings(&self, architectures: usize) -> Result<Settings, Error> {
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let ground_truth = self.ground_truth.map_or((architectures / 5).clamp(2, GROUND_TRUTH), size);
        let Some(pool) = architectures.checked_sub(ground_truth).filter(|pool| *pool > 0) else {
            let problem = format!(
                "leaves no architecture to search, of {architectures} that have a truth and an accuracy under every \
                 budget"
            );
            return Err(Error::Flag { flag: "--ground-truth", value: ground_truth.to_string(), problem });
        };
        if let Some(value) = self.searched.iter().find(|searched| size(**searched) > pool) {
            let problem = format!("is more than the {pool} architectures that are left to search");
            return Err(Error::Flag { flag: "--searched", value: value.to_string(), problem });
        }
        if let Some(value) = self.total.iter().find(|total| size(**total) <= ground_truth) {
            let problem =
                format!("pays for no more than the {ground_truth} full trainings of the ground truth");
            return Err(Error::Flag { flag: "--total", value: value.to_string(), problem });
        }
        let sorted = |mut numbers: Vec<usize>| {
            numbers.sort_unstable();
            numbers.dedup();
            numbers
        };
        let searched = match self.searched.as_slice() {
            [] => vec![pool.div_ceil(4), pool.div_ceil(2), pool],
            asked => asked.iter().map(|&number| size(number)).collect(),
        };
        let totals = match self.total.as_slice() {
            [] => {
                let more = ground_truth.div_ceil(4);
                vec![ground_truth + more, ground_truth + 2 * more, 2 * ground_truth, 3 * ground_truth]
            }
            asked => asked.iter().map(|&number| size(number)).collect(),
        };
        Ok(Settings {
            ground_truth,
            totals: sorted(totals),
            searched: sorted(searched),
            seeds: size(self.seeds),
            a_round: size(self.samples),
            lambda: self.lambda,
            trees: self.trees as usize,
            seed: self.seed,
        })
    }
}
