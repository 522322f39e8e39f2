//! From a graph to a fixed list of kernel calls, forward and backward, with what each reads and writes.
//!
//! Differentiation is one backward rule per operation, applied to the nodes in reverse. A normalised value
//! whose only reader is one edge of a node's sum needs no gradient memory of its own: its gradient is the
//! sum's, times the drop-path scale, sent through the normalisation on load ([`Gradient`]).

use std::collections::HashMap;

use crate::graph::{DropId, Graph, Head, Input, NormId, StorageId, Tensor};
use crate::ops::{Convolution, NodeSum, Op, Pool, WindowAverage};
use crate::shape::Shape;

/// What a program is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Batch statistics, drop path, auxiliary head, backward pass and update.
    Train,
    /// Running statistics; logits, loss and hits only.
    Evaluate,
}

/// The gradient of what an operation wrote, as it is read.
///
/// Without a normalisation it is `tensor`, times `scale`. With one it is that sent back through the
/// normalisation: `dy = A[c]·scale·tensor + B[c]·raw + C[c]`, with the coefficients that
/// [`Call::NormGradient`] leaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Gradient {
    pub(crate) tensor: Tensor,
    pub(crate) scale: Option<DropId>,
    pub(crate) norm: Option<NormId>,
    /// What the operation wrote in the forward pass (needed when there is a normalisation).
    pub(crate) raw: Tensor,
}

/// Where a gradient goes: written, or added to what earlier calls wrote.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sink {
    pub(crate) tensor: Tensor,
    pub(crate) accumulate: bool,
}

/// One kernel call. Names of the fields are those of the operations in `ops/`.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    /// Fills the input from resident 8-bit images: the batch's images, preprocessed (and augmented in
    /// training).
    LoadImages { output: Tensor },
    /// Draws the drop-path scale of every edge and image of the batch.
    DrawDropPath,
    /// Forward convolution; with a normalisation in training also the sums for its statistics.
    Convolve { op: Convolution },
    /// Forward pooling; likewise.
    Pool { op: Pool },
    /// From sums to mean, variance, the affine map `a·y + b` (`a = γ/√(var+eps)`, `b = β - a·mean`) and
    /// running statistics.
    NormStatistics { norm: NormId },
    /// Forward sum of a node.
    NodeSum { op: NodeSum },
    /// Forward averages over windows.
    WindowAverage { op: WindowAverage },
    /// Cross-entropy of a head; in training also `dlogits`, already times the head's weight over the batch
    /// size.
    CrossEntropy { head: Head, gradient: Option<Tensor> },

    /// Sums `Σ scale·g` and `Σ scale·g·(y - mean)` of a normalisation, over the batch and all pixels.
    NormGradientSums { norm: NormId, gradient: Gradient },
    /// From those to the gradients of γ and β, and to A, B, C of [`Gradient`].
    NormGradient { norm: NormId },
    /// Gradients of the input (when asked for) and partial sums of the gradients of the weights.
    ConvolveBackward { op: Convolution, gradient: Gradient, sink: Option<Sink> },
    /// Adds up the partial sums of the weights' gradients.
    WeightGradient { op: Convolution },
    /// Gradient of the input of a pooling.
    PoolBackward { op: Pool, gradient: Gradient, sink: Sink },
    /// Gradient of an edge that has memory of its own: `sink (+)= scale · gradient`.
    EdgeBackward { gradient: Tensor, scale: Option<DropId>, sink: Sink },
    /// Gradient of the input of averages over windows.
    WindowAverageBackward { op: WindowAverage, gradient: Tensor, sink: Sink },
    /// Norm of all gradients, clip, weight decay, momentum, step.
    Update,
}

/// What a storage of the program holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// Activations or their gradients: 4 bytes an element, or 2 with `float_bits = 16`.
    Activation,
    /// Tap numbers of a maximum: 1 byte an element.
    Taps,
}

/// A block of memory of the program, per image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Storage {
    pub(crate) shape: Shape,
    pub(crate) content: Content,
}

/// The list of calls, in an order in which they may be run one by one.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) mode: Mode,
    pub(crate) calls: Vec<Call>,
    /// Storages of the graph first, then those of gradients.
    pub(crate) storages: Vec<Storage>,
    /// Parameters that get a gradient, by parameter.
    pub(crate) trained: Vec<bool>,
}

/// Something that calls read and write.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Resource {
    /// Channels of a storage.
    Tensor(Tensor),
    /// Sums for the statistics, over some channels of a normalisation.
    NormSums(NormId),
    /// Affine map, mean and variance.
    NormMap(NormId),
    /// Sums for the gradient.
    NormGradientSums(NormId),
    /// Coefficients A, B, C.
    NormGradientMap(NormId),
    /// Partial sums of the gradients of a convolution's weights (named by its weight parameter).
    WeightPartials(usize),
    /// The flat gradients, by some convolution or normalisation.
    ParameterGradients,
    /// Drop-path scales.
    DropPath,
    /// Weights.
    Parameters,
    /// Losses and hits of the batch.
    Metrics,
}

/// One access of a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Access {
    pub(crate) resource: Resource,
    pub(crate) kind: AccessKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AccessKind {
    Read,
    Write,
    /// Writes something that no other call with a shared access to the same resource touches (other channels,
    /// other parameters): such calls do not wait for each other.
    SharedWrite,
}

impl Program {
    /// Lowers a graph.
    pub(crate) fn new(graph: &Graph, mode: Mode) -> Self {
        Lowering::new(graph, mode).run()
    }
}

impl Call {
    /// All that the call reads and writes.
    pub(crate) fn accesses(&self) -> Vec<Access> {
        use AccessKind::{Read, SharedWrite, Write};
        let mut list = Vec::new();
        let mut add = |resource, kind| list.push(Access { resource, kind });
        let tensor = Resource::Tensor;
        match self {
            Self::LoadImages { output } => add(tensor(*output), Write),
            Self::DrawDropPath => add(Resource::DropPath, Write),
            Self::Convolve { op } => {
                read_input(&mut add, op.input);
                add(Resource::Parameters, Read);
                add(tensor(op.output), Write);
                if let Some(norm) = op.norm {
                    add(Resource::NormSums(norm), SharedWrite);
                }
            }
            Self::Pool { op } => {
                read_input(&mut add, op.input);
                add(tensor(op.output), Write);
                if let Some(storage) = op.taps {
                    add(tensor(Tensor { storage, channel: 0, shape: op.output.shape }), Write);
                }
                if let Some(norm) = op.norm {
                    add(Resource::NormSums(norm), SharedWrite);
                }
            }
            Self::NormStatistics { norm } => {
                add(Resource::NormSums(*norm), Read);
                add(Resource::Parameters, Read);
                add(Resource::NormMap(*norm), Write);
            }
            Self::NodeSum { op } => {
                for (input, drop) in &op.edges {
                    read_input(&mut add, *input);
                    if drop.is_some() {
                        add(Resource::DropPath, Read);
                    }
                }
                add(tensor(op.output), Write);
            }
            Self::WindowAverage { op } => {
                read_input(&mut add, op.input);
                add(tensor(op.output), Write);
            }
            Self::CrossEntropy { head, gradient } => {
                add(tensor(head.logits), Read);
                add(Resource::Metrics, Write);
                if let Some(gradient) = gradient {
                    add(tensor(*gradient), Write);
                }
            }
            Self::NormGradientSums { norm, gradient } => {
                add(tensor(gradient.tensor), Read);
                add(tensor(gradient.raw), Read);
                add(Resource::NormMap(*norm), Read);
                if gradient.scale.is_some() {
                    add(Resource::DropPath, Read);
                }
                add(Resource::NormGradientSums(*norm), Write);
            }
            Self::NormGradient { norm } => {
                add(Resource::NormGradientSums(*norm), Read);
                add(Resource::NormMap(*norm), Read);
                add(Resource::NormGradientMap(*norm), Write);
                add(Resource::ParameterGradients, SharedWrite);
            }
            Self::ConvolveBackward { op, gradient, sink } => {
                read_gradient(&mut add, *gradient);
                read_input(&mut add, op.input);
                add(Resource::Parameters, Read);
                add(Resource::WeightPartials(op.weight.0), Write);
                if let Some(sink) = sink {
                    add(tensor(sink.tensor), Write);
                }
            }
            Self::WeightGradient { op } => {
                add(Resource::WeightPartials(op.weight.0), Read);
                add(Resource::ParameterGradients, SharedWrite);
            }
            Self::PoolBackward { op, gradient, sink } => {
                read_gradient(&mut add, *gradient);
                if let Some(storage) = op.taps {
                    add(tensor(Tensor { storage, channel: 0, shape: op.output.shape }), Read);
                }
                add(tensor(sink.tensor), Write);
            }
            Self::EdgeBackward { gradient, scale, sink } => {
                add(tensor(*gradient), Read);
                if scale.is_some() {
                    add(Resource::DropPath, Read);
                }
                add(tensor(sink.tensor), Write);
            }
            Self::WindowAverageBackward { op, gradient, sink } => {
                add(tensor(*gradient), Read);
                read_input(&mut add, op.input);
                add(tensor(sink.tensor), Write);
            }
            Self::Update => {
                add(Resource::ParameterGradients, Read);
                add(Resource::Parameters, Write);
            }
        }
        list
    }

    /// The storages it touches.
    pub(crate) fn storages(&self) -> Vec<StorageId> {
        let touched = self.accesses().into_iter().filter_map(|access| match access.resource {
            Resource::Tensor(tensor) => Some(tensor.storage),
            _ => None,
        });
        touched.collect()
    }
}

fn read_input(add: &mut impl FnMut(Resource, AccessKind), input: Input) {
    add(Resource::Tensor(input.tensor), AccessKind::Read);
    if let Some(norm) = input.norm {
        add(Resource::NormMap(norm), AccessKind::Read);
    }
}

fn read_gradient(add: &mut impl FnMut(Resource, AccessKind), gradient: Gradient) {
    add(Resource::Tensor(gradient.tensor), AccessKind::Read);
    if let Some(norm) = gradient.norm {
        add(Resource::Tensor(gradient.raw), AccessKind::Read);
        add(Resource::NormGradientMap(norm), AccessKind::Read);
    }
    if gradient.scale.is_some() {
        add(Resource::DropPath, AccessKind::Read);
    }
}

impl Resource {
    /// Whether an access to one may meet an access to the other.
    pub(crate) fn overlaps(self, other: Self) -> bool {
        match (self, other) {
            (Self::Tensor(a), Self::Tensor(b)) => a.overlaps(b),
            (a, b) => a == b,
        }
    }
}

/// State of the lowering of one graph.
struct Lowering<'a> {
    graph: &'a Graph,
    program: Program,
    /// Storage of the gradient of each storage of the graph, once something wrote to it.
    gradients: Vec<Option<StorageId>>,
    /// Channels of gradients that were written, by storage of the graph.
    written: Vec<Vec<bool>>,
    /// Gradients that are read from a node's sum.
    aliases: Vec<(Tensor, Tensor, Option<DropId>)>,
    /// Normalisations whose gradient calls are there.
    norms_done: Vec<bool>,
}

impl<'a> Lowering<'a> {
    fn new(graph: &'a Graph, mode: Mode) -> Self {
        let taps: Vec<StorageId> = graph
            .nodes
            .iter()
            .filter_map(|node| match &node.op {
                Op::Pool(pool) => pool.taps,
                _ => None,
            })
            .collect();
        let storage = |(index, &shape): (usize, &Shape)| Storage {
            shape,
            content: if taps.contains(&StorageId(index)) { Content::Taps } else { Content::Activation },
        };
        let storages: Vec<_> = graph.storages.iter().enumerate().map(storage).collect();
        Self {
            graph,
            gradients: vec![None; storages.len()],
            written: graph.storages.iter().map(|shape| vec![false; shape.channels]).collect(),
            aliases: Vec::new(),
            norms_done: vec![false; graph.norms.len()],
            program: Program { mode, calls: Vec::new(), storages, trained: vec![false; graph.params.len()] },
        }
    }

    fn run(mut self) -> Program {
        let train = self.program.mode == Mode::Train;
        self.forward(train);
        if train {
            for node in self.graph.nodes.iter().rev() {
                self.backward(&node.op);
            }
            self.program.calls.push(Call::Update);
        }
        self.program
    }

    fn forward(&mut self, train: bool) {
        if train && self.graph.drops > 0 {
            self.program.calls.push(Call::DrawDropPath);
        }
        self.program.calls.push(Call::LoadImages { output: self.graph.input });
        let nodes = self.graph.nodes.iter().filter(|node| train || !node.training_only);
        let mut normalised = vec![0; self.graph.norms.len()];
        for node in nodes {
            let call = match &node.op {
                Op::Convolution(op) => Call::Convolve { op: op.clone() },
                Op::Pool(op) => Call::Pool { op: op.clone() },
                Op::NodeSum(op) => {
                    let mut op = op.clone();
                    if !train {
                        op.edges.iter_mut().for_each(|edge| edge.1 = None);
                    }
                    Call::NodeSum { op }
                }
                Op::WindowAverage(op) => Call::WindowAverage { op: op.clone() },
            };
            self.program.calls.push(call);
            // The statistics follow the last operation that writes what is normalised.
            if let (true, Some(norm)) = (train, node.op.norm()) {
                normalised[norm.0] += node.op.output().shape.channels;
                if normalised[norm.0] == self.graph.norms[norm.0].raw.shape.channels {
                    self.program.calls.push(Call::NormStatistics { norm });
                }
            }
        }
        let heads = self.graph.heads.iter().filter(|head| train || !head.training_only);
        for &head in heads {
            let gradient = train.then(|| self.sink(head.logits).tensor);
            self.program.calls.push(Call::CrossEntropy { head, gradient });
        }
    }

    fn backward(&mut self, op: &Op) {
        let Some(gradient) = self.gradient_of(op) else { return };
        if let Some(norm) = op.norm()
            && !self.norms_done[norm.0]
        {
            self.norms_done[norm.0] = true;
            let raw = self.graph.norms[norm.0].raw;
            let whole = self.raw_gradient(raw).unwrap_or((gradient.tensor, gradient.scale));
            let whole = Gradient { tensor: whole.0, scale: whole.1, norm: Some(norm), raw };
            self.program.calls.push(Call::NormGradientSums { norm, gradient: whole });
            self.program.calls.push(Call::NormGradient { norm });
            self.program.trained[self.graph.norms[norm.0].scale.0] = true;
            self.program.trained[self.graph.norms[norm.0].shift.0] = true;
        }
        match op {
            Op::Convolution(op) => {
                let sink = self.wanted(op.input).then(|| self.sink(op.input.tensor));
                for param in Op::Convolution(op.clone()).params() {
                    self.program.trained[param.0] = true;
                }
                self.program.calls.push(Call::ConvolveBackward { op: op.clone(), gradient, sink });
                self.program.calls.push(Call::WeightGradient { op: op.clone() });
            }
            Op::Pool(op) => {
                if self.wanted(op.input) {
                    let sink = self.sink(op.input.tensor);
                    self.program.calls.push(Call::PoolBackward { op: op.clone(), gradient, sink });
                }
            }
            Op::WindowAverage(op) => {
                if self.wanted(op.input) {
                    let sink = self.sink(op.input.tensor);
                    let gradient = gradient.tensor;
                    self.program.calls.push(Call::WindowAverageBackward { op: op.clone(), gradient, sink });
                }
            }
            Op::NodeSum(op) => {
                for &(input, scale) in &op.edges {
                    if self.only_reader_is_this_edge(input) {
                        self.aliases.push((input.tensor, gradient.tensor, scale));
                    } else if self.wanted(input) {
                        let sink = self.sink(input.tensor);
                        self.program.calls.push(Call::EdgeBackward {
                            gradient: gradient.tensor,
                            scale,
                            sink,
                        });
                    }
                }
            }
        }
    }

    /// The gradient of what `op` wrote, when the loss depends on it.
    fn gradient_of(&self, op: &Op) -> Option<Gradient> {
        let raw = op.output();
        let (tensor, scale) = self.raw_gradient(raw)?;
        Some(Gradient { tensor, scale, norm: op.norm(), raw })
    }

    /// Gradient of a value and its scale: from a node's sum, or from the value's own gradient memory.
    fn raw_gradient(&self, value: Tensor) -> Option<(Tensor, Option<DropId>)> {
        for &(whole, gradient, scale) in &self.aliases {
            if whole.contains(value) {
                return Some((gradient.slice(value.channel - whole.channel, value.shape.channels), scale));
            }
        }
        let written = &self.written[value.storage.0][value.channel..][..value.shape.channels];
        let storage = self.gradients[value.storage.0]?;
        written.iter().all(|&w| w).then_some((Tensor { storage, ..value }, None))
    }

    /// Where the gradient of `value` goes next.
    fn sink(&mut self, value: Tensor) -> Sink {
        let shape = self.graph.storages[value.storage.0];
        let storage = *self.gradients[value.storage.0].get_or_insert_with(|| {
            self.program.storages.push(Storage { shape, content: Content::Activation });
            StorageId(self.program.storages.len() - 1)
        });
        let written = &mut self.written[value.storage.0][value.channel..][..value.shape.channels];
        let accumulate = written.iter().all(|&w| w);
        // Whole values are written by later cells before parts of them are by this one, so a part is never
        // written first.
        assert!(accumulate || written.iter().all(|&w| !w), "gradient of {value:?} is half written");
        written.fill(true);
        Sink { tensor: Tensor { storage, ..value }, accumulate }
    }

    fn wanted(&self, input: Input) -> bool {
        input.tensor.storage != self.graph.input.storage
    }

    fn only_reader_is_this_edge(&self, input: Input) -> bool {
        let reads = self.graph.nodes.iter().flat_map(|node| node.op.inputs());
        input.norm.is_some() && reads.filter(|other| other.tensor.overlaps(input.tensor)).count() == 1
    }
}

/// When each call may run: times from 0. Calls of one time are independent of each other or, for calls of
/// which `local` is true, depend on each other only image by image and stand in the list's order.
///
/// Times of local calls are odd and those of others even, so that a time holds one sort only.
pub(crate) fn schedule(calls: &[Call], local: impl Fn(&Call) -> bool) -> Vec<usize> {
    let is_local: Vec<bool> = calls.iter().map(local).collect();
    let mut times: Vec<usize> = Vec::with_capacity(calls.len());
    // Earlier accesses to what a call touches; only those can make it wait.
    let mut earlier: HashMap<Bin, Vec<(usize, Access)>> = HashMap::new();
    for (index, call) in calls.iter().enumerate() {
        let mut time = usize::from(is_local[index]);
        let accesses = call.accesses();
        for mine in &accesses {
            for &(other, theirs) in earlier.get(&mine.resource.bin()).into_iter().flatten() {
                if !mine.waits_for(theirs) {
                    continue;
                }
                let by_image = mine.resource.is_by_image() && is_local[index] && is_local[other];
                let earliest = if by_image { times[other] } else { next_time(times[other], is_local[index]) };
                time = time.max(earliest);
            }
        }
        times.push(time);
        for access in accesses {
            earlier.entry(access.resource.bin()).or_default().push((index, access));
        }
    }
    times
}

/// The first time after `time` of a sort of calls.
fn next_time(time: usize, local: bool) -> usize {
    let next = time + 1;
    next + usize::from((next % 2 == 1) != local)
}

/// Accesses to resources of different bins never meet.
#[derive(PartialEq, Eq, Hash)]
enum Bin {
    Storage(StorageId),
    Norm(NormId),
    Weights(usize),
    Whole,
}

impl Resource {
    fn bin(self) -> Bin {
        match self {
            Self::Tensor(tensor) => Bin::Storage(tensor.storage),
            Self::NormSums(norm)
            | Self::NormMap(norm)
            | Self::NormGradientSums(norm)
            | Self::NormGradientMap(norm) => Bin::Norm(norm),
            Self::WeightPartials(weight) => Bin::Weights(weight),
            Self::ParameterGradients | Self::DropPath | Self::Parameters | Self::Metrics => Bin::Whole,
        }
    }

    /// Whether calls that work image by image meet in it image by image only.
    fn is_by_image(self) -> bool {
        matches!(self, Self::Tensor(_) | Self::DropPath | Self::Metrics)
    }
}

impl Access {
    /// Whether the later one of two accesses must see the earlier one done.
    fn waits_for(self, earlier: Self) -> bool {
        let both_read = self.kind == AccessKind::Read && earlier.kind == AccessKind::Read;
        let shared = self.kind == AccessKind::SharedWrite && earlier.kind == AccessKind::SharedWrite;
        !both_read && !shared && self.resource.overlaps(earlier.resource)
    }
}
