//! What a kernel does not declare it neither reads nor writes (`checks/declared.rs`).
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::collections::BTreeSet;
use std::ops::Range;

use super::memory::{Buffer, Parameters};
use super::phases::{Phase, Prepared};
use super::steps::Now;
use super::{Block, Context, CpuBackend, CpuDevice, RunKernel, Sizes, Split, Unit};
use crate::backend::Backend;
use crate::checks::{ByteRange, Case, Exposed, Image, POISON, check_call, random_network};
use crate::ops;
use crate::optimiser::{Optimiser, Progress, rates};
use crate::program::{Mode, Resource};
use crate::step::{Group, Part, RunningStatistics, Scale, Step, Vector, VectorWork};

/// All buffers that calls read and write, but running statistics, which no call declares.
fn buffers(backend: &CpuBackend) -> Vec<&Buffer> {
    let CpuBackend { train, norms, parameters, metrics, .. } = backend;
    let [a, b, c] = &norms.gradient_map;
    let mut list = vec![&*train.memory.arena, train.memory.drop_scales(), metrics];
    list.extend([&parameters.gradients, &parameters.master, &parameters.momentum]);
    list.extend([&norms.scale, &norms.shift, &norms.mean, &norms.inverse_std, a, b, c]);
    list.extend([&norms.sums, &norms.gradient_sums]);
    list.extend([&parameters.products, &parameters.loss_scale]);
    list.extend(&parameters.rounded);
    list.extend(&parameters.second);
    list.extend(&parameters.extra);
    list
}

/// Where the buffers of a role begin in that list.
const DROPS: usize = 1;
const METRICS: usize = 2;
const GRADIENTS: usize = 3;
const MASTER: usize = 4;
const MOMENTUM: usize = 5;
const MAPS: Range<usize> = 6..10;
const GRADIENT_MAPS: Range<usize> = 10..13;
const SUMS: usize = 13;
const GRADIENT_SUMS: usize = 14;
const PRODUCTS: usize = 15;
const LOSS_SCALE: usize = 16;
/// Optional ones begin here: rounded weights, second moments, extra vectors.
const OPTIONAL: usize = 17;

fn whole(backend: &CpuBackend, buffer: usize) -> Vec<ByteRange> {
    buffers(backend).get(buffer).map(|found| (buffer, 0..found.bytes())).into_iter().collect()
}

/// Numbers of the rounded weights, the second moments, and the extra vectors, as far as they are there.
fn optional(backend: &CpuBackend) -> [Range<usize>; 3] {
    let Parameters { rounded, second, extra, .. } = &backend.parameters;
    let mut next = OPTIONAL;
    [rounded.iter().count(), second.iter().count(), extra.len()].map(|count| {
        next += count;
        next - count..next
    })
}

/// The bytes of a resource.
fn bytes(backend: &CpuBackend, resource: Resource, workspaces: &[(usize, usize)]) -> Vec<ByteRange> {
    let memory = &backend.train.memory;
    let blocks = memory.blocks_max();
    let norm_range = |norm: usize, each: usize| {
        let norm = &backend.tables.norms[norm];
        let size = each * size_of::<f32>();
        norm.offset * size..(norm.offset + norm.raw.shape.channels) * size
    };
    match resource {
        Resource::Tensor(tensor) => {
            let (at, block_bytes) = memory.place(tensor);
            let length = memory.channel_bytes(tensor.storage) * tensor.shape.channels;
            (0..blocks)
                .map(|block| (0, at + block * block_bytes..at + block * block_bytes + length))
                .collect()
        }
        Resource::NormSums(norm) => vec![(SUMS, norm_range(norm.0, 2 * blocks))],
        Resource::NormMap(norm) => MAPS.map(|buffer| (buffer, norm_range(norm.0, 1))).collect(),
        Resource::NormGradientSums(norm) => vec![(GRADIENT_SUMS, norm_range(norm.0, 2 * blocks))],
        Resource::NormGradientMap(norm) => {
            GRADIENT_MAPS.map(|buffer| (buffer, norm_range(norm.0, 1))).collect()
        }
        Resource::Workspace(id) => {
            let own = workspaces.iter().filter(|(workspace, _)| *workspace == id.0);
            let at = memory.workspace_offset(id);
            own.map(|&(_, bytes)| (0, at..at + bytes)).collect()
        }
        Resource::ParameterGradients => whole(backend, GRADIENTS),
        Resource::DropPath => whole(backend, DROPS),
        Resource::Parameters => {
            let [rounded, second, _] = optional(backend);
            let kept = (rounded.start..second.end).chain([MASTER, MOMENTUM]);
            kept.flat_map(|buffer| whole(backend, buffer)).collect()
        }
        Resource::Extra(number) => whole(backend, optional(backend)[2].start + number),
        Resource::Products => whole(backend, PRODUCTS),
        Resource::LossScale => whole(backend, LOSS_SCALE),
        Resource::Metrics => whole(backend, METRICS),
    }
}

/// A training, and the bytes of each workspace that the call touches which is run.
struct ExposedMemory<'a> {
    backend: &'a CpuBackend,
    workspaces: Vec<(usize, usize)>,
}

impl Exposed for ExposedMemory<'_> {
    fn take(&self) -> Image {
        let copy = |buffer: &&Buffer| {
            // SAFETY: no kernel runs.
            unsafe { std::slice::from_raw_parts(buffer.pointer::<u8>(), buffer.bytes()) }.to_vec()
        };
        buffers(self.backend).iter().map(copy).collect()
    }

    fn put(&self, image: &Image) {
        for (buffer, bytes) in buffers(self.backend).into_iter().zip(image) {
            // SAFETY: no kernel runs, and the buffer has as many bytes.
            unsafe { std::slice::from_raw_parts_mut(buffer.pointer::<u8>(), bytes.len()) }
                .copy_from_slice(bytes);
        }
    }

    fn bytes(&self, resource: Resource) -> Vec<ByteRange> {
        bytes(self.backend, resource, &self.workspaces)
    }

    /// Running statistics are not among the buffers.
    fn undeclared(&self) -> Vec<ByteRange> {
        Vec::new()
    }
}

/// Runs one call, on one thread.
fn run(backend: &CpuBackend, cx: &Context<'_>, call: &dyn RunKernel, split: Split) {
    let (blocks, chunks) = (cx.blocks(), cx.chunks());
    let scratch: *mut f32 = backend.scratch[0].pointer();
    let unit = |unit: Unit<'_>| {
        // SAFETY: no kernel runs; the scratch memory is that of one thread.
        unsafe {
            std::slice::from_raw_parts_mut(scratch.cast::<u8>(), backend.scratch[0].bytes()).fill(POISON);
            call.run_on(backend.isa, cx, unit, scratch);
        }
    };
    match split {
        Split::Blocks => {
            for chunk in 0..chunks {
                let first = chunk * blocks / chunks;
                for block in first..(chunk + 1) * blocks / chunks {
                    unit(Unit::Block(Block {
                        number: block,
                        chunk,
                        first_of_chunk: block == first,
                        next: &[],
                    }));
                }
            }
        }
        Split::Parts(count) => (0..count).for_each(|part| unit(Unit::Part { part })),
        Split::GatheredParts(count) => {
            (0..blocks).for_each(|block| unit(Unit::Gather { block }));
            (0..count).for_each(|part| unit(Unit::Part { part }));
        }
        Split::Nothing => {}
    }
}

/// Calls of a step in an order in which they may run.
fn order(phases: &[Phase]) -> Vec<usize> {
    let mut seen = BTreeSet::new();
    let calls = phases.iter().flat_map(|phase| match phase {
        Phase::Blocks(chains) => chains.iter().flatten().map(|link| link.call).collect(),
        Phase::Gather(calls) => calls.clone(),
        Phase::Parts(parts) => parts.iter().map(|part| part.0).collect(),
    });
    calls.filter(|&call| seen.insert(call)).collect()
}

fn check(case: &Case) {
    let device = CpuDevice::new(1);
    let mut backend = CpuBackend::new(&device, case.setup().map(|call| call as _)).unwrap();
    backend.set_state(&case.initial()).unwrap();
    backend.round_weights();
    let images = case.order();
    let batch = &images[..case.settings.batch_size];
    let (drop_path, running) = (case.drop_path, RunningStatistics::Updated);
    let (mode, temperature) = (Mode::Train, 1.0);
    let mut now = Now { mode, set: 0, batch, epoch: 0, drop_path, temperature, running, rates: &[] };
    check_program(case, &backend, &backend.train, &now);
    let (group, from) = (Group::WEIGHTS, Vector::Gradients);
    let scale = Scale::from(-0.3).times_learning_rate(group).over_norm(group, Vector::Parameters);
    let to = Vector::Extra(1);
    let work = [
        VectorWork::Part(Part::Update { group }),
        VectorWork::Part(Part::Copy { group, from, to }),
        VectorWork::Part(Part::Axpy { group, scale, from, to }),
        VectorWork::Dot { group, vectors: [from, to] },
    ];
    let progress = [Progress { learning_rate: 0.1, updates: 2 }];
    let rates = rates(&case.settings.groups, &progress, &Step::plain(1), 0, 0);
    now.rates = &rates;
    for work in work {
        backend.prepare(work).unwrap();
        check_program(case, &backend, backend.vector_work(work).unwrap(), &now);
    }
}

/// Checks all calls of a program, which all run.
fn check_program(case: &Case, backend: &CpuBackend, prepared: &Prepared, now: &Now<'_>) {
    let sources = [case.images.shape()];
    let blocks = backend.train.memory.blocks_max();
    let (tables, layout, half_precision) =
        (&backend.tables, &backend.layout, backend.train.memory.half_precision);
    let sizes = Sizes { tables, blocks, chunks: blocks, layout, half_precision, sources: &sources };
    let cx = backend.context(&prepared.memory, now);
    for call in order(&prepared.phases) {
        let kernel = &prepared.calls[call];
        let workspaces = kernel.workspaces_touched().into_iter();
        let workspaces: Vec<_> = workspaces.map(|id| (id.0, sized(backend, &sizes, id.0))).collect();
        let memory = ExposedMemory { backend, workspaces };
        check_call(&case.name, &**kernel, &kernel.accesses(), &memory, || {
            run(backend, &cx, &**kernel, kernel.split(&sizes));
        });
    }
}

/// Bytes of a workspace: the most that any call needs.
fn sized(backend: &CpuBackend, sizes: &Sizes<'_>, id: usize) -> usize {
    let all = backend.train.calls.iter().flat_map(|call| call.workspaces(sizes));
    all.filter(|(workspace, _)| workspace.0 == id).map(|(_, bytes)| bytes).max().unwrap_or(0)
}

#[test]
fn kernels_touch_what_they_say_and_nothing_else() {
    let examples = ops::examples().into_iter().map(|example| example.case(3, 5, 20, 20));
    for mut case in examples.chain((31..=34).map(random_network)) {
        case.settings.extra_vectors = 2;
        for float_bits in [32, 16] {
            case.settings.float_bits = float_bits;
            if float_bits == 16 {
                case.settings.groups[0].optimiser =
                    Optimiser::Adam { beta1: 0.9, beta2: 0.99, epsilon: 1e-8 };
            }
            check(&case);
        }
    }
}
