//! What a network has beside its operations: parameters, normalisations, heads, in the order in which they were made.

use super::tensor::{ParamId, Tensor, WorkspaceId};
use crate::shape::Shape;
use crate::step::Group;

/// How a parameter starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Init {
    /// Uniform in ±`bound`.
    Uniform { bound: f32 },
    /// Scale of a normalisation: 1, or uniform in [0, 1) where the caller asks for it.
    NormScale,
    /// 0.
    Zero,
    /// 1.
    One,
}

#[derive(Clone, Debug)]
pub(crate) struct Param {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) init: Init,
    /// Never trained, and no part of what a person sees of the network.
    pub(crate) is_fixed: bool,
    /// Belongs to the auxiliary head.
    pub(crate) training_only: bool,
    pub(crate) group: Group,
}

impl Param {
    pub(crate) fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Normalisation {
    /// Prefix of its tensors' names: `<name>.weight`, `.bias`, `.running_mean`, `.running_var`.
    pub(crate) name: String,
    pub(crate) scale: ParamId,
    pub(crate) shift: ParamId,
    /// What it normalises, as it was produced.
    pub(crate) raw: Tensor,
    /// First of its channels in the arrays that hold all normalisations' channels.
    pub(crate) offset: usize,
}

impl Normalisation {
    /// Place of a tensor's first channel, a part of what it normalises, in the arrays of all normalisations.
    pub(crate) fn channel(&self, tensor: Tensor) -> usize {
        self.offset + tensor.channel - self.raw.channel
    }
}

/// Trained numbers, `[row][choice]`, of each row of which the softmax weighs terms of sums.
#[derive(Clone, Debug)]
pub(crate) struct Mixture {
    pub(crate) rows: usize,
    /// Numbers of a row.
    pub(crate) choices: usize,
    /// The weights of a step, `[row][choice]`, and what else its operation keeps behind them.
    pub(crate) weights: WorkspaceId,
    /// Numbers in that.
    pub(crate) kept: usize,
    /// Partial sums of the gradients of the weights, by term.
    pub(crate) partials: WorkspaceId,
    pub(crate) terms: Vec<MixtureTerm>,
    /// Whether one weight of a row is 1 and all others are 0.
    pub(crate) is_one_hot: bool,
}

/// A term of a sum that a mixture weighs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MixtureTerm {
    /// Which of the weights: `row · choices + choice`.
    pub(crate) choice: usize,
    pub(crate) channels: usize,
}

/// Logits whose cross-entropy, or whose sum, enters the loss.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) logits: Tensor,
    pub(crate) weight: f32,
    /// The auxiliary head; the other one is the main head, whose answers count.
    pub(crate) training_only: bool,
}

/// All of them.
#[derive(Clone, Debug)]
pub(crate) struct Tables {
    /// What images become: the network's input.
    pub(crate) input: Shape,
    pub(crate) classes: usize,
    pub(crate) params: Vec<Param>,
    pub(crate) norms: Vec<Normalisation>,
    /// Channels of all normalisations together.
    pub(crate) norm_channels: usize,
    pub(crate) heads: Vec<Head>,
    pub(crate) mixtures: Vec<Mixture>,
    /// Groups of parameters.
    pub(crate) groups: usize,
    /// Edges with drop path.
    pub(crate) drops: usize,
    /// Layers of dropout.
    pub(crate) dropouts: usize,
    /// Workspaces of all operations.
    pub(crate) workspaces: usize,
}

impl Tables {
    /// Elements of a parameter.
    pub(crate) fn elements(&self, param: ParamId) -> usize {
        self.params[param.0].elements()
    }
}
