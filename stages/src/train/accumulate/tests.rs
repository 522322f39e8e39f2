//! Trainings over parts of batches.

use std::sync::Arc;

use kernels::{Device, DeviceChoice};

use crate::checkpoint::NoCheckpoints;
use crate::checkpoint::tests::Listener;
use crate::data::{Dataset, Images};
use crate::recipe::{Recipe, Scoring};
use crate::sample::architectures;
use crate::supernet::tests::dots;
use crate::train::{DataId, Order, TrainOptions, TrainedWithOptions, TrainingJob, memory_plan, train_with};

const SIDE: usize = 8;

/// Images of which each four are followed by themselves.
fn doubled(count: usize) -> Dataset {
    let data = dots(count, SIDE, 3);
    let twice = |part: &[u8]| [part, part].concat();
    let pixels: Vec<u8> = data.train.pixels.chunks(4 * SIDE * SIDE).flat_map(twice).collect();
    let labels: Vec<u16> = data.train.labels.chunks(4).flat_map(|part| [part, part].concat()).collect();
    let train = Images { pixels: pixels.into(), count: labels.len(), labels: Arc::from(labels) };
    Dataset { train, ..data }
}

fn job(data: &Dataset, accumulate: u32) -> TrainingJob {
    let budget = "BPE-1,epochs=2,batch_size=8,layers=3,channels=4,image_size=8,cutout=0";
    TrainingJob {
        architecture: architectures(0, 1)[0].clone().into(),
        budget: budget.parse().unwrap(),
        seed: 3,
        data: DataId::of(data),
        scoring: Scoring::Published,
        recipe: Recipe { augment: false, drop_path: 0.0, accumulate, ..Recipe::default() },
    }
}

fn trained(job: &TrainingJob, data: &Dataset, device: &Device) -> TrainedWithOptions {
    let options = TrainOptions { order: Order::Sequential, ..TrainOptions::default() };
    train_with(job, data, device, &options, &Listener::default(), &NoCheckpoints).unwrap()
}

fn cpu(threads: usize) -> Device {
    Device::open(DeviceChoice::Cpu { threads }).unwrap()
}

#[test]
fn parts_with_the_statistics_of_the_whole_batch_train_as_it_does() {
    let data = doubled(24);
    for device in [cpu(1), Device::open(DeviceChoice::Software).unwrap()] {
        let (whole, parts) =
            (trained(&job(&data, 1), &data, &device).losses, trained(&job(&data, 2), &data, &device).losses);
        assert_eq!((whole.len(), parts.len()), (12, 12));
        for (step, (one, other)) in whole.iter().zip(&parts).enumerate() {
            assert!((one - other).abs() < 2e-4 * (1 + step) as f32, "step {step}: {one} and {other}");
        }
    }
}

#[test]
fn the_last_batch_may_be_smaller_and_threads_change_nothing() {
    let data = dots(21, SIDE, 3);
    let expected = trained(&job(&data, 4), &data, &cpu(1));
    assert_eq!(expected.losses.len(), 6);
    let again = trained(&job(&data, 4), &data, &cpu(2));
    assert_eq!((&again.losses, &again.trained.result), (&expected.losses, &expected.trained.result));
    // Other parts have other statistics.
    assert_ne!(trained(&job(&data, 2), &data, &cpu(1)).losses, expected.losses);
}

#[test]
fn parts_take_less_memory() {
    let data = dots(16, SIDE, 3);
    let plan = |accumulate| {
        let mut job = job(&data, accumulate);
        job.budget.batch_size = 512;
        memory_plan(&job, &data, &cpu(1)).unwrap().activations
    };
    assert!(plan(8) < plan(1) / 5, "{} of {}", plan(8), plan(1));
}

#[test]
fn batches_that_cannot_be_cut_so_are_refused() {
    let data = dots(16, SIDE, 3);
    for accumulate in [0, 3, 64] {
        let error = memory_plan(&job(&data, accumulate), &data, &cpu(1)).unwrap_err().to_string();
        assert!(error.contains("a batch of 8 images cannot be cut into"), "{error}");
    }
}
