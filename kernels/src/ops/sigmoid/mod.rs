//! The logistic function: `y = 1 / (1 + e^-x)`.
//!
//! Backward: `dy·y·(1 - y)`.

mod cpu;
mod gpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
mod typical;

#[cfg(test)]
pub(super) use gpu::SHADERS;
#[cfg(test)]
pub(super) use tests::examples;
pub(super) use typical::typical;

use crate::graph::{Graph, Operation, Tape, ValueId};
use crate::program::{Access, Accesses, Declare, Input, Placement, Sink, Tensor};

#[derive(Clone, Copy, Debug)]
struct Sigmoid {
    input: Input,
    output: Tensor,
}

/// Forward.
#[derive(Debug)]
struct Forward(Sigmoid);

/// Gradient of the input.
#[derive(Debug)]
struct Backward {
    op: Sigmoid,
    gradient: Tensor,
    sink: Sink,
}

impl Operation for Sigmoid {
    fn inputs(&self) -> Vec<Input> {
        vec![self.input]
    }

    fn output(&self) -> Option<Tensor> {
        Some(self.output)
    }

    fn elementwise_flops(&self) -> u64 {
        4 * self.output.shape.elements() as u64
    }

    fn forward(&self, tape: &mut Tape) {
        tape.push(Forward(*self));
    }

    fn backward(&self, tape: &mut Tape) {
        let Some(gradient) = tape.gradient(self.output, None) else { return };
        if let Some(sink) = tape.sink(self.input) {
            tape.push(Backward { op: *self, gradient: gradient.tensor, sink });
        }
    }
}

impl Declare for Forward {
    fn kind(&self) -> &'static str {
        "sigmoid"
    }

    fn accesses(&self) -> Vec<Access> {
        Accesses::default().reads_input(self.0.input).writes_tensor(self.0.output).list()
    }
}

impl Declare for Backward {
    fn kind(&self) -> &'static str {
        "sigmoid: backward"
    }

    fn accesses(&self) -> Vec<Access> {
        let list = Accesses::default().reads_tensor(self.gradient).reads_tensor(self.op.output);
        list.reads_gate(self.op.input).gives(self.sink).list()
    }

    fn placement(&self) -> Placement {
        Placement::Late
    }
}

impl Graph {
    /// The logistic function of a value.
    pub fn sigmoid(&mut self, input: ValueId) -> ValueId {
        let output = self.tensor(self.shape(input));
        self.push_value(Sigmoid { input: self.read(input, false), output }, output)
    }
}
