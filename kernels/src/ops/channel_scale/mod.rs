//! Each channel of each image times a number of its own (Hu et al., 2018, squeeze and excitation): `y[c][p] = s[c] · x[c][p]`.
//!
//! Backward: `dx = s · dy`, and `ds[c] = Σ_p dy[c][p] · x[c][p]`.

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
#[cfg(test)]
pub(super) use tests::examples;
pub(super) use typical::typical;

use crate::error::Error;
use crate::graph::{Graph, Operation, Tape, ValueId};
use crate::program::{Access, Accesses, Declare, Input, Placement, Sink, Tensor};

#[derive(Clone, Copy, Debug)]
struct ChannelScale {
    input: Input,
    /// One pixel a channel.
    scale: Input,
    output: Tensor,
}

/// Forward.
#[derive(Debug)]
struct Forward(ChannelScale);

/// Gradient of the input.
#[derive(Debug)]
struct InputBackward {
    op: ChannelScale,
    gradient: Tensor,
    sink: Sink,
}

/// Gradient of the scales.
#[derive(Debug)]
struct ScaleBackward {
    op: ChannelScale,
    gradient: Tensor,
    sink: Sink,
}

impl Operation for ChannelScale {
    fn inputs(&self) -> Vec<Input> {
        vec![self.input, self.scale]
    }

    fn output(&self) -> Option<Tensor> {
        Some(self.output)
    }

    fn elementwise_flops(&self) -> u64 {
        self.output.shape.elements() as u64
    }

    fn forward(&self, tape: &mut Tape) {
        tape.push(Forward(*self));
    }

    fn backward(&self, tape: &mut Tape) {
        let Some(gradient) = tape.gradient(self.output, None) else { return };
        let (op, gradient) = (*self, gradient.tensor);
        if let Some(sink) = tape.sink(self.input) {
            tape.push(InputBackward { op, gradient, sink });
        }
        if let Some(sink) = tape.sink(self.scale) {
            tape.push(ScaleBackward { op, gradient, sink });
        }
    }
}

impl Declare for Forward {
    fn kind(&self) -> &'static str {
        "channel scale"
    }

    fn accesses(&self) -> Vec<Access> {
        let Self(op) = self;
        Accesses::default().reads_input(op.input).reads_input(op.scale).writes_tensor(op.output).list()
    }
}

impl Declare for InputBackward {
    fn kind(&self) -> &'static str {
        "channel scale: backward"
    }

    fn accesses(&self) -> Vec<Access> {
        let list = Accesses::default().reads_tensor(self.gradient).reads_input(self.op.scale);
        list.reads_gate(self.op.input).gives(self.sink).list()
    }

    fn placement(&self) -> Placement {
        Placement::Late
    }
}

impl Declare for ScaleBackward {
    fn kind(&self) -> &'static str {
        "channel scale: backward"
    }

    fn accesses(&self) -> Vec<Access> {
        let list = Accesses::default().reads_tensor(self.gradient).reads_input(self.op.input);
        list.reads_gate(self.op.scale).gives(self.sink).list()
    }

    fn placement(&self) -> Placement {
        Placement::Late
    }
}

impl Graph {
    /// Each channel of `input` times that of `scale`, a value of one pixel.
    ///
    /// # Errors
    /// When `scale` is not one pixel of as many channels.
    pub fn scale_channels(&mut self, name: &str, input: ValueId, scale: ValueId) -> Result<ValueId, Error> {
        let (shape, right) = (self.shape(input), self.shape(scale));
        if (right.channels, right.pixels()) != (shape.channels, 1) {
            let problem = format!("{right} cannot scale {shape}; the scale is {}×1×1", shape.channels);
            return Err(Error::BadSize { op: "channel scale", name: name.to_owned(), problem });
        }
        let output = self.tensor(shape);
        let op = ChannelScale { input: self.read(input, false), scale: self.read(scale, false), output };
        Ok(self.push_value(op, output))
    }
}
