//! How fast a GPU trains under each budget, alone and in packs, and what its kernels take.

use std::sync::OnceLock;
use std::time::Instant;

use benches::{IMAGES, Training};
use kernels::{Device, KernelTime};
use stages::Budget;
use stages::sample::architectures;

use crate::{Arguments, Failure, on_each, say, seconds};

/// Steps by which it is found out how many fit the time, and of which kernels are timed.
const FEW: usize = 4;

/// What was measured of a pack.
struct Measured {
    /// Until all had done their first step.
    ready: f64,
    /// Seconds of a step of all.
    step: f64,
    dispatches: u64,
    /// Bytes that a step reads and writes at least.
    moved: u64,
    memory: u64,
    /// Seconds of a step, by kind.
    kernels: Vec<KernelTime>,
}

/// Prints the table, rows as they come; `copied` is the card's copy rate in bytes a second.
pub(crate) fn print(gpu: &Device, copied: f64, begun: Instant, arguments: &Arguments) -> Result<(), Failure> {
    say("| budget | trainings | images/s | ms a step | dispatches | GB/s | of copies | GiB | ready in s |")?;
    say("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")?;
    let mut notes = Vec::new();
    for (name, budget) in &arguments.budgets {
        for count in std::iter::once(1).chain(arguments.packs.iter().copied().map(usize::from)) {
            if seconds(begun) > arguments.seconds {
                notes.push(format!("{name}, {count}: left out, no time was left"));
                continue;
            }
            let measured = match measure(gpu, budget, count, arguments.measured) {
                Ok(measured) => measured,
                Err(error) if does_not_fit(&error) => {
                    notes.push(format!("{name}, {count}: {error}"));
                    continue;
                }
                Err(error) => return Err(error),
            };
            let rate = measured.moved as f64 / measured.step;
            say(&format!(
                "| {name} | {count} | {:.0} | {:.2} | {} | {:.0} | {:.0}% | {:.1} | {:.1} |",
                (count * budget.batch_size as usize) as f64 / measured.step,
                1e3 * measured.step,
                measured.dispatches,
                rate * 1e-9,
                100.0 * rate / copied,
                measured.memory as f64 / f64::from(1 << 30),
                measured.ready,
            ))?;
            let mut kinds = measured.kernels;
            kinds.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
            let all: f64 = kinds.iter().map(|kind| kind.seconds).sum();
            let dearest = kinds.iter().take(arguments.kinds);
            let dearest: Vec<String> =
                dearest.map(|kind| format!("{} {:.2}", kind.kind, 1e3 * kind.seconds)).collect();
            notes.push(format!(
                "{name}, {count}: kernels {:.2} ms a step: {}",
                1e3 * all,
                dearest.join(", ")
            ));
        }
    }
    say("")?;
    notes.iter().try_for_each(|note| say(note))
}

/// Whether trainings were too large for the device, which is nothing that is wrong with it.
fn does_not_fit(error: &Failure) -> bool {
    matches!(
        error.downcast_ref(),
        Some(kernels::Error::OutOfMemory { .. } | kernels::Error::MemoryInUse { .. })
    )
}

/// Trains `count` networks at once for about so many seconds.
fn measure(gpu: &Device, budget: &Budget, count: usize, wanted: f64) -> Result<Measured, Failure> {
    let begun = Instant::now();
    let genotypes = architectures(0, count);
    let batch = budget.batch_size as usize;
    // All of a pack train as many steps: the first to know how many fit the time says so.
    let steps: OnceLock<usize> = OnceLock::new();
    let run = |index: usize, device: &Device| {
        let mut training = Training::new(device, &genotypes[index], budget)?;
        training.train(1)?;
        let ready = seconds(begun);
        let timed = Instant::now();
        training.train(FEW)?;
        let fit = (wanted * FEW as f64 / seconds(timed)) as usize;
        let steps = *steps.get_or_init(|| fit.clamp(1, (IMAGES.len() / batch).max(1)));
        let timed = Instant::now();
        training.train(steps)?;
        let step = seconds(timed) / steps as f64;
        let kernels = training.train_timed(FEW)?;
        let plan = training.memory_plan();
        let (dispatches, moved, memory) = (plan.calls, plan.moved, plan.total());
        Ok(Measured { ready, step, dispatches, moved, memory, kernels })
    };
    let mut all = on_each(gpu.pack(count), run)?;
    let mut pack = all.pop().ok_or("there was nothing to train")?;
    for one in all {
        pack.moved += one.moved;
        pack.memory += one.memory;
        // One is given the times of all.
        pack.kernels.extend(one.kernels);
    }
    for time in &mut pack.kernels {
        time.seconds /= FEW as f64;
    }
    Ok(pack)
}
