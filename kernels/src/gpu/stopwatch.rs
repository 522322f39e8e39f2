//! Times of kernels, from timestamps that the device takes between dispatches.

use super::device::GpuDevice;
use crate::error::Error;
use crate::profile::KernelTime;

/// Adds up what dispatches take, by kernel.
pub(super) struct Stopwatch {
    sets: Vec<wgpu::QuerySet>,
    resolved: wgpu::Buffer,
    /// The kernel that ended at each timestamp of a step but the first.
    laps: Vec<&'static str>,
    times: Vec<KernelTime>,
}

/// Timestamps in a set of them.
const IN_SET: usize = wgpu::QUERY_SET_MAX_QUERIES as usize;
const BYTES: u64 = wgpu::QUERY_SIZE as u64;

impl Stopwatch {
    /// For steps of so many dispatches at most.
    pub(super) fn new(gpu: &GpuDevice, dispatches: usize) -> Result<Self, Error> {
        let count = dispatches + 1;
        let set = |first: usize| {
            gpu.device.create_query_set(&wgpu::QuerySetDescriptor {
                label: None,
                ty: wgpu::QueryType::Timestamp,
                count: IN_SET.min(count - first) as u32,
            })
        };
        let usage = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC;
        let resolved = gpu.buffers(&[BYTES * count as u64], usage)?.remove(0);
        Ok(Self {
            sets: (0..count).step_by(IN_SET).map(set).collect(),
            resolved,
            laps: Vec::new(),
            times: Vec::new(),
        })
    }

    /// Before the first dispatch of a step.
    pub(super) fn begin(&mut self, pass: &mut wgpu::ComputePass<'_>) {
        self.laps.clear();
        self.stamp(pass);
    }

    /// Behind a dispatch of `kernel`.
    pub(super) fn lap(&mut self, pass: &mut wgpu::ComputePass<'_>, kernel: &'static str) {
        self.laps.push(kernel);
        self.stamp(pass);
    }

    fn stamp(&self, pass: &mut wgpu::ComputePass<'_>) {
        let number = self.laps.len();
        pass.write_timestamp(&self.sets[number / IN_SET], (number % IN_SET) as u32);
    }

    /// Adds the times of the step that was submitted last; waits until it is done.
    pub(super) fn read(&mut self, gpu: &GpuDevice) -> Result<(), Error> {
        let count = self.laps.len() + 1;
        let bytes = gpu.read(BYTES * count as u64, |encoder, staging| {
            for (number, set) in self.sets.iter().enumerate() {
                let first = number * IN_SET;
                if first < count {
                    let here = IN_SET.min(count - first) as u32;
                    encoder.resolve_query_set(set, 0..here, &self.resolved, BYTES * first as u64);
                }
            }
            encoder.copy_buffer_to_buffer(&self.resolved, 0, staging, 0, BYTES * count as u64);
        })?;
        let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(&bytes);
        let period = f64::from(gpu.queue.get_timestamp_period()) * 1e-9;
        for (&kind, pair) in self.laps.iter().zip(ticks.windows(2)) {
            let seconds = pair[1].saturating_sub(pair[0]) as f64 * period;
            match self.times.iter_mut().find(|time| time.kind == kind) {
                Some(time) => time.seconds += seconds,
                None => self.times.push(KernelTime { kind, seconds }),
            }
        }
        Ok(())
    }

    /// What kernels took in all steps together.
    pub(super) fn times(self) -> Vec<KernelTime> {
        self.times
    }
}
