//! `pipeline bench`: how fast a device is, as a whole and operation by operation.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use clap::Args;
use kernels::control::{Copying, multiply_adds};
use kernels::{Device, DeviceChoice, operation_times};
use stages::config::Config;
use stages::data::{Dataset, Reading};
use stages::recipe::{Recipe, Scoring};
use stages::speed::{Speed, Stop, measure};
use stages::stage::JobTemplate;
use stages::train::{DataId, TrainingJob};
use stages::{Budget, Genotype, network};

use super::Global;
use super::data::load;
use super::device::DeviceArgs;
use super::given::genotype;
use super::interrupt::stop_on_signal;
use crate::error::Error;
use crate::output;
use crate::output::bench::{Bench as Report, Control, Kernels, Kind, Measured, Paper, Processor, Row};
use crate::output::operations::Operation;

/// Training images of CIFAR-10.
const PAPER_IMAGES: usize = 50_000;
/// A budget that nobody asked for is measured when one of its steps is expected to take at most so many times the time
/// of a measurement.
const PATIENCE: f64 = 5.0;
/// An operation is measured for this share of a measurement's time: there are many.
const SHARE_OF_AN_OPERATION: f64 = 0.25;
/// Synthetic images: of some steps, in little memory.
const SYNTHETIC_IMAGES: usize = 4096;

/// Measure how fast a device trains: images a second, share of its peak, time of kernels, and what trainings would take
///
/// Without --budget every operation is measured too, forward and backward, at a typical size: its time, its GFLOP/s and GB/s,
/// and what share they are of what the device can do. Random images are trained on unless --data is given. Nothing is looked up in the cache or stored there. Results are
/// worth something on an idle machine only.
#[derive(Args)]
#[command(after_help = "Examples:
  pipeline bench
  pipeline bench --device gpu --budget BPE-1 --budget BPE-1,batch_size=512 --json
  pipeline bench --genotype @mine.txt --budget BPE-1 --data cifar-10-batches-bin --seconds 10")]
pub(crate) struct Bench {
    /// A genotype in any text form, the name of a published one, or @FILE with one; of several in a file `@FILE:NAME` or
    /// `@FILE:LINE`
    #[arg(long, default_value = "DARTS_V2", value_name = "G|NAME|@FILE")]
    genotype: String,
    /// A name (BPE-1, BPE-2, DARTS, full), values, or a name and the values that differ; may be repeated [default: those
    /// four, and every operation by itself]
    #[arg(long, value_name = "NAME|k=v,...")]
    budget: Vec<String>,
    /// `embedded`, or the folder of a data set [default: random images of 3 x 32 x 32]
    #[arg(long, value_name = "SET|DIR")]
    data: Option<String>,
    /// Seconds of each measurement, about
    #[arg(long, default_value = "2", value_name = "S", value_parser = seconds)]
    seconds: f64,
    #[command(flatten)]
    device: DeviceArgs,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.001..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("give a number of seconds from 0.001 to 3600".to_owned()),
    }
}

impl Bench {
    pub(super) fn run(&self, global: &Global) -> Result<(), Error> {
        let genotype = genotype(&self.genotype)?;
        let named = Budget::NAMED.iter().map(|(name, budget)| Ok(((*name).to_owned(), *budget)));
        let asked = self.budget.iter().map(|text| Ok((text.clone(), text.parse().map_err(Error::Input)?)));
        let budgets: Vec<(String, Budget)> = if self.budget.is_empty() {
            named.collect::<Result<_, Error>>()?
        } else {
            asked.collect::<Result<_, Error>>()?
        };
        let data = match &self.data {
            Some(text) => load(text, &Reading::default(), global)?,
            None => Dataset::synthetic(SYNTHETIC_IMAGES),
        };
        // Whether the sizes fit a network is found out before anything is measured.
        let cost = |budget: &Budget| network::cost(&genotype, budget, data.channels, data.classes.len());
        let costs = budgets
            .iter()
            .map(|(_, budget)| cost(budget))
            .collect::<Result<Vec<_>, _>>()
            .map_err(Error::Input)?;
        let paper = Config::load("paper", None, &[("data.set", "embedded")]).map_err(Error::Input)?;
        let images = paper.train.scoring.learnt(PAPER_IMAGES) as u64;

        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let device = self.device.place.open(threads, &output::message)?;
        let stop = stop_on_signal()?;
        let control = match device.copy_rate().map_err(Error::Device)? {
            Some(copied_bytes_per_second) => Control::Gpu { copied_bytes_per_second },
            None => Control::Processor(self.control(threads, &stop)?),
        };
        let template = JobTemplate {
            data: DataId::of(&data),
            scoring: Scoring::Published,
            recipe: Recipe::default(),
            seed: 0,
        };
        let mut rows: Vec<Row> = Vec::new();
        for ((name, budget), cost) in budgets.iter().zip(&costs) {
            let step = cost.training_flops as f64 * f64::from(budget.batch_size);
            let expected =
                rows.iter().filter_map(|row| row.measured.as_ref()).map(|m| step / m.flops_per_second);
            let expected = expected.fold(0.0, f64::max);
            let skipped = self.budget.is_empty() && expected > PATIENCE * self.seconds;
            let measured = if skipped {
                None
            } else {
                output::message(&format!("measuring {name}"));
                let job = template.job(&genotype, budget);
                let speed = self.measure(&job, &data, &device, &stop)?;
                let architectures = paper.architectures.count as u64;
                Some(measured(&speed, budget, &control, (architectures, images)))
            };
            rows.push(Row {
                budget: name.clone(),
                values: budget.to_string(),
                measured,
                skipped_step_seconds: skipped.then_some(expected),
            });
        }
        let operations =
            if self.budget.is_empty() { self.operations(&device, &control, &stop)? } else { Vec::new() };
        let paper = plan(&paper, &genotype, images, &rows).map_err(Error::Stage)?;
        let report = Report {
            device: device.name(),
            control,
            genotype: self.genotype.clone(),
            data: data.name.clone(),
            budgets: rows,
            operations,
            paper,
        };
        output::bench::print(&report, global.json)
    }

    fn measure(
        &self,
        job: &TrainingJob,
        data: &Dataset,
        device: &Device,
        stop: &AtomicBool,
    ) -> Result<Speed, Error> {
        let stopped = || stop.load(Ordering::Relaxed);
        let speed = measure(job, data, device, self.seconds, &stopped);
        if stopped() { Err(Error::InterruptedMeasurement) } else { speed.map_err(Error::Stage) }
    }

    /// Every operation by itself; on one thread of a processor, so that what bounds it is known. None where the device cannot
    /// time its kernels, which is said.
    fn operations(
        &self,
        device: &Device,
        control: &Control,
        stop: &AtomicBool,
    ) -> Result<Vec<Operation>, Error> {
        output::message("measuring the operations");
        let stopped = || stop.load(Ordering::Relaxed);
        let alone = Device::open(DeviceChoice::Cpu { threads: 1 }).map_err(Error::Device)?;
        let device = if device.is_gpu() { device } else { &alone };
        let times = operation_times(device, SHARE_OF_AN_OPERATION * self.seconds, &Stop(&stopped));
        if stopped() {
            return Err(Error::InterruptedMeasurement);
        }
        let Some(times) = times.map_err(Error::Device)? else {
            output::message("no times of operations: the device has no timestamps");
            return Ok(Vec::new());
        };
        Ok(times.into_iter().map(|time| Operation::new(time, control)).collect())
    }

    /// The processor's bounds, as the best of several measurements: others only ever slow them down.
    fn control(&self, threads: usize, stop: &AtomicBool) -> Result<Processor, Error> {
        output::message("measuring the control rows");
        let mut copying = Copying::default();
        // Memory that is met for the first time is slow.
        copying.copy();
        let seconds = self.seconds / 4.0;
        let control = Processor {
            threads,
            flops_per_second_one_thread: best_rate(seconds, stop, || multiply_adds(1)),
            flops_per_second: best_rate(seconds, stop, || multiply_adds(threads)),
            copied_bytes_per_second: best_rate(seconds, stop, || copying.copy()),
        };
        if stop.load(Ordering::Relaxed) { Err(Error::InterruptedMeasurement) } else { Ok(control) }
    }
}

/// What the paper's trainings would take: each budget at the speed of the measured one whose networks are nearest in
/// FLOPs an image. Budgets are drawn before any pruning, which knows nothing yet.
fn plan(
    config: &Config,
    genotype: &Genotype,
    images: u64,
    rows: &[Row],
) -> Result<Option<Paper>, stages::Error> {
    let measured: Vec<&Measured> = rows.iter().filter_map(|row| row.measured.as_ref()).collect();
    // CIFAR-10 has three channels and ten classes.
    let an_image =
        |budget: &Budget| network::cost(genotype, budget, 3, 10).map(|cost| cost.training_flops as f64);
    let whole = |budget: &Budget| Ok::<f64, stages::Error>(an_image(budget)? * f64::from(budget.epochs));
    let seconds = |budget: &Budget| {
        let flops = an_image(budget)?;
        let distance = |m: &Measured| (m.flops_per_image as f64 / flops).ln().abs();
        let nearest = measured.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
        let rate = nearest.map_or(f64::NAN, |nearest| nearest.flops_per_second);
        Ok::<f64, stages::Error>(flops * f64::from(budget.epochs) * images as f64 / rate)
    };
    if measured.is_empty() {
        return Ok(None);
    }
    let count = config.mip.budgets_per_round * config.rounds() as usize;
    let costs = config.space.relative_costs(whole)?;
    let drawn = config.space.draw(count, &[], &costs, config.mip.temperature, (config.mip.seed, 1));
    let budgets = drawn.iter().chain([&config.full]).map(seconds).sum::<Result<f64, _>>()?;
    let architectures = config.architectures.count as u64;
    Ok(Some(Paper {
        architectures,
        images,
        drawn_budgets: drawn.len() as u64,
        trainings: architectures * (drawn.len() as u64 + 1),
        seconds: budgets * architectures as f64,
    }))
}

fn measured(speed: &Speed, budget: &Budget, control: &Control, (trainings, images): (u64, u64)) -> Measured {
    let flops_per_second = speed.images_per_second * speed.flops_per_image as f64;
    let images = images as f64 * f64::from(budget.epochs) * trainings as f64;
    let kernels = speed.kernels.as_ref().map(|(step, times)| {
        let kinds: Vec<Kind> =
            times.iter().map(|time| Kind { kind: time.kind, ms: time.seconds * 1e3 }).collect();
        let in_kernels = kinds.iter().map(|kind| kind.ms).sum::<f64>();
        let between = |threads: usize| (step * threads as f64 * 1e3 - in_kernels).max(0.0);
        Kernels { step_ms: step * 1e3, kinds, between_ms: control.threads().map(between) }
    });
    Measured {
        images_per_second: speed.images_per_second,
        steps: speed.steps,
        flops_per_image: speed.flops_per_image,
        flops_per_second,
        share_of_peak: control.peak().map(|peak| flops_per_second / peak),
        memory_bytes: speed.memory.total(),
        trainings,
        trainings_seconds: images / speed.images_per_second,
        kernels,
    }
}

/// The best rate of `work` in about so many seconds, in what it returns a second.
fn best_rate(seconds: f64, stop: &AtomicBool, mut work: impl FnMut() -> u64) -> f64 {
    let begun = Instant::now();
    let mut best: f64 = 0.0;
    loop {
        let now = Instant::now();
        let done = work();
        best = best.max(done as f64 / now.elapsed().as_secs_f64().max(1e-9));
        if begun.elapsed().as_secs_f64() > seconds || stop.load(Ordering::Relaxed) {
            return best;
        }
    }
}
