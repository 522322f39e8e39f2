//! What kernels bind: the memory that they read and write, and the records of a step and of jobs.

use super::format::{Format, Holds, SlotKind};

/// Storage slots of a kernel beside the state; with the state all eight that every device binds.
pub(super) const SLOTS: usize = 7;

/// Most slots of one kernel that are quads of lanes, and that are words.
pub(super) const LANE_SLOTS: usize = 7;
const WORD_SLOTS: usize = 4;

/// Bytes of the window of job records that a dispatch sees.
pub(super) const JOB_WINDOW: u64 = 16 * 1024;

/// Immediates that hold their own number, where memory is textures: as many as every device of Vulkan has.
pub(super) const NUMBERS: usize = 32;

// Two of them say the place of any job record in its window.
const _: () = assert!(JOB_WINDOW as usize / 16 <= NUMBERS * NUMBERS);

/// Bytes of immediates of a kernel, by whether its memory is textures.
pub(super) fn immediate_bytes(textured: bool) -> u32 {
    if textured { 4 * NUMBERS as u32 } else { 0 }
}

/// What all kernels of one format bind.
#[derive(Clone)]
pub(super) struct BindingLayout {
    /// The state and the slots.
    pub(super) memory: wgpu::BindGroupLayout,
    pub(super) pipeline: wgpu::PipelineLayout,
}

/// Every binding of a slot: its number, that of the slot, and what it holds. Buffers of both kinds share those of words.
pub(super) fn slot_bindings(format: Format) -> impl Iterator<Item = (u32, usize, SlotKind)> {
    let kinds = if format.textured { &[SlotKind::Words, SlotKind::Lanes][..] } else { &[SlotKind::Words] };
    let numbered =
        move |kind| (0..SLOTS).filter_map(move |slot| Some((slot_binding(slot, kind, format)?, slot, kind)));
    kinds.iter().flat_map(move |&kind| numbered(kind))
}

/// Number of the binding of a slot that holds `kind`, if it can. Buffers of both kinds share bindings, of which every device
/// has few; textures and buffers cannot.
pub(super) fn slot_binding(number: usize, kind: SlotKind, format: Format) -> Option<u32> {
    let place = match (kind, format.textured) {
        (_, false) => Some(number),
        (SlotKind::Lanes | SlotKind::Sums, true) => (number < LANE_SLOTS).then_some(number),
        (SlotKind::Words, true) => (number >= SLOTS - WORD_SLOTS).then_some(SLOTS + number),
    };
    place.map(|place| 1 + place as u32)
}

/// Records at an offset that a dispatch says.
const RECORDS: wgpu::BindingType = wgpu::BindingType::Buffer {
    ty: wgpu::BufferBindingType::Uniform,
    has_dynamic_offset: true,
    min_binding_size: None,
};

/// The layout of what every dispatch binds anew: the step's record and the window of job records.
pub(super) fn records(device: &wgpu::Device) -> wgpu::BindGroupLayout {
    layout_of(device, &record_entries())
}

pub(super) fn record_entries() -> [wgpu::BindGroupLayoutEntry; 2] {
    [0, 1].map(|binding| entry(binding, RECORDS))
}

fn entry(binding: u32, ty: wgpu::BindingType) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry { binding, visibility: wgpu::ShaderStages::COMPUTE, ty, count: None }
}

fn layout_of(device: &wgpu::Device, entries: &[wgpu::BindGroupLayoutEntry]) -> wgpu::BindGroupLayout {
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries })
}

/// The state and the slots.
pub(super) fn memory_entries(format: Format) -> Vec<wgpu::BindGroupLayoutEntry> {
    let storage = |holds: Holds| match (holds, format.textured) {
        (Holds::Words, _) | (_, false) => wgpu::BindingType::Buffer {
            ty: wgpu::BufferBindingType::Storage { read_only: false },
            has_dynamic_offset: false,
            min_binding_size: None,
        },
        (holds, true) => wgpu::BindingType::StorageTexture {
            access: wgpu::StorageTextureAccess::ReadWrite,
            format: holds.texel(),
            view_dimension: wgpu::TextureViewDimension::D2,
        },
    };
    let mut entries = vec![entry(0, storage(Holds::State))];
    entries.extend(slot_bindings(format).map(|(binding, _, kind)| match kind {
        SlotKind::Words => entry(binding, storage(Holds::Words)),
        SlotKind::Lanes | SlotKind::Sums => {
            entry(binding, storage(Holds::Lanes { half_precision: format.half_precision }))
        }
    }));
    entries
}

impl BindingLayout {
    /// Of kernels of a format, with what every kernel binds anew.
    pub(super) fn new(device: &wgpu::Device, records: &wgpu::BindGroupLayout, format: Format) -> Self {
        let memory = layout_of(device, &memory_entries(format));
        let pipeline = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: None,
            bind_group_layouts: &[Some(&memory), Some(records)],
            immediate_size: immediate_bytes(format.textured),
        });
        Self { memory, pipeline }
    }
}
