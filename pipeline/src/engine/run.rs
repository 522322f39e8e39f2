//! Runs a target: every node of its cone in order, each looked up first.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use cache::{Codec, Cost, Digest, Key, Kind, PutOutcome, Record, Store};
use stages::stage::Inputs;

use super::basis::Basis;
use super::executor::Executor;
use super::explain::{self, StaleReason};
use super::manifest::{Ending, History, Manifest, NodeEntry, NodeState, TrainingCount, begin_unix_ms};
use super::needs;
use super::node::{Dag, Node, NodeIndex};
use super::progress::Progress;
use super::sources::{Hits, Origin, Sources};
use super::trainings::{NodeJobs, SoFar, lock};
use crate::error::Error;
use crate::person::{PERSON, person};

/// The output of a node.
#[derive(Clone)]
pub(crate) struct Output {
    /// Digest of the bytes: what the keys of the nodes after it are made from.
    pub(crate) digest: Digest,
    pub(crate) bytes: Arc<[u8]>,
    /// The trainings that it was made from.
    pub(crate) basis: Basis,
}

impl Output {
    pub(super) fn new(bytes: Vec<u8>, basis: Basis) -> Self {
        Self { digest: Digest::of("node output", &bytes), bytes: bytes.into(), basis }
    }
}

/// The remembered output of a node and where it came from, or `None` when there is none that can be read.
pub(super) fn remembered(store: &Store, key: &Key) -> Result<Option<(Output, Origin)>, Error> {
    let Some(record) = store.get(key)? else { return Ok(None) };
    let (basis, origin) = (Basis::of(&record), Origin::of(&record));
    Ok(Some((Output::new(record.payload, basis), origin)))
}

/// The keys' part and the stage's part of a node's inputs, from the outputs so far.
pub(super) fn gather(
    dag: &Dag,
    node: &Node,
    outputs: &BTreeMap<NodeIndex, Output>,
) -> Option<(Vec<Digest>, Inputs)> {
    let mut digests = Vec::with_capacity(node.inputs.len());
    let mut inputs = Inputs::default();
    for input in &node.inputs {
        let output = outputs.get(&input.node)?;
        digests.push(output.digest);
        inputs.push(input.node, &dag.nodes()[input.node].name, Arc::clone(&output.bytes));
    }
    Some((digests, inputs))
}

/// Everything that a run works with.
pub(crate) struct Run<'a> {
    pub(crate) dag: &'a Dag,
    pub(crate) store: &'a Store,
    pub(crate) executor: &'a dyn Executor,
    pub(crate) progress: &'a dyn Progress,
    /// Set from outside to end the run: what is finished stays.
    pub(crate) stop: &'a AtomicBool,
    /// After a node failed, go on with those that do not need it.
    pub(crate) keep_going: bool,
    /// Nodes to compute, and to train, although their output is remembered.
    pub(crate) forced: BTreeSet<NodeIndex>,
    /// What else the run's record says, by name.
    pub(crate) said: BTreeMap<String, String>,
}

/// What came of a run. The manifest is stored already, where that was possible.
pub(crate) struct Outcome {
    pub(crate) manifest: Manifest,
    /// Why the run is not in the log.
    pub(crate) unlogged: Option<cache::Error>,
    pub(crate) outputs: BTreeMap<NodeIndex, Output>,
    /// The failure, or all of them where the run kept going.
    pub(crate) failure: Option<Error>,
}

impl Run<'_> {
    /// Runs the cone of `targets` and stores the manifest, also of a run that failed or was interrupted.
    ///
    /// # Errors
    /// When there is no manifest to store. That a node failed, or that the folder could not take the manifest, is in
    /// the outcome.
    pub(crate) fn run(&self, target: &str, targets: &[NodeIndex]) -> Result<Outcome, Error> {
        let begun = Instant::now();
        let started_unix_ms = begin_unix_ms();
        // What cannot be removed now is in nobody's way.
        let _ = self.store.forget_finished_checkpoints(Kind::Training);
        let begun_run = self.store.begin_run(started_unix_ms);
        let mut unfinished = HashSet::new();
        let history = OnceCell::new();
        let cone = self.dag.cone(targets);
        let mut outputs = BTreeMap::new();
        let mut entries = Vec::with_capacity(cone.len());
        let mut failures: Vec<Error> = Vec::new();
        for (position, &index) in cone.iter().enumerate() {
            let stopped = self.stop.load(Ordering::Relaxed);
            if stopped && failures.is_empty() {
                failures.push(Error::Interrupted);
            }
            let mut entry = self.entry(index);
            let blocked = stopped || (!failures.is_empty() && !self.keep_going);
            let gathered = if blocked { None } else { gather(self.dag, &self.dag.nodes()[index], &outputs) };
            if let Some((digests, inputs)) = gathered {
                let place = (position + 1, cone.len());
                match self.node(index, place, (&digests, &inputs), &history, &mut entry, &mut unfinished) {
                    Ok(output) => {
                        entry.output = Some(output.digest);
                        outputs.insert(index, output);
                    }
                    Err(error) => {
                        entry.state = NodeState::Failed;
                        // What was stopped did not fail, and after a failure that is what there is to tell.
                        if failures.is_empty() || !matches!(error, Error::Interrupted) {
                            failures.push(error);
                        }
                    }
                }
                self.progress.node_ended(place.0, place.1, &entry);
            }
            entries.push(entry);
        }
        let mut trainings = TrainingCount::default();
        for entry in &entries {
            trainings += entry.trainings;
        }
        let mut manifest = Manifest {
            program: env!("CARGO_PKG_VERSION").to_owned(),
            target: target.to_owned(),
            started_unix_ms,
            elapsed_ms: begun.elapsed().as_millis() as u64,
            ending: match failures.first() {
                None => Ending::Finished,
                Some(Error::Interrupted) => Ending::Interrupted,
                Some(_) => Ending::Failed,
            },
            trainings,
            device: self.executor.device(),
            nodes: entries,
            id: None,
            person: None,
            is_foreign: false,
        };
        let mut record = manifest.record()?;
        record.provenance.extend(self.said.clone());
        needs::add_to(&mut record.provenance, unfinished);
        let unlogged = self.store.put(&record).err();
        if unlogged.is_none() {
            // One that stays keeps more than it must, and nothing less.
            let _ = self.store.end_run(&begun_run);
        }
        manifest.id = unlogged.is_none().then_some(*record.key.digest());
        Ok(Outcome { manifest, unlogged, outputs, failure: Error::all(failures) })
    }

    fn entry(&self, index: NodeIndex) -> NodeEntry {
        let node = &self.dag.nodes()[index];
        NodeEntry {
            name: node.name.clone(),
            stage: node.stage.name().to_owned(),
            inputs: node
                .inputs
                .iter()
                .map(|input| (input.role.to_owned(), self.dag.nodes()[input.node].name.clone()))
                .collect(),
            state: NodeState::Skipped,
            key: None,
            fields: None,
            output: None,
            trainings: TrainingCount::default(),
            hits: Hits::default(),
            elapsed_ms: 0,
        }
    }

    fn node(
        &self,
        index: NodeIndex,
        (position, nodes): (usize, usize),
        (digests, inputs): (&[Digest], &Inputs),
        history: &OnceCell<History>,
        entry: &mut NodeEntry,
        unfinished: &mut HashSet<Digest>,
    ) -> Result<Output, Error> {
        let begun = Instant::now();
        let node = &self.dag.nodes()[index];
        let key = node.key(digests)?;
        entry.key = Some(*key.digest());
        entry.fields = Some(key.fields().clone());
        let forced = self.forced.contains(&index);
        if !forced && let Some((output, origin)) = remembered(self.store, &key)? {
            entry.state = NodeState::Cached;
            entry.hits.insert(Arc::new(origin), 1);
            let Basis { trainings, diverged, .. } = output.basis;
            entry.trainings = TrainingCount { run: 0, cached: trainings, diverged };
            entry.elapsed_ms = begun.elapsed().as_millis() as u64;
            return Ok(output);
        }
        let history = match history.get() {
            Some(history) => history,
            None => history.get_or_init(|| History::load(self.store).unwrap_or_default()),
        };
        let reason = if forced { StaleReason::Forced } else { explain::why(self.dag, index, &key, history) };
        self.progress.node_started(position, nodes, &node.name, &reason.to_string());
        let jobs = NodeJobs {
            node: &node.name,
            store: self.store,
            executor: self.executor,
            progress: self.progress,
            stop: self.stop,
            force: forced,
            logs: node.stage.logs_trainings(),
            so_far: Mutex::default(),
            sources: Sources::default(),
        };
        let result = node.stage.compute(inputs, &jobs);
        {
            let so_far = &mut *lock(&jobs.so_far);
            entry.trainings = so_far.count;
            entry.hits = std::mem::take(&mut so_far.hits);
        }
        entry.elapsed_ms = begun.elapsed().as_millis() as u64;
        let bytes = result.map_err(|error| {
            // What it had asked for belongs to no output, and the next run goes on from there.
            unfinished.extend(std::mem::take(&mut lock(&jobs.so_far).met));
            Error::of_node(&node.name, error)
        })?;
        let TrainingCount { run, cached, diverged } = entry.trainings;
        let SoFar { elapsed_ms, log, met, .. } = std::mem::take(&mut *lock(&jobs.so_far));
        let basis = Basis {
            trainings: run + cached,
            diverged,
            devices: jobs.sources.devices(),
            elapsed_ms: Some(elapsed_ms),
            log,
        };
        entry.state = NodeState::Ran;
        let mut record = Record::new(key, bytes.clone());
        record.codec = Codec::Bincode2;
        record.provenance.insert("node".into(), node.name.clone());
        record.provenance.insert("program".into(), env!("CARGO_PKG_VERSION").into());
        record.provenance.insert(PERSON.into(), person().into());
        basis.add_to(&mut record.provenance);
        needs::add_to(&mut record.provenance, met);
        record.cost = Cost { flops: 0, elapsed_ms: entry.elapsed_ms };
        let stored = if forced { self.store.supersede(&record) } else { self.store.put(&record) };
        let stored = stored.map_err(|source| {
            // What comes next could not be stored either.
            self.stop.store(true, Ordering::Relaxed);
            Error::NotStored { source }
        })?;
        // Where another output was stored first, that is what every later run will see, and so must this one.
        if stored == PutOutcome::Conflict
            && let Some(first) = self.store.get(&record.key)?
        {
            return Ok(Output::new(first.payload, basis));
        }
        Ok(Output::new(bytes, basis))
    }
}
