//! Training steps against the reference in binary64: loss, gradients, weights, running statistics and evaluation after one
//! step, and the loss of twenty, on the native backend and on Vulkan without a GPU. And exported networks against their own.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

mod baselines;
mod convolutions;
mod exported;
mod generator;
mod golden;
mod handmade;
mod loss;
mod named;
mod onnx;
mod search_steps;
mod supernet;

use golden::{
    BATCHES, Extent, Golden, MEAN, STD, Searched, Sizes, Summary, Tensor, Tensors, Tolerance, read_tensors,
};
use kernels::{Device, DeviceChoice, Graph, GroupSettings, Nobody, NormInit, Preprocess, Trainer};
use stages::architecture::CellSpace;
use stages::recipe::Recipe;
use stages::{Architecture, Budget, network};

const STEPS: usize = 20;
/// Largest error of a tensor's norm, relative to it.
const NORM: f64 = 1e-4;
/// Gradients below this share of the whole gradient's norm are held to that share: some are exactly zero.
const GRADIENT_FLOOR: f64 = 1e-3;
/// The same for parameters and running statistics, as an absolute norm.
const STATE_FLOOR: f64 = 1e-2;
/// Of the loss, in any of the twenty steps.
const LOSS: f64 = 1e-3;
/// Of the cross-entropy of one image in evaluation after one step.
const EVALUATION: f64 = 1e-4;

const GRADIENT: Tolerance = Tolerance { norm: NORM, dot: 2e-4, element: 1e-3, floor: 0.0 };
const STATE: Tolerance = Tolerance { norm: NORM, dot: 1e-4, element: 1e-4, floor: STATE_FLOOR };
/// Binary32 rounds the updated weight, and so holds what changed only so well.
const CHANGE: Tolerance = Tolerance { norm: 2e-3, dot: 1e-2, element: 1e-2, floor: 0.0 };

const NATIVE: DeviceChoice = DeviceChoice::Cpu { threads: 1 };
const VULKAN: DeviceChoice = DeviceChoice::Software;

/// A test for each case and device, so that they run beside each other and fail by name: `$hold` gets what is in brackets
/// and the device.
macro_rules! on_each_device {
    ($hold:ident: $($test:ident($($argument:expr),*))*) => {
        mod native {
            #[allow(unused_imports)]
            use super::*;

            $(#[test]
            fn $test() {
                $hold($($argument,)* crate::NATIVE);
            })*
        }

        mod vulkan {
            #[allow(unused_imports)]
            use super::*;

            $(#[test]
            fn $test() {
                $hold($($argument,)* crate::VULKAN);
            })*
        }
    };
}
pub(crate) use on_each_device;

/// The settings of a golden's training.
fn settings(golden: &Golden) -> kernels::TrainerSettings {
    let recipe = &golden.recipe;
    kernels::TrainerSettings {
        batch_size: golden.batch_size(),
        groups: vec![GroupSettings::sgd(recipe.momentum, recipe.weight_decay, recipe.grad_clip)],
        extra_vectors: 0,
        label_smoothing: recipe.label_smoothing,
        float_bits: 32,
        preprocess: Preprocess {
            image_size: golden.budget.image_size as usize,
            mean: vec![MEAN; golden.input_channels],
            std: vec![STD; golden.input_channels],
            augment: false,
            cutout: 0,
        },
        seed: 0,
        norm_init: NormInit::One,
    }
}

fn trainer(golden: &Golden, graph: &Graph, device: &Device) -> Trainer {
    Trainer::new(device, graph, &settings(golden), &[golden.images()]).unwrap()
}

fn order(golden: &Golden, batches: usize) -> Vec<u32> {
    (0..(batches * golden.batch_size()) as u32).collect()
}

/// Holds every tensor to its summary and prints the worst.
fn hold<'a>(
    what: &str,
    golden: &'a Golden,
    tolerance: Tolerance,
    summary: impl Fn(&'a Tensor) -> Option<&'a Summary>,
    values: impl Fn(&str) -> Vec<f64>,
) {
    let mut worst = [(0.0, ""); 3];
    for (name, tensor) in &golden.tensors {
        let Some(summary) = summary(tensor) else { continue };
        let errors = summary.errors(&values(name), tolerance);
        for (worst, error) in worst.iter_mut().zip(errors) {
            assert!(error.is_finite(), "{what} of {name}");
            if error > worst.0 {
                *worst = (error, name);
            }
        }
    }
    println!("{what}, shares of the tolerances of norm, dot product and element: {worst:?}");
    assert!(worst.iter().all(|&(share, _)| share <= 1.0), "{}: {what}: {worst:?}", golden.stream);
}

fn floats(tensors: &Tensors, name: &str) -> Vec<f64> {
    tensors[name].iter().map(|&value| f64::from(value)).collect()
}

/// Holds the evaluation of single images to the reference's scores of their classes.
fn hold_evaluation(golden: &Golden, trainer: &mut Trainer, logits: &[Vec<f64>], tolerance: f64) {
    let classes = golden.classes as f64;
    let smoothing = f64::from(golden.recipe.label_smoothing);
    let mut worst = 0.0_f64;
    for ((image, scores), label) in logits.iter().enumerate().zip(golden.labels(0)) {
        let label = usize::from(label);
        let sum: f64 = scores.iter().map(|score| score.exp()).sum();
        let loss = |class: usize| sum.ln() - scores[class];
        let mean = (0..golden.classes).map(loss).sum::<f64>() / classes;
        let expected = (1.0 - smoothing) * loss(label) + smoothing * mean;
        let found = trainer.evaluate(0, &[image as u32], &Nobody).unwrap();
        worst = worst.max((found.loss - expected).abs());
        let others = scores.iter().enumerate().filter(|&(class, _)| class != label);
        let margin = scores[label] - others.map(|(_, &score)| score).fold(f64::MIN, f64::max);
        if margin.abs() > 10.0 * tolerance {
            assert_eq!(found.correct == 1, margin > 0.0, "{}: image {image}", golden.stream);
        }
    }
    println!("evaluation: {worst:.1e}");
    assert!(worst <= tolerance, "{}: cross-entropy of an image is off by {worst:.1e}", golden.stream);
}

fn hold_one_step(golden: &Golden, trainer: &mut Trainer, dir: &std::path::Path) {
    let first = order(golden, 1);
    let rate = golden.budget.learning_rate as f32;
    let losses = trainer.train_epoch(0, &first, 0, rate, 0.0, &Nobody).unwrap().losses;
    assert_eq!(losses.len(), 1);
    let error = (f64::from(losses[0]) - golden.step.loss).abs();
    println!("loss: {error:.1e}");
    assert!(error <= NORM * golden.step.loss, "{}: loss is off by {error:.1e}", golden.stream);

    trainer.save_gradients(&dir.join("gradients")).unwrap();
    trainer.save(&dir.join("updated")).unwrap();
    let gradients = read_tensors(&dir.join("gradients"), golden, |tensor| tensor.gradient.is_some());
    let updated = read_tensors(&dir.join("updated"), golden, |_| true);
    let initial = golden.initial();
    let floor = GRADIENT_FLOOR * golden.step.gradient_norm;
    let of = |name: &str| floats(&gradients, name);
    hold("gradients", golden, Tolerance { floor, ..GRADIENT }, |tensor| tensor.gradient.as_ref(), of);
    let of = |name: &str| floats(&updated, name);
    hold("updated", golden, STATE, |tensor| Some(&tensor.updated), of);
    // The gradient reaches a weight clipped and times the rate; so does the floor.
    let clipped = golden.step.gradient_norm.min(f64::from(golden.recipe.grad_clip));
    let floor = GRADIENT_FLOOR * clipped * f64::from(rate);
    let of = |name: &str| {
        let pairs = floats(&updated, name).into_iter().zip(floats(&initial, name));
        pairs.map(|(after, before)| after - before).collect()
    };
    hold("change", golden, Tolerance { floor, ..CHANGE }, |tensor| tensor.change.as_ref(), of);
    hold_evaluation(golden, trainer, &golden.logits, EVALUATION);
}

fn hold_twenty_steps(golden: &Golden, trainer: &mut Trainer) {
    let all = order(golden, BATCHES);
    let rate = golden.twenty_steps.learning_rate;
    let mut losses = Vec::new();
    for epoch in 0..STEPS / BATCHES {
        losses.extend(trainer.train_epoch(0, &all, epoch as u32, rate, 0.0, &Nobody).unwrap().losses);
    }
    assert_eq!(losses.len(), golden.twenty_steps.losses.len());
    let pairs = losses.iter().zip(&golden.twenty_steps.losses);
    let worst = pairs.map(|(&loss, expected)| (f64::from(loss) - expected).abs()).fold(0.0, f64::max);
    println!("twenty losses: {worst:.1e}");
    assert!(worst <= LOSS, "{}: a loss of twenty steps is off by {worst:.1e}", golden.stream);
    hold_evaluation(golden, trainer, &golden.twenty_steps.logits, LOSS);
}

/// Holds the sizes of a network and its training to a golden.
fn hold_network(golden: &Golden, graph: &Graph, choice: DeviceChoice) {
    hold_sizes(golden, graph);
    let dir = tempfile::tempdir().unwrap();
    let device = Device::open(choice).unwrap();
    let mut trainer = trainer(golden, graph, &device);
    let start = dir.path().join("initial");
    golden.write_initial(&start);
    trainer.load(&start, &str::to_owned).unwrap();
    hold_one_step(golden, &mut trainer, dir.path());
    // Loading also clears the momentum.
    trainer.load(&start, &str::to_owned).unwrap();
    hold_twenty_steps(golden, &mut trainer);
}

fn hold_sizes(golden: &Golden, graph: &Graph) {
    let cost = graph.cost();
    let stream = &golden.stream;
    assert_eq!((cost.parameters, cost.mult_adds), (golden.parameters, golden.mult_adds), "{stream}");
    let initial = golden.initial();
    let trained = golden.tensors.iter().filter(|(_, tensor)| tensor.gradient.is_some());
    let elements: usize = trained.map(|(name, _)| initial[name].len()).sum();
    assert_eq!(elements as u64, golden.parameters_with_auxiliary, "{stream}");
}

/// The network of a genotype in any space.
fn hold_searched(name: &str, choice: DeviceChoice) {
    let file = format!("network-{name}");
    let golden: Golden = golden::read(&file);
    let Searched { genotype, budget: Extent { layers, channels }, skeleton } = golden::read(&file);
    let Sizes { batch_size, learning_rate, image_size } = golden.budget;
    let named: Budget = "BPE-1".parse().unwrap();
    let budget = Budget { epochs: 1, batch_size, learning_rate, layers, channels, image_size, ..named };
    let Golden { input_channels, classes, .. } = golden;
    let any = CellSpace::named("any").unwrap();
    let architecture = Architecture::read(&genotype, None, Some(&any)).unwrap();
    let (aux_weight, skeleton) = (golden.recipe.aux_weight, skeleton.unwrap_or_default());
    let recipe = Recipe { aux_weight, skeleton, ..Recipe::default() };
    let graph = network::build_architecture(&architecture, &budget, &recipe, input_channels, classes);
    hold_network(&golden, &graph.unwrap(), choice);
}

on_each_device! { hold_searched:
    published_0("published-0")
    published_1("published-1")
    published_2("published-2")
    published_3("published-3")
    published_4("published-4")
    published_5("published-5")
    dense("dense")
    uneven("uneven")
    empty_node("empty-node")
    odd_map("odd-map")
    loose_ends("loose-ends")
    large("large")
}
