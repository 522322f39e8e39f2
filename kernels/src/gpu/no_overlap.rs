//! Where wgpu knows no Vulkan: nothing overlaps, and nothing of this is ever made.

use std::sync::Arc;

use super::device::GpuDevice;
use super::device_memory::Buffers;
use super::images::ResidentImages;
use super::record::Recording;
use super::stopwatch::Stopwatch;
use crate::error::Error;

pub(super) enum Overlapping {}

impl Overlapping {
    pub(super) fn new(
        _: &GpuDevice,
        _: &Recording,
        _: &wgpu::Buffer,
        _: &Buffers,
        _: &[Arc<ResidentImages>],
    ) -> Option<Self> {
        None
    }

    pub(super) fn dispatches(&self) -> usize {
        match *self {}
    }
}

pub(super) fn record(
    _: &GpuDevice,
    _: &mut wgpu::CommandEncoder,
    _: &[(&Overlapping, u32)],
    _: &[usize],
    _: Option<&mut Stopwatch>,
) -> Result<(), Error> {
    Ok(())
}
