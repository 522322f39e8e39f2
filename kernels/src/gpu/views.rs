//! Tensors as kernels see them: a page, an offset and a stride from block to block, and the constants and job words that go
//! with reading one.

use super::format::{NORM_RECORD, SlotKind};
use super::memory::{Address, Allocation, Arena, StateWords};
use super::record::Page;
use super::source::{Choice, Const};
use crate::program::{
    Channels, Content, DropId, Gradient, Guard, Input, Mixed, Mode, NormId, Sink, Storage, StorageId, Tables,
    Tensor, WorkspaceId,
};
use crate::shape::{BLOCK, Shape, blocks};

/// Channels of memory. Offsets count quads: four lanes of one pixel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    pub(crate) page: Page,
    pub(crate) base: u32,
    /// From one block of images to the next.
    pub(crate) block: u32,
    pub(crate) shape: Shape,
}

/// A view read through the affine map of a normalisation, then ReLU.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Read {
    pub(crate) view: View,
    /// Word offset of the normalisation's records.
    pub(crate) record: Option<u32>,
    pub(crate) relu: bool,
}

/// A gradient as it is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GradientRead {
    pub(crate) view: View,
    pub(crate) raw: View,
    pub(crate) record: Option<u32>,
    /// Word offset of the edge's drop-path scales.
    pub(crate) drop: Option<u32>,
}

/// Where a gradient goes: the gradient and its sum, of which the last that adds to it makes the gradient with 16 bits.
/// With 32 both are the same, and all is a sum.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SinkViews {
    to: View,
    sum: View,
    accumulate: bool,
    whole: Channels,
    half_precision: bool,
}

/// A weight of a mixture: the word that holds it, and the first of the words of its term's partial sums.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WeightWords {
    pub(crate) weight: usize,
    pub(crate) partials: usize,
}

/// Where what calls name lies: all that this depends on.
pub(crate) struct Places<'a> {
    pub(crate) tables: &'a Tables,
    pub(crate) storages: &'a [Storage],
    pub(crate) mode: Mode,
    pub(crate) state: &'a StateWords,
    pub(crate) arena: &'a Arena,
    pub(crate) batch: usize,
    pub(crate) half_precision: bool,
}

impl Places<'_> {
    fn address(&self, allocation: Allocation) -> Address {
        self.arena.addresses.get(&allocation).copied().unwrap_or(Address { page: 0, bytes: 0 })
    }

    pub(crate) fn tensor(&self, tensor: Tensor) -> View {
        let Storage { shape: storage, content, .. } = self.storages[tensor.storage.0];
        let whole = self.lanes(Allocation::Storage(tensor.storage), storage, content);
        let base = whole.base + (tensor.channel * storage.pixels() * 4) as u32;
        View { base, shape: tensor.shape, ..whole }
    }

    /// A workspace that holds quads of lanes, of `shape` an image.
    pub(crate) fn workspace(&self, workspace: WorkspaceId, shape: Shape) -> View {
        self.lanes(Allocation::Workspace(workspace), shape, Content::Activation)
    }

    /// A workspace that holds sums, of `shape` an image.
    pub(crate) fn sums(&self, workspace: WorkspaceId, shape: Shape) -> View {
        self.lanes(Allocation::Workspace(workspace), shape, Content::Sum)
    }

    pub(crate) fn sink(&self, Sink { tensor, sum, accumulate, whole }: Sink) -> SinkViews {
        SinkViews {
            to: self.tensor(tensor),
            sum: self.tensor(sum),
            accumulate,
            whole,
            half_precision: self.half_precision,
        }
    }

    /// A sink that only one launch gives to.
    pub(crate) fn own_sink(&self, to: View) -> SinkViews {
        let whole = Channels { first: 0, count: to.shape.channels };
        SinkViews { to, sum: to, accumulate: false, whole, half_precision: self.half_precision }
    }

    /// A workspace that holds quads of lanes, which no image has a part of.
    pub(crate) fn quads(&self, workspace: WorkspaceId) -> View {
        self.workspace(workspace, Shape { channels: 0, height: 0, width: 0 })
    }

    /// Page and word offset of a workspace that holds words.
    pub(crate) fn words(&self, workspace: WorkspaceId) -> (Page, u32) {
        let address = self.address(Allocation::Workspace(workspace));
        (Page::Words(address.page), (address.bytes / 4) as u32)
    }

    fn lanes(&self, allocation: Allocation, shape: Shape, content: Content) -> View {
        let address = self.address(allocation);
        let unit = 4 * content.bytes(self.half_precision);
        let block = (shape.elements() * 4) as u32;
        View { page: Page::Lanes(address.page), base: (address.bytes / unit) as u32, block, shape }
    }

    /// Small numbers, four lanes a word.
    pub(crate) fn bytes(&self, storage: StorageId, shape: Shape) -> View {
        let address = self.address(Allocation::Storage(storage));
        let block = (shape.elements() * 4) as u32;
        View { page: Page::Words(address.page), base: (address.bytes / 4) as u32, block, shape }
    }

    /// Word offset of the records of `norm`, from the channel on that `tensor` begins with.
    pub(crate) fn record(&self, norm: NormId, tensor: Tensor) -> u32 {
        (self.state.norms + NORM_RECORD * self.tables.norms[norm.0].channel(tensor)) as u32
    }

    pub(crate) fn drop(&self, drop: DropId) -> u32 {
        (self.state.drops + drop.0 * blocks(self.batch) * BLOCK) as u32
    }

    /// Where a weight of a mixture lies, and partial sums of its gradient.
    pub(crate) fn weight(&self, mixed: Option<Mixed>) -> Option<WeightWords> {
        let Mixed { mixture, choice, term, .. } = mixed?;
        let words = &self.state.mixtures[mixture.0];
        Some(WeightWords { weight: words.weights + choice, partials: words.partials + words.firsts[term] })
    }

    /// The word that holds the weight that a guard asks for.
    pub(crate) fn guard(&self, guard: Guard) -> usize {
        self.state.mixtures[guard.mixture.0].weights + guard.choice
    }

    pub(crate) fn input(&self, input: Input) -> Read {
        Read {
            view: self.tensor(input.tensor),
            record: input.norm.map(|norm| self.record(norm, input.tensor)),
            relu: input.relu,
        }
    }

    pub(crate) fn gradient(&self, gradient: Gradient) -> GradientRead {
        let view = self.tensor(gradient.tensor);
        let record = gradient.norm.map(|norm| self.record(norm, gradient.raw));
        let raw = if record.is_some() { self.tensor(gradient.raw) } else { view };
        GradientRead { view, raw, record, drop: gradient.scale.map(|drop| self.drop(drop)) }
    }
}

/// The arguments of a launch: constants of its shader, words of its record, and what lies in its slots.
#[derive(Default)]
pub(crate) struct Arguments {
    pub(crate) constants: Vec<(&'static str, Const)>,
    pub(crate) choices: Vec<(&'static str, Choice)>,
    pub(crate) fields: Vec<(&'static str, u32)>,
    pub(crate) slots: Vec<(&'static str, SlotKind, Page)>,
}

impl Arguments {
    pub(crate) fn constant(mut self, name: &'static str, value: usize) -> Self {
        self.constants.push((name, Const::Uint(value)));
        self
    }

    pub(crate) fn flag(mut self, name: &'static str, value: bool) -> Self {
        self.constants.push((name, Const::Bool(value)));
        self
    }

    /// A choice between a few instructions, which no memory in registers depends on: a constant on a processor, and on a GPU a
    /// word of the job's record, so that jobs that differ in it share a dispatch.
    pub(crate) fn choice(mut self, name: &'static str, value: bool) -> Self {
        self.choices.push((name, Choice::Bool(value)));
        self
    }

    /// The same with a number.
    pub(crate) fn numbered_choice(mut self, name: &'static str, value: usize) -> Self {
        self.choices.push((name, Choice::Uint(value as u32)));
        self
    }

    pub(crate) fn float(mut self, name: &'static str, value: f32) -> Self {
        self.constants.push((name, Const::Float(value)));
        self
    }

    pub(crate) fn list(mut self, name: &'static str, values: Vec<usize>) -> Self {
        self.constants.push((name, Const::Uints(values)));
        self
    }

    pub(crate) fn field(mut self, name: &'static str, value: usize) -> Self {
        self.fields.push((name, value as u32));
        self
    }

    pub(crate) fn words(mut self, name: &'static str, page: Page) -> Self {
        self.slots.push((name, SlotKind::Words, page));
        self
    }

    /// A view in slot `name`, with job words `name` and `block`.
    pub(crate) fn view(mut self, name: &'static str, block: &'static str, view: View) -> Self {
        self.slots.push((name, SlotKind::Lanes, view.page));
        self.fields.extend([(name, view.base), (block, view.block)]);
        self
    }

    /// What `sink.wgsl` needs, of slots sink and sum.
    pub(crate) fn sink(self, sink: SinkViews) -> Self {
        let SinkViews { to, sum, accumulate, whole: Channels { first, count }, half_precision } = sink;
        let arguments = self.view("sink", "sink_block", to).sums("sum", sum).choice("ACCUMULATE", accumulate);
        arguments.rounded(half_precision, count > 0).field("whole_first", first).field("whole_count", count)
    }

    /// A view of sums in slot `name`, with job word `name`.
    pub(crate) fn sums(mut self, name: &'static str, view: View) -> Self {
        self.slots.push((name, SlotKind::Sums, view.page));
        self.fields.push((name, view.base));
        self
    }

    /// Whether what is found goes where it is rounded, and not to a sum; with 32 bits nothing is.
    pub(crate) fn rounded(self, half_precision: bool, is_rounded: bool) -> Self {
        if half_precision { self.choice("ROUNDED", is_rounded) } else { self.flag("ROUNDED", false) }
    }

    /// What `input.wgsl` needs, of slot x.
    pub(crate) fn read(mut self, read: Read) -> Self {
        self.fields.push(("record", read.record.unwrap_or(0)));
        self.view("x", "x_block", read.view).choice("NORM", read.record.is_some()).choice("RELU", read.relu)
    }

    /// What `gradient.wgsl` needs, of slots g and raw.
    pub(crate) fn gradient(mut self, gradient: GradientRead) -> Self {
        self.fields.push(("drop", gradient.drop.unwrap_or(0)));
        self.fields.push(("gradient_record", gradient.record.unwrap_or(0)));
        self.view("g", "g_block", gradient.view)
            .view("raw", "raw_block", gradient.raw)
            .choice("SCALED", gradient.drop.is_some())
            .flag("GRADIENT_NORM", gradient.record.is_some())
    }

    /// What kernels need that multiply by a weight of a mixture, and give its gradient.
    pub(crate) fn weight(self, words: Option<WeightWords>) -> Self {
        self.choice("MIXED", words.is_some())
            .field("weight", words.map_or(0, |words| words.weight))
            .field("weight_partials", words.map_or(0, |words| words.partials))
    }

    /// Height, width and pixels of x or y.
    pub(crate) fn shape(self, names: [&'static str; 3], shape: Shape) -> Self {
        self.field(names[0], shape.height).field(names[1], shape.width).field(names[2], shape.pixels())
    }
}

pub(crate) const X_SHAPE: [&str; 3] = ["x_height", "x_width", "x_pixels"];
pub(crate) const Y_SHAPE: [&str; 3] = ["y_height", "y_width", "y_pixels"];
