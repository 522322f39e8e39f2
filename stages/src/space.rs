//! The budget space `Ω = Θ_1 × … × Θ_n`, and drawing budgets around its lowest cost (Eq. 2 of Zheng et al.).

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

    /// Leaves hyper-parameter `index` only this value.
    pub(crate) fn fix(&mut self, index: usize, value: Value) {
        self.values[index] = vec![value];
    }

    /// The number of budgets in the space.
    pub fn size(&self) -> u128 {
        self.values.iter().map(|list| list.len() as u128).product()
    }

    /// The budget with the fewest training FLOPs: the smallest value of each hyper-parameter that changes them, the
    /// first of each other.
    pub fn cheapest(&self) -> Budget {
        Budget::from_values(std::array::from_fn(|index| {
            let (list, affects_flops) = (&self.values[index], HYPERPARAMETERS[index].affects_flops);
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
    pub fn relative_costs(&self, cost: impl Fn(&Budget) -> f64) -> [Vec<f64>; COUNT] {
        let cheapest = self.cheapest();
        let base = cost(&cheapest);
        std::array::from_fn(|index| {
            let with = |&value: &Value| {
                let mut budget = cheapest;
                HYPERPARAMETERS[index].set(&mut budget, value);
                cost(&budget) / base
            };
            self.values[index].iter().map(with).collect()
        })
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
        let mut taken: Vec<[usize; COUNT]> =
            drawn.iter().filter_map(|budget| self.position(budget)).collect();
        let mut random = Random::new(seed, "budgets", round);
        let mut budgets = Vec::new();
        while budgets.len() < count {
            let Some(position) = draw_one(&log_probabilities, &taken, &mut random) else { break };
            taken.push(position);
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

/// Draws one position that is not `taken`, value by value; `None` when all are taken.
fn draw_one(
    log_probabilities: &[Vec<f64>; COUNT],
    taken: &[[usize; COUNT]],
    random: &mut Random,
) -> Option<[usize; COUNT]> {
    let mut position = [0; COUNT];
    let mut taken: Vec<&[usize; COUNT]> = taken.iter().collect();
    for depth in 0..COUNT {
        let masses = child_masses(log_probabilities, depth, &taken);
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
        position[depth] = choice.unwrap_or_else(|| masses.iter().position(|&mass| mass == most).unwrap_or(0));
        taken.retain(|other| other[depth] == position[depth]);
    }
    Some(position)
}

/// For each value of hyper-parameter `depth`, the logarithm of the probability that is left under it when `taken`
/// (which agree on everything before `depth`) are excluded. Sums of what is left, never differences, so that a
/// probability of e^-60 is not lost beside one of nearly 1.
fn child_masses(log_probabilities: &[Vec<f64>; COUNT], depth: usize, taken: &[&[usize; COUNT]]) -> Vec<f64> {
    let child = |(choice, log_probability): (usize, &f64)| {
        let below: Vec<&[usize; COUNT]> =
            taken.iter().copied().filter(|other| other[depth] == choice).collect();
        let left = match below.is_empty() {
            true => 0.0,
            false if depth + 1 == COUNT => f64::NEG_INFINITY,
            false => log_sum_exp(&child_masses(log_probabilities, depth + 1, &below)),
        };
        log_probability + left
    };
    log_probabilities[depth].iter().enumerate().map(child).collect()
}

fn log_sum_exp(logs: &[f64]) -> f64 {
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if most == f64::NEG_INFINITY {
        return most;
    }
    most + portable::ln(logs.iter().map(|log| portable::exp(log - most)).sum())
}

impl BudgetSpace {
    /// The lists of values as key fields, named as in the table.
    pub fn fields(&self) -> Result<cache::Fields, Error> {
        let mut fields = cache::Fields::new();
        for (row, list) in HYPERPARAMETERS.iter().zip(&self.values) {
            fields.insert(row.name, list.clone())?;
        }
        Ok(fields)
    }
}
