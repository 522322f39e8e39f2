//! `pipeline baselines`: scores of architectures that cost no training, as a table.

mod listed;

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cache::{Digest, Key, Store};
use clap::Args;
use stages::Budget;
use stages::baselines::{BaselineScores, BaselinesJob};
use stages::config::TrainConfig;
use stages::data::Dataset;
use stages::job::{Job, JobResult};
use stages::train::Finished;

use self::listed::Listed;
use super::Global;
use super::data::load_of;
use super::folder::{finish_sharing, warn};
use super::given::path;
use super::interrupt::stop_on_signal;
use crate::engine::executor::{Events, Executor};
use crate::engine::progress::Progress;
use crate::engine::trainings::{job_record, lock};
use crate::error::Error;
use crate::local::{LocalExecutor, PACK_MIB, Place};
use crate::nas::template;
use crate::output;
use crate::output::baselines::{self, Scored};
use crate::output::progress::Reporter;

/// Scores of architectures that cost no training, as a table with a row for each
///
/// What a budget has to rank better than, to be worth its trainings. Columns, of which more is ranked higher: parameters;
/// `mult_adds` of one image; skips (skip connections in both cells); and, of the network with its initial weights, `nwot`
/// (Mellor et al., 2021), `zico` (Li et al., 2023), `swap` (Peng et al., 2024), on one or two batches of training images
/// without augmentation, and `synflow` (Tanaka et al., 2020, without normalisations as Abdelfattah et al., 2021), of which
/// this is the natural logarithm.
///
/// The table goes to `pipeline rank`, alone or beside budgets (`--with`), and to `pipeline compare --with`. What was
/// scored once is remembered.
#[derive(Args)]
#[command(after_help = "Examples:
  pipeline baselines ground_truth.csv --data cifar-10-batches-bin --out baselines.csv
  pipeline rank baselines.csv ground_truth.csv
  pipeline rank accuracies.csv ground_truth.csv --with baselines.csv --halves
  pipeline compare --truth ground_truth.csv --trials trials.csv --accuracies accuracies.csv --with baselines.csv")]
pub(crate) struct Baselines {
    /// Table with a column of genotypes, whose names are kept, or any text with genotypes
    #[arg(value_name = "ARCHITECTURES", value_parser = path())]
    architectures: PathBuf,
    /// Size of the scored networks and of the images, and images of a batch, as a budget; its other values do not matter
    #[arg(long, default_value = "BPE-1", value_name = "NAME|k=v,...")]
    budget: Budget,
    /// Size of the networks whose parameters and multiply-adds are counted, as a budget: that of full training
    #[arg(long, default_value = "full", value_name = "NAME|k=v,...")]
    full: Budget,
    /// `embedded`, or the folder of a data set
    #[arg(long, value_name = "SET|DIR")]
    data: Option<String>,
    /// Seed of the initial weights and of which images are in the batches
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// File to write the table to [default: standard output]
    #[arg(long, value_name = "F", value_parser = path())]
    out: Option<PathBuf>,
}

impl Baselines {
    pub(super) fn run(&self, global: &Global) -> Result<(), Error> {
        let listed = Listed::read(&self.architectures)?;
        let data = load_of(self.data.as_deref(), None, global)?;
        let template = template(&TrainConfig::default(), &data);
        let job = |genotype: &stages::Genotype| BaselinesJob {
            genotype: genotype.clone(),
            budget: self.budget,
            full: self.full,
            seed: self.seed,
            data: template.data.clone(),
            scoring: template.scoring,
        };
        let jobs: Vec<BaselinesJob> = listed.genotypes.iter().map(job).collect();
        // Also finds out whether the sizes fit the networks, before anything is opened.
        for job in &jobs {
            job.size(data.train.count, data.channels, data.classes.len()).map_err(Error::Input)?;
        }
        let store = global.open_with(global.sharing(None)?)?;
        let scores = scored(&jobs, data, &store);
        finish_sharing(&store);
        warn(&store);
        let table = Scored { names: listed.names, scores: scores? };
        match &self.out {
            Some(path) => baselines::write(&table, path, global.json),
            None => baselines::print(&table, global.json),
        }
    }
}

/// The scores of all jobs, from the cache as far as they are there.
fn scored(jobs: &[BaselinesJob], data: Dataset, store: &Store) -> Result<Vec<BaselineScores>, Error> {
    let keys: Vec<Key> =
        jobs.iter().map(BaselinesJob::key).collect::<Result<_, _>>().map_err(Error::Stage)?;
    let known = |key: &Key| Ok(store.get(key)?.and_then(|record| record.value().ok()));
    let mut scores: Vec<Option<BaselineScores>> = keys.iter().map(known).collect::<Result<_, Error>>()?;
    let missing: Vec<usize> = (0..jobs.len()).filter(|&place| scores[place].is_none()).collect();
    if !missing.is_empty() {
        let stop = stop_on_signal()?;
        let list: Vec<Job> = missing.iter().map(|&place| Job::Baselines(jobs[place].clone())).collect();
        let executor = LocalExecutor::new(Place::Cpu, None, PACK_MIB, Duration::MAX, data);
        let progress = Reporter::new(output::messages_to_terminal());
        let sizes: Vec<_> = list.iter().map(|job| executor.size(job)).collect();
        progress.trainings_started("baselines", &sizes, (jobs.len() - missing.len()) as u64);
        let keys = missing.iter().map(|&place| &keys[place]).collect();
        let collected = Collected { store, keys, progress: &progress, stop: &stop, found: Mutex::default() };
        let executed = executor.execute(&list, &stop, &collected);
        progress.trainings_ended();
        executed?;
        let Found { scores: found, failure } =
            collected.found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(failure) = failure {
            return Err(failure);
        }
        for (job, found) in found {
            scores[missing[job]] = Some(found);
        }
    }
    // What was not begun was stopped.
    scores.into_iter().collect::<Option<_>>().ok_or(Error::InterruptedMeasurement)
}

/// What came of jobs, in the order in which they ended, and why the first failed.
#[derive(Default)]
struct Found {
    scores: Vec<(usize, BaselineScores)>,
    failure: Option<Error>,
}

/// Takes scores as they come, and remembers them.
struct Collected<'a> {
    store: &'a Store,
    keys: Vec<&'a Key>,
    progress: &'a Reporter,
    stop: &'a AtomicBool,
    found: Mutex<Found>,
}

impl Collected<'_> {
    fn fail(&self, error: Error) {
        lock(&self.found).failure.get_or_insert(error);
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Events for Collected<'_> {
    fn chose(&self, _: &str) {}

    fn wanted(&self, _: usize) -> bool {
        true
    }

    fn images(&self, _: usize, images: u64) {
        self.progress.images(images, 0);
    }

    fn resumed(&self, _: usize, _: u64) {}

    fn checkpoint(&self, _: usize) -> Option<Vec<u8>> {
        None
    }

    fn keep_checkpoint(&self, _: usize, _: &[u8]) -> Result<(), cache::Error> {
        Ok(())
    }

    fn weights(&self, _: &Digest) -> Option<Vec<u8>> {
        None
    }

    fn keep_weights(&self, bytes: &[u8]) -> Result<Digest, cache::Error> {
        self.store.keep_weights(bytes)
    }

    fn note(&self, _: usize, note: &str) {
        self.progress.note(note);
    }

    fn finished(&self, job: usize, result: Result<Finished<JobResult>, stages::Error>) {
        let finished = match result {
            Ok(finished) => finished,
            Err(_) if self.stop.load(Ordering::Relaxed) => return,
            Err(error) => return self.fail(Error::Stage(error)),
        };
        let JobResult::Baselines(scores) = finished.result else { return };
        let kept =
            job_record(self.keys[job].clone(), &finished).and_then(|record| Ok(self.store.put(&record)?));
        if let Err(error) = kept {
            // They are told all the same.
            self.progress.note(&format!("warning: these scores are not in the cache: {error}"));
        }
        lock(&self.found).scores.push((job, scores));
        self.progress.images(0, scores.flops);
        self.progress.training_ended(None);
    }
}
