//! One seed: an order of the architectures, and what the first of them say of every budget.

use std::collections::BTreeMap;

use super::choice::Pruner;
use super::{Settings, Table, stream};
use crate::Error;
use crate::statistics::spearman_of;

/// A table as one seed sees it.
pub(super) struct Seed<'a> {
    pub(super) table: &'a Table,
    pub(super) settings: &'a Settings,
    pub(super) index: u64,
    /// All architectures; the first K are the ground truth.
    pub(super) order: Vec<usize>,
    /// What the ground truth says of each budget once it is tried: its `r_s` over the K.
    pub(super) spearmans: Vec<Option<f64>>,
    /// What nobody knows who works: the `r_s` of each budget over all architectures.
    pub(super) of_all: &'a [Option<f64>],
    /// What pruning does depends on which budgets it may try and on nothing else of a total cost.
    pub(super) pruned: BTreeMap<Vec<usize>, Pruner>,
}

impl<'a> Seed<'a> {
    pub(super) fn new(
        table: &'a Table,
        settings: &'a Settings,
        of_all: &'a [Option<f64>],
        index: u64,
    ) -> Result<Self, Error> {
        let mut order: Vec<usize> = (0..table.truths.len()).collect();
        stream(settings, "comparison: order of architectures", index).shuffle(&mut order);
        let truths = of(&table.truths, &order[..settings.ground_truth]);
        let spearmans = table
            .budgets
            .iter()
            .map(|budget| spearman_of(&of(&budget.estimates, &order[..settings.ground_truth]), &truths))
            .collect::<Result<_, _>>()?;
        Ok(Self { table, settings, index, order, spearmans, of_all, pruned: BTreeMap::new() })
    }

    /// The architectures whose full training a choice is paid with.
    pub(super) fn ground_truth(&self) -> &[usize] {
        &self.order[..self.settings.ground_truth]
    }

    /// The pool of this size.
    pub(super) fn pool(&self, searched: usize) -> &[usize] {
        &self.order[self.settings.ground_truth..self.settings.ground_truth + searched]
    }

    /// The ground truth and the pool: what every way may find.
    pub(super) fn both(&self, searched: usize) -> &[usize] {
        &self.order[..self.settings.ground_truth + searched]
    }

    pub(super) fn cost(&self, budget: usize) -> f64 {
        self.table.budgets[budget].cost
    }
}

/// These architectures, the one with the highest of a table's estimates first. Equal ones stay in their order.
pub(super) fn ranked(architectures: &[usize], estimates: &[f64]) -> Vec<usize> {
    let mut ranked = architectures.to_vec();
    ranked.sort_by(|&a, &b| estimates[b].total_cmp(&estimates[a]));
    ranked
}

fn of(numbers: &[f64], places: &[usize]) -> Vec<f64> {
    places.iter().map(|&place| numbers[place]).collect()
}
