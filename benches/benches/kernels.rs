//! Kernels on the CPU: what those of one kind take of a training step of the first architecture, on one thread.

#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Duration;

use benches::{ARCHITECTURES, NETWORKS, Training, copy, criterion, fma};
use criterion::{Criterion, criterion_group, criterion_main};
use kernels::{Device, DeviceChoice};

/// Whole steps are trained for each kind, so little time goes to each.
const WARM_UP: Duration = Duration::from_millis(200);
const MEASUREMENT: Duration = Duration::from_secs(1);

fn kinds(criterion: &mut Criterion) {
    let device = Device::open(DeviceChoice::Cpu { threads: 1 }).unwrap();
    for (name, budget) in NETWORKS {
        let mut training = Training::new(&device, &ARCHITECTURES[0], &budget.parse().unwrap()).unwrap();
        let mut group = criterion.benchmark_group(format!("kernels: {name}"));
        group.warm_up_time(WARM_UP).measurement_time(MEASUREMENT);
        for kind in training.train_timed(1).unwrap().into_iter().map(|time| time.kind) {
            group.bench_function(kind, |bencher| {
                bencher.iter_custom(|steps| {
                    let times = training.train_timed(steps as usize).unwrap();
                    let own = times.iter().filter(|time| time.kind == kind);
                    Duration::from_secs_f64(own.map(|time| time.seconds).sum())
                });
            });
        }
        group.finish();
    }
}

criterion_group! { name = group; config = criterion(); targets = fma, copy, kinds }
criterion_main!(group);
