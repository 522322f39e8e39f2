//! Two runs beside each other.

use serde::Serialize;

use super::Report;
use crate::engine::explain::{Change, changes_between};
use crate::engine::recorded::Recorded;

/// Two runs, and what differs.
#[derive(Serialize)]
pub(crate) struct Comparison {
    pub(crate) one: Report,
    pub(crate) other: Report,
    /// Parameters of nodes that both have, each once.
    pub(crate) changes: Vec<Change>,
    /// Places of the budgets that both have tried.
    pub(crate) shared: Vec<(usize, usize)>,
}

impl Comparison {
    pub(crate) fn new((one, first): (&Recorded, Report), (other, second): (&Recorded, Report)) -> Self {
        let mut changes: Vec<Change> = Vec::new();
        for node in &one.run.nodes {
            let Some(partner) = other.run.node(&node.name) else { continue };
            let own = changes_between(node, partner).into_iter().filter(|change| change.node.is_none());
            for change in own {
                if !changes.contains(&change) {
                    changes.push(change);
                }
            }
        }
        let shared = match (&first.study, &second.study) {
            (Some(one), Some(other)) => (one.budgets.iter().enumerate())
                .filter_map(|(place, budget)| {
                    let partner = other.budgets.iter().position(|known| known.name == budget.name)?;
                    Some((place, partner))
                })
                .collect(),
            _ => Vec::new(),
        };
        Self { one: first, other: second, changes, shared }
    }
}
