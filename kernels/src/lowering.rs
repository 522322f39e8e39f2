//! From a graph to a program.
//!
//! Differentiation is one backward rule per operation, applied to the nodes in reverse. A normalised value whose only
//! reader is one edge of a node's sum needs no gradient memory of its own: its gradient is the sum's, times the drop-path
//! scale, sent through the normalisation on load ([`Gradient`]).

use crate::graph::{DropId, Graph, Input, NormId, StorageId, Tensor};
use crate::ops::{NodeSum, Op};
use crate::program::{Call, Content, Gradient, Mode, Program, Sink, Storage};
use crate::shape::Shape;

impl Program {
    /// Lowers a graph.
    pub(crate) fn new(graph: &Graph, mode: Mode) -> Self {
        Lowering::new(graph, mode).run()
    }
}

/// State of the lowering of one graph.
struct Lowering<'a> {
    graph: &'a Graph,
    program: Program,
    /// Gradients of what each storage of the graph holds, as it was produced and as it is normalised.
    gradients: Vec<[Gathered; 2]>,
    /// Gradients of normalised values that are read from a node's sum.
    aliases: Vec<(Tensor, Tensor, Option<DropId>)>,
    /// Normalisations whose gradient calls are there, if there are any, and whether the gradient of the value as it was
    /// produced has all then: where that is read too, or the normalised value is not.
    norms_done: Vec<Option<bool>>,
}

/// The gradient of a storage, as far as it is known.
#[derive(Clone)]
struct Gathered {
    /// Its memory, once something wrote to it.
    storage: Option<StorageId>,
    /// Channels that were written.
    written: Vec<bool>,
}

/// A value that gradients are of.
#[derive(Clone, Copy)]
struct Value {
    tensor: Tensor,
    /// As its normalisation makes it.
    normalised: bool,
}

impl From<Input> for Value {
    fn from(input: Input) -> Self {
        Self { tensor: input.tensor, normalised: input.norm.is_some() }
    }
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
            gradients: graph
                .storages
                .iter()
                .map(|shape| [Gathered::new(*shape), Gathered::new(*shape)])
                .collect(),
            aliases: Vec::new(),
            norms_done: vec![None; graph.norms.len()],
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
            let logits = Value { tensor: head.logits, normalised: false };
            let gradient = train.then(|| self.sink(logits).tensor);
            self.program.calls.push(Call::CrossEntropy { head, gradient });
        }
    }

    fn backward(&mut self, op: &Op) {
        let Some(gradient) = self.gradient_of(op) else { return };
        match op {
            Op::Convolution(op) => {
                let sink = self.wanted(op.input).then(|| self.sink(op.input.into()));
                for param in Op::Convolution(op.clone()).params() {
                    self.program.trained[param.0] = true;
                }
                self.program.calls.push(Call::ConvolveBackward { op: op.clone(), gradient, sink });
                self.program.calls.push(Call::WeightGradient { op: op.clone() });
            }
            Op::Pool(op) => {
                if self.wanted(op.input) {
                    let sink = self.sink(op.input.into());
                    self.program.calls.push(Call::PoolBackward { op: op.clone(), gradient, sink });
                }
            }
            Op::WindowAverage(op) => {
                if self.wanted(op.input) {
                    let sink = self.sink(op.input.into());
                    let gradient = gradient.tensor;
                    self.program.calls.push(Call::WindowAverageBackward { op: op.clone(), gradient, sink });
                }
            }
            Op::NodeSum(op) => {
                for &(input, scale) in &op.edges {
                    if self.only_reader_is_this_edge(input) {
                        self.aliases.push((input.tensor, gradient.tensor, scale));
                    } else if self.wanted(input) {
                        let sink = self.sink(input.into());
                        let gradient = Gradient { scale, ..gradient };
                        self.program.calls.push(Call::EdgeBackward { gradient, sink });
                    }
                }
            }
        }
    }

    /// The gradient of what `op` wrote, when the loss depends on it. Where that is normalised, the calls that send a gradient
    /// back through the normalisation are made for the first operation that asks.
    fn gradient_of(&mut self, op: &Op) -> Option<Gradient> {
        let raw = op.output();
        let as_produced = Value { tensor: raw, normalised: false };
        let Some(norm) = op.norm() else {
            return self.known(as_produced).map(|(tensor, scale)| Gradient {
                tensor,
                scale,
                norm: None,
                raw,
            });
        };
        let joined = match self.norms_done[norm.0] {
            Some(joined) => joined,
            None => self.send_back(norm),
        };
        let value = Value { normalised: !joined, ..as_produced };
        let (tensor, scale) = self.known(value)?;
        Some(Gradient { tensor, scale, norm: (!joined).then_some(norm), raw })
    }

    /// Makes the calls that send the gradient of a normalised value back, if there is one; whether the gradient of the value
    /// as it was produced has all then.
    fn send_back(&mut self, norm: NormId) -> bool {
        let info = &self.graph.norms[norm.0];
        let [as_produced, normalised] =
            [false, true].map(|normalised| Value { tensor: info.raw, normalised });
        let joined = match self.known(normalised) {
            None => true,
            Some((tensor, scale)) => {
                let gradient = Gradient { tensor, scale, norm: Some(norm), raw: info.raw };
                self.program.calls.push(Call::NormGradientSums { norm, gradient });
                self.program.calls.push(Call::NormGradient { norm });
                self.program.trained[info.scale.0] = true;
                self.program.trained[info.shift.0] = true;
                let is_read = self.is_known(as_produced);
                if is_read {
                    let sink = self.sink(as_produced);
                    self.program.calls.push(Call::EdgeBackward { gradient, sink });
                }
                is_read
            }
        };
        self.norms_done[norm.0] = Some(joined);
        joined
    }

    /// The gradient of a value and its scale: from a node's sum, or from memory of its own. Nothing when the loss does not
    /// depend on any of the value; what it does not depend on is zero.
    fn known(&mut self, value: Value) -> Option<(Tensor, Option<DropId>)> {
        let Value { tensor, normalised } = value;
        for &(whole, gradient, scale) in &self.aliases {
            if normalised && whole.contains(tensor) {
                return Some((gradient.slice(tensor.channel - whole.channel, tensor.shape.channels), scale));
            }
        }
        if !self.is_known(value) {
            return None;
        }
        self.fill(value);
        let storage = self.gradients[tensor.storage.0][usize::from(normalised)].storage?;
        Some((Tensor { storage, ..tensor }, None))
    }

    /// Whether some of its gradient lies in memory.
    fn is_known(&self, Value { tensor, normalised }: Value) -> bool {
        self.gradients[tensor.storage.0][usize::from(normalised)].of_channels(tensor).contains(&true)
    }

    /// Puts zeros where nothing wrote the gradient of a value, of which some is written.
    fn fill(&mut self, Value { tensor, normalised }: Value) {
        let gathered = &mut self.gradients[tensor.storage.0][usize::from(normalised)];
        let Some(storage) = gathered.storage else { return };
        let mut channel = tensor.channel;
        for run in gathered.of_channels(tensor).chunk_by(|a, b| a == b) {
            if !run[0] {
                let output = Tensor { storage, channel, shape: tensor.shape.with_channels(run.len()) };
                let op = NodeSum { edges: Vec::new(), output };
                self.program.calls.push(Call::NodeSum { op });
            }
            channel += run.len();
        }
        gathered.written[tensor.channel..][..tensor.shape.channels].fill(true);
    }

    /// Where the gradient of a value goes next.
    fn sink(&mut self, value: Value) -> Sink {
        let Value { tensor, normalised } = value;
        let accumulate = self.is_known(value);
        if accumulate {
            self.fill(value);
        }
        let gathered = &mut self.gradients[tensor.storage.0][usize::from(normalised)];
        let shape = self.graph.storages[tensor.storage.0];
        let storage = *gathered.storage.get_or_insert_with(|| {
            self.program.storages.push(Storage { shape, content: Content::Activation });
            StorageId(self.program.storages.len() - 1)
        });
        gathered.written[tensor.channel..][..tensor.shape.channels].fill(true);
        Sink { tensor: Tensor { storage, ..tensor }, accumulate }
    }

    fn wanted(&self, input: Input) -> bool {
        input.tensor.storage != self.graph.input.storage
    }

    fn only_reader_is_this_edge(&self, input: Input) -> bool {
        let reads = self.graph.nodes.iter().flat_map(|node| node.op.inputs());
        input.norm.is_some() && reads.filter(|other| other.tensor.overlaps(input.tensor)).count() == 1
    }
}

impl Gathered {
    fn new(shape: Shape) -> Self {
        Self { storage: None, written: vec![false; shape.channels] }
    }

    /// Which channels of `tensor` were written.
    fn of_channels(&self, tensor: Tensor) -> &[bool] {
        &self.written[tensor.channel..][..tensor.shape.channels]
    }
}
