//! Which columns of a table of learning curves are epochs, by their headings: `epoch_1`, `epoch_2` and so on.

use super::names::unnamed;
use super::said::NotTaken;
use super::table::InputTable;
use crate::error::Error;

/// The columns of all epochs, the first one first, and the columns that are none.
///
/// # Errors
/// When there is no such column, an epoch is missing between others, or two columns are the same one.
pub(crate) fn epochs(table: &InputTable, key: Option<usize>) -> Result<(Vec<usize>, Vec<NotTaken>), Error> {
    let headings = table.headings();
    let (mut found, mut not_taken): (Vec<(u32, usize)>, _) = (Vec::new(), Vec::new());
    for (column, heading) in headings.iter().enumerate().filter(|(column, _)| Some(*column) != key) {
        match epoch(heading) {
            Some(epoch) => found.push((epoch, column)),
            None => not_taken
                .push(NotTaken { column: heading.clone(), why: unnamed(heading).unwrap_or("no epoch") }),
        }
    }
    found.sort_unstable();
    for (place, &(epoch, column)) in found.iter().enumerate() {
        let (expected, heading) = (place + 1, &headings[column]);
        let before = place.checked_sub(1).map(|before| found[before]);
        if let Some((_, other)) = before.filter(|(before, _)| *before == epoch) {
            let other = &headings[other];
            return Err(table.problem(format!("columns {other} and {heading} are one epoch; keep one")));
        }
        if epoch == 0 {
            let problem = format!("column {heading}: epochs count from 1; leave out what is before training");
            return Err(table.problem(problem));
        }
        if u32::try_from(expected) != Ok(epoch) {
            let problem = "a learning curve has a column for each epoch from the first on";
            return Err(table.problem(format!("no column epoch_{expected} before {heading}; {problem}")));
        }
    }
    if found.is_empty() {
        let problem = "no column is called epoch_1, epoch_2 and so on";
        return Err(table.problem(format!("{problem}; {}", table.columns())));
    }
    Ok((found.into_iter().map(|(_, column)| column).collect(), not_taken))
}

/// The number of the epoch that a heading names: `epoch_12`, `Epoch 12`, `epoch12`.
fn epoch(heading: &str) -> Option<u32> {
    let lower = heading.to_ascii_lowercase();
    let number = lower.strip_prefix("epoch")?;
    let number = number.strip_prefix(['_', '-', ' ']).unwrap_or(number);
    number.bytes().all(|byte| byte.is_ascii_digit()).then(|| number.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn of(headings: &str) -> Result<(Vec<usize>, String), String> {
        let cells = vec!["1"; headings.split(',').count()].join(",");
        let table = InputTable::parse(Path::new("c.csv"), format!("{headings}\n{cells}\n").into())?;
        let (columns, not_taken) = epochs(&table, Some(0)).map_err(|error| error.to_string())?;
        Ok((columns, NotTaken::listed(&not_taken)))
    }

    #[test]
    fn epochs_are_told_by_their_headings_in_any_order() {
        let found = of("arch,epoch_2,Epoch 3,genotype,epoch1,epochs,epoch_1.5");
        assert_eq!(found, Ok((vec![4, 1, 2], "genotype (a name); epochs, epoch_1.5 (no epoch)".to_owned())));
        let many: Vec<String> = (1..=30).map(|epoch| format!("epoch_{epoch}")).collect();
        assert_eq!(
            of(&format!("arch,{}", many.join(","))).map(|(columns, _)| columns),
            Ok((1..=30).collect())
        );
    }

    #[test]
    fn no_epoch_is_guessed() {
        for (headings, part) in [
            ("arch,acc,1", "no column is called epoch_1, epoch_2 and so on; the columns are arch, acc, 1"),
            ("arch,epoch_1,epoch_3", "no column epoch_2 before epoch_3"),
            ("arch,epoch_2", "no column epoch_1 before epoch_2"),
            ("arch,epoch_0,epoch_1", "column epoch_0: epochs count from 1"),
            ("arch,epoch_1,epoch_2,epoch-2", "epoch_2 and epoch-2 are one epoch"),
        ] {
            let refused = of(headings);
            assert!(refused.as_ref().is_err_and(|error| error.contains(part)), "{headings}: {refused:?}");
        }
        let beyond = of("arch,epoch_1,epoch_99999999999");
        assert_eq!(beyond, Ok((vec![1], "epoch_99999999999 (no epoch)".to_owned())));
    }
}
