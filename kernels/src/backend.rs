//! What a machine does for one training, and what it is given for that.

use std::sync::Arc;

use crate::error::Error;
use crate::optimiser::{GroupSettings, Progress};
use crate::preprocess::{ImageSet, Preprocess};
use crate::profile::KernelTime;
use crate::program::plan::MemoryPlan;
use crate::program::{Program, Tables};
use crate::shape::Shape;
use crate::state::{Moments, NormInit, ParameterLayout, State};
use crate::step::{Group, Step, Vector, VectorWork};

/// What one training does beside its network and images.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainerSettings {
    /// Images of a batch.
    pub batch_size: usize,
    /// How each group of parameters is trained.
    pub groups: Vec<GroupSettings>,
    /// Vectors that steps can keep something in ([`Vector::Extra`](crate::Vector::Extra)).
    pub extra_vectors: usize,
    /// Label smoothing of the cross-entropy.
    pub label_smoothing: f32,
    /// 32, or 16 to store activations, their gradients and the weights used in arithmetic as binary16. Sums are taken
    /// in 32, also those that several operations add to: these are rounded once.
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

/// Images of a set, in the order in which they are read.
#[derive(Clone, Copy, Debug)]
pub struct Stream<'a> {
    /// Number of the image set.
    pub set: usize,
    /// Numbers of its images.
    pub order: &'a [u32],
}

/// One pass over the data: a step for each batch of its streams.
#[derive(Clone)]
pub(crate) struct DataPass<'a> {
    /// What each step does.
    pub(crate) step: Step,
    /// What it reads; all have as many batches.
    pub(crate) streams: Vec<Stream<'a>>,
    /// Epoch, from 0 (a counter of the random numbers).
    pub(crate) epoch: u32,
    /// Steps before this pass.
    pub(crate) first_step: u64,
    /// Where each group stands.
    pub(crate) progress: Vec<Progress>,
    /// Probability that drop path drops an edge.
    pub(crate) drop_path: f32,
    /// Temperature of mixtures that are drawn.
    pub(crate) temperature: f32,
    pub(crate) monitor: &'a dyn Monitor,
}

impl<'a> DataPass<'a> {
    /// One that evaluates.
    pub(crate) fn evaluation(stream: Stream<'a>, monitor: &'a dyn Monitor) -> Self {
        let (streams, progress) = (vec![stream], Vec::new());
        Self {
            step: Step::plain(0),
            streams,
            epoch: 0,
            first_step: 0,
            progress,
            drop_path: 0.0,
            temperature: 1.0,
            monitor,
        }
    }

    /// Steps for batches of so many images; one where no batch is read.
    pub(crate) fn steps(&self, batch: usize) -> usize {
        self.streams.first().map_or(1, |stream| stream.order.len().div_ceil(batch))
    }

    /// The batch that a stream gives to a step.
    pub(crate) fn batch(&self, stream: usize, step: usize, batch: usize) -> &'a [u32] {
        self.streams[stream].order.chunks(batch).nth(step).unwrap_or(&[])
    }

    /// Room for what it gives, for each part of a step that differentiates.
    pub(crate) fn metrics(&self) -> Vec<EpochMetrics> {
        self.step.differentiations().map(|_| EpochMetrics { losses: Vec::new(), correct: 0 }).collect()
    }
}

/// A value that an operation reads through a ReLU.
#[derive(Clone, Copy, Debug)]
pub struct Rectified<'a> {
    /// Channels, height and width of it.
    pub shape: Shape,
    /// Its numbers as the operation reads them, behind normalisation and ReLU, `[image][channel][row][column]`.
    pub values: &'a [f32],
}

/// Is shown values.
pub(crate) type Show<'s> = dyn FnMut(Rectified<'_>) + 's;

/// What a device does for one training.
pub(crate) trait Backend: Send {
    /// Makes all steps; the last batch of a stream may be smaller. What each part gave that differentiates.
    fn train(&mut self, pass: &DataPass<'_>) -> Result<Vec<EpochMetrics>, Error>;
    /// Evaluates with running statistics.
    fn evaluate(&mut self, images: Stream<'_>, monitor: &dyn Monitor) -> Result<Evaluation, Error>;
    /// Parameters and running statistics.
    fn state(&mut self) -> Result<State, Error>;
    /// Replaces them, and clears what optimisers keep.
    fn set_state(&mut self, state: &State) -> Result<(), Error>;
    /// Replaces the parameters from `offset` on, and nothing else.
    fn set_parameters(&mut self, offset: usize, values: &[f32]) -> Result<(), Error>;
    /// Puts images in the place of those of a set, which are as many of the same shape; gives the former ones.
    fn replace_images(&mut self, set: usize, images: ImageSet) -> Result<ImageSet, Error>;
    /// What optimisers keep.
    fn moments(&mut self) -> Result<Moments, Error>;
    /// Replaces it.
    fn set_moments(&mut self, moments: &Moments) -> Result<(), Error>;
    /// The dot product of a group's parts of two vectors.
    fn dot(&mut self, group: Group, vectors: [Vector; 2]) -> Result<f64, Error>;
    /// Gradients before clipping, laid out like the parameters.
    fn gradients(&mut self) -> Result<Vec<f32>, Error>;
    /// Shows the values that the last step kept, of each of the first `images` of its batch; see [`Rectified`].
    fn rectified(&mut self, images: usize, show: &mut Show<'_>) -> Result<(), Error>;
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

/// The calls of what a device does with vectors.
pub(crate) type VectorCalls<C> = Arc<dyn Fn(VectorWork) -> Vec<Arc<C>> + Send + Sync>;

/// What a backend is built from.
pub(crate) struct Setup<C: ?Sized> {
    pub(crate) tables: Tables,
    pub(crate) layout: ParameterLayout,
    pub(crate) train: Program<C>,
    pub(crate) evaluate: Program<C>,
    pub(crate) vectors: VectorCalls<C>,
    pub(crate) settings: TrainerSettings,
    pub(crate) sets: Vec<ImageSet>,
}

impl<C: ?Sized + 'static> Setup<C> {
    /// Bytes of the initial parameters, which are made on the host.
    pub(crate) fn initial_bytes(&self) -> u64 {
        (self.layout.elements as u64).saturating_mul(size_of::<f32>() as u64)
    }

    /// The same with calls as a machine sees them.
    pub(crate) fn map<D: ?Sized + 'static>(self, view: fn(Arc<C>) -> Arc<D>) -> Setup<D> {
        let Self { tables, layout, train, evaluate, vectors, settings, sets } = self;
        let vectors = Arc::new(move |work| vectors(work).into_iter().map(view).collect());
        Setup {
            tables,
            layout,
            train: train.map(view),
            evaluate: evaluate.map(view),
            vectors,
            settings,
            sets,
        }
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
