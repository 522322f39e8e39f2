//! Where wgpu knows no Vulkan: nothing overlaps, and nothing of this is ever made.

use std::sync::Arc;

use super::device::GpuDevice;
use super::images::ResidentImages;
use super::record::Recording;
use super::replay::Buffers;
use super::stopwatch::Stopwatch;
use crate::error::Error;

pub(super) enum RawEncoder {}

pub(super) enum Vulkan {}

impl Vulkan {
    pub(super) fn new(_: &wgpu::Device) -> Option<Self> {
        None
    }
}

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

pub(super) enum Stamps {}

impl Stamps {
    pub(super) fn new(_: &GpuDevice, _: &[u32], _: &wgpu::Buffer) -> Option<Self> {
        None
    }

    pub(super) fn reset(&self, _: &mut RawEncoder, _: &[u32]) {
        match *self {}
    }

    pub(super) fn stamp(&self, _: &mut RawEncoder, _: usize) {
        match *self {}
    }

    pub(super) fn resolve(&self, _: &mut RawEncoder, _: usize) {
        match *self {}
    }
}
