//! Trainings of the cache, trained once more: does this machine get what others got?

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Mutex;
use std::sync::atomic::Ordering;

use cache::{Digest, FieldValue, Key, Kind, Store};
use serde::Serialize;
use stages::job::{Job, JobResult};
use stages::recipe::Scoring;
use stages::stage::JobTemplate;
use stages::train::{Finished, TrainingResult};

use crate::cli::Global;
use crate::cli::device::DeviceArgs;
use crate::cli::interrupt::stop_on_signal;
use crate::cli::retrain::asked;
use crate::cli::selection::Settings;
use crate::engine::executor::{Events, Executor, Size};
use crate::engine::progress::Progress;
use crate::engine::trainings::{DEVICE, lock};
use crate::error::Error;
use crate::local::{LocalExecutor, PACK_MIB};
use crate::nas::template;
use crate::output::progress::Reporter;
use crate::output::{self, format};

#[derive(Serialize)]
struct SampleJson {
    /// Trainings that the settings would ask for, and others, which were passed over.
    trainings: u64,
    of_other_settings: u64,
    trained: u64,
    /// Those with the same bytes.
    same: u64,
    /// Those with other bytes from the device of this name that trained them before.
    differ_on_the_same_device: Vec<String>,
    /// How far scores lie apart, in points of accuracy.
    mean_difference: f64,
    largest_difference: f64,
    failed: u64,
}

/// A training that is trained once more.
struct Sampled {
    key: Digest,
    device: String,
    result: TrainingResult,
}

/// Trains a sample once more, stores nothing, and says how far the results lie apart.
///
/// # Errors
/// When one device gave two results, or a training failed.
pub(super) fn retrain(
    global: &Global,
    store: &Store,
    percent: f64,
    settings: &Settings,
    device: &DeviceArgs,
) -> Result<(), Error> {
    let loaded = settings.load(global)?;
    let chosen = template(&loaded.train, &loaded.data);
    let (mut jobs, mut sampled, mut all, mut others) = (Vec::new(), Vec::new(), 0_u64, 0_u64);
    for record in store.iter(Kind::Training)? {
        let record = record?;
        let Some(job) = job_of(&record.key, &chosen) else {
            others += 1;
            continue;
        };
        all += 1;
        // The same ones each time: by their keys, which are as good as random.
        let place = u32::from_be_bytes(record.key.digest().0[..4].try_into().unwrap_or_default());
        if f64::from(place) < percent / 100.0 * f64::from(u32::MAX)
            && let Ok(result) = record.value::<TrainingResult>()
        {
            let device = record.provenance.get(DEVICE).cloned().unwrap_or_default();
            sampled.push(Sampled { key: *record.key.digest(), device, result });
            jobs.push(job);
        }
    }
    let interval = loaded.checkpoint_interval;
    let executor = LocalExecutor::new(device.place, None, PACK_MIB, interval, loaded.data);
    let progress = Reporter::new(output::messages_to_terminal());
    let sizes: Vec<Size> = jobs.iter().map(|job| executor.size(job)).collect();
    let stop = stop_on_signal()?;
    progress.trainings_started("verify", &sizes, 0);
    let results = Results { sizes, progress: &progress, finished: Mutex::default() };
    let executed = executor.execute(&jobs, &stop, &results);
    progress.trainings_ended();
    executed?;
    if stop.load(Ordering::Relaxed) {
        return Err(Error::InterruptedMeasurement);
    }
    let finished = results.finished.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let found = compare(&sampled, &finished, all, others);
    let (differ, failed) = (found.differ_on_the_same_device.len() as u64, found.failed);
    if global.json {
        output::json(&found)?;
    } else {
        output::result(&text(&found))?;
    }
    if differ + failed > 0 { Err(Error::NotReproduced { differ, failed }) } else { Ok(()) }
}

/// The job of a network's training with this key, under the settings: with any seed, and scored as they say or as a last training
/// is.
fn job_of(key: &Key, chosen: &JobTemplate) -> Option<Job> {
    let Some(FieldValue::Uint(seed)) = key.fields().get("seed") else { return None };
    let (architecture, budget) = asked(key)?;
    [chosen.scoring, Scoring::Published].into_iter().find_map(|scoring| {
        let template = JobTemplate { scoring, seed: *seed, ..chosen.clone() };
        let job = template.job(architecture.clone(), &budget);
        (job.key().ok()?.digest() == key.digest()).then_some(Job::Network(job))
    })
}

fn compare(
    sampled: &[Sampled],
    finished: &BTreeMap<usize, (TrainingResult, String)>,
    trainings: u64,
    of_other_settings: u64,
) -> SampleJson {
    let mut differ = Vec::new();
    let (mut same, mut sum, mut largest) = (0, 0.0, 0.0_f64);
    for (place, (result, device)) in finished {
        let before = &sampled[*place];
        if *result == before.result {
            same += 1;
        } else if *device == before.device {
            differ.push(before.key.to_string());
        }
        let difference = (result.score - before.result.score).abs();
        sum += difference;
        largest = largest.max(difference);
    }
    let trained = finished.len() as u64;
    SampleJson {
        trainings,
        of_other_settings,
        trained,
        same,
        differ_on_the_same_device: differ,
        mean_difference: if trained > 0 { sum / trained as f64 } else { 0.0 },
        largest_difference: largest,
        failed: sampled.len() as u64 - trained,
    }
}

fn text(found: &SampleJson) -> String {
    let mut text = format!(
        "{} of {} trained once more: {} the same to the last byte",
        format::count(found.trained),
        format::plural(found.trainings, "training"),
        format::count(found.same),
    );
    if found.trained > found.same {
        let _ = write!(
            text,
            "; scores lie {:.2} points apart on average, {:.2} at most",
            found.mean_difference, found.largest_difference
        );
    }
    if found.of_other_settings > 0 {
        let _ = write!(
            text,
            "; {} of other settings or kinds passed over",
            format::count(found.of_other_settings)
        );
    }
    for key in &found.differ_on_the_same_device {
        let _ = write!(text, "\ndiffers on the same device: training/{key}");
    }
    text
}

/// Keeps results in memory, and nothing else.
struct Results<'a> {
    sizes: Vec<Size>,
    progress: &'a Reporter,
    finished: Mutex<BTreeMap<usize, (TrainingResult, String)>>,
}

impl Events for Results<'_> {
    fn chose(&self, choice: &str) {
        self.progress.note(choice);
    }

    fn wanted(&self, _: usize) -> bool {
        true
    }

    fn images(&self, job: usize, images: u64) {
        self.progress.images(images, self.sizes[job].flops_of(images));
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
        // No network's training keeps any.
        Ok(Digest::of("unused", bytes))
    }

    fn note(&self, _: usize, note: &str) {
        self.progress.note(note);
    }

    fn finished(&self, job: usize, result: Result<Finished<JobResult>, stages::Error>) {
        let failure = result.as_ref().err().map(ToString::to_string);
        if let Ok(Finished { result: JobResult::Network(result), device, .. }) = result {
            lock(&self.finished).insert(job, (result, device));
        }
        self.progress.training_ended(failure.as_deref());
    }
}
