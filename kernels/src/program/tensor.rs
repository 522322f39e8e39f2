//! What calls are about: slices of channels of memory, how they are read, and what their gradients are.

use std::ops::Range;

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
    /// Whether one weight of a row is 1 and all others are 0.
    pub(crate) is_one_hot: bool,
}

impl Mixed {
    /// What need not run where the weight is 0.
    pub(crate) fn guard(self) -> Option<Guard> {
        let Self { mixture, choice, weights, .. } = self;
        self.is_one_hot.then_some(Guard { mixture, choice, weights })
    }
}

/// A weight of a one-hot mixture. What stands behind it is not run in a step in which the weight is 0: its values and their
/// gradients are not there then, and nothing reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Guard {
    pub(crate) mixture: MixtureId,
    /// Which of its weights.
    pub(crate) choice: usize,
    /// Where the weights of a step lie.
    pub(crate) weights: WorkspaceId,
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

/// Where a gradient goes: written, or added to what earlier calls gave.
///
/// With 16 bits what several calls give to a channel is summed in 32 and rounded once: it lies in `sum` until the last
/// of them adds its part and leaves the whole in `tensor`. With 32 both are the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sink {
    pub(crate) tensor: Tensor,
    pub(crate) sum: Tensor,
    /// Whether earlier calls gave to the sum.
    pub(crate) accumulate: bool,
    /// Channels of it that no later call gives to.
    pub(crate) whole: Channels,
}

/// Channels side by side: so many from one on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Channels {
    pub(crate) first: usize,
    pub(crate) count: usize,
}

impl Channels {
    pub(crate) fn range(self) -> Range<usize> {
        self.first..self.first + self.count
    }
}

impl Sink {
    /// Whether sums lie apart from the gradients that they become.
    pub(crate) fn has_sum(&self) -> bool {
        self.sum.storage != self.tensor.storage
    }

    /// What the call adds to, or else writes, or most of it.
    pub(crate) fn first_touched(&self) -> Tensor {
        if self.accumulate { self.sum } else { self.tensor }
    }

    /// What the call writes: whole gradients, and sums.
    pub(crate) fn written(&self) -> impl Iterator<Item = Tensor> {
        let (Range { start, end }, all) = (self.whole.range(), self.tensor.shape.channels);
        let parts = [(self.tensor, start..end), (self.sum, 0..start), (self.sum, end..all)];
        parts
            .into_iter()
            .filter(|(_, part)| !part.is_empty())
            .map(|(of, part)| of.slice(part.start, part.len()))
    }
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
