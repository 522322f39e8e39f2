//! Trainings of the cache, trained once more: does this machine get what others got?

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Mutex;
use std::sync::atomic::Ordering;

use cache::{Digest, FieldValue, Kind, Store};
use serde::Serialize;
use stages::job::{Job, JobResult};
use stages::train::{DataId, Finished, TrainingResult};

use crate::cli::Global;
use crate::cli::device::DeviceArgs;
use crate::cli::interrupt::stop_on_signal;
use crate::cli::retrain;
use crate::cli::selection::Settings;
use crate::engine::executor::{Events, Executor, Size};
use crate::engine::progress::Progress;
use crate::engine::trainings::{DEVICE, lock};
use crate::error::Error;
use crate::local::{LocalExecutor, PACK_MIB};
use crate::output::progress::Reporter;
use crate::output::{self, format};

#[derive(Serialize)]
struct SampleJson {
    /// Networks' trainings on the images of the settings.
    trainings: u64,
    passed_over: PassedOver,
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

/// Trainings that cannot be trained once more.
#[derive(Clone, Copy, Default, Serialize)]
struct PassedOver {
    /// On other images than the settings'.
    other_images: u64,
    /// Of supernets, and evaluations with their weights.
    supernets: u64,
    /// What another version of this program trained.
    other_versions: u64,
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
pub(super) fn train_again(
    global: &Global,
    store: &Store,
    percent: f64,
    settings: &Settings,
    device: &DeviceArgs,
) -> Result<(), Error> {
    let loaded = settings.load(global)?;
    let data = DataId::of(&loaded.data);
    let (mut jobs, mut sampled, mut all, mut others) = (Vec::new(), Vec::new(), 0_u64, PassedOver::default());
    for record in store.iter(Kind::Training)? {
        let record = record?;
        let fields = record.key.fields();
        if fields.get("job").is_some() {
            others.supernets += 1;
            continue;
        }
        if fields.get("data") != Some(&FieldValue::Digest(data.digest)) {
            others.other_images += 1;
            continue;
        }
        // Everything but the images is in the key: settings may be others, and recipes those of final networks.
        let Some(job) = retrain::job(&record.key, &data) else {
            others.other_versions += 1;
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
            jobs.push(Job::Network(job));
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

fn compare(
    sampled: &[Sampled],
    finished: &BTreeMap<usize, (TrainingResult, String)>,
    trainings: u64,
    passed_over: PassedOver,
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
        passed_over,
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
    let PassedOver { other_images, supernets, other_versions } = found.passed_over;
    for (count, why) in [
        (other_images, "on other images than the settings' (data.set, data.train_images, data.test_images)"),
        (supernets, "of supernets"),
        (other_versions, "by another version of this program"),
    ] {
        if count > 0 {
            let _ = write!(text, "\npassed over: {} {why}", format::plural(count, "training"));
        }
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
