//! Keys of trainings, by which old caches are found.

use super::*;
use crate::recipe::{FinalRecipe, RateRule, Skeleton};

fn job(architecture: &str) -> TrainingJob {
    // The embedded images.
    let digest = "70375046b31f04a01f59d4f0b9d5b94844ab96bdf55d0395dadf6ed400a08ec1";
    let budget =
        "epochs=1,batch_size=128,learning_rate=0.03,layers=3,channels=4,image_size=8,cutout=0,float_bits=32";
    TrainingJob {
        architecture: Architecture::read(architecture, None, None).unwrap(),
        budget: budget.parse().unwrap(),
        seed: 7,
        data: DataId { name: "embedded".to_owned(), digest: digest.parse().unwrap(), augmentation: None },
        scoring: Scoring::default(),
        recipe: Recipe::default(),
    }
}

fn key(job: &TrainingJob) -> String {
    job.key().unwrap().digest().to_string()
}

/// Written by the program as it was before there were other architectures and recipes.
#[test]
fn the_key_of_a_training_never_changes() {
    let bits = |float_bits| {
        let job = job("DARTS_V2");
        TrainingJob { budget: Budget { float_bits, ..job.budget }, ..job }
    };
    assert_eq!(key(&bits(32)), "2bdf5689fe579c51d0e8da210d8efc1e894c041b81ed8b2aad4753d40b01601e");
    assert_eq!(key(&bits(16)), "128ab5a9db5639a20a6378408223abc5bcc52ff3e0f4b9859110b9fe707b38e5");
    // A final network's recipe is no more than a budget and the constants that there always were.
    let full = FinalRecipe::read("cifar10-full").unwrap();
    assert_eq!((full.recipe, full.budget), (Recipe::default(), "full".parse().unwrap()));
}

#[test]
fn what_is_new_has_keys_of_its_own() {
    let old = job("DARTS_V2");
    let with = |recipe: Recipe| TrainingJob { recipe, ..old.clone() };
    let rate = |factor| with(Recipe { rate: RateRule::Exponential { factor }, ..Recipe::default() });
    let others = [
        old.clone(),
        job("DARTS_V1"),
        job("NASNET_A"),
        job("ResNet-18"),
        job("SENet-18"),
        with(Recipe { skeleton: Skeleton::ImageNet, ..Recipe::default() }),
        rate(0.97),
        rate(0.96),
        with(Recipe { accumulate: 2, ..Recipe::default() }),
    ];
    let keys: std::collections::BTreeSet<String> = others.iter().map(key).collect();
    assert_eq!(keys.len(), others.len());
}

#[test]
fn what_a_named_network_does_not_depend_on_is_not_in_its_key() {
    let network = job("mobilenet-v2");
    let mut same = network.clone();
    same.budget = Budget { layers: 20, channels: 36, ..network.budget };
    same.recipe = Recipe { drop_path: 0.5, aux_weight: 0.1, ..network.recipe.clone() };
    assert_eq!(key(&same), key(&network));
    let mut other = network.clone();
    other.budget.image_size = 16;
    assert_ne!(key(&other), key(&network));
    // Of cells all of it matters.
    let cells = job("ENAS");
    let wider = TrainingJob { budget: Budget { channels: 36, ..cells.budget }, ..cells.clone() };
    assert_ne!(key(&wider), key(&cells));
}

#[test]
fn learning_rates_fall_along_their_rule() {
    for (epoch, rate) in [(0, 0.03), (5, 0.015)] {
        assert!((RateRule::Cosine.at(0.03, epoch, 10) - rate).abs() < 1e-12);
    }
    let exponential = RateRule::Exponential { factor: 0.97 };
    for (epoch, rate) in [(0, 0.1), (1, 0.097), (2, 0.09409)] {
        assert!((exponential.at(0.1, epoch, 250) - rate).abs() < 1e-12);
    }
}
