//! Trainings to measure: through the public runtime, of images that mean nothing.

use std::error::Error;
use std::sync::LazyLock;

use kernels::{
    Device, EpochMetrics, Evaluation, GroupSettings, ImageSet, KernelTime, MemoryPlan, Nobody, NormInit,
    Preprocess, Shape, Trainer, TrainerSettings,
};
use stages::recipe::{Recipe, Skeleton};
use stages::{Budget, Genotype, network};

const CHANNELS: usize = 3;
const CLASSES: usize = 10;
/// As in the recipe of the published trainings, half-way through.
const DROP_PATH: f32 = 0.1;
/// So small that no loss stops being a number, whatever the images.
const LEARNING_RATE: f32 = 1e-4;
/// Steps of one measurement.
pub const STEPS: usize = 8;

/// 16,384 images of 32 × 32 noise, brighter with the class, which all trainings share.
pub static IMAGES: LazyLock<ImageSet> = LazyLock::new(|| {
    let shape = Shape::new(CHANNELS, 32, 32);
    let noise = |index: usize| {
        (index as u32).wrapping_mul(2_654_435_761).rotate_left(9).wrapping_mul(0x9e37_79b1) >> 25
    };
    let class = |index: usize| index / shape.elements() % CLASSES;
    let pixels =
        (0..COUNT * shape.elements()).map(|index| noise(index) as u8 + 12 * class(index) as u8).collect();
    let labels = (0..COUNT).map(|index| (index % CLASSES) as u16).collect();
    #[allow(clippy::expect_used, reason = "its sizes are constants that fit together")]
    ImageSet::new(shape, pixels, labels, CLASSES).expect("images of one shape, with labels of these classes")
});
const COUNT: usize = 16_384;

/// The first four random architectures of seed 0, as a run samples them.
pub static ARCHITECTURES: LazyLock<Vec<Genotype>> = LazyLock::new(|| stages::sample::architectures(0, 4));

/// The networks of the table in the README of this folder: a name, and a budget.
pub const NETWORKS: [(&str, &str); 3] =
    [("BPE-1", "BPE-1"), ("C 16, 8 cells, 32x32", "DARTS"), ("BPE-1, 16 bits", "BPE-1,float_bits=16")];

/// Classes of the images that a skeleton is for: those of CIFAR-10 and of ImageNet.
pub fn classes(skeleton: Skeleton) -> usize {
    if skeleton == Skeleton::ImageNet { 1000 } else { CLASSES }
}

/// A training that is ready for its first step.
pub struct Training {
    trainer: Trainer,
    batch: usize,
}

impl Training {
    /// # Errors
    /// When the budget does not fit the network, or the network the device.
    pub fn new(
        device: &Device,
        architecture: &Genotype,
        budget: &Budget,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Self::by_recipe(device, architecture, budget, &Recipe::default())
    }

    /// The same by another recipe, as far as it matters to the time of a step.
    ///
    /// # Errors
    /// As [`Training::new`].
    pub fn by_recipe(
        device: &Device,
        architecture: &Genotype,
        budget: &Budget,
        recipe: &Recipe,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let classes = classes(recipe.skeleton);
        let graph = network::build_architecture(&architecture.into(), budget, recipe, CHANNELS, classes)?;
        let batch = budget.batch_size as usize;
        let settings = TrainerSettings {
            batch_size: batch,
            groups: vec![GroupSettings::sgd(0.9, 3e-4, 5.0)],
            extra_vectors: 0,
            label_smoothing: recipe.label_smoothing as f32,
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
        Ok(Self { trainer: Trainer::new(device, &graph, &settings, std::slice::from_ref(&*IMAGES))?, batch })
    }

    /// Trains so many whole steps: forward, backward, update.
    ///
    /// # Errors
    /// Those of the device.
    pub fn train(&mut self, steps: usize) -> Result<(), kernels::Error> {
        self.train_at(LEARNING_RATE, steps).map(drop)
    }

    /// The same at a learning rate, and what it gave.
    ///
    /// # Errors
    /// Those of the device.
    pub fn train_at(&mut self, learning_rate: f32, steps: usize) -> Result<EpochMetrics, kernels::Error> {
        train(&mut self.trainer, self.batch, learning_rate, steps)
    }

    /// Evaluates on as many images as a few steps train on.
    ///
    /// # Errors
    /// Those of the device.
    pub fn evaluate(&mut self) -> Result<Evaluation, kernels::Error> {
        self.trainer.evaluate(0, &order(STEPS, self.batch), &Nobody)
    }

    /// Memory of the training.
    pub fn memory_plan(&self) -> MemoryPlan {
        self.trainer.memory_plan()
    }

    /// Trains so many steps, and says what kernels took in them, by kind; nothing on a device that can't tell.
    ///
    /// # Errors
    /// Those of the device.
    pub fn train_timed(&mut self, steps: usize) -> Result<Vec<KernelTime>, kernels::Error> {
        let batch = self.batch;
        let (_, times) = self.trainer.profiled(|trainer| train(trainer, batch, LEARNING_RATE, steps))?;
        Ok(times.unwrap_or_default())
    }
}

fn train(
    trainer: &mut Trainer,
    batch: usize,
    learning_rate: f32,
    steps: usize,
) -> Result<EpochMetrics, kernels::Error> {
    trainer.train_epoch(0, &order(steps, batch), 0, learning_rate, DROP_PATH, &Nobody)
}

fn order(steps: usize, batch: usize) -> Vec<u32> {
    (0..steps * batch).map(|image| (image % COUNT) as u32).collect()
}
