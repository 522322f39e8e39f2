//! The logistic function and its gradient.

use super::Sigmoid;
use crate::ops::unary::{Backward, Forward};
use crate::reference::{Batch, Kernel, Memory, Reference, get};

impl Kernel for Forward<Sigmoid> {
    fn run(&self, reference: &mut Reference, memory: &mut Memory, _: Batch<'_>) {
        let mut value = reference.read(memory, self.0.input);
        value.values.iter_mut().for_each(|x| *x = 1.0 / (1.0 + (-*x).exp()));
        reference.put(memory, self.0.output, &value);
    }
}

impl Kernel for Backward<Sigmoid> {
    fn run(&self, reference: &mut Reference, memory: &mut Memory, _: Batch<'_>) {
        let Self { op, gradient, sink } = self;
        let output = get(memory, op.output);
        let mut found = get(memory, *gradient);
        found.values.iter_mut().zip(&output.values).for_each(|(g, y)| *g *= y * (1.0 - y));
        reference.put_input_gradient(memory, op.input, found, *sink);
    }
}
