//! Trainings to measure: through the public runtime, of images that mean nothing.

use std::error::Error;
use std::sync::{Arc, LazyLock};

use kernels::{Device, ImageSet, KernelTime, Nobody, NormInit, Preprocess, Shape, Trainer, TrainerSettings};
use stages::{Budget, Genotype, network};

const CHANNELS: usize = 3;
const CLASSES: usize = 10;
/// As in the recipe of the published trainings, half-way through.
const DROP_PATH: f32 = 0.1;
const AUXILIARY_WEIGHT: f64 = 0.4;
/// So small that no loss stops being a number, whatever the images.
const LEARNING_RATE: f32 = 1e-4;
/// Steps that a set has images for.
pub const STEPS: usize = 8;

/// The first four random architectures of seed 0, as a run samples them.
pub static ARCHITECTURES: LazyLock<Vec<Genotype>> = LazyLock::new(|| stages::sample::architectures(0, 4));

/// The networks of the table in the README of this folder: a name, and a budget.
pub const NETWORKS: [(&str, &str); 3] =
    [("BPE-1", "BPE-1"), ("C 16, 8 cells, 32x32", "DARTS"), ("BPE-1, 16 bits", "BPE-1,float_bits=16")];

/// A training that is ready for its first step.
pub struct Training {
    trainer: Trainer,
    batch: usize,
}

impl Training {
    /// # Errors
    /// When the budget does not fit the network, or the network the device.
    pub fn new(device: &Device, architecture: &Genotype, budget: &Budget) -> Result<Self, Box<dyn Error>> {
        let graph = network::build(architecture, budget, CHANNELS, CLASSES, AUXILIARY_WEIGHT)?;
        let batch = budget.batch_size as usize;
        let recipe = TrainerSettings {
            batch_size: batch,
            momentum: 0.9,
            weight_decay: 3e-4,
            grad_clip: 5.0,
            label_smoothing: 0.0,
            float_bits: budget.float_bits,
            preprocess: Preprocess {
                image_size: budget.image_size as usize,
                mean: vec![0.5; CHANNELS],
                std: vec![0.25; CHANNELS],
                augment: true,
                cutout: budget.cutout as usize,
            },
            seed: 0,
            norm_init: NormInit::One,
        };
        Ok(Self { trainer: Trainer::new(device, graph, &recipe, &[images(STEPS * batch)?])?, batch })
    }

    /// Trains so many whole steps: forward, backward, update.
    ///
    /// # Errors
    /// Those of the device.
    pub fn train(&mut self, steps: usize) -> Result<(), kernels::Error> {
        train(&mut self.trainer, self.batch, steps)
    }

    /// The same, and what kernels took in them, by kind; nothing on a device that can't tell.
    ///
    /// # Errors
    /// Those of the device.
    pub fn train_timed(&mut self, steps: usize) -> Result<Vec<KernelTime>, kernels::Error> {
        let batch = self.batch;
        let ((), times) = self.trainer.profiled(|trainer| train(trainer, batch, steps))?;
        Ok(times.unwrap_or_default())
    }
}

fn train(trainer: &mut Trainer, batch: usize, steps: usize) -> Result<(), kernels::Error> {
    let order: Vec<u32> = (0..steps * batch).map(|image| (image % (STEPS * batch)) as u32).collect();
    trainer.train_epoch(0, &order, 0, LEARNING_RATE, DROP_PATH, &Nobody)?;
    Ok(())
}

/// `count` images of 32 × 32; speed does not depend on what they show.
fn images(count: usize) -> Result<ImageSet, kernels::Error> {
    let shape = Shape::new(CHANNELS, 32, 32);
    let pixels: Arc<[u8]> =
        (0..count * shape.elements()).map(|index| (index * 2_654_435_761) as u8).collect();
    let labels: Arc<[u8]> = (0..count).map(|index| (index % CLASSES) as u8).collect();
    ImageSet::new(shape, pixels, labels, CLASSES)
}
