//! What calls say of themselves: what they read and write, and when they would like to run. Schedules and memory plans are made
//! from nothing else.

use std::fmt;

use super::tensor::{Gradient, Guard, Input, Mixed, NormId, Sink, StorageId, Tensor, WorkspaceId};

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
    /// Coefficients A, B, C of [`Gradient`].
    NormGradientMap(NormId),
    /// An operation's own memory.
    Workspace(WorkspaceId),
    /// The flat gradients of all parameters.
    ParameterGradients,
    /// Drop-path scales.
    DropPath,
    /// Weights, and what their updates keep.
    Parameters,
    /// An extra vector of steps.
    Extra(usize),
    /// Sums of products of the elements of vectors.
    Products,
    /// What the gradient of the loss is multiplied by with 16 bits.
    LossScale,
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
    /// Reads and writes.
    Accumulate,
    /// Writes something that no other call with a shared access to the same resource touches (other channels,
    /// other parameters): such calls do not wait for each other.
    SharedWrite,
}

/// When a call runs among those that are ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placement {
    /// As soon as it can.
    Early,
    /// It gives gradients to a tensor: put off until what waits for it, so that calls that add to the same gradients stand
    /// together, on memory that is still near.
    Late,
    /// Sums what a call that may be put off left: follows that, and holds nothing back.
    Following,
}

/// What a call says of itself.
pub(crate) trait Declare: fmt::Debug + Send + Sync {
    /// Its kind, in words, as profiles name it.
    fn kind(&self) -> &'static str;

    /// All that it reads and writes, on any machine.
    fn accesses(&self) -> Vec<Access>;

    /// When it runs among those that are ready.
    fn placement(&self) -> Placement {
        Placement::Early
    }

    /// What it stands behind.
    fn guard(&self) -> Option<Guard> {
        None
    }

    /// The workspaces that it touches.
    fn workspaces_touched(&self) -> Vec<WorkspaceId> {
        let workspace = |access: Access| match access.resource {
            Resource::Workspace(id) => Some(id),
            _ => None,
        };
        self.accesses().into_iter().filter_map(workspace).collect()
    }

    /// The storages that it touches.
    fn storages(&self) -> Vec<StorageId> {
        let tensors = self.accesses().into_iter().filter_map(Access::tensor);
        tensors.map(|tensor| tensor.storage).collect()
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

    /// Whether calls that work image by image meet in it image by image only.
    pub(crate) fn is_by_image(self) -> bool {
        matches!(self, Self::Tensor(_) | Self::DropPath | Self::Metrics)
    }
}

impl Access {
    /// That of a call that asks whether it is to run.
    pub(crate) fn to_guard(guard: Guard) -> Self {
        Self { resource: Resource::Workspace(guard.weights), kind: AccessKind::Read }
    }

    /// Whether the later one of two accesses must see the earlier one done.
    pub(crate) fn waits_for(self, earlier: Self) -> bool {
        let both = |kind| self.kind == kind && earlier.kind == kind;
        !both(AccessKind::Read) && !both(AccessKind::SharedWrite) && self.resource.overlaps(earlier.resource)
    }

    /// The tensor that it is an access to.
    pub(crate) fn tensor(self) -> Option<Tensor> {
        match self.resource {
            Resource::Tensor(tensor) => Some(tensor),
            _ => None,
        }
    }
}

/// A list of accesses in the making.
#[derive(Default)]
pub(crate) struct Accesses(Vec<Access>);

impl Accesses {
    fn add(mut self, resource: Resource, kind: AccessKind) -> Self {
        self.0.push(Access { resource, kind });
        self
    }

    pub(crate) fn reads(self, resource: Resource) -> Self {
        self.add(resource, AccessKind::Read)
    }

    pub(crate) fn writes(self, resource: Resource) -> Self {
        self.add(resource, AccessKind::Write)
    }

    pub(crate) fn accumulates(self, resource: Resource) -> Self {
        self.add(resource, AccessKind::Accumulate)
    }

    /// Writes what no other call touches that writes it like this.
    pub(crate) fn shares(self, resource: Resource) -> Self {
        self.add(resource, AccessKind::SharedWrite)
    }

    pub(crate) fn reads_tensor(self, tensor: Tensor) -> Self {
        self.reads(Resource::Tensor(tensor))
    }

    pub(crate) fn writes_tensor(self, tensor: Tensor) -> Self {
        self.writes(Resource::Tensor(tensor))
    }

    /// Reads a value, behind its normalisation.
    pub(crate) fn reads_input(self, input: Input) -> Self {
        let list = self.reads_tensor(input.tensor);
        match input.norm {
            Some(norm) => list.reads(Resource::NormMap(norm)),
            None => list,
        }
    }

    /// Reads the gate of a ReLU, which is what was read, where there is one.
    pub(crate) fn reads_gate(self, input: Input) -> Self {
        if input.relu { self.reads_input(input) } else { self }
    }

    /// Reads a gradient, sent back through its normalisation.
    pub(crate) fn reads_gradient(self, gradient: Gradient) -> Self {
        let mut list = self.reads_tensor(gradient.tensor);
        if let Some(norm) = gradient.norm {
            list = list.reads_tensor(gradient.raw).reads(Resource::NormGradientMap(norm));
        }
        if gradient.scale.is_some() {
            list = list.reads(Resource::DropPath);
        }
        list
    }

    /// Reads a weight of a mixture.
    pub(crate) fn reads_weight(self, mixed: Option<Mixed>) -> Self {
        match mixed {
            Some(mixed) => self.reads(Resource::Workspace(mixed.weights)),
            None => self,
        }
    }

    /// Gives the gradient of a weight of a mixture.
    pub(crate) fn gives_weight(self, mixed: Option<Mixed>) -> Self {
        match mixed {
            Some(mixed) => self.shares(Resource::Workspace(mixed.partials)),
            None => self,
        }
    }

    /// Gives a gradient.
    pub(crate) fn gives(self, sink: Sink) -> Self {
        if !sink.has_sum() {
            let kind = if sink.accumulate { AccessKind::Accumulate } else { AccessKind::Write };
            return self.add(Resource::Tensor(sink.tensor), kind);
        }
        sink.written().fold(self, |list, part| {
            let is_sum = part.storage == sink.sum.storage;
            match (sink.accumulate, is_sum) {
                (true, true) => list.accumulates(Resource::Tensor(part)),
                (true, false) => {
                    list.reads_tensor(Tensor { storage: sink.sum.storage, ..part }).writes_tensor(part)
                }
                (false, _) => list.writes_tensor(part),
            }
        })
    }

    /// With the sums for the statistics of what it writes, where a normalisation follows.
    pub(crate) fn sums(self, norm: Option<NormId>) -> Self {
        match norm {
            Some(norm) => self.shares(Resource::NormSums(norm)),
            None => self,
        }
    }

    pub(crate) fn list(self) -> Vec<Access> {
        self.0
    }
}
