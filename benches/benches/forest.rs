//! The random forest at the size of the paper: 1,000 trees, 100 budgets, 8 hyper-parameters.

#![allow(missing_docs, clippy::unwrap_used)]

use benches::{criterion, fma};
use criterion::{Criterion, criterion_group, criterion_main};
use stages::forest::Samples;
use stages::random::Random;

const TREES: usize = 1000;
const BUDGETS: usize = 100;
const HYPERPARAMETERS: usize = 8;
/// Values of a hyper-parameter.
const LEVELS: u64 = 6;

fn forest(criterion: &mut Criterion) {
    let mut random = Random::new(0, "benchmark of the forest", 0);
    let rows: Vec<[f64; HYPERPARAMETERS]> =
        (0..BUDGETS).map(|_| std::array::from_fn(|_| random.below(LEVELS) as f64)).collect();
    let targets: Vec<f64> = rows.iter().map(|row| row[0] + 0.3 * row[3] + random.normal()).collect();
    criterion.bench_function("forest: 1,000 trees, 100 budgets, 8 hyper-parameters", |bencher| {
        bencher.iter(|| Samples::new(&rows, &targets).unwrap().importances(TREES, 0));
    });
}

criterion_group! { name = group; config = criterion(); targets = fma, forest }
criterion_main!(group);
