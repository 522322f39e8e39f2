//! Dropout and its gradient.

use super::Dropout;
use crate::ops::unary::{Backward, Forward};
use crate::reference::{Array, Batch, Kernel, Memory, Reference, get};

/// Multiplies each element by its scale.
fn scale(op: Dropout, reference: &Reference, batch: Batch<'_>, values: &mut Array) {
    if op.rate <= 0.0 {
        return;
    }
    let elements = values.shape.elements();
    for (image, values) in batch.images.iter().zip(values.values.chunks_mut(elements)) {
        for (element, value) in values.iter_mut().enumerate() {
            let [scale] = op.scales(reference.settings.seed, batch.epoch, [*image], element);
            *value *= f64::from(scale);
        }
    }
}

impl Kernel for Forward<Dropout> {
    fn run(&self, reference: &mut Reference, memory: &mut Memory, batch: Batch<'_>) {
        let mut value = reference.read(memory, self.0.input);
        scale(self.0.function, reference, batch, &mut value);
        reference.put(memory, self.0.output, &value);
    }
}

impl Kernel for Backward<Dropout> {
    fn run(&self, reference: &mut Reference, memory: &mut Memory, batch: Batch<'_>) {
        let Self { op, gradient, sink } = self;
        let mut found = get(memory, *gradient);
        scale(op.function, reference, batch, &mut found);
        reference.put_input_gradient(memory, op.input, found, *sink);
    }
}
