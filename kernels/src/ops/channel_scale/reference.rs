//! Scales of channels and their gradients.

use super::{Forward, InputBackward, ScaleBackward};
use crate::reference::{Array, Batch, Kernel, Memory, Reference, get};

impl Kernel for Forward {
    fn run(&self, reference: &mut Reference, memory: &mut Memory, _: Batch<'_>) {
        let mut value = reference.read(memory, self.0.input);
        let scale = reference.read(memory, self.0.scale);
        for (image, channel) in value.planes() {
            let s = scale.at(image, channel, 0, 0);
            value.plane_mut(image, channel).iter_mut().for_each(|x| *x *= s);
        }
        reference.put(memory, self.0.output, &value);
    }
}

impl Kernel for InputBackward {
    fn run(&self, reference: &mut Reference, memory: &mut Memory, _: Batch<'_>) {
        let Self { op, gradient, sink } = self;
        let scale = reference.read(memory, op.scale);
        let mut found = get(memory, *gradient);
        for (image, channel) in found.planes() {
            let s = scale.at(image, channel, 0, 0);
            found.plane_mut(image, channel).iter_mut().for_each(|g| *g *= s);
        }
        reference.put_input_gradient(memory, op.input, found, *sink);
    }
}

impl Kernel for ScaleBackward {
    fn run(&self, reference: &mut Reference, memory: &mut Memory, _: Batch<'_>) {
        let Self { op, gradient, sink } = self;
        let value = reference.read(memory, op.input);
        let given = get(memory, *gradient);
        let mut found = Array::filled(given.images, op.scale.tensor.shape, 0.0);
        for (image, channel) in given.planes() {
            let products = given.plane(image, channel).iter().zip(value.plane(image, channel));
            *found.at_mut(image, channel, 0, 0) = products.map(|(g, x)| g * x).sum();
        }
        reference.put_input_gradient(memory, op.scale, found, *sink);
    }
}
