//! The wgpu backend.

use crate::device::DeviceInfo;
use crate::error::Error;
use crate::preprocess::Images;
use crate::state::State;
use crate::trainer::{Backend, EpochMetrics, Evaluation, Pass, Setup};

pub(crate) struct GpuDevice;

impl GpuDevice {
    pub(crate) fn hardware(_index: usize) -> Result<Self, Error> {
        Err(Error::Device { device: "gpu".into(), problem: "not built".into() })
    }
    pub(crate) fn software() -> Result<Self, Error> {
        Self::hardware(0)
    }
    pub(crate) fn name(&self) -> String {
        String::new()
    }
    pub(crate) fn list() -> Vec<DeviceInfo> {
        Vec::new()
    }
}

pub(crate) struct GpuBackend;

impl GpuBackend {
    pub(crate) fn new(_: &GpuDevice, _: Setup<'_>) -> Result<Self, Error> {
        Ok(Self)
    }
}

impl Backend for GpuBackend {
    fn train(&mut self, _: &Pass<'_>) -> Result<EpochMetrics, Error> {
        todo!()
    }
    fn evaluate(&mut self, _: &Pass<'_>) -> Result<Evaluation, Error> {
        todo!()
    }
    fn state(&mut self) -> Result<State, Error> {
        todo!()
    }
    fn set_state(&mut self, _: &State) -> Result<(), Error> {
        todo!()
    }
    fn gradients(&mut self) -> Result<Vec<f32>, Error> {
        todo!()
    }
    fn planned_bytes(&self) -> u64 {
        0
    }
}
