//! Sums of logits.

use super::{HeadCall, LogitSum};
use crate::reference::{Array, Batch, Kernel, Memory, Reference, get};

impl Kernel for HeadCall<LogitSum> {
    fn run(&self, reference: &mut Reference, memory: &mut Memory, _: Batch<'_>) {
        let Self { head, sink, .. } = self;
        let logits = get(memory, head.logits);
        let (images, weight) = (logits.images as f64, f64::from(head.weight));
        for (image, channel) in logits.planes() {
            memory.loss += weight * logits.plane(image, channel).iter().sum::<f64>() / images;
        }
        if let Some(sink) = sink {
            let gradient = Array::filled(logits.images, logits.shape, weight / images);
            reference.give(memory, *sink, &gradient);
        }
    }
}
