//! `pipeline train`: one architecture under one budget.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cache::{Digest, Fields, Key, Kind, Record, Store};
use clap::{Args, ValueEnum};
use kernels::Device;
use stages::Budget;
use stages::checkpoint::{Checkpoints, NoCheckpoints};
use stages::config::{ShareConfig, TrainConfig};
use stages::data::{Dataset, Limits, Reading};
use stages::echo::shown;
use stages::job::JobResult;
use stages::recipe::{BnInit, Scoring};
use stages::train::{
    Observer, Order, TrainOptions, TrainedWithOptions, TrainingJob, TrainingResult, memory_plan, train_with,
};

use super::Global;
use super::data::{load, read};
use super::device::DeviceArgs;
use super::folder::{finish_sharing, warn};
use super::given::{genotype, path};
use super::interrupt::stop_on_signal;
use super::selection::Settings;
use crate::engine::executor::Size;
use crate::engine::progress::Progress;
use crate::engine::trainings::{job_record, remembered_training};
use crate::error::Error;
use crate::local::size;
use crate::nas::template;
use crate::output;
use crate::output::conditions::Conditions;
use crate::output::progress::Reporter;
use crate::output::train::TrainReport;

/// Train one architecture under one budget
///
/// A training is looked up first and remembered after, unless --init-from, --max-steps, --dump-gradients or --order
/// make it another one than its key says. One that is remembered keeps checkpoints, and goes on from the last one when it
/// was interrupted. Weights are not remembered: --save trains.
///
/// With --profile, --config or --set it is a training of `pipeline run` with the same flags: its images, seed, scoring and
/// recipe. Without them it is one of the paper's recipe, with seed 0 and a tenth of the training images held out.
#[derive(Args)]
#[command(after_help = "Examples:
  pipeline train --genotype DARTS_V2 --budget BPE-1,epochs=2
  pipeline train --genotype DARTS_V2 --budget full --plan
  pipeline train --genotype DARTS_V2 --budget BPE-1 --config mine.toml --set train.momentum=0.8
  pipeline train --genotype @mine.txt --budget BPE-1 --data cifar-10-batches-bin --scoring published --json
  pipeline train --genotype DARTS_V2 --budget BPE-1 --init-from start.safetensors --max-steps 1 --dump-gradients g.safetensors")]
pub(crate) struct Train {
    /// A genotype in any text form, the name of a published one, or @FILE with one; of several in a file `@FILE:NAME` or
    /// `@FILE:LINE`
    #[arg(long, value_name = "G|NAME|@FILE")]
    genotype: String,
    /// A name (BPE-1, BPE-2, DARTS, full), values, or a name and the values that differ
    #[arg(long, value_name = "NAME|k=v,...")]
    budget: String,
    #[command(flatten)]
    settings: Settings,
    /// `embedded`, or the folder of a data set; `stream:DIR` for pictures that do not fit the memory [default: the settings',
    /// else embedded]
    #[arg(long, value_name = "SET|DIR")]
    data: Option<String>,
    /// Seed of initial weights, order of images, augmentation and drop path [default: the settings', else 0]
    #[arg(long)]
    seed: Option<u64>,
    /// Score by images held out of the training images, or train on all and take the best test accuracy, as the
    /// published trials did [default: the settings', else holdout]
    #[arg(long, value_enum)]
    scoring: Option<ScoringMode>,
    /// How the scales of batch normalisation start: at one, or uniform in [0, 1) as in the published trials [default: the
    /// settings', else ones]
    #[arg(long, value_enum)]
    bn_init: Option<BnInitMode>,
    /// No random crop and flip
    #[arg(long)]
    no_augment: bool,
    /// No drop path
    #[arg(long)]
    no_drop_path: bool,
    #[command(flatten)]
    device: DeviceArgs,
    /// Say how much memory the training would take, part by part, and do not train
    #[arg(long = "plan", conflicts_with_all = ["init_from", "save", "dump_gradients", "max_steps", "order"])]
    only_plan: bool,
    /// Start from the weights and running statistics in this safetensors file
    #[arg(long, value_name = "F", value_parser = path())]
    init_from: Option<PathBuf>,
    /// Write weights and running statistics to this safetensors file
    #[arg(long, value_name = "F", value_parser = path())]
    save: Option<PathBuf>,
    /// Write the gradients of the last step, before clipping, to this safetensors file
    #[arg(long, value_name = "F", value_parser = path())]
    dump_gradients: Option<PathBuf>,
    /// End after so many steps
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_steps: Option<u64>,
    /// Order of the images
    #[arg(long, value_enum, default_value = "shuffled")]
    order: OrderMode,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ScoringMode {
    Holdout,
    Published,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum BnInitMode {
    Ones,
    Uniform,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OrderMode {
    /// A new random order each epoch
    Shuffled,
    /// As in the files
    Sequential,
}

impl Train {
    pub(super) fn run(&self, global: &Global) -> Result<(), Error> {
        let begun = Instant::now();
        let genotype = genotype(&self.genotype)?;
        let budget: Budget = self.budget.parse().map_err(Error::Input)?;
        writable("--save", self.save.as_deref())?;
        writable("--dump-gradients", self.dump_gradients.as_deref())?;
        let (train, data, checkpoint_interval, share) = self.train_config(global)?;
        let job = template(&train, &data).job(&genotype, &budget);
        // Also finds out whether the sizes fit a network, before anything is opened.
        let size = size(&job, &data).map_err(Error::Input)?;
        if self.only_plan {
            return self.print_plan(&job, &data, global.json);
        }
        let mut finished = if self.is_remembered() {
            let store = global.open_with(global.sharing(share.as_ref())?)?;
            let finished = self.remembered((&job, &data), (&store, checkpoint_interval), size, begun);
            finish_sharing(&store);
            warn(&store);
            finished?
        } else {
            self.train(&job, &data, size, begun, &NoCheckpoints)?
        };
        let unwritten = finished.unwritten.take();
        let key = if self.is_remembered() {
            Some(job.key().map_err(Error::Stage)?.digest().to_string())
        } else {
            None
        };
        let conditions = Conditions::of(&data, job.scoring);
        let beside = (key.as_deref(), &conditions);
        let (genotype, steps) = (shown(&self.genotype), self.steps(&budget, size));
        output::train::print(&job, &genotype, beside, finished, steps, global.json)?;
        unwritten.map_or(Ok(()), |error| Err(Error::Stage(error)))
    }

    /// What the training does beyond its budget, its images, how long after one checkpoint the next is due, and what is shared:
    /// as the settings say, where there are any, and then as the flags say.
    fn train_config(
        &self,
        global: &Global,
    ) -> Result<(TrainConfig, Dataset, Duration, Option<ShareConfig>), Error> {
        let config = if self.settings.are_given() { Some(self.settings.config()?) } else { None };
        let data = match (&self.data, &config) {
            (None, Some(config)) => read(&config.data.source, &config.data.reading, global)?,
            (named, config) => {
                let reading = config.as_ref().map(|config| config.data.reading.clone());
                // All of it: how many images to take goes with the settings' own set.
                let reading = Reading { limits: Limits::default(), ..reading.unwrap_or_default() };
                load(named.as_deref().unwrap_or("embedded"), &reading, global)?
            }
        };
        let (mut train, checkpoint_interval, share) = match config {
            Some(config) => (config.train, config.checkpoint_interval, Some(config.share)),
            None => (TrainConfig::default(), CHECKPOINT_INTERVAL, None),
        };
        train.seed = self.seed.unwrap_or(train.seed);
        match self.scoring {
            Some(ScoringMode::Published) => train.scoring = Scoring::Published,
            Some(ScoringMode::Holdout) if train.scoring == Scoring::Published => {
                train.scoring = Scoring::default();
            }
            _ => {}
        }
        train.recipe.augment &= !self.no_augment;
        if self.no_drop_path {
            train.recipe.drop_path = 0.0;
        }
        match self.bn_init {
            Some(BnInitMode::Ones) => train.recipe.bn_init = BnInit::Ones,
            Some(BnInitMode::Uniform) => train.recipe.bn_init = BnInit::Uniform,
            None => {}
        }
        Ok((train, data, checkpoint_interval, share))
    }

    /// Whether the training is one that the cache may know: started from a file, cut short or in another order it is
    /// another training, which its key does not describe.
    fn is_remembered(&self) -> bool {
        self.init_from.is_none()
            && self.dump_gradients.is_none()
            && self.max_steps.is_none()
            && self.order == OrderMode::Shuffled
    }

    /// Looks the training up, or trains and stores it. Weights are not remembered, so saving them takes a training.
    fn remembered(
        &self,
        (job, data): (&TrainingJob, &Dataset),
        (store, interval): (&Store, Duration),
        size: Size,
        begun: Instant,
    ) -> Result<TrainReport, Error> {
        let key = job.key().map_err(Error::Stage)?;
        if self.save.is_none()
            && let Some(finished) = look_up(&key, store)?
        {
            return Ok(finished);
        }
        let losses = losses_key(key.digest())?;
        let finished = self.train(job, data, size, begun, &Kept { store, key: &key, interval })?;
        store.put(&job_record(key.clone(), &finished.trained.clone().map(JobResult::Network))?)?;
        // One that cannot be removed now is in nobody's way: the result is found first.
        let _ = store.forget_checkpoint(&key);
        store.put(&Record::of(losses, &finished.loss)?)?;
        Ok(finished)
    }

    /// The memory that the training would take, planned by the same code that allocates it.
    fn print_plan(&self, job: &TrainingJob, data: &Dataset, json: bool) -> Result<(), Error> {
        let device = self.open_device()?;
        let plan = memory_plan(job, data, &device).map_err(Error::Stage)?;
        let heading = format!("{}\n  {}", output::heading(&shown(&self.genotype)), job.budget);
        output::memory::print(&plan, &heading, &device.name(), json)
    }

    fn open_device(&self) -> Result<Device, Error> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        self.device.place.open(threads, &output::message)
    }

    /// Trains, for a command that has `begun` before.
    fn train(
        &self,
        job: &TrainingJob,
        data: &Dataset,
        size: Size,
        begun: Instant,
        checkpoints: &dyn Checkpoints,
    ) -> Result<TrainReport, Error> {
        let device = self.open_device()?;
        let options = TrainOptions {
            init_from: self.init_from.clone(),
            save: self.save.clone(),
            dump_gradients: self.dump_gradients.clone(),
            max_steps: self.max_steps,
            order: match self.order {
                OrderMode::Shuffled => Order::Shuffled,
                OrderMode::Sequential => Order::Sequential,
            },
        };
        let stop = stop_on_signal()?;
        let progress = &Reporter::new(output::messages_to_terminal());
        let (first_step, resumed) = (OnceLock::new(), AtomicU64::new(0));
        let observer = TrainingObserver { stop: &stop, progress, size, begun, first_step, resumed };
        let trained = train_with(job, data, &device, &options, &observer, checkpoints);
        observer.progress.trainings_ended();
        match trained {
            Ok(TrainedWithOptions { trained, losses, waited, unwritten }) => {
                let first_step = observer.first_step.get().copied();
                Ok(TrainReport { trained, loss: losses, cached: false, first_step, waited, unwritten })
            }
            Err(_) if stop.load(Ordering::Relaxed) => Err(Error::Interrupted),
            Err(error) => Err(Error::Stage(error)),
        }
    }

    /// Steps of a whole training. The last batch of an epoch is kept though it may be smaller.
    fn steps(&self, budget: &Budget, size: Size) -> u64 {
        let epochs = u64::from(budget.epochs);
        let steps = (size.images / epochs).div_ceil(u64::from(budget.batch_size)) * epochs;
        self.max_steps.map_or(steps, |most| most.min(steps))
    }
}

/// Finds out before a training whether its file can be written.
fn writable(flag: &'static str, path: Option<&Path>) -> Result<(), Error> {
    let Some(path) = path else { return Ok(()) };
    kernels::file::check(path).map_err(|error| Error::Flag {
        flag,
        value: path.display().to_string(),
        problem: format!(
            "cannot be written ({error}); give a file in a folder that exists and may be written to"
        ),
    })
}

/// A remembered training, with what its record says about where and how fast it was trained.
fn look_up(key: &Key, store: &Store) -> Result<Option<TrainReport>, Error> {
    let Some(record) = store.get(key)? else { return Ok(None) };
    let Ok(result) = record.value::<TrainingResult>() else { return Ok(None) };
    // A run keeps no loss of single steps; then there are none to show.
    let loss =
        store.get(&losses_key(key.digest())?)?.and_then(|record| record.value().ok()).unwrap_or_default();
    let trained = remembered_training(&record, result);
    Ok(Some(TrainReport { trained, loss, cached: true, first_step: None, waited: None, unwritten: None }))
}

/// The losses of single steps lie beside a training's record, which stays small for the many that never need them.
fn losses_key(training: &Digest) -> Result<Key, Error> {
    let fields = Fields::new().with("training", *training)?.with("what", "loss of each step")?;
    Ok(Key::new(Kind::Blob, fields))
}

/// How long after one checkpoint the next is due, where no settings say it.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(60);

/// Checkpoints of the training of a key, in the cache.
struct Kept<'a> {
    store: &'a Store,
    key: &'a Key,
    interval: Duration,
}

impl Checkpoints for Kept<'_> {
    fn last(&self) -> Option<Vec<u8>> {
        self.store.checkpoint(self.key)
    }

    fn keep(&self, bytes: &[u8]) -> Result<(), stages::Error> {
        Ok(self.store.keep_checkpoint(self.key, bytes)?)
    }

    fn interval(&self) -> Duration {
        self.interval
    }
}

/// Passes a training's progress on.
struct TrainingObserver<'a> {
    stop: &'a AtomicBool,
    progress: &'a Reporter,
    size: Size,
    begun: Instant,
    /// How long after that the first images were done.
    first_step: OnceLock<Duration>,
    /// Images that were trained before.
    resumed: AtomicU64,
}

impl Observer for TrainingObserver<'_> {
    fn images(&self, images: u64) {
        // Not before the first images: until then a file may turn out not to fit.
        self.first_step.get_or_init(|| {
            let first_step = self.begun.elapsed();
            self.progress.trainings_started("training", &[self.size], 0);
            self.progress.skipped(self.size.flops_of(self.resumed.load(Ordering::Relaxed)));
            first_step
        });
        self.progress.images(images, self.size.flops_of(images));
    }

    fn resumed(&self, images: u64) {
        self.resumed.store(images, Ordering::Relaxed);
    }

    fn cancelled(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn note(&self, note: &str) {
        output::message(note);
    }
}
