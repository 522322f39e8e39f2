//! Searches on few images.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use cache::Digest;
use kernels::{Device, DeviceChoice};

use super::job::Shares;
use super::*;
use crate::checkpoint::NoCheckpoints;
use crate::checkpoint::tests::{Listener, Shelf};
use crate::data::{Dataset, Images};
use crate::genotype::{EDGES, Operation};
use crate::random::Random;
use crate::recipe::{Recipe, Scoring};
use crate::train::{DataId, TrainingJob};
use crate::{Error, Genotype};

/// A set of images of two classes, told apart by where the second of two dots lies: to the right or below.
pub(crate) fn dots(count: usize, size: usize, distance: usize) -> Dataset {
    let mut random = Random::new(1, "dots", 0);
    let mut images = |count: usize| {
        let mut pixels = vec![0; count * size * size];
        let mut labels = Vec::new();
        for image in pixels.chunks_mut(size * size) {
            let label = random.below(2) as usize;
            let mut place = |span: usize| random.below((size - span) as u64) as usize;
            let (along, across) = (place(distance), place(0));
            for step in [along, along + distance] {
                image[if label == 0 { across * size + step } else { step * size + across }] = 255;
            }
            labels.push(label as u16);
        }
        Images { pixels: pixels.into(), labels: labels.into(), count }
    };
    let (train, test) = (images(count), images(8));
    Dataset {
        name: "dots".to_owned(),
        channels: 1,
        height: size,
        width: size,
        classes: vec!["horizontal".to_owned(), "vertical".to_owned()],
        mean: vec![0.0],
        std: vec![0.25],
        train,
        test,
        digest: Digest::of("test", &[size as u8, distance as u8]),
        streamed: None,
        drawn_test: None,
        notes: Vec::new(),
    }
}

fn job(method: Method, budget: &str, data: &Dataset) -> SupernetJob {
    SupernetJob {
        method,
        budget: budget.parse().unwrap(),
        seed: 3,
        data: DataId::of(data),
        scoring: Scoring::Holdout { fraction: 0.2, seed: 0 },
        recipe: Recipe { augment: false, ..Recipe::default() },
        architecture: method.architecture_recipe(),
    }
}

fn tiny(method: Method, data: &Dataset) -> SupernetJob {
    let epochs = 3 * method.most_stages();
    job(method, &format!("BPE-1,epochs={epochs},batch_size=8,layers=3,channels=8,image_size=8"), data)
}

/// All methods, with settings for few epochs.
fn methods() -> Vec<(&'static str, Method)> {
    let quick = |(name, method)| match method {
        Method::PcDarts { channel_parts, .. } => (name, Method::PcDarts { channel_parts, still_epochs: 1 }),
        Method::PDarts { operations, skip_dropout, .. } => {
            let (layers, still_epochs, most_skips) = ([3, 4, 5], 1, 2);
            (name, Method::PDarts { layers, operations, skip_dropout, still_epochs, most_skips })
        }
        Method::DrNas { operations, divergence, .. } => {
            (name, Method::DrNas { operations, divergence, channel_parts: [4, 2], still_epochs: 1 })
        }
        method => (name, method),
    };
    Method::NAMED.into_iter().map(quick).collect()
}

pub(crate) fn cpu(threads: usize) -> Device {
    Device::open(DeviceChoice::Cpu { threads }).unwrap()
}

fn whole(job: &SupernetJob, data: &Dataset, threads: usize) -> SupernetResult {
    search(job, data, &cpu(threads), &Listener::default(), &NoCheckpoints).unwrap().result
}

#[test]
fn a_key_holds_all_that_changes_a_result_and_is_no_trainings() {
    let data = dots(40, 8, 3);
    let base = tiny(Method::NAMED[0].1, &data);
    let mut others: Vec<SupernetJob> =
        Method::NAMED[1..].iter().map(|&(_, method)| tiny(method, &data)).collect();
    let mut changed = |change: &dyn Fn(&mut SupernetJob)| {
        let mut job = base.clone();
        change(&mut job);
        others.push(job);
    };
    changed(&|job| job.seed = 4);
    changed(&|job| job.budget.epochs = 4);
    changed(&|job| job.data.digest = Digest::of("test", b"other"));
    changed(&|job| job.scoring = Scoring::Published);
    changed(&|job| job.recipe.momentum = 0.8);
    changed(&|job| job.recipe.augment = true);
    changed(&|job| job.architecture.learning_rate = 6e-4);
    changed(&|job| job.architecture.initial_deviation = 1e-2);
    changed(&|job| job.architecture.minimum_rate = 1e-4);
    let keys: BTreeSet<[u8; 32]> =
        others.iter().chain([&base]).map(|job| job.key().unwrap().digest().0).collect();
    assert_eq!(keys.len(), others.len() + 1);
    // A supernet has none of these.
    let mut same = base.clone();
    same.recipe = Recipe { aux_weight: 0.0, drop_path: 0.0, ..same.recipe };
    same.budget.cutout = 4;
    assert_eq!(same.key().unwrap().digest(), base.key().unwrap().digest());
    let SupernetJob { budget, seed, data, scoring, recipe, .. } = base.clone();
    let architecture = Genotype::default().into();
    let training = TrainingJob { architecture, budget, seed, data, scoring, recipe };
    assert!(training.key().unwrap().fields().get("job").is_none());
    assert!(base.key().unwrap().fields().get("job").is_some());
}

#[test]
fn the_validation_images_are_in_no_half() {
    let data = dots(43, 8, 3);
    let job = tiny(Method::NAMED[0].1, &data);
    let Shares { halves: [weights, architecture], scored: (_, scored) } = Shares::new(&job, &data).unwrap();
    assert_eq!([weights.len(), architecture.len(), scored.len()], [17, 17, 9]);
    let all: BTreeSet<u32> = weights.iter().chain(&architecture).chain(&scored).copied().collect();
    assert_eq!(all.len(), 43);
    assert_eq!(scored, crate::data::holdout(43, 0.2, 0).validation);
    let few = dots(2, 8, 3);
    assert!(Shares::new(&tiny(Method::NAMED[0].1, &few), &few).is_err());
}

#[test]
fn a_search_is_as_large_as_it_says_and_the_same_with_two_threads() {
    let data = dots(40, 8, 3);
    for (name, method) in methods() {
        let job = tiny(method, &data);
        let listener = Listener::default();
        let found = search(&job, &data, &cpu(1), &listener, &NoCheckpoints).unwrap().result;
        let size = job.size(data.train.count, data.channels, data.classes.len()).unwrap();
        assert_eq!(listener.images.into_inner(), size.images, "{name}");
        let stages = method.most_stages() as usize;
        // What is kept is not known before.
        assert!(found.training_flops == size.flops || stages > 1 && found.training_flops < size.flops);
        assert_eq!((found.epochs.len(), found.diverged_at), (3 * stages, None), "{name}");
        let last = &found.epochs[3 * stages - 1];
        assert_eq!([last.normal.len(), last.reduce.len()], [EDGES * Operation::ALL.len(); 2]);
        assert!(last.loss.is_finite() && last.architecture_loss.is_some_and(f64::is_finite));
        let weighs_edges = matches!(method, Method::PcDarts { .. });
        assert_eq!(last.normal_edges.len(), if weighs_edges { EDGES } else { 0 }, "{name}");
        if stages == 1 && !weighs_edges {
            assert_eq!(found.last, decode(&last.normal, &last.reduce), "{name}");
        }
        // The architecture was trained.
        assert!(last.normal != found.epochs[3 * stages - 3].normal, "{name}");
        assert!(whole(&job, &data, 2) == found, "{name}");
        assert!(memory_plan(&job, &data, &cpu(1)).unwrap().total() > 0);
    }
}

#[test]
fn the_architecture_is_still_for_as_long_as_a_method_says() {
    let data = dots(40, 8, 3);
    let method = |name| methods().into_iter().find(|(known, _)| *known == name).unwrap().1;
    let found = whole(&tiny(method("pc-darts"), &data), &data, 2);
    let [first, second] = [&found.epochs[0], &found.epochs[1]];
    assert!(first.architecture_loss.is_none() && second.architecture_loss.is_some());
    assert!(first.normal_edges.iter().all(|&number| number == 0.0));
    assert!(second.normal_edges.iter().all(|&number| number != 0.0));
    let found = whole(&tiny(method("p-darts"), &data), &data, 2);
    let kept = |epoch: usize| found.epochs[epoch].normal.iter().filter(|&&a| a > f32::MIN).count() / EDGES;
    assert_eq!([kept(2), kept(3), kept(5), kept(6), kept(8)], [8, 5, 5, 3, 3]);
    // What a stage begins with are operations that the one before found best.
    let row = |epoch: usize| &found.epochs[epoch].normal[..8];
    let least_kept = (0..8).filter(|&choice| row(3)[choice] > f32::MIN).map(|choice| row(2)[choice]);
    let most_dropped = (0..8).filter(|&choice| row(3)[choice] == f32::MIN).map(|choice| row(2)[choice]);
    assert!(least_kept.fold(f32::MAX, f32::min) >= most_dropped.fold(f32::MIN, f32::max));
    // Numbers go on from one stage of DrNAS to the next, whose first epoch is a still one.
    let found = whole(&tiny(method("drnas"), &data), &data, 2);
    let [last, next] = [&found.epochs[2].normal, &found.epochs[3].normal];
    assert_eq!(next.iter().filter(|&&a| a > f32::MIN).count(), 4 * EDGES);
    assert!(last.iter().zip(next).all(|(last, next)| *next == f32::MIN || next == last));
}

#[test]
fn a_search_goes_on_from_its_checkpoint_and_from_no_other() {
    let data = dots(40, 8, 3);
    let job = |name| tiny(methods().into_iter().find(|(known, _)| *known == name).unwrap().1, &data);
    let other = job("snas");
    // Those of several stages in the middle of one, and between two.
    let several = [("p-darts", 4), ("p-darts", 6), ("drnas", 3), ("drnas", 5)];
    let stops = [("darts-first", 1), ("darts-second", 2), ("gdas", 1)].into_iter().chain(several);
    for (job, stops_after) in stops.map(|(name, stops_after)| (job(name), stops_after)) {
        let expected = whole(&job, &data, 1);
        let stopped = Listener::default();
        let shelf = Shelf::new(Vec::new(), stops_after, &stopped);
        let error = search(&job, &data, &cpu(1), &stopped, &shelf).unwrap_err();
        assert!(matches!(error, Error::Network(kernels::Error::Cancelled)), "{error}");
        let kept = shelf.kept.into_inner().unwrap();
        assert_eq!(kept.len(), stops_after);
        let last = kept[stops_after - 1].clone();
        let listener = Listener::default();
        let shelf = Shelf::new(kept, usize::MAX, &listener);
        let found = search(&job, &data, &cpu(2), &listener, &shelf).unwrap().result;
        assert!(found == expected);
        assert_eq!(shelf.kept.into_inner().unwrap().len(), expected.epochs.len() - 1);
        let size = job.size(data.train.count, data.channels, data.classes.len()).unwrap();
        assert_eq!(listener.images.load(Ordering::Relaxed), size.images);
        assert!(listener.notes.into_inner().unwrap().is_empty());

        if stops_after > 1 {
            continue;
        }
        let mut flipped = last.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 1;
        let cut = last[..middle].to_vec();
        for (job, bytes) in [(&job, flipped), (&job, cut), (&job, Vec::new()), (&other, last)] {
            let listener = Listener::default();
            let shelf = Shelf::new(vec![bytes], usize::MAX, &listener);
            let found = search(job, &data, &cpu(1), &listener, &shelf).unwrap().result;
            assert!(found == whole(job, &data, 1));
            let notes = listener.notes.into_inner().unwrap();
            assert!(notes.len() == 1 && notes[0].contains("is not used"), "{notes:?}");
        }
    }
}

/// Noise in which a pixel often repeats the one `distance` to the left (class 0) or above (class 1).
fn texture(count: usize, size: usize, distance: usize, share: f64) -> Dataset {
    let mut random = Random::new(1, "texture", 0);
    let mut images = |count: usize| {
        let mut pixels = vec![0; count * size * size];
        let mut labels = Vec::new();
        for image in pixels.chunks_mut(size * size) {
            let label = random.below(2) as usize;
            for i in 0..size {
                for j in 0..size {
                    let fresh = random.below(2) as u8 * 255;
                    let at = |a: usize, b: usize| if label == 0 { a * size + b } else { b * size + a };
                    let repeats = j >= distance && random.uniform() < share;
                    image[at(i, j)] = if repeats { image[at(i, j - distance)] } else { fresh };
                }
            }
            labels.push(label as u16);
        }
        Images { pixels: pixels.into(), labels: labels.into(), count }
    };
    let (train, test) = (images(count), images(8));
    Dataset { train, test, mean: vec![0.5], std: vec![0.5], ..dots(1, size, distance) }
}

/// Mean weights of the operations of normal cells, after the last epoch.
fn mean_weights(found: &SupernetResult) -> [f32; 8] {
    let mut means = [0.0; 8];
    for row in found.epochs[found.epochs.len() - 1].normal.chunks(8) {
        let sum: f32 = row.iter().map(|a| a.exp()).sum();
        means.iter_mut().zip(row).for_each(|(mean, a)| *mean += a.exp() / sum / EDGES as f32);
    }
    means
}

/// What is 8 pixels apart only the dilated 5×5 convolution sees at once, whose taps reach from -4 to 4 in steps of 2.
/// What is one pixel apart most operations see.
fn searched(
    method: Method,
    (distance, share): (usize, f64),
    epochs: u32,
    learning_rate: f64,
) -> SupernetResult {
    let data = texture(2500, 16, distance, share);
    let mut job = job(method, "BPE-1,batch_size=32,layers=3,channels=8", &data);
    job.budget.epochs = epochs;
    job.architecture.learning_rate = learning_rate;
    whole(&job, &data, 2)
}

/// The planted operation has the largest weight by far, and edges of the cell that is read.
fn finds_what_is_planted(name: &str, epochs: u32, learning_rate: f64) {
    let (_, method) = methods().into_iter().find(|(known, _)| *known == name).unwrap();
    let planted = Operation::DilConv5x5;
    let found = searched(method, (8, 0.9), epochs, learning_rate);
    let weights = mean_weights(&found);
    let edges: Vec<_> = found.last.normal.nodes.iter().flatten().collect();
    let planted_edges = edges.iter().filter(|edge| edge.operation == planted).count();
    let accuracies: Vec<f64> = found.epochs.iter().map(|epoch| epoch.score_accuracy).collect();
    println!("{name}: {weights:.3?}, {planted_edges} of {} edges, accuracies {accuracies:.1?}", edges.len());
    let others = Operation::ALL.into_iter().filter(|&other| other != planted);
    assert!(others.into_iter().all(|other| weights[other as usize] < 0.9 * weights[planted as usize]));
    assert!(planted_edges >= 4, "{}", found.last);
}

#[test]
fn a_planted_operation_is_found_by_darts() {
    finds_what_is_planted("darts-first", 4, 0.02);
    let weights = mean_weights(&searched(Method::NAMED[0].1, (1, 0.6), 1, 0.02));
    assert!(weights[Operation::DilConv5x5 as usize] < 0.14, "what others see too: {weights:?}");
}

#[test]
fn a_planted_operation_is_found_by_gdas() {
    finds_what_is_planted("gdas", 16, 0.05);
}

#[test]
fn a_planted_operation_is_found_by_pc_darts() {
    finds_what_is_planted("pc-darts", 8, 0.02);
}

#[test]
#[ignore = "takes half a minute of two cores; tests/trials.sh runs it"]
fn a_planted_operation_is_found_by_p_darts() {
    finds_what_is_planted("p-darts", 9, 0.02);
}
