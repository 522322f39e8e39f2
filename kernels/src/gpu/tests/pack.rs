//! Packs: each training gives the bits that it gives alone, and all of them together need few more dispatches than one.

use std::sync::Arc;

use super::networks::{Training, dense, pass, short};
use crate::backend::{DataPass, Setup, Stream};
use crate::device::{Device, DeviceChoice, Kind};
use crate::gpu::Kernel;
use crate::gpu::images::ImageSplit;
use crate::gpu::prepare::Prepared;
use crate::gpu::tiles::Style;
use crate::gpu::{GpuDevice, pack};
use crate::optimiser::Optimiser;
use crate::{EpochMetrics, Error, Evaluation, Monitor, Nobody};

/// Different networks, seeds and precisions on the same images.
fn trainings() -> Vec<Training> {
    let first = Training::new(dense(4, 3, 8, 2), 20, 32, 50);
    let other = |channels, layers, operation, batch, float_bits, seed| {
        let mut training = Training::new(dense(channels, layers, 8, operation), batch, float_bits, 1);
        training.settings.seed = seed;
        training.sets.clone_from(&first.sets);
        training
    };
    let same = other(4, 3, 2, 20, 32, 9);
    let wide = other(6, 3, 5, 20, 32, 2);
    let half_precision = other(4, 4, 0, 20, 16, 3);
    // Fewer steps an epoch than the others: it rests at their last ones.
    let large = other(4, 3, 4, 30, 32, 4);
    vec![first, same, wide, half_precision, large]
}

type Results = (Vec<EpochMetrics>, Vec<Evaluation>, Vec<f32>);

/// Trains and evaluates for some epochs.
fn run(device: &Device, training: &Training, epochs: u32) -> Result<Results, Error> {
    let setup = training.setup_of_calls();
    let Setup { tables, layout, settings, .. } = &setup;
    let state = crate::state::State::initial(tables, layout, settings.seed, settings.norm_init);
    let mut backend = device.backend(setup)?;
    backend.set_state(&state)?;
    let order: Vec<u32> = (0..training.sets[0].len() as u32).rev().collect();
    let (mut metrics, mut evaluations) = (Vec::new(), Vec::new());
    for epoch in 0..epochs {
        metrics.extend(backend.train(&DataPass { epoch, ..pass(&order, 0.05, &Nobody) })?);
        evaluations.push(backend.evaluate(Stream { set: 0, order: &order[..17] }, &Nobody)?);
    }
    Ok((metrics, evaluations, backend.gradients()?))
}

/// Each on a thread of its own; the n-th for `epochs(n)` epochs.
fn run_packed(trainings: &[Training], epochs: impl Fn(usize) -> u32) -> Vec<Result<Results, Error>> {
    run_on(Device::open(DeviceChoice::Software).unwrap().pack(trainings.len()), trainings, epochs)
}

fn seats(gpu: &GpuDevice, count: usize) -> Vec<Device> {
    pack(gpu, count).into_iter().map(|seat| Device(Arc::new(Kind::Seat(seat)))).collect()
}

fn run_on(
    seats: Vec<Device>,
    trainings: &[Training],
    epochs: impl Fn(usize) -> u32,
) -> Vec<Result<Results, Error>> {
    std::thread::scope(|scope| {
        let run = |(index, (seat, training)): (usize, (Device, _))| {
            let epochs = epochs(index);
            scope.spawn(move || run(&seat, training, epochs))
        };
        let threads: Vec<_> = seats.into_iter().zip(trainings).enumerate().map(run).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn packed_trainings_give_the_bits_that_they_give_alone() {
    let trainings = trainings();
    let device = Device::open(DeviceChoice::Software).unwrap();
    // Some end before the others, which go on without them.
    let epochs = |index: usize| if index == 1 { 1 } else { 2 };
    let packed = run_packed(&trainings, epochs);
    for (index, (training, packed)) in trainings.iter().zip(packed).enumerate() {
        let alone = run(&device, training, epochs(index)).unwrap();
        assert!(alone == packed.unwrap(), "training {index}");
    }
}

/// As on hardware.
#[test]
fn packed_trainings_give_the_bits_that_they_give_alone_on_hardware() {
    let first = Training::new(short(8, 5), 16, 32, 20);
    // Other kernels, and fewer steps an epoch: it rests at the first one's last. Another precision.
    let other = |operation, batch, float_bits| {
        let mut training = Training::new(short(8, operation), batch, float_bits, 1);
        training.sets.clone_from(&first.sets);
        training
    };
    let trainings = [other(0, 20, 32), other(5, 16, 16), first];
    let device = GpuDevice::like_hardware().unwrap();
    assert!(device.vulkan.is_some(), "lavapipe is Vulkan");
    let packed = run_on(seats(&device, 3), &trainings, |_| 1);
    // wgpu's own barriers change nothing.
    let plain = GpuDevice::software_with(u64::MAX, PLAIN).unwrap();
    let waiting = run_on(seats(&plain, 3), &trainings, |_| 1);
    for (index, ((training, packed), waiting)) in trainings.iter().zip(packed).zip(waiting).enumerate() {
        let alone = run(&Device::like_hardware(), training, 1).unwrap();
        assert!(alone == packed.unwrap(), "training {index}");
        assert!(
            alone == waiting.unwrap(),
            "training {index}, in a pack whose dispatches wait for each other"
        );
    }
}

#[test]
fn a_training_that_fails_leaves_the_others_alone() {
    let mut trainings = trainings();
    let device = Device::open(DeviceChoice::Software).unwrap();
    let alone = run(&device, &trainings[0], 2).unwrap();
    trainings.truncate(3);
    // One whose loss is no number, and one that reads other images: the latter is refused before anything runs.
    trainings[1].settings.groups[0].optimiser = Optimiser::Sgd { momentum: f32::MAX };
    let packed = run_packed(&trainings, |_| 2);
    assert!(packed[0].as_ref().is_ok_and(|packed| *packed == alone));
    assert!(matches!(packed[1], Err(Error::NonFinite { .. })), "{:?}", packed[1].as_ref().err());
    trainings[2] = Training::new(dense(4, 3, 8, 0), 20, 32, 50);
    assert!(run_packed(&trainings, |_| 1).iter().all(|ran| matches!(ran, Err(Error::Images { .. }))));
}

#[test]
fn a_pack_that_no_memory_holds_is_refused_as_such_to_all() {
    let setup = trainings()[0].setup();
    let split = [ImageSplit { pages: 1, images_per_page: 64 }];
    let own = Prepared::new(&[setup], u64::MAX >> 8, &split, Style::SOFTWARE).unwrap();
    let gpu = GpuDevice::software_with(4 * own.words as u64 + 64 * 1024, Style::SOFTWARE).unwrap();
    let training = &trainings()[..1];
    assert!(run_on(seats(&gpu, 1), training, |_| 1)[0].is_ok());
    let two = [training[0].clone(), training[0].clone()];
    assert!(
        run_on(seats(&gpu, 2), &two, |_| 1).iter().all(|ran| matches!(ran, Err(Error::OutOfMemory { .. })))
    );
}

/// Stops from the start.
struct Stopped;

impl Monitor for Stopped {
    fn progress(&self, _: u64) {}
    fn cancelled(&self) -> bool {
        true
    }
}

#[test]
fn a_seat_that_is_stopped_or_dropped_is_not_waited_for() {
    let trainings = trainings();
    let alone = run(&Device::open(DeviceChoice::Software).unwrap(), &trainings[0], 1).unwrap();
    let mut seats = Device::open(DeviceChoice::Software).unwrap().pack(3);
    drop(seats.pop());
    let stopped = seats.pop().unwrap();
    let training = &trainings[1];
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            let mut backend = stopped.backend(training.setup_of_calls())?;
            backend.train(&pass(&[0, 1], 0.1, &Stopped))
        });
        assert!(run(&seats[0], &trainings[0], 1).unwrap() == alone);
        assert!(matches!(thread.join().unwrap(), Err(Error::Cancelled)));
        // A seat is for one training.
        assert!(matches!(run(&seats[0], &trainings[0], 1), Err(Error::Device { .. })));
    });
}

/// The style of hardware where dispatches wait for each other.
const PLAIN: Style = Style { overlaps: false, ..Style::HARDWARE };

/// Dispatches of a training step.
fn dispatches(setups: &[Setup<dyn Kernel>], style: Style) -> usize {
    let splits = [ImageSplit::new(&setups[0].sets[0], 1 << 31)];
    Prepared::new(setups, 1 << 31, &splits, style).unwrap().train.dispatches_of_a_step()
}

#[test]
fn seeds_of_one_network_need_hardly_more_dispatches_than_one() {
    let setup = || Training::new(dense(8, 6, 16, 0), 128, 32, 4).setup();
    let (one, eight) = (dispatches(&[setup()], PLAIN), dispatches(&[0; 8].map(|_| setup()), PLAIN));
    // A window of job records may not hold those of all.
    assert!(eight <= one + one / 50, "{eight} dispatches for eight, {one} for one");
}

#[test]
fn different_networks_share_dispatches() {
    let setup = |operation| Training::new(dense(8, 6, 16, operation), 128, 32, 4).setup();
    let alone: usize = (0..4).map(|operation| dispatches(&[setup(operation)], PLAIN)).sum();
    let four = dispatches(&[0, 1, 2, 3].map(setup), PLAIN);
    assert!(5 * four <= 3 * alone, "{four} dispatches for four together, {alone} one after the other");
    // On a processor whatever differs is a constant of the shader.
    assert!(dispatches(&[setup(0)], PLAIN) < dispatches(&[setup(0)], Style::SOFTWARE));
}

/// Where dispatches overlap it is times that cost.
#[test]
fn different_networks_share_times() {
    let setup = |operation| Training::new(dense(8, 6, 16, operation), 128, 32, 4).setup();
    let times = |setups: &[Setup<dyn Kernel>]| {
        let splits = [ImageSplit::new(&setups[0].sets[0], 1 << 31)];
        let prepared = Prepared::new(setups, 1 << 31, &splits, Style::HARDWARE).unwrap();
        prepared.train.dispatches.last().unwrap().time + 1
    };
    let alone = [0, 1, 2, 3].map(|operation| times(&[setup(operation)]));
    assert_eq!(Some(times(&[0, 1, 2, 3].map(setup))), alone.into_iter().max());
    assert!(2 * times(&[setup(0)]) < dispatches(&[setup(0)], PLAIN));
}
