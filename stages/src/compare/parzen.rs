//! A tree-structured Parzen estimator (Bergstra et al., 2011) over the budgets of a table: it proposes a value of each
//! hyper-parameter, and the budget of the table that agrees with most of them is tried.

use std::convert::Infallible;

use rand_core::TryRng;
use tpe::density_estimation::DefaultEstimatorBuilder;
use tpe::{TpeOptimizer, categorical_range, histogram_estimator, parzen_estimator, range};

use super::{Table, levels};
use crate::Error;
use crate::random::Random;

/// One estimator for each hyper-parameter that has a choice.
pub(super) struct Estimator {
    axes: Vec<Axis>,
    /// The budgets that the levels are of, in ascending order.
    budgets: Vec<usize>,
}

struct Axis {
    optimizer: TpeOptimizer<DefaultEstimatorBuilder>,
    is_ordered: bool,
    /// Which value each budget has.
    levels: Vec<usize>,
    count: usize,
}

impl Estimator {
    /// Over these budgets, in ascending order.
    pub(super) fn new(table: &Table, budgets: &[usize]) -> Result<Self, Error> {
        let mut axes = Vec::new();
        for (factor, levels) in table.factors.iter().zip(levels(table, budgets)?) {
            let count = levels.iter().max().map_or(0, |most| most + 1);
            let is_ordered = factor.is_ordered;
            // Values with an order are numbered by it, so that those beside a good one are likely too.
            let (estimator, range) = if is_ordered {
                (parzen_estimator(), range(0.0, count as f64))
            } else {
                (histogram_estimator(), categorical_range(count))
            };
            if let (Ok(range), 2..) = (range, count) {
                axes.push(Axis { optimizer: TpeOptimizer::new(estimator, range), is_ordered, levels, count });
            }
        }
        Ok(Self { axes, budgets: budgets.to_vec() })
    }

    /// Of the `open` budgets the one that is nearest to the proposal: it agrees with most of its values, and then has
    /// the nearest ones in their order. `None` of none.
    pub(super) fn ask(&mut self, open: &[usize], random: &mut Random) -> Option<usize> {
        let mut bits = Bits(random);
        let ask = |axis: &mut Axis| {
            let Ok(proposed) = axis.optimizer.ask(&mut bits);
            (proposed.max(0.0) as usize).min(axis.count - 1)
        };
        let proposed: Vec<usize> = self.axes.iter_mut().map(ask).collect();
        // Equal ones are taken in a random order, for the first of the table are not better than the last.
        let mut open = open.to_vec();
        random.shuffle(&mut open);
        let distance = |&budget: &usize| {
            let place = self.place(budget);
            let sides = self
                .axes
                .iter()
                .zip(&proposed)
                .map(|(axis, &value)| (axis, axis.levels[place].abs_diff(value)));
            sides.fold((0, 0), |(differ, steps), (axis, by)| {
                (differ + usize::from(by > 0), steps + if axis.is_ordered { by } else { 0 })
            })
        };
        open.iter().min_by_key(|budget| distance(budget)).copied()
    }

    /// What a budget came to; one without an `r_s` is the worst.
    pub(super) fn tell(&mut self, budget: usize, objective: Option<f64>) {
        let place = self.place(budget);
        for axis in &mut self.axes {
            let level = axis.levels[place] as f64 + if axis.is_ordered { 0.5 } else { 0.0 };
            // It minimises. Levels are in its range, and no objective is NaN, so that it takes all of them.
            let _ = axis.optimizer.tell(level, objective.map_or(f64::INFINITY, |objective| -objective));
        }
    }

    fn place(&self, budget: usize) -> usize {
        self.budgets.partition_point(|&other| other < budget)
    }
}

/// Our random numbers, for a crate that has other names for them.
struct Bits<'a>(&'a mut Random);

impl TryRng for Bits<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok((self.0.bits() >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.bits())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(8) {
            let word = self.0.bits().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
        Ok(())
    }
}
