//! Scores of untrained networks, against those that `tests/reference/baselines.py` computes in binary64 as their authors define
//! them.

use std::collections::BTreeMap;

use kernels::Device;
use serde::Deserialize;
use stages::baselines::{BaselineScores, BaselinesJob, score_of};
use stages::data::{Dataset, Images};
use stages::recipe::Scoring;
use stages::train::{DataId, Observer};
use stages::{Budget, Genotype};

use crate::golden::{self, Extent, Golden, MEAN, STD, Searched};

/// Relative. `ZiCo` divides by differences of gradients that nearly cancel, and its golden says how far binary32 strays.
const TOLERANCE: f64 = 1e-4;

#[derive(Deserialize)]
struct Scores {
    nwot: f64,
    synflow: f64,
    zico: f64,
    swap: f64,
}

#[derive(Deserialize)]
struct Expected {
    #[serde(flatten)]
    exact: Scores,
    float32_error: Scores,
}

struct Silent;

impl Observer for Silent {
    fn images(&self, _: u64) {}

    fn cancelled(&self) -> bool {
        false
    }
}

/// The images of a golden as a set, of which all are for training.
fn dataset(golden: &Golden) -> Dataset {
    let (pixels, labels) = golden.pixels_and_labels();
    let count = labels.len();
    let train = Images { pixels: pixels.into(), labels: labels.into(), count };
    Dataset {
        name: golden.stream.clone(),
        channels: golden.input_channels,
        height: golden.budget.image_size as usize,
        width: golden.budget.image_size as usize,
        classes: (0..golden.classes).map(|class| class.to_string()).collect(),
        mean: vec![MEAN; golden.input_channels],
        std: vec![STD; golden.input_channels],
        test: train.clone(),
        train,
        digest: cache::Digest::of("test", golden.stream.as_bytes()),
        streamed: None,
        drawn_test: None,
        notes: Vec::new(),
    }
}

/// The scores with the weights of a golden.
fn scores(file: &str, golden: &Golden) -> BaselineScores {
    let Searched { genotype, budget: Extent { layers, channels }, .. } = golden::read(file);
    let golden::Sizes { batch_size, image_size, .. } = golden.budget;
    let named: Budget = "BPE-1".parse().unwrap();
    let budget = Budget { batch_size, layers, channels, image_size, ..named };
    let data = dataset(golden);
    let genotype: Genotype = genotype.parse().unwrap();
    let (data_id, full) = (DataId::of(&data), budget);
    let job = BaselinesJob { genotype, budget, full, seed: 0, data: data_id, scoring: Scoring::Published };
    let dir = tempfile::tempdir().unwrap();
    let weights = dir.path().join("weights");
    golden.write_initial_of(&weights, |name| !name.starts_with("aux_head."));
    let images: Vec<u32> = (0..data.train.count as u32).collect();
    let device = Device::open(crate::NATIVE).unwrap();
    score_of(&job, &data, &device, &Silent, (&images, Some(&weights))).unwrap().result
}

#[test]
fn scores_are_those_of_their_authors_definitions() {
    let all: BTreeMap<String, Expected> = golden::read("baselines");
    assert!(all.len() > 4);
    for (file, Expected { exact, float32_error }) in all {
        let golden: Golden = golden::read(&file);
        let found = scores(&file, &golden);
        assert_eq!((found.parameters, found.mult_adds), (golden.parameters, golden.mult_adds), "{file}");
        for (name, found, expected, rounding) in [
            ("nwot", found.nwot.unwrap(), exact.nwot, float32_error.nwot),
            ("synflow", found.synflow.unwrap(), exact.synflow, float32_error.synflow),
            ("zico", found.zico, exact.zico, float32_error.zico),
            ("swap", found.swap as f64, exact.swap, float32_error.swap),
        ] {
            let error = (found - expected).abs();
            println!("{file} {name}: {found:.6}, off by {error:.1e}; binary32 by {rounding:.1e}");
            let allowed = TOLERANCE * expected.abs() + 3.0 * rounding;
            assert!(error <= allowed, "{file}: {name} is {found}, not {expected}");
        }
    }
}
