//! What a run would do, without doing it.
//!
//! Nodes that need no new training are computed in memory, so that the plan stays exact up to the first training
//! that is missing; what comes after it can only be bounded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use cache::{Key, Store};

use super::basis::Basis;
use super::explain::{self, StaleReason};
use super::manifest::History;
use super::node::{Dag, NodeIndex};
use super::run::{Output, gather, remembered};
use super::trainings::{Missing, PlannedJobs, lock};
use crate::error::Error;

/// What a run of a target would do.
pub(crate) struct Plan {
    /// The target's cone, in order.
    pub(crate) nodes: Vec<PlannedNode>,
}

/// What a run would do with one node.
pub(crate) struct PlannedNode {
    pub(crate) index: NodeIndex,
    pub(crate) name: String,
    pub(crate) stage: &'static str,
    /// Its key, when the outputs of all its inputs are known.
    pub(crate) key: Option<Key>,
    /// Why it would run; none when it would not.
    pub(crate) reason: Option<StaleReason>,
    /// Trainings that it would run.
    pub(crate) run: Bound,
    /// Trainings that it would not have to run.
    pub(crate) cached: u64,
}

/// A number that is known or bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    Exactly(u64),
    AtMost(u64),
}

impl Bound {
    /// The number, or what it cannot exceed.
    pub(crate) fn most(self) -> u64 {
        match self {
            Self::Exactly(count) | Self::AtMost(count) => count,
        }
    }
}

impl std::ops::Add for Bound {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        match (self, other) {
            (Self::Exactly(a), Self::Exactly(b)) => Self::Exactly(a + b),
            (a, b) => Self::AtMost(a.most() + b.most()),
        }
    }
}

impl std::fmt::Display for Bound {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exactly(count) => write!(formatter, "{count}"),
            Self::AtMost(count) => write!(formatter, "at most {count}"),
        }
    }
}

impl Plan {
    /// Looks at every node of the cone of `targets`.
    ///
    /// # Errors
    /// When the cache cannot be read, or a stage finds its inputs impossible.
    pub(crate) fn make(
        dag: &Dag,
        store: &Store,
        targets: &[NodeIndex],
        forced: &BTreeSet<NodeIndex>,
    ) -> Result<Self, Error> {
        let history = History::load(store)?;
        let missing = Mutex::default();
        let mut outputs: BTreeMap<NodeIndex, Output> = BTreeMap::new();
        let mut nodes = Vec::new();
        for index in dag.cone(targets) {
            let planner = Planner { dag, store, history: &history, missing: &missing };
            let (node, output) = planner.node(index, &outputs, forced.contains(&index))?;
            if let Some(output) = output {
                outputs.insert(index, output);
            }
            nodes.push(node);
        }
        Ok(Self { nodes })
    }

    /// Trainings that the whole run would do.
    pub(crate) fn trainings(&self) -> Bound {
        self.nodes.iter().fold(Bound::Exactly(0), |sum, node| sum + node.run)
    }

    /// Nodes that would run.
    pub(crate) fn stale(&self) -> usize {
        self.nodes.iter().filter(|node| node.reason.is_some()).count()
    }
}

struct Planner<'a> {
    dag: &'a Dag,
    store: &'a Store,
    history: &'a History,
    /// Missing trainings of all nodes so far.
    missing: &'a Mutex<Missing>,
}

impl Planner<'_> {
    fn node(
        &self,
        index: NodeIndex,
        outputs: &BTreeMap<NodeIndex, Output>,
        forced: bool,
    ) -> Result<(PlannedNode, Option<Output>), Error> {
        let node = &self.dag.nodes()[index];
        let mut planned = PlannedNode {
            index,
            name: node.name.clone(),
            stage: node.stage.name(),
            key: None,
            reason: None,
            run: Bound::Exactly(0),
            cached: 0,
        };
        let Some((digests, inputs)) = gather(self.dag, node, outputs) else {
            planned.reason = Some(explain::waits(self.dag, index, outputs, self.history));
            let most = node.stage.trainings_at_most();
            planned.run = if most == 0 { Bound::Exactly(0) } else { Bound::AtMost(most) };
            return Ok((planned, None));
        };
        let key = node.key(&digests)?;
        planned.key = Some(key.clone());
        if !forced && let Some((output, _)) = remembered(self.store, &key)? {
            planned.cached = output.basis.trainings;
            return Ok((planned, Some(output)));
        }
        planned.reason = Some(if forced {
            StaleReason::Forced
        } else {
            explain::why(self.dag, index, &key, self.history)
        });
        let jobs =
            PlannedJobs { store: self.store, node: index, missing: self.missing, count: Mutex::default() };
        let result = node.stage.compute(&inputs, &jobs);
        let count = *lock(&jobs.count);
        let wanted = count.run + count.cached;
        let basis = Basis { trainings: wanted, diverged: count.diverged, ..Basis::default() };
        (planned.run, planned.cached) =
            if forced { (Bound::Exactly(wanted), 0) } else { (Bound::Exactly(count.run), count.cached) };
        match result.map_err(|error| Error::of_node(&node.name, error)) {
            Ok(bytes) => Ok((planned, Some(Output::new(bytes, basis)))),
            Err(Error::NotTrained) => {
                if !node.stage.asks_at_once() {
                    // What it asks for next depends on what it is told.
                    planned.run =
                        Bound::AtMost(node.stage.trainings_at_most().saturating_sub(planned.cached));
                }
                Ok((planned, None))
            }
            Err(error) => Err(error),
        }
    }
}
