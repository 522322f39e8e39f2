//! Operations of one value that give another of its shape: what their calls read and write, and their launches, are the same.
//! What each computes is in its own folder.

mod gpu;
mod onnx;

pub(super) use gpu::Launches;
pub(super) use onnx::ExportFunction;

use std::fmt::Debug;

use crate::graph::{Call, Graph, Operation, Tape, ValueId};
use crate::program::{Access, Accesses, Declare, Input, Placement, Sink, Tensor};

/// What tells one of these operations from the others.
pub(super) trait UnaryOperation: ExportFunction + Copy + Debug + Send + Sync + 'static {
    /// The kinds of its calls, forward and backward.
    const KINDS: [&'static str; 2];
    /// What its backward pass needs of its forward one.
    const SAVED: Saved;
    /// FLOPs of an element, forward.
    const FLOPS: u64 = 0;

    /// The same where nothing is trained.
    fn in_evaluation(self) -> Self {
        self
    }
}

/// What a backward pass reads again beside the gradient. Where the input is read through a ReLU it is read too, for the gate.
pub(super) enum Saved {
    Nothing,
    Input,
    Output,
}

/// One of these operations in a network.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unary<F> {
    pub(super) input: Input,
    pub(super) output: Tensor,
    pub(super) function: F,
}

/// Forward.
#[derive(Debug)]
pub(super) struct Forward<F>(pub(super) Unary<F>);

/// Gradient of the input.
#[derive(Debug)]
pub(super) struct Backward<F> {
    pub(super) op: Unary<F>,
    pub(super) gradient: Tensor,
    pub(super) sink: Sink,
}

impl<F: UnaryOperation> Operation for Unary<F>
where
    Forward<F>: Call,
    Backward<F>: Call,
{
    fn inputs(&self) -> Vec<Input> {
        vec![self.input]
    }

    fn output(&self) -> Option<Tensor> {
        Some(self.output)
    }

    fn elementwise_flops(&self) -> u64 {
        F::FLOPS * self.output.shape.elements() as u64
    }

    fn forward(&self, tape: &mut Tape) {
        let function = if tape.is_training() { self.function } else { self.function.in_evaluation() };
        tape.push(Forward(Self { function, ..*self }));
    }

    fn backward(&self, tape: &mut Tape) {
        let Some(gradient) = tape.gradient(self.output, None) else { return };
        if let Some(sink) = tape.sink(self.input) {
            tape.push(Backward { op: *self, gradient: gradient.tensor, sink });
        }
    }
}

impl<F: UnaryOperation> Declare for Forward<F> {
    fn kind(&self) -> &'static str {
        F::KINDS[0]
    }

    fn accesses(&self) -> Vec<Access> {
        Accesses::default().reads_input(self.0.input).writes_tensor(self.0.output).list()
    }
}

impl<F: UnaryOperation> Declare for Backward<F> {
    fn kind(&self) -> &'static str {
        F::KINDS[1]
    }

    fn accesses(&self) -> Vec<Access> {
        let Unary { input, output, .. } = self.op;
        let list = Accesses::default().reads_tensor(self.gradient);
        let list = match F::SAVED {
            Saved::Nothing => list.reads_gate(input),
            Saved::Input => list.reads_input(input),
            Saved::Output => list.reads_tensor(output).reads_gate(input),
        };
        list.gives(self.sink).list()
    }

    fn placement(&self) -> Placement {
        Placement::Late
    }
}

impl Graph {
    /// What one of these operations makes of a value.
    pub(super) fn unary<F>(&mut self, input: ValueId, function: F) -> ValueId
    where
        Unary<F>: Operation + 'static,
    {
        let output = self.tensor(self.shape(input));
        self.push_value(Unary { input: self.read(input, false), output, function }, output)
    }
}
