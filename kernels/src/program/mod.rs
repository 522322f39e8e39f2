//! Programs: a fixed list of calls, forward and backward, that each say what they read and write. A program is made from a
//! graph once; a machine gives its calls times ([`schedule`]) and its memory places ([`plan`]) before the first step.

mod access;
pub(crate) mod plan;
pub(crate) mod schedule;
mod tables;
mod tensor;

use std::sync::Arc;

pub(crate) use access::{Access, AccessKind, Accesses, Declare, Placement, Resource};
pub(crate) use tables::{Head, Init, Mixture, MixtureTerm, Normalisation, Param, Tables};
pub(crate) use tensor::{
    Channels, DropId, Gradient, Guard, Input, Mixed, MixtureId, NormId, ParamId, Sink, StorageId, Tensor,
    WorkspaceId,
};

use crate::shape::{BLOCK, Shape, blocks};

/// What a program is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Batch statistics, drop path, auxiliary head, backward pass and update.
    Train,
    /// Running statistics; logits, loss and hits only.
    Evaluate,
}

/// What a storage of the program holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// Activations or their gradients: 4 bytes an element, or 2 with `float_bits = 16`.
    Activation,
    /// With `float_bits = 16` sums of what several calls give to a gradient: 4 bytes an element.
    Sum,
    /// Small numbers: 1 byte an element.
    Bytes,
}

impl Content {
    /// Bytes of an element, where activations have 16 bits (`half_precision`) or 32.
    pub(crate) fn bytes(self, half_precision: bool) -> usize {
        match self {
            Self::Activation if half_precision => 2,
            Self::Activation | Self::Sum => 4,
            Self::Bytes => 1,
        }
    }
}

/// A block of memory of the program, per image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Storage {
    pub(crate) shape: Shape,
    pub(crate) content: Content,
    /// What writes it and reads it stands behind this.
    pub(crate) guard: Option<Guard>,
}

/// The list of calls, in an order in which they may be run one by one.
#[derive(Debug)]
pub(crate) struct Program<C: ?Sized> {
    pub(crate) mode: Mode,
    /// Run once before the first step of a pass over images.
    pub(crate) prologue: Vec<Arc<C>>,
    pub(crate) calls: Vec<Arc<C>>,
    /// Storages of the graph first, then those of gradients.
    pub(crate) storages: Vec<Storage>,
    /// Parameters that get a gradient, by parameter.
    pub(crate) trained: Vec<bool>,
    /// Values that stay until the last call has run, to be read then.
    pub(crate) kept: Vec<Input>,
}

impl<C: ?Sized> Program<C> {
    /// The same with calls as something else sees them.
    pub(crate) fn map<D: ?Sized>(self, view: impl Fn(Arc<C>) -> Arc<D>) -> Program<D> {
        let Self { mode, prologue, calls, storages, trained, kept } = self;
        let map = |calls: Vec<Arc<C>>| calls.into_iter().map(&view).collect();
        Program { mode, prologue: map(prologue), calls: map(calls), storages, trained, kept }
    }
}

impl<C: Declare + ?Sized> Program<C> {
    /// Bytes of tensors that its calls read and write for a batch, as they declare it.
    pub(crate) fn moved(&self, batch: usize, float_bits: u32) -> u64 {
        let lanes = (blocks(batch) * BLOCK) as u64;
        let bytes = |access: Access| {
            let Some(tensor) = access.tensor() else { return 0 };
            let element = self.storages[tensor.storage.0].content.bytes(float_bits == 16) as u64;
            let times = if access.kind == AccessKind::Accumulate { 2 } else { 1 };
            tensor.shape.elements() as u64 * lanes * element * times
        };
        self.calls.iter().flat_map(|call| call.accesses()).map(bytes).sum()
    }
}
