//! Scores by hand, and what does not change them.

use kernels::{Device, DeviceChoice, NamedTensor, Rectified, Shape};

use super::activations::{Codes, Patterns};
use super::gradients::{synflow_halved, zico};
use super::*;
use crate::data::Dataset;
use crate::recipe::Scoring;
use crate::sample::architectures;
use crate::train::{DataId, Observer};
use crate::{Budget, Genotype};

struct Silent;

impl Observer for Silent {
    fn images(&self, _: u64) {}

    fn cancelled(&self) -> bool {
        false
    }
}

fn cpu(threads: usize) -> Device {
    Device::open(DeviceChoice::Cpu { threads }).unwrap()
}

fn budget(text: &str) -> Budget {
    format!("BPE-1,{text}").parse().unwrap()
}

fn job(genotype: &Genotype, data: &Dataset) -> BaselinesJob {
    let budget = budget("batch_size=20,layers=3,channels=4,image_size=8");
    let (data, scoring) = (DataId::of(data), Scoring::Published);
    BaselinesJob { genotype: genotype.clone(), budget, full: budget, seed: 1, data, scoring }
}

#[test]
fn two_codes_and_their_patterns_by_hand() {
    // Three images of 70 units, of which each differs from the first in as many as its number; a value of one unit more.
    let shape = Shape::new(70, 1, 1);
    let image = |number: usize| (0..70).map(move |unit| if unit < number { 1.0 } else { 0.0 });
    let values: Vec<f32> = (0..3).flat_map(image).collect();
    let one = Rectified { shape: Shape::new(1, 1, 1), values: &[0.5, 0.0, 0.0] };
    let (mut codes, mut patterns) = (Codes::new(3), Patterns::default());
    for value in [Rectified { shape, values: &values }, one] {
        codes.add(value);
        patterns.add(value);
    }
    // Of 71 units: images 0 and 1 differ in 2, 0 and 2 in 3, 1 and 2 in 1.
    let [a, b, c, d] = [71.0_f64, 69.0, 68.0, 70.0];
    let determinant = a * (a * a - d * d) - b * (b * a - d * c) + c * (b * d - a * c);
    assert!((codes.log_determinant().unwrap() - determinant.ln()).abs() < 1e-9);
    // Never active; for images 1 and 2; for 2; for 0.
    assert_eq!(patterns.count(), 4);
    let mut same = Codes::new(2);
    same.add(Rectified { shape, values: &[1.0; 140] });
    assert_eq!(same.log_determinant(), None, "two images of one code");
}

#[test]
fn zico_by_hand() {
    let tensor = |shape: &[usize], values: &[f32]| {
        let (name, shape, values) = (String::new(), shape.to_vec(), values.to_vec());
        NamedTensor { name, shape, values }
    };
    // Mean of |g| over half the distance: 2/1, 1.5/0.5, and one that does not differ; a bias; a layer that does not differ.
    let first = [tensor(&[3, 1], &[1.0, 1.0, 5.0]), tensor(&[1], &[1.0]), tensor(&[1, 1], &[2.0])];
    let second = [tensor(&[3, 1], &[3.0, 2.0, 5.0]), tensor(&[1], &[9.0]), tensor(&[1, 1], &[2.0])];
    assert!((zico(&first, &second) - 5.0_f64.ln()).abs() < 1e-12);
}

#[test]
fn scores_repeat_on_any_number_of_threads_and_depend_on_the_seed() {
    let data = Dataset::synthetic(80);
    let genotype = &architectures(3, 1)[0];
    let of = |job: &BaselinesJob, threads| score(job, &data, &cpu(threads), &Silent).unwrap().result;
    let first = job(genotype, &data);
    let scores = of(&first, 1);
    assert_eq!(of(&first, 2), scores);
    assert!(scores.nwot.is_some() && scores.synflow.is_some() && scores.zico > 0.0 && scores.swap > 16);
    let other = of(&BaselinesJob { seed: 2, ..first.clone() }, 1);
    assert_eq!(
        (other.parameters, other.mult_adds, other.skips),
        (scores.parameters, scores.mult_adds, scores.skips)
    );
    assert!(other.nwot != scores.nwot && other.synflow != scores.synflow && other.zico != scores.zico);
    // Another order of the text is the same architecture.
    let mut turned = genotype.clone();
    turned.normal.nodes.iter_mut().for_each(|edges| edges.reverse());
    let turned = job(&turned, &data);
    assert_eq!((turned.key().unwrap().digest(), of(&turned, 1)), (first.key().unwrap().digest(), scores));
    let larger = BaselinesJob { full: budget("layers=6"), ..first.clone() };
    assert_ne!(larger.key().unwrap().digest(), first.key().unwrap().digest());
    assert!(of(&larger, 1).parameters > scores.parameters);
}

#[test]
fn halving_what_cells_give_changes_no_synflow_and_reaches_deep_networks() {
    let genotype: Genotype = "DARTS_V2".parse().unwrap();
    let data = Dataset::synthetic(80);
    let size = (data.channels, data.classes.len());
    let parameters = |budget: Budget| {
        let graph = crate::network::build_untrained(
            &genotype,
            &budget,
            size.0,
            size.1,
            crate::network::Untrained::AsTrained,
        );
        let job = BaselinesJob { budget, ..job(&genotype, &data) };
        let sets = crate::train::image_sets(&data).unwrap();
        let mut trainer =
            kernels::Trainer::new(&cpu(1), &graph.unwrap(), &job.settings(&data), &sets).unwrap();
        trainer.named_parameters().unwrap()
    };
    let small = budget("layers=5,channels=4,image_size=8,batch_size=1");
    let weights = parameters(small);
    let of = |budget: &Budget, weights: &[NamedTensor], halvings: &[i32]| {
        synflow_halved(&genotype, budget, size, weights, &cpu(1), halvings).unwrap()
    };
    let plain = of(&small, &weights, &[0]).unwrap();
    for halvings in [1, 6, 12] {
        let halved = of(&small, &weights, &[halvings]).unwrap();
        assert!((halved - plain).abs() < 1e-4, "{halvings}: {halved}, not {plain}");
    }
    let deep = budget("layers=24,channels=16,image_size=8,batch_size=1");
    let weights = parameters(deep);
    assert_eq!(of(&deep, &weights, &[0]), None, "more than 32 bits hold");
    assert!(of(&deep, &weights, &[0, 6, 12, 18, 24]).is_some_and(|score| score > 88.0));
}
