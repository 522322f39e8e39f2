//! What a budget is chosen for: the number that says how well it ranks architectures as full training does.

use cache::Fields;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::statistics::{Interval, RankQuality, Sides};

/// The agreement with full training that pruning explains, keeps and weighs against the cost (`mip.objective`). The paper's
/// is Spearman's `r_s`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Objective {
    /// `r_s`.
    #[default]
    Spearman,
    /// Kendall's tau-b.
    Kendall,
    /// The share of the architectures ranked highest that is among the truly best: a tenth of them, one at least.
    Precision,
    /// What the architecture ranked highest lacks to the best one, in points of accuracy; the less the better.
    Regret,
}

impl Objective {
    /// All of them, the paper's first.
    pub const ALL: [Self; 4] = [Self::Spearman, Self::Kendall, Self::Precision, Self::Regret];

    /// As a configuration names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spearman => "spearman",
            Self::Kendall => "kendall",
            Self::Precision => "precision@k",
            Self::Regret => "regret",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|objective| objective.name() == name)
    }

    /// The number of a ranking that is to be as high as can be: a regret is negative. `None` where it is undefined.
    pub fn agreement(self, quality: &RankQuality) -> Option<f64> {
        match self {
            Self::Spearman => quality.spearman,
            Self::Kendall => quality.kendall,
            Self::Precision => quality.top.map(|top| top.precision),
            // A subtraction, for a regret of 0 is no negative zero.
            Self::Regret => quality.top.map(|top| 0.0 - top.regret),
        }
    }

    /// What [`Objective::agreement`] spans (95%); `None` where that is undefined, or nothing was left to sample from.
    pub fn interval(self, quality: &RankQuality) -> Option<Interval> {
        match self {
            Self::Spearman => quality.interval,
            Self::Kendall => quality.kendall_interval,
            Self::Precision => quality.top.and_then(|top| top.precision_interval),
            Self::Regret => {
                quality.top.and_then(|top| top.regret_interval).map(|(low, high)| (0.0 - high, 0.0 - low))
            }
        }
    }

    /// As the heading of a column, or an axis, has it.
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Spearman => "r_s",
            Self::Kendall => "tau-b",
            Self::Precision => "precision at the top",
            Self::Regret => "-regret",
        }
    }

    /// Whether budgets can race for it ([`crate::mip::race`]): what is imagined of architectures that are not trained yet is
    /// made of those that are, so that it can hold no better one, and says nothing of the top of all.
    pub const fn can_race(self) -> bool {
        matches!(self, Self::Spearman | Self::Kendall)
    }

    /// The same of samples of the architectures, each told by how often it holds each. `None` of what cannot race.
    ///
    /// # Errors
    /// [`Error::Numbers`] when the lists differ in length or hold NaN.
    pub(crate) fn of_samples(
        self,
        (estimates, truths): (&[f64], &[f64]),
        samples: &[Vec<u32>],
    ) -> Result<Vec<Option<f64>>, Error> {
        let sides = Sides::new(estimates, truths)?;
        let of = |counts: &Vec<u32>| match self {
            Self::Spearman => sides.spearman(counts),
            Self::Kendall => sides.kendall(counts),
            Self::Precision | Self::Regret => None,
        };
        Ok(samples.iter().map(of).collect())
    }

    /// Adds what is not the paper's to a key, so that keys of the paper's objective are what they were.
    pub(crate) fn add_to(self, fields: &mut Fields) -> Result<(), Error> {
        if self != Self::default() {
            fields.insert("mip.objective", self.name())?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::statistics::rank_quality;

    #[test]
    fn each_objective_is_its_number_and_higher_is_better() {
        // Ranks 1 2 3 4 5 against 2 1 3 5 4: Σd² = 4, so r_s = 1 - 6·4/(5·24) = .8; two of ten pairs are discordant, so
        // tau = .6; the two ranked highest are the two best, and the first of them is the second best, a point below.
        let quality =
            rank_quality(&[1.0, 2.0, 3.0, 4.0, 5.0], &[20.0, 10.0, 30.0, 50.0, 49.0], 2, 0).unwrap();
        let of = |objective: Objective| objective.agreement(&quality).unwrap();
        assert!(
            (of(Objective::Spearman) - 0.8).abs() < 1e-12 && (of(Objective::Kendall) - 0.6).abs() < 1e-12
        );
        assert_eq!((of(Objective::Precision), of(Objective::Regret)), (1.0, -1.0));
        for objective in Objective::ALL {
            let (low, high) = objective.interval(&quality).unwrap();
            assert!(
                low <= of(objective) && of(objective) <= high && low < high,
                "{objective:?}: {low} to {high}"
            );
        }
        let right = rank_quality(&[1.0, 2.0], &[1.0, 2.0], 1, 0).unwrap();
        assert!(Objective::Regret.agreement(&right).unwrap().is_sign_positive());
        // An order that is none has no correlation, and still a top.
        let flat = rank_quality(&[1.0, 1.0], &[1.0, 3.0], 1, 0).unwrap();
        let of = Objective::ALL.map(|objective| objective.agreement(&flat));
        assert_eq!(of, [None, None, Some(0.5), Some(-1.0)]);
    }

    #[test]
    fn of_a_sample_it_is_that_of_the_list_with_repetitions() {
        let (estimates, truths) = ([1.0, 2.0, 3.0], [1.0, 3.0, 2.0]);
        let repeated = ([1.0, 2.0, 2.0, 2.0, 3.0], [1.0, 3.0, 3.0, 3.0, 2.0]);
        let whole = rank_quality(&repeated.0, &repeated.1, 2, 0).unwrap();
        for objective in Objective::ALL {
            let samples = [vec![1, 1, 1], vec![1, 3, 1]];
            let of = objective.of_samples((&estimates, &truths), &samples).unwrap();
            let plain = rank_quality(&estimates, &truths, 2, 0).unwrap();
            let expected = [objective.agreement(&plain), objective.agreement(&whole)];
            assert_eq!(
                of,
                expected.map(|agreement| agreement.filter(|_| objective.can_race())),
                "{objective:?}"
            );
            assert!(objective.of_samples((&estimates, &truths[..2]), &samples).is_err());
        }
    }

    #[test]
    fn only_what_is_not_the_papers_is_in_a_key() {
        let fields = Objective::ALL.map(|objective| {
            let mut fields = Fields::new();
            objective.add_to(&mut fields).unwrap();
            fields
        });
        assert_eq!(fields[0], Fields::new());
        assert!((1..4).all(|one| (0..one).all(|other| fields[one] != fields[other])));
    }
}
