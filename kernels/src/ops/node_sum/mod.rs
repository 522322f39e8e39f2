//! The sum of a node's edges: `y = Σ_e scale_e · x_e`, where `x_e` is read through its normalisation and
//! `scale_e` is the edge's drop-path mask, one number an image (0 or 1 / keep probability), and the weight of a mixture where it
//! has one. An edge whose weight is 0 adds nothing, whatever its value, which may not be there.
//!
//! Backward: each `x_e` gets `scale_e · dy`. Where an edge is the only reader of what it reads, that is no call: who needs the
//! gradient of `x_e` reads `dy`.

mod cpu;
mod gpu;
mod onnx;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
mod typical;

#[cfg(test)]
pub(super) use gpu::SHADERS;
pub(super) use gpu::put_gradient;
#[cfg(test)]
pub(super) use tests::examples;
pub(super) use typical::typical;

use super::mixture::Mixture;
use crate::error::Error;
use crate::graph::{Call, Concat, Graph, Operation, Tape, ValueId};
use crate::program::{
    Access, Accesses, Declare, DropId, Gradient, Input, Mixed, Placement, Resource, Sink, Tensor, WorkspaceId,
};
use crate::shape::Shape;

/// What one edge adds.
#[derive(Clone, Copy, Debug)]
struct Edge {
    input: Input,
    drop: Option<DropId>,
    mixed: Option<Mixed>,
}

#[derive(Clone, Debug)]
struct NodeSum {
    edges: Vec<Edge>,
    output: Tensor,
    /// What machines may keep a sum of part of the edges in, where there are several.
    sum: Option<WorkspaceId>,
}

/// The sum.
#[derive(Debug)]
struct Forward {
    op: NodeSum,
}

/// A gradient put where it has memory of its own: that of an edge, or of a value that is read with and without its
/// normalisation.
#[derive(Debug)]
pub(super) struct EdgeBackward {
    pub(super) gradient: Gradient,
    /// What was read, where that was behind a ReLU: its gate.
    pub(super) gate: Option<Input>,
    pub(super) sink: Sink,
}

/// The gradient of the weight of an edge whose value nothing else gives it for: `Σ scale·dy·x`.
#[derive(Debug)]
struct WeightGradient {
    gradient: Gradient,
    input: Input,
    mixed: Mixed,
}

/// A gradient of zero: where nothing else gives one, or where all that gives one has given.
#[derive(Debug)]
struct Zeros {
    sink: Sink,
}

/// The call that gives it.
pub(super) fn zeros(sink: Sink) -> impl Call {
    Zeros { sink }
}

impl Operation for NodeSum {
    fn inputs(&self) -> Vec<Input> {
        self.edges.iter().map(|edge| edge.input).collect()
    }

    fn weights(&self) -> Vec<Option<Mixed>> {
        self.edges.iter().map(|edge| edge.mixed).collect()
    }

    fn output(&self) -> Option<Tensor> {
        Some(self.output)
    }

    fn elementwise_flops(&self) -> u64 {
        (self.edges.len() * self.output.shape.elements()) as u64
    }

    fn forward(&self, tape: &mut Tape) {
        let mut op = self.clone();
        if !tape.is_training() {
            op.edges.iter_mut().for_each(|edge| edge.drop = None);
        }
        tape.push(Forward { op });
    }

    fn backward(&self, tape: &mut Tape) {
        let Some(gradient) = tape.gradient(self.output, None) else { return };
        for &Edge { input, drop, mixed } in &self.edges {
            let gradient = Gradient { scale: drop, mixed, ..gradient };
            if let Some(mixed) = mixed {
                tape.weigh(mixed.mixture);
            }
            if tape.is_only_reader(input) {
                tape.alias(input, gradient);
                continue;
            }
            tape.behind(mixed.and_then(Mixed::guard), |tape| {
                if let Some(mixed) = mixed {
                    tape.push(WeightGradient { gradient, input, mixed });
                }
                if let Some(sink) = tape.sink(input) {
                    tape.push(EdgeBackward { gradient, gate: input.relu.then_some(input), sink });
                }
            });
        }
    }
}

impl Declare for Forward {
    fn kind(&self) -> &'static str {
        "node sum"
    }

    fn accesses(&self) -> Vec<Access> {
        let edge = |list: Accesses, edge: &Edge| {
            let list = list.reads_input(edge.input).reads_weight(edge.mixed);
            if edge.drop.is_some() { list.reads(Resource::DropPath) } else { list }
        };
        let list = self.op.edges.iter().fold(Accesses::default(), edge).writes_tensor(self.op.output);
        self.op.sum.map(Resource::Workspace).into_iter().fold(list, Accesses::writes).list()
    }
}

impl Declare for EdgeBackward {
    fn kind(&self) -> &'static str {
        "edge: backward"
    }

    fn accesses(&self) -> Vec<Access> {
        let list = Accesses::default().reads_gradient(self.gradient).gives(self.sink);
        let list = list.reads_weight(self.gradient.mixed);
        self.gate.into_iter().fold(list, Accesses::reads_input).list()
    }

    fn placement(&self) -> Placement {
        Placement::Late
    }
}

impl Declare for Zeros {
    fn kind(&self) -> &'static str {
        "edge: backward"
    }

    fn accesses(&self) -> Vec<Access> {
        Accesses::default().gives(self.sink).list()
    }
}

impl Declare for WeightGradient {
    fn kind(&self) -> &'static str {
        "mixture: backward"
    }

    fn accesses(&self) -> Vec<Access> {
        let list = Accesses::default().reads_gradient(self.gradient).reads_input(self.input);
        list.gives_weight(Some(self.mixed)).list()
    }
}

/// A term of a sum: a value, whether drop path applies to it, and its weight.
#[derive(Clone, Copy, Debug)]
pub struct Term {
    /// The value.
    pub value: ValueId,
    /// Whether drop path applies.
    pub drop: bool,
    /// A mixture, a row of it, and a choice of the row.
    pub weight: Option<(Mixture, usize, usize)>,
}

impl Graph {
    /// Sum of edges, written to part `slot` of `concat`; no edge gives zeros. An edge is a value and whether
    /// drop path applies to it.
    ///
    /// # Errors
    /// When there is no such slot, it was written before, or an edge's shape is not that of the part.
    pub fn node_sum(
        &mut self,
        name: &str,
        edges: &[(ValueId, bool)],
        concat: Concat,
        slot: usize,
    ) -> Result<ValueId, Error> {
        let term = |&(value, drop): &(ValueId, bool)| Term { value, drop, weight: None };
        let terms: Vec<_> = edges.iter().map(term).collect();
        self.weighted_sum(name, &terms, concat, slot)
    }

    /// Sum of terms, each times its weight, written to part `slot` of `concat`; no term gives zeros.
    ///
    /// # Errors
    /// When there is no such slot, it was written before, a term's shape is not that of the part, or its mixture does not have
    /// the weight.
    pub fn weighted_sum(
        &mut self,
        name: &str,
        terms: &[Term],
        concat: Concat,
        slot: usize,
    ) -> Result<ValueId, Error> {
        let output = self.slot(name, concat, slot)?;
        let mut edges = Vec::with_capacity(terms.len());
        for &Term { value, drop, weight } in terms {
            let (left, right) = (self.shape(value), concat.part());
            if left != right {
                return Err(Error::ShapeMismatch { op: "node sum", name: name.to_owned(), left, right });
            }
            let weight =
                weight.map(|(mixture, row, choice)| self.mixed(name, mixture, row, choice, left.channels));
            edges.push(Edge {
                input: self.read(value, false),
                drop: drop.then(|| self.drop_path()),
                mixed: weight.transpose()?,
            });
        }
        let sum = (edges.len() > 1).then(|| self.workspaces(1));
        Ok(self.push_value(NodeSum { edges, output, sum }, output))
    }

    /// Sum of values of one shape.
    ///
    /// # Errors
    /// When there is none, or their shapes differ.
    pub fn sum(&mut self, name: &str, values: &[ValueId]) -> Result<ValueId, Error> {
        let Some(&first) = values.first() else {
            let problem = "there is nothing to sum".to_owned();
            return Err(Error::BadSize { op: "sum", name: name.to_owned(), problem });
        };
        let concat = self.concat(1, self.shape(first));
        let edges: Vec<_> = values.iter().map(|&value| (value, false)).collect();
        self.node_sum(name, &edges, concat, 0)
    }

    /// Values of any widths and one size, one after the other along channels.
    ///
    /// # Errors
    /// When there is none, or their sizes differ.
    pub fn concatenate(&mut self, name: &str, values: &[ValueId]) -> Result<ValueId, Error> {
        let shapes: Vec<_> = values.iter().map(|&value| self.shape(value)).collect();
        let Some(&left) = shapes.first() else {
            let problem = "there is nothing to concatenate".to_owned();
            return Err(Error::BadSize { op: "concatenation", name: name.to_owned(), problem });
        };
        let same = |right: &Shape| right.with_channels(left.channels) == left;
        if let Some(&right) = shapes.iter().find(|right| !same(right)) {
            let problem =
                format!("heights and widths of {left} and {right} differ; all values must be of one size");
            return Err(Error::BadSize { op: "concatenation", name: name.to_owned(), problem });
        }
        let channels = shapes.iter().map(|shape| shape.channels).sum();
        let whole = self.tensor(left.with_channels(channels));
        let mut first = 0;
        for (&value, shape) in values.iter().zip(shapes) {
            let edge = Edge { input: self.read(value, false), drop: None, mixed: None };
            let output = whole.slice(first, shape.channels);
            self.push(NodeSum { edges: vec![edge], output, sum: None });
            first += shape.channels;
        }
        Ok(self.value(whole, None))
    }
}
