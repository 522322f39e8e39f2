//! How fast a GPU copies memory: what bounds most of what it does in a training.

use std::time::Instant;

use super::device::GpuDevice;
use super::run::SUBMISSION;
use crate::error::Error;
use crate::reservation::Reservation;

/// Far more than the caches hold, where that is to be had.
const MOST: u64 = 1 << 28;
const LEAST: u64 = 1 << 22;
/// How often it is measured; the best counts.
const ROUNDS: usize = 8;
const GROUPS: u32 = 1 << 13;

impl GpuDevice {
    /// Bytes a second that are read and written while one buffer is copied to another, at best.
    pub(crate) fn copy_rate(&self) -> Result<f64, Error> {
        let mut bytes = MOST.min(self.page_bytes);
        loop {
            match self.copy_rate_of(bytes) {
                Err(Error::OutOfMemory { .. } | Error::MemoryInUse { .. }) if bytes > LEAST => bytes /= 2,
                measured => return measured,
            }
        }
    }

    fn copy_rate_of(&self, bytes: u64) -> Result<f64, Error> {
        let _reservation = Reservation::new(&self.name(), if self.is_software { 2 * bytes } else { 0 })?;
        let buffers = self.buffers(&[bytes, bytes], wgpu::BufferUsages::STORAGE)?;
        let module = self.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("copy"),
            source: wgpu::ShaderSource::Wgsl(include_str!("wgsl/copy.wgsl").into()),
        });
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some("copy"),
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        let bound = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.get_bind_group_layout(0),
            entries: &[0, 1].map(|binding| wgpu::BindGroupEntry {
                binding,
                resource: buffers[binding as usize].as_entire_binding(),
            }),
        });
        let (mut best, mut copies) = (0.0_f64, 1);
        for _ in 0..ROUNDS {
            let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            {
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
                pass.set_pipeline(&pipeline);
                pass.set_bind_group(0, &bound, &[]);
                (0..copies).for_each(|_| pass.dispatch_workgroups(GROUPS, 1, 1));
            }
            let begun = Instant::now();
            self.wait(Some(self.queue.submit([encoder.finish()])))?;
            let seconds = begun.elapsed().as_secs_f64().max(1e-9);
            best = best.max(2.0 * bytes as f64 * copies as f64 / seconds);
            copies = ((SUBMISSION.as_secs_f64() / seconds * copies as f64) as usize).clamp(1, 2 * copies);
        }
        Ok(best)
    }
}
