//! Checks a GPU and measures it: trains networks on it and on the processor, alone and packed, and prints how fast it is.
//!
//! `scripts/gpu-check.sh` starts this, on a machine that may have neither Rust nor a network.

mod compare;
mod recipes;
mod table;

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;
use std::thread;
use std::time::Instant;

use clap::{Parser, value_parser};
use kernels::{Device, DeviceChoice};
use stages::Budget;
use stages::recipe::FinalRecipe;

/// What goes wrong, in words; it comes from threads too.
type Failure = Box<dyn Error + Send + Sync>;

/// Train networks on a GPU and on the processor, compare them, and measure the GPU
///
/// Ends with 0 where all agrees, 1 where something differs, 2 where something fails.
#[derive(Parser)]
#[command(name = "gpu-check")]
struct Arguments {
    /// Number of the GPU, or `software` for Vulkan without one
    #[arg(long, default_value = "0", value_name = "N|software")]
    gpu: String,
    /// Networks that are compared
    #[arg(long, default_value = "10", value_name = "N", value_parser = value_parser!(u16).range(1..=100))]
    networks: u16,
    /// Their budget; the last two of each ten have activations of 16 bits instead
    #[arg(long, default_value = "BPE-1", value_name = "NAME|k=v,...")]
    compared: Budget,
    /// Steps of each
    #[arg(long, default_value = "20", value_name = "N", value_parser = value_parser!(u16).range(2..=100))]
    steps: u16,
    /// Trainings in a pack, in both parts
    #[arg(long, default_value = "16,64", value_name = "N,...", value_delimiter = ',')]
    #[arg(value_parser = value_parser!(u16).range(1..=kernels::PACKED as i64))]
    packs: Vec<u16>,
    /// Budgets that are measured
    #[arg(long, default_value = "BPE-1;BPE-2;DARTS;full", value_name = "B;...", value_delimiter = ';')]
    #[arg(value_parser = named)]
    budgets: Vec<(String, Budget)>,
    /// Recipes of final networks that are measured
    #[arg(
        long,
        default_value = "cifar10-full;imagenet-mobile,channels=48",
        value_name = "R;...",
        value_delimiter = ';'
    )]
    #[arg(value_parser = recipe)]
    recipes: Vec<(String, FinalRecipe)>,
    /// Seconds that each is measured for, about
    #[arg(long, default_value = "1", value_name = "S")]
    measured: f64,
    /// Seconds from the start after which no measurement begins
    #[arg(long, default_value = "200", value_name = "S")]
    seconds: f64,
    /// Kinds of kernels that are named of each measurement, the dearest first
    #[arg(long, default_value = "8", value_name = "N")]
    kinds: usize,
}

/// A budget, and how it was asked for.
fn named(text: &str) -> Result<(String, Budget), stages::Error> {
    Ok((text.to_owned(), text.parse()?))
}

/// A recipe, and how it was asked for.
fn recipe(text: &str) -> Result<(String, FinalRecipe), stages::Error> {
    Ok((text.to_owned(), FinalRecipe::read(text)?))
}

fn main() -> ExitCode {
    match check(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "gpu-check: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether all agrees.
fn check(arguments: &Arguments) -> Result<bool, Failure> {
    let begun = Instant::now();
    let choice = match arguments.gpu.parse() {
        Ok(index) => DeviceChoice::Gpu { index },
        Err(_) if arguments.gpu == "software" => DeviceChoice::Software,
        Err(_) => return Err(format!("--gpu {}: give a number or `software`", arguments.gpu).into()),
    };
    let gpu = Device::open(choice)?;
    say(&gpu.name())?;
    let copied = gpu.copy_rate()?.ok_or("the device is no GPU")?;
    say(&format!("copies {:.0} GB/s, counted as read and as written\n", copied * 1e-9))?;
    let agrees = compare::compare(&gpu, arguments)?;
    say(&format!("compared in {:.0} s\n", seconds(begun)))?;
    recipes::print(&gpu, arguments)?;
    table::print(&gpu, copied, begun, arguments)?;
    Ok(agrees)
}

/// Prints a line at once: what a check found until it was stopped is worth something too.
fn say(line: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

fn seconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64()
}

/// Runs on a thread for each device, as trainings of a pack must; what they gave, in order, or the first failure.
fn on_each<T: Send>(
    devices: Vec<Device>,
    run: impl Fn(usize, &Device) -> Result<T, Failure> + Sync,
) -> Result<Vec<T>, Failure> {
    thread::scope(|scope| {
        let run = &run;
        let start = |(index, device): (usize, Device)| scope.spawn(move || run(index, &device));
        let threads: Vec<_> = devices.into_iter().enumerate().map(start).collect();
        // All are waited for, also behind one that failed.
        let joined: Vec<_> = threads.into_iter().map(thread::ScopedJoinHandle::join).collect();
        joined.into_iter().map(|result| result.map_err(|_| "a training panicked")?).collect()
    })
}
