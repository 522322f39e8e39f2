//! `pipeline compare`: whether it is worth it to choose a budget first, played through in tables of results.

use clap::Args;
use stages::compare::{self, Axis, Candidate, Settings, Table};
use stages::importance::Factor;

use super::Global;
use super::inputs::{Inputs, TableArgs};
use super::replay::{lambda, positive};
use crate::error::Error;
use crate::output::compare::{self as output, Names, Played};
use crate::output::replay::Chosen;
use crate::tables::{Choice, InputTable, LeftOut, NotTaken, Observed, whole};

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
#[derive(Args)]
#[command(after_help = "Examples:
  pipeline compare --truth truth.csv --trials trials.csv --accuracies accuracies.csv
  pipeline compare --truth truth.csv --trials trials.csv --accuracies accuracies.csv --full-cost 12 --ground-truth 10
  pipeline compare --truth t.csv --trials b.csv --accuracies a.csv --searched 40,80 --total 30,60 --seeds 1000 --json")]
pub(crate) struct Compare {
    #[command(flatten)]
    tables: TableArgs,
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
        let Measured { table, budgets, full_cost, left_out, not_taken } = self.measured(&inputs)?;
        let settings = self.settings(table.truths.len())?;
        let compared = compare::compare(&table, &settings).map_err(Error::Input)?;
        let axes: Vec<Axis> = compare::axes(&table).map_err(Error::Input)?;
        let headings = inputs.trials.headings();
        let chosen =
            |choice: &Choice| Chosen { column: headings[choice.column].clone(), column_is: choice.why };
        Ok(Played {
            truth: inputs.truths.headings()[inputs.truth.column].clone(),
            truth_table: inputs.truths.path().display().to_string(),
            truth_is: inputs.truth.why,
            joined_by: inputs.accuracies.headings()[inputs.key].clone(),
            architectures: table.truths.len(),
            cost: chosen(cost),
            full_cost,
            names: Names { budgets, hyperparameters: table.names },
            settings,
            compared,
            axes,
            tables: [&inputs.truths, &inputs.trials, &inputs.accuracies].map(InputTable::source).into(),
            left_out: inputs.known.left_out.into_iter().chain(inputs.left_out).chain(left_out).collect(),
            not_taken: inputs.not_taken.into_iter().chain(not_taken).collect(),
        })
    }

    /// The budgets that have a cost and every hyper-parameter, and the architectures that have an accuracy under each.
    fn measured(&self, inputs: &Inputs) -> Result<Measured, Error> {
        let with_cost: Vec<usize> =
            (0..inputs.budgets.len()).filter(|&place| inputs.budgets[place].cost.is_some()).collect();
        let rows: Vec<usize> = with_cost.iter().map(|&place| inputs.budgets[place].row).collect();
        let costs: Vec<Option<f64>> = with_cost.iter().map(|&place| inputs.budgets[place].cost).collect();
        let (observed, empty) = Observed::all(&inputs.trials, inputs.features.clone(), &rows)?;
        let not_taken =
            empty.iter().map(|feature| NotTaken { column: feature.heading(&inputs.trials), why: "empty" });
        let (used, mut left_out) =
            whole(&inputs.trials, (&rows, Some(inputs.name)), (&costs, "without a cost"), &observed);
        if used.is_empty() {
            let problem = "no budget has a cost and every hyper-parameter; leave columns out with --columns";
            return Err(inputs.trials.problem(problem.to_owned()));
        }
        let mut estimates: Vec<Vec<Option<f64>>> = Vec::new();
        for &place in &used {
            let column = inputs.budgets[with_cost[place]].column;
            let of_column = inputs.known.estimates(&inputs.accuracies, column, Some(inputs.key))?;
            left_out.extend(of_column.left_out);
            estimates.push(of_column.numbers);
        }
        let complete: Vec<usize> = (0..inputs.known.truths.len())
            .filter(|&architecture| estimates.iter().all(|column| column[architecture].is_some()))
            .collect();
        let cost = |place: usize| costs[place].unwrap_or(0.0);
        let dearest = used.iter().map(|&place| cost(place)).fold(0.0, f64::max);
        let full_cost = self.full_cost.or(inputs.full_cost).unwrap_or(dearest);
        if full_cost <= 0.0 {
            let problem = "no budget costs anything; say with --full-cost what a full training does";
            return Err(inputs.trials.problem(problem.to_owned()));
        }
        let budgets = used.iter().zip(&estimates).map(|(&place, column)| Candidate {
            cost: cost(place) / full_cost,
            estimates: complete.iter().filter_map(|&architecture| column[architecture]).collect(),
        });
        let factors: Vec<Factor> = observed.iter().map(|one| one.factor(&used).0).collect();
        Ok(Measured {
            table: Table {
                truths: complete.iter().map(|&architecture| inputs.known.truths[architecture]).collect(),
                budgets: budgets.collect(),
                names: observed.iter().map(|one| one.feature.name.clone()).collect(),
                factors,
            },
            budgets: used.iter().map(|&place| inputs.budgets[with_cost[place]].name.clone()).collect(),
            full_cost,
            left_out,
            not_taken: not_taken.collect(),
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

/// What can be played with.
struct Measured {
    table: Table,
    /// Names of the budgets.
    budgets: Vec<String>,
    full_cost: f64,
    left_out: Vec<LeftOut>,
    not_taken: Vec<NotTaken>,
}
