//! Scores of gradients at the initial weights.

use std::f64::consts::LN_2;

use kernels::{
    Device, Epoch, Error, GroupSettings, ImageSet, NamedTensor, Nobody, NormInit, Part, Preprocess,
    RunningStatistics, Shape, Step, Stream, Trainer, TrainerSettings,
};

use crate::network::{Untrained, build_untrained};
use crate::portable::ln;
use crate::{Budget, Genotype};

/// Whether it is the weight of a convolution or a linear layer, and no scale, shift or bias: these have one dimension.
fn is_weight(tensor: &NamedTensor) -> bool {
    tensor.shape.len() > 1
}

/// `ZiCo` of the gradients of two batches. Of two numbers the standard deviation (of a population) is half their distance.
/// Weights whose gradients do not differ are left out, and so is a layer of such weights. Each batch's gradients are its own, as
/// in the paper; its authors' code adds the first batch's to those of the second.
pub(super) fn zico(first: &[NamedTensor], second: &[NamedTensor]) -> f64 {
    let layers = first.iter().zip(second).filter(|(layer, _)| is_weight(layer));
    let sums = layers.map(|(first, second)| {
        let pairs = first.values.iter().zip(&second.values);
        let ratio = |(&a, &b): (&f32, &f32)| {
            let (a, b) = (f64::from(a), f64::from(b));
            let deviation = (a - b).abs() / 2.0;
            if deviation > 0.0 { f64::midpoint(a.abs(), b.abs()) / deviation } else { 0.0 }
        };
        pairs.map(ratio).sum::<f64>()
    });
    sums.filter(|sum| sum.is_normal()).map(ln).sum()
}

/// Leaves the gradients of a batch in a trainer, whose weights stay as they are.
pub(super) fn differentiate(trainer: &mut Trainer, set: usize, order: &[u32]) -> Result<(), Error> {
    let step = Step::new(vec![Part::Differentiate { stream: 0, running: RunningStatistics::Kept }])?;
    let streams = &[Stream { set, order }];
    let epoch = Epoch { streams, number: 0, learning_rates: &[0.0], drop_path: 0.0, temperature: 1.0 };
    trainer.run(&step, &epoch, &Nobody).map(drop)
}

/// Halvings of what a cell gives on the way from the network's input to its output, in the tries of `SynFlow`. The score itself
/// grows by some powers of ten a cell and leaves 32 bits in deep networks.
const HALVINGS: [i32; 5] = [0, 6, 12, 18, 24];

/// The logarithm of `SynFlow` of the network with the weights of `parameters`, as [Abdelfattah et al.] score with it: all weights
/// by their absolute values, normalisations left out, one image of ones, and R the sum of the logits. They compute in 64 bits.
/// Here cells are scaled down by powers of two, which changes all |θ · ∂R/∂θ| by one factor: each path from the input to the
/// output goes through as many halvings. None where none of the tries gives finite numbers.
///
/// # Errors
/// When the budget does not fit the network, or the device fails.
///
/// [Abdelfattah et al.]: https://openreview.net/forum?id=0cmMMy8J5q
pub(super) fn synflow(
    genotype: &Genotype,
    budget: &Budget,
    (channels, classes): (usize, usize),
    parameters: &[NamedTensor],
    device: &Device,
) -> Result<Option<f64>, crate::Error> {
    synflow_halved(genotype, budget, (channels, classes), parameters, device, &HALVINGS)
}

/// The same with these halvings, of which the first is taken that gives finite numbers.
pub(super) fn synflow_halved(
    genotype: &Genotype,
    budget: &Budget,
    (channels, classes): (usize, usize),
    parameters: &[NamedTensor],
    device: &Device,
    halvings: &[i32],
) -> Result<Option<f64>, crate::Error> {
    let graph = build_untrained(genotype, budget, channels, classes, Untrained::Linearised)?;
    let side = budget.image_size as usize;
    let shape = Shape::new(channels, side, side);
    let image = ImageSet::new(shape, vec![u8::MAX; shape.elements()].into(), vec![0].into(), classes)?;
    let preprocess = Preprocess {
        image_size: side,
        mean: vec![0.0; channels],
        std: vec![1.0; channels],
        augment: false,
        cutout: 0,
    };
    let settings = TrainerSettings {
        batch_size: 1,
        groups: vec![GroupSettings::sgd(0.0, 0.0, 0.0)],
        extra_vectors: 0,
        label_smoothing: 0.0,
        float_bits: 32,
        preprocess,
        seed: 0,
        norm_init: NormInit::One,
    };
    let mut trainer = Trainer::new(device, &graph, &settings, &[image])?;
    let own: Vec<String> = trainer.named_parameters()?.into_iter().map(|tensor| tensor.name).collect();
    let weights: Vec<&NamedTensor> = parameters.iter().filter(|tensor| own.contains(&tensor.name)).collect();
    for &halvings in halvings {
        for NamedTensor { name, values, .. } in &weights {
            let factor = 0.5_f32.powi(halvings * steps_over(name));
            let values: Vec<f32> = values.iter().map(|value| value.abs() * factor).collect();
            trainer.set_parameter(name, &values)?;
        }
        match differentiate(&mut trainer, 0, &[0]) {
            Ok(()) => {}
            Err(Error::NonFinite { .. }) => continue,
            Err(error) => return Err(error.into()),
        }
        let (now, gradients) = (trainer.named_parameters()?, trainer.named_gradients()?);
        let pairs = now.iter().zip(&gradients).filter(|(weight, _)| is_weight(weight));
        let numbers = pairs.flat_map(|(weight, gradient)| weight.values.iter().zip(&gradient.values));
        let sum: f64 =
            numbers.map(|(&weight, &gradient)| f64::from(weight) * f64::from(gradient).abs()).sum();
        if sum.is_normal() {
            return Ok(Some(ln(sum) + f64::from(halvings * budget.layers as i32) * LN_2));
        }
    }
    Ok(None)
}

/// How many outputs of cells a layer's input lies back, for the layers that read those: where the halvings are. The first
/// cell's inputs both lie one back, for both are the stem.
fn steps_over(name: &str) -> i32 {
    let mut parts = name.split('.');
    match [parts.next(), parts.next(), parts.next()] {
        [Some("cells"), Some("0"), Some("preproc0")] | [Some("cells"), Some(_), Some("preproc1")] => 1,
        [Some("cells"), Some(_), Some("preproc0")] => 2,
        _ => 0,
    }
}
