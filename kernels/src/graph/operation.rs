//! What a graph knows of its operations.

use std::fmt;
use std::sync::Arc;

use super::tape::Tape;
use crate::onnx::Export;
use crate::program::{Input, Mixed, NormId, ParamId, Tensor};

/// One operation of a graph: what it reads and writes, what it costs, its calls, and how a file describes it.
pub(crate) trait Operation: Export + fmt::Debug + Send + Sync {
    /// The values that it reads.
    fn inputs(&self) -> Vec<Input>;

    /// The weights that the values are multiplied by, in their order; none where there is none.
    fn weights(&self) -> Vec<Option<Mixed>> {
        Vec::new()
    }

    /// The value that it writes, if it writes one.
    fn output(&self) -> Option<Tensor>;

    /// Its parameters.
    fn params(&self) -> Vec<ParamId> {
        Vec::new()
    }

    /// Multiply-adds of one image in the forward pass.
    fn mult_adds(&self) -> u64 {
        0
    }

    /// FLOPs of one image beside the multiply-adds.
    fn elementwise_flops(&self) -> u64 {
        0
    }

    /// The same operation, which takes the sums for the statistics of a normalisation where it produces its output; nothing
    /// when it cannot, or does so for another one.
    fn normalised(&self, _: NormId) -> Option<Arc<dyn Operation>> {
        None
    }

    /// Puts its forward calls on the tape.
    fn forward(&self, tape: &mut Tape);

    /// Puts its backward calls on the tape, behind those of all operations that read its output.
    fn backward(&self, tape: &mut Tape);
}
