//! `pipeline evaluate`: what the weights of a file are worth.

use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use stages::echo::shown;
use stages::evaluation::evaluate_weights;
use stages::train::Observer;

use super::Global;
use super::asked::{Asked, Training};
use super::device::DeviceArgs;
use super::interrupt::stop_on_signal;
use super::weights::WeightsArgs;
use crate::error::Error;
use crate::local::size;
use crate::output;
use crate::output::conditions::Conditions;
use crate::output::evaluate::EvaluationReport;

/// Evaluate the weights of a file
///
/// Accuracy and cross-entropy on the test images, and on the training images that the scoring holds out, with running
/// statistics and without augmentation. The file is one of `pipeline train --save`, or one of PyTorch: what its wrappers put
/// into names (`module.`, `_orig_mod.`) is taken off, and numbers of 16 bits are widened, which is said. Or it is the checkpoint
/// that is kept of a training that diverged.
#[derive(Args)]
#[command(after_help = "Examples:
  pipeline train --genotype DARTS_V2 --budget BPE-1,epochs=1 --save w.safetensors
  pipeline evaluate --weights w.safetensors --genotype DARTS_V2 --budget BPE-1
  pipeline evaluate --weights w.safetensors --genotype @mine.txt --budget full --data cifar-10-batches-bin --json
  pipeline evaluate --weights w.safetensors --architecture resnet18 --recipe imagenet-mobile --data stream:imagenet")]
pub(crate) struct Evaluate {
    #[command(flatten)]
    weights: WeightsArgs,
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    device: DeviceArgs,
}

impl Evaluate {
    pub(super) fn run(&self, global: &Global) -> Result<(), Error> {
        let Some(weights) = self.weights.file() else {
            let problem =
                "is missing; give a file of `pipeline train --save`, or a checkpoint (--checkpoint)"
                    .to_owned();
            return Err(Error::Flag { flag: "--weights", value: "F".to_owned(), problem });
        };
        let Training { job, data, .. } = self.asked.read(global)?;
        self.weights.check(&job, global)?;
        // Also finds out whether the sizes fit a network, before a device is opened.
        size(&job, &data).map_err(Error::Input)?;
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let device = self.device.place.open(threads, &output::message)?;
        let stop = stop_on_signal()?;
        let listener = Listener { stop: &stop };
        let evaluation = match evaluate_weights(&job, &data, weights, &device, &listener) {
            Ok(evaluation) => evaluation,
            Err(_) if stop.load(Ordering::Relaxed) => return Err(Error::InterruptedMeasurement),
            Err(error) => return Err(Error::of_input(error)),
        };
        let conditions = Conditions::of(&data, job.scoring);
        let report = EvaluationReport { evaluation, conditions, device: device.name() };
        output::evaluate::print(&job, &shown(self.asked.text()), &report, global.json)
    }
}

/// Passes on what a person should know, and their wish to stop.
struct Listener<'a> {
    stop: &'a AtomicBool,
}

impl Observer for Listener<'_> {
    fn images(&self, _: u64) {}

    fn cancelled(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn note(&self, note: &str) {
        output::message(note);
    }
}
