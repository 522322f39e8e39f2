//! The step: stochastic gradient descent with momentum over all parameters that get a gradient.
//!
//! With g the gradient, c = min(1, clip / (‖g‖ + 1e-6)): `m = momentum·m + c·g + decay·w`, `w = w - rate·m`. Where the norm of
//! the gradients is no number, nothing is changed, and the step has no loss.

mod cpu;
mod gpu;
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

use crate::graph::{Call, UPDATE_WORKSPACE};
use crate::program::{Access, Accesses, Declare, Resource, WorkspaceId};

/// Sums of squares of the segments of the gradients.
const WORKSPACE: WorkspaceId = UPDATE_WORKSPACE;

/// Sums of squares of all gradients, segment by segment.
#[derive(Debug)]
struct Squares;

/// Clip, weight decay, momentum, step.
#[derive(Debug)]
struct Update;

/// The calls of a step, behind those of the backward pass.
pub(super) fn calls() -> [Arc<dyn Call>; 2] {
    [Arc::new(Squares), Arc::new(Update)]
}

impl Declare for Squares {
    fn kind(&self) -> &'static str {
        "update"
    }

    fn accesses(&self) -> Vec<Access> {
        let list = Accesses::default().reads(Resource::ParameterGradients);
        list.writes(Resource::Workspace(WORKSPACE)).list()
    }
}

impl Declare for Update {
    fn kind(&self) -> &'static str {
        "update"
    }

    fn accesses(&self) -> Vec<Access> {
        let list = Accesses::default().reads(Resource::ParameterGradients);
        let list = list.reads(Resource::Workspace(WORKSPACE)).accumulates(Resource::Parameters);
        // A step whose gradients are no numbers has no loss.
        list.accumulates(Resource::Metrics).list()
    }
}
