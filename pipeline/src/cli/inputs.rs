//! The three tables of measured budgets, for every command that reads them: which column is what, which row belongs to
//! which column, and what belongs to nothing.

mod of_run;

use std::path::{Path, PathBuf};

use clap::Args;

use super::Global;
use super::given::path;
use crate::error::Error;
use crate::tables::{
    Choice, Feature, Finished, How, InputTable, Joined, Known, LeftOut, NotTaken, budget_names, cost,
    distinct_names, features, is_accuracy, is_machine, published, truth, unnamed,
};

pub(super) use of_run::OfRun;

/// The tables, and which column is what.
#[derive(Args)]
pub(super) struct TableArgs {
    /// Table with the accuracies of full training, a row for each architecture
    #[arg(long, value_name = "TRUTH.csv", value_parser = path(), required_unless_present = "run")]
    truth: Option<PathBuf>,
    /// Table with the budgets, a row for each
    #[arg(long, value_name = "TRIALS.csv", value_parser = path(), required_unless_present = "run")]
    trials: Option<PathBuf>,
    /// Table with the accuracies under the budgets, a row for each architecture and a column for each budget
    #[arg(long, value_name = "ACCURACIES.csv", value_parser = path(), required_unless_present = "run")]
    accuracies: Option<PathBuf>,
    /// In place of tables a run of the cache, by the first digits of its id, or `last`: its architectures, the budgets
    /// that its rounds tried on all of these, and its scores. Costs are shares of full training
    #[arg(long, value_name = "RUN", conflicts_with_all = ["truth", "trials", "accuracies"])]
    run: Option<String>,
    /// Column of TRUTH to judge by [default: the one that is called like an accuracy]
    #[arg(long, value_name = "NAME")]
    pub(super) truth_column: Option<String>,
    /// Column of TRUTH and ACCURACIES to join them by [default: arch, architecture, genotype or id]
    #[arg(long, value_name = "NAME")]
    pub(super) key: Option<String>,
    /// Column of TRIALS that names the budgets [default: trial, budget, name or id]
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,
    /// Column of TRIALS with the cost of a training [default: the one that is called like a cost, if there is one]
    #[arg(long, value_name = "NAME")]
    pub(super) cost: Option<String>,
    /// Column of TRIALS with the `r_s` to compare with [default: the one that is called like a rank correlation, if
    /// there is one]
    #[arg(long, value_name = "NAME")]
    pub(super) published: Option<String>,
    /// Columns of hyper-parameters, with commas between them; may be repeated [default: all that are left]
    #[arg(long, value_name = "NAMES")]
    pub(super) columns: Vec<String>,
}

impl TableArgs {
    /// The tables, read.
    fn tables(&self, global: &Global) -> Result<Brought, Error> {
        if let Some(name) = &self.run {
            return OfRun::tables(name, global);
        }
        // Without a run the command line has all three.
        let read = |file: &Option<PathBuf>| InputTable::read(file.as_deref().unwrap_or(Path::new("")));
        let (truths, trials) = (read(&self.truth)?, read(&self.trials)?);
        Ok(Brought { truths, trials, accuracies: read(&self.accuracies)?, run: None })
    }
}

/// The tables of a command.
struct Brought {
    truths: InputTable,
    trials: InputTable,
    accuracies: InputTable,
    run: Option<OfRun>,
}

/// What the tables say.
pub(super) struct Inputs {
    pub(super) truths: InputTable,
    pub(super) trials: InputTable,
    pub(super) accuracies: InputTable,
    /// The truth's column.
    pub(super) truth: Choice,
    /// The column of the accuracies that names architectures.
    pub(super) key: usize,
    /// The architectures whose truth is known.
    pub(super) known: Known,
    /// The column of the trials that names budgets.
    pub(super) name: usize,
    pub(super) cost: Option<Choice>,
    pub(super) published: Option<Choice>,
    pub(super) features: Vec<Feature>,
    pub(super) budgets: Vec<Tabulated>,
    /// What a full training costs, where that is known.
    pub(super) full_cost: Option<f64>,
    /// The run whose tables these are.
    pub(super) run: Option<OfRun>,
    pub(super) left_out: Vec<LeftOut>,
    pub(super) not_taken: Vec<NotTaken>,
}

/// A budget that has accuracies.
pub(super) struct Tabulated {
    pub(super) name: String,
    /// Its row of the trials.
    pub(super) row: usize,
    /// Its column of the accuracies.
    pub(super) column: usize,
    pub(super) cost: Option<f64>,
    pub(super) published: Option<f64>,
}

impl Inputs {
    pub(super) fn read(asked: &TableArgs, global: &Global) -> Result<Self, Error> {
        let Brought { truths, trials, accuracies, run } = asked.tables(global)?;
        let joined = Joined::of(&accuracies, &truths, How::KeyOnly(asked.key.as_deref()))?;
        // By a key there are always two columns.
        let (key, truth_key) = joined.keys.unwrap_or((0, 0));
        let truth = truth(&truths, Some(truth_key), asked.truth_column.as_deref())?;
        let known = Known::of(&accuracies, &truths, &joined, truth)?;
        let name = budget_names(&trials, asked.name.as_deref())?;
        let names = distinct_names(&trials, name, "budget")?;
        let columns = Columns::of(asked, &trials, name)?;
        let mut not_taken = columns.not_taken;
        let mut left_out: Vec<LeftOut> = run.iter().filter_map(|run| run.dropped.clone()).collect();
        left_out.extend(columns.finished.left_out(&trials));
        let numbers = |choice: Option<Choice>| match choice {
            Some(choice) => trials.numbers(choice.column, &columns.finished.rows),
            None => Ok(vec![None; columns.finished.rows.len()]),
        };
        let (costs, published) = (numbers(columns.cost)?, numbers(columns.published)?);
        let (mut budgets, mut without_column, mut without_cost) = (Vec::new(), Vec::new(), Vec::new());
        for (place, &row) in columns.finished.rows.iter().enumerate() {
            let Some(column) = column_called(&accuracies, &names[row], key) else {
                without_column.push(names[row].clone());
                continue;
            };
            if let Some(choice) = columns.cost.filter(|_| costs[place].is_some_and(|cost| cost < 0.0)) {
                return Err(trials.refuse(row, choice.column, "is no cost; a cost is 0 or more"));
            }
            if costs[place].is_none() && columns.cost.is_some() {
                without_cost.push(names[row].clone());
            }
            let (cost, published) = (costs[place], published[place]);
            budgets.push(Tabulated { name: names[row].clone(), row, column, cost, published });
        }
        if budgets.is_empty() {
            return Err(accuracies.problem(format!(
                "no column is called like a budget of {}, whose {} are like \"{}\"; {}",
                trials.path().display(),
                trials.headings()[name],
                names[0],
                accuracies.columns()
            )));
        }
        let cost_heading = columns.cost.map_or("", |choice| trials.headings()[choice.column].as_str());
        left_out.extend(LeftOut::rows(
            format!("without a column of {}", accuracies.path().display()),
            without_column,
        ));
        left_out.extend(LeftOut::rows(format!("without {cost_heading}"), without_cost));
        for (column, heading) in accuracies.headings().iter().enumerate() {
            if column == key || budgets.iter().any(|budget| budget.column == column) {
                continue;
            }
            let why = if names.iter().any(|name| is_called(heading, name)) {
                "its trial did not end well"
            } else {
                unnamed(heading).unwrap_or("no budget is called so")
            };
            not_taken.push(NotTaken { column: heading.clone(), why });
        }
        Ok(Self {
            truth,
            key,
            known,
            name,
            cost: columns.cost,
            published: columns.published,
            features: columns.features,
            budgets,
            full_cost: run.as_ref().map(|_| 1.0),
            run,
            left_out,
            not_taken,
            truths,
            trials,
            accuracies,
        })
    }
}

/// What the columns of the trials are.
struct Columns {
    cost: Option<Choice>,
    published: Option<Choice>,
    finished: Finished,
    features: Vec<Feature>,
    not_taken: Vec<NotTaken>,
}

impl Columns {
    fn of(asked: &TableArgs, trials: &InputTable, name: usize) -> Result<Self, Error> {
        let headings = trials.headings();
        let mut taken = vec![name];
        let mut hyperparameters =
            if asked.columns.is_empty() { Vec::new() } else { features(trials, &asked.columns, None)? };
        taken.extend(hyperparameters.iter().map(|feature| feature.column));
        let cost = cost(trials, &taken, asked.cost.as_deref())?;
        let published = published(trials, &taken, asked.published.as_deref())?;
        taken.extend([cost, published].into_iter().flatten().map(|choice| choice.column));
        let finished = Finished::of(trials, &taken)?;
        taken.extend(finished.column);
        let mut not_taken = Vec::new();
        let mut left: Vec<String> = Vec::new();
        for (column, heading) in headings.iter().enumerate().filter(|(column, _)| !taken.contains(column)) {
            let why = match unnamed(heading) {
                Some(why) => Some(why),
                None if is_machine(heading) => Some("a machine"),
                None if is_accuracy(heading) => Some("called like an accuracy"),
                None if asked.columns.is_empty() => None,
                None => Some("not asked for"),
            };
            match why {
                Some(why) => not_taken.push(NotTaken { column: headings[column].clone(), why }),
                None => left.push(heading.clone()),
            }
        }
        if !left.is_empty() {
            hyperparameters = features(trials, &left, None)?;
        }
        for feature in &hyperparameters {
            let is_chosen =
                |choice: &Option<Choice>| choice.is_some_and(|choice| choice.column == feature.column);
            if feature.column == name || is_chosen(&cost) || is_chosen(&published) {
                let heading = feature.heading(trials);
                return Err(trials.problem(format!(
                    "column {heading} is asked for twice; a hyper-parameter is no name, cost or r_s"
                )));
            }
        }
        Ok(Self { cost, published, finished, features: hyperparameters, not_taken })
    }
}

/// The column of a table, other than its key, that has a budget's name.
fn column_called(table: &InputTable, name: &str, key: usize) -> Option<usize> {
    let mut columns = table.headings().iter().enumerate();
    columns.find(|(column, heading)| *column != key && is_called(heading, name)).map(|(column, _)| column)
}

/// Whether a heading, which has single spaces between its words, is this name.
fn is_called(heading: &str, name: &str) -> bool {
    heading.split(' ').eq(name.split_whitespace())
}
