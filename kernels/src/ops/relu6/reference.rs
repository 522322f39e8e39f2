//! ReLU6 and its gradient.

use super::Relu6;
use crate::ops::unary::{Backward, Forward};
use crate::reference::{Batch, Kernel, Memory, Reference, get};

impl Kernel for Forward<Relu6> {
    fn run(&self, reference: &mut Reference, memory: &mut Memory, _: Batch<'_>) {
        let mut value = reference.read(memory, self.0.input);
        for x in &mut value.values {
            memory.kinks.see(u64::from(*x > 0.0) + u64::from(*x >= 6.0), x.abs().min((*x - 6.0).abs()));
            *x = if *x < 0.0 { 0.0 } else { *x };
            *x = if *x > 6.0 { 6.0 } else { *x };
        }
        reference.put(memory, self.0.output, &value);
    }
}

impl Kernel for Backward<Relu6> {
    fn run(&self, reference: &mut Reference, memory: &mut Memory, _: Batch<'_>) {
        let Self { op, gradient, sink } = self;
        let value = reference.read(memory, op.input);
        let mut found = get(memory, *gradient);
        for (g, x) in found.values.iter_mut().zip(&value.values) {
            *g = if *x > 0.0 && *x < 6.0 { *g } else { 0.0 };
        }
        reference.put_input_gradient(memory, op.input, found, *sink);
    }
}
