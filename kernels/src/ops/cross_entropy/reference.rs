//! Cross-entropy with label smoothing.

use super::{CrossEntropy, HeadCall};
use crate::reference::{Array, Batch, Kernel, Memory, Reference, get};

impl Kernel for HeadCall<CrossEntropy> {
    fn run(&self, reference: &mut Reference, memory: &mut Memory, batch: Batch<'_>) {
        let Self { head, sink, .. } = self;
        let logits = get(memory, head.logits);
        let all = reference.sets[batch.set].labels();
        let labels: Vec<u16> = batch.images.iter().map(|&image| all[image as usize]).collect();
        let (smoothing, weight) = (f64::from(reference.settings.label_smoothing), f64::from(head.weight));
        let (loss, correct, found) = cross_entropy(&logits, &labels, smoothing, weight);
        memory.loss += weight * loss;
        if !head.training_only {
            memory.correct += correct;
        }
        if let Some(sink) = sink {
            reference.give(memory, *sink, &found);
        }
    }
}

/// Mean over the batch of `(1-s)·nll + s·mean_k(-log p_k)`, the number of images told rightly, and the gradient of the mean
/// times `weight`.
fn cross_entropy(logits: &Array, labels: &[u16], smoothing: f64, weight: f64) -> (f64, u64, Array) {
    let classes = logits.shape.channels;
    let batch = logits.images as f64;
    let mut gradient = Array::filled(logits.images, logits.shape, 0.0);
    let (mut loss, mut correct) = (0.0, 0);
    for (image, &label) in labels.iter().enumerate() {
        let logit = |class: usize| logits.at(image, class, 0, 0);
        let highest = (0..classes).map(logit).fold(f64::NEG_INFINITY, f64::max);
        let log_sum = highest + (0..classes).map(|k| (logit(k) - highest).exp()).sum::<f64>().ln();
        let first = (0..classes).find(|&k| logit(k) == highest);
        correct += u64::from(first == Some(usize::from(label)));
        for class in 0..classes {
            let hit = f64::from(class == usize::from(label));
            let target = (1.0 - smoothing) * hit + smoothing / classes as f64;
            loss -= target * (logit(class) - log_sum) / batch;
            let probability = (logit(class) - log_sum).exp();
            *gradient.at_mut(image, class, 0, 0) = weight * (probability - target) / batch;
        }
    }
    (loss, correct, gradient)
}
