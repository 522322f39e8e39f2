//! Steps of a search that trains a supernet's architecture beside its weights, held to PyTorch's:
//! `tests/reference/search_steps.py`.

use std::collections::BTreeMap;

use kernels::{
    Device, DeviceChoice, Draw, Epoch, Graph, Group, GroupSettings, Nobody, Optimiser, Step, Stream, Trainer,
    Vector,
};
use serde::Deserialize;
use stages::recipe::Recipe;
use stages::supernet::Method;

use crate::golden::{self, Golden};
use crate::handmade::classified;
use crate::supernet::{SupernetPlan, supernet_with};
use crate::{on_each_device, settings};

#[derive(Deserialize)]
struct Searches {
    steps: usize,
    rates: Rates,
    orders: BTreeMap<String, Search>,
}

#[derive(Deserialize)]
struct Rates {
    learning_rate: f32,
    momentum: f32,
    weight_decay: f32,
    grad_clip: f32,
    architecture_rate: f32,
    beta1: f32,
    beta2: f32,
    epsilon: f32,
    architecture_decay: f32,
    temperature: f32,
    divergence: f32,
    skip_dropout: f32,
}

#[derive(Deserialize)]
struct Search {
    train: Vec<f64>,
    valid: Vec<f64>,
    normal: Vec<f64>,
    reduce: Vec<f64>,
    weights_norm: f64,
}

const WEIGHTS: Group = Group::WEIGHTS;
/// The step of the method that searches so.
fn step(order: &str, rates: &Rates, architecture: Group) -> Step {
    let name = match order {
        "first" | "second" | "published" => format!("darts-{order}"),
        "one-hot" => "gdas".to_owned(),
        "dirichlet" => "drnas".to_owned(),
        "shared" => "snas".to_owned(),
        "dropped-skips" => "p-darts".to_owned(),
        // Each side has its own images, as with the others that draw.
        _ => return Step::bilevel(architecture, None),
    };
    let (_, method) = Method::NAMED.into_iter().find(|(known, _)| *known == name).unwrap();
    let [momentum, weight_decay] = [rates.momentum, rates.weight_decay].map(f64::from);
    method.step(architecture, &Recipe { momentum, weight_decay, ..Recipe::default() })
}

fn hold_search(order: &str, choice: DeviceChoice) {
    let golden: Golden = golden::read("handmade-supernet");
    let Searches { steps, rates, orders } = golden::read("search-steps");
    let is_second = matches!(order, "second" | "published");
    let draw = match order {
        "concrete" | "shared" => Some(Draw::Concrete),
        "one-hot" => Some(Draw::OneHot),
        "dirichlet" => Some(Draw::Dirichlet { divergence: rates.divergence }),
        _ => None,
    };
    let expected = &orders[order];
    let (mut graph, image) = Graph::new(golden.input(), golden.classes);
    let architecture = graph.group();
    let drops_skips = order == "dropped-skips";
    let plan = SupernetPlan { group: architecture, draw, drops_skips };
    let graph = classified(&golden, graph, |graph| supernet_with(graph, image, plan)).unwrap();
    let adam = Optimiser::Adam { beta1: rates.beta1, beta2: rates.beta2, epsilon: rates.epsilon };
    let (weight_decay, grad_clip) = (rates.architecture_decay, f32::INFINITY);
    let groups = vec![
        GroupSettings::sgd(rates.momentum, rates.weight_decay, rates.grad_clip),
        GroupSettings { optimiser: adam, weight_decay, grad_clip },
    ];
    let settings = kernels::TrainerSettings { groups, extra_vectors: 2, ..settings(&golden) };
    let device = Device::open(choice).unwrap();
    let mut trainer = Trainer::new(&device, &graph, &settings, &[golden.images()]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    golden.write_initial(&dir.path().join("initial"));
    trainer.load(&dir.path().join("initial"), &str::to_owned).unwrap();
    let alphas = |trainer: &mut Trainer| -> Vec<f64> {
        let alpha = ["normal.weight", "reduce.weight"].map(|name| trainer.parameter(name).unwrap());
        alpha.concat().into_iter().map(f64::from).collect()
    };
    let start = alphas(&mut trainer);

    let batch = golden.batch_size() as u32;
    let halves: [Vec<u32>; 2] = [(0..2 * batch).collect(), (2 * batch..4 * batch).collect()];
    let streams = halves.each_ref().map(|order| Stream { set: 0, order });
    let step = step(order, &rates, architecture);
    let streams = if order == "shared" { &streams[..1] } else { &streams[..] };
    let learning_rates = [rates.learning_rate, rates.architecture_rate];
    let (mut train, mut valid) = (Vec::new(), Vec::new());
    for number in 0..steps / 2 {
        let epoch = Epoch {
            streams,
            number: number as u32,
            learning_rates: &learning_rates,
            drop_path: if drops_skips { rates.skip_dropout } else { 0.0 },
            temperature: rates.temperature,
        };
        let metrics = trainer.run(&step, &epoch, &Nobody).unwrap();
        train.extend(metrics[metrics.len() - 1].losses.clone());
        valid.extend(metrics[usize::from(is_second)].losses.clone());
    }
    for (what, found, expected) in [("train", train, &expected.train), ("valid", valid, &expected.valid)] {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((f64::from(*found) - expected).abs() < 2e-5, "{what}: {found}, expected {expected}");
        }
    }
    let norm = trainer.norm(WEIGHTS, Vector::Parameters).unwrap();
    assert!((norm - expected.weights_norm).abs() < 1e-6 * norm, "{norm}, expected {}", expected.weights_norm);
    let length = |values: &[f64]| values.iter().map(|v| v * v).sum::<f64>().sqrt();
    let distance = |a: &[f64], b: &[f64]| length(&a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<_>>());
    let found = alphas(&mut trainer);
    let ends = |search: &Search| [&search.normal[..], &search.reduce].concat();
    let (error, change) = (distance(&found, &ends(expected)), distance(&start, &ends(expected)));
    println!("{order}: the architecture moved by {change:.2e}, and is off by {error:.1e}");
    assert!(error < 5e-3 * change, "off by {error:e}, it moved by {change:e}");
    // Another order leads elsewhere.
    let other = &orders[if order == "first" { "second" } else { "first" }];
    assert!(distance(&found, &ends(other)) > 4.0 * error, "it is the same as another order");
}

on_each_device! { hold_search:
    first_order("first")
    second_order("second")
    drawn_from_a_concrete_distribution("concrete")
    drawn_one_by_one("one-hot")
    drawn_from_dirichlet_distributions("dirichlet")
    as_it_was_published("published")
    on_shared_images("shared")
    with_skips_that_are_dropped("dropped-skips")
}
