//! From the calls of a program to launches of kernels; a call of several launches that depend on each other uses stages.

use super::grid::launch;
use super::images::{IMAGE_PAGES, ImageSplit};
use super::memory::{Arena, MAX_RUNS, SetWords, StateWords};
use super::record::{Launch, Page};
use super::source;
use super::tiles::{Style, quads, strip};
use super::views::{Parts, Places, Read, X_SHAPE, Y_SHAPE};
use crate::graph::{DropId, Head, Input, Norm, NormId, Tensor};
use crate::ops::{NodeSum, Pool, PoolKind, WindowAverage};
use crate::preprocess::{CROP_PADDING, ImageSet};
use crate::program::{Call, Gradient, Mode, Program, Sink};
use crate::rng::Purpose;
use crate::shape::{BLOCK, blocks};
use crate::state::Layout;
use crate::trainer::{Setup, TrainerSettings};

/// Added to the variance of a normalisation.
const NORM_EPSILON: f32 = 1e-5;
/// Share of a batch's statistics in the running ones.
const NORM_MOMENTUM: f32 = 0.1;
/// Edges that one launch of a node's sum reads.
const SUMMED_EDGES: usize = 5;
/// Least number of gradients whose squares one workgroup sums.
const LEAST_RUN: usize = 1024;

/// Constants that a GPU's kernels look up: they choose between a few instructions, and no memory in registers depends on them.
const SETTINGS: [&str; 7] = ["NORM", "RELU", "SCALED", "ACCUMULATE", "BIAS", "NORMS", "DROPS"];

/// State of the lowering of one program.
pub(super) struct Lowering<'a> {
    pub(super) places: Places<'a>,
    pub(super) layout: &'a Layout,
    pub(super) recipe: &'a TrainerSettings,
    /// Number of the training among those that share dispatches.
    training: usize,
    launches: Vec<Lowered>,
    /// The call that is lowered.
    call: usize,
    /// Heads that were lowered.
    heads: usize,
    sets: &'a [ImageSet],
    splits: &'a [ImageSplit],
    pub(super) style: Style,
}

/// A launch of a call.
pub(super) struct Lowered {
    pub(super) call: usize,
    /// Launches of one call and stage are independent of each other, and may wait for those of the stages before.
    pub(super) stage: usize,
    /// Runs only for images of this set.
    pub(super) set: Option<usize>,
    pub(super) launch: Launch,
}

/// Launches of a program of `setup`, which is number `training` of those that share dispatches.
pub(super) fn lower(
    setup: &Setup,
    training: usize,
    program: &Program,
    state: &StateWords,
    arena: &Arena,
    splits: &[ImageSplit],
    style: Style,
) -> Vec<Lowered> {
    let Setup { graph, layout, recipe, sets, .. } = setup;
    let half = recipe.float_bits == 16;
    let places = Places { graph, program, state, arena, batch: recipe.batch_size, half };
    let mut lowering = Lowering {
        places,
        layout,
        recipe,
        training,
        launches: Vec::new(),
        call: 0,
        heads: 0,
        sets,
        splits,
        style,
    };
    for (index, call) in program.calls.iter().enumerate() {
        lowering.call = index;
        lowering.call(call);
    }
    lowering.launches
}

/// Launches that make affine maps from running statistics, before an evaluation.
pub(super) fn lower_running_statistics(setup: &Setup, state: &StateWords, style: Style) -> Vec<Launch> {
    let Setup { graph, layout, .. } = setup;
    let format = style.format(setup.recipe.float_bits == 16);
    let lower = |norm: &Norm| {
        let channels = norm.raw.shape.channels;
        let parts = Parts::default()
            .float("EPSILON", NORM_EPSILON)
            .field("channels", channels)
            .field("scale", state.parameters + layout.offset(norm.scale))
            .field("shift", state.parameters + layout.offset(norm.shift))
            .field("running_mean", state.running_mean + norm.offset)
            .field("running_var", state.running_var + norm.offset)
            .field("record", state.norms + super::memory::NORM_RECORD * norm.offset);
        Launch { format, ..launch(&source::NORM_RUNNING, parts, channels, 1) }
    };
    graph.norms.iter().map(lower).collect()
}

impl Lowering<'_> {
    fn call(&mut self, call: &Call) {
        match call {
            // All else waits for the images, and so for the weights.
            Call::LoadImages { output } => {
                self.load_images(*output);
                self.arrange_weights();
            }
            Call::DrawDropPath => self.draw_drop_path(),
            Call::Convolve { op } => self.convolve(op),
            Call::Pool { op } => self.pool(op),
            Call::NormStatistics { norm } => self.norm_statistics(*norm),
            Call::NodeSum { op } => self.node_sum(op),
            Call::WindowAverage { op } => self.window_average(op),
            Call::CrossEntropy { head, gradient } => self.cross_entropy(*head, *gradient),
            Call::NormGradientSums { norm, gradient } => self.norm_gradient(*norm, *gradient),
            // The workgroup that sums a channel goes on to its coefficients.
            Call::NormGradient { .. } => {}
            Call::ConvolveBackward { op, gradient, sink } => self.convolve_backward(op, *gradient, *sink),
            Call::WeightGradient { op } => self.weight_gradient(op),
            Call::PoolBackward { op, gradient, sink } => self.pool_backward(op, *gradient, *sink),
            Call::EdgeBackward { gradient, sink } => self.edge_backward(*gradient, *sink),
            Call::WindowAverageBackward { op, gradient, sink } => {
                self.window_average_backward(op, *gradient, *sink);
            }
            Call::Update => self.update(),
        }
    }

    pub(super) fn push(&mut self, stage: usize, launch: Launch) {
        self.push_for_set(stage, None, launch);
    }

    fn push_for_set(&mut self, stage: usize, set: Option<usize>, launch: Launch) {
        let mut launch = Launch { format: self.style.format(self.places.half), ..launch };
        if !self.style.coarse {
            launch.set_at_run_time(&SETTINGS);
        }
        launch.fields.push(("training", self.training as u32));
        self.launches.push(Lowered { call: self.call, stage, set, launch });
    }

    fn load_images(&mut self, output: Tensor) {
        let view = self.places.tensor(output);
        let training = self.places.program.mode == Mode::Train;
        let preprocess = &self.recipe.preprocess;
        let state = self.places.state;
        for (set, (images, split)) in self.sets.iter().zip(self.splits).enumerate() {
            let SetWords { rows, columns, .. } = state.sets[set];
            let shape = images.shape();
            let mut parts = Parts::default()
                .view("y", "y_block", view)
                .flag("AUGMENT", training && preprocess.augment)
                .constant("CUTOUT", if training { preprocess.cutout } else { 0 })
                .constant("CROP_PADDING", CROP_PADDING)
                .constant("CROP", Purpose::Crop as usize)
                .constant("CUT", Purpose::Cutout as usize)
                .constant("SIZE", preprocess.image_size)
                .constant("SOURCE_HEIGHT", shape.height)
                .constant("SOURCE_WIDTH", shape.width)
                .constant("SOURCE_ELEMENTS", shape.elements())
                .constant("ROW_TAPS", rows.taps)
                .constant("COLUMN_TAPS", columns.taps)
                .field("order", state.order)
                .field("image_set", set)
                .field("images_per_page", split.images_per_page)
                .field("rows", rows.first)
                .field("row_weights", rows.weights)
                .field("columns", columns.first)
                .field("column_weights", columns.weights)
                .field("mean", state.mean)
                .field("deviation", state.deviation);
            for (name, index) in ["images0", "images1", "images2", "images3"].into_iter().zip(0..IMAGE_PAGES)
            {
                let page = index.min(split.pages.saturating_sub(1));
                parts = parts.words(name, Page::Images { set, page });
            }
            let launch = launch(
                &source::LOAD_IMAGES,
                parts,
                quads(output.shape, self.recipe.batch_size),
                shape.channels,
            );
            self.push_for_set(0, Some(set), launch);
        }
    }

    fn draw_drop_path(&mut self) {
        let lanes = blocks(self.recipe.batch_size) * BLOCK;
        let edges = self.places.graph.drops;
        let parts = Parts::default()
            .constant("DROP_PATH", Purpose::DropPath as usize)
            .field("lanes", lanes)
            .field("edges", edges)
            .field("order", self.places.state.order)
            .field("drops", self.places.state.drops);
        self.push(0, launch(&source::DRAW_DROP_PATH, parts, lanes * edges, 1));
    }

    fn pool(&mut self, op: &Pool) {
        let shape = op.output.shape;
        let tile = strip(shape.width);
        let parts = Parts::default().read(self.places.input(op.input)).view(
            "y",
            "y_block",
            self.places.tensor(op.output),
        );
        let parts = self.pool_parts(op, parts).constant("TILE", tile).constant("STRIDE", op.stride);
        self.push(0, self.launch_over(&source::POOL, parts, shape, tile, shape.channels));
    }

    fn pool_parts(&self, op: &Pool, parts: Parts) -> Parts {
        let parts = parts
            .flag("MAXIMUM", op.kind == PoolKind::Max)
            .field("stride", op.stride)
            .field("channels", op.output.shape.channels)
            .shape(X_SHAPE, op.input.tensor.shape)
            .shape(Y_SHAPE, op.output.shape);
        // An average has no tap numbers; its kernel never touches the slot.
        let taps = op.taps.map(|storage| self.places.taps(storage, op.output.shape));
        parts
            .words("taps", taps.map_or(Page::Unused, |taps| taps.page))
            .field("taps", taps.map_or(0, |taps| taps.base as usize))
            .field("taps_block", taps.map_or(0, |taps| taps.block as usize))
    }

    fn norm_statistics(&mut self, norm: NormId) {
        let info = &self.places.graph.norms[norm.0];
        let state = self.places.state;
        let parts = Parts::default()
            .field("pixels", info.raw.shape.pixels())
            .float("EPSILON", NORM_EPSILON)
            .float("MOMENTUM", NORM_MOMENTUM)
            .view("x", "x_block", self.places.tensor(info.raw))
            .field("channels", info.raw.shape.channels)
            .field("record", self.places.record(norm, info.raw) as usize)
            .field("scale", state.parameters + self.layout.offset(info.scale))
            .field("shift", state.parameters + self.layout.offset(info.shift))
            .field("running_mean", state.running_mean + info.offset)
            .field("running_var", state.running_var + info.offset);
        let channels = info.raw.shape.channels;
        self.push(0, self.launch_groups(&source::NORM_STATISTICS, parts, channels));
    }

    fn norm_gradient(&mut self, norm: NormId, gradient: Gradient) {
        let info = &self.places.graph.norms[norm.0];
        let state = self.places.state;
        let channels = info.raw.shape.channels;
        let parts = Parts::default()
            .field("pixels", info.raw.shape.pixels())
            .gradient(self.places.gradient(gradient))
            .field("channels", channels)
            .field("scale", state.parameters + self.layout.offset(info.scale))
            .field("scale_gradient", state.gradients + self.layout.offset(info.scale))
            .field("shift_gradient", state.gradients + self.layout.offset(info.shift));
        self.push(0, self.launch_groups(&source::NORM_GRADIENT, parts, channels));
    }

    fn node_sum(&mut self, op: &NodeSum) {
        let shape = op.output.shape;
        let none: &[(Input, Option<DropId>)] = &[];
        let chunks: Vec<_> =
            if op.edges.is_empty() { vec![none] } else { op.edges.chunks(SUMMED_EDGES).collect() };
        for (stage, edges) in chunks.into_iter().enumerate() {
            let set_bits = |has: &mut dyn Iterator<Item = bool>| {
                has.enumerate().map(|(bit, has)| usize::from(has) << bit).sum::<usize>()
            };
            let output = self.places.tensor(op.output);
            let tile = self.style.summed_pixels(shape);
            let mut parts = Parts::default()
                .constant("TILE", tile)
                .field("pixels", shape.pixels())
                .field("channels", shape.channels)
                .constant("EDGES", edges.len())
                .constant("NORMS", set_bits(&mut edges.iter().map(|edge| edge.0.norm.is_some())))
                .constant("DROPS", set_bits(&mut edges.iter().map(|edge| edge.1.is_some())))
                .flag("ACCUMULATE", stage > 0)
                .view("y", "y_block", output);
            for (slot, names) in EDGE_NAMES.iter().enumerate() {
                let read = edges.get(slot).map(|edge| self.places.input(edge.0));
                let drop = edges.get(slot).and_then(|edge| edge.1).map(|drop| self.places.drop(drop));
                let Read { view, record, .. } =
                    read.unwrap_or(Read { view: output, record: None, relu: false });
                parts = parts
                    .view(names[0], names[1], view)
                    .field(names[2], record.unwrap_or(0) as usize)
                    .field(names[3], drop.unwrap_or(0) as usize);
            }
            self.push(stage, self.launch_over(&source::NODE_SUM, parts, shape, tile, shape.channels));
        }
    }

    fn edge_backward(&mut self, gradient: Gradient, sink: Sink) {
        let shape = gradient.raw.shape;
        let parts = Parts::default()
            .field("pixels", shape.pixels())
            .field("channels", shape.channels)
            .gradient(self.places.gradient(gradient))
            .view("sink", "sink_block", self.places.tensor(sink.tensor))
            .flag("ACCUMULATE", sink.accumulate);
        self.push(0, self.launch_over(&source::EDGE_BACKWARD, parts, shape, 1, shape.channels));
    }

    fn pool_backward(&mut self, op: &Pool, gradient: Gradient, sink: Sink) {
        let shape = op.input.tensor.shape;
        let tile = strip(shape.width);
        let parts = Parts::default()
            .gradient(self.places.gradient(gradient))
            .view("sink", "sink_block", self.places.tensor(sink.tensor))
            .flag("ACCUMULATE", sink.accumulate)
            .constant("TILE", tile);
        let parts = self.pool_parts(op, parts);
        self.push(0, self.launch_over(&source::POOL_BACKWARD, parts, shape, tile, shape.channels));
    }

    fn windows(&self, op: &WindowAverage, parts: Parts) -> Parts {
        parts
            .list("ROW_STARTS", op.rows.iter().map(|window| window.start).collect())
            .list("ROW_LENGTHS", op.rows.iter().map(|window| window.length).collect())
            .list("COLUMN_STARTS", op.columns.iter().map(|window| window.start).collect())
            .list("COLUMN_LENGTHS", op.columns.iter().map(|window| window.length).collect())
            .read(self.places.input(op.input))
            .field("channels", op.output.shape.channels)
            .shape(X_SHAPE, op.input.tensor.shape)
            .shape(Y_SHAPE, op.output.shape)
    }

    fn window_average(&mut self, op: &WindowAverage) {
        let shape = op.output.shape;
        let parts = self.windows(op, Parts::default()).view("y", "y_block", self.places.tensor(op.output));
        self.push(0, self.launch_over(&source::WINDOW_AVERAGE, parts, shape, 1, shape.channels));
    }

    fn window_average_backward(&mut self, op: &WindowAverage, gradient: Tensor, sink: Sink) {
        let shape = op.input.tensor.shape;
        let parts = self
            .windows(op, Parts::default())
            .view("g", "g_block", self.places.tensor(gradient))
            .view("sink", "sink_block", self.places.tensor(sink.tensor))
            .flag("ACCUMULATE", sink.accumulate);
        self.push(0, self.launch_over(&source::WINDOW_AVERAGE_BACKWARD, parts, shape, 1, shape.channels));
    }

    fn cross_entropy(&mut self, head: Head, gradient: Option<Tensor>) {
        let logits = self.places.tensor(head.logits);
        let state = self.places.state;
        let parts = Parts::default()
            .field("classes", head.logits.shape.channels)
            .flag("BACKWARD", gradient.is_some())
            .view("x", "x_block", logits)
            .view("g", "g_block", gradient.map_or(logits, |gradient| self.places.tensor(gradient)))
            .field("weight", head.weight.to_bits() as usize)
            .field("smoothing", self.recipe.label_smoothing.to_bits() as usize)
            .field("metrics", state.metrics)
            .field("order", state.order)
            .field("heads", self.places.graph.heads.len())
            .field("head", self.heads);
        self.heads += 1;
        self.push(0, self.launch_groups(&source::CROSS_ENTROPY, parts, 1));
    }

    fn update(&mut self) {
        let state = self.places.state;
        let elements = self.layout.trained;
        let run = elements.div_ceil(MAX_RUNS).max(LEAST_RUN);
        let runs = elements.div_ceil(run);
        let squares = Parts::default()
            .field("run", run)
            .field("elements", elements)
            .field("gradients", state.gradients)
            .field("squares", state.squares);
        self.push(1, self.launch_groups(&source::GRADIENT_NORM, squares, runs));
        let update = Parts::default()
            .field("run", run)
            .field("runs", runs)
            .field("elements", elements)
            .field("parameters", state.parameters)
            .field("gradients", state.gradients)
            .field("momenta", state.momenta)
            .field("squares", state.squares)
            .field("metrics", state.metrics)
            .field("heads", self.places.graph.heads.len())
            .field("grad_clip", self.recipe.grad_clip.to_bits() as usize)
            .field("momentum", self.recipe.momentum.to_bits() as usize)
            .field("weight_decay", self.recipe.weight_decay.to_bits() as usize);
        self.push(2, self.launch_groups(&source::UPDATE, update, runs));
    }
}

/// Slot, stride, record and drop-path words of each edge of `node_sum.wgsl`.
const EDGE_NAMES: [[&str; 4]; SUMMED_EDGES] = [
    ["e0", "e0_block", "e0_record", "e0_drop"],
    ["e1", "e1_block", "e1_record", "e1_drop"],
    ["e2", "e2_block", "e2_record", "e2_drop"],
    ["e3", "e3_block", "e3_record", "e3_drop"],
    ["e4", "e4_block", "e4_record", "e4_drop"],
];
