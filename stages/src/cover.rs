//! A first look at everything: budgets in which every value of a space stands at least once.
//!
//! Drawn around the lowest cost (Eq. 2), dear values may never come, and a hyper-parameter that was never varied is pruned
//! without having been observed. These budgets leave none out, are as few as can be, and spread what is dear.

use crate::hyperparameter::{COUNT, HYPERPARAMETERS, Value};
use crate::random::Random;
use crate::{Budget, BudgetSpace};

/// As many budgets as the longest list of the space has values, all different, in which every value stands at least once.
///
/// `costs` are the space's relative costs ([`BudgetSpace::relative_costs`]). A value that costs more than the cheapest stands
/// once, and dear values are spread: each, the dearest first, goes to the budget that is cheapest so far. Values of one cost
/// are dealt out at random by `seed`, as evenly as they can be.
pub fn cover(space: &BudgetSpace, costs: &[Vec<f64>; COUNT], seed: u64) -> Vec<Budget> {
    let count = (0..COUNT).map(|index| space.values(index).len()).max().unwrap_or(0);
    let mut budgets = vec![space.cheapest(); count];
    let mut loads = vec![1.0_f64; count];
    let mut taken = vec![[false; COUNT]; count];
    for (index, row) in HYPERPARAMETERS.iter().enumerate().filter(|(_, row)| !row.affects_flops()) {
        let mut dealt: Vec<Value> = space.values(index).iter().copied().cycle().take(count).collect();
        Random::new(seed, "budgets that show every value", index as u64).shuffle(&mut dealt);
        for (budget, value) in budgets.iter_mut().zip(dealt) {
            row.set(budget, value);
        }
    }
    for (index, value, cost) in dear_values(space, costs) {
        let free = (0..count).filter(|&place| !taken[place][index]);
        let Some(place) = free.min_by(|&a, &b| loads[a].total_cmp(&loads[b])) else { continue };
        HYPERPARAMETERS[index].set(&mut budgets[place], value);
        taken[place][index] = true;
        loads[place] *= cost;
    }
    budgets
}

/// The values that cost more than the cheapest of their hyper-parameter, the dearest first.
fn dear_values(space: &BudgetSpace, costs: &[Vec<f64>; COUNT]) -> Vec<(usize, Value, f64)> {
    let cheapest = space.cheapest().values();
    let mut dear = Vec::new();
    for (index, row) in HYPERPARAMETERS.iter().enumerate().filter(|(_, row)| row.affects_flops()) {
        assert_eq!(space.values(index).len(), costs[index].len(), "{}", row.name);
        let values = space.values(index).iter().copied().zip(costs[index].iter().copied());
        dear.extend(
            values.filter(|(value, _)| *value != cheapest[index]).map(|(value, cost)| (index, value, cost)),
        );
    }
    dear.sort_by(|a, b| b.2.total_cmp(&a.2));
    dear
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Config;

    fn flops(budget: &Budget) -> f64 {
        let Budget { epochs, layers, channels, image_size, .. } = *budget;
        [epochs, layers, channels, channels, image_size, image_size].map(f64::from).iter().product()
    }

    fn relative_costs(space: &BudgetSpace) -> [Vec<f64>; COUNT] {
        space.relative_costs(|budget| Ok::<_, std::convert::Infallible>(flops(budget))).unwrap()
    }

    #[test]
    fn every_value_of_the_papers_space_stands_in_as_few_budgets_as_it_takes() {
        let paper = Config::load("paper", None, &[("data.set", "embedded")]).unwrap();
        let space = &paper.space;
        let costs = relative_costs(space);
        let budgets = cover(space, &costs, 3);
        assert_eq!(budgets.len(), 7, "the paper has seven numbers of channels");
        for (index, row) in HYPERPARAMETERS.iter().enumerate() {
            for value in space.values(index) {
                let has = |budget: &Budget| budget.values()[index] == *value;
                assert!(budgets.iter().any(has), "{}={value}", row.name);
            }
        }
        assert!((1..7).all(|place| !budgets[..place].contains(&budgets[place])));
        // One dear value at a time takes 25 budgets, each little more than its value's own cost.
        let spent: f64 = budgets.iter().map(flops).sum();
        let one_at_a_time: f64 = costs.iter().flatten().sum::<f64>() * flops(&space.cheapest());
        assert!(spent < 2.5 * one_at_a_time, "{spent} and {one_at_a_time}");
        assert_eq!(budgets, cover(space, &costs, 3));
        assert_ne!(budgets, cover(space, &costs, 4));
    }

    #[test]
    fn a_space_without_a_choice_has_its_one_budget() {
        let only: Budget = "BPE-1".parse().unwrap();
        let space = BudgetSpace::new(only.values().map(|value| vec![value])).unwrap();
        assert_eq!(cover(&space, &relative_costs(&space), 0), [only]);
    }
}
