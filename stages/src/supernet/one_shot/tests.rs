//! One-shot supernets on few images.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::Ordering;

use cache::Digest;
use kernels::Trainer;

use super::inputs::{OneShotInputs, choose};
use super::*;
use crate::checkpoint::tests::{Listener, Shelf};
use crate::checkpoint::{Checkpoints, NoCheckpoints};
use crate::data::Dataset;
use crate::genotype::{EDGES, Operation};
use crate::job::Job;
use crate::recipe::{Recipe, Scoring};
use crate::search::DenseCells;
use crate::supernet::tests::{cpu, dots};
use crate::train::{DataId, TRAIN};

/// Keeps weights in memory.
#[derive(Default)]
struct Files(Mutex<BTreeMap<[u8; 32], Vec<u8>>>);

impl WeightFiles for Files {
    fn weights(&self, digest: &Digest) -> Option<Vec<u8>> {
        self.0.lock().unwrap().get(&digest.0).cloned()
    }

    fn keep_weights(&self, bytes: &[u8]) -> Result<Digest, Error> {
        let digest = Digest::of("test", bytes);
        self.0.lock().unwrap().insert(digest.0, bytes.to_vec());
        Ok(digest)
    }
}

fn job(schedule: Schedule, data: &Dataset) -> OneShotJob {
    OneShotJob {
        schedule,
        budget: "BPE-1,epochs=3,batch_size=8,layers=3,channels=4,image_size=8,learning_rate=0.1"
            .parse()
            .unwrap(),
        kept: vec![1, 3],
        seed: 3,
        data: DataId::of(data),
        scoring: Scoring::Holdout { fraction: 0.2, seed: 0 },
        recipe: Recipe { augment: false, ..Recipe::default() },
    }
}

fn train(job: &OneShotJob, data: &Dataset, files: &Files, checkpoints: &dyn Checkpoints) -> OneShotResult {
    train_one_shot(job, data, &cpu(1), &Listener::default(), checkpoints, files).unwrap().result
}

fn accuracies(job: &SubNetworksJob, data: &Dataset, files: &Files) -> Vec<Option<f64>> {
    evaluate(job, data, &cpu(1), &Listener::default(), files).unwrap().result.accuracies
}

fn fair(data: &Dataset) -> OneShotJob {
    job(Schedule::Fair, data)
}

fn trainer(job: &OneShotJob, data: &Dataset) -> Trainer {
    let inputs = OneShotInputs::new(&job.budget, &job.recipe, data, job.seed).unwrap();
    Trainer::new(&cpu(1), &inputs.supernet.graph, &inputs.settings, &inputs.sets).unwrap()
}

/// Names and sizes of the tensors of a trainer.
fn tensors(trainer: &mut Trainer) -> Vec<(String, usize)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    trainer.save(&path).unwrap();
    let bytes = std::fs::read(path).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let tensors = header.as_object().unwrap().iter().filter(|(name, _)| *name != "__metadata__");
    tensors
        .map(|(name, tensor)| {
            let shape = tensor["shape"].as_array().unwrap();
            (name.clone(), shape.iter().map(|size| size.as_u64().unwrap() as usize).product())
        })
        .collect()
}

#[test]
fn one_shot_keys_hold_all_that_changes_a_result() {
    let data = dots(40, 8, 3);
    let base = fair(&data);
    let mut others = vec![job(Schedule::Random, &data)];
    others.extend([0.1, 0.2].map(|share| job(Schedule::RandomLevel { share }, &data)));
    let mut changed = |change: &dyn Fn(&mut OneShotJob)| {
        let mut job = base.clone();
        change(&mut job);
        others.push(job);
    };
    changed(&|job| job.seed = 4);
    changed(&|job| job.kept = vec![3]);
    changed(&|job| job.budget.epochs = 4);
    changed(&|job| job.data.digest = Digest::of("test", b"other"));
    changed(&|job| job.scoring = Scoring::Published);
    changed(&|job| job.recipe.momentum = 0.8);
    changed(&|job| job.recipe.augment = true);
    let cells: Vec<DenseCells> = Draws::new(Schedule::Random, 0).take(3).collect();
    let digest = Digest::of("test", b"weights");
    let evaluations = [
        SubNetworksJob::new(&base, digest, cells.clone()),
        SubNetworksJob::new(&base, digest, cells[..2].to_vec()),
        SubNetworksJob::new(&base, Digest::of("test", b"others"), cells),
    ];
    let jobs = others.iter().chain([&base]).cloned().map(Job::OneShot);
    let keys: Vec<[u8; 32]> =
        jobs.chain(evaluations.map(Job::SubNetworks)).map(|job| job.key().unwrap().digest().0).collect();
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len());
}

#[test]
fn one_shot_trainings_and_evaluations_are_as_large_as_they_say() {
    let data = dots(40, 8, 3);
    let (listener, files) = (Listener::default(), Files::default());
    let job = job(Schedule::RandomLevel { share: 0.1 }, &data);
    let done = train_one_shot(&job, &data, &cpu(1), &listener, &NoCheckpoints, &files).unwrap().result;
    let size = job.size(data.train.count, data.channels, data.classes.len()).unwrap();
    assert_eq!((listener.images.into_inner(), done.training_flops), (size.images, size.flops));
    assert_eq!(done.epochs.iter().map(|epoch| epoch.steps).collect::<Vec<_>>(), [4, 8, 12]);
    let kept: Vec<bool> = done.epochs.iter().map(|epoch| epoch.weights.is_some()).collect();
    assert_eq!((kept, done.diverged_at), (vec![true, false, true], None));
    assert!(one_shot_memory_plan(&job, &data, &cpu(1)).unwrap().total() > 0);

    let listener = Listener::default();
    let cells = last_distinct(job.schedule, job.seed, 12, 3);
    let evaluation = SubNetworksJob::new(&job, done.epochs[2].weights.unwrap(), cells);
    let found = evaluate(&evaluation, &data, &cpu(1), &listener, &files).unwrap().result;
    let size =
        evaluation.size([data.train.count, data.test.count], data.channels, data.classes.len()).unwrap();
    assert_eq!((listener.images.into_inner(), found.flops), (size.images, size.flops));
    assert!(found.accuracies.len() == 3 && found.accuracies.iter().all(Option::is_some), "{found:?}");
    assert!(sub_networks_memory_plan(&evaluation, &data, &cpu(1)).unwrap().total() > 0);
    // Two threads change nothing.
    let two = train_one_shot(&job, &data, &cpu(2), &Listener::default(), &NoCheckpoints, &files).unwrap();
    assert_eq!(two.result, done);
    let two = evaluate(&evaluation, &data, &cpu(2), &Listener::default(), &files).unwrap();
    assert_eq!(two.result, found);
}

/// Momenta go on while sub-networks change: all is as if they were kept by hand.
#[test]
fn one_shot_steps_keep_their_momenta() {
    let data = dots(24, 8, 3);
    let job = OneShotJob { kept: vec![1], ..fair(&data) };
    let budget = crate::Budget { epochs: 1, ..job.budget };
    let job = OneShotJob { budget, ..job };
    let files = Files::default();
    let trained = train(&job, &data, &files, &NoCheckpoints);
    let kept = files.weights(&trained.epochs[0].weights.unwrap()).unwrap();
    let mut found = trainer(&job, &data);
    found.restore(&kernels::Checkpoint::from_bytes(&kept).unwrap()).unwrap();

    // Independently: gradients are what a step without momenta moves the weights by, and momenta are summed up here.
    let recipe = crate::recipe::Recipe { momentum: 0.0, ..job.recipe.clone() };
    let mut mirror = trainer(&OneShotJob { recipe, ..job.clone() }, &data);
    let names: Vec<(String, usize)> = tensors(&mut mirror)
        .into_iter()
        .filter(|(name, _)| name.starts_with("stem") && name.ends_with("weight"))
        .collect();
    assert!(!names.is_empty());
    let (mut order, _) = crate::train::learnt_and_scored(job.scoring, &data);
    crate::train::shuffle(&mut order, job.seed, 0, 0);
    let batches: Vec<&[u32]> = order.chunks(8).collect();
    let group = kernels::Group::WEIGHTS;
    let running = kernels::RunningStatistics::Kept;
    let step = kernels::Step::new(vec![
        kernels::Part::Differentiate { stream: 0, running },
        kernels::Part::Update { group },
    ])
    .unwrap();
    let rate = 0.1_f32;
    let mut momenta: BTreeMap<String, Vec<f32>> = BTreeMap::new();
    for (cells, batch) in Draws::new(job.schedule, job.seed).zip(batches) {
        let before: BTreeMap<String, Vec<f32>> = tensors(&mut mirror)
            .into_iter()
            .filter(|(name, _)| !name.contains("running_") && !name.contains("alphas"))
            .map(|(name, _)| (name.clone(), mirror.parameter(&name).unwrap()))
            .collect();
        choose(&mut mirror, &cells).unwrap();
        let epoch = kernels::Epoch {
            streams: &[kernels::Stream { set: TRAIN, order: batch }],
            number: 0,
            learning_rates: &[rate, 0.0],
            drop_path: 0.0,
            temperature: 1.0,
        };
        // Without momentum this moves a number by the learning rate times its gradient.
        mirror.run(&step, &epoch, &kernels::Nobody).unwrap();
        for (name, old) in before {
            let now = mirror.parameter(&name).unwrap();
            let momentum = momenta.entry(name.clone()).or_insert_with(|| vec![0.0; old.len()]);
            let mut next = old.clone();
            for place in 0..old.len() {
                let gradient = (old[place] - now[place]) / rate;
                momentum[place] = 0.9 * momentum[place] + gradient;
                next[place] = old[place] - rate * momentum[place];
            }
            mirror.set_parameter(&name, &next).unwrap();
        }
    }
    for (name, _) in names {
        let (found, expected) = (found.parameter(&name).unwrap(), mirror.parameter(&name).unwrap());
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-3, "{name}: {found} {expected}");
        }
    }
}

#[test]
fn one_shot_a_training_goes_on_from_its_checkpoint_and_from_no_other() {
    let data = dots(40, 8, 3);
    for schedule in [Schedule::Fair, Schedule::RandomLevel { share: 0.1 }] {
        let job = job(schedule, &data);
        let expected = train(&job, &data, &Files::default(), &NoCheckpoints);
        let (stopped, files) = (Listener::default(), Files::default());
        let shelf = Shelf::new(Vec::new(), 2, &stopped);
        let error = train_one_shot(&job, &data, &cpu(1), &stopped, &shelf, &files).unwrap_err();
        assert!(matches!(error, Error::Network(kernels::Error::Cancelled)), "{error}");
        let kept = shelf.kept.into_inner().unwrap();
        let listener = Listener::default();
        let shelf = Shelf::new(kept.clone(), usize::MAX, &listener);
        let found = train_one_shot(&job, &data, &cpu(2), &listener, &shelf, &files).unwrap().result;
        assert_eq!(found, expected);
        assert_eq!(shelf.kept.into_inner().unwrap().len(), 2);
        let size = job.size(data.train.count, data.channels, data.classes.len()).unwrap();
        assert_eq!(listener.images.load(Ordering::Relaxed), size.images);
        assert!(listener.notes.into_inner().unwrap().is_empty());

        // Damaged; of another job; and one whose weights are gone.
        let mut flipped = kept[1].clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 1;
        let other = OneShotJob { seed: 4, ..job.clone() };
        let gone = Files::default();
        for (job, bytes, files) in
            [(&job, flipped, &files), (&other, kept[1].clone(), &files), (&job, kept[1].clone(), &gone)]
        {
            let listener = Listener::default();
            let shelf = Shelf::new(vec![bytes], usize::MAX, &listener);
            let found = train_one_shot(job, &data, &cpu(1), &listener, &shelf, files).unwrap().result;
            assert_eq!(found, train(job, &data, &Files::default(), &NoCheckpoints));
            assert!(found.weights().all(|digest| files.weights(digest).is_some()));
            let notes = listener.notes.into_inner().unwrap();
            assert!(notes.len() == 1 && notes[0].contains("is not used"), "{notes:?}");
        }
    }
}

#[test]
fn one_shot_supernets_of_16_bits_learn_like_those_of_32() {
    let data = dots(80, 8, 3);
    let losses = [32, 16].map(|float_bits| {
        let job = fair(&data);
        let budget = crate::Budget { epochs: 4, learning_rate: 0.01, float_bits, ..job.budget };
        let job = OneShotJob { budget, ..job };
        train(&job, &data, &Files::default(), &NoCheckpoints).epochs.iter().map(|epoch| epoch.loss).collect()
    });
    let [single, half]: [Vec<f64>; 2] = losses;
    for (single, half) in single.iter().zip(&half) {
        assert!((single - half).abs() < 0.1 * single, "{single}, {half}");
    }
}

/// What a sub-network does not have may be anything, and neither may its neighbours in a list matter.
#[test]
fn one_shot_a_sub_network_is_evaluated_alone() {
    let data = dots(60, 8, 3);
    let job = fair(&data);
    let files = Files::default();
    let trained = train(&job, &data, &files, &NoCheckpoints);
    let digest = trained.epochs[2].weights.unwrap();
    let mut trainer = trainer(&job, &data);
    let weights = kernels::Checkpoint::from_bytes(&files.weights(&digest).unwrap()).unwrap();
    let cells = last_distinct(Schedule::Random, 1, 3, 3);
    let together = accuracies(&SubNetworksJob::new(&job, digest, cells.clone()), &data, &files);
    assert_eq!(together.len(), 3);
    for (cells, expected) in cells.into_iter().zip(together) {
        let one = SubNetworksJob::new(&job, digest, vec![cells]);
        assert_eq!(accuracies(&one, &data, &files), [expected]);

        trainer.restore(&weights).unwrap();
        let mut spoilt = 0;
        for (name, count) in tensors(&mut trainer) {
            let Some((cell, rest)) = name.split_once(".edges.") else { continue };
            if name.contains("running_") {
                continue;
            }
            let mut rest = rest.split('.');
            let edge: usize = rest.next().unwrap().parse().unwrap();
            // Of three layers the second and the third are reduction cells.
            let first = if cell.ends_with(".0") { 0 } else { EDGES };
            let chosen = Operation::ALL[usize::from(cells.0[first + edge])];
            if rest.next().unwrap() != chosen.name() {
                let garbage: Vec<f32> = (0..count).map(|place| 3.0 - (place % 7) as f32).collect();
                trainer.set_parameter(&name, &garbage).unwrap();
                spoilt += 1;
            }
        }
        assert!(spoilt > 100, "{spoilt}");
        let garbage = files.keep_weights(&trainer.checkpoint().unwrap().to_bytes()).unwrap();
        assert_ne!(garbage, digest);
        let one = SubNetworksJob::new(&job, garbage, vec![cells]);
        assert_eq!(accuracies(&one, &data, &files), [expected]);
    }
}

#[test]
fn one_shot_weights_that_are_gone_or_another_networks_are_named() {
    let data = dots(40, 8, 3);
    let job = fair(&data);
    let files = Files::default();
    let cells: Vec<DenseCells> = Draws::new(Schedule::Random, 0).take(1).collect();
    let refused = |job: &OneShotJob, digest, files: &Files| {
        let job = SubNetworksJob::new(job, digest, cells.clone());
        evaluate(&job, &data, &cpu(1), &Listener::default(), files).unwrap_err().to_string()
    };
    let missing = Digest::of("test", b"missing");
    let message = refused(&job, missing, &files);
    assert!(message.contains(&missing.to_string()) && message.contains("run again"), "{message}");
    let nonsense = files.keep_weights(b"no checkpoint").unwrap();
    assert!(refused(&job, nonsense, &files).contains("cannot be used"));
    let wider = crate::Budget { channels: 8, ..job.budget };
    let digest = train(&job, &data, &files, &NoCheckpoints).epochs[0].weights.unwrap();
    assert!(refused(&OneShotJob { budget: wider, ..job }, digest, &files).contains("another network"));
}

/// A supernet learns: its sub-networks are better with its weights than with those that it began with.
#[test]
fn one_shot_shared_weights_learn() {
    let data = dots(400, 8, 1);
    let mut job = fair(&data);
    job.budget.epochs = 6;
    job.budget.learning_rate = 0.03;
    job.kept = vec![6];
    let files = Files::default();
    let begun = trainer(&job, &data).checkpoint().unwrap();
    let begun = files.keep_weights(&begun.to_bytes()).unwrap();
    let trained = train(&job, &data, &files, &NoCheckpoints);
    assert!(trained.epochs[5].loss < trained.epochs[0].loss, "{trained:?}");
    let mean = |digest| {
        let cells = last_distinct(job.schedule, job.seed, trained.epochs[5].steps, 8);
        let found = accuracies(&SubNetworksJob::new(&job, digest, cells), &data, &files);
        found.iter().flatten().sum::<f64>() / found.len() as f64
    };
    let (before, after) = (mean(begun), mean(trained.epochs[5].weights.unwrap()));
    assert!(after > before && after > 60.0, "{before} {after}");
}
