//! Training on this machine: its devices, and several trainings at once on one of them.

mod packs;
mod processor;

use std::str::FromStr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cache::Digest;
use kernels::{Device, DeviceChoice, PACKED};
use stages::Budget;
use stages::checkpoint::Checkpoints;
use stages::data::Dataset;
use stages::hyperparameter::Value;
use stages::job::Job;
use stages::network::{self, EdgeFlops};
use stages::recipe::{Scoring, Skeleton};
use stages::stage::JobList;
use stages::supernet::SearchSize;
use stages::supernet::one_shot::WeightFiles;
use stages::train::{Observer, TrainingJob};

use self::packs::Packs;
use crate::engine::executor::{Events, Executor, Size};
use crate::engine::trainings::lock;
use crate::error::Error;

/// A device as the command line names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Auto,
    Cpu,
    Gpu(usize),
    Software,
}

impl Place {
    /// Opens the device; a training on the processor may use so many threads. Where the choice is left open, `tell` hears
    /// what was taken and why.
    ///
    /// # Errors
    /// When there is no such device.
    pub(crate) fn open(self, threads: usize, tell: &dyn Fn(&str)) -> Result<Device, Error> {
        let choice = match self {
            Self::Auto => {
                let (device, because) = Device::auto(threads);
                tell(&format!("device: {}, because {because}", device.name()));
                return Ok(device);
            }
            Self::Cpu => DeviceChoice::Cpu { threads },
            Self::Gpu(index) => DeviceChoice::Gpu { index },
            Self::Software => DeviceChoice::Software,
        };
        Device::open(choice).map_err(Error::Device)
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "gpu" => Ok(Self::Gpu(0)),
            "software" => Ok(Self::Software),
            _ => text.strip_prefix("gpu:").and_then(|index| index.parse().ok()).map(Self::Gpu).ok_or_else(
                || "choose auto, cpu, gpu, gpu:N or software; `pipeline devices` lists them".to_owned(),
            ),
        }
    }
}

/// Memory of the trainings that are packed on a GPU, where nothing else is said, in MiB: small for any GPU that one would
/// train on.
pub(crate) const PACK_MIB: u64 = 2048;

/// Trains on one device of this machine, several trainings at once: on a core each, or packed on a GPU.
pub(crate) struct LocalExecutor {
    place: Place,
    data: Dataset,
    /// Most trainings at once, if it was said.
    jobs: Option<usize>,
    /// Bytes that the trainings packed on a GPU may take together.
    pack_bytes: u64,
    checkpoint_interval: Duration,
    /// Threads of the processor for all of them together.
    threads: usize,
    /// What was opened for the trainings before.
    opened: Mutex<Option<Device>>,
    /// FLOPs by the values that shape a network, as far as they were asked for.
    networks: Mutex<Vec<(Vec<Value>, EdgeFlops)>>,
}

impl LocalExecutor {
    /// Opens no device yet: a run that finds everything in the cache needs none.
    pub(crate) fn new(
        place: Place,
        jobs: Option<usize>,
        pack_mib: u64,
        checkpoint_interval: Duration,
        data: Dataset,
    ) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let pack_bytes = pack_mib.saturating_mul(1 << 20);
        let (opened, networks) = (Mutex::new(None), Mutex::default());
        Self { place, data, jobs, pack_bytes, checkpoint_interval, threads, opened, networks }
    }

    /// The device for trainings of so many threads each. A GPU is opened once, for what was compiled for it stays with
    /// it; and looking for one takes time, so that it is looked for once.
    fn device(&self, threads: usize, events: &dyn Events) -> Result<Device, Error> {
        let mut opened = lock(&self.opened);
        let device = match &*opened {
            Some(gpu) if gpu.is_gpu() => return Ok(gpu.clone()),
            Some(_) => Place::Cpu.open(threads, &|_| {})?,
            None => self.place.open(threads, &|choice| events.chose(choice))?,
        };
        *opened = Some(device.clone());
        Ok(device)
    }

    /// The FLOPs of the networks of a budget: told apart by few numbers, and asked for by many trainings.
    fn flops(&self, budget: &Budget) -> Result<EdgeFlops, stages::Error> {
        let values = budget.network_values();
        let known =
            lock(&self.networks).iter().find(|(other, _)| *other == values).map(|(_, flops)| flops.clone());
        if let Some(flops) = known {
            return Ok(flops);
        }
        let flops = EdgeFlops::new(budget, self.data.channels, self.data.classes.len())?;
        lock(&self.networks).push((values, flops.clone()));
        Ok(flops)
    }

    /// How large the training of a network is. Of those that differ in their edges only, a table tells it.
    fn network_size(&self, job: &TrainingJob) -> Result<Size, stages::Error> {
        match job.architecture.genotype() {
            Some(genotype) if job.recipe.skeleton == Skeleton::default() => {
                Ok(Size::of(images(job, &self.data)?, self.flops(&job.budget)?.of(genotype)))
            }
            _ => size(job, &self.data),
        }
    }

    /// How many of the trainings fit the memory at once on the processor, going by the one that seems to take the most: so
    /// that no core is left without work where the others only wait. What each really takes is reserved before it begins.
    fn that_fit(&self, jobs: &dyn JobList) -> usize {
        let extent = |place: &usize| {
            let Budget { batch_size, layers, channels, image_size, float_bits, .. } = jobs.budget(*place);
            let values = [batch_size, layers, channels, image_size, image_size, float_bits];
            values.map(f64::from).iter().product::<f64>()
        };
        let largest = (0..jobs.count()).max_by(|a, b| extent(a).total_cmp(&extent(b)));
        let (Some(place), Some(memory)) = (largest, kernels::memory_for_trainings()) else {
            return usize::MAX;
        };
        let device = Device::open(DeviceChoice::Cpu { threads: 1 }).ok();
        let plan = device.and_then(|device| jobs.job(place).memory_plan(&self.data, &device).ok());
        plan.map_or(usize::MAX, |plan| (memory / plan.total().max(1)).max(1) as usize)
    }
}

impl Executor for LocalExecutor {
    fn device(&self) -> Option<String> {
        lock(&self.opened).as_ref().map(|device| kernels::hardware(&device.name()))
    }

    fn size(&self, job: &Job) -> Size {
        let Dataset { train, test, channels, classes, .. } = &self.data;
        // A job that fits no network fails with its reason when it is trained.
        match job {
            Job::Network(job) => self.network_size(job).unwrap_or_default(),
            Job::Supernet(job) => of_supernet(job.size(train.count, *channels, classes.len())),
            Job::OneShot(job) => of_supernet(job.size(train.count, *channels, classes.len())),
            Job::SubNetworks(job) => {
                of_supernet(job.size([train.count, test.count], *channels, classes.len()))
            }
            Job::Baselines(job) => of_supernet(job.size(train.count, *channels, classes.len())),
        }
    }

    fn execute(&self, jobs: &dyn JobList, stop: &AtomicBool, events: &dyn Events) -> Result<(), Error> {
        let most = self.jobs.unwrap_or(self.threads).min(jobs.count()).max(1);
        let workers = most.min(self.threads).min(self.that_fit(jobs));
        // One training a core while there are many, several cores a training when there are few.
        let device = &self.device(self.threads / workers, events)?;
        let execution = Execution { stop, events, checkpoint_interval: self.checkpoint_interval };
        if device.is_gpu() {
            let most = self.jobs.unwrap_or(PACKED).min(PACKED);
            return Packs { jobs, data: &self.data, device, most, bytes: self.pack_bytes, execution }
                .execute();
        }
        let run =
            |job: &Job, observer: &JobObserver<'_>| job.run(&self.data, device, observer, observer, observer);
        processor::execute(jobs, workers, &run, execution);
        Ok(())
    }
}

/// The size of a job that a supernet is part of; none of one that does not fit.
fn of_supernet(size: Result<SearchSize, stages::Error>) -> Size {
    size.map_or_else(|_| Size::default(), |SearchSize { images, flops }| Size { images, flops })
}

/// How large a training is.
///
/// # Errors
/// When the budget's sizes do not fit a network, or batches cannot be cut as the recipe says.
pub(crate) fn size(job: &TrainingJob, data: &Dataset) -> Result<Size, stages::Error> {
    let TrainingJob { architecture, budget, recipe, .. } = job;
    recipe.check_parts(budget)?;
    let cost = network::cost_in(architecture, budget, recipe.skeleton, data.channels, data.classes.len())?;
    Ok(Size::of(images(job, data)?, cost.training_flops))
}

/// Images that a training learns from, over all epochs.
fn images(job: &TrainingJob, data: &Dataset) -> Result<u64, stages::Error> {
    if matches!(job.scoring, Scoring::Holdout { .. }) && data.train.count < 2 {
        let problem = "one training image cannot be both trained on and held out".to_owned();
        let place = format!("data set {}", data.name);
        return Err(stages::Error::Config { place, problem });
    }
    Ok(job.scoring.learnt(data.train.count) as u64 * u64::from(job.budget.epochs))
}

/// What all trainings of a list share.
#[derive(Clone, Copy)]
struct Execution<'a> {
    stop: &'a AtomicBool,
    events: &'a dyn Events,
    checkpoint_interval: Duration,
}

impl Execution<'_> {
    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Passes on what a training tells.
struct JobObserver<'a> {
    index: usize,
    execution: Execution<'a>,
    begun: &'a (dyn Fn() + Sync),
}

impl Observer for JobObserver<'_> {
    fn begun(&self) {
        (self.begun)();
    }

    fn images(&self, images: u64) {
        self.execution.events.images(self.index, images);
    }

    fn resumed(&self, images: u64) {
        self.execution.events.resumed(self.index, images);
    }

    fn cancelled(&self) -> bool {
        self.execution.is_stopped()
    }

    fn note(&self, note: &str) {
        self.execution.events.note(self.index, note);
    }
}

impl Checkpoints for JobObserver<'_> {
    fn last(&self) -> Option<Vec<u8>> {
        self.execution.events.checkpoint(self.index)
    }

    fn keep(&self, bytes: &[u8]) -> Result<(), stages::Error> {
        Ok(self.execution.events.keep_checkpoint(self.index, bytes)?)
    }

    fn interval(&self) -> Duration {
        self.execution.checkpoint_interval
    }
}

impl WeightFiles for JobObserver<'_> {
    fn weights(&self, digest: &Digest) -> Option<Vec<u8>> {
        self.execution.events.weights(digest)
    }

    fn keep_weights(&self, bytes: &[u8]) -> Result<Digest, stages::Error> {
        Ok(self.execution.events.keep_weights(bytes)?)
    }
}
