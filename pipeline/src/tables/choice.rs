//! Which column is the one to judge by: the one that was named, or one by its heading, never by what its cells hold.

use std::fmt;

use serde::Serialize;

use super::join::called;
use super::names::{is_accuracy, is_correlation, is_cost, is_index, is_key};
use super::table::InputTable;
use crate::error::Error;

/// A column, and why it was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) column: usize,
    pub(crate) why: Why,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Why {
    Named,
    CalledLikeAnAccuracy,
    CalledLikeARankCorrelation,
    CalledValue,
    CalledToMinimize,
    CalledLikeACost,
    OnlyColumn,
}

impl fmt::Display for Why {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Named => "as asked",
            Self::CalledLikeAnAccuracy => "called like an accuracy",
            Self::CalledLikeARankCorrelation => "called like a rank correlation",
            Self::CalledValue => "called as Optuna calls what a trial gave",
            Self::CalledToMinimize => "called as NePS calls what it minimizes",
            Self::CalledLikeACost => "called like a cost",
            Self::OnlyColumn => "the only column left",
        })
    }
}

/// What a heading must be called like.
struct Rule {
    is: fn(&str) -> bool,
    why: Why,
}

/// The column of accuracies under full training. The joining column is none.
///
/// # Errors
/// When no heading tells it, with how to name it.
pub(crate) fn truth(table: &InputTable, key: Option<usize>, named: Option<&str>) -> Result<Choice, Error> {
    let rules = [Rule { is: is_accuracy, why: Why::CalledLikeAnAccuracy }];
    choose(table, key.as_slice(), named, &rules, "--truth-column")
}

/// The column with what a trial gave. Columns of hyper-parameters are none.
///
/// # Errors
/// When no heading tells it, with how to name it.
pub(crate) fn objective(
    table: &InputTable,
    features: &[usize],
    named: Option<&str>,
) -> Result<Choice, Error> {
    let is_value = |heading: &str| {
        // A study of several objectives has values_0, values_1.
        let number = heading.strip_prefix("values_").unwrap_or_default();
        heading == "value" || number.parse::<u32>().is_ok()
    };
    let rules: [Rule; 4] = [
        Rule { is: is_correlation, why: Why::CalledLikeARankCorrelation },
        Rule { is: is_value, why: Why::CalledValue },
        Rule { is: is_minimized, why: Why::CalledToMinimize },
        Rule { is: is_accuracy, why: Why::CalledLikeAnAccuracy },
    ];
    choose(table, features, named, &rules, "--objective")
}

/// Whether low numbers in a column of this heading are good ones.
pub(crate) fn is_minimized(heading: &str) -> bool {
    heading == "objective_to_minimize"
}

/// The column with what a training under each budget costs, where there is one.
///
/// # Errors
/// When several are called like one, or there is none of the name that was given.
pub(crate) fn cost(
    table: &InputTable,
    others: &[usize],
    named: Option<&str>,
) -> Result<Option<Choice>, Error> {
    let rule = Rule { is: is_cost, why: Why::CalledLikeACost };
    find(table, others, named, &[rule], "--cost")
}

/// The column with a rank correlation that somebody published, where there is one.
///
/// # Errors
/// When several are called like one, or there is none of the name that was given.
pub(crate) fn published(
    table: &InputTable,
    others: &[usize],
    named: Option<&str>,
) -> Result<Option<Choice>, Error> {
    let rule = Rule { is: is_correlation, why: Why::CalledLikeARankCorrelation };
    find(table, others, named, &[rule], "--published")
}

/// The column that names budgets.
///
/// # Errors
/// When no heading tells it, with how to name it.
pub(crate) fn budget_names(table: &InputTable, named: Option<&str>) -> Result<usize, Error> {
    if let Some(heading) = named {
        return table.find(heading);
    }
    let usual = ["trial", "budget", "name", "id"];
    called(table, &usual).ok_or_else(|| {
        table.problem(format!(
            "no column names the budgets ({}); name one with --name; {}",
            usual.join(", "),
            table.columns()
        ))
    })
}

fn choose(
    table: &InputTable,
    others: &[usize],
    named: Option<&str>,
    rules: &[Rule],
    flag: &str,
) -> Result<Choice, Error> {
    if let Some(choice) = find(table, others, named, rules, flag)? {
        return Ok(choice);
    }
    if let [column] = candidates(table, others).as_slice() {
        return Ok(Choice { column: *column, why: Why::OnlyColumn });
    }
    let known: Vec<String> = rules.iter().map(|rule| rule.why.to_string()).collect();
    Err(table.problem(format!(
        "no column is {}; name one with {flag}; {}",
        known.join(", or "),
        table.columns()
    )))
}

/// The columns that can be chosen: no names, no indices, and none of `others`.
fn candidates(table: &InputTable, others: &[usize]) -> Vec<usize> {
    let headings = table.headings();
    let is_candidate = |column: &usize| {
        let heading = &headings[*column];
        !others.contains(column) && !is_index(heading) && !is_key(heading)
    };
    (0..headings.len()).filter(is_candidate).collect()
}

/// The column of the name that was given, or of the first rule that one column follows.
fn find(
    table: &InputTable,
    others: &[usize],
    named: Option<&str>,
    rules: &[Rule],
    flag: &str,
) -> Result<Option<Choice>, Error> {
    if let Some(heading) = named {
        return Ok(Some(Choice { column: table.find(heading)?, why: Why::Named }));
    }
    let headings = table.headings();
    let candidates = candidates(table, others);
    for &Rule { is, why } in rules {
        let found: Vec<usize> = candidates.iter().copied().filter(|&column| is(&headings[column])).collect();
        match found.as_slice() {
            [] => {}
            [column] => return Ok(Some(Choice { column: *column, why })),
            several => {
                let names: Vec<&str> = several.iter().map(|&column| headings[column].as_str()).collect();
                return Err(table.problem(format!(
                    "{} columns are {why}: {}; name the one that is meant with {flag}",
                    several.len(),
                    names.join(", ")
                )));
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;

    use super::*;

    fn chosen(
        headings: &str,
        pick: impl Fn(&InputTable) -> Result<Choice, Error>,
    ) -> Result<(usize, Why), String> {
        let cells = vec!["x"; headings.split(',').count()].join(",");
        let table = InputTable::parse(Path::new("t.csv"), format!("{headings}\n{cells}\n").into()).unwrap();
        pick(&table).map(|choice| (choice.column, choice.why)).map_err(|error| error.to_string())
    }

    #[test]
    fn the_truth_is_told_by_its_heading_and_is_never_the_key() {
        let truth_of = |headings: &str| chosen(headings, |table| truth(table, Some(0), None));
        assert_eq!(truth_of("arch,params,test_acc,flops"), Ok((2, Why::CalledLikeAnAccuracy)));
        assert_eq!(truth_of("acc_id,,genotype,full"), Ok((3, Why::OnlyColumn)));
        let message = truth_of("arch,val_acc,test_acc").unwrap_err();
        assert!(message.contains("2 columns are called like an accuracy: val_acc, test_acc"), "{message}");
        let message = truth_of("arch,params,full").unwrap_err();
        assert!(message.contains("--truth-column; the columns are arch, params, full"), "{message}");
        assert!(truth_of("arch").unwrap_err().contains("the only column is arch"));
        let named = chosen("arch,params,full", |table| truth(table, Some(0), Some("params")));
        assert_eq!(named, Ok((1, Why::Named)));
    }

    #[test]
    fn what_a_trial_gave_is_told_by_its_heading() {
        let objective_of = |headings: &str| chosen(headings, |table| objective(table, &[0], None));
        assert_eq!(objective_of("epochs,published_spearman,acc"), Ok((1, Why::CalledLikeARankCorrelation)));
        assert_eq!(objective_of("params_lr,number,value,state"), Ok((2, Why::CalledValue)));
        assert_eq!(objective_of("epochs,trial,test_acc"), Ok((2, Why::CalledLikeAnAccuracy)));
        assert_eq!(objective_of("epochs,score"), Ok((1, Why::OnlyColumn)));
        let message = objective_of("params_lr,number,values_0,values_1").unwrap_err();
        assert!(
            message.contains("2 columns are called as Optuna calls") && message.contains("values_1"),
            "{message}"
        );
        assert!(objective_of("epochs,a,b").unwrap_err().contains("--objective"));
    }

    /// What finds a column that may not be there.
    type Pick = fn(&InputTable, &[usize], Option<&str>) -> Result<Option<Choice>, Error>;

    #[test]
    fn a_cost_and_what_was_published_may_be_missing_and_are_never_guessed_among_several() {
        let find = |headings: &str, pick: Pick| {
            let cells = vec!["x"; headings.split(',').count()].join(",");
            let table =
                InputTable::parse(Path::new("t.csv"), format!("{headings}\n{cells}\n").into()).unwrap();
            pick(&table, &[0], None)
                .map(|choice| choice.map(|choice| choice.column))
                .map_err(|error| error.to_string())
        };
        assert_eq!(find("trial,epochs,mean_gpu_hours", cost), Ok(Some(2)));
        assert_eq!(find("trial,epochs", cost), Ok(None));
        assert!(find("trial,flops,seconds", cost).unwrap_err().contains("with --cost"));
        assert_eq!(find("trial,published_spearman,epochs", published), Ok(Some(1)));
        assert_eq!(find("trial,epochs", published), Ok(None));
        let names = |headings: &str| {
            let table = InputTable::parse(Path::new("t.csv"), format!("{headings}\nx,1\n").into()).unwrap();
            budget_names(&table, None).map_err(|error| error.to_string())
        };
        assert_eq!((names("epochs,Trial"), names("budget,id")), (Ok(1), Ok(0)));
        assert!(names("epochs,lr").unwrap_err().contains("--name"));
    }
}
