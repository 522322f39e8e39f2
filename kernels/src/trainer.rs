//! One training: a graph on a device, epoch by epoch.

use std::path::Path;

use crate::backend::{Backend, EpochMetrics, Evaluation, Monitor, Pass, Setup, TrainerSettings};
use crate::device::Device;
use crate::error::Error;
use crate::graph::{Call, Graph};
use crate::ops;
use crate::preprocess::ImageSet;
use crate::profile::KernelTime;
use crate::program::plan::MemoryPlan;
use crate::program::{Mode, Tables};
use crate::shape::Shape;
use crate::state::{Layout, State, parameter_tensors};
use crate::tensors::save;

/// Checks that everything fits together, and makes the programs.
pub(crate) fn setup(
    graph: &Graph,
    settings: &TrainerSettings,
    sets: &[ImageSet],
) -> Result<Setup<dyn Call>, Error> {
    if settings.batch_size == 0 {
        return Err(Error::Images { problem: "a batch must have at least one image".into() });
    }
    let size = settings.preprocess.image_size;
    for images in sets {
        let channels = images.shape().channels;
        let wanted = Shape::new(channels, size, size);
        if graph.tables.input != wanted {
            let problem = format!("the network reads {}, the images give {wanted}", graph.tables.input);
            return Err(Error::Images { problem });
        }
        let numbers = [&settings.preprocess.mean, &settings.preprocess.std].map(Vec::len);
        if numbers != [channels; 2] {
            let problem = format!("{numbers:?} means and standard deviations for {channels} channels");
            return Err(Error::Images { problem });
        }
        if let Some(label) = images.labels().iter().find(|&&label| usize::from(label) >= graph.tables.classes)
        {
            let problem =
                format!("label {label} is not one of the network's {} classes", graph.tables.classes);
            return Err(Error::Images { problem });
        }
    }
    if !matches!(settings.float_bits, 16 | 32) {
        let problem = format!("numbers of {} bits: there are those of 16 and of 32", settings.float_bits);
        return Err(Error::BadSize { op: "settings", name: "float_bits".into(), problem });
    }
    let setup = unchecked_setup(graph, settings, sets);
    graph.check(&setup.evaluate)?;
    Ok(setup)
}

/// The same without the checks.
pub(crate) fn unchecked_setup(
    graph: &Graph,
    settings: &TrainerSettings,
    sets: &[ImageSet],
) -> Setup<dyn Call> {
    let train = ops::program(graph, Mode::Train);
    let evaluate = ops::program(graph, Mode::Evaluate);
    let layout = Layout::new(&graph.tables, &train.trained);
    let (settings, sets) = (settings.clone(), sets.to_vec());
    Setup { tables: graph.tables.clone(), layout, train, evaluate, settings, sets }
}

/// Where a training stands: parameters, running statistics, what the optimiser keeps, and the steps that were made.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Of what network it is: name and shape of each parameter.
    parameters: Vec<(String, Vec<usize>)>,
    pub(crate) state: State,
    pub(crate) momenta: Vec<f32>,
    pub(crate) steps: u64,
}

/// A network in training.
pub struct Trainer {
    tables: Tables,
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
        graph: &Graph,
        settings: &TrainerSettings,
        sets: &[ImageSet],
    ) -> Result<Self, Error> {
        let setup = setup(graph, settings, sets)?;
        let (tables, layout) = (setup.tables.clone(), setup.layout.clone());
        // The device reserves the host's memory for the initial state too.
        let mut backend = device.backend(setup)?;
        let state = State::initial(&tables, &layout, settings.seed, settings.norm_init);
        backend.set_state(&state)?;
        let images = sets.iter().map(ImageSet::len).collect();
        Ok(Self { tables, layout, backend, images, steps: 0 })
    }

    /// The memory that a training would take, as it is planned for the device. Nothing is compiled or allocated.
    ///
    /// # Errors
    /// As [`Trainer::new`].
    pub fn plan_memory(
        device: &Device,
        graph: &Graph,
        settings: &TrainerSettings,
        sets: &[ImageSet],
    ) -> Result<MemoryPlan, Error> {
        device.memory_plan(setup(graph, settings, sets)?)
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

    /// Trains one epoch over the images `order` of set `set`. After an error some of its steps may have been made: what goes on
    /// from there restores a checkpoint first.
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
        let notes = state.load(path, former, &self.tables, &self.layout)?;
        self.backend.set_state(&state)?;
        Ok(notes)
    }

    /// All that the training needs to go on as if it had not stopped.
    ///
    /// # Errors
    /// When the device fails.
    pub fn checkpoint(&mut self) -> Result<Checkpoint, Error> {
        let (state, momenta) = (self.backend.state()?, self.backend.momenta()?);
        Ok(Checkpoint { parameters: self.parameters(), state, momenta, steps: self.steps })
    }

    fn parameters(&self) -> Vec<(String, Vec<usize>)> {
        self.tables.params.iter().map(|param| (param.name.clone(), param.shape.clone())).collect()
    }

    /// Goes on from a checkpoint of a training of the same network: on a device of the same kind with the same bits as the
    /// training that made it.
    ///
    /// # Errors
    /// When it is one of another network, or the device fails.
    pub fn restore(&mut self, checkpoint: &Checkpoint) -> Result<(), Error> {
        let Checkpoint { parameters, state, momenta, steps } = checkpoint;
        let found =
            [state.parameters.len(), state.running_mean.len(), state.running_var.len(), momenta.len()];
        let channels = self.tables.norm_channels;
        let expected = [self.layout.elements, channels, channels, self.layout.trained];
        if *parameters != self.parameters() || found != expected {
            let problem = format!(
                "the checkpoint is of another network: it holds {} parameters and {found:?} numbers (parameters, running means, \
                 variances, momenta), this one {} and {expected:?}; restore it into the network that made it",
                parameters.len(),
                self.tables.params.len()
            );
            return Err(Error::Checkpoint { problem });
        }
        self.backend.set_state(state)?;
        self.backend.set_momenta(momenta)?;
        self.steps = *steps;
        Ok(())
    }

    /// Writes weights and running statistics as a safetensors file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&mut self, path: &Path) -> Result<(), Error> {
        let tensors = self.backend.state()?.tensors(&self.tables, &self.layout);
        save(path, &tensors)
    }

    /// Writes the gradients of the last step, before clipping, as a safetensors file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save_gradients(&mut self, path: &Path) -> Result<(), Error> {
        save(path, &parameter_tensors(&self.backend.gradients()?, &self.tables, &self.layout))
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
