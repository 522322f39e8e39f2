//! Channel shuffle (Zhang et al., 2018, ShuffleNet): of `g` groups of channels, the first of each, then the second of each, and
//! so on: `y[j·g + i] = x[i·(C/g) + j]`.
//!
//! Backward: the same way back.

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

use crate::error::Error;
use crate::graph::{Graph, Operation, Tape, ValueId};
use crate::program::{Access, Accesses, Declare, Input, Placement, Sink, Tensor};

#[derive(Clone, Copy, Debug)]
struct ChannelShuffle {
    input: Input,
    output: Tensor,
    groups: usize,
}

/// Forward.
#[derive(Debug)]
struct Forward(ChannelShuffle);

/// Gradient of the input.
#[derive(Debug)]
struct Backward {
    op: ChannelShuffle,
    gradient: Tensor,
    sink: Sink,
}

impl ChannelShuffle {
    /// The channel of the output that a channel of the input becomes.
    fn output_channel(&self, input: usize) -> usize {
        let each = self.output.shape.channels / self.groups;
        input % each * self.groups + input / each
    }
}

impl Operation for ChannelShuffle {
    fn inputs(&self) -> Vec<Input> {
        vec![self.input]
    }

    fn output(&self) -> Option<Tensor> {
        Some(self.output)
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
        "channel shuffle"
    }

    fn accesses(&self) -> Vec<Access> {
        Accesses::default().reads_input(self.0.input).writes_tensor(self.0.output).list()
    }
}

impl Declare for Backward {
    fn kind(&self) -> &'static str {
        "channel shuffle: backward"
    }

    fn accesses(&self) -> Vec<Access> {
        Accesses::default().reads_tensor(self.gradient).reads_gate(self.op.input).gives(self.sink).list()
    }

    fn placement(&self) -> Placement {
        Placement::Late
    }
}

impl Graph {
    /// The channels of `groups` groups in turns.
    ///
    /// # Errors
    /// When the channels are no multiple of the groups.
    pub fn shuffle_channels(&mut self, name: &str, input: ValueId, groups: usize) -> Result<ValueId, Error> {
        let shape = self.shape(input);
        if groups == 0 || !shape.channels.is_multiple_of(groups) {
            let problem = format!(
                "{} channels cannot be split into {groups} groups; choose a number of groups that divides the channels",
                shape.channels
            );
            return Err(Error::BadSize { op: "channel shuffle", name: name.to_owned(), problem });
        }
        let output = self.tensor(shape);
        let op = ChannelShuffle { input: self.read(input, false), output, groups };
        Ok(self.push_value(op, output))
    }
}
