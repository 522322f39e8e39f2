//! What hyper-parameters were in each trial, as numbers that a forest can split; and which trials lack nothing.

use stages::importance::Factor;

use super::encoded::Encoded;
use super::said::LeftOut;
use super::table::{InputTable, Values};
use super::trials::{Feature, Kind};
use crate::error::Error;

/// A hyper-parameter and what it was in some trials.
pub(crate) struct Observed<'a> {
    pub(crate) feature: Feature,
    pub(crate) kind: Kind,
    values: Values<'a>,
}

impl<'a> Observed<'a> {
    /// The hyper-parameters in these rows, and those that are empty in all of them.
    ///
    /// # Errors
    /// When a column mixes numbers and texts, or has too many texts.
    pub(crate) fn all(
        table: &'a InputTable,
        features: Vec<Feature>,
        rows: &[usize],
    ) -> Result<(Vec<Self>, Vec<Feature>), Error> {
        let (mut observed, mut empty) = (Vec::new(), Vec::new());
        for feature in features {
            match feature.values(table, rows)? {
                Some((kind, values)) => observed.push(Self { feature, kind, values }),
                None => empty.push(feature),
            }
        }
        Ok((observed, empty))
    }

    /// At some places of the rows, where it is not missing: in numbers, and how many different values it has.
    pub(crate) fn factor(&self, places: &[usize]) -> (Factor, usize) {
        let Encoded { columns, values } = Encoded::of(&self.values, places);
        (Factor { columns, is_ordered: self.kind == Kind::Numbers }, values)
    }
}

/// The trials that lack neither a result nor a hyper-parameter, by their place among `rows`; and the others, named by
/// `key`. What a trial without a result lacks is said so: `without`.
pub(crate) fn whole(
    table: &InputTable,
    (rows, key): (&[usize], Option<usize>),
    (results, without): (&[Option<f64>], &str),
    observed: &[Observed<'_>],
) -> (Vec<usize>, Vec<LeftOut>) {
    let mut lacking: Vec<(String, Vec<String>)> = Vec::new();
    let mut whole = Vec::new();
    for (place, &row) in rows.iter().enumerate() {
        let lacks = match results[place] {
            None => Some(without.to_owned()),
            Some(_) => observed
                .iter()
                .find(|one| one.values.is_missing(place))
                .map(|one| format!("without {}", one.feature.heading(table))),
        };
        let Some(why) = lacks else {
            whole.push(place);
            continue;
        };
        let name = table.row_name(row, key);
        match lacking.iter_mut().find(|(other, _)| *other == why) {
            Some((_, names)) => names.push(name),
            None => lacking.push((why, vec![name])),
        }
    }
    (whole, lacking.into_iter().filter_map(|(why, names)| LeftOut::rows(why, names)).collect())
}
