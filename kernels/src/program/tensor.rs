//! What calls are about: slices of channels of memory, how they are read, and what their gradients are.

use crate::shape::Shape;

/// Memory that holds all channels of one or several values, or of their gradients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct StorageId(pub(crate) usize);

/// One parameter tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ParamId(pub(crate) usize);

/// One batch normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct NormId(pub(crate) usize);

/// One edge with drop path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct DropId(pub(crate) usize);

/// One mixture: trained numbers whose softmax weighs the terms of sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MixtureId(pub(crate) usize);

/// A weight of a mixture, by which a term of a sum is multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mixed {
    pub(crate) mixture: MixtureId,
    /// Which of its weights.
    pub(crate) choice: usize,
    /// Number of the term among all that the mixture weighs.
    pub(crate) term: usize,
    /// Where the weights of a step lie, and where partial sums of their gradients.
    pub(crate) weights: WorkspaceId,
    pub(crate) partials: WorkspaceId,
}

/// Memory that an operation needs for itself, as large as its machine wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct WorkspaceId(pub(crate) usize);

/// A slice of channels of a storage: `shape.channels` channels from `channel` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tensor {
    pub(crate) storage: StorageId,
    pub(crate) channel: usize,
    pub(crate) shape: Shape,
}

/// How an operation reads a value: the affine map of its normalisation first, then ReLU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Input {
    pub(crate) tensor: Tensor,
    pub(crate) norm: Option<NormId>,
    pub(crate) relu: bool,
}

/// The gradient of what an operation wrote, as it is read.
///
/// Without a normalisation it is `tensor`, times `scale`. With one it is that sent back through the normalisation:
/// `dy = A[c]·scale·tensor + B[c]·raw + C[c]`, with the coefficients that the normalisation's backward calls leave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Gradient {
    pub(crate) tensor: Tensor,
    pub(crate) scale: Option<DropId>,
    /// A weight that it is to be multiplied by. Where there is a normalisation, its coefficients hold it already.
    pub(crate) mixed: Option<Mixed>,
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

impl Tensor {
    /// `channels` channels from `from` on, counted inside this tensor.
    pub(crate) fn slice(self, from: usize, channels: usize) -> Self {
        assert!(from + channels <= self.shape.channels);
        Self { channel: self.channel + from, shape: self.shape.with_channels(channels), ..self }
    }

    /// Whether all channels of `other` are channels of this tensor.
    pub(crate) fn contains(self, other: Self) -> bool {
        self.storage == other.storage
            && self.channel <= other.channel
            && other.channel + other.shape.channels <= self.channel + self.shape.channels
    }

    /// Whether the two share a channel.
    pub(crate) fn overlaps(self, other: Self) -> bool {
        self.storage == other.storage
            && self.channel < other.channel + other.shape.channels
            && other.channel < self.channel + self.shape.channels
    }
}
