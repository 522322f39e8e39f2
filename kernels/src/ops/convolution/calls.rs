//! The calls of a convolution: what each reads and writes.

use super::{Convolution, Workspace};
use crate::program::{Access, Accesses, Declare, Gradient, Placement, Resource, Sink};

/// A pass of a convolution, which reads weights in an order of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    Forward,
    Backward,
}

/// Puts weights into the order in which a GPU's kernels read them; a processor reads them as they are.
#[derive(Debug)]
pub(super) struct ReorderWeights {
    pub(super) op: Convolution,
    pub(super) read_by: Pass,
}

/// Forward; with a normalisation in training also the sums for its statistics.
#[derive(Debug)]
pub(super) struct Forward {
    pub(super) op: Convolution,
}

/// Gradients of the input (when asked for) and partial sums of the gradients of the weights.
#[derive(Debug)]
pub(super) struct Backward {
    pub(super) op: Convolution,
    pub(super) gradient: Gradient,
    pub(super) sink: Option<Sink>,
}

/// Adds up the partial sums of the weights' gradients.
#[derive(Debug)]
pub(super) struct WeightGradient {
    pub(super) op: Convolution,
}

impl Backward {
    /// Whether it multiplies by the matrix.
    pub(super) fn reads_weights(&self) -> bool {
        self.op.weight.is_some() && (self.sink.is_some() || self.op.depthwise.is_some())
    }
}

impl ReorderWeights {
    /// What it writes; depthwise weights serve both passes.
    fn written(&self) -> Vec<Workspace> {
        let taps = self.op.depthwise.map(|_| Workspace::Taps);
        match self.read_by {
            Pass::Forward => taps.into_iter().chain(self.op.weight.map(|_| Workspace::Weights)).collect(),
            Pass::Backward => vec![Workspace::GradientWeights],
        }
    }
}

fn workspace(op: &Convolution, workspace: Workspace) -> Resource {
    Resource::Workspace(op.workspace(workspace))
}

impl Declare for ReorderWeights {
    fn kind(&self) -> &'static str {
        "convolution: reorder weights"
    }

    fn accesses(&self) -> Vec<Access> {
        let list = Accesses::default().reads(Resource::Parameters);
        self.written().into_iter().fold(list, |list, part| list.writes(workspace(&self.op, part))).list()
    }
}

impl Declare for Forward {
    fn kind(&self) -> &'static str {
        match (self.op.depthwise, self.op.weight) {
            (None, _) => "dense convolution",
            (Some(_), Some(_)) => "separable convolution",
            (Some(_), None) => "depthwise convolution",
        }
    }

    fn accesses(&self) -> Vec<Access> {
        let op = &self.op;
        let mut list = Accesses::default().reads_input(op.input).reads(Resource::Parameters);
        if op.depthwise.is_some() {
            list = list.reads(workspace(op, Workspace::Taps));
        }
        if op.weight.is_some() {
            list = list.reads(workspace(op, Workspace::Weights));
        }
        let list = list.writes_tensor(op.output).sums(op.norm);
        list.writes(workspace(op, Workspace::Columns)).list()
    }
}

impl Declare for Backward {
    fn kind(&self) -> &'static str {
        match (self.op.depthwise, self.op.weight) {
            (None, _) => "dense convolution: backward",
            (Some(_), Some(_)) => "separable convolution: backward",
            (Some(_), None) => "depthwise convolution: backward",
        }
    }

    fn accesses(&self) -> Vec<Access> {
        let op = &self.op;
        let mut list = Accesses::default().reads_gradient(self.gradient).reads_input(op.input);
        list = list.reads(Resource::Parameters).reads(workspace(op, Workspace::Columns));
        if op.depthwise.is_some() {
            list = list.reads(workspace(op, Workspace::Taps));
            list = list.writes(workspace(op, Workspace::DepthwisePartials));
        }
        if self.reads_weights() {
            list = list.reads(workspace(op, Workspace::GradientWeights));
        }
        list = list.writes(workspace(op, Workspace::ColumnGradients));
        list = list.writes(workspace(op, Workspace::Partials));
        if op.bias.is_some() {
            list = list.shares(Resource::ParameterGradients);
        }
        match self.sink {
            Some(sink) => list.gives(sink).list(),
            None => list.list(),
        }
    }

    fn placement(&self) -> Placement {
        if self.sink.is_some() { Placement::Late } else { Placement::Early }
    }
}

impl Declare for WeightGradient {
    fn kind(&self) -> &'static str {
        "weight gradients: sums"
    }

    fn accesses(&self) -> Vec<Access> {
        let op = &self.op;
        let list = Accesses::default().reads(workspace(op, Workspace::Partials));
        let list = match op.depthwise {
            Some(_) => list.reads(workspace(op, Workspace::DepthwisePartials)),
            None => list,
        };
        list.shares(Resource::ParameterGradients).list()
    }

    fn placement(&self) -> Placement {
        Placement::Following
    }
}
