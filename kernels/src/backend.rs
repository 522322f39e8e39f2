//! What a machine does for one training, and what it is given for that.

use std::sync::Arc;

use crate::error::Error;
use crate::preprocess::{ImageSet, Preprocess};
use crate::profile::KernelTime;
use crate::program::plan::MemoryPlan;
use crate::program::{Program, Tables};
use crate::state::{Layout, NormInit, State};

/// What one training does beside its network and images.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainerSettings {
    /// Images of a step.
    pub batch_size: usize,
    /// Momentum of SGD (not Nesterov).
    pub momentum: f32,
    /// Weight decay, on every parameter.
    pub weight_decay: f32,
    /// Largest norm of all gradients together.
    pub grad_clip: f32,
    /// Label smoothing of the cross-entropy.
    pub label_smoothing: f32,
    /// 32, or 16 to store activations, their gradients and the weights used in arithmetic as binary16.
    pub float_bits: u32,
    /// What is done to the images.
    pub preprocess: Preprocess,
    /// Seed of initial values, augmentation, drop path and dropout.
    pub seed: u64,
    /// How the scales of normalisations start.
    pub norm_init: NormInit,
}

/// What an epoch of training gave.
#[derive(Clone, Debug, PartialEq)]
pub struct EpochMetrics {
    /// Loss of each step: mean cross-entropy of the batch, the auxiliary head included with its weight.
    pub losses: Vec<f32>,
    /// Images whose class the main head told rightly, while training.
    pub correct: u64,
}

/// What an evaluation gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluation {
    /// Images whose class was told rightly.
    pub correct: u64,
    /// Images in all.
    pub images: u64,
    /// Mean cross-entropy (label smoothing included).
    pub loss: f64,
}

impl Evaluation {
    /// Top-1 accuracy in percent.
    pub fn accuracy(&self) -> f64 {
        100.0 * self.correct as f64 / self.images as f64
    }
}

/// Hears of progress and may stop a training.
pub trait Monitor: Sync {
    /// `images` more were trained or evaluated.
    fn progress(&self, images: u64);
    /// Whether to stop.
    fn cancelled(&self) -> bool;
}

/// A monitor that hears of nothing and stops nothing.
#[derive(Clone, Copy, Debug)]
pub struct Nobody;

impl Monitor for Nobody {
    fn progress(&self, _: u64) {}

    fn cancelled(&self) -> bool {
        false
    }
}

/// One epoch (or evaluation) over images of a set, in an order.
#[derive(Clone, Copy)]
pub(crate) struct Pass<'a> {
    /// Number of the image set.
    pub(crate) set: usize,
    /// Images in the order in which they are read.
    pub(crate) order: &'a [u32],
    /// Epoch, from 0 (a counter of the random numbers).
    pub(crate) epoch: u32,
    /// Steps before this epoch.
    pub(crate) first_step: u64,
    /// Learning rate of the epoch.
    pub(crate) learning_rate: f32,
    /// Probability that drop path drops an edge.
    pub(crate) drop_path: f32,
    pub(crate) monitor: &'a dyn Monitor,
}

/// What a device does for one training.
pub(crate) trait Backend: Send {
    /// Trains on all batches of the order; the last may be smaller.
    fn train(&mut self, pass: &Pass<'_>) -> Result<EpochMetrics, Error>;
    /// Evaluates with running statistics.
    fn evaluate(&mut self, pass: &Pass<'_>) -> Result<Evaluation, Error>;
    /// Parameters and running statistics.
    fn state(&mut self) -> Result<State, Error>;
    /// Replaces them, and clears the momentum.
    fn set_state(&mut self, state: &State) -> Result<(), Error>;
    /// What the optimiser keeps of the trained parameters, laid out like them.
    fn momenta(&mut self) -> Result<Vec<f32>, Error>;
    /// Replaces it.
    fn set_momenta(&mut self, momenta: &[f32]) -> Result<(), Error>;
    /// Gradients of the last step before clipping, laid out like the parameters.
    fn gradients(&mut self) -> Result<Vec<f32>, Error>;
    /// Begins to time kernels by kind, where the device can; false where it cannot.
    fn begin_profile(&mut self) -> bool {
        false
    }
    /// Ends that and gives the times.
    fn end_profile(&mut self) -> Vec<KernelTime> {
        Vec::new()
    }
    /// The memory that was planned and allocated.
    fn memory_plan(&self) -> MemoryPlan;
}

/// What a backend is built from.
pub(crate) struct Setup<C: ?Sized> {
    pub(crate) tables: Tables,
    pub(crate) layout: Layout,
    pub(crate) train: Program<C>,
    pub(crate) evaluate: Program<C>,
    pub(crate) settings: TrainerSettings,
    pub(crate) sets: Vec<ImageSet>,
}

impl<C: ?Sized> Setup<C> {
    /// Bytes of the initial parameters, which are made on the host.
    pub(crate) fn initial_bytes(&self) -> u64 {
        (self.layout.elements as u64).saturating_mul(size_of::<f32>() as u64)
    }

    /// The same with calls as a machine sees them.
    pub(crate) fn map<D: ?Sized>(self, view: impl Fn(Arc<C>) -> Arc<D>) -> Setup<D> {
        let Self { tables, layout, train, evaluate, settings, sets } = self;
        Setup { tables, layout, train: train.map(&view), evaluate: evaluate.map(&view), settings, sets }
    }

    /// Whether both read the very same pixels.
    pub(crate) fn reads_as(&self, other: &Self) -> bool {
        let same = |(mine, theirs): (&ImageSet, &ImageSet)| Arc::ptr_eq(mine.pixels(), theirs.pixels());
        self.sets.len() == other.sets.len() && self.sets.iter().zip(&other.sets).all(same)
    }
}

/// An adapter or the processor, for lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceInfo {
    /// What `--device` takes to choose it.
    pub choice: String,
    /// Name of the hardware.
    pub name: String,
    /// Backend and driver.
    pub backend: String,
}
