//! Networks as a list of operations over slices of channels, built in forward order.
//!
//! A [`ValueId`] is what an operation produced. Batch normalisation is not an operation of its own: it marks a
//! value as *normalised*, its statistics are taken where the value is produced and its affine map is applied
//! wherever the value is read, so that no normalised copy is ever stored.

mod call;
mod check;
mod cost;
mod export;
mod operation;
mod tape;

use std::sync::Arc;

pub(crate) use call::{Call, TapeCalls};
pub use cost::Cost;
pub(crate) use operation::Operation;
pub(crate) use tape::Tape;

use crate::error::Error;
use crate::program::{
    Channels, Content, Guard, Init, Input, Mode, NormId, Normalisation, Param, ParamId, Program, Storage,
    StorageId, Tables, Tensor, WorkspaceId,
};
use crate::shape::Shape;
use crate::step::Group;

/// A value of the graph, to be read by further operations. Of another graph it means another value or none, and a method that gets
/// it may panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ValueId(pub(crate) usize);

/// A concatenation along channels whose parts are written by [`Graph::node_sum`].
#[derive(Clone, Copy, Debug)]
pub struct Concat {
    storage: StorageId,
    part: Shape,
    parts: usize,
}

/// Who takes the sums for the statistics of a normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SumsBy {
    /// What produces the value, on its way.
    Producers,
    /// A call of its own, which reads the value again.
    OwnCall,
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) op: Arc<dyn Operation>,
    /// What it stands behind.
    guard: Option<Guard>,
    /// Belongs to the auxiliary head: there in training only, and not counted as part of the network.
    pub(crate) training_only: bool,
}

/// A network under construction, and when done, the description that is lowered to a program. Operations add the methods that
/// build them (`ops/`).
#[derive(Clone, Debug)]
pub struct Graph {
    pub(crate) tables: Tables,
    pub(crate) nodes: Vec<Node>,
    pub(crate) training_only: bool,
    /// The group of parameters that are built now.
    group: Group,
    /// What is built now stands behind this.
    pub(crate) guard: Option<Guard>,
    /// What operations read through a ReLU stays until the end of a step.
    keeps_rectified: bool,
    storages: Vec<Storage>,
    /// How each value is read.
    values: Vec<Input>,
}

impl Graph {
    /// A network without operations, which reads images of `input`; also the tensor of its input.
    pub(crate) fn empty(input: Shape, classes: usize) -> (Self, Tensor) {
        let tables = Tables {
            input,
            classes,
            params: Vec::new(),
            norms: Vec::new(),
            norm_channels: 0,
            heads: Vec::new(),
            mixtures: Vec::new(),
            drops: 0,
            dropouts: 0,
            groups: 1,
            workspaces: 0,
        };
        let mut graph = Self {
            tables,
            nodes: Vec::new(),
            training_only: false,
            group: Group::WEIGHTS,
            guard: None,
            keeps_rectified: false,
            storages: Vec::new(),
            values: Vec::new(),
        };
        let tensor = graph.tensor(input);
        (graph, tensor)
    }

    /// Shape of a value.
    pub fn shape(&self, value: ValueId) -> Shape {
        self.values[value.0].tensor.shape
    }

    /// Everything that `build` adds is there in training only (the auxiliary head).
    pub fn in_training_only<T>(&mut self, build: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::replace(&mut self.training_only, true);
        let built = build(self);
        self.training_only = outer;
        built
    }

    /// A new group of parameters, to be trained apart from the others.
    pub fn group(&mut self) -> Group {
        self.tables.groups += 1;
        Group(self.tables.groups - 1)
    }

    /// Parameters that `build` adds belong to `group`.
    pub fn in_group<T>(&mut self, group: Group, build: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::replace(&mut self.group, group);
        let built = build(self);
        self.group = outer;
        built
    }

    /// Room for `parts` values of shape `part`, concatenated along channels.
    pub fn concat(&mut self, parts: usize, part: Shape) -> Concat {
        let channels = part.channels.saturating_mul(parts);
        let storage = self.storage(part.with_channels(channels), Content::Activation);
        Concat { storage, part, parts }
    }

    /// The whole of a concatenation.
    ///
    /// # Errors
    /// When a part of it was not written yet, or it has none.
    pub fn concat_value(&mut self, concat: Concat) -> Result<ValueId, Error> {
        let shape = self.storages[concat.storage.0].shape;
        if concat.parts == 0 {
            let (name, problem) = (format!("of {}", concat.part), "it has no parts".to_owned());
            return Err(Error::BadSize { op: "concatenation", name, problem });
        }
        if let Some(slot) = (0..concat.parts).find(|&slot| !self.is_written(concat.slot(slot))) {
            let name = format!("{} of {}", concat.parts, concat.part);
            let problem = format!("slot {slot} was not written yet");
            return Err(Error::BadSize { op: "concatenation", name, problem });
        }
        let tensor = Tensor { storage: concat.storage, channel: 0, shape };
        Ok(self.value(tensor, None))
    }

    /// The part `slot` of a concatenation, for an operation `name` that writes it.
    ///
    /// # Errors
    /// When there is no such slot, or it was written before.
    pub(crate) fn slot(&self, name: &str, concat: Concat, slot: usize) -> Result<Tensor, Error> {
        let refused = |problem| Err(Error::BadSize { op: "concatenation", name: name.to_owned(), problem });
        if slot >= concat.parts {
            return refused(format!("there is no slot {slot} in a concatenation of {}", concat.parts));
        }
        let output = concat.slot(slot);
        if self.is_written(output) {
            return refused(format!("slot {slot} of the concatenation was written before"));
        }
        Ok(output)
    }

    fn is_written(&self, tensor: Tensor) -> bool {
        self.nodes.iter().filter_map(|node| node.op.output()).any(|output| output.overlaps(tensor))
    }

    /// How an operation reads a value, which asks for a ReLU itself or not.
    pub(crate) fn read(&self, value: ValueId, relu: bool) -> Input {
        let input = self.values[value.0];
        Input { relu: relu || input.relu, ..input }
    }

    /// ReLU of a value, applied wherever it is read.
    pub fn relu(&mut self, value: ValueId) -> ValueId {
        let input = self.read(value, true);
        self.values.push(input);
        ValueId(self.values.len() - 1)
    }

    /// `channels` channels of a value, from `first` on. Nothing is copied.
    ///
    /// # Errors
    /// When the value does not have them.
    pub fn slice(&mut self, value: ValueId, first: usize, channels: usize) -> Result<ValueId, Error> {
        let input = self.values[value.0];
        let end = first.checked_add(channels);
        if channels == 0 || end.is_none_or(|end| end > input.tensor.shape.channels) {
            let name = format!("{channels} from channel {first} on");
            let problem = format!("the value has {} channels", input.tensor.shape.channels);
            return Err(Error::BadSize { op: "slice", name, problem });
        }
        self.values.push(Input { tensor: input.tensor.slice(first, channels), ..input });
        Ok(ValueId(self.values.len() - 1))
    }

    /// What operations read through a ReLU stays in memory until the end of a step, so that
    /// [`Trainer::rectified`](crate::Trainer::rectified) can give it. It takes more memory and changes nothing else.
    pub fn keep_rectified(&mut self) {
        self.keeps_rectified = true;
    }

    pub(crate) fn param(&mut self, name: String, shape: Vec<usize>, init: Init) -> ParamId {
        let group = self.group;
        let training_only = self.training_only;
        self.tables.params.push(Param { name, shape, init, is_fixed: false, training_only, group });
        ParamId(self.tables.params.len() - 1)
    }

    pub(crate) fn storage(&mut self, shape: Shape, content: Content) -> StorageId {
        self.storages.push(Storage { shape, content, guard: self.guard });
        StorageId(self.storages.len() - 1)
    }

    /// Memory of its own for a value.
    pub(crate) fn tensor(&mut self, shape: Shape) -> Tensor {
        Tensor { storage: self.storage(shape, Content::Activation), channel: 0, shape }
    }

    /// The first of `count` workspaces.
    pub(crate) fn workspaces(&mut self, count: usize) -> WorkspaceId {
        let first = self.tables.workspaces;
        self.tables.workspaces += count;
        WorkspaceId(first)
    }

    /// What lies in a tensor, behind a normalisation if there is one.
    pub(crate) fn value(&mut self, tensor: Tensor, norm: Option<NormId>) -> ValueId {
        self.values.push(Input { tensor, norm, relu: false });
        ValueId(self.values.len() - 1)
    }

    pub(crate) fn push(&mut self, op: impl Operation + 'static) {
        let (training_only, guard) = (self.training_only, self.guard);
        self.nodes.push(Node { op: Arc::new(op), guard, training_only });
    }

    /// Adds an operation that writes `output`; the value of that.
    pub(crate) fn push_value(&mut self, op: impl Operation + 'static, output: Tensor) -> ValueId {
        self.push(op);
        self.value(output, None)
    }

    /// A normalisation of `raw` with parameters of its own, and who takes its sums: what writes `raw`, where all of it can and
    /// takes none for another normalisation.
    pub(crate) fn normalise(&mut self, name: &str, raw: Tensor, is_affine: bool) -> (NormId, SumsBy) {
        let norm = NormId(self.tables.norms.len());
        let writes = |node: &Node| node.op.output().is_some_and(|output| output.overlaps(raw));
        let makers: Vec<usize> = (0..self.nodes.len()).filter(|&node| writes(&self.nodes[node])).collect();
        let normalised = |&maker: &usize| {
            let op = &self.nodes[maker].op;
            op.output().filter(|&output| raw.contains(output)).and_then(|_| op.normalised(norm))
        };
        let normalised: Option<Vec<_>> = makers.iter().map(normalised).collect();
        let sums_by = if normalised.is_some() { SumsBy::Producers } else { SumsBy::OwnCall };
        for (maker, op) in makers.into_iter().zip(normalised.unwrap_or_default()) {
            self.nodes[maker].op = op;
        }
        let channels = raw.shape.channels;
        let starts = if is_affine { Init::NormScale } else { Init::One };
        let scale = self.param(format!("{name}.weight"), vec![channels], starts);
        let shift = self.param(format!("{name}.bias"), vec![channels], Init::Zero);
        for param in [scale, shift] {
            self.tables.params[param.0].is_fixed = !is_affine;
        }
        let offset = self.tables.norm_channels;
        self.tables.norm_channels += channels;
        self.tables.norms.push(Normalisation { name: name.to_owned(), scale, shift, raw, offset });
        (norm, sums_by)
    }

    /// The calls of all operations, forward and, in training, backward. Where activations have 16 bits (`half_precision`),
    /// gradients are summed apart from where they lie. `own` are calls that no operation adds.
    pub(crate) fn lower(&self, mode: Mode, half_precision: bool, own: TapeCalls) -> Program<dyn Call> {
        // Who gives last is known when all have given.
        let whole = (half_precision && mode == Mode::Train).then(|| self.tape(mode, own, None).whole());
        let mut program = self.tape(mode, own, whole).finish();
        if self.keeps_rectified && mode == Mode::Train {
            program.kept = self.rectified();
        }
        program
    }

    /// What operations read through a ReLU in every step, in their order. Those that write parts of one value read it through
    /// one.
    fn rectified(&self) -> Vec<Input> {
        let mut found: Vec<(Input, Option<StorageId>)> = Vec::new();
        // What stands behind a guard is not there in every step.
        for node in self.nodes.iter().filter(|node| node.guard.is_none()) {
            let output = node.op.output().map(|output| output.storage);
            for input in node.op.inputs().into_iter().filter(|input| input.relu) {
                if !found.contains(&(input, output)) {
                    found.push((input, output));
                }
            }
        }
        found.into_iter().map(|(input, _)| input).collect()
    }

    fn tape(&self, mode: Mode, own: TapeCalls, whole: Option<Vec<Channels>>) -> Tape {
        let training = mode == Mode::Train;
        let readers = self.nodes.iter().flat_map(|node| node.op.inputs()).collect();
        let mut tape = Tape::new(mode, &self.tables, &self.storages, readers, own, whole);
        let nodes = || self.nodes.iter().filter(|node| training || !node.training_only);
        nodes().for_each(|node| tape.behind(node.guard, |tape| node.op.forward(tape)));
        if training {
            nodes().rev().for_each(|node| tape.behind(node.guard, |tape| node.op.backward(tape)));
        }
        tape
    }

    /// Whether what lies in a tensor is there in the steps in which what is built now is run, and in no others.
    pub(crate) fn is_served_alike(&self, tensor: Tensor) -> bool {
        self.storages[tensor.storage.0].guard == self.guard
    }

    /// Whether some of it is not run in every step.
    pub(crate) fn is_guarded(&self) -> bool {
        self.nodes.iter().any(|node| node.guard.is_some())
    }
}

impl Concat {
    /// The part with a number.
    fn slot(self, slot: usize) -> Tensor {
        Tensor { storage: self.storage, channel: slot * self.part.channels, shape: self.part }
    }

    /// Shape of each part.
    pub(crate) fn part(self) -> Shape {
        self.part
    }
}
