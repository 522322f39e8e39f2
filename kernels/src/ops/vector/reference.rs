//! Vectors in double precision.

use super::{AddScaled, DotProducts, SetVector, SquareSums};
use crate::reference::{Batch, Kernel, Memory, Reference};
use crate::step::{Group, NORM_EPSILON, Vector};

/// The norm of a group's part of a vector.
pub(in crate::ops) fn norm(reference: &mut Reference, group: Group, of: Vector) -> f64 {
    reference.vector(group, of).iter().map(|number| number * number).sum::<f64>().sqrt()
}

impl Kernel for SquareSums {
    /// Who wants the norm takes it.
    fn run(&self, _: &mut Reference, _: &mut Memory, _: Batch<'_>) {}
}

impl Kernel for DotProducts {
    /// As above.
    fn run(&self, _: &mut Reference, _: &mut Memory, _: Batch<'_>) {}
}

impl Kernel for SetVector {
    fn run(&self, reference: &mut Reference, _: &mut Memory, _: Batch<'_>) {
        let from = self.from.map(|from| reference.vector(self.group, from).to_vec());
        let to = reference.vector(self.group, self.to);
        match from {
            Some(from) => to.copy_from_slice(&from),
            None => to.fill(0.0),
        }
    }
}

impl Kernel for AddScaled {
    fn run(&self, reference: &mut Reference, _: &mut Memory, batch: Batch<'_>) {
        let mut scale = f64::from(self.scale.factor);
        if let Some(Group(group)) = self.scale.learning_rate {
            scale *= f64::from(batch.progress[group].learning_rate);
        }
        if let Some(of) = self.scale.norm {
            let norm = norm(reference, of.group, of.of);
            scale = if of.divides { scale / (norm + NORM_EPSILON) } else { scale * norm };
        }
        let from = reference.vector(self.group, self.from).to_vec();
        let to = reference.vector(self.group, self.to);
        to.iter_mut().zip(from).for_each(|(to, from)| *to += scale * from);
    }
}
