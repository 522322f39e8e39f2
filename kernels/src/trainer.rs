//! One training: a graph on a device, epoch by epoch.

use std::path::Path;
use std::sync::Arc;

use crate::device::Device;
use crate::graph::Graph;
use crate::plan::MemoryPlan;
use crate::preprocess::{ImageSet, Preprocess};
use crate::profile::KernelTime;
use crate::program::{Mode, Program};
use crate::state::{Layout, NormInit, State, parameter_tensors};
use crate::tensors::save;
use crate::{Error, Shape};

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
    /// Seed of initial values, augmentation and drop path.
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
pub(crate) struct Setup {
    pub(crate) graph: Graph,
    pub(crate) layout: Layout,
    pub(crate) train: Program,
    pub(crate) evaluate: Program,
    pub(crate) recipe: TrainerSettings,
    pub(crate) sets: Vec<ImageSet>,
}

impl Setup {
    /// Checks that everything fits together, and makes the programs.
    fn new(graph: Graph, recipe: &TrainerSettings, sets: &[ImageSet]) -> Result<Self, Error> {
        if recipe.batch_size == 0 {
            return Err(Error::Images { problem: "a batch must have at least one image".into() });
        }
        let size = recipe.preprocess.image_size;
        for images in sets {
            let channels = images.shape().channels;
            let wanted = Shape::new(channels, size, size);
            if graph.input.shape != wanted {
                let problem = format!("the network reads {}, the images give {wanted}", graph.input.shape);
                return Err(Error::Images { problem });
            }
            let numbers = [&recipe.preprocess.mean, &recipe.preprocess.std].map(Vec::len);
            if numbers != [channels; 2] {
                let problem = format!("{numbers:?} means and standard deviations for {channels} channels");
                return Err(Error::Images { problem });
            }
            if let Some(label) = images.labels().iter().find(|&&label| usize::from(label) >= graph.classes) {
                let problem = format!("label {label} is not one of the network's {} classes", graph.classes);
                return Err(Error::Images { problem });
            }
        }
        let train = Program::new(&graph, Mode::Train);
        let evaluate = Program::new(&graph, Mode::Evaluate);
        let layout = Layout::new(&graph, &train.trained);
        let (recipe, sets) = (recipe.clone(), sets.to_vec());
        Ok(Self { graph, layout, train, evaluate, recipe, sets })
    }

    /// Bytes of the initial parameters, which are made on the host.
    pub(crate) fn initial_bytes(&self) -> u64 {
        (self.layout.elements as u64).saturating_mul(size_of::<f32>() as u64)
    }

    /// Whether both read the very same pixels.
    pub(crate) fn reads_as(&self, other: &Self) -> bool {
        let same = |(mine, theirs): (&ImageSet, &ImageSet)| Arc::ptr_eq(mine.pixels(), theirs.pixels());
        self.sets.len() == other.sets.len() && self.sets.iter().zip(&other.sets).all(same)
    }
}

/// A network in training.
pub struct Trainer {
    graph: Graph,
    layout: Layout,
    backend: Box<dyn Backend>,
    /// Images of each set.
    images: Vec<usize>,
    steps: u64,
}

impl Trainer {
    /// Plans, compiles and initialises a training of `graph` on `device`, over images of `sets`.
    ///
    /// # Errors
    /// When the images, the batch size or the normalisation do not fit the graph, the device has not enough
    /// memory, or other trainings of this process hold it ([`Error::MemoryInUse`]).
    pub fn new(
        device: &Device,
        graph: Graph,
        recipe: &TrainerSettings,
        sets: &[ImageSet],
    ) -> Result<Self, Error> {
        let setup = Setup::new(graph, recipe, sets)?;
        let (graph, layout) = (setup.graph.clone(), setup.layout.clone());
        // The device reserves the host's memory for the initial state too.
        let mut backend = device.backend(setup)?;
        let state = State::initial(&graph, &layout, recipe.seed, recipe.norm_init);
        backend.set_state(&state)?;
        let images = sets.iter().map(ImageSet::len).collect();
        Ok(Self { graph, layout, backend, images, steps: 0 })
    }

    /// The memory that a training would take, as it is planned for the device. Nothing is compiled or allocated.
    ///
    /// # Errors
    /// As [`Trainer::new`].
    pub fn plan_memory(
        device: &Device,
        graph: Graph,
        recipe: &TrainerSettings,
        sets: &[ImageSet],
    ) -> Result<MemoryPlan, Error> {
        device.memory_plan(Setup::new(graph, recipe, sets)?)
    }

    fn check(&self, pass: &Pass<'_>) -> Result<(), Error> {
        let Some(&count) = self.images.get(pass.set) else {
            return Err(Error::Images { problem: format!("there is no image set {}", pass.set) });
        };
        match pass.order.iter().find(|&&image| image as usize >= count) {
            Some(image) => {
                Err(Error::Images { problem: format!("image {image} is not one of the set's {count}") })
            }
            None => Ok(()),
        }
    }

    /// Trains one epoch over the images `order` of set `set`.
    ///
    /// # Errors
    /// When the set has no such image, the loss is not finite, the device fails, or the monitor says stop.
    pub fn train_epoch(
        &mut self,
        set: usize,
        order: &[u32],
        epoch: u32,
        learning_rate: f32,
        drop_path: f32,
        monitor: &dyn Monitor,
    ) -> Result<EpochMetrics, Error> {
        let pass = Pass { set, order, epoch, first_step: self.steps, learning_rate, drop_path, monitor };
        self.check(&pass)?;
        let metrics = self.backend.train(&pass)?;
        self.steps += metrics.losses.len() as u64;
        Ok(metrics)
    }

    /// Evaluates the images `order` of set `set` with running statistics.
    ///
    /// # Errors
    /// When the set has no such image, the device fails or the monitor says stop.
    pub fn evaluate(
        &mut self,
        set: usize,
        order: &[u32],
        monitor: &dyn Monitor,
    ) -> Result<Evaluation, Error> {
        let pass = Pass {
            set,
            order,
            epoch: 0,
            first_step: self.steps,
            learning_rate: 0.0,
            drop_path: 0.0,
            monitor,
        };
        self.check(&pass)?;
        self.backend.evaluate(&pass)
    }

    /// Replaces weights and running statistics by those of a safetensors file and clears the momentum. `former` gives
    /// the name that a tensor has now for one that an earlier version wrote. Gives what a person should know of how the
    /// file was read.
    ///
    /// # Errors
    /// When the file cannot be read or its tensors are not those of this network, each a finite number.
    pub fn load(&mut self, path: &Path, former: &dyn Fn(&str) -> String) -> Result<Vec<String>, Error> {
        let mut state = self.backend.state()?;
        let notes = state.load(path, former, &self.graph, &self.layout)?;
        self.backend.set_state(&state)?;
        Ok(notes)
    }

    /// Writes weights and running statistics as a safetensors file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&mut self, path: &Path) -> Result<(), Error> {
        let tensors = self.backend.state()?.tensors(&self.graph, &self.layout);
        save(path, &tensors)
    }

    /// Writes the gradients of the last step, before clipping, as a safetensors file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save_gradients(&mut self, path: &Path) -> Result<(), Error> {
        save(path, &parameter_tensors(&self.backend.gradients()?, &self.graph, &self.layout))
    }

    /// Times the kernels of `work` by kind; no times where the device cannot tell.
    ///
    /// # Errors
    /// Those of `work`.
    pub fn profiled<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<(T, Option<Vec<KernelTime>>), Error> {
        let begun = self.backend.begin_profile();
        let done = work(self);
        let times = self.backend.end_profile();
        Ok((done?, begun.then_some(times)))
    }

    /// The memory that was planned for this training, and is allocated.
    pub fn memory_plan(&self) -> MemoryPlan {
        self.backend.memory_plan()
    }
}
