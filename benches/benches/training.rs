//! Training steps on the CPU: images a second of whole steps (forward, backward, update), through the public runtime.

#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::Arc;

use benches::{ARCHITECTURES, criterion, fma, threads};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use kernels::{Device, DeviceChoice, Images, Monitor, NormInit, Preprocess, Recipe, Shape, Trainer};
use stages::{Budget, network};

const CLASSES: usize = 10;
const STEPS: usize = 8;
/// As in the recipe of the published trainings, half-way through.
const DROP_PATH: f32 = 0.1;
const AUXILIARY_WEIGHT: f64 = 0.4;

struct Silent;

impl Monitor for Silent {
    fn progress(&self, _: u64) {}

    fn cancelled(&self) -> bool {
        false
    }
}

/// `count` images of 3 × 32 × 32 that mean nothing; speed does not depend on what they show.
fn images(count: usize) -> Images {
    let shape = Shape::new(3, 32, 32);
    let pixels: Arc<[u8]> =
        (0..count * shape.elements()).map(|index| (index * 2_654_435_761) as u8).collect();
    let labels: Arc<[u8]> = (0..count).map(|index| (index % CLASSES) as u8).collect();
    Images::new(shape, pixels, labels, CLASSES).unwrap()
}

fn trainer(device: &Device, architecture: usize, budget: &Budget) -> Trainer {
    let graph = network::build(&ARCHITECTURES[architecture], budget, 3, CLASSES, AUXILIARY_WEIGHT).unwrap();
    let recipe = Recipe {
        batch_size: budget.batch_size as usize,
        momentum: 0.9,
        weight_decay: 3e-4,
        grad_clip: 5.0,
        label_smoothing: 0.0,
        float_bits: budget.float_bits,
        preprocess: Preprocess {
            image_size: budget.image_size as usize,
            mean: vec![0.5; 3],
            std: vec![0.25; 3],
            augment: true,
            cutout: budget.cutout as usize,
        },
        seed: 0,
        norm_init: NormInit::One,
    };
    Trainer::new(device, graph, &recipe, &[images(STEPS * recipe.batch_size)]).unwrap()
}

/// The two networks of the table in the README of this folder, on one thread and on all.
fn steps(criterion: &mut Criterion) {
    for (name, budget) in
        [("BPE-1", "BPE-1"), ("C 16, 8 cells, 32x32", "DARTS"), ("BPE-1, 16 bits", "BPE-1,float_bits=16")]
    {
        let budget: Budget = budget.parse().unwrap();
        let mut group = criterion.benchmark_group(format!("training: {name}"));
        for threads in [1, threads()] {
            let device = Device::open(DeviceChoice::Cpu { threads }).unwrap();
            let mut trainers: Vec<Trainer> = (0..ARCHITECTURES.len())
                .map(|architecture| trainer(&device, architecture, &budget))
                .collect();
            let order: Vec<u32> = (0..(STEPS as u32) * budget.batch_size).collect();
            group.throughput(Throughput::Elements((trainers.len() * order.len()) as u64));
            group.bench_function(BenchmarkId::new("threads", threads), |bencher| {
                bencher.iter(|| {
                    for trainer in &mut trainers {
                        trainer.train_epoch(0, &order, 0, 1e-4, DROP_PATH, &Silent).unwrap();
                    }
                });
            });
        }
        group.finish();
    }
}

criterion_group! { name = group; config = criterion(); targets = fma, steps }
criterion_main!(group);
