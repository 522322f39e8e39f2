//! Cross-entropy with label smoothing, and its gradient, against the reference.

use kernels::{
    Device, DeviceChoice, Graph, GroupSettings, ImageSet, Nobody, NormInit, Preprocess, Shape, Trainer,
};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;

use crate::{generator, golden, on_each_device};

const ERROR: f64 = 1e-6;

#[derive(Deserialize)]
struct Losses {
    batch: usize,
    classes: usize,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    label_smoothing: f32,
    loss: f64,
    /// Of the loss by the scores, `[image][class]`.
    gradient: Vec<Vec<f64>>,
}

/// Image i is 1 in channel i and 0 elsewhere, so that the weights of a linear layer are its scores, and the gradient of
/// the weights is that of the scores.
fn hold_cross_entropy(choice: DeviceChoice) {
    let Losses { batch, classes, cases } = golden::read("cross-entropy");
    let shape = Shape::new(batch, 1, 1);
    let pixels: Vec<u8> =
        (0..batch * batch).map(|at| if at % batch == at / batch { 255 } else { 0 }).collect();
    let labels: Vec<u16> = generator::labels("loss/labels", classes).take(batch).collect();
    let scores: Vec<f32> = generator::uniform("loss/scores", 0.0, 4.0).take(batch * classes).collect();
    let weights = (0..classes).flat_map(|class| (0..batch).map(move |image| image * classes + class));
    let weights: Vec<u8> = weights.flat_map(|at| scores[at].to_le_bytes()).collect();
    let bias = vec![0; 4 * classes];
    let dir = tempfile::tempdir().unwrap();
    let [start, gradients] = ["start", "gradients"].map(|name| dir.path().join(name));
    let tensors = [
        ("linear.weight", TensorView::new(Dtype::F32, vec![classes, batch], &weights).unwrap()),
        ("linear.bias", TensorView::new(Dtype::F32, vec![classes], &bias).unwrap()),
    ];
    std::fs::write(&start, safetensors::serialize(tensors, None).unwrap()).unwrap();

    for case in cases {
        let (mut graph, image) = Graph::new(shape, classes);
        let logits = graph.linear("linear", image, classes, false).unwrap();
        graph.head(logits, 1.0).unwrap();
        let recipe = kernels::TrainerSettings {
            batch_size: batch,
            groups: vec![GroupSettings::sgd(0.0, 0.0, 5.0)],
            extra_vectors: 0,
            label_smoothing: case.label_smoothing,
            float_bits: 32,
            preprocess: Preprocess {
                image_size: 1,
                mean: vec![0.0; batch],
                std: vec![1.0; batch],
                augment: false,
                cutout: 0,
            },
            seed: 0,
            norm_init: NormInit::One,
        };
        let images = ImageSet::new(shape, pixels.clone().into(), labels.clone().into(), classes).unwrap();
        let mut trainer = Trainer::new(&Device::open(choice).unwrap(), &graph, &recipe, &[images]).unwrap();
        trainer.load(&start, &str::to_owned).unwrap();
        let order: Vec<u32> = (0..batch as u32).collect();
        let losses = trainer.train_epoch(0, &order, 0, 0.1, 0.0, &Nobody).unwrap().losses;
        assert!(
            (f64::from(losses[0]) - case.loss).abs() < ERROR * case.loss,
            "{losses:?}, not {}",
            case.loss
        );

        trainer.save_gradients(&gradients).unwrap();
        let bytes = std::fs::read(&gradients).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let values = file.tensor("linear.weight").unwrap().data().to_vec();
        for (place, found) in values.chunks_exact(4).enumerate() {
            let found = f64::from(f32::from_le_bytes(found.try_into().unwrap()));
            let expected = case.gradient[place % batch][place / batch];
            assert!((found - expected).abs() < ERROR, "class {}, image {}", place / batch, place % batch);
        }
    }
}

on_each_device! { hold_cross_entropy: cross_entropy() }
