//! ReLU6 (Sandler et al., 2018, MobileNetV2): `min(max(x, 0), 6)`; what is no number stays so.
//!
//! Backward: `dy` where `0 < x < 6`.

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

/// The largest value.
const SIX: f32 = 6.0;

#[derive(Clone, Copy, Debug)]
struct Relu6 {
    input: Input,
    output: Tensor,
}

/// Forward.
#[derive(Debug)]
struct Forward(Relu6);

/// Gradient of the input.
#[derive(Debug)]
struct Backward {
    op: Relu6,
    gradient: Tensor,
    sink: Sink,
}

impl Operation for Relu6 {
    fn inputs(&self) -> Vec<Input> {
        vec![self.input]
    }

    fn output(&self) -> Option<Tensor> {
        Some(self.output)
    }

    fn elementwise_flops(&self) -> u64 {
        2 * self.output.shape.elements() as u64
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
        "relu6"
    }

    fn accesses(&self) -> Vec<Access> {
        Accesses::default().reads_input(self.0.input).writes_tensor(self.0.output).list()
    }
}

impl Declare for Backward {
    fn kind(&self) -> &'static str {
        "relu6: backward"
    }

    fn accesses(&self) -> Vec<Access> {
        Accesses::default().reads_tensor(self.gradient).reads_input(self.op.input).gives(self.sink).list()
    }

    fn placement(&self) -> Placement {
        Placement::Late
    }
}

impl Graph {
    /// ReLU6 of a value.
    pub fn relu6(&mut self, input: ValueId) -> ValueId {
        let output = self.tensor(self.shape(input));
        self.push_value(Relu6 { input: self.read(input, false), output }, output)
    }
}
