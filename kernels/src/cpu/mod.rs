//! The native backend.

use crate::error::Error;
use crate::preprocess::Images;
use crate::state::State;
use crate::trainer::{Backend, EpochMetrics, Evaluation, Pass, Setup};

pub(crate) struct CpuDevice;

impl CpuDevice {
    pub(crate) fn new(_threads: usize) -> Result<Self, Error> {
        Ok(Self)
    }
    pub(crate) fn name(&self) -> String {
        String::new()
    }
    pub(crate) fn model() -> String {
        String::new()
    }
    pub(crate) fn instructions() -> String {
        String::new()
    }
}

pub(crate) struct CpuBackend;

impl CpuBackend {
    pub(crate) fn new(_: &CpuDevice, _: Setup<'_>) -> Result<Self, Error> {
        Ok(Self)
    }
}

impl Backend for CpuBackend {
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
