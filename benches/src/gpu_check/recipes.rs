//! How fast a GPU trains final networks, and how long whole trainings would take.

use std::time::Instant;

use benches::{Training, classes};
use kernels::Device;
use stages::recipe::Skeleton;
use stages::sample::architectures;

use crate::{Arguments, Failure, say, seconds};

/// Images of CIFAR-10 and of ImageNet that a training learns from.
const CIFAR10: u32 = 50_000;
const IMAGENET: u32 = 1_281_167;
/// Steps by which it is found out how many fit the time.
const FEW: usize = 3;

/// Prints a row for each recipe: of the first random architecture, with images that are in memory.
pub(crate) fn print(gpu: &Device, arguments: &Arguments) -> Result<(), Failure> {
    say("| recipe | channels | images/s | ms a step | GiB | hours of a training |")?;
    say("| --- | --- | --- | --- | --- | --- |")?;
    let genotype = &architectures(0, 1)[0];
    for (name, recipe) in &arguments.recipes {
        let skeleton = recipe.recipe.skeleton;
        let budget = recipe.budget_for(&genotype.into(), 3, classes(skeleton))?;
        let measured =
            Training::by_recipe(gpu, genotype, &budget, &recipe.recipe).and_then(|mut training| {
                training.train(FEW)?;
                let timed = Instant::now();
                training.train(FEW)?;
                let steps =
                    (arguments.measured * FEW as f64 / seconds(timed)).clamp(FEW as f64, 100.0) as usize;
                let timed = Instant::now();
                training.train(steps)?;
                Ok((seconds(timed) / steps as f64, training.memory_plan().total()))
            });
        let (step, memory) = match measured {
            Ok(measured) => measured,
            Err(error) => {
                say(&format!("| {name} | {} | {error} | | | |", budget.channels))?;
                continue;
            }
        };
        let rate = f64::from(budget.batch_size) / step;
        let images = if skeleton == Skeleton::ImageNet { IMAGENET } else { CIFAR10 };
        say(&format!(
            "| {name} | {} | {rate:.0} | {:.1} | {:.1} | {:.1} |",
            budget.channels,
            1e3 * step,
            memory as f64 / f64::from(1 << 30),
            f64::from(budget.epochs) * f64::from(images) / rate / 3600.0,
        ))?;
    }
    say("")
}
