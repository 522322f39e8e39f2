//! Sums of nodes, and the gradients of their edges.

use super::{Edge, EdgeBackward, Forward, WeightGradient, Zeros};
use crate::program::Mixed;
use crate::reference::{Array, Batch, Kernel, Memory, Reference, get, scaled};

impl Kernel for Forward {
    fn run(&self, reference: &mut Reference, memory: &mut Memory, batch: Batch<'_>) {
        let Self { op } = self;
        let mut sum = Array::filled(batch.images.len(), op.output.shape, 0.0);
        for &Edge { input, drop, mixed } in &op.edges {
            let weight = weight(memory, mixed);
            if weight == 0.0 {
                continue;
            }
            let edge = reference.read(memory, input);
            let edge = scaled(memory, edge, drop);
            sum.values.iter_mut().zip(&edge.values).for_each(|(sum, value)| *sum += weight * value);
        }
        reference.put(memory, op.output, &sum);
    }
}

impl Kernel for EdgeBackward {
    fn run(&self, reference: &mut Reference, memory: &mut Memory, _: Batch<'_>) {
        let Self { gradient, gate, sink } = self;
        let mut found = reference.read_gradient(memory, *gradient);
        if gradient.norm.is_none() {
            let weight = weight(memory, gradient.mixed);
            found.values.iter_mut().for_each(|g| *g *= weight);
        }
        match gate {
            Some(input) => reference.put_input_gradient(memory, *input, found, *sink),
            None => reference.give(memory, *sink, &found),
        }
    }
}

impl Kernel for Zeros {
    fn run(&self, reference: &mut Reference, memory: &mut Memory, batch: Batch<'_>) {
        let zeros = Array::filled(batch.images.len(), self.sink.tensor.shape, 0.0);
        reference.give(memory, self.sink, &zeros);
    }
}

impl Kernel for WeightGradient {
    fn run(&self, reference: &mut Reference, memory: &mut Memory, _: Batch<'_>) {
        let Self { gradient, input, mixed } = self;
        let found = get(memory, gradient.tensor);
        let found = scaled(memory, found, gradient.scale);
        let value = reference.read(memory, *input);
        let products = found.values.iter().zip(&value.values).map(|(g, x)| g * x);
        Reference::put_weight_gradient(memory, *mixed, products.sum());
    }
}

/// A weight of a mixture; 1 where there is none.
fn weight(memory: &Memory, mixed: Option<Mixed>) -> f64 {
    mixed.map_or(1.0, |mixed| memory.workspaces[&mixed.weights][mixed.choice])
}
