//! The graph of a run: nodes in an order in which every node comes after its inputs.

use std::collections::{BTreeMap, BTreeSet};

use cache::{Digest, FieldValue, Fields, Key, Kind, codec};
use stages::stage::{Handle, ImageUse, Input, Inputs, JobRunner, Stage, StageError, decode};

use super::basis::Basis;
use super::run::Output;
use crate::error::Error;

/// How many nodes an error names as examples.
const NODES_NAMED_MAX: usize = 3;

/// Position of a node in its [`Dag`].
pub(crate) type NodeIndex = usize;

/// One node: a stage, and where its inputs come from.
pub(crate) struct Node {
    /// Unique in the graph: the stage's name, and what tells it apart from others of its stage (`rank@2`).
    pub(crate) name: String,
    pub(crate) stage: Box<dyn AnyStage>,
    pub(crate) inputs: Vec<Input>,
}

/// An output, for programs and for people.
pub(crate) struct Shown {
    pub(crate) json: serde_json::Value,
    pub(crate) text: String,
    /// Whether the text says by itself what it is.
    pub(crate) titled: bool,
}

/// A stage that says how its output is shown.
pub(crate) trait Show: Stage {
    /// The output for programs and for people, with what is known of the trainings behind it and its inputs.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    fn show(&self, output: &Self::Output, known: &Known<'_>) -> Result<Shown, serde_json::Error>;
}

/// What the trainings behind an output, and behind other nodes' outputs, are known to have taken.
pub(crate) struct Known<'a> {
    /// The node that is shown.
    pub(crate) own: NodeIndex,
    pub(crate) outputs: &'a BTreeMap<NodeIndex, Output>,
}

impl<'a> Known<'a> {
    /// Of the node itself.
    pub(crate) fn of_own(&self) -> Option<&'a Basis> {
        self.outputs.get(&self.own).map(|output| &output.basis)
    }

    /// Of one of its inputs.
    pub(crate) fn of<T>(&self, input: Handle<T>) -> Option<&'a Basis> {
        self.outputs.get(&input.node()).map(|output| &output.basis)
    }
}

/// A stage whose output's type only its own code knows: to the engine an output is its bytes.
pub(crate) trait AnyStage: Send + Sync {
    fn name(&self) -> &'static str;
    fn version(&self) -> u32;
    fn parameters(&self) -> Result<Fields, stages::Error>;
    fn trainings_at_most(&self) -> u64;
    fn image_uses(&self) -> Vec<ImageUse>;
    fn trains_supernets(&self) -> bool;
    /// Computes the output's bytes.
    fn compute(&self, inputs: &Inputs, jobs: &dyn JobRunner) -> Result<Vec<u8>, StageError>;
    fn asks_at_once(&self) -> bool;
    fn logs_trainings(&self) -> bool;
    /// Shows the output of node `node` that these bytes are.
    fn show_bytes(&self, node: &str, bytes: &[u8], known: &Known<'_>) -> Result<Shown, Error>;
}

impl<S: Show> AnyStage for S {
    fn name(&self) -> &'static str {
        S::NAME
    }

    fn version(&self) -> u32 {
        S::VERSION
    }

    fn parameters(&self) -> Result<Fields, stages::Error> {
        Stage::parameters(self)
    }

    fn trainings_at_most(&self) -> u64 {
        Stage::trainings_at_most(self)
    }

    fn image_uses(&self) -> Vec<ImageUse> {
        Stage::image_uses(self)
    }

    fn trains_supernets(&self) -> bool {
        Stage::trains_supernets(self)
    }

    fn compute(&self, inputs: &Inputs, jobs: &dyn JobRunner) -> Result<Vec<u8>, StageError> {
        Ok(codec::encode(&self.run(inputs, jobs)?)?)
    }

    fn asks_at_once(&self) -> bool {
        Stage::asks_at_once(self)
    }

    fn logs_trainings(&self) -> bool {
        Stage::logs_trainings(self)
    }

    fn show_bytes(&self, node: &str, bytes: &[u8], known: &Known<'_>) -> Result<Shown, Error> {
        let output: S::Output = decode(node, bytes).map_err(|error| Error::of_node(node, error))?;
        self.show(&output, known).map_err(|error| Error::Output(error.into()))
    }
}

/// Nodes in topological order.
#[derive(Default)]
pub(crate) struct Dag {
    nodes: Vec<Node>,
    /// Number of the nodes up to the one that most runs are for; those after it are asked for by name or by a stage that only
    /// they have.
    main: Option<usize>,
}

impl Dag {
    /// Adds a node after all of its inputs, so that the order of the list is an order to run in; a handle to its output.
    pub(crate) fn add<S: Show + 'static>(&mut self, name: impl Into<String>, stage: S) -> Handle<S::Output> {
        let (name, inputs, index) = (name.into(), stage.inputs(), self.nodes.len());
        assert!(inputs.iter().all(|input| input.node < index), "{name} comes before an input");
        assert!(self.nodes.iter().all(|node| node.name != name), "two nodes are called {name}");
        self.nodes.push(Node { name, stage: Box::new(stage), inputs });
        Handle::new(index)
    }

    /// What was added so far is what most runs are for.
    pub(crate) fn end_main(&mut self) {
        self.main = Some(self.nodes.len());
    }

    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The nodes that `target` names: one by its own name, or all of a stage, of the main ones where there are such.
    ///
    /// # Errors
    /// When it names none, with what it could have been.
    pub(crate) fn find(&self, target: &str) -> Result<Vec<NodeIndex>, Error> {
        let named = |wanted: &dyn Fn(&Node) -> bool| -> Vec<NodeIndex> {
            (0..self.nodes.len()).filter(|&index| wanted(&self.nodes[index])).collect()
        };
        let exact = named(&|node| node.name == target);
        let of_stage = named(&|node| node.stage.name() == target);
        let main: Vec<NodeIndex> =
            of_stage.iter().copied().filter(|&index| index < self.main.unwrap_or(usize::MAX)).collect();
        let found = [exact, main, of_stage].into_iter().find(|found| !found.is_empty()).unwrap_or_default();
        if !found.is_empty() {
            return Ok(found);
        }
        let stages: BTreeSet<&str> = self.nodes.iter().map(|node| node.stage.name()).collect();
        let nodes = self.nodes.iter().map(|node| node.name.as_str()).filter(|name| name.contains('@'));
        let nodes: Vec<&str> = nodes.take(NODES_NAMED_MAX).collect();
        Err(Error::UnknownTarget {
            target: target.to_owned(),
            stages: stages.into_iter().collect::<Vec<_>>().join(", "),
            nodes: format!("{}, …; `pipeline graph` lists them", nodes.join(", ")),
        })
    }

    /// `targets` and everything that they are computed from, in order.
    pub(crate) fn cone(&self, targets: &[NodeIndex]) -> Vec<NodeIndex> {
        let mut needed = vec![false; self.nodes.len()];
        for &target in targets {
            needed[target] = true;
        }
        for index in (0..self.nodes.len()).rev() {
            if needed[index] {
                for input in &self.nodes[index].inputs {
                    needed[input.node] = true;
                }
            }
        }
        (0..self.nodes.len()).filter(|&index| needed[index]).collect()
    }

    /// What the trainings that `targets` are computed from do with the images.
    pub(crate) fn image_uses(&self, targets: &[NodeIndex]) -> Vec<ImageUse> {
        self.cone(targets).into_iter().flat_map(|index| self.nodes[index].stage.image_uses()).collect()
    }
}

impl Node {
    /// The key of this node's output, given the digests of its inputs' outputs in the order of [`Node::inputs`].
    ///
    /// Inputs enter as digests of what they *are*, not of how they were made: a change upstream that leads to the
    /// same output stops there.
    ///
    /// # Errors
    /// When two fields have one name or a number is not finite.
    pub(crate) fn key(&self, inputs: &[Digest]) -> Result<Key, Error> {
        assert_eq!(inputs.len(), self.inputs.len());
        let mut fields = self.stage.parameters().map_err(Error::Stage)?;
        fields.insert("stage", self.stage.name())?;
        fields.insert("version", u64::from(self.stage.version()))?;
        for (role, digests) in by_role(&self.inputs, inputs) {
            let value = match digests.as_slice() {
                [one] => FieldValue::Digest(*one),
                many => FieldValue::List(many.iter().copied().map(FieldValue::Digest).collect()),
            };
            fields.insert(&input_field(role), value)?;
        }
        Ok(Key::new(Kind::NodeOutput, fields))
    }
}

/// The name of the key's field for the input with this role.
pub(crate) fn input_field(role: &str) -> String {
    format!("input {role}")
}

fn by_role(inputs: &[Input], digests: &[Digest]) -> Vec<(&'static str, Vec<Digest>)> {
    let mut roles: Vec<(&'static str, Vec<Digest>)> = Vec::new();
    for (input, digest) in inputs.iter().zip(digests) {
        match roles.iter_mut().find(|(role, _)| *role == input.role) {
            Some((_, list)) => list.push(*digest),
            None => roles.push((input.role, vec![*digest])),
        }
    }
    roles
}
