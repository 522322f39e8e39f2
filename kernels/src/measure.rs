//! How long each operation takes on a device, forward and backward, at a typical size.

use std::time::Instant;

use crate::backend::{Monitor, TrainerSettings};
use crate::device::Device;
use crate::error::Error;
use crate::graph::Graph;
use crate::ops::{self, BATCH, Build, IMAGE, Own, Typical};
use crate::optimiser::GroupSettings;
use crate::preprocess::{ImageSet, Preprocess};
use crate::program::Mode;
use crate::rng::{Purpose, below, random};
use crate::state::NormInit;
use crate::trainer::Trainer;

/// Steps that are measured at least: the fastest counts, for others only ever slow it down.
const STEPS: usize = 3;
/// So that edges are drawn.
const DROP_PATH: f32 = 0.1;

/// What an operation took in a training step.
#[derive(Clone, Debug, PartialEq)]
pub struct OperationTime {
    /// What people call it.
    pub operation: &'static str,
    /// What it read of one image.
    pub size: String,
    /// Images of the step.
    pub images: usize,
    /// Seconds of its kernels, forward and backward, of all threads together.
    pub seconds: f64,
    /// FLOPs, forward and backward; 0 for what moves memory only.
    pub flops: u64,
    /// Bytes that it read and wrote, by what its calls declare.
    pub bytes: u64,
}

/// Measures every operation for about so many `seconds` each; nothing where the device cannot time its kernels. `monitor` is
/// asked whether to stop.
///
/// # Errors
/// When the device fails or has too little memory, or the monitor says stop.
pub fn operation_times(
    device: &Device,
    seconds: f64,
    monitor: &dyn Monitor,
) -> Result<Option<Vec<OperationTime>>, Error> {
    ops::typical().iter().map(|typical| time(typical, device, seconds, monitor)).collect()
}

fn time(
    typical: &Typical,
    device: &Device,
    seconds: f64,
    monitor: &dyn Monitor,
) -> Result<Option<OperationTime>, Error> {
    let mut whole = Network::new(device, &typical.network, typical.classes)?;
    let mut without = match &typical.own {
        Own::Beyond(build) => Some(Network::new(device, build, typical.classes)?),
        Own::Kinds { .. } => None,
    };
    let begun = Instant::now();
    let mut steps = 0;
    while steps < STEPS || begun.elapsed().as_secs_f64() < seconds {
        // By turns, so that what slows one down slows the other down too.
        for network in std::iter::once(&mut whole).chain(&mut without) {
            if !network.step(monitor)? {
                return Ok(None);
            }
        }
        steps += 1;
    }
    let of = |network: &Network, kinds: Option<&[&str]>| {
        let is_own = |kind: &str| kinds.is_none_or(|kinds| kinds.contains(&kind));
        (network.seconds(&is_own), network.bytes(&is_own))
    };
    let ((seconds, bytes), flops) = match (&typical.own, &without) {
        (Own::Kinds { kinds, parameter_bytes }, _) => {
            let (seconds, bytes) = of(&whole, Some(kinds));
            ((seconds, bytes + parameter_bytes * whole.graph.cost().parameters), 0)
        }
        (Own::Beyond(_), without) => {
            let (mut all, mut flops) = (of(&whole, None), whole.flops());
            if let Some(without) = without {
                all = (whole.beyond(without), all.1.saturating_sub(of(without, None).1));
                flops = flops.saturating_sub(without.flops());
            }
            (all, flops)
        }
    };
    Ok(Some(OperationTime {
        operation: typical.name,
        size: typical.size.clone(),
        images: BATCH,
        seconds,
        flops,
        bytes,
    }))
}

/// A network in training, and the least that its kernels took in a step, by kind.
struct Network {
    graph: Graph,
    trainer: Trainer,
    least: Vec<(&'static str, f64)>,
}

impl Network {
    fn new(device: &Device, build: &Build, classes: usize) -> Result<Self, Error> {
        let (mut graph, image) = Graph::new(IMAGE, classes);
        build(&mut graph, image)?;
        let settings = TrainerSettings {
            batch_size: BATCH,
            groups: vec![GroupSettings::sgd(0.9, 0.0, 5.0)],
            extra_vectors: 0,
            label_smoothing: 0.1,
            float_bits: 32,
            preprocess: Preprocess {
                image_size: IMAGE.height,
                mean: vec![0.5; IMAGE.channels],
                std: vec![0.25; IMAGE.channels],
                augment: true,
                cutout: 0,
            },
            seed: 0,
            norm_init: NormInit::One,
        };
        let trainer = Trainer::new(device, &graph, &settings, &[images(classes)?])?;
        Ok(Self { graph, trainer, least: Vec::new() })
    }

    /// Trains a step, which changes no weight; false where the device cannot time it.
    fn step(&mut self, monitor: &dyn Monitor) -> Result<bool, Error> {
        let order: Vec<u32> = (0..BATCH as u32).collect();
        let step = |trainer: &mut Trainer| trainer.train_epoch(0, &order, 0, 0.0, DROP_PATH, monitor);
        let (_, times) = self.trainer.profiled(step)?;
        let Some(times) = times else { return Ok(false) };
        for time in times {
            match self.least.iter_mut().find(|(kind, _)| *kind == time.kind) {
                Some((_, least)) => *least = least.min(time.seconds),
                None => self.least.push((time.kind, time.seconds)),
            }
        }
        Ok(true)
    }

    fn seconds(&self, is_own: &dyn Fn(&str) -> bool) -> f64 {
        self.least.iter().filter(|(kind, _)| is_own(kind)).map(|(_, seconds)| seconds).sum()
    }

    /// What it takes that another does not: all of the kinds that only it has, and what others take longer. Less than nothing is
    /// lost in the noise of these.
    fn beyond(&self, other: &Self) -> f64 {
        let (mut own, mut longer) = (0.0, 0.0);
        for &(kind, seconds) in &self.least {
            match other.least.iter().find(|(theirs, _)| *theirs == kind) {
                Some((_, theirs)) => longer += seconds - theirs,
                None => own += seconds,
            }
        }
        own + f64::max(longer, 0.0)
    }

    /// Of a step.
    fn flops(&self) -> u64 {
        self.graph.cost().training_flops * BATCH as u64
    }

    /// Of tensors, in a step.
    fn bytes(&self, is_own: &dyn Fn(&str) -> bool) -> u64 {
        let mut program = ops::program(&self.graph, Mode::Train, 32);
        program.calls.retain(|call| is_own(call.kind()));
        program.moved(BATCH, 32)
    }
}

/// Images that mean nothing, of labels that go through the classes.
fn images(classes: usize) -> Result<ImageSet, Error> {
    let pixel = |i: usize| below(random(0, Purpose::Shuffle, 0, 0, i as u32)[0], 256) as u8;
    let pixels: Vec<u8> = (0..BATCH * IMAGE.elements()).map(pixel).collect();
    let labels: Vec<u16> = (0..BATCH).map(|image| (image % classes) as u16).collect();
    ImageSet::new(IMAGE, pixels.into(), labels.into(), classes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::backend::Nobody;
    use crate::device::DeviceChoice;
    use crate::step::{Group, Part, VectorWork};

    #[test]
    fn every_operation_takes_time_and_moves_memory() {
        let device = Device::open(DeviceChoice::Cpu { threads: 1 }).unwrap();
        let times = operation_times(&device, 0.0, &Nobody).unwrap().unwrap();
        let names: BTreeSet<&str> = times.iter().map(|time| time.operation).collect();
        assert_eq!(names.len(), times.len(), "a name means one operation");
        for time in &times {
            // The draws of edges are no tensor.
            let moves = time.bytes > 0 || time.operation == "drop path";
            assert!(time.seconds > 0.0 && moves, "{time:?}");
        }
        // Of 128 images of 32 channels of 256 pixels: 32 channels' nine taps, two FLOPs each, three times.
        let dense = times.iter().find(|time| time.operation == "convolution 3×3").unwrap();
        assert_eq!(dense.flops, 128 * 32 * 256 * 32 * 9 * 2 * 3);
    }

    /// A kind that was renamed would leave its operation without a time, on a GPU too, which only hardware shows.
    #[test]
    fn kinds_are_those_of_calls_and_shaders() {
        let shaders: BTreeSet<&str> = ops::shaders().into_iter().map(|shader| shader.name).collect();
        for typical in ops::typical() {
            let Own::Kinds { kinds, .. } = typical.own else { continue };
            let (mut graph, image) = Graph::new(IMAGE, typical.classes);
            (typical.network)(&mut graph, image).unwrap();
            let program = ops::program(&graph, Mode::Train, 32);
            let update = ops::vector_calls(VectorWork::Part(Part::Update { group: Group::WEIGHTS }));
            let calls: BTreeSet<&str> = program.calls.iter().chain(&update).map(|call| call.kind()).collect();
            for known in [&shaders, &calls] {
                assert!(kinds.iter().any(|kind| known.contains(kind)), "{}: none of {known:?}", typical.name);
            }
            let strays = kinds.iter().filter(|&kind| !shaders.contains(kind) && !calls.contains(kind));
            assert_eq!(strays.collect::<Vec<_>>(), Vec::<&&str>::new(), "{}", typical.name);
        }
    }
}
