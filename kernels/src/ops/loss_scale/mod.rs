//! Scaling of the loss where activations have 16 bits (Micikevicius et al., 2018, Mixed Precision Training, Sec. 3.2): the
//! gradient of the logits is multiplied by a power of two, so that gradients of activations which would vanish below the least
//! number of 16 bits stay, and those of parameters, which have 32 bits, are divided by it when all are there.
//!
//! The factor adapts on the device. Gradients that hold no numbers halve it, and the updates with them are left out; so many
//! good ones in a row double it. Gradients that hold no numbers at a factor of 1 end a training as with 32 bits, where nothing
//! of this runs.

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

use crate::graph::Call;
use crate::program::{Access, Accesses, Declare, Resource};

/// Good gradients in a row that double the factor. Halving costs a step, and a training may have some hundreds of them.
const GOOD: f32 = 500.0;
/// Largest factor.
const LARGEST: f32 = 65_536.0;

/// Divides gradients by the factor, and sees whether they are numbers, segment by segment.
#[derive(Debug)]
struct Unscale;

/// From that to the next factor.
#[derive(Debug)]
struct Adapt;

/// The calls behind those of a backward pass.
pub(super) fn calls() -> [Arc<dyn Call>; 2] {
    [Arc::new(Unscale), Arc::new(Adapt)]
}

impl Declare for Unscale {
    fn kind(&self) -> &'static str {
        "loss scale"
    }

    fn accesses(&self) -> Vec<Access> {
        let list = Accesses::default().reads(Resource::LossScale).writes(Resource::Products);
        list.accumulates(Resource::ParameterGradients).list()
    }
}

impl Declare for Adapt {
    fn kind(&self) -> &'static str {
        "loss scale"
    }

    fn accesses(&self) -> Vec<Access> {
        Accesses::default().reads(Resource::Products).accumulates(Resource::LossScale).list()
    }
}
