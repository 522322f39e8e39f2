//! Cross-entropy with label smoothing.

use super::array::Array;

/// Mean over the batch of `(1-s)·nll + s·mean_k(-log p_k)`, the number of images told rightly, and the gradient of the mean
/// times `weight`.
pub(crate) fn cross_entropy(logits: &Array, labels: &[u8], smoothing: f64, weight: f64) -> (f64, u64, Array) {
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
