//! Dense convolutions with windows of several pixels, in bands of output rows: a channel's rows are copied once, with
//! zeros around them, and the products read every tap there. Channels that are summed over come in parts that stay in
//! the cache.

mod bands;
mod products;

use std::marker::PhantomData;
use std::ops::Range;

pub(super) use self::bands::Implicit;
use self::bands::{Areas, Residue};
use self::products::{Planes, ProductSizes, TapGradient, TapProduct, TapWeights};
use super::groups::groups;
use super::partials::Partials;
use super::{Convolution, wide, windows};
use crate::cpu::{
    Block, BlockSink, Context, Element, OutputGradients, Prefetch, Prefetcher, Rows, Simd, Work, pad_rows,
};
use crate::ops::batch_norm::moments;
use crate::ops::convolution::Columns;
use crate::program::{Gradient, Mode, Sink};
use crate::shape::BLOCK;

/// Whether a convolution's windows have several pixels, or some outside of the image, and a matrix behind them.
pub(super) fn is_implicit(op: &Convolution) -> bool {
    let dense = matches!(op.columns, Columns::Dense { .. });
    dense && !wide::is_wide(op) && !windows(op).is_single_pixels()
}

/// Ranges of `held` of `all`.
fn parts(all: Range<usize>, held: usize) -> impl Iterator<Item = Range<usize>> {
    all.clone().step_by(held).map(move |first| first..(first + held).min(all.end))
}

/// Forward of a block, with the moments of the output when a normalisation follows in training.
pub(super) struct ForwardBands<'a, E> {
    pub(super) cx: &'a Context<'a>,
    pub(super) op: &'a Convolution,
    pub(super) block: usize,
    pub(super) scratch: *mut f32,
    pub(super) element: PhantomData<E>,
}

impl<V: Simd, E: Element> Work<V> for ForwardBands<'_, E> {
    #[inline(always)]
    unsafe fn run(self) {
        let Self { cx, op, block, scratch, .. } = self;
        // SAFETY: the caller's promise.
        unsafe { forward::<V, E>(cx, op, block, scratch) }
    }
}

/// Backward of a block.
pub(super) struct BackwardBands<'a, E> {
    pub(super) cx: &'a Context<'a>,
    pub(super) op: &'a Convolution,
    pub(super) gradient: &'a Gradient,
    pub(super) sink: Option<&'a Sink>,
    pub(super) block: Block<'a>,
    pub(super) scratch: *mut f32,
    pub(super) element: PhantomData<E>,
}

impl<V: Simd, E: Element> Work<V> for BackwardBands<'_, E> {
    #[inline(always)]
    unsafe fn run(self) {
        let Self { cx, op, gradient, sink, block, scratch, .. } = self;
        // SAFETY: the caller's promise.
        unsafe { backward::<V, E>(cx, op, gradient, sink, block, scratch) }
    }
}

/// # Safety
/// As [`forward`](super::forward).
#[inline(always)]
unsafe fn forward<V: Simd, E: Element>(cx: &Context<'_>, op: &Convolution, block: usize, scratch: *mut f32) {
    let Some(weights) = op.weight.map(|id| cx.weights(id)) else { return };
    let way = Implicit::new(op);
    let areas = way.areas(scratch, way.forward_floats(op));
    let w = &way.windows;
    let (width, plane) = (w.output.width, w.output.pixels() * BLOCK);
    // SAFETY: bands tile the output; the scratch areas have the sizes that `forward_floats` says.
    unsafe {
        let taps = way.taps(areas.taps);
        let input: *const E = cx.memory.tensor(op.input.tensor, block);
        let output: *mut E = cx.memory.tensor(op.output, block);
        for (first, rows) in way.bands() {
            let mut is_first = true;
            for group in groups(op) {
                let channels = group.columns.start / taps.len()..group.columns.end / taps.len();
                for part in parts(channels.clone(), way.inputs_held) {
                    for (slot, channel) in part.clone().enumerate() {
                        let from = input.add(channel * w.input.pixels() * BLOCK);
                        let reading = cx.reading::<V>(op.input, channel);
                        let to = areas.inputs.add(slot * way.plane);
                        let outside = is_first.then_some(0.0);
                        pad_rows::<V, E>(
                            w,
                            from,
                            reading,
                            outside,
                            w.first_row(first),
                            w.padded_rows(rows),
                            to,
                        );
                    }
                    is_first = false;
                    let x = Planes {
                        at: areas.inputs.cast_const(),
                        plane: way.plane,
                        row: w.stride * w.row_floats(),
                    };
                    let first_weight = group.outputs.start * group.columns.len()
                        + (part.start - channels.start) * taps.len();
                    let weights = TapWeights {
                        at: weights.add(first_weight),
                        output: group.columns.len(),
                        channel: taps.len(),
                    };
                    let sizes =
                        ProductSizes { outputs: group.outputs.len(), channels: part.len(), rows, width };
                    let to = output.add(group.outputs.start * plane + first * width * BLOCK);
                    let y = Rows { at: to, row: plane };
                    let sums = Rows { at: areas.sums, row: way.run() };
                    let from = Rows {
                        at: if part.start == channels.start {
                            std::ptr::null()
                        } else {
                            sums.at.cast_const()
                        },
                        row: sums.row,
                    };
                    let (w, prefetch) = (weights, &mut ());
                    if part.end == channels.end {
                        V::outlined(TapProduct { w, taps, sizes, x, sums: from, y, prefetch });
                    } else {
                        V::outlined(TapProduct { w, taps, sizes, x, sums: from, y: sums, prefetch });
                    }
                }
            }
        }
        if let (Some(norm), true) = (op.norm, cx.mode == Mode::Train) {
            moments::<V, E>(cx, norm, op.output, block);
        }
    }
}

/// # Safety
/// As [`backward`](super::backward).
#[inline(always)]
unsafe fn backward<V: Simd, E: Element>(
    cx: &Context<'_>,
    op: &Convolution,
    gradient: &Gradient,
    sink: Option<&Sink>,
    Block { number: block, chunk, first_of_chunk, next }: Block<'_>,
    scratch: *mut f32,
) {
    let Some(weights) = op.weight.map(|id| cx.weights(id)) else { return };
    let way = Implicit::new(op);
    let areas = way.areas(scratch, way.backward_floats(op));
    let partials = Partials::of(op, cx.memory, chunk);
    let mut prefetch = Prefetch::new(cx.memory, block, cx.blocks(), next);
    let w = &way.windows;
    // SAFETY: as in `forward`; the partial sums have as many elements as the weights.
    unsafe {
        if first_of_chunk {
            std::slice::from_raw_parts_mut(partials.weight, partials.floats).fill(0.0);
        }
        let input: *const E = cx.memory.tensor(op.input.tensor, block);
        let gradients = OutputGradients::<V, E>::new(cx, gradient, block);
        for (first, rows) in way.bands() {
            let inputs = way.inputs_of(first, rows);
            let read = way.gradients_of(first, rows, &inputs);
            for channel in 0..w.input.channels {
                let from = input.add(channel * w.input.pixels() * BLOCK);
                let reading = cx.reading::<V>(op.input, channel);
                let to = areas.inputs.add(channel * way.plane);
                pad_rows::<V, E>(w, from, reading, Some(0.0), w.first_row(first), w.padded_rows(rows), to);
            }
            let next = first + rows;
            prefetch.soon([way.gradients(cx.memory, gradient, next), way.inputs(cx.memory, op, sink, next)]);
            for group in groups(op) {
                let columns = group.columns.len();
                let channels = group.columns.start / w.taps()..group.columns.end / w.taps();
                for part in parts(group.outputs.clone(), way.outputs_held) {
                    for (slot, output) in part.clone().enumerate() {
                        let to = areas.gradients.add(slot * way.gradient_plane);
                        pad_gradients(&gradients, &way, output, read.clone(), to);
                    }
                    let d = Planes {
                        at: areas.gradients.cast_const(),
                        plane: way.gradient_plane,
                        row: way.gradient_row(),
                    };
                    if sink.is_some() {
                        let w = TapWeights {
                            at: weights.add(part.start * columns),
                            output: w.taps(),
                            channel: columns,
                        };
                        let begins = part.start == group.outputs.start;
                        let sizes = [channels.len(), part.len()];
                        way.add_back::<V>(&areas, w, sizes, d, &inputs, read.start, begins, &mut prefetch);
                    }
                    let d = Planes {
                        at: d.at.add((first as isize - read.start) as usize * d.row + way.margins[0] * BLOCK),
                        ..d
                    };
                    let at = areas.inputs.add(channels.start * way.plane).cast_const();
                    let x = Planes { at, plane: way.plane, row: w.stride * w.row_floats() };
                    let sizes = ProductSizes {
                        outputs: part.len(),
                        channels: channels.len(),
                        rows,
                        width: w.output.width,
                    };
                    let dw = Rows { at: partials.weight.add(part.start * columns), row: columns };
                    let taps = way.taps(areas.taps);
                    V::outlined(TapGradient { d, x, taps, sizes, dw, prefetch: &mut prefetch });
                }
                if let Some(sink) = sink {
                    way.give::<V, E>(cx, op, &areas, channels, &inputs, block, sink);
                }
            }
        }
    }
}

/// Copies output rows `rows` of an output's gradients, with zeros around them.
#[inline(always)]
unsafe fn pad_gradients<V: Simd, E: Element>(
    gradients: &OutputGradients<'_, V, E>,
    way: &Implicit,
    output: usize,
    rows: Range<isize>,
    to: *mut f32,
) {
    let (width, height) = (way.windows.output.width, way.windows.output.height as isize);
    let [before, behind] = way.margins.map(|pixels| pixels * BLOCK);
    // SAFETY: the caller's rows lie in the scratch area.
    unsafe {
        let zero = |to: *mut f32, floats: usize| std::slice::from_raw_parts_mut(to, floats).fill(0.0);
        for (r, row) in rows.enumerate() {
            let to = to.add(r * way.gradient_row());
            if row < 0 || row >= height {
                zero(to, way.gradient_row());
                continue;
            }
            zero(to, before);
            gradients.read(output, row as usize * width, width, to.add(before));
            zero(to.add(before + width * BLOCK), behind);
        }
    }
}

impl Implicit {
    /// Adds what some outputs give to the sums for input rows `rows`, from zero where it `begins`. The first row of `d`
    /// is output row `first`.
    ///
    /// # Safety
    /// The scratch areas have the sizes that `backward_floats` says, and `w` and `d` so many `[inputs, outputs]`.
    #[inline(always)]
    unsafe fn add_back<V: Simd>(
        &self,
        areas: &Areas,
        w: TapWeights,
        [inputs, outputs]: [usize; 2],
        d: Planes<*const f32>,
        rows: &Range<usize>,
        first: isize,
        begins: bool,
        prefetch: &mut impl Prefetcher,
    ) {
        for Residue { corner, count, width, place } in self.residues(rows) {
            let y = Rows { at: areas.sums.wrapping_add(place), row: self.gradient_run() };
            let at = if begins { std::ptr::null() } else { y.at.cast_const() };
            let sums = Rows { at, row: y.row };
            let sizes = ProductSizes { outputs: inputs, channels: outputs, rows: count, width };
            // SAFETY: margins are as wide as taps reach.
            unsafe {
                let taps = self.taps_back(areas.taps, corner, first);
                V::outlined(TapProduct { w, taps, sizes, x: d, sums, y, prefetch: &mut *prefetch });
            }
        }
    }

    /// Sends these sums through the ReLU's gate to the sink.
    ///
    /// # Safety
    /// They must be there.
    #[inline(always)]
    unsafe fn give<V: Simd, E: Element>(
        &self,
        cx: &Context<'_>,
        op: &Convolution,
        areas: &Areas,
        channels: Range<usize>,
        rows: &Range<usize>,
        block: usize,
        sink: &Sink,
    ) {
        let (image, stride) = (self.windows.input, self.windows.stride);
        let input: *const E = cx.memory.tensor(op.input.tensor, block);
        let to = BlockSink::<E>::new(cx.memory, sink, block);
        // SAFETY: both tensors have the rows' pixels.
        unsafe {
            for (slot, channel) in channels.enumerate() {
                let (reading, to) = (cx.reading::<V>(op.input, channel), to.channel(channel));
                for Residue { corner: [y, x], count, width, place } in self.residues(rows) {
                    let from = areas.sums.add(slot * self.gradient_run() + place);
                    for row in 0..count {
                        let first = (channel * image.height + y + row * stride) * image.width + x;
                        for column in 0..width {
                            let at = (first + column * stride) * BLOCK;
                            for lane in (0..BLOCK).step_by(V::LANES) {
                                let sum = V::load(from.add((row * width + column) * BLOCK + lane));
                                reading.give::<E>(sum, input, to, at + lane);
                            }
                        }
                    }
                }
            }
        }
    }
}
