//! Control rows: as many multiply-adds, and as many copied bytes, as this machine can do in a second.

use std::num::NonZero;
use std::thread;

use criterion::{BenchmarkId, Criterion, Throughput};
use kernels::control::{Copying, multiply_adds};

/// Threads that run at the same time on this machine.
pub fn threads() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// Adds the row "control: multiply-adds": 32-bit fused multiply-adds in registers, two FLOPs each, on one thread and on all.
pub fn fma(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("control: multiply-adds");
    for threads in [1, threads()] {
        group.throughput(Throughput::Elements(multiply_adds(threads)));
        group.bench_function(BenchmarkId::new("threads", threads), |bencher| {
            bencher.iter(|| multiply_adds(threads));
        });
    }
    group.finish();
}

/// Adds the row "control: copy": bytes copied from memory to memory by one thread, counted once.
pub fn copy(criterion: &mut Criterion) {
    let mut copying = Copying::default();
    let mut group = criterion.benchmark_group("control: copy");
    group.throughput(Throughput::Bytes(copying.copy()));
    group.bench_function("one thread", |bencher| bencher.iter(|| copying.copy()));
    group.finish();
}
