//! The budget space `Ω = Θ_1 × … × Θ_n`, and drawing budgets around its lowest cost (Eq. 2 of Zheng et al.).

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::hyperparameter::{COUNT, HYPERPARAMETERS, Value};
use crate::random::Random;
use crate::{Budget, Error, portable};

/// For each hyper-parameter, in the table's order, the values that budgets may take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BudgetSpace {
    values: [Vec<Value>; COUNT],
}

impl BudgetSpace {
    /// The space of these values, in the table's order. The order of a list's values does not matter to a search,
    /// but for this: among values of one cost the first is the one that [`BudgetSpace::cheapest`] takes.
    ///
    /// # Errors
    /// [`Error::Budget`] for an empty list, a value that is not allowed or one that is given twice.
    pub fn new(values: [Vec<Value>; COUNT]) -> Result<Self, Error> {
        for (row, list) in HYPERPARAMETERS.iter().zip(&values) {
            let place = format!("space.{}", row.name);
            if list.is_empty() {
                return Err(Error::Budget { place, problem: "no values; give at least one".into() });
            }
            for (index, &value) in list.iter().enumerate() {
                row.check(value, &place)?;
                if list[..index].contains(&value) {
                    return Err(Error::Budget {
                        place,
                        problem: format!("the value {value} is given twice"),
                    });
                }
            }
        }
        Ok(Self { values })
    }

    /// The values of hyper-parameter `index` of the table.
    pub fn values(&self, index: usize) -> &[Value] {
        &self.values[index]
    }

    /// The hyper-parameters that still have a choice, as indices into the table.
    pub fn open(&self) -> Vec<usize> {
        (0..COUNT).filter(|&index| self.values[index].len() > 1).collect()
    }

    /// How many budgets it holds.
    pub fn size(&self) -> u64 {
        self.values.iter().map(|values| values.len() as u64).fold(1, u64::saturating_mul)
    }

    /// Leaves hyper-parameter `index` only this value.
    pub(crate) fn fix(&mut self, index: usize, value: Value) {
        self.values[index] = vec![value];
    }

    /// The budget with the fewest training FLOPs: the smallest value of each hyper-parameter that changes them, the
    /// first of each other.
    pub fn cheapest(&self) -> Budget {
        Budget::from_values(std::array::from_fn(|index| {
            let (list, affects_flops) = (&self.values[index], HYPERPARAMETERS[index].affects_flops());
            list.iter()
                .copied()
                .reduce(|a, b| if affects_flops && b.total_cmp(a).is_lt() { b } else { a })
                .unwrap_or(Value::Count(0))
        }))
    }

    /// The relative costs `c_ij` of Eq. 2: for each hyper-parameter and value the cost of the budget that has this
    /// value and the cheapest one everywhere else, divided by the cost of the cheapest budget. Dimensionless.
    ///
    /// `cost` gives a budget's training FLOPs averaged over the architectures; it must be positive.
    ///
    /// # Errors
    /// The first error of `cost`.
    pub fn relative_costs<E>(
        &self,
        mut cost: impl FnMut(&Budget) -> Result<f64, E>,
    ) -> Result<[Vec<f64>; COUNT], E> {
        let cheapest = self.cheapest();
        let base = cost(&cheapest)?;
        let mut costs: [Vec<f64>; COUNT] = Default::default();
        for (index, (list, values)) in costs.iter_mut().zip(&self.values).enumerate() {
            for &value in values {
                let mut budget = cheapest;
                HYPERPARAMETERS[index].set(&mut budget, value);
                list.push(cost(&budget)? / base);
            }
        }
        Ok(costs)
    }

    /// Draws `count` different budgets that are not among `drawn`, each with the probability that Eq. 2 gives it
    /// among those left: `p(b) ∝ Π_i exp(-c_ij / temperature)`. Fewer when the space holds no more.
    ///
    /// `temperature` is positive; 1 is the paper's formula. The k-th budget depends on `seed`, `round` and the budgets
    /// before it, never on `count`.
    pub fn draw(
        &self,
        count: usize,
        drawn: &[Budget],
        costs: &[Vec<f64>; COUNT],
        temperature: f64,
        (seed, round): (u64, u64),
    ) -> Vec<Budget> {
        let log_probabilities: [Vec<f64>; COUNT] = std::array::from_fn(|index| {
            let logits: Vec<f64> = costs[index].iter().map(|cost| -cost / temperature).collect();
            let total = log_sum_exp(&logits);
            logits.iter().map(|logit| logit - total).collect()
        });
        let mut left = Left { log_probabilities, parts: HashMap::new() };
        drawn.iter().filter_map(|budget| self.position(budget)).for_each(|position| left.take(position));
        let mut random = Random::new(seed, "budgets", round);
        let mut budgets = Vec::new();
        while budgets.len() < count {
            let Some(position) = left.draw(&mut random) else { break };
            left.take(position);
            budgets
                .push(Budget::from_values(std::array::from_fn(|index| self.values[index][position[index]])));
        }
        budgets
    }

    /// Where each of a budget's values stands in its list; `None` outside the space.
    fn position(&self, budget: &Budget) -> Option<[usize; COUNT]> {
        let mut position = [0; COUNT];
        for (index, value) in budget.values().into_iter().enumerate() {
            position[index] = self.values[index].iter().position(|&other| other == value)?;
        }
        Some(position)
    }
}

/// What is left of the probability of a space's budgets when some of them are taken.
///
/// A budget's probability is a product, so that all that share their first values need no number of their own before one
/// of them is taken: memory and time go with what is taken, not with the size of the space.
struct Left {
    /// For each hyper-parameter the logarithm of the probability of each value.
    log_probabilities: [Vec<f64>; COUNT],
    /// For the first values of what is taken, down to all of them: the logarithm of the share that is left of the
    /// probability of all budgets that begin so. Where nothing is taken it is 0.
    parts: HashMap<Vec<usize>, f64>,
}

impl Left {
    /// For each value that can follow `prefix`, the logarithm of the probability that is left of it, given the prefix.
    fn masses(&self, prefix: &[usize]) -> Vec<f64> {
        let mut next = [prefix, &[0]].concat();
        let mass = |(choice, log_probability): (usize, &f64)| {
            next[prefix.len()] = choice;
            log_probability + self.parts.get(&next).copied().unwrap_or(0.0)
        };
        self.log_probabilities[prefix.len()].iter().enumerate().map(mass).collect()
    }

    /// Takes a position. Sums of what is left, never differences, so that a probability of e^-60 is not lost beside one
    /// of nearly 1.
    fn take(&mut self, position: [usize; COUNT]) {
        self.parts.insert(position.to_vec(), f64::NEG_INFINITY);
        for depth in (1..COUNT).rev() {
            let left = log_sum_exp(&self.masses(&position[..depth]));
            self.parts.insert(position[..depth].to_vec(), left);
        }
    }

    /// Draws a position, value by value; `None` when all are taken.
    fn draw(&self, random: &mut Random) -> Option<[usize; COUNT]> {
        let mut position = [0; COUNT];
        for depth in 0..COUNT {
            let masses = self.masses(&position[..depth]);
            let most = masses.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            if most == f64::NEG_INFINITY {
                return None;
            }
            // Relative to the largest, so that the weights cannot all vanish.
            let weights: Vec<f64> = masses.iter().map(|mass| portable::exp(mass - most)).collect();
            let mut left = random.uniform() * weights.iter().sum::<f64>();
            let choice = weights.iter().position(|weight| {
                left -= weight;
                left < 0.0
            });
            // Rounding can leave the last bit over: it goes to the likeliest value.
            position[depth] =
                choice.unwrap_or_else(|| masses.iter().position(|&mass| mass == most).unwrap_or(0));
        }
        Some(position)
    }
}

fn log_sum_exp(logs: &[f64]) -> f64 {
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if most == f64::NEG_INFINITY {
        return most;
    }
    most + portable::ln(logs.iter().map(|log| portable::exp(log - most)).sum())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn space() -> BudgetSpace {
        let mut values = "BPE-1".parse::<Budget>().unwrap().values().map(|value| vec![value]);
        values[0] = [4, 1, 2].map(Value::Count).to_vec();
        values[2] = [0.1, 0.03].map(Value::Real).to_vec();
        values[3] = [6, 3].map(Value::Count).to_vec();
        BudgetSpace::new(values).unwrap()
    }

    fn costs(space: &BudgetSpace) -> [Vec<f64>; COUNT] {
        let flops =
            |budget: &Budget| Ok::<_, std::convert::Infallible>(f64::from(budget.epochs * budget.layers));
        space.relative_costs(flops).unwrap()
    }

    #[test]
    fn the_cheapest_has_the_least_flops_and_the_first_of_what_costs_nothing() {
        assert_eq!(space().cheapest(), "BPE-1,epochs=1,layers=3,learning_rate=0.1".parse().unwrap());
        assert_eq!(space().open(), [0, 2, 3]);
    }

    #[test]
    fn costs_are_relative_to_the_cheapest() {
        let costs = costs(&space());
        assert_eq!((&costs[0], &costs[2], &costs[3]), (&vec![4.0, 1.0, 2.0], &vec![1.0; 2], &vec![2.0, 1.0]));
    }

    #[test]
    fn first_draws_follow_equation_2() {
        let space = space();
        let costs = costs(&space);
        let draws = 6000;
        for temperature in [1.0, 3.0] {
            let (mut counts, mut first_rates) = ([0.0; 3], 0.0);
            for seed in 0..draws {
                let budget = space.draw(1, &[], &costs, temperature, (seed, 0))[0];
                counts[[4, 1, 2].iter().position(|&epochs| epochs == budget.epochs).unwrap()] +=
                    1.0 / draws as f64;
                first_rates += f64::from(u8::from(budget.learning_rate == 0.1)) / draws as f64;
            }
            let weights = [-4.0, -1.0, -2.0].map(|cost: f64| (cost / temperature).exp());
            let total: f64 = weights.iter().sum();
            for (count, weight) in counts.iter().zip(weights) {
                assert!((count - weight / total).abs() < 0.025, "{temperature}: {counts:?}");
            }
            assert!((first_rates - 0.5).abs() < 0.03, "what changes no FLOPs is drawn evenly: {first_rates}");
        }
    }

    #[test]
    fn later_draws_follow_equation_2_among_what_is_left() {
        let space = space();
        let costs = costs(&space);
        let first = space.cheapest();
        let weight = |budget: &Budget| (-f64::from(budget.epochs) - f64::from(budget.layers) / 3.0).exp();
        let all = space.draw(12, &[], &costs, 1.0, (0, 0));
        let total: f64 = all.iter().filter(|budget| **budget != first).map(weight).sum();
        let draws = 6000;
        let second: Budget = "BPE-1,epochs=1,layers=3,learning_rate=0.03".parse().unwrap();
        let hits =
            (0..draws).filter(|&seed| space.draw(1, &[first], &costs, 1.0, (seed, 1))[0] == second).count();
        let expected = weight(&second) / total;
        assert!((hits as f64 / draws as f64 - expected).abs() < 0.03, "{hits} {expected}");
    }

    #[test]
    fn all_budgets_are_drawn_once_however_unlikely() {
        let space = space();
        // At this temperature the dear budgets have probabilities that are 0 in floating point.
        for temperature in [1.0, 1e-4] {
            let drawn = space.draw(100, &[], &costs(&space), temperature, (3, 0));
            assert_eq!(drawn.len(), 12);
            assert!((1..12).all(|i| !drawn[..i].contains(&drawn[i])));
        }
    }

    #[test]
    fn more_budgets_begin_with_the_fewer() {
        let space = space();
        let draw = |count| space.draw(count, &[], &costs(&space), 1.0, (9, 2));
        assert_eq!(draw(3), draw(8)[..3]);
    }

    #[test]
    fn refuses_lists_that_are_no_choice() {
        let with = |list: &[u32]| {
            let mut values = space().values;
            values[0] = list.iter().copied().map(Value::Count).collect();
            BudgetSpace::new(values).unwrap_err().to_string()
        };
        assert_eq!(with(&[]), "space.epochs: no values; give at least one");
        assert_eq!(with(&[3, 3]), "space.epochs: the value 3 is given twice");
        assert!(with(&[0]).contains("must be a whole number from 1"));
    }
}
