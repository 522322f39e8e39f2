//! The operations, one folder each: what it is (shape rule, parameters, FLOPs), its calls with what they read and write and the
//! backward rule, its kernels on each machine, its plain double-precision reference, its tests, and at what size it is measured.
//!
//! What several share is beside them: the rule of windows, operations of one value, heads.
//!
//! Everything else knows operations as [`Operation`] and [`Call`] only. A new one is a folder here, its module, and its name in
//! the list below.

mod batch_norm;
mod channel_scale;
mod channel_shuffle;
mod convolution;
mod cross_entropy;
mod drop_path;
mod dropout;
mod heads;
mod images;
mod logit_sum;
mod loss_scale;
mod mixture;
mod node_sum;
mod pool;
mod relu6;
mod sigmoid;
mod typical;
mod unary;
mod update;
mod vector;
mod window_average;
mod windowed;

use std::sync::Arc;

pub use convolution::{ConvSpec, DepthwiseSpec, SeparableSpec};
pub use mixture::{Draw, Mixture};
pub use node_sum::Term;
pub use pool::{PoolKind, PoolSpec};
pub(crate) use typical::{BATCH, Build, IMAGE, Own, Typical};

use crate::graph::{Call, Graph, TapeCalls};
use crate::program::{Mode, Program};
use crate::step::{Group, Part, Vector, VectorWork};

/// The calls of a graph, whose activations have so many bits: in training those that differentiate.
pub(crate) fn program(graph: &Graph, mode: Mode, float_bits: u32) -> Program<dyn Call> {
    let own = TapeCalls { zeros: |sink| Arc::new(node_sum::zeros(sink)), guarded: mixture::guarded };
    let mut program = graph.lower(mode, float_bits == 16, own);
    if mode == Mode::Train {
        if graph.is_guarded() {
            // Calls that are not run give no gradients of their parameters.
            let groups = (0..graph.tables.groups).map(Group);
            let clears = groups.flat_map(|group| vector::clear(group, Vector::Gradients));
            program.calls.splice(0..0, clears);
        }
        program.calls.extend(loss_scale::calls());
    }
    program
}

/// The calls of what a device does with vectors, one after the other.
pub(crate) fn vector_calls(work: VectorWork) -> Vec<Arc<dyn Call>> {
    match work {
        // A program of its own.
        VectorWork::Part(Part::Differentiate { .. }) => Vec::new(),
        VectorWork::Part(Part::Update { group }) => update::calls(group),
        VectorWork::Part(Part::Copy { group, from, to }) => vector::copy(group, from, to),
        VectorWork::Part(Part::Axpy { group, scale, from, to }) => vector::axpy(group, scale, from, to),
        VectorWork::Dot { group, vectors } => vector::dot(group, vectors),
    }
}

/// For each operation its shaders, small networks that use it, and what is measured of it.
macro_rules! operations {
    ($($operation:ident),* $(,)?) => {
        /// What is measured of all operations.
        pub(crate) fn typical() -> Vec<Typical> {
            [$($operation::typical()),*].into_iter().flatten().collect()
        }

        /// The shaders of all operations.
        #[cfg(test)]
        pub(crate) fn shaders() -> Vec<&'static crate::gpu::Shader> {
            [$($operation::SHADERS),*].concat()
        }

        /// Small networks of all operations.
        #[cfg(test)]
        pub(crate) fn examples() -> Vec<crate::checks::Example> {
            [$($operation::examples()),*].into_iter().flatten().collect()
        }
    };
}

operations![
    batch_norm,
    channel_scale,
    channel_shuffle,
    convolution,
    cross_entropy,
    drop_path,
    dropout,
    images,
    logit_sum,
    loss_scale,
    mixture,
    node_sum,
    pool,
    relu6,
    sigmoid,
    update,
    vector,
    window_average,
];
