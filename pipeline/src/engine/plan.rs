//! What a run would do, without doing it.
//!
//! Nodes that need no new training are computed in memory, so that the plan stays exact up to the first training
//! that is missing; what comes after it can only be bounded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use cache::{Key, Store};
use stages::stage::Halt;

use super::explain::{self, Reason};
use super::manifest::History;
use super::node::{Dag, NodeIndex};
use super::run::{Output, gather, remembered};
use super::trainings::{NodePlan, PlannedTrainings, Tally, lock};
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
    pub(crate) reason: Option<Reason>,
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
        let planned = Mutex::new(PlannedTrainings::default());
        let mut outputs: BTreeMap<NodeIndex, Output> = BTreeMap::new();
        let mut nodes = Vec::new();
        for index in dag.cone(targets) {
            let looking = Looking { dag, store, history: &history, planned: &planned };
            let (node, output) = looking.node(index, &outputs, forced.contains(&index))?;
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

struct Looking<'a> {
    dag: &'a Dag,
    store: &'a Store,
    history: &'a History,
    planned: &'a Mutex<PlannedTrainings>,
}

impl Looking<'_> {
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
        let Some((digests, inputs)) = gather(node, outputs) else {
            planned.reason = Some(explain::waits(self.dag, index, outputs, self.history));
            let most = node.stage.trainings_at_most();
            planned.run = if most == 0 { Bound::Exactly(0) } else { Bound::AtMost(most) };
            return Ok((planned, None));
        };
        let key = node.key(&digests)?;
        planned.key = Some(key.clone());
        if !forced && let Some(output) = remembered(self.store, &key)? {
            planned.cached = output.trainings;
            return Ok((planned, Some(output)));
        }
        planned.reason =
            Some(if forced { Reason::Forced } else { explain::why(self.dag, index, &key, self.history) });
        let trainings =
            NodePlan { store: self.store, planned: self.planned, tally: Mutex::new(Tally::default()) };
        let result = node.stage.run(&inputs, &trainings);
        let mut tally = lock(&trainings.tally);
        let wanted = tally.count.run + tally.count.cached;
        (planned.run, planned.cached) = if forced {
            (Bound::Exactly(wanted), 0)
        } else {
            (Bound::Exactly(tally.count.run), tally.count.cached)
        };
        match result {
            Ok(bytes) => Ok((planned, Some(Output::new(bytes, wanted)))),
            Err(Halt::Untrained) => match tally.error.take() {
                Some(Error::NotTrained) | None => Ok((planned, None)),
                Some(error) => Err(error),
            },
            Err(other) => Err(Error::Node { node: node.name.clone(), source: other }),
        }
    }
}
