//! Vectors in double precision.

use super::{AddScaled, ClearVector, CopyVector, DotProducts, SquareSums};
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

impl Kernel for ClearVector {
    fn run(&self, reference: &mut Reference, _: &mut Memory, _: Batch<'_>) {
        reference.vector(self.group, self.of).fill(0.0);
    }
}

impl Kernel for CopyVector {
    fn run(&self, reference: &mut Reference, _: &mut Memory, _: Batch<'_>) {
        let from = reference.vector(self.group, self.from).to_vec();
        reference.vector(self.group, self.to).copy_from_slice(&from);
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
