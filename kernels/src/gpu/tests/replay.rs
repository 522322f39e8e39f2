//! Replays: the same bits however memory and submissions are cut, and every failure an error with a name.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::networks::{Training, dense, pass};
use crate::backend::{DataPass, Setup, Stream};
use crate::gpu::Kernel;
use crate::gpu::tiles::Style;
use crate::gpu::{GpuBackend, GpuDevice};
use crate::state::State;
use crate::{EpochMetrics, Error, Evaluation, Monitor, Nobody};

fn backend(gpu: &GpuDevice, training: &Training) -> GpuBackend {
    packed(gpu, &[training])
}

/// Trainings that share dispatches, in their initial states.
fn packed(gpu: &GpuDevice, trainings: &[&Training]) -> GpuBackend {
    let setups: Vec<Setup<dyn Kernel>> = trainings.iter().map(|training| training.setup()).collect();
    let initial = |Setup { tables, layout, settings, .. }: &Setup<dyn Kernel>| {
        State::initial(tables, layout, settings.seed, settings.norm_init)
    };
    let states: Vec<_> = setups.iter().map(initial).collect();
    let mut backend = GpuBackend::new(gpu, setups).unwrap();
    for (member, state) in states.into_iter().enumerate() {
        backend.set_state_of(member, &state).unwrap();
    }
    backend
}

/// One training alone.
trait Alone {
    fn train(&mut self, pass: &DataPass<'_>) -> Result<EpochMetrics, Error>;
    fn evaluate(&mut self, order: &[u32], monitor: &dyn Monitor) -> Result<Evaluation, Error>;
    fn state(&mut self) -> Result<State, Error>;
}

impl Alone for GpuBackend {
    fn train(&mut self, pass: &DataPass<'_>) -> Result<EpochMetrics, Error> {
        Ok(self.train_all(&[Some(pass.clone())])?.remove(0).unwrap()?.remove(0))
    }
    fn evaluate(&mut self, order: &[u32], monitor: &dyn Monitor) -> Result<Evaluation, Error> {
        self.evaluate_all(&[Some((Stream { set: 0, order }, monitor))])?.remove(0).unwrap()
    }
    fn state(&mut self) -> Result<State, Error> {
        self.state_of(0)
    }
}

fn small(float_bits: u32) -> Training {
    Training::new(dense(4, 3, 8, 2), 20, float_bits, 50)
}

fn order(training: &Training) -> Vec<u32> {
    (0..training.sets[0].len() as u32).rev().collect()
}

fn run(backend: &mut GpuBackend, training: &Training) -> (EpochMetrics, State, Evaluation) {
    let order = order(training);
    let metrics = backend.train(&pass(&order, 0.05, &Nobody)).unwrap();
    let state = backend.state().unwrap();
    (metrics, state, backend.evaluate(&order, &Nobody).unwrap())
}

#[test]
fn pages_and_submissions_change_nothing() {
    for (style, float_bits) in
        [(Style::SOFTWARE, 32), (Style::SOFTWARE, 16), (Style::HARDWARE, 32), (Style::HARDWARE, 16)]
    {
        let gpu = GpuDevice::software_with(u64::MAX, style).unwrap();
        let training = small(float_bits);
        let alone = run(&mut backend(&gpu, &training), &training);
        let mut at_once = backend(&gpu, &training);
        at_once.steps_per_submission = 3;
        assert!(
            alone == run(&mut at_once, &training),
            "{style:?}, {float_bits} bits, steps in one submission"
        );
        let paged = GpuDevice::software_with(256 * 1024, style).unwrap();
        let mut paged = backend(&paged, &training);
        assert!(paged.buffers.lanes.len() > 2, "{} pages", paged.buffers.lanes.len());
        assert!(alone == run(&mut paged, &training), "{style:?}, {float_bits} bits, in pages");
    }
}

/// Dispatches of one time depend on each other in nothing, so that any order of them gives the same.
#[test]
fn dispatches_of_one_time_may_run_in_any_order() {
    let gpu = GpuDevice::software_with(u64::MAX, Style::HARDWARE).unwrap();
    let trainings =
        [small(32), Training { sets: small(32).sets, ..Training::new(dense(4, 3, 8, 5), 20, 32, 1) }];
    let bits = |turned: bool| {
        let mut gpu = gpu.clone();
        gpu.turned = turned;
        trainings.each_ref().map(|training| run(&mut backend(&gpu, training), training))
    };
    assert!(bits(false) == bits(true));
}

#[test]
fn kernels_are_timed_whoever_records_them() {
    for style in [Style::HARDWARE, Style { overlaps: false, ..Style::HARDWARE }] {
        let gpu = GpuDevice::software_with(u64::MAX, style).unwrap();
        let training = small(32);
        let order = order(&training);
        let [mut timed, mut alone] = [0; 2].map(|_| backend(&gpu, &training));
        let monitor = &Nobody;
        assert!(timed.begin_profile());
        let losses = timed.train(&pass(&order, 0.05, monitor)).unwrap().losses;
        let times = timed.end_profile();
        assert!(times.len() > 15 && times.iter().all(|time| time.seconds > 0.0), "{times:?}");
        assert!(times.iter().map(|time| time.seconds).sum::<f64>() < 60.0, "{times:?}");
        assert_eq!(losses, alone.train(&pass(&order, 0.05, monitor)).unwrap().losses);
        assert_eq!(timed.state().unwrap(), alone.state().unwrap());
    }
}

#[test]
fn an_order_longer_than_the_set_is_trained_in_segments() {
    let gpu = GpuDevice::software().unwrap();
    let training = small(32);
    let once = order(&training);
    let twice: Vec<u32> = once[..40].iter().chain(&once[..40]).chain(&once[40..]).copied().collect();
    let mut whole = backend(&gpu, &training);
    let losses = whole.train(&pass(&twice, 0.05, &Nobody)).unwrap().losses;
    let mut parts = backend(&gpu, &training);
    let mut expected = Vec::new();
    for part in twice.chunks(40) {
        expected.extend(parts.train(&pass(part, 0.05, &Nobody)).unwrap().losses);
    }
    assert_eq!(losses, expected);
}

/// Binary16 has 11 bits, so the first step's loss is that of 32 bits to about a thousandth, and not the very same.
#[test]
fn half_precision_trains_like_single() {
    let gpu = GpuDevice::software().unwrap();
    let [single, half] = [32, 16].map(|bits| {
        let training = small(bits);
        run(&mut backend(&gpu, &training), &training)
    });
    assert_ne!(single.0.losses, half.0.losses);
    for (step, (a, b)) in single.0.losses.iter().zip(&half.0.losses).enumerate() {
        let tolerance = if step == 0 { 1e-3 } else { 2e-2 };
        assert!((a - b).abs() < tolerance * a, "{:?} and {:?}", single.0.losses, half.0.losses);
    }
    let norm = |state: &State| state.parameters.iter().map(|w| f64::from(w * w)).sum::<f64>().sqrt();
    assert!((norm(&single.1) - norm(&half.1)).abs() < 1e-2 * norm(&single.1));
}

#[test]
fn a_loss_that_is_no_number_has_a_step() {
    let gpu = GpuDevice::software().unwrap();
    let training = small(32);
    let order = order(&training);
    let error = backend(&gpu, &training).train(&pass(&order, f32::MAX, &Nobody)).unwrap_err();
    assert!(matches!(error, Error::NonFinite { step: 41, epoch: 2 }), "{error}");
}

/// Counts images and stops when it has heard of some.
struct Stop {
    images: AtomicU64,
    after: u64,
}

impl Monitor for Stop {
    fn progress(&self, images: u64) {
        self.images.fetch_add(images, Ordering::Relaxed);
    }
    fn cancelled(&self) -> bool {
        self.images.load(Ordering::Relaxed) >= self.after
    }
}

#[test]
fn a_training_tells_its_progress_and_stops_when_asked() {
    let gpu = GpuDevice::software().unwrap();
    let training = small(32);
    let order = order(&training);
    let mut backend = backend(&gpu, &training);
    let monitor = Stop { images: AtomicU64::new(0), after: u64::MAX };
    backend.train(&pass(&order, 0.05, &monitor)).unwrap();
    backend.evaluate(&order[..7], &monitor).unwrap();
    assert_eq!(monitor.images.load(Ordering::Relaxed), 57);
    let monitor = Stop { images: AtomicU64::new(0), after: 0 };
    assert!(matches!(backend.train(&pass(&order, 0.05, &monitor)), Err(Error::Cancelled)));
}

#[test]
fn trainings_share_resident_images_while_they_live() {
    let gpu = GpuDevice::software().unwrap();
    let training = small(32);
    let set = training.sets[0].clone();
    let first = gpu.resident(&set).unwrap();
    assert!(Arc::ptr_eq(&first, &gpu.resident(&training.sets[0]).unwrap()));
    let other = small(32);
    assert!(!Arc::ptr_eq(&first, &gpu.resident(&other.sets[0]).unwrap()));
    drop((training, set));
    gpu.resident(&other.sets[0]).unwrap();
    assert_eq!(Arc::strong_count(&first), 1, "images of a dropped set are still held");
}

#[test]
fn failures_of_the_device_are_errors() {
    let gpu = GpuDevice::software().unwrap();
    let training = small(32);
    let order = order(&training);
    let mut backend = backend(&gpu, &training);
    let usage = wgpu::BufferUsages::STORAGE;
    let error = gpu.buffers(&[1 << 50], usage).unwrap_err();
    assert!(matches!(error, Error::OutOfMemory { needed_mib: 1_073_741_824, .. }), "{error}");
    // A validation error, as a defect of this backend would cause it.
    gpu.queue.write_buffer(&backend.buffers.steps, 1, &[0; 4]);
    let error = backend.train(&pass(&order, 0.05, &Nobody)).unwrap_err();
    assert!(matches!(error, Error::Device { .. }), "{error}");
    // It may have spoiled any training on the device, so none goes on; on another one they do.
    assert!(matches!(backend.train(&pass(&order, 0.05, &Nobody)), Err(Error::Device { .. })));
    for style in [Style::SOFTWARE, Style::HARDWARE] {
        let gpu = GpuDevice::software_with(u64::MAX, style).unwrap();
        let mut backend = self::backend(&gpu, &training);
        backend.train(&pass(&order, 0.05, &Nobody)).unwrap();
        gpu.device.destroy();
        assert!(matches!(backend.train(&pass(&order, 0.05, &Nobody)), Err(Error::Device { .. })));
    }
}
