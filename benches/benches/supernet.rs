//! Searches by a supernet on the CPU: images a second of all passes of steps of DARTS (first order) and GDAS.

#![allow(missing_docs, clippy::unwrap_used)]

use benches::{criterion, fma, threads};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use kernels::{Device, DeviceChoice};
use stages::Budget;
use stages::checkpoint::NoCheckpoints;
use stages::data::Dataset;
use stages::recipe::{Recipe, Scoring};
use stages::supernet::{Method, SupernetJob, search};
use stages::train::{DataId, Observer};

/// Steps of a search.
const STEPS: u32 = 2;

struct Nobody;

impl Observer for Nobody {
    fn images(&self, _: u64) {}

    fn cancelled(&self) -> bool {
        false
    }
}

fn steps(criterion: &mut Criterion) {
    for name in ["darts-first", "gdas"] {
        let (_, method) = Method::NAMED.into_iter().find(|(known, _)| *known == name).unwrap();
        steps_of(criterion, name, method);
    }
}

/// A short search on one thread and on all.
fn steps_of(criterion: &mut Criterion, name: &str, method: Method) {
    let named: Budget = "BPE-1".parse().unwrap();
    let budget = Budget { epochs: 1, ..named };
    let data = Dataset::synthetic((2 * STEPS * budget.batch_size) as usize);
    let job = SupernetJob {
        method,
        budget,
        seed: 0,
        data: DataId::of(&data),
        scoring: Scoring::Published,
        recipe: Recipe::default(),
        architecture: method.architecture_recipe(),
    };
    let size = job.size(data.train.count, data.channels, data.classes.len()).unwrap();
    let mut group = criterion.benchmark_group(format!("search: {name}, BPE-1"));
    group.throughput(Throughput::Elements(size.images));
    for threads in [1, threads()] {
        let device = Device::open(DeviceChoice::Cpu { threads }).unwrap();
        group.bench_function(BenchmarkId::new("threads", threads), |bencher| {
            bencher.iter(|| search(&job, &data, &device, &Nobody, &NoCheckpoints).unwrap());
        });
    }
    group.finish();
}

criterion_group! { name = group; config = criterion(); targets = fma, steps }
criterion_main!(group);
