//! The same trainings on the processor, on the GPU alone, and in packs.

use std::thread;
use std::time::Instant;

use benches::Training;
use kernels::{Device, DeviceChoice};
use stages::sample::architectures;
use stages::{Budget, Genotype};

use crate::{Arguments, Failure, on_each, say, seconds};

/// With larger ones rounding grows faster from step to step, as between any two devices.
const LEARNING_RATE: f32 = 0.005;
/// How far the loss of the first step, of the second, which all gradients have a part in, and of any may be from the
/// processor's, as shares of it: sums are taken in another order.
const OFF: [f64; 3] = [1e-5, 1e-4, 0.03];
/// The same where activations have 16 bits.
const OFF_16_BITS: [f64; 3] = [2e-3, 5e-3, 0.1];
/// And the loss of what was not trained on, after all steps.
const TESTED_OFF: f64 = 0.1;

/// What a training gave.
#[derive(Clone, PartialEq)]
struct Ran {
    losses: Vec<f32>,
    correct: u64,
    loss: f64,
}

/// A network to train, and for how many steps.
struct Case {
    genotype: Genotype,
    budget: Budget,
    steps: usize,
}

impl Case {
    fn train(&self, device: &Device) -> Result<Ran, Failure> {
        let mut training = Training::new(device, &self.genotype, &self.budget)?;
        let losses = match training.train_at(LEARNING_RATE, self.steps) {
            Ok(metrics) => metrics.losses,
            // As far from the processor's as can be.
            Err(kernels::Error::NonFinite { .. }) => vec![f32::NAN; self.steps],
            Err(error) => return Err(error.into()),
        };
        let evaluation = training.evaluate()?;
        Ok(Ran { losses, correct: evaluation.correct, loss: evaluation.loss })
    }
}

/// Prints how far the GPU is from the processor, and whether packs give the bits of trainings alone; whether all is as it
/// should be.
pub(crate) fn compare(gpu: &Device, arguments: &Arguments) -> Result<bool, Failure> {
    let count = usize::from(arguments.networks);
    let case = |(index, genotype): (usize, Genotype)| {
        let float_bits = if index % 10 < 8 { arguments.compared.float_bits } else { 16 };
        let budget = Budget { float_bits, ..arguments.compared };
        Case { genotype, budget, steps: usize::from(arguments.steps) }
    };
    let cases: Vec<Case> = architectures(0, count).into_iter().enumerate().map(case).collect();
    let train = |index: usize, device: &Device| cases[index % count].train(device);

    let threads = thread::available_parallelism().map_or(1, usize::from);
    let processor = Device::open(DeviceChoice::Cpu { threads: threads.div_ceil(count) })?;
    let timed = Instant::now();
    let goldens = on_each(vec![processor; count], train)?;
    let steps = arguments.steps;
    say(&format!("{count} networks, {steps} steps each: on the processor in {:.1} s", seconds(timed)))?;

    let timed = Instant::now();
    let alone: Vec<Ran> = (0..count).map(|index| train(index, gpu)).collect::<Result<_, _>>()?;
    say(&format!("alone in {:.1} s, with compiling", seconds(timed)))?;
    let mut agrees = true;
    for (index, (golden, own)) in goldens.iter().zip(&alone).enumerate() {
        agrees &= agree(index, &cases[index], golden, own)?;
    }
    for &pack in &arguments.packs {
        let timed = Instant::now();
        let packed = on_each(gpu.pack(usize::from(pack)), train)?;
        let differ = packed.iter().enumerate().filter(|(index, ran)| alone[index % count] != **ran).count();
        agrees &= differ == 0;
        let bits = if differ == 0 {
            "all have the bits of those alone".to_owned()
        } else {
            format!("{differ} DIFFER")
        };
        say(&format!("{pack} packed in {:.1} s, with compiling: {bits}", seconds(timed)))?;
    }
    Ok(agrees)
}

/// Whether a training on the GPU is near enough to the processor's.
fn agree(index: usize, case: &Case, golden: &Ran, own: &Ran) -> Result<bool, Failure> {
    let off = |(a, b): (&f32, &f32)| f64::from((a - b).abs() / a.abs());
    let offs: Vec<f64> = golden.losses.iter().zip(&own.losses).map(off).collect();
    let most = offs.iter().copied().max_by(f64::total_cmp).unwrap_or(f64::NAN);
    let offs = [offs[0], offs[1], most];
    let half_precision = case.budget.float_bits == 16;
    let tested_off = (golden.loss - own.loss).abs() / golden.loss;
    let agrees =
        offs.iter().zip(if half_precision { OFF_16_BITS } else { OFF }).all(|(&off, most)| off <= most)
            && tested_off <= TESTED_OFF;
    say(&format!(
        "  network {index}, {} bits: losses off by {:.0e} and {:.0e}, at most {:.0e}; tested {:.4} and {:.4}, {} and {} right{}",
        case.budget.float_bits,
        offs[0],
        offs[1],
        offs[2],
        golden.loss,
        own.loss,
        golden.correct,
        own.correct,
        if agrees { "" } else { "  DISAGREES" }
    ))?;
    Ok(agrees)
}
