//! The networks that are called by name, at full width and depth, held to the same ones in PyTorch (`tests/reference/named.py`),
//! and sizes of these and of published cells in both skeletons.

use std::collections::BTreeMap;

use kernels::DeviceChoice;
use stages::recipe::FinalRecipe;
use stages::{Architecture, Budget, network};

use crate::golden::{self, Golden};
use crate::{hold_network, on_each_device};

fn hold_named(name: &str, choice: DeviceChoice) {
    let golden: Golden = golden::read(&format!("named-{name}"));
    let FinalRecipe { budget, recipe, .. } = FinalRecipe::read("cifar10-full").unwrap();
    let budget = Budget { image_size: golden.budget.image_size, ..budget };
    let architecture = Architecture::read(name, None, None).unwrap();
    let graph =
        network::build_architecture(&architecture, &budget, &recipe, golden.input_channels, golden.classes);
    hold_network(&golden, &graph.unwrap(), choice);
}

/// Their parameters do not fit the 128 MiB that a shader of the software device may bind; `handmade.rs` has narrow ones on it.
mod native_only {
    use super::hold_named;

    #[test]
    fn resnet_18() {
        hold_named("resnet-18", crate::NATIVE);
    }

    #[test]
    fn senet_18() {
        hold_named("senet-18", crate::NATIVE);
    }
}

on_each_device! { hold_named:
    densenet_bc("densenet-bc")
    mobilenetv2("mobilenetv2")
    shufflenetv2("shufflenetv2")
}

#[test]
fn parameters_and_multiply_adds_are_those_that_pytorch_counts() {
    let counts: BTreeMap<String, [u64; 2]> = golden::read("counts");
    assert!(counts.len() > 15);
    for (of, expected) in counts {
        let (skeleton, name) = of.split_once('/').unwrap();
        let (recipe, classes) =
            if skeleton == "cifar" { ("cifar10-full", 10) } else { ("imagenet-mobile,channels=48", 1000) };
        let FinalRecipe { budget, recipe, .. } = FinalRecipe::read(recipe).unwrap();
        let architecture = Architecture::read(name, None, None).unwrap();
        let cost = network::cost_in(&architecture, &budget, recipe.skeleton, 3, classes).unwrap();
        assert_eq!([cost.parameters, cost.mult_adds], expected, "{of}");
    }
}
