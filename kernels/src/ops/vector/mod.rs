//! What steps do with whole vectors of a group's numbers ([`Part`](crate::Part)): clear, copy, add, and the norm and the dot
//! product that scales and callers want.

mod cpu;
mod gpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
mod typical;

use std::sync::Arc;

pub(super) use cpu::norm;
#[cfg(test)]
pub(super) use gpu::SHADERS;
pub(super) use gpu::{NORM, runs};
#[cfg(test)]
pub(super) use reference::norm as reference_norm;
#[cfg(test)]
pub(super) use tests::examples;
pub(super) use typical::typical;

use crate::graph::Call;
use crate::program::{Access, Accesses, Declare, Resource};
use crate::step::{Group, Scale, Vector};

/// Sums of squares of a group's part of a vector, run by run.
#[derive(Debug)]
pub(super) struct SquareSums {
    pub(super) group: Group,
    pub(super) of: Vector,
}

/// `to = from`, or 0 where there is nothing that it is set from.
#[derive(Debug)]
struct SetVector {
    group: Group,
    from: Option<Vector>,
    to: Vector,
}

/// `to += scale · from`.
#[derive(Debug)]
struct AddScaled {
    group: Group,
    scale: Scale,
    from: Vector,
    to: Vector,
}

/// Sums of products of a group's parts of two vectors, run by run.
#[derive(Debug)]
struct DotProducts {
    group: Group,
    vectors: [Vector; 2],
}

/// The calls that clear a vector.
pub(super) fn clear(group: Group, of: Vector) -> Vec<Arc<dyn Call>> {
    vec![Arc::new(SetVector { group, from: None, to: of })]
}

/// The calls of a copy.
pub(super) fn copy(group: Group, from: Vector, to: Vector) -> Vec<Arc<dyn Call>> {
    vec![Arc::new(SetVector { group, from: Some(from), to })]
}

/// Those of an addition.
pub(super) fn axpy(group: Group, scale: Scale, from: Vector, to: Vector) -> Vec<Arc<dyn Call>> {
    let norm =
        scale.norm.map(|norm| Arc::new(SquareSums { group: norm.group, of: norm.of }) as Arc<dyn Call>);
    norm.into_iter().chain([Arc::new(AddScaled { group, scale, from, to }) as Arc<dyn Call>]).collect()
}

/// Those of a dot product; the device adds up what they leave.
pub(super) fn dot(group: Group, vectors: [Vector; 2]) -> Vec<Arc<dyn Call>> {
    vec![Arc::new(DotProducts { group, vectors })]
}

/// Where a vector lies.
fn resource(vector: Vector) -> Resource {
    match vector {
        Vector::Parameters | Vector::Momenta => Resource::Parameters,
        Vector::Gradients => Resource::ParameterGradients,
        Vector::Extra(number) => Resource::Extra(number),
    }
}

impl Declare for SquareSums {
    fn kind(&self) -> &'static str {
        "vectors: norm"
    }

    fn accesses(&self) -> Vec<Access> {
        Accesses::default().reads(resource(self.of)).writes(Resource::Products).list()
    }
}

impl Declare for SetVector {
    fn kind(&self) -> &'static str {
        if self.from.is_some() { "vectors: copy" } else { "vectors: clear" }
    }

    fn accesses(&self) -> Vec<Access> {
        // Other groups' parts of what is written stay.
        let list = Accesses::default().accumulates(resource(self.to));
        self.from.map(resource).into_iter().fold(list, Accesses::reads).list()
    }
}

impl Declare for AddScaled {
    fn kind(&self) -> &'static str {
        "vectors: axpy"
    }

    fn accesses(&self) -> Vec<Access> {
        let list = Accesses::default().reads(resource(self.from)).accumulates(resource(self.to));
        let list = if self.scale.norm.is_some() { list.reads(Resource::Products) } else { list };
        list.list()
    }
}

impl Declare for DotProducts {
    fn kind(&self) -> &'static str {
        "vectors: dot"
    }

    fn accesses(&self) -> Vec<Access> {
        let [left, right] = self.vectors.map(resource);
        Accesses::default().reads(left).reads(right).writes(Resource::Products).list()
    }
}
