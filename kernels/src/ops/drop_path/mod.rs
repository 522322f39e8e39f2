//! Drop path (Larsson, Maire and Shakhnarovich, 2017): each edge of each image is dropped with a probability, and otherwise
//! scaled so that its mean stays. The scales of a step are drawn once; sums and gradients read them.

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

use crate::graph::{Graph, Operation, Tape};
use crate::program::{Access, Accesses, Declare, DropId, Input, Resource, Tensor};

#[derive(Debug)]
struct DropPath;

/// Draws the scale of every edge and image of the batch.
#[derive(Debug)]
struct DrawDropPath;

impl Operation for DropPath {
    fn inputs(&self) -> Vec<Input> {
        Vec::new()
    }

    fn output(&self) -> Option<Tensor> {
        None
    }

    fn forward(&self, tape: &mut Tape) {
        if tape.is_training() {
            tape.push(DrawDropPath);
        }
    }

    fn backward(&self, _: &mut Tape) {}
}

impl Declare for DrawDropPath {
    fn kind(&self) -> &'static str {
        "drop path: draw"
    }

    fn accesses(&self) -> Vec<Access> {
        Accesses::default().writes(Resource::DropPath).list()
    }
}

impl Graph {
    /// One more edge with drop path.
    pub(super) fn drop_path(&mut self) -> DropId {
        if self.tables.drops == 0 {
            // All scales are drawn together, whatever the first is for.
            let guard = self.guard.take();
            self.push(DropPath);
            self.guard = guard;
        }
        self.tables.drops += 1;
        DropId(self.tables.drops - 1)
    }
}
