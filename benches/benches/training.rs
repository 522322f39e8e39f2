//! Training steps on the CPU: images a second of whole steps (forward, backward, update), of all architectures.

#![allow(missing_docs, clippy::unwrap_used)]

use benches::{ARCHITECTURES, NETWORKS, STEPS, Training, criterion, fma, threads};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use kernels::{Device, DeviceChoice};
use stages::Budget;

/// The networks on one thread and on all.
fn steps(criterion: &mut Criterion) {
    for (name, budget) in NETWORKS {
        let budget: Budget = budget.parse().unwrap();
        let mut group = criterion.benchmark_group(format!("training: {name}"));
        for threads in [1, threads()] {
            let device = Device::open(DeviceChoice::Cpu { threads }).unwrap();
            let ready = |architecture| Training::new(&device, architecture, &budget).unwrap();
            let mut trainings: Vec<Training> = ARCHITECTURES.iter().map(ready).collect();
            let images = trainings.len() * STEPS * budget.batch_size as usize;
            group.throughput(Throughput::Elements(images as u64));
            group.bench_function(BenchmarkId::new("threads", threads), |bencher| {
                bencher.iter(|| trainings.iter_mut().for_each(|training| training.train(STEPS).unwrap()));
            });
        }
        group.finish();
    }
}

criterion_group! { name = group; config = criterion(); targets = fma, steps }
criterion_main!(group);
