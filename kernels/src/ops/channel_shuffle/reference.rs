//! Shuffles of channels and their gradients.

use super::ChannelShuffle;
use crate::ops::unary::{Backward, Forward};
use crate::reference::{Array, Batch, Kernel, Memory, Reference, get};

/// Moves each channel to where `place` says.
fn moved(from: &Array, place: impl Fn(usize) -> usize) -> Array {
    let mut to = Array::filled(from.images, from.shape, 0.0);
    for (image, channel) in from.planes() {
        to.plane_mut(image, place(channel)).copy_from_slice(from.plane(image, channel));
    }
    to
}

impl Kernel for Forward<ChannelShuffle> {
    fn run(&self, reference: &mut Reference, memory: &mut Memory, _: Batch<'_>) {
        let value = reference.read(memory, self.0.input);
        let (groups, each) = (self.0.function.groups, value.shape.channels / self.0.function.groups);
        reference.put(memory, self.0.output, &moved(&value, |c| c % each * groups + c / each));
    }
}

impl Kernel for Backward<ChannelShuffle> {
    fn run(&self, reference: &mut Reference, memory: &mut Memory, _: Batch<'_>) {
        let Self { op, gradient, sink } = self;
        let given = get(memory, *gradient);
        let (groups, each) = (op.function.groups, given.shape.channels / op.function.groups);
        let found = moved(&given, |c| c % groups * each + c / groups);
        reference.put_input_gradient(memory, op.input, found, *sink);
    }
}
