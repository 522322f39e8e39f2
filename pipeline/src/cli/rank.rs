//! `pipeline rank`: how well one column of accuracies ranks what another column ranks.

mod together;

use std::path::{Path, PathBuf};

use clap::Args;
use stages::statistics::{rank_quality, top_of};

use super::Global;
use super::given::path;
use crate::error::Error;
use crate::output::ranking::{self, Judged, Ranking};
use crate::tables::{Beside, Estimates, How, InputTable, Joined, Known, NotTaken, number_columns, truth};
use together::Columns;

/// Rank correlations of two columns of accuracies, and what the top of a ranking is worth, with intervals
///
/// For each column of ESTIMATES: Spearman's correlation `r_s` with average ranks for ties, Kendall's tau-b, and what
/// the top of the ranking is worth. Precision: of the K architectures with the highest estimates, the share that is
/// among the K truly best (by chance K of all architectures). Regret: what the architecture with the highest estimate
/// lacks to the best one, in units of the truth. Gain: by how much the best of the K ranked highest is better than the
/// best of K random ones on average. Where estimates are equal, all three are averages. Higher is better, in estimates
/// and truth. Each has its 95% interval: percentile bootstrap over the architectures.
///
/// The tables are joined by the first of these columns that both have: `arch`, `architecture`, `genotype`, `id`. Neither
/// may hold an architecture twice. Columns are chosen by their headings: the truth is the column that is called like an
/// accuracy (`test_acc`, `Accuracy`, `top1`), or the only one that is left; judged is every column of ESTIMATES that
/// neither names architectures nor is without a single number.
///
/// A missing value (an empty cell, NaN, NA, `<NA>`, null or None) leaves out its architecture; how many are left out is
/// said. Any other cell that is no finite number (91.2%, n/a, inf) is refused with its line. Cells are separated by
/// commas, semicolons or tabs; with the last two, numbers may have decimal commas.
///
/// Columns may be judged together, by the sum of an architecture's ranks in each (`--combine`). Which are best together is
/// luck in part, and the more there are to choose from, the more. `--halves` says what is left of it: 200 times the
/// architectures are parted into halves at random, the best column and the best rank sum of two or three are chosen on the
/// one half, and judged on the other.
#[derive(Args)]
#[command(after_help = "Examples:
  pipeline rank accuracies.csv ground_truth.csv
  pipeline rank accuracies.csv ground_truth.csv --column test5 --key model
  pipeline rank accuracies.csv ground_truth.csv --with baselines.csv --combine test5,parameters --halves
  pipeline rank both.csv --column estimated --truth-column measured")]
pub(crate) struct Rank {
    /// Table with the accuracies to judge
    #[arg(value_name = "ESTIMATES.csv", value_parser = path())]
    estimates: PathBuf,
    /// Table with the accuracies of full training [default: the same file]
    #[arg(value_name = "TRUTH.csv", value_parser = path())]
    truth: Option<PathBuf>,
    /// Column to judge; may be repeated [default: every column that is no name]
    #[arg(long, value_name = "NAME")]
    column: Vec<String>,
    /// Column of TRUTH to judge by [default: the one that is called like an accuracy]
    #[arg(long, value_name = "NAME")]
    truth_column: Option<String>,
    /// Column of both tables to join them by [default: arch, architecture, genotype or id]
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    /// Pair the rows of the tables by their place, where they have no column to join them by
    #[arg(long, conflicts_with = "key")]
    by_place: bool,
    /// Architectures at the top of the ranking [default: a tenth of them]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(1..))]
    top: Option<u64>,
    /// Table with more columns to judge, such as one of `pipeline baselines`; joined to ESTIMATES, may be repeated
    #[arg(long, value_name = "TABLE.csv", conflicts_with = "by_place", value_parser = path())]
    with: Vec<PathBuf>,
    /// Columns to judge together as well, by the sum of their ranks; may be repeated
    #[arg(long, value_name = "NAME,NAME...")]
    combine: Vec<String>,
    /// Also choose the best column, and the best two or three together, on one half of the architectures, and judge them on
    /// the other
    #[arg(long)]
    halves: bool,
    /// Seed of the bootstrap and of the halves
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

impl Rank {
    pub(super) fn run(&self, global: &Global) -> Result<(), Error> {
        ranking::print(&self.rank()?, global.json)
    }

    fn rank(&self) -> Result<Ranking, Error> {
        let estimates = InputTable::read(&self.estimates)?;
        let other = match &self.truth {
            Some(path) if !is_same_file(path, &self.estimates) => Some(InputTable::read(path)?),
            _ => None,
        };
        let how = if self.by_place { How::Place } else { How::Key(self.key.as_deref()) };
        let joined = match &other {
            Some(truths) => Joined::of(&estimates, truths, how)?,
            None => Joined::itself(&estimates, how)?,
        };
        let truths = other.as_ref().unwrap_or(&estimates);
        let truth = truth(truths, joined.keys.map(|(_, key)| key), self.truth_column.as_deref())?;
        let truth_heading = truths.headings()[truth.column].clone();
        let known = Known::of(&estimates, truths, &joined, truth)?;
        let (rows, mut left_out) = (&known.rows, Vec::new());
        let key = joined.keys.map(|(key, _)| key);
        let judge = other.is_none().then_some(truth.column);
        let (columns, mut not_taken) = self.columns(&estimates, key, judge, rows)?;
        let k = self.top.map_or_else(|| top_of(rows.len()), |k| usize::try_from(k).unwrap_or(usize::MAX));
        let mut judged = Columns::default();
        for column in columns {
            judged.add(&estimates, column, known.estimates(&estimates, column, key)?)?;
        }
        let mut others = Vec::new();
        for path in &self.with {
            let table = InputTable::read(path)?;
            not_taken.extend(self.add(&mut judged, &estimates, &table, rows)?);
            others.push(table);
        }
        let combined = self.combine.iter().map(|names| judged.named(names)).collect::<Result<Vec<_>, _>>()?;
        let mut correlations = Vec::new();
        let singles = (0..judged.count()).map(|column| vec![column]);
        for members in singles.chain(combined) {
            let (x, y) = judged.together(&members, &known.truths);
            let quality = rank_quality(&x, &y, k, self.seed).map_err(Error::Input)?;
            correlations.push(Judged { column: judged.names(&members).join(" + "), quality });
        }
        let halves = if self.halves { judged.halves(&known.truths, self.seed)? } else { None };
        left_out.extend(judged.left_out);
        let is_joined = other.is_some();
        Ok(Ranking {
            truth: truth_heading,
            truth_table: truths.path().display().to_string(),
            truth_is: truth.why,
            joined_by: key.filter(|_| is_joined).map(|key| estimates.headings()[key].clone()),
            rows: rows.len(),
            left_out: known.left_out.into_iter().chain(left_out).collect(),
            not_taken,
            tables: std::iter::once(&estimates)
                .chain(&other)
                .chain(&others)
                .map(InputTable::source)
                .collect(),
            correlations,
            halves,
        })
    }

    /// Adds the columns of another table, whose rows belong to those of the estimates; those that are not taken.
    fn add(
        &self,
        judged: &mut Columns,
        estimates: &InputTable,
        table: &InputTable,
        rows: &[usize],
    ) -> Result<Vec<NotTaken>, Error> {
        let beside = Beside::of((estimates, rows), table, self.key.as_deref())?;
        let (columns, not_taken) = beside.columns()?;
        for column in columns {
            let numbers = beside.numbers(column)?;
            let left_out = beside.lacking(&numbers, format!("without {}", table.headings()[column]));
            judged.add(table, column, Estimates { numbers, left_out })?;
        }
        Ok(not_taken)
    }

    /// The columns to judge: those that were asked for, or all but indices, names, the truth itself and columns without a
    /// single number.
    fn columns(
        &self,
        estimates: &InputTable,
        key: Option<usize>,
        judge: Option<usize>,
        rows: &[usize],
    ) -> Result<(Vec<usize>, Vec<NotTaken>), Error> {
        if !self.column.is_empty() {
            let columns: Vec<usize> =
                self.column.iter().map(|name| estimates.find(name)).collect::<Result<_, _>>()?;
            if let Some(key) = key.filter(|key| columns.contains(key)) {
                let heading = &estimates.headings()[key];
                return Err(estimates.problem(format!("{heading} names architectures; judge another column")));
            }
            return Ok((columns, Vec::new()));
        }
        number_columns(estimates, key, judge, rows)
    }
}

fn is_same_file(path: &Path, other: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().ok();
    path == other || real(path).is_some_and(|path| Some(path) == real(other))
}
