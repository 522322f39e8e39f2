//! Where a training runs.

use std::fmt;
use std::sync::Arc;

use crate::backend::{Backend, DeviceInfo, Setup};
use crate::cpu::{CpuBackend, CpuDevice};
use crate::error::Error;
use crate::gpu::{GpuBackend, GpuDevice, PACKED, Seat, pack};
use crate::graph::Call;
use crate::program::plan::MemoryPlan;

/// What a caller asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The native backend with this many threads a training.
    Cpu {
        /// Threads of one training.
        threads: usize,
    },
    /// The n-th hardware GPU.
    Gpu {
        /// Number among the hardware GPUs, from 0.
        index: usize,
    },
    /// A software implementation of Vulkan (lavapipe or SwiftShader).
    Software,
}

/// Why a device was taken where the choice was left open.
#[derive(Clone, Debug)]
pub enum Because {
    /// It is the first hardware GPU.
    FirstGpu,
    /// The system shows no GPU.
    NoGpu,
    /// There seems to be a GPU, and this is why it cannot be used.
    GpuFailed(Error),
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FirstGpu => f.write_str("it is the first GPU"),
            Self::NoGpu => f.write_str("this system shows no GPU"),
            Self::GpuFailed(error) => write!(f, "this system shows a GPU that cannot be used: {error}"),
        }
    }
}

/// An opened device, to be shared by trainings.
#[derive(Clone)]
pub struct Device(pub(crate) Arc<Kind>);

pub(crate) enum Kind {
    Cpu(CpuDevice),
    Gpu(GpuDevice),
    Seat(Arc<Seat>),
}

impl Device {
    /// Opens what was chosen.
    ///
    /// # Errors
    /// When there is no such device, with what to install.
    pub fn open(choice: DeviceChoice) -> Result<Self, Error> {
        let kind = match choice {
            DeviceChoice::Cpu { threads } => Kind::Cpu(CpuDevice::new(threads)),
            DeviceChoice::Gpu { index } => Kind::Gpu(GpuDevice::hardware(index)?),
            DeviceChoice::Software => Kind::Gpu(GpuDevice::software()?),
        };
        Ok(Self(Arc::new(kind)))
    }

    /// The first hardware GPU, or the processor with so many threads a training where there is none that can be used; and
    /// why.
    pub fn auto(threads: usize) -> (Self, Because) {
        Self::first(shows_a_gpu().then(|| GpuDevice::hardware(0)), threads)
    }

    /// That GPU, if there is one and it could be opened.
    fn first(gpu: Option<Result<GpuDevice, Error>>, threads: usize) -> (Self, Because) {
        let (kind, because) = match gpu {
            Some(Ok(gpu)) => (Kind::Gpu(gpu), Because::FirstGpu),
            Some(Err(error)) => (Kind::Cpu(CpuDevice::new(threads)), Because::GpuFailed(error)),
            None => (Kind::Cpu(CpuDevice::new(threads)), Because::NoGpu),
        };
        (Self(Arc::new(kind)), because)
    }

    /// The processor with each of its instruction sets.
    #[cfg(test)]
    pub(crate) fn with_every_isa() -> Vec<Self> {
        CpuDevice::with_every_isa().into_iter().map(|cpu| Self(Arc::new(Kind::Cpu(cpu)))).collect()
    }

    /// The software device with kernels and memory as on hardware.
    #[cfg(test)]
    pub(crate) fn like_hardware() -> Self {
        Self(Arc::new(Kind::Gpu(GpuDevice::like_hardware().unwrap())))
    }

    /// The device as seen by each of `count` trainings: on a GPU, by trainings of one pack (of at most [`PACKED`]), which share
    /// dispatches; a device without packs is given to each as it is.
    ///
    /// Trainings of a pack go in step, so that each needs a thread of its own; one that ends, or whose device is dropped
    /// before it began one, is no longer waited for. Each gives bit for bit what it gives alone. All must read the same
    /// image sets. They share most when they have the same batch and image size.
    pub fn pack(&self, count: usize) -> Vec<Self> {
        match &*self.0 {
            Kind::Gpu(gpu) => {
                let packs = (0..count).step_by(PACKED).map(|first| PACKED.min(count - first));
                let seats = packs.flat_map(|count| pack(gpu, count));
                seats.map(|seat| Self(Arc::new(Kind::Seat(seat)))).collect()
            }
            Kind::Cpu(_) | Kind::Seat(_) => vec![self.clone(); count],
        }
    }

    /// Bytes a second that are read and written while a GPU copies memory, which bounds most of what it does in a training;
    /// nothing for the processor (see [`crate::control`]).
    ///
    /// # Errors
    /// When the device fails.
    pub fn copy_rate(&self) -> Result<Option<f64>, Error> {
        match &*self.0 {
            Kind::Cpu(_) => Ok(None),
            Kind::Gpu(gpu) => gpu.copy_rate().map(Some),
            Kind::Seat(seat) => seat.gpu().copy_rate().map(Some),
        }
    }

    /// What trains on it.
    pub(crate) fn backend(&self, setup: Setup<dyn Call>) -> Result<Box<dyn Backend>, Error> {
        Ok(match &*self.0 {
            Kind::Cpu(cpu) => Box::new(CpuBackend::new(cpu, setup.map(|call| call as _))?),
            // A pack of one.
            Kind::Gpu(gpu) => Box::new(Seat::alone(gpu).training(setup.map(|call| call as _))?),
            Kind::Seat(seat) => Box::new(seat.training(setup.map(|call| call as _))?),
        })
    }

    /// What a training on it would take.
    pub(crate) fn memory_plan(&self, setup: Setup<dyn Call>) -> Result<MemoryPlan, Error> {
        match &*self.0 {
            Kind::Cpu(cpu) => CpuBackend::memory_plan(cpu, setup.map(|call| call as _)),
            Kind::Gpu(gpu) => GpuBackend::memory_plan(gpu, setup.map(|call| call as _)),
            Kind::Seat(seat) => GpuBackend::memory_plan(seat.gpu(), setup.map(|call| call as _)),
        }
    }

    /// Name of the hardware and how it is used, for provenance.
    pub fn name(&self) -> String {
        match &*self.0 {
            Kind::Cpu(cpu) => cpu.name(),
            Kind::Gpu(gpu) => gpu.name(),
            Kind::Seat(seat) => seat.gpu().name(),
        }
    }

    /// Whether it is a GPU (or its software stand-in).
    pub fn is_gpu(&self) -> bool {
        matches!(&*self.0, Kind::Gpu(_) | Kind::Seat(_))
    }
}

/// A device's name without a processor's threads: what hardware it is.
pub fn hardware(name: &str) -> String {
    let is_threads = |rest: &str| {
        rest.split_once(' ').is_some_and(|(count, unit)| {
            count.parse::<usize>().is_ok() && matches!(unit, "thread)" | "threads)")
        })
    };
    let without = name.rsplit_once(", ").filter(|(_, rest)| is_threads(rest));
    without.map_or_else(|| name.to_owned(), |(hardware, _)| format!("{hardware})"))
}

/// Whether the system shows a GPU at all: every Linux driver of one needs a device node. Asking the Vulkan loader
/// instead takes longer than a run that finds everything in the cache, and some layers of it complain on standard error.
fn shows_a_gpu() -> bool {
    const NODES: [&str; 5] = ["/dev/dri", "/dev/nvidiactl", "/dev/dxg", "/dev/kgsl-3d0", "/dev/mali0"];
    !cfg!(target_os = "linux") || NODES.iter().any(|node| std::path::Path::new(node).exists())
}

/// All devices of this machine, the CPU first.
pub fn devices() -> Vec<DeviceInfo> {
    let cpu =
        DeviceInfo { choice: "cpu".into(), name: CpuDevice::model(), backend: CpuDevice::instructions() };
    std::iter::once(cpu).chain(GpuDevice::list()).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_that_is_left_open_says_what_it_took_and_why() {
        let (device, because) = Device::first(None, 1);
        assert!(!device.is_gpu() && because.to_string().contains("no GPU"), "{because}");
        let (device, because) = Device::first(Some(GpuDevice::software()), 1);
        assert!(device.is_gpu() && because.to_string().contains("first GPU"), "{because}");
        // As a driver answers that has no such device.
        let failure = GpuDevice::hardware(1000);
        let problem = failure.as_ref().err().unwrap().to_string();
        let (device, because) = Device::first(Some(failure), 1);
        assert!(!device.is_gpu() && because.to_string().contains(&problem), "{because}");
    }

    #[test]
    fn hardware_is_the_same_on_any_number_of_threads() {
        let name = |threads| Device::open(DeviceChoice::Cpu { threads }).unwrap().name();
        assert_ne!(name(1), name(2));
        assert_eq!(hardware(&name(1)), hardware(&name(2)));
        assert_eq!(hardware("Xeon (AVX-512, 2 threads)"), "Xeon (AVX-512)");
        for other in ["llvmpipe (LLVM 15.0.6, 256 bits)", "NVIDIA H100, 3 of 4", ""] {
            assert_eq!(hardware(other), other);
        }
    }
}
