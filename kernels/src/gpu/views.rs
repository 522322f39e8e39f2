//! Tensors as kernels see them: a page, an offset and a stride from block to block, and the constants and job words that go
//! with reading one.

use super::memory::{Arena, Held, NORM_RECORD, Place, StateWords};
use super::record::Page;
use super::source::{Const, SlotKind};
use crate::graph::{DropId, Graph, Input, NormId, StorageId, Tensor};
use crate::program::{Gradient, Program};
use crate::shape::{BLOCK, Shape, blocks};

/// Channels of memory. Offsets count quads: four lanes of one pixel.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    pub(super) page: Page,
    pub(super) base: u32,
    /// From one block of images to the next.
    pub(super) block: u32,
    pub(super) shape: Shape,
}

/// A view read through the affine map of a normalisation, then ReLU.
#[derive(Clone, Copy, Debug)]
pub(super) struct Read {
    pub(super) view: View,
    /// Word offset of the normalisation's records.
    pub(super) record: Option<u32>,
    pub(super) relu: bool,
}

/// A gradient as it is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct GradientRead {
    pub(super) view: View,
    pub(super) raw: View,
    pub(super) record: Option<u32>,
    /// Word offset of the edge's drop-path scales.
    pub(super) drop: Option<u32>,
}

/// All that places depend on.
pub(super) struct Places<'a> {
    pub(super) graph: &'a Graph,
    pub(super) program: &'a Program,
    pub(super) state: &'a StateWords,
    pub(super) arena: &'a Arena,
    pub(super) batch: usize,
    pub(super) half: bool,
}

impl Places<'_> {
    fn place(&self, held: Held) -> Place {
        self.arena.places.get(&held).copied().unwrap_or(Place { page: 0, bytes: 0 })
    }

    pub(super) fn tensor(&self, tensor: Tensor) -> View {
        let storage = self.program.storages[tensor.storage.0].shape;
        let whole = self.workspace(Held::Storage(tensor.storage), storage);
        let base = whole.base + (tensor.channel * storage.pixels() * 4) as u32;
        View { base, shape: tensor.shape, ..whole }
    }

    /// Lane-typed memory of `shape` an image.
    pub(super) fn workspace(&self, held: Held, shape: Shape) -> View {
        let place = self.place(held);
        let unit = if self.half { 8 } else { 16 };
        let block = (shape.elements() * 4) as u32;
        View { page: Page::Lanes(place.page), base: (place.bytes / unit) as u32, block, shape }
    }

    /// Tap numbers, four lanes a word.
    pub(super) fn taps(&self, storage: StorageId, shape: Shape) -> View {
        let place = self.place(Held::Storage(storage));
        let block = (shape.elements() * 4) as u32;
        View { page: Page::Words(place.page), base: (place.bytes / 4) as u32, block, shape }
    }

    /// Page and word offset of partial sums.
    pub(super) fn partials(&self, held: Held) -> (Page, u32) {
        let place = self.place(held);
        (Page::Words(place.page), (place.bytes / 4) as u32)
    }

    /// Word offset of the records of `norm`, from the channel on that `tensor` begins with.
    pub(super) fn record(&self, norm: NormId, tensor: Tensor) -> u32 {
        let norm = &self.graph.norms[norm.0];
        let channel = norm.offset + tensor.channel - norm.raw.channel;
        (self.state.norms + NORM_RECORD * channel) as u32
    }

    pub(super) fn drop(&self, drop: DropId) -> u32 {
        (self.state.drops + drop.0 * blocks(self.batch) * BLOCK) as u32
    }

    pub(super) fn input(&self, input: Input) -> Read {
        Read {
            view: self.tensor(input.tensor),
            record: input.norm.map(|norm| self.record(norm, input.tensor)),
            relu: input.relu,
        }
    }

    pub(super) fn gradient(&self, gradient: Gradient) -> GradientRead {
        let view = self.tensor(gradient.tensor);
        let record = gradient.norm.map(|norm| self.record(norm, gradient.raw));
        let raw = if record.is_some() { self.tensor(gradient.raw) } else { view };
        GradientRead { view, raw, record, drop: gradient.scale.map(|drop| self.drop(drop)) }
    }
}

/// What a launch is put together from.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) constants: Vec<(&'static str, Const)>,
    pub(super) fields: Vec<(&'static str, u32)>,
    pub(super) slots: Vec<(&'static str, SlotKind, Page)>,
}

impl Parts {
    pub(super) fn constant(mut self, name: &'static str, value: usize) -> Self {
        self.constants.push((name, Const::Uint(value)));
        self
    }

    pub(super) fn flag(mut self, name: &'static str, value: bool) -> Self {
        self.constants.push((name, Const::Bool(value)));
        self
    }

    pub(super) fn float(mut self, name: &'static str, value: f32) -> Self {
        self.constants.push((name, Const::Float(value)));
        self
    }

    pub(super) fn list(mut self, name: &'static str, values: Vec<usize>) -> Self {
        self.constants.push((name, Const::Uints(values)));
        self
    }

    pub(super) fn field(mut self, name: &'static str, value: usize) -> Self {
        self.fields.push((name, value as u32));
        self
    }

    pub(super) fn words(mut self, name: &'static str, page: Page) -> Self {
        self.slots.push((name, SlotKind::Words, page));
        self
    }

    /// A view in slot `name`, with job words `name` and `block`.
    pub(super) fn view(mut self, name: &'static str, block: &'static str, view: View) -> Self {
        self.slots.push((name, SlotKind::Lanes, view.page));
        self.fields.extend([(name, view.base), (block, view.block)]);
        self
    }

    /// What `input.wgsl` needs, of slot x.
    pub(super) fn read(mut self, read: Read) -> Self {
        self.fields.push(("record", read.record.unwrap_or(0)));
        self.view("x", "x_block", read.view).flag("NORM", read.record.is_some()).flag("RELU", read.relu)
    }

    /// What `gradient.wgsl` needs, of slots g and raw.
    pub(super) fn gradient(mut self, gradient: GradientRead) -> Self {
        self.fields.push(("drop", gradient.drop.unwrap_or(0)));
        self.fields.push(("gradient_record", gradient.record.unwrap_or(0)));
        self.view("g", "g_block", gradient.view)
            .view("raw", "raw_block", gradient.raw)
            .flag("SCALED", gradient.drop.is_some())
            .flag("GRADIENT_NORM", gradient.record.is_some())
    }

    /// Height, width and pixels of x or y.
    pub(super) fn shape(self, names: [&'static str; 3], shape: Shape) -> Self {
        self.field(names[0], shape.height).field(names[1], shape.width).field(names[2], shape.pixels())
    }
}

pub(super) const X_SHAPE: [&str; 3] = ["x_height", "x_width", "x_pixels"];
pub(super) const Y_SHAPE: [&str; 3] = ["y_height", "y_width", "y_pixels"];
