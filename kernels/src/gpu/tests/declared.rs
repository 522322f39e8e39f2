//! What a shader does not declare it neither reads nor writes (`checks/declared.rs`).

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use crate::backend::Setup;
use crate::checks::{ByteRange, Case, Exposed, Image, check_call, random_network};
use crate::gpu::device_memory::{Buffers, DeviceMemory};
use crate::gpu::format::NORM_RECORD;
use crate::gpu::format::{Holds, STEP_STRIDE};
use crate::gpu::images::{ImageSplit, ResidentImages};
use crate::gpu::lowering::Lowerer;
use crate::gpu::memory::{Allocation, Arena, StateWords};
use crate::gpu::prepare::needs;
use crate::gpu::record::Recorder;
use crate::gpu::replay::{Replay, Submission, commands};
use crate::gpu::run::{MemberPass, StepRecord};
use crate::gpu::tiles::Style;
use crate::gpu::{GpuDevice, Kernel, Sizes};
use crate::ops;
use crate::program::{Access, Content, Resource};
use crate::shape::{BLOCK, blocks};
use crate::state::LossScale;
use crate::step::{Group, Part, Scale, Vector, VectorWork};

/// A training whose calls are run one by one. Nothing of it shares memory with anything else.
struct ExposedTraining {
    gpu: GpuDevice,
    setup: Setup<dyn Kernel>,
    state: StateWords,
    arena: Arena,
    /// Bytes of each workspace that lies in the arena.
    workspaces: HashMap<Allocation, usize>,
    buffers: Buffers,
    resident: Vec<Arc<ResidentImages>>,
    splits: Vec<ImageSplit>,
    half_precision: bool,
}

impl ExposedTraining {
    fn new(gpu: &GpuDevice, case: &Case) -> Self {
        let setup: Setup<dyn Kernel> = case.setup().map(|call| call as _);
        let Setup { tables, layout, settings, sets, train, .. } = &setup;
        let half_precision = settings.float_bits == 16;
        let (state, constants) = StateWords::new(0, tables, layout, settings, sets);
        let sizes = Sizes { batch: settings.batch_size, half_precision, style: gpu.style };
        let always = vec![Some((0, 1)); train.calls.len()];
        let needs = needs(&train.calls, &sizes, &always);
        let arena = Arena::new(&train.storages, &needs, settings.batch_size, half_precision, 1 << 30);
        let mut workspaces: HashMap<Allocation, usize> = HashMap::new();
        for (id, held) in needs.iter().flat_map(|needs| needs.workspaces.iter().copied()) {
            let most = workspaces.entry(Allocation::Workspace(id)).or_default();
            *most = held.bytes(half_precision).max(*most);
        }
        let words: Vec<u64> = arena.words.iter().map(|&bytes| bytes as u64).collect();
        let mut pages = vec![(Holds::State, 4 * state.words as u64)];
        pages.extend(words.iter().chain(words.is_empty().then_some(&0)).map(|&bytes| (Holds::Words, bytes)));
        let lanes_at = pages.len();
        pages.extend(arena.lanes.iter().map(|&bytes| (Holds::Lanes { half_precision }, bytes as u64)));
        let mut memories = gpu.allocate(&pages).unwrap();
        let lanes = memories.split_off(lanes_at).into_iter().map(|page| (half_precision, page)).collect();
        let words = memories.split_off(1);
        let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let steps = gpu.buffers(&[STEP_STRIDE], usage).unwrap().remove(0);
        let buffers = Buffers { state: memories.remove(0), words, lanes, steps };
        let initial = case.initial();
        let write = |offset: usize, numbers: &[f32]| {
            buffers.state.write(gpu, offset, bytemuck::cast_slice(numbers));
        };
        for (offset, words) in constants {
            buffers.state.write(gpu, offset, &words);
        }
        write(state.parameters, &initial.parameters);
        write(state.running_mean, &initial.running_mean);
        write(state.running_var, &initial.running_var);
        write(state.loss_scale, bytemuck::cast_slice(&[LossScale::INITIAL]));
        let order = case.order();
        let order = &order[..settings.batch_size];
        buffers.state.write(gpu, state.order, order);
        let pass = case.pass(order, 0, 0);
        let member = MemberPass {
            pass: &pass,
            groups: &settings.groups,
            state: &state,
            batch: settings.batch_size,
            heads: tables.heads.len(),
            seed: settings.seed,
        };
        write(state.rates, bytemuck::cast_slice(&member.rates(0)));
        let records: Vec<StepRecord> = member.records(0);
        gpu.queue.write_buffer(&buffers.steps, 0, bytemuck::bytes_of(&records[0]));
        let resident = sets.iter().map(|set| gpu.resident(set).unwrap()).collect();
        let splits = sets.iter().map(|set| ImageSplit::new(set, gpu.page_bytes)).collect();
        let gpu = gpu.clone();
        Self { gpu, setup, state, arena, workspaces, buffers, resident, splits, half_precision }
    }

    fn buffers(&self) -> Vec<wgpu::Buffer> {
        let Buffers { state, words, lanes, .. } = &self.buffers;
        let memories = std::iter::once(state).chain(words).chain(lanes.iter().map(|(_, page)| page));
        let buffer = |memory: &'_ DeviceMemory| match memory {
            DeviceMemory::Buffer(buffer) => buffer.clone(),
            DeviceMemory::Texture(..) => panic!("memory is buffers here"),
        };
        memories.map(buffer).collect()
    }

    fn words(first: usize, count: usize) -> Vec<ByteRange> {
        vec![(0, 4 * first..4 * (first + count))]
    }

    /// Words of the records of a normalisation, of each channel some.
    fn records(&self, norm: usize, of_each: Range<usize>) -> Vec<ByteRange> {
        let norm = &self.setup.tables.norms[norm];
        let channels = norm.offset..norm.offset + norm.raw.shape.channels;
        let record = |channel| self.state.norms + NORM_RECORD * channel;
        channels.flat_map(|channel| Self::words(record(channel) + of_each.start, of_each.len())).collect()
    }

    /// The number of the memory that an allocation lies in, and its first byte there.
    fn place(&self, allocation: Allocation, is_words: bool) -> Option<(usize, usize)> {
        let address = self.arena.addresses.get(&allocation)?;
        let first = if is_words { 1 } else { 1 + self.buffers.words.len() };
        Some((first + address.page, address.bytes))
    }

    /// Checks each of some calls, which all run, and depend on those before.
    fn check(&self, name: &str, calls: &[Arc<dyn Kernel>]) {
        let lowerer = Lowerer {
            setup: &self.setup,
            training: 0,
            state: &self.state,
            splits: &self.splits,
            style: self.gpu.style,
        };
        for call in calls {
            let mut recorder = Recorder::default();
            let mut accesses: Vec<Access> = call.accesses();
            for lowered in lowerer.lower(&self.setup.train, std::slice::from_ref(call), &self.arena) {
                accesses.extend(lowered.accesses.unwrap_or_default());
                recorder.push(lowered.stage, lowered.set, lowered.launch);
            }
            let recording = recorder.finish(self.gpu.style);
            if recording.dispatches.is_empty() {
                continue;
            }
            let replay = Replay::new(&self.gpu, &recording, &self.buffers, &self.resident).unwrap();
            check_call(name, &**call, &accesses, self, || {
                let submission = Submission { programs: vec![(&replay, 0)], sets: &[0] };
                self.gpu.queue.submit([commands(&self.gpu, &submission, None).unwrap()]);
            });
        }
    }
}

impl Exposed for ExposedTraining {
    fn take(&self) -> Image {
        let copy = |buffer: wgpu::Buffer| {
            self.gpu.read(buffer.size(), |encoder, staging| {
                encoder.copy_buffer_to_buffer(&buffer, 0, staging, 0, buffer.size());
            })
        };
        self.buffers().into_iter().map(|buffer| copy(buffer).unwrap()).collect()
    }

    fn put(&self, image: &Image) {
        for (buffer, bytes) in self.buffers().into_iter().zip(image) {
            self.gpu.queue.write_buffer(&buffer, 0, bytes);
        }
    }

    /// State, pages of words, pages of lanes.
    fn bytes(&self, resource: Resource) -> Vec<ByteRange> {
        let Setup { tables, layout, settings, train, .. } = &self.setup;
        let state = &self.state;
        match resource {
            Resource::Tensor(tensor) => {
                let storage = train.storages[tensor.storage.0];
                let is_words = storage.content == Content::Bytes;
                let element = storage.content.bytes(self.half_precision);
                let Some((memory, at)) = self.place(Allocation::Storage(tensor.storage), is_words) else {
                    return Vec::new();
                };
                let channel = storage.shape.pixels() * BLOCK * element;
                let first = |block: usize| at + (block * storage.shape.channels + tensor.channel) * channel;
                let part = |block| (memory, first(block)..first(block) + tensor.shape.channels * channel);
                (0..blocks(settings.batch_size)).map(part).collect()
            }
            // The workgroup that takes sums goes on to what is made of them.
            Resource::NormSums(_) | Resource::NormGradientSums(_) => Vec::new(),
            Resource::NormMap(norm) => self.records(norm.0, 0..4),
            Resource::NormGradientMap(norm) => self.records(norm.0, 4..7),
            Resource::Workspace(id) => {
                for (mixture, words) in tables.mixtures.iter().zip(&state.mixtures) {
                    if mixture.weights == id {
                        return Self::words(words.weights, mixture.kept);
                    }
                    if mixture.partials == id {
                        let count = mixture.terms.iter().map(|term| term.channels).sum();
                        return Self::words(words.partials, count);
                    }
                }
                let allocation = Allocation::Workspace(id);
                let Some(&bytes) = self.workspaces.get(&allocation) else { return Vec::new() };
                let is_words = self.arena.is_words(allocation);
                self.place(allocation, is_words)
                    .map(|(memory, at)| (memory, at..at + bytes))
                    .into_iter()
                    .collect()
            }
            Resource::ParameterGradients => Self::words(state.gradients, layout.elements),
            Resource::DropPath => Self::words(state.drops, state.metrics - state.drops),
            Resource::Parameters => {
                // With the moments behind them.
                let mut all = Self::words(state.parameters, layout.elements);
                all.extend(Self::words(state.momenta, layout.trained));
                all.extend(Self::words(state.second, if state.has_second() { layout.trained } else { 0 }));
                all
            }
            Resource::Extra(number) => Self::words(state.extra[number], layout.trained),
            Resource::Products => Self::words(state.products, state.loss_scale - state.products),
            Resource::LossScale => Self::words(state.loss_scale, 3),
            Resource::Metrics => Self::words(state.metrics, state.order - state.metrics),
        }
    }

    /// Running statistics, and what never changes in a step.
    fn undeclared(&self) -> Vec<ByteRange> {
        let state = &self.state;
        let constants = state.mixtures.iter().map(|mixture| mixture.terms).chain([state.mean]).min();
        let first = constants.unwrap_or(state.words);
        let mut all = Self::words(state.running_mean, state.norms - state.running_mean);
        all.extend(Self::words(state.order, state.products - state.order));
        all.extend(Self::words(first, state.words - first));
        all
    }
}

fn check(gpu: &GpuDevice, case: &Case) {
    let training = ExposedTraining::new(gpu, case);
    training.check(&case.name, &training.setup.train.calls);
    let (group, from, to) = (Group::WEIGHTS, Vector::Gradients, Vector::Extra(1));
    let scale = Scale::from(-0.3).times_learning_rate(group).over_norm(group, Vector::Parameters);
    for work in [
        VectorWork::Part(Part::Update { group }),
        VectorWork::Part(Part::Copy { group, from, to }),
        VectorWork::Part(Part::Axpy { group, scale, from, to }),
        VectorWork::Dot { group, vectors: [from, to] },
    ] {
        training.check(&case.name, &(training.setup.vectors)(work));
    }
}

#[test]
fn shaders_touch_what_they_say_and_nothing_else() {
    let style = |coarse| Style { coarse, textured: false, overlaps: false };
    let [fine, coarse] =
        [false, true].map(|coarse| GpuDevice::software_with(u64::MAX, style(coarse)).unwrap());
    // As on hardware all operations; as on a processor, whose shaders are other ones for each size, one network.
    for mut case in ops::examples().into_iter().map(|example| example.case(3, 5, 20, 20)) {
        case.settings.extra_vectors = 2;
        check(&fine, &case);
    }
    let mut case = random_network(31);
    case.settings.extra_vectors = 2;
    check(&coarse, &case);
    case.settings.float_bits = 16;
    check(&fine, &case);
    check(&coarse, &case);
}
