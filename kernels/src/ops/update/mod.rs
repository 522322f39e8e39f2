//! The update of a group of parameters by its [`Optimiser`](crate::Optimiser), over all of them that get a gradient.
//!
//! The gradient g is clipped with its group, by min(1, clip / (‖g‖ + 1e-6)), then decay·w is added. Where the norm of the
//! gradients is no number, nothing is changed, and the step has no loss, unless the scale of the loss was too large for 16 bits
//! (`loss_scale/`).

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

use super::vector::SquareSums;
use crate::graph::Call;
use crate::program::{Access, Accesses, Declare, Resource};
use crate::step::{Group, Vector};

/// Clip, weight decay, moments, step.
#[derive(Debug)]
struct UpdateGroup {
    group: Group,
}

/// The calls of an update.
pub(super) fn calls(group: Group) -> Vec<Arc<dyn Call>> {
    vec![Arc::new(SquareSums { group, of: Vector::Gradients }), Arc::new(UpdateGroup { group })]
}

impl Declare for UpdateGroup {
    fn kind(&self) -> &'static str {
        "update"
    }

    fn accesses(&self) -> Vec<Access> {
        let list = Accesses::default().reads(Resource::ParameterGradients).reads(Resource::LossScale);
        let list = list.reads(Resource::Products).accumulates(Resource::Parameters);
        // A step whose gradients are no numbers has no loss.
        list.accumulates(Resource::Metrics).list()
    }
}
