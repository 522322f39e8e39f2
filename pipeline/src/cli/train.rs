//! `pipeline train`: one architecture under one budget.

mod during;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cache::{Claim, Claimed, Digest, Fields, Key, Kind, Record, Store};
use clap::{Args, ValueEnum};
use kernels::Device;
use stages::Budget;
use stages::checkpoint::{Checkpoints, NoCheckpoints};
use stages::data::Dataset;
use stages::echo::shown;
use stages::job::{Job, JobResult};
use stages::recipe::{BnInit, Scoring};
use stages::train::{
    Order, TrainOptions, TrainedWithOptions, TrainingJob, TrainingResult, memory_plan, train_with,
};

use self::during::{Kept, TrainingObserver};
use super::Global;
use super::asked::{Asked, Training};
use super::device::DeviceArgs;
use super::folder::{finish_sharing, warn};
use super::given::{minutes, path};
use super::interrupt::stop_on_signal;
use crate::engine::collector::{LOOK_EVERY, about};
use crate::engine::executor::Size;
use crate::engine::progress::Progress;
use crate::engine::sources::Origin;
use crate::engine::trainings::{job_record, remembered_training};
use crate::error::Error;
use crate::local::size;
use crate::output;
use crate::output::conditions::Conditions;
use crate::output::progress::Reporter;
use crate::output::train::TrainReport;

/// Train one architecture under one budget, or by the recipe of a final network
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
  pipeline train --architecture NASNET_A --recipe cifar10-full,epochs=2
  pipeline train --architecture @cells.txt --space nasnet --recipe mine.toml --data cifar-10-batches-bin
  pipeline train --genotype DARTS_V2 --budget BPE-1 --config mine.toml --set train.momentum=0.8
  pipeline train --genotype @mine.txt --budget BPE-1 --data cifar-10-batches-bin --scoring published --json
  pipeline train --genotype DARTS_V2 --budget BPE-1 --init-from start.safetensors --max-steps 1 --dump-gradients g.safetensors")]
pub(crate) struct Train {
    #[command(flatten)]
    asked: Asked,
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
    /// Cut each batch into so many parts, which are trained one after the other and take the memory of one; normalisations take the
    /// statistics of each part by itself [default: the recipe's, else 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    accumulate: Option<u32>,
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
    #[command(flatten)]
    checkpoints: CheckpointArgs,
    /// Order of the images
    #[arg(long, value_enum, default_value = "shuffled")]
    order: OrderMode,
}

/// Flags about the checkpoints of a training that is remembered.
#[derive(Args)]
struct CheckpointArgs {
    /// Minutes between checkpoints, which are kept at ends of epochs and within long ones; 0 for each [default: the settings', else 1]
    #[arg(long, value_name = "M", value_parser = minutes)]
    checkpoint_minutes: Option<Duration>,
    /// Go on from a checkpoint, or end where there is none; without this one that is there is gone on from all the same
    #[arg(long, conflicts_with_all = ["init_from", "dump_gradients", "max_steps", "order", "only_plan"])]
    resume: bool,
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
        writable("--save", self.save.as_deref())?;
        writable("--dump-gradients", self.dump_gradients.as_deref())?;
        let Training { mut job, data, config } = self.asked.read(global)?;
        self.change(&mut job);
        let (set_interval, share) = match config {
            Some(config) => (config.checkpoint_interval, Some(config.share)),
            None => (CHECKPOINT_INTERVAL, None),
        };
        let checkpoint_interval = self.checkpoints.checkpoint_minutes.unwrap_or(set_interval);
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
            let stop = stop_on_signal()?;
            self.train(&job, &data, (size, begun), &NoCheckpoints, &stop)?
        };
        let unwritten = finished.unwritten.take();
        let key = if self.is_remembered() {
            Some(job.key().map_err(Error::Stage)?.digest().to_string())
        } else {
            None
        };
        let conditions = Conditions::of(&data, job.scoring);
        let beside = (key.as_deref(), &conditions);
        let (asked, steps) = (shown(self.asked.text()), self.steps(&job.budget, size));
        output::train::print(&job, &asked, beside, finished, steps, global.json)?;
        unwritten.map_or(Ok(()), |error| Err(Error::Stage(error)))
    }

    /// What the flags change in the training that is asked for.
    fn change(&self, job: &mut TrainingJob) {
        job.seed = self.seed.unwrap_or(job.seed);
        match self.scoring {
            Some(ScoringMode::Published) => job.scoring = Scoring::Published,
            Some(ScoringMode::Holdout) if job.scoring == Scoring::Published => {
                job.scoring = Scoring::default();
            }
            _ => {}
        }
        job.recipe.accumulate = self.accumulate.unwrap_or(job.recipe.accumulate);
        job.recipe.augment &= !self.no_augment;
        if self.no_drop_path {
            job.recipe.drop_path = 0.0;
        }
        match self.bn_init {
            Some(BnInitMode::Ones) => job.recipe.bn_init = BnInit::Ones,
            Some(BnInitMode::Uniform) => job.recipe.bn_init = BnInit::Uniform,
            None => {}
        }
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
        let stop = stop_on_signal()?;
        let _claim = match self.turn(job, &key, store, &stop)? {
            Turn::Own(claim) => claim,
            Turn::Done(finished) => return Ok(*finished),
        };
        if self.checkpoints.resume && store.checkpoint(&key).is_none() {
            let problem =
                "finds no checkpoint of this training in the cache; leave it out to begin".to_owned();
            return Err(Error::Flag { flag: "--resume", value: String::new(), problem });
        }
        let losses = losses_key(key.digest())?;
        let kept = Kept { store, key: &key, interval };
        let mut finished = self.train(job, data, (size, begun), &kept, &stop)?;
        if finished.trained.result.divergence().is_some() {
            finished.last_checkpoint = kept.keep_last();
        }
        let record = job_record(key.clone(), &finished.trained.clone().map(JobResult::Network))?;
        if let Err(error) = store.put(&record) {
            // It is told all the same, and its checkpoint is left for the next command to go on from.
            output::message("warning: this training is not in the cache; make room, and train it once more");
            finished.unwritten.get_or_insert(error.into());
            return Ok(finished);
        }
        // One that cannot be removed now is in nobody's way: the result is found first.
        let _ = store.forget_checkpoint(&key);
        if let Err(error) = store.put(&Record::of(losses, &finished.loss)?) {
            // The training is kept, and whole without them.
            output::message(&format!("warning: the loss of each step is not kept: {error}"));
        }
        Ok(finished)
    }

    /// Looks the training up, and claims it. While another process has it, waits for what comes of it, unless weights are wanted, which are not
    /// remembered.
    fn turn(&self, job: &TrainingJob, key: &Key, store: &Store, stop: &AtomicBool) -> Result<Turn, Error> {
        let mut is_waiting = false;
        let finished = |record: Option<Record>| match record {
            Some(record) if self.save.is_none() => remembered_report(&record, store),
            _ => Ok(None),
        };
        loop {
            if let Some(finished) = finished(store.get(key)?)? {
                return Ok(Turn::Done(Box::new(finished)));
            }
            if let Claim::Granted(claim) = store.claim(key, || about(&Job::Network(job.clone()))) {
                // Whoever had the claim until now may have stored the result.
                return Ok(match finished(store.get_latest(key)?)? {
                    Some(finished) => Turn::Done(Box::new(finished)),
                    None => Turn::Own(Some(claim)),
                });
            }
            if self.save.is_some() {
                return Ok(Turn::Own(None));
            }
            if stop.load(Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
            if !std::mem::replace(&mut is_waiting, true) {
                output::message("waiting for another process, which trains the same");
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    /// The memory that the training would take, planned by the same code that allocates it.
    fn print_plan(&self, job: &TrainingJob, data: &Dataset, json: bool) -> Result<(), Error> {
        let device = self.open_device()?;
        let plan = memory_plan(job, data, &device).map_err(Error::Stage)?;
        let heading = format!("{}\n  {}", output::heading(&shown(self.asked.text())), job.budget);
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
        (size, begun): (Size, Instant),
        checkpoints: &dyn Checkpoints,
        stop: &AtomicBool,
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
        let progress = &Reporter::new(output::messages_to_terminal());
        let (first_step, resumed) = (OnceLock::new(), AtomicU64::new(0));
        let observer = TrainingObserver { stop, progress, size, begun, first_step, resumed };
        let trained = train_with(job, data, &device, &options, &observer, checkpoints);
        observer.progress.trainings_ended();
        match trained {
            Ok(TrainedWithOptions { trained, losses, waited, unwritten }) => {
                let first_step = observer.first_step.get().copied();
                let (loss, origin, last_checkpoint) = (losses, None, None);
                Ok(TrainReport { trained, loss, origin, first_step, waited, unwritten, last_checkpoint })
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

/// Whose a training is.
enum Turn {
    /// This process's; claimed where it could be.
    Own(Option<Claimed>),
    /// Nobody's: its result is stored.
    Done(Box<TrainReport>),
}

/// A remembered training, with what its record says about where and how fast it was trained.
fn remembered_report(record: &Record, store: &Store) -> Result<Option<TrainReport>, Error> {
    let Ok(result) = record.value::<TrainingResult>() else { return Ok(None) };
    // A run keeps no loss of single steps; then there are none to show.
    let losses = store.get(&losses_key(record.key.digest())?)?;
    let loss = losses.and_then(|record| record.value().ok()).unwrap_or_default();
    let trained = remembered_training(record, result);
    let origin = Some(Origin::of(record));
    let diverged = trained.result.divergence();
    let last_checkpoint = diverged.and_then(|_| store.last_checkpoint_kept(&record.key));
    let (first_step, waited, unwritten) = (None, None, None);
    Ok(Some(TrainReport { trained, loss, origin, first_step, waited, unwritten, last_checkpoint }))
}

/// The losses of single steps lie beside a training's record, which stays small for the many that never need them.
fn losses_key(training: &Digest) -> Result<Key, Error> {
    let fields = Fields::new().with("training", *training)?.with("what", "loss of each step")?;
    Ok(Key::new(Kind::Blob, fields))
}

/// How long after one checkpoint the next is due, where no settings say it.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(60);
