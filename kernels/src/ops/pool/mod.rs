//! Pooling over sliding windows: the maximum, or the average over the pixels inside the image.
//!
//! Backward: the maximum sends `dy` to the first tap, in row order, that held it (the forward pass stores its
//! number in a byte); the average sends `dy / count` to every tap.

mod cpu;
mod gpu;
mod onnx;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
mod typical;

use std::sync::Arc;

#[cfg(test)]
pub(super) use gpu::SHADERS;
#[cfg(test)]
pub(super) use tests::examples;
pub(super) use typical::typical;

use super::windowed::windowed;
use crate::error::Error;
use crate::graph::{Graph, Operation, Tape, ValueId};
use crate::program::{
    Access, Accesses, Content, Declare, Gradient, Input, NormId, Placement, Sink, StorageId, Tensor,
};

/// What is taken of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PoolKind {
    /// The largest value.
    Max,
    /// The mean of the values inside the image.
    Average,
}

/// A pooling.
#[derive(Clone, Copy, Debug)]
pub struct PoolSpec {
    /// What is taken of a window.
    pub kind: PoolKind,
    /// Height and width of a window, from 1 to 15.
    pub kernel: usize,
    /// Step between outputs, in pixels.
    pub stride: usize,
    /// Pixels beside the image on every side, at most half of the kernel; they are no part of a maximum or an average.
    pub padding: usize,
}

/// Largest height and width of a window: the numbers of its taps fit a byte.
const KERNEL_MAX: usize = 15;

#[derive(Clone, Debug)]
struct Pool {
    spec: PoolSpec,
    input: Input,
    output: Tensor,
    /// Numbers of the taps that held the maximum, one byte an output; of a maximum only.
    taps: Option<StorageId>,
    norm: Option<NormId>,
}

/// Forward; with a normalisation in training also the sums for its statistics.
#[derive(Debug)]
struct Forward {
    op: Pool,
}

/// Gradient of the input.
#[derive(Debug)]
struct Backward {
    op: Pool,
    gradient: Gradient,
    sink: Sink,
}

impl Pool {
    /// The numbers of the taps that held the maximum.
    fn taps(&self) -> Option<Tensor> {
        self.taps.map(|storage| Tensor { storage, channel: 0, shape: self.output.shape })
    }
}

impl Operation for Pool {
    fn inputs(&self) -> Vec<Input> {
        vec![self.input]
    }

    fn output(&self) -> Option<Tensor> {
        Some(self.output)
    }

    fn elementwise_flops(&self) -> u64 {
        (self.spec.kernel * self.spec.kernel * self.output.shape.elements()) as u64
    }

    fn normalised(&self, norm: NormId) -> Option<Arc<dyn Operation>> {
        let op = Self { norm: Some(norm), ..self.clone() };
        self.norm.is_none().then(|| Arc::new(op) as _)
    }

    fn forward(&self, tape: &mut Tape) {
        tape.push(Forward { op: self.clone() });
    }

    fn backward(&self, tape: &mut Tape) {
        let Some(gradient) = tape.gradient(self.output, self.norm) else { return };
        if let Some(sink) = tape.sink(self.input) {
            tape.push(Backward { op: self.clone(), gradient, sink });
        }
    }
}

impl Declare for Forward {
    fn kind(&self) -> &'static str {
        "pooling"
    }

    fn accesses(&self) -> Vec<Access> {
        let Self { op } = self;
        let list = Accesses::default().reads_input(op.input).writes_tensor(op.output).sums(op.norm);
        op.taps().into_iter().fold(list, Accesses::writes_tensor).list()
    }
}

impl Declare for Backward {
    fn kind(&self) -> &'static str {
        "pooling: backward"
    }

    fn accesses(&self) -> Vec<Access> {
        let list = Accesses::default().reads_gradient(self.gradient).reads_gate(self.op.input);
        let list = list.gives(self.sink);
        self.op.taps().into_iter().fold(list, Accesses::reads_tensor).list()
    }

    fn placement(&self) -> Placement {
        Placement::Late
    }
}

impl Graph {
    /// 3×3 pooling with padding 1.
    ///
    /// # Errors
    /// When the stride is 0, or larger than 16.
    pub fn pool(
        &mut self,
        name: &str,
        input: ValueId,
        kind: PoolKind,
        stride: usize,
    ) -> Result<ValueId, Error> {
        self.pool_with(name, input, PoolSpec { kind, kernel: 3, stride, padding: 1 })
    }

    /// Pooling over windows of any size, stride and padding.
    ///
    /// # Errors
    /// When the window does not fit the padded input, or a size is none that there is.
    pub fn pool_with(&mut self, name: &str, input: ValueId, spec: PoolSpec) -> Result<ValueId, Error> {
        let PoolSpec { kind, kernel, stride, padding } = spec;
        if kernel > KERNEL_MAX || padding > kernel / 2 {
            let problem = format!(
                "its window is {kernel} pixels wide, which can be 1 to {KERNEL_MAX}, and its padding {padding}, which \
                 can be half of that"
            );
            return Err(Error::BadSize { op: "pooling", name: name.to_owned(), problem });
        }
        let shape = windowed("pooling", name, self.shape(input), [kernel; 2], stride, [padding; 2])?;
        let output = self.tensor(shape);
        let taps = (kind == PoolKind::Max).then(|| self.storage(shape, Content::Bytes));
        let input = self.read(input, false);
        Ok(self.push_value(Pool { spec, input, output, taps, norm: None }, output))
    }
}
