//! Times of kernels, from timestamps that the device takes between dispatches.

use super::device::GpuDevice;
use super::format::{IN_SET, STAMP_BYTES};
use super::vulkan::{RawEncoder, Stamps};
use crate::error::Error;
use crate::profile::KernelTime;

/// Adds up what dispatches take, by kernel.
pub(super) struct Stopwatch {
    sets: Sets,
    /// Timestamps in each set.
    counts: Vec<u32>,
    resolved: wgpu::Buffer,
    /// The kernel that ended at each timestamp of a run but the first.
    laps: Vec<&'static str>,
    times: Vec<KernelTime>,
}

/// Timestamps, of who takes them.
enum Sets {
    Plain(Vec<wgpu::QuerySet>),
    Raw(Stamps),
}

impl Stopwatch {
    /// For runs of programs of at most so many dispatches, which wgpu records or not.
    pub(super) fn new(gpu: &GpuDevice, dispatches: usize, is_plain: bool) -> Result<Self, Error> {
        let count = dispatches + 1;
        let counts: Vec<u32> =
            (0..count).step_by(IN_SET).map(|first| IN_SET.min(count - first) as u32).collect();
        let usage =
            wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let resolved = gpu.buffers(&[STAMP_BYTES * count as u64], usage)?.remove(0);
        let sets = match gpu.vulkan.as_ref().filter(|_| !is_plain) {
            None => {
                let ty = wgpu::QueryType::Timestamp;
                let set = |&count: &u32| {
                    gpu.device.create_query_set(&wgpu::QuerySetDescriptor { label: None, ty, count })
                };
                Sets::Plain(counts.iter().map(set).collect())
            }
            Some(vulkan) => {
                // wgpu does not see that it is written, and would clear it before it reads.
                gpu.clear([&resolved]);
                let stamps = Stamps::new(vulkan, &gpu.device, &counts, &resolved);
                Sets::Raw(stamps.ok_or_else(|| gpu.failed("it has no timestamps"))?)
            }
        };
        Ok(Self { sets, counts, resolved, laps: Vec::new(), times: Vec::new() })
    }

    /// Before the first dispatch of a run.
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
        if let Sets::Plain(sets) = &self.sets {
            pass.write_timestamp(&sets[number / IN_SET], (number % IN_SET) as u32);
        }
    }

    /// Before a run that wgpu does not record.
    pub(super) fn reset_raw(&self, encoder: &mut RawEncoder) {
        if let Sets::Raw(stamps) = &self.sets {
            stamps.reset(encoder, &self.counts);
        }
    }

    /// Before its first dispatch.
    pub(super) fn begin_raw(&mut self, encoder: &mut RawEncoder) {
        self.laps.clear();
        self.stamp_raw(encoder);
    }

    /// Behind a dispatch of `kernel`.
    pub(super) fn lap_raw(&mut self, encoder: &mut RawEncoder, kernel: &'static str) {
        self.laps.push(kernel);
        self.stamp_raw(encoder);
    }

    fn stamp_raw(&self, encoder: &mut RawEncoder) {
        if let Sets::Raw(stamps) = &self.sets {
            stamps.stamp(encoder, self.laps.len());
        }
    }

    /// Behind it.
    pub(super) fn resolve_raw(&self, encoder: &mut RawEncoder) {
        if let Sets::Raw(stamps) = &self.sets {
            stamps.resolve(encoder, self.laps.len() + 1);
        }
    }

    /// Adds the times of the run that was submitted last; waits until it is done.
    pub(super) fn read(&mut self, gpu: &GpuDevice) -> Result<(), Error> {
        let count = self.laps.len() + 1;
        let bytes = gpu.read(STAMP_BYTES * count as u64, |encoder, staging| {
            let sets = if let Sets::Plain(sets) = &self.sets { &sets[..] } else { &[] };
            for (number, set) in sets.iter().enumerate() {
                let first = number * IN_SET;
                if first < count {
                    let here = IN_SET.min(count - first) as u32;
                    encoder.resolve_query_set(set, 0..here, &self.resolved, STAMP_BYTES * first as u64);
                }
            }
            encoder.copy_buffer_to_buffer(&self.resolved, 0, staging, 0, STAMP_BYTES * count as u64);
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

    /// What kernels took in all runs together.
    pub(super) fn times(self) -> Vec<KernelTime> {
        self.times
    }
}
