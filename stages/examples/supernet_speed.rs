//! Images a second of the steps of a search: METHOD BUDGET STEPS [PROFILE].
#![allow(missing_docs, clippy::all, clippy::pedantic, clippy::unwrap_used, clippy::print_stdout)]
use kernels::{Device, DeviceChoice};
use stages::data::Dataset;
use stages::recipe::{Recipe, Scoring};
use stages::supernet::*;
use stages::train::{DataId, Observer};
struct Quiet;
impl Observer for Quiet {
    fn images(&self, _: u64) {}
    fn cancelled(&self) -> bool {
        false
    }
}
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let method = Method::NAMED.iter().find(|m| m.0 == args[1]).unwrap().1;
    let steps: usize = args[3].parse().unwrap();
    let mut budget: stages::Budget = args[2].parse().unwrap();
    budget.epochs = 1;
    let data = Dataset::synthetic(2 * steps * budget.batch_size as usize);
    let job = SupernetJob {
        method,
        budget,
        seed: 0,
        data: DataId { name: data.name.clone(), digest: data.digest },
        scoring: Scoring::Published,
        recipe: Recipe::default(),
        architecture: method.architecture_recipe(),
    };
    let device = Device::open(DeviceChoice::Cpu { threads: 2 }).unwrap();
    println!("{:?}", memory_plan(&job, &data, &device).unwrap());
    let found = search(&job, &data, &device, &Quiet, &NoCheckpoints).unwrap();
    println!(
        "program {} images/s, {:?} {} M madds {} params",
        found.images_per_second,
        found.result.diverged_at,
        found.result.mult_adds / 1000000,
        found.result.parameters
    );
}
