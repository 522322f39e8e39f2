//! One training: a graph on a device, epoch by epoch.

mod tensors;

use std::path::Path;
use std::sync::Arc;

use crate::backend::{Backend, DataPass, EpochMetrics, Evaluation, Monitor, Setup, Stream, TrainerSettings};
use crate::checkpoint::Checkpoint;
use crate::device::Device;
use crate::error::Error;
use crate::graph::{Call, Graph};
use crate::ops;
use crate::optimiser::Progress;
use crate::preprocess::ImageSet;
use crate::profile::KernelTime;
use crate::program::plan::MemoryPlan;
use crate::program::{Mode, Tables};
use crate::shape::Shape;
use crate::state::{Moments, ParameterLayout, State, parameter_tensors};
use crate::step::{Group, Part, Step, Vector, VectorWork};
use crate::tensors::{Tensors, Weights, save};

pub use self::tensors::NamedTensor;

/// Checks that everything fits together, and makes the programs.
pub(crate) fn setup(
    graph: &Graph,
    settings: &TrainerSettings,
    sets: &[ImageSet],
) -> Result<Setup<dyn Call>, Error> {
    if settings.batch_size == 0 {
        return Err(Error::Images { problem: "a batch must have at least one image".into() });
    }
    if sets.is_empty() {
        let problem = "there is none; a training reads at least one".into();
        return Err(Error::BadSize { op: "training", name: "image sets".into(), problem });
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
    let (groups, wanted) = (settings.groups.len(), graph.tables.groups);
    if groups != wanted {
        let problem = format!("{groups} groups of parameters have settings, and the network has {wanted}");
        return Err(Error::BadSize { op: "settings", name: "groups".into(), problem });
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
    let train = ops::program(graph, Mode::Train, settings.float_bits);
    let evaluate = ops::program(graph, Mode::Evaluate, settings.float_bits);
    let layout = ParameterLayout::new(&graph.tables, &train.trained);
    let (settings, sets) = (settings.clone(), sets.to_vec());
    let vectors = Arc::new(ops::vector_calls);
    Setup { tables: graph.tables.clone(), layout, train, evaluate, vectors, settings, sets }
}

/// What the steps of an epoch read, and the rates that stay for all of them.
#[derive(Clone, Copy, Debug)]
pub struct Epoch<'a> {
    /// Where the batches come from, by number ([`Part::Differentiate`](crate::Part)); all have as many.
    pub streams: &'a [Stream<'a>],
    /// Which it is, from 0: augmentation, drop path and dropout are drawn by it.
    pub number: u32,
    /// Of each group.
    pub learning_rates: &'a [f32],
    /// Probability that drop path drops an edge.
    pub drop_path: f32,
    /// Temperature of mixtures that are drawn ([`Draw`](crate::Draw)), above 0.
    pub temperature: f32,
}

/// A network in training.
pub struct Trainer {
    tables: Tables,
    layout: ParameterLayout,
    backend: Box<dyn Backend>,
    /// Shape of the images of each set, and how many they are.
    sets: Vec<(Shape, usize)>,
    batch_size: usize,
    extra_vectors: usize,
    /// Updates of each group.
    updates: Vec<u64>,
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
        let sets = sets.iter().map(|set| (set.shape(), set.len())).collect();
        let updates = vec![0; settings.groups.len()];
        let (batch_size, extra_vectors) = (settings.batch_size, settings.extra_vectors);
        Ok(Self { tables, layout, backend, sets, batch_size, extra_vectors, updates, steps: 0 })
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

    fn check(&self, stream: Stream<'_>) -> Result<(), Error> {
        let Some(&(_, count)) = self.sets.get(stream.set) else {
            return Err(Error::Images { problem: format!("there is no image set {}", stream.set) });
        };
        match stream.order.iter().find(|&&image| image as usize >= count) {
            Some(image) => {
                Err(Error::Images { problem: format!("image {image} is not one of the set's {count}") })
            }
            None => Ok(()),
        }
    }

    fn check_step(&self, step: &Step, epoch: &Epoch<'_>) -> Result<(), Error> {
        let refused = |problem: String| Err(Error::Step { problem });
        let groups = self.updates.len();
        let lacking = |&part: &Part| VectorWork::Part(part).lacks(groups, self.extra_vectors);
        if let Some(lacking) = step.parts().iter().find_map(lacking) {
            return refused(format!("a part names {lacking}"));
        }
        let (given, wanted) = (epoch.streams.len(), step.streams());
        if given != wanted {
            return refused(format!("it reads {wanted} streams of images, and {given} are given"));
        }
        if epoch.learning_rates.len() != groups {
            let given = epoch.learning_rates.len();
            return refused(format!("{given} learning rates are given for {groups} groups"));
        }
        if epoch.temperature.is_nan() || epoch.temperature <= 0.0 {
            return refused(format!("the temperature is {}; it must be above 0", epoch.temperature));
        }
        let batches = |stream: &Stream<'_>| stream.order.len().div_ceil(self.batch_size);
        let counts: Vec<usize> = epoch.streams.iter().map(batches).collect();
        if counts.windows(2).any(|pair| pair[0] != pair[1]) {
            return refused(format!("its streams have {counts:?} batches; give all of them as many"));
        }
        epoch.streams.iter().try_for_each(|&stream| self.check(stream))
    }

    /// Trains one epoch over the images `order` of set `set` by plain steps, all groups with one learning rate. After an error
    /// some of its steps may have been made: what goes on from there restores a checkpoint first.
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
        let groups = self.updates.len();
        let learning_rates = vec![learning_rate; groups];
        let streams = &[Stream { set, order }];
        let (learning_rates, temperature) = (&learning_rates[..], 1.0);
        let epoch = Epoch { streams, number: epoch, learning_rates, drop_path, temperature };
        let mut metrics = self.run(&Step::plain(groups), &epoch, monitor)?;
        // A plain step differentiates once.
        Ok(metrics.remove(0))
    }

    /// Makes a step for each batch of an epoch's streams, or one where it has none; what each part gave that differentiates.
    /// After an error as [`Trainer::train_epoch`].
    ///
    /// # Errors
    /// When the step or the epoch does not fit the training; and as [`Trainer::train_epoch`].
    pub fn run(
        &mut self,
        step: &Step,
        epoch: &Epoch<'_>,
        monitor: &dyn Monitor,
    ) -> Result<Vec<EpochMetrics>, Error> {
        self.check_step(step, epoch)?;
        let progress = epoch.learning_rates.iter().zip(&self.updates);
        let pass = DataPass {
            step: step.clone(),
            streams: epoch.streams.to_vec(),
            epoch: epoch.number,
            first_step: self.steps,
            progress: progress
                .map(|(&learning_rate, &updates)| Progress { learning_rate, updates })
                .collect(),
            drop_path: epoch.drop_path,
            temperature: epoch.temperature,
            monitor,
        };
        let metrics = self.backend.train(&pass)?;
        let steps = pass.steps(self.batch_size) as u64;
        for (group, updates) in self.updates.iter_mut().enumerate() {
            *updates += steps * step.updates(Group(group)) as u64;
        }
        self.steps += steps;
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
        let stream = Stream { set, order };
        self.check(stream)?;
        self.backend.evaluate(stream, monitor)
    }

    /// Puts images in the place of those of set `set`, which are as many of the same shape, for what runs from now on; gives the
    /// former ones. So an epoch may go over more images than memory holds, in windows.
    ///
    /// # Errors
    /// When there is no such set, the images are not like its own or have other classes than the network, the device shares
    /// them with another training, or it fails.
    pub fn replace_images(&mut self, set: usize, images: ImageSet) -> Result<ImageSet, Error> {
        let (shape, classes) = (images.shape(), self.tables.classes);
        let Some(&(known, count)) = self.sets.get(set) else {
            return Err(Error::Images { problem: format!("there is no image set {set}") });
        };
        if (known, count) != (shape, images.len()) {
            let problem = format!(
                "{} of {shape} cannot take the place of {count} of {known}; give as many of one shape",
                images.len()
            );
            return Err(Error::Images { problem });
        }
        if let Some(label) = images.labels().iter().find(|&&label| usize::from(label) >= classes) {
            let problem = format!("label {label} is not one of the network's {classes} classes");
            return Err(Error::Images { problem });
        }
        self.backend.replace_images(set, images)
    }

    /// The dot product of a group's parts of two vectors, found on the device.
    ///
    /// # Errors
    /// When there is no such group or vector, or the device fails.
    pub fn dot(&mut self, group: Group, left: Vector, right: Vector) -> Result<f64, Error> {
        let vectors = [left, right];
        match (VectorWork::Dot { group, vectors }).lacks(self.updates.len(), self.extra_vectors) {
            Some(lacking) => Err(Error::Step { problem: format!("a dot product names {lacking}") }),
            None => self.backend.dot(group, vectors),
        }
    }

    /// The Euclidean norm of a group's part of a vector.
    ///
    /// # Errors
    /// As [`Trainer::dot`].
    pub fn norm(&mut self, group: Group, of: Vector) -> Result<f64, Error> {
        Ok(self.dot(group, of, of)?.sqrt())
    }

    /// The numbers of a parameter, in row-major order.
    ///
    /// # Errors
    /// When there is none of that name, or the device fails.
    pub fn parameter(&mut self, name: &str) -> Result<Vec<f32>, Error> {
        let mut tensors = self.backend.state()?.tensors(&self.tables, &self.layout);
        let found = tensors.remove(name).map(|(_, values)| values);
        let problem = "the network has no tensor of this name".to_owned();
        found.ok_or_else(|| Error::BadSize { op: "parameter", name: name.to_owned(), problem })
    }

    /// Replaces the numbers of a parameter, in row-major order. What optimisers keep of it stays.
    ///
    /// # Errors
    /// When there is no parameter of that name with so many numbers, or the device fails.
    pub fn set_parameter(&mut self, name: &str, values: &[f32]) -> Result<(), Error> {
        let offset = self.layout.offset_of(name, values.len(), &self.tables)?;
        self.backend.set_parameters(offset, values)
    }

    /// Replaces weights and running statistics by those of a safetensors file and clears what optimisers keep. `former` gives
    /// the name that a tensor has now for one that an earlier version wrote. Gives what a person should know of how the
    /// file was read.
    ///
    /// # Errors
    /// When the file cannot be read or its tensors are not those of this network, each a finite number.
    pub fn load(&mut self, path: &Path, former: &dyn Fn(&str) -> String) -> Result<Vec<String>, Error> {
        let mut state = self.backend.state()?;
        let notes = state.load(path, former, &|_| false, &self.tables, &self.layout)?;
        self.backend.set_state(&state)?;
        self.updates.fill(0);
        Ok(notes)
    }

    /// Replaces weights and running statistics by those that [`Graph::weights`] read, and clears what optimisers keep.
    ///
    /// # Errors
    /// When they are those of another network, or the device fails.
    pub fn set_weights(&mut self, Weights(tensors): &Weights) -> Result<(), Error> {
        let mut state = self.backend.state()?;
        let own = state.tensors(&self.tables, &self.layout);
        let shapes = |tensors: &Tensors| -> Vec<(String, Vec<usize>)> {
            tensors.iter().map(|(name, (shape, _))| (name.clone(), shape.clone())).collect()
        };
        if shapes(&own) != shapes(tensors) {
            let problem =
                "they are those of another network; read them with the graph of this one".to_owned();
            return Err(Error::BadSize { op: "weights", name: "tensors".to_owned(), problem });
        }
        state.replace(tensors, &self.tables, &self.layout);
        self.backend.set_state(&state)?;
        self.updates.fill(0);
        Ok(())
    }

    /// All that the training needs to go on as if it had not stopped.
    ///
    /// # Errors
    /// When the device fails.
    pub fn checkpoint(&mut self) -> Result<Checkpoint, Error> {
        let (state, moments) = (self.backend.state()?, self.backend.moments()?);
        let (parameters, updates, steps) = (self.parameters(), self.updates.clone(), self.steps);
        Ok(Checkpoint { parameters, state, moments, updates, steps })
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
        let Checkpoint { parameters, state, moments, updates, steps } = checkpoint;
        let found = [state.parameters.len(), state.running_mean.len(), state.running_var.len()];
        let channels = self.tables.norm_channels;
        let expected = [self.layout.elements, channels, channels];
        let own = self.backend.moments()?;
        let kept = |moments: &Moments| [moments.first.len(), moments.second.len()];
        let fits = found == expected && kept(moments) == kept(&own) && updates.len() == self.updates.len();
        if *parameters != self.parameters() || !fits {
            let problem = format!(
                "the checkpoint is of another network, or of other optimisers: it holds {} parameters, {found:?} numbers \
                 (parameters, running means, variances) and {:?} moments, this training {}, {expected:?} and {:?}; restore it \
                 into a training like the one that made it",
                parameters.len(),
                kept(moments),
                self.tables.params.len(),
                kept(&own)
            );
            return Err(Error::Checkpoint { problem });
        }
        self.backend.set_state(state)?;
        self.backend.set_moments(moments)?;
        self.updates.clone_from(updates);
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

    /// Writes the gradients, before clipping, as a safetensors file.
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
