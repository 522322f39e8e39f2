//! Searches that go by several numbers of an architecture at once: its places among a fixed reference, put together.
//!
//! A rank sum over what a search has met would change with every architecture that it meets. So architectures are placed
//! among a reference that no search changes, each scored once by every ingredient, and what a strategy is told depends on
//! that reference and on the architecture alone. Knows numbers, and neither trainings nor files.

use serde::{Deserialize, Serialize};

use crate::baselines::{BASELINES, NAMES};
use crate::echo::shown;
use crate::{Budget, suggest};

/// What a search goes by beside the training under its own budget, which is always an ingredient (`search.combine`).
#[derive(Clone, Debug, PartialEq)]
pub struct Combine {
    /// Further budgets, as they were named.
    pub budgets: Vec<Budget>,
    /// Baselines that cost no training, as places in [`NAMES`], ascending.
    pub baselines: Vec<usize>,
}

impl Combine {
    /// Reads names of baselines and texts of budgets; none where there are none.
    ///
    /// # Errors
    /// What is wrong with the first text that is neither, or that says again what was said before.
    pub fn named(texts: &[&str]) -> Result<Option<Self>, String> {
        let (mut budgets, mut is_named) = (Vec::new(), [false; BASELINES]);
        for text in texts {
            let twice = || format!("names `{}` twice", shown(text));
            match NAMES.iter().position(|name| name == text) {
                Some(place) if is_named[place] => return Err(twice()),
                Some(place) => is_named[place] = true,
                None => {
                    let budget = budget(text)?;
                    if budgets.contains(&budget) {
                        return Err(twice());
                    }
                    budgets.push(budget);
                }
            }
        }
        let baselines = (0..BASELINES).filter(|&place| is_named[place]).collect();
        Ok((!texts.is_empty()).then_some(Self { budgets, baselines }))
    }

    /// The names and texts between spaces, for a key.
    pub fn text(&self) -> String {
        let budgets = self.budgets.iter().map(ToString::to_string);
        budgets
            .chain(self.baselines.iter().map(|&place| NAMES[place].to_owned()))
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Jobs for each architecture: a training under the search's budget, one under each further one, and one for all baselines.
    pub fn jobs(&self) -> u64 {
        1 + self.budgets.len() as u64 + u64::from(!self.baselines.is_empty())
    }
}

/// A budget, or what is wrong with the text. One without values can be a mistyped name only.
fn budget(text: &str) -> Result<Budget, String> {
    let named = NAMES.into_iter().chain(Budget::NAMED.map(|(name, _)| name));
    text.parse().map_err(|error: crate::Error| {
        if text.contains('=') {
            return error.to_string();
        }
        format!("unknown `{}`, neither a baseline nor a budget; {}", shown(text), suggest::hint(text, named))
    })
}

/// One of the numbers that a search goes by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Ingredient {
    /// The score of a training under a budget.
    Budget(Budget),
    /// A baseline, by its name.
    Baseline(String),
}

impl std::fmt::Display for Ingredient {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Budget(budget) => write!(formatter, "{budget}"),
            Self::Baseline(name) => formatter.write_str(name),
        }
    }
}

/// The numbers of some architectures, by ingredient: among them others are placed.
#[derive(Clone, Debug)]
pub struct Reference {
    /// Each in ascending order; all of one length, which is not 0.
    columns: Vec<Vec<f64>>,
}

/// Where an architecture stands among a reference by one ingredient.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// The ingredient's number; none of a baseline that has none, which is below all others.
    pub value: Option<f64>,
    /// Percent of the reference that have a lower number; those with the same one count half.
    pub percent: f64,
}

/// Where an architecture stands among a reference.
///
/// Whatever has a higher number than all of the reference has place 100 there, however much higher. So where parameters are
/// an ingredient a search gains nothing by networks that grow without end. It also means that an ingredient says little of
/// what lies beyond the reference: the dense cells that evolution and reinforcement learning ask for have every edge, and
/// more parameters and skip connections than most sampled architectures. Such ingredients decide among what is pruned from
/// them in the end; before that the others do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// By ingredient; the first is the training under the search's budget.
    pub places: Vec<Place>,
    /// The mean of the places: from 0 to 100.
    pub mean_place: f64,
    /// What a strategy is told: the mean place and, so that equal ones are told apart, as many hundredths of half the least
    /// difference between two mean places as the training under the search's budget scores percent.
    pub told: f64,
}

impl Reference {
    /// Of a column for each ingredient, with a number for each architecture; the first column holds scores in percent. None
    /// where there is no column or no architecture, or where columns differ in length.
    pub fn new(columns: &[Vec<Option<f64>>]) -> Option<Self> {
        let count = columns.first().map(Vec::len).filter(|&count| count > 0)?;
        let sorted = |column: &Vec<Option<f64>>| {
            let mut numbers: Vec<f64> = column.iter().copied().map(number).collect();
            numbers.sort_by(f64::total_cmp);
            numbers
        };
        let is_whole = columns.iter().all(|column| column.len() == count);
        is_whole.then(|| Self { columns: columns.iter().map(sorted).collect() })
    }

    /// How many architectures it has.
    pub fn count(&self) -> usize {
        self.columns.first().map_or(0, Vec::len)
    }

    /// Where an architecture stands with these numbers, one for each ingredient.
    pub fn standing(&self, values: &[Option<f64>]) -> Standing {
        // In halves of an architecture, so that sums are exact.
        let halves: Vec<u64> =
            self.columns.iter().zip(values).map(|(column, &value)| halves(column, number(value))).collect();
        let count = self.count() as f64;
        let step = 50.0 / (count * halves.len() as f64);
        let sum = halves.iter().sum::<u64>() as f64;
        let score = values.first().copied().flatten().unwrap_or(0.0).clamp(0.0, 100.0);
        let place =
            |(&halves, &value): (&u64, &Option<f64>)| Place { value, percent: halves as f64 * 50.0 / count };
        Standing {
            places: halves.iter().zip(values).map(place).collect(),
            mean_place: sum * step,
            told: (sum + score / 200.0) * step,
        }
    }
}

/// What is no number is below all that are.
fn number(value: Option<f64>) -> f64 {
    value.filter(|value| !value.is_nan()).unwrap_or(f64::NEG_INFINITY)
}

/// Twice the elements of an ascending list that are below a value, and once those that equal it.
fn halves(column: &[f64], value: f64) -> u64 {
    let below = column.partition_point(|&other| other < value);
    let up_to = column.partition_point(|&other| other <= value);
    (below + up_to) as u64
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn reference() -> Reference {
        let scores = [Some(40.0), Some(20.0), Some(30.0), Some(30.0)];
        let baseline = [Some(-1.0), None, Some(7.0), Some(0.5)];
        Reference::new(&[scores.to_vec(), baseline.to_vec()]).unwrap()
    }

    fn percents(values: [Option<f64>; 2]) -> Vec<f64> {
        reference().standing(&values).places.iter().map(|place| place.percent).collect()
    }

    #[test]
    fn a_place_is_the_share_that_is_beaten_and_ties_count_half() {
        assert_eq!(percents([Some(25.0), Some(0.0)]), [25.0, 50.0]);
        assert_eq!(percents([Some(30.0), Some(0.5)]), [50.0, 62.5]);
        assert_eq!(percents([Some(40.0), Some(7.0)]), [87.5, 87.5]);
        // Beyond the extremes nothing changes any more.
        assert_eq!(percents([Some(99.0), Some(8.0)]), [100.0, 100.0]);
        assert_eq!(percents([Some(41.0), Some(f64::INFINITY)]), [100.0, 100.0]);
        // What has no score is below all that have one, and equal to others without.
        assert_eq!(percents([Some(0.0), None]), [0.0, 12.5]);
        assert_eq!(percents([Some(0.0), Some(f64::NAN)]), [0.0, 12.5]);
        assert_eq!(percents([Some(-0.0), Some(-2.0)]), [0.0, 25.0]);
    }

    #[test]
    fn what_is_told_goes_by_the_mean_place_and_then_by_the_training() {
        let reference = reference();
        // Trainings between 30 and 40 percent have one place, and baselines have three more: all pairs of them.
        let scores = [30.5, 31.0, 39.9];
        let baselines = [None, Some(-3.0), Some(0.0), Some(1.0), Some(9.0)];
        let all: Vec<(f64, Standing)> = scores
            .iter()
            .flat_map(|&score| {
                baselines.map(|baseline| (score, reference.standing(&[Some(score), baseline])))
            })
            .collect();
        for (score, one) in &all {
            assert!(
                (one.mean_place - f64::midpoint(one.places[0].percent, one.places[1].percent)).abs() < 1e-12
            );
            for (other_score, other) in &all {
                let by_place = one.mean_place.total_cmp(&other.mean_place);
                assert_eq!(one.told.total_cmp(&other.told), by_place.then(score.total_cmp(other_score)));
            }
        }
        let (worst, best) =
            (reference.standing(&[Some(0.0), None]), reference.standing(&[Some(100.0), Some(8.0)]));
        assert_eq!((worst.told, best.mean_place), (6.25, 100.0));
        assert!((best.told - 103.125).abs() < 1e-12, "{best:?}");
    }

    #[test]
    fn the_order_of_the_reference_changes_nothing() {
        let columns = [vec![Some(1.0), Some(2.0), Some(3.0)], vec![None, Some(5.0), Some(4.0)]];
        let turned = columns.clone().map(|column| column.into_iter().rev().collect());
        let values = [Some(2.5), Some(4.0)];
        let [one, other] =
            [columns, turned].map(|columns| Reference::new(&columns).unwrap().standing(&values));
        assert_eq!(one, other);
        // An architecture of the reference beats half of itself.
        let alone = Reference::new(&[vec![Some(3.0)]]).unwrap();
        assert_eq!(alone.standing(&[Some(3.0)]).mean_place, 50.0);
        assert!(Reference::new(&[]).is_none() && Reference::new(&[Vec::new()]).is_none());
        assert!(Reference::new(&[vec![None], Vec::new()]).is_none());
    }

    #[test]
    fn names_are_baselines_or_budgets_and_stand_once() {
        let named = |texts: &[&str]| Combine::named(texts);
        assert_eq!(named(&[]), Ok(None));
        let combine = named(&["swap", "BPE-2", "nwot", "BPE-1,epochs=3"]).unwrap().unwrap();
        assert_eq!(combine.baselines, [3, 6]);
        assert_eq!((combine.budgets[0], combine.jobs()), (Budget::NAMED[1].1, 4));
        assert_eq!(named(&["BPE-2"]).unwrap().unwrap().jobs(), 2);
        assert!(combine.text().ends_with("nwot swap") && combine.text().split(' ').count() == 4);
        for (texts, part) in [
            (&["nwott"][..], "did you mean `nwot`?"),
            (&["BPE1"], "did you mean `BPE-1`?"),
            (&["nwot", "nwot"], "names `nwot` twice"),
            (&["BPE-1", "BPE-1,epochs=10"], "names `BPE-1,epochs=10` twice"),
            (&["BPE-1,epochs=0"], "epochs"),
            (&[""], "unknown"),
        ] {
            let problem = named(texts).unwrap_err();
            assert!(problem.contains(part), "{problem}");
        }
    }
}
