//! Trainings of networks that are stopped and go on; those of supernets are beside what trains them.
#![allow(clippy::unwrap_used)]

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use kernels::DeviceChoice;

use super::*;
use crate::data::Dataset;
use crate::recipe::{Recipe, Scoring};
use crate::sample::architectures;
use crate::supernet::tests::{cpu, dots};
use crate::train::{
    DataId, TrainOptions, TrainedEpoch, TrainedWithOptions, TrainerInputs, TrainingJob, train_with,
};

/// Counts images, hears notes, and stops when it is told.
#[derive(Default)]
pub(crate) struct Listener {
    pub(crate) images: AtomicU64,
    stops: AtomicBool,
    pub(crate) notes: Mutex<Vec<String>>,
}

impl Observer for Listener {
    fn images(&self, count: u64) {
        self.images.fetch_add(count, Ordering::Relaxed);
    }

    fn resumed(&self, count: u64) {
        self.images(count);
    }

    fn cancelled(&self) -> bool {
        self.stops.load(Ordering::Relaxed)
    }

    fn note(&self, note: &str) {
        self.notes.lock().unwrap().push(note.to_owned());
    }
}

/// Keeps checkpoints in memory, and stops a training behind so many.
pub(crate) struct Shelf<'a> {
    pub(crate) kept: Mutex<Vec<Vec<u8>>>,
    /// It stops when so many are kept.
    stops_after: usize,
    flops_between: u64,
    listener: &'a Listener,
}

impl<'a> Shelf<'a> {
    pub(crate) fn new(kept: Vec<Vec<u8>>, stops_after: usize, listener: &'a Listener) -> Self {
        Self { kept: Mutex::new(kept), stops_after, flops_between: u64::MAX, listener }
    }

    /// The same, which keeps checkpoints as often within epochs as it can.
    pub(crate) fn within_epochs(self) -> Self {
        Self { flops_between: 1, ..self }
    }
}

impl Checkpoints for Shelf<'_> {
    fn last(&self) -> Option<Vec<u8>> {
        self.kept.lock().unwrap().last().cloned()
    }

    fn keep(&self, bytes: &[u8]) -> Result<(), Error> {
        let mut kept = self.kept.lock().unwrap();
        kept.push(bytes.to_vec());
        self.listener.stops.store(kept.len() == self.stops_after, Ordering::Relaxed);
        Ok(())
    }

    fn interval(&self) -> Duration {
        Duration::ZERO
    }

    fn flops_between(&self) -> u64 {
        self.flops_between
    }
}

fn job(float_bits: u32, data: &Dataset) -> TrainingJob {
    let budget = format!(
        "BPE-1,epochs=4,batch_size=8,layers=3,channels=4,image_size=8,cutout=4,float_bits={float_bits}"
    );
    TrainingJob {
        architecture: (&architectures(0, 1)[0]).into(),
        budget: budget.parse().unwrap(),
        seed: 3,
        data: DataId::of(data),
        scoring: Scoring::Holdout { fraction: 0.2, seed: 0 },
        recipe: Recipe::default(),
    }
}

fn train_on(
    device: &Device,
    (job, data): (&TrainingJob, &Dataset),
    listener: &Listener,
    checkpoints: &dyn Checkpoints,
) -> Result<TrainedWithOptions, Error> {
    train_with(job, data, device, &TrainOptions::default(), listener, checkpoints)
}

fn unbroken(device: &Device, given: (&TrainingJob, &Dataset)) -> TrainedWithOptions {
    train_on(device, given, &Listener::default(), &NoCheckpoints).unwrap()
}

/// A training that nothing stops, and the checkpoint behind its second epoch.
fn with_second_checkpoint(device: &Device, given: (&TrainingJob, &Dataset)) -> (TrainedWithOptions, Vec<u8>) {
    let listener = Listener::default();
    let shelf = Shelf::new(Vec::new(), usize::MAX, &listener);
    let trained = train_on(device, given, &listener, &shelf).unwrap();
    (trained, shelf.kept.into_inner().unwrap().remove(1))
}

#[test]
fn a_network_goes_on_from_its_checkpoint_and_from_no_other() {
    let data = dots(40, 8, 3);
    let software = Device::open(DeviceChoice::Software).unwrap();
    for (device, other_device) in [(cpu(1), cpu(2)), (software.clone(), software)] {
        for float_bits in [32, 16] {
            let job = job(float_bits, &data);
            let expected = unbroken(&device, (&job, &data));
            for stops_after in [1, 3] {
                let stopped = Listener::default();
                let shelf = Shelf::new(Vec::new(), stops_after, &stopped);
                let error = train_on(&device, (&job, &data), &stopped, &shelf).unwrap_err();
                assert!(matches!(error, Error::Network(kernels::Error::Cancelled)), "{error}");
                let kept = shelf.kept.into_inner().unwrap();
                assert_eq!(kept.len(), stops_after);
                let listener = Listener::default();
                let shelf = Shelf::new(kept, usize::MAX, &listener);
                let found = train_on(&other_device, (&job, &data), &listener, &shelf).unwrap();
                assert_eq!(found.trained.result, expected.trained.result);
                assert_eq!(found.losses, expected.losses);
                assert_eq!(shelf.kept.into_inner().unwrap().len(), 3, "none behind the last epoch");
                assert_eq!(listener.images.into_inner(), 32 * 4);
                assert!(listener.notes.into_inner().unwrap().is_empty());
            }
        }
    }
}

#[test]
fn a_network_goes_on_within_an_epoch() {
    let data = dots(40, 8, 3);
    let software = Device::open(DeviceChoice::Software).unwrap();
    for (device, float_bits, accumulate) in [(cpu(2), 32, 1), (cpu(1), 16, 1), (software, 32, 2)] {
        let job = job(float_bits, &data);
        let job = TrainingJob { recipe: Recipe { accumulate, ..Recipe::default() }, ..job };
        let expected = unbroken(&device, (&job, &data));
        let every_step = |kept: Vec<Vec<u8>>, stops_after, listener: &Listener| {
            let shelf = Shelf::new(kept, stops_after, listener).within_epochs();
            let trained = train_on(&device, (&job, &data), listener, &shelf);
            (trained, shelf.kept.into_inner().unwrap())
        };
        // Four epochs of four steps: behind each step, but the last one.
        for stops_after in [1, 2, 7, 15] {
            let stopped = Listener::default();
            let (error, kept) = every_step(Vec::new(), stops_after, &stopped);
            assert!(matches!(error, Err(Error::Network(kernels::Error::Cancelled))));
            assert_eq!(kept.len(), stops_after);
            let listener = Listener::default();
            let (found, kept) = every_step(kept, usize::MAX, &listener);
            let found = found.unwrap();
            assert_eq!(found.trained.result, expected.trained.result);
            assert_eq!((found.losses, kept.len()), (expected.losses.clone(), 15));
            assert_eq!(listener.images.into_inner(), 32 * 4);
            assert!(listener.notes.into_inner().unwrap().is_empty());
        }
    }
}

#[test]
fn a_checkpoint_of_the_version_before_is_gone_on_from() {
    #[derive(Serialize)]
    struct Former<'a, E> {
        job: Digest,
        epochs: &'a [E],
        spent: Spent,
        devices: &'a [String],
        trainer: &'a [u8],
    }
    let data = dots(40, 8, 3);
    let (device, job) = (cpu(1), job(32, &data));
    let (expected, kept) = with_second_checkpoint(&device, (&job, &data));
    let Standing::<TrainedEpoch> { job: digest, epochs, spent, devices, trainer, .. } =
        Standing::from_bytes(&kept, job.key().unwrap().digest()).unwrap();
    let former = Former { job: digest, epochs: &epochs, spent, devices: &devices, trainer: &trainer };
    let payload = codec::encode(&former).unwrap();
    let bytes = [&Digest::of(FORMER_DOMAIN, &payload).0[..], &payload].concat();
    let listener = Listener::default();
    let shelf = Shelf::new(vec![bytes], usize::MAX, &listener);
    let found = train_on(&device, (&job, &data), &listener, &shelf).unwrap();
    assert_eq!((&found.trained.result, &found.losses), (&expected.trained.result, &expected.losses));
    assert_eq!(shelf.kept.into_inner().unwrap().len(), 2, "it had two epochs");
    assert!(listener.notes.into_inner().unwrap().is_empty());
}

#[test]
fn a_network_takes_no_checkpoint_that_is_damaged_or_of_another_job() {
    let data = dots(40, 8, 3);
    let (device, job) = (cpu(1), job(32, &data));
    let (expected, kept) = with_second_checkpoint(&device, (&job, &data));
    let mut flipped = kept.clone();
    flipped[kept.len() / 2] ^= 1;
    let cut = kept[..kept.len() / 2].to_vec();
    let other = TrainingJob { seed: 4, ..job.clone() };
    let of_other = unbroken(&device, (&other, &data));
    for (job, bytes, expected) in [
        (&job, flipped, &expected),
        (&job, cut, &expected),
        (&job, Vec::new(), &expected),
        (&other, kept, &of_other),
    ] {
        let listener = Listener::default();
        let shelf = Shelf::new(vec![bytes], usize::MAX, &listener);
        let found = train_on(&device, (job, &data), &listener, &shelf).unwrap();
        assert_eq!(found.trained.result, expected.trained.result);
        let notes = listener.notes.into_inner().unwrap();
        assert!(notes.len() == 1 && notes[0].contains("is not used"), "{notes:?}");
    }
}

/// Keeps what is due after an hour.
struct Hourly<'a>(Shelf<'a>);

impl Checkpoints for Hourly<'_> {
    fn last(&self) -> Option<Vec<u8>> {
        self.0.last()
    }

    fn keep(&self, bytes: &[u8]) -> Result<(), Error> {
        self.0.keep(bytes)
    }

    fn interval(&self) -> Duration {
        Duration::from_secs(3600)
    }
}

#[test]
fn checkpoints_are_kept_when_they_are_due_and_times_add_up() {
    let data = dots(40, 8, 3);
    let (device, job) = (cpu(1), job(32, &data));
    let listener = Listener::default();
    let hourly = Hourly(Shelf::new(Vec::new(), usize::MAX, &listener));
    train_on(&device, (&job, &data), &listener, &hourly).unwrap();
    assert!(hourly.0.kept.into_inner().unwrap().is_empty());

    let inputs = TrainerInputs::new(&job, &data).unwrap();
    let mut trainer = Trainer::new(&device, &inputs.graph, &inputs.settings, &inputs.sets).unwrap();
    let shelf = Shelf::new(Vec::new(), usize::MAX, &listener);
    let key = job.key().unwrap();
    let before = Instant::now().checked_sub(Duration::from_millis(200)).unwrap();
    let mut killed = Epochs::new(&key, 2, &device, &listener, &shelf);
    killed.started = before;
    killed.trained(10, before);
    killed.push(7_u8, &mut trainer).unwrap();
    let mut next = Epochs::<u8>::new(&key, 2, &cpu(2), &listener, &shelf);
    let last = next.last(|epochs| if epochs == [7] { Ok(()) } else { Err(String::new()) }).unwrap();
    assert!(next.restore(last, &mut trainer).unwrap());
    next.trained(20, before);
    let finished = next.finished(());
    // Another number of threads is no other device.
    assert_eq!(finished.device, device.name());
    assert!(listener.notes.lock().unwrap().is_empty());
    assert!(next.done == [7] && next.images() == 30 && finished.elapsed_ms >= 200);
    assert!(finished.images_per_second <= 30.0 / 0.4);

    let software = Device::open(DeviceChoice::Software).unwrap();
    let mut elsewhere = Epochs::<u8>::new(&key, 2, &software, &listener, &shelf);
    let last = elsewhere.last(|_| Ok(())).unwrap();
    assert!(elsewhere.restore(last, &mut trainer).unwrap());
    assert_eq!(elsewhere.finished(()).device, format!("{} then {}", device.name(), software.name()));
    assert!(listener.notes.lock().unwrap()[0].contains("was begun on"));
}

/// Keeps nothing, for want of room.
struct Full;

impl Checkpoints for Full {
    fn last(&self) -> Option<Vec<u8>> {
        None
    }

    fn keep(&self, _: &[u8]) -> Result<(), Error> {
        let (place, problem) = ("disk".to_owned(), "full".to_owned());
        Err(Error::Config { place, problem })
    }

    fn interval(&self) -> Duration {
        Duration::ZERO
    }
}

#[test]
fn a_training_whose_checkpoints_cannot_be_kept_says_so_once_and_goes_on() {
    let data = dots(40, 8, 3);
    let (device, job, listener) = (cpu(1), job(32, &data), Listener::default());
    let found = train_on(&device, (&job, &data), &listener, &Full).unwrap();
    assert_eq!(found.trained.result, unbroken(&device, (&job, &data)).trained.result);
    let notes = listener.notes.into_inner().unwrap();
    assert!(notes.len() == 1 && notes[0].contains("no checkpoint"), "{notes:?}");
}
