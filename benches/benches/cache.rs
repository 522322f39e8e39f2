//! The cache: look-ups and puts of records as small as a training's, from one thread.

#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;

use benches::{copy, criterion};
use cache::{Fields, Key, Kind, Record, Store};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

/// Records of a measurement.
const RECORDS: u64 = 1000;
/// About what a training of ten epochs takes when it is encoded.
const PAYLOAD_BYTES: usize = 200;

/// Records `from..from + RECORDS`, with the fields that a training's key has.
fn records(from: u64, kind: Kind) -> Vec<Record> {
    (from..from + RECORDS)
        .map(|number| {
            let fields = ["epochs", "batch_size", "layers", "channels", "image_size", "cutout", "float_bits"]
                .into_iter()
                .fold(Fields::new().with("seed", number).unwrap(), |fields, name| {
                    fields.with(name, 1u64).unwrap()
                });
            Record::new(Key::new(kind, fields), vec![number as u8; PAYLOAD_BYTES])
        })
        .collect()
}

fn look_ups(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let records = records(0, Kind::Training);
    store.put_many(&records).unwrap();
    let mut group = criterion.benchmark_group("cache: look-ups");
    group.throughput(Throughput::Elements(RECORDS));
    group.bench_function("get, small records", |bencher| {
        bencher.iter(|| {
            for record in &records {
                black_box(store.get(&record.key).unwrap().unwrap());
            }
        });
    });
    group.bench_function("contains", |bencher| {
        bencher.iter(|| records.iter().filter(|record| store.contains(&record.key).unwrap()).count());
    });
    group.bench_function("get, a key from its fields", |bencher| {
        bencher.iter(|| {
            for record in &records {
                let key = Key::new(Kind::Training, record.key.fields().clone());
                black_box(store.get(&key).unwrap().unwrap());
            }
        });
    });
    group.finish();
}

fn puts(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let mut next = 0;
    let mut fresh = |kind| {
        next += RECORDS;
        records(next, kind)
    };
    let mut group = criterion.benchmark_group("cache: puts");
    group.throughput(Throughput::Elements(RECORDS));
    group.bench_function("outputs of nodes, one by one", |bencher| {
        bencher.iter_batched(
            || fresh(Kind::NodeOutput),
            |records| records.iter().map(|record| store.put(record).unwrap()).collect::<Vec<_>>(),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("trainings, waiting for the disk once", |bencher| {
        bencher.iter_batched(
            || fresh(Kind::Training),
            |records| store.put_many(&records).unwrap(),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group! { name = group; config = criterion(); targets = copy, look_ups, puts }
criterion_main!(group);
