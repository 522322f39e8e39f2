//! The training runtime: an op graph becomes a program of kernel calls that a CPU or a wgpu device replays.
//!
//! This crate knows tensors and images, not architectures or budgets. [`Graph`] describes a network;
//! [`Trainer`] trains and evaluates it on a [`Device`].

mod backend;
mod checkpoint;
#[cfg(test)]
mod checks;
mod cpu;
mod device;
mod error;
pub mod file;
mod gpu;
mod graph;
mod limits;
mod lock;
mod measure;
mod onnx;
mod ops;
mod optimiser;
mod preprocess;
mod profile;
mod program;
#[cfg(test)]
mod reference;
mod reservation;
mod rng;
mod shape;
mod state;
mod step;
mod tensors;
mod trainer;

pub use backend::{
    DeviceInfo, EpochMetrics, Evaluation, Monitor, Nobody, Rectified, Stream, TrainerSettings,
};
pub use checkpoint::Checkpoint;
pub use cpu::{control, save_address_space};
pub use device::{Because, Device, DeviceChoice, devices, hardware};
pub use error::Error;
pub use gpu::{PACKED, prepare_software_driver};
pub use graph::{Concat, Cost, Graph, ValueId};
pub use limits::Limit;
pub use measure::{OperationTime, operation_times};
pub use onnx::{OnnxSettings, PytorchCode};
pub use ops::{ConvSpec, DepthwiseSpec, Draw, Mixture, PoolKind, PoolSpec, SeparableSpec, Term};
pub use optimiser::{GroupSettings, Optimiser};
pub use preprocess::{ImageSet, Preprocess};
pub use profile::KernelTime;
pub use program::plan::MemoryPlan;
pub use reservation::memory_for_trainings;
pub use rng::{Purpose, below, random, unit};
pub use shape::{BLOCK, Shape};
pub use state::{NormInit, State};
pub use step::{
    DIFFERENTIATIONS, Difference, Group, Norm, Part, RunningStatistics, Scale, Step, Unrolled, Vector,
};
pub use tensors::Weights;
pub use trainer::{Epoch, NamedTensor, Trainer};
