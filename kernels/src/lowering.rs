//! From a graph to a program.
//!
//! Differentiation is one backward rule per operation, applied to the nodes in reverse. A normalised value whose only
//! reader is one edge of a node's sum needs no gradient memory of its own: its gradient is the sum's, times the drop-path
//! scale, sent through the normalisation on load ([`Gradient`]).

use crate::graph::{DropId, Graph, Input, StorageId, Tensor};
use crate::ops::Op;
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
