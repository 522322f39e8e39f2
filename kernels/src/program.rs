//! Programs: a fixed list of kernel calls, forward and backward, with what each reads and writes. `lowering.rs` makes
//! them from graphs, `schedule.rs` finds out when each call may run.

use crate::graph::{DropId, Head, Input, NormId, StorageId, Tensor};
use crate::ops::{Convolution, NodeSum, Pool, WindowAverage};
use crate::shape::{BLOCK, Shape, blocks};

/// What a program is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Batch statistics, drop path, auxiliary head, backward pass and update.
    Train,
    /// Running statistics; logits, loss and hits only.
    Evaluate,
}

/// The gradient of what an operation wrote, as it is read.
///
/// Without a normalisation it is `tensor`, times `scale`. With one it is that sent back through the
/// normalisation: `dy = A[c]·scale·tensor + B[c]·raw + C[c]`, with the coefficients that
/// [`Call::NormGradient`] leaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Gradient {
    pub(crate) tensor: Tensor,
    pub(crate) scale: Option<DropId>,
    pub(crate) norm: Option<NormId>,
    /// What the operation wrote in the forward pass (needed when there is a normalisation).
    pub(crate) raw: Tensor,
}

/// Where a gradient goes: written, or added to what earlier calls wrote.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sink {
    pub(crate) tensor: Tensor,
    pub(crate) accumulate: bool,
}

/// One kernel call. Names of the fields are those of the operations in `ops/`.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    /// Fills the input from resident 8-bit images: the batch's images, preprocessed (and augmented in
    /// training).
    LoadImages { output: Tensor },
    /// Draws the drop-path scale of every edge and image of the batch.
    DrawDropPath,
    /// Forward convolution; with a normalisation in training also the sums for its statistics.
    Convolve { op: Convolution },
    /// Forward pooling; likewise.
    Pool { op: Pool },
    /// From sums to mean, variance, the affine map `a·y + b` (`a = γ/√(var+eps)`, `b = β - a·mean`) and
    /// running statistics.
    NormStatistics { norm: NormId },
    /// Forward sum of a node.
    NodeSum { op: NodeSum },
    /// Forward averages over windows.
    WindowAverage { op: WindowAverage },
    /// Cross-entropy of a head; in training also `dlogits`, already times the head's weight over the batch
    /// size.
    CrossEntropy { head: Head, gradient: Option<Tensor> },

    /// Sums `Σ scale·g` and `Σ scale·g·(y - mean)` of a normalisation, over the batch and all pixels.
    NormGradientSums { norm: NormId, gradient: Gradient },
    /// From those to the gradients of γ and β, and to A, B, C of [`Gradient`].
    NormGradient { norm: NormId },
    /// Gradients of the input (when asked for) and partial sums of the gradients of the weights.
    ConvolveBackward { op: Convolution, gradient: Gradient, sink: Option<Sink> },
    /// Adds up the partial sums of the weights' gradients.
    WeightGradient { op: Convolution },
    /// Gradient of the input of a pooling.
    PoolBackward { op: Pool, gradient: Gradient, sink: Sink },
    /// A gradient put where it has memory of its own: that of an edge, or of a value that is read with and without its
    /// normalisation.
    EdgeBackward { gradient: Gradient, sink: Sink },
    /// Gradient of the input of averages over windows.
    WindowAverageBackward { op: WindowAverage, gradient: Tensor, sink: Sink },
    /// Norm of all gradients, clip, weight decay, momentum, step.
    Update,
}

/// What a storage of the program holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// Activations or their gradients: 4 bytes an element, or 2 with `float_bits = 16`.
    Activation,
    /// Tap numbers of a maximum: 1 byte an element.
    Taps,
}

/// A block of memory of the program, per image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Storage {
    pub(crate) shape: Shape,
    pub(crate) content: Content,
}

/// The list of calls, in an order in which they may be run one by one.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) mode: Mode,
    pub(crate) calls: Vec<Call>,
    /// Storages of the graph first, then those of gradients.
    pub(crate) storages: Vec<Storage>,
    /// Parameters that get a gradient, by parameter.
    pub(crate) trained: Vec<bool>,
}

impl Program {
    /// Bytes of tensors that its calls read and write for a batch, as they declare it.
    pub(crate) fn moved(&self, batch: usize, float_bits: u32) -> u64 {
        let lanes = (blocks(batch) * BLOCK) as u64;
        let bytes = |tensor: Tensor| match self.storages[tensor.storage.0].content {
            Content::Activation => u64::from(float_bits / 8),
            Content::Taps => 1,
        };
        let tensors = self.calls.iter().flat_map(Call::accesses).filter_map(|access| match access.resource {
            Resource::Tensor(tensor) => Some(tensor),
            _ => None,
        });
        tensors.map(|tensor| tensor.shape.elements() as u64 * lanes * bytes(tensor)).sum()
    }
}

/// Something that calls read and write.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Resource {
    /// Channels of a storage.
    Tensor(Tensor),
    /// Sums for the statistics, over some channels of a normalisation.
    NormSums(NormId),
    /// Affine map, mean and variance.
    NormMap(NormId),
    /// Sums for the gradient.
    NormGradientSums(NormId),
    /// Coefficients A, B, C.
    NormGradientMap(NormId),
    /// Partial sums of the gradients of a convolution's weights (named by its weight parameter).
    WeightPartials(usize),
    /// The flat gradients, by some convolution or normalisation.
    ParameterGradients,
    /// Drop-path scales.
    DropPath,
    /// Weights.
    Parameters,
    /// Weights as kernels of a GPU read them, made anew with the images of each step.
    ArrangedWeights,
    /// Losses and hits of the batch.
    Metrics,
}

/// One access of a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Access {
    pub(crate) resource: Resource,
    pub(crate) kind: AccessKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AccessKind {
    Read,
    Write,
    /// Writes something that no other call with a shared access to the same resource touches (other channels,
    /// other parameters): such calls do not wait for each other.
    SharedWrite,
}

impl Call {
    /// All that the call reads and writes.
    pub(crate) fn accesses(&self) -> Vec<Access> {
        use AccessKind::{Read, SharedWrite, Write};
        let mut list = Vec::new();
        let mut add = |resource, kind| list.push(Access { resource, kind });
        let tensor = Resource::Tensor;
        match self {
            Self::LoadImages { output } => {
                add(tensor(*output), Write);
                add(Resource::ArrangedWeights, Write);
            }
            Self::DrawDropPath => add(Resource::DropPath, Write),
            Self::Convolve { op } => {
                read_input(&mut add, op.input);
                add(Resource::Parameters, Read);
                add(Resource::ArrangedWeights, Read);
                add(tensor(op.output), Write);
                if let Some(norm) = op.norm {
                    add(Resource::NormSums(norm), SharedWrite);
                }
            }
            Self::Pool { op } => {
                read_input(&mut add, op.input);
                add(tensor(op.output), Write);
                if let Some(storage) = op.taps {
                    add(tensor(Tensor { storage, channel: 0, shape: op.output.shape }), Write);
                }
                if let Some(norm) = op.norm {
                    add(Resource::NormSums(norm), SharedWrite);
                }
            }
            Self::NormStatistics { norm } => {
                add(Resource::NormSums(*norm), Read);
                add(Resource::Parameters, Read);
                add(Resource::NormMap(*norm), Write);
            }
            Self::NodeSum { op } => {
                for (input, drop) in &op.edges {
                    read_input(&mut add, *input);
                    if drop.is_some() {
                        add(Resource::DropPath, Read);
                    }
                }
                add(tensor(op.output), Write);
            }
            Self::WindowAverage { op } => {
                read_input(&mut add, op.input);
                add(tensor(op.output), Write);
            }
            Self::CrossEntropy { head, gradient } => {
                add(tensor(head.logits), Read);
                add(Resource::Metrics, Write);
                if let Some(gradient) = gradient {
                    add(tensor(*gradient), Write);
                }
            }
            Self::NormGradientSums { norm, gradient } => {
                add(tensor(gradient.tensor), Read);
                add(tensor(gradient.raw), Read);
                add(Resource::NormMap(*norm), Read);
                add(Resource::Parameters, Read);
                if gradient.scale.is_some() {
                    add(Resource::DropPath, Read);
                }
                add(Resource::NormGradientSums(*norm), Write);
            }
            Self::NormGradient { norm } => {
                add(Resource::NormGradientSums(*norm), Read);
                add(Resource::NormMap(*norm), Read);
                add(Resource::Parameters, Read);
                add(Resource::NormGradientMap(*norm), Write);
                add(Resource::ParameterGradients, SharedWrite);
            }
            Self::ConvolveBackward { op, gradient, sink } => {
                read_gradient(&mut add, *gradient);
                read_input(&mut add, op.input);
                add(Resource::Parameters, Read);
                add(Resource::ArrangedWeights, Read);
                add(Resource::WeightPartials(op.weight.0), Write);
                if let Some(sink) = sink {
                    add(tensor(sink.tensor), Write);
                }
            }
            Self::WeightGradient { op } => {
                add(Resource::WeightPartials(op.weight.0), Read);
                add(Resource::ParameterGradients, SharedWrite);
            }
            Self::PoolBackward { op, gradient, sink } => {
                read_gradient(&mut add, *gradient);
                if let Some(storage) = op.taps {
                    add(tensor(Tensor { storage, channel: 0, shape: op.output.shape }), Read);
                }
                add(tensor(sink.tensor), Write);
            }
            Self::EdgeBackward { gradient, sink } => {
                read_gradient(&mut add, *gradient);
                add(tensor(sink.tensor), Write);
            }
            Self::WindowAverageBackward { op, gradient, sink } => {
                add(tensor(*gradient), Read);
                read_input(&mut add, op.input);
                add(tensor(sink.tensor), Write);
            }
            Self::Update => {
                add(Resource::ParameterGradients, Read);
                add(Resource::Parameters, Write);
                // A step whose gradients are no numbers has no loss.
                add(Resource::Metrics, Write);
            }
        }
        list
    }

    /// The storages it touches.
    pub(crate) fn storages(&self) -> Vec<StorageId> {
        let touched = self.accesses().into_iter().filter_map(|access| match access.resource {
            Resource::Tensor(tensor) => Some(tensor.storage),
            _ => None,
        });
        touched.collect()
    }
}

fn read_input(add: &mut impl FnMut(Resource, AccessKind), input: Input) {
    add(Resource::Tensor(input.tensor), AccessKind::Read);
    if let Some(norm) = input.norm {
        add(Resource::NormMap(norm), AccessKind::Read);
    }
}

fn read_gradient(add: &mut impl FnMut(Resource, AccessKind), gradient: Gradient) {
    add(Resource::Tensor(gradient.tensor), AccessKind::Read);
    if let Some(norm) = gradient.norm {
        add(Resource::Tensor(gradient.raw), AccessKind::Read);
        add(Resource::NormGradientMap(norm), AccessKind::Read);
    }
    if gradient.scale.is_some() {
        add(Resource::DropPath, AccessKind::Read);
    }
}

impl Resource {
    /// Whether an access to one may meet an access to the other.
    pub(crate) fn overlaps(self, other: Self) -> bool {
        match (self, other) {
            (Self::Tensor(a), Self::Tensor(b)) => a.overlaps(b),
            (a, b) => a == b,
        }
    }
}
