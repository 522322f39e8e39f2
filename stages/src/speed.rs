//! How fast a device trains an architecture under a budget, and what its kernels take.

use std::time::Instant;

use kernels::{Device, KernelTime, MemoryPlan, Monitor, Trainer};

use crate::Error;
use crate::data::Dataset;
use crate::train::{TRAIN, TrainerInputs, TrainingJob};

/// So small that no loss stops being a number, whatever the images.
const LEARNING_RATE: f32 = 1e-4;
/// Parts of the time that is asked for: a speed is measured in so many passes at least.
const PASSES: f64 = 4.0;

/// A measured speed.
#[derive(Clone, Debug)]
pub struct Speed {
    /// Images of whole training steps (forward, backward, update) a second.
    pub images_per_second: f64,
    /// Steps that were measured.
    pub steps: u64,
    /// FLOPs of one image in training.
    pub flops_per_image: u64,
    /// Memory of the training.
    pub memory: MemoryPlan,
    /// Seconds that a step took while its kernels were timed, and what they took in it; not on every device.
    pub kernels: Option<(f64, Vec<KernelTime>)>,
}

/// Measures whole training steps of a job for about so many `seconds`, after one step that is not counted, and then the
/// kernels of some more. One step is measured at least, however long it takes.
///
/// # Errors
/// When the budget does not fit the network, the training the device, or `cancelled` says stop.
pub fn measure(
    job: &TrainingJob,
    data: &Dataset,
    device: &Device,
    seconds: f64,
    cancelled: &(dyn Fn() -> bool + Sync),
) -> Result<Speed, Error> {
    let TrainerInputs { graph, settings, sets } = TrainerInputs::new(job, data)?;
    let mut trainer = Trainer::new(device, &graph, &settings, &sets)?;
    let batch = job.budget.batch_size as usize;
    // Half-way through a training.
    let drop_path = (job.recipe.drop_path / 2.0) as f32;
    let most = (data.train.count / batch).max(1);
    let stop = Stop(cancelled);
    let step = |trainer: &mut Trainer, steps: usize| {
        let order: Vec<u32> = (0..steps * batch).map(|image| (image % data.train.count) as u32).collect();
        let begun = Instant::now();
        trainer.train_epoch(TRAIN, &order, 0, LEARNING_RATE, drop_path, &stop)?;
        Ok::<f64, kernels::Error>(begun.elapsed().as_secs_f64().max(1e-9))
    };
    // The first step meets memory for the first time.
    let first = step(&mut trainer, 1)?;
    let in_pass = |wanted: f64, a_step: f64| ((wanted / a_step) as usize).clamp(1, most);
    let (mut steps, mut spent) = (0, 0.0);
    let mut a_step = first;
    while spent < seconds {
        let count = in_pass(seconds / PASSES, a_step);
        spent += step(&mut trainer, count)?;
        steps += count;
        a_step = spent / steps as f64;
    }
    let count = in_pass(seconds / PASSES, a_step);
    let (elapsed, times) = trainer.profiled(|trainer| step(trainer, count))?;
    let kernels = times.map(|mut times| {
        for time in &mut times {
            time.seconds /= count as f64;
        }
        (elapsed / count as f64, times)
    });
    Ok(Speed {
        images_per_second: (steps * batch) as f64 / spent,
        steps: steps as u64,
        flops_per_image: graph.cost().training_flops,
        memory: trainer.memory_plan(),
        kernels,
    })
}

/// Stops a measurement when it says so.
pub struct Stop<'a>(pub &'a (dyn Fn() -> bool + Sync));

impl Monitor for Stop<'_> {
    fn progress(&self, _: u64) {}

    fn cancelled(&self) -> bool {
        (self.0)()
    }
}
