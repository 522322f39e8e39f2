//! Pooling on one block of images.

use super::{Backward, Forward, KERNEL_MAX, Pool, PoolKind, PoolSpec};
use crate::cpu::{
    BlockSink, ChannelSink, Context, Element, Kernel, Memory, Piece, Reading, Rows, Side, Simd, Sizes, Unit,
    Windows, output_gradients, pad_rows, zero_margins,
};
use crate::ops::batch_norm::moments;
use crate::program::{Gradient, Mode, Sink};
use crate::shape::BLOCK;

/// Most taps of a window.
const TAPS_MAX: usize = KERNEL_MAX * KERNEL_MAX;

fn windows(op: &Pool) -> Windows {
    let PoolSpec { kernel, stride, padding, .. } = op.spec;
    let (input, output) = (op.input.tensor.shape, op.output.shape);
    Windows {
        input,
        output,
        kernel: [kernel; 2],
        stride,
        dilation: 1,
        origin: [padding as isize; 2],
        depthwise: false,
    }
}

/// Elements of scratch memory that a pooling needs.
fn scratch_floats(op: &Pool) -> usize {
    let w = windows(op);
    let forward = w.row_floats() * w.padded_rows(w.output.height);
    let backward = (w.output.channels + 1) * PaddedGradients::of(&w).plane;
    forward.max(backward)
}

impl Kernel for Forward {
    fn scratch_floats(&self, _: &Sizes<'_>) -> usize {
        scratch_floats(&self.op)
    }

    #[inline(always)]
    unsafe fn run<V: Simd, E: Element>(&self, cx: &Context<'_>, unit: Unit<'_>, scratch: *mut f32) {
        if let Unit::Block(block) = unit {
            // SAFETY: the caller's promise.
            unsafe { forward::<V, E>(cx, &self.op, block.number, scratch) }
        }
    }
}

impl Kernel for Backward {
    fn scratch_floats(&self, _: &Sizes<'_>) -> usize {
        scratch_floats(&self.op)
    }

    fn first_reads(&self, memory: &Memory) -> Vec<Piece> {
        Piece::of_backward(memory, &self.gradient, self.sink)
    }

    #[inline(always)]
    unsafe fn run<V: Simd, E: Element>(&self, cx: &Context<'_>, unit: Unit<'_>, scratch: *mut f32) {
        if let Unit::Block(block) = unit {
            // SAFETY: the caller's promise.
            unsafe { backward::<V, E>(cx, &self.op, &self.gradient, self.sink, block.number, scratch) }
        }
    }
}

/// How the gradients of one channel's outputs lie in scratch memory, with zeros around them; those of all channels lie one
/// after the other, then numbers of their taps.
struct PaddedGradients {
    /// Rows of zeros above and below, and positions left and right: as far as the windows of an input pixel lie from its place.
    margins: [usize; 2],
    /// Elements from one row to the next.
    row: usize,
    /// Elements of a channel.
    plane: usize,
    /// Element of the first output.
    first: usize,
}

impl PaddedGradients {
    fn of(w: &Windows) -> Self {
        let margins = w.sides().map(|side| {
            let origin = side.origin.unsigned_abs();
            let before = (side.kernel - 1).saturating_sub(origin).div_ceil(side.stride);
            let last = (side.input - 1 + origin) / side.stride;
            before.max((last + 1).saturating_sub(side.output))
        });
        let row = (w.output.width + margins[1]) * BLOCK;
        let plane = (w.output.height + 2 * margins[0]) * row + margins[1] * BLOCK;
        Self { margins, row, plane, first: margins[0] * row + margins[1] * BLOCK }
    }
}

/// Pixels of a window that lie inside the image, along one side.
#[inline(always)]
fn inside(side: &Side, output: usize) -> std::ops::Range<usize> {
    let first = (output * side.stride) as isize - side.origin;
    let begin = (-first).max(0) as usize;
    let end = (side.input as isize - first).clamp(0, side.kernel as isize) as usize;
    begin..end.max(begin)
}

/// Forward: the pooled values, the tap numbers of a maximum, and the moments when a normalisation follows in
/// training.
///
/// # Safety
/// The block's input must be written, `scratch` have `scratch_floats(op)` elements, and no other thread touch
/// the output.
#[inline(always)]
unsafe fn forward<V: Simd, E: Element>(cx: &Context<'_>, op: &Pool, block: usize, scratch: *mut f32) {
    let w = windows(op);
    let (rows, width) = (w.output.height, w.output.width);
    let from: *const E = cx.memory.tensor(op.input.tensor, block);
    let to: *mut E = cx.memory.tensor(op.output, block);
    let kind = op.spec.kind;
    let fill = if kind == PoolKind::Max { f32::NEG_INFINITY } else { 0.0 };
    let mut taps = [0; TAPS_MAX];
    let taps = &mut taps[..w.taps()];
    let [down, across] = w.sides();
    for (k, tap) in taps.iter_mut().enumerate() {
        *tap = k / across.kernel * w.row_floats() + w.tap_column(k % across.kernel);
    }
    let numbers = match (op.taps, cx.mode) {
        (Some(storage), Mode::Train) => Some(cx.memory.bytes(storage, block)),
        _ => None,
    };
    // SAFETY: the caller's promise; padded rows hold every tap of every output.
    unsafe {
        for channel in 0..op.input.tensor.shape.channels {
            let reading = cx.reading::<V>(op.input, channel);
            let from = from.add(channel * w.input.pixels() * BLOCK);
            let outside = (channel == 0).then_some(fill);
            pad_rows::<V, E>(&w, from, reading, outside, w.first_row(0), w.padded_rows(rows), scratch);
            for y in 0..rows {
                let from = scratch.add(y * w.stride * w.row_floats()).cast_const();
                let inside_y = inside(&down, y).len();
                let mut x = 0;
                while x < width {
                    let at = ((channel * rows + y) * width + x) * BLOCK;
                    let (from, to) = (from.add(x * BLOCK), to.add(at));
                    let numbers = numbers.map(|numbers| numbers.add(at));
                    let counts = |j: usize| inside_y * inside(&across, x + j).len();
                    // Most have nine taps: a loop of its own for them.
                    match (x + 4 <= width, taps.first_chunk::<9>().filter(|_| w.kernel == [3, 3])) {
                        (true, Some(nine)) => pool_tile::<V, E, 4>(kind, nine, from, to, numbers, counts),
                        (true, None) => pool_tile::<V, E, 4>(kind, taps, from, to, numbers, counts),
                        (false, _) => pool_tile::<V, E, 1>(kind, taps, from, to, numbers, counts),
                    }
                    x += if x + 4 <= width { 4 } else { 1 };
                }
            }
        }
        if let (Some(norm), Mode::Train) = (op.norm, cx.mode) {
            moments::<V, E>(cx, norm, op.output, block);
        }
    }
}

/// `J` output pixels side by side: `counts` says how many pixels each averages.
///
/// # Safety
/// `from` must hold every tap of the outputs, `to` and `numbers` have room for them.
#[inline(always)]
unsafe fn pool_tile<V: Simd, E: Element, const J: usize>(
    kind: PoolKind,
    taps: &[usize],
    from: *const f32,
    to: *mut E,
    numbers: Option<*mut u8>,
    counts: impl Fn(usize) -> usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        for lane in (0..BLOCK).step_by(V::LANES) {
            let tap = |k: usize, j: usize| V::load(from.add(taps[k] + j * BLOCK + lane));
            let mut values = [V::splat(0.0); J];
            for (j, value) in values.iter_mut().enumerate() {
                *value = tap(0, j);
            }
            match kind {
                PoolKind::Max => {
                    let mut best = [V::splat(0.0); J];
                    for k in 1..taps.len() {
                        for (j, (value, best)) in values.iter_mut().zip(&mut best).enumerate() {
                            let other = tap(k, j);
                            *best = other.select_greater(*value, V::splat(k as f32), *best);
                            *value = other.max(*value);
                        }
                    }
                    if let Some(numbers) = numbers {
                        for (j, best) in best.iter().enumerate() {
                            best.store_bytes(numbers.add(j * BLOCK + lane));
                        }
                    }
                }
                PoolKind::Average => {
                    for k in 1..taps.len() {
                        for (j, value) in values.iter_mut().enumerate() {
                            *value = value.add(tap(k, j));
                        }
                    }
                    for (j, value) in values.iter_mut().enumerate() {
                        *value = value.mul(V::splat(1.0 / counts(j) as f32));
                    }
                }
            }
            for (j, &value) in values.iter().enumerate() {
                E::store(value, to.add(j * BLOCK + lane));
            }
        }
    }
}

/// Backward to the input: every input pixel gathers from the windows over it.
///
/// # Safety
/// As [`forward`], and the gradient must be written and no other thread touch the sink's block.
#[inline(always)]
unsafe fn backward<V: Simd, E: Element>(
    cx: &Context<'_>,
    op: &Pool,
    gradient: &Gradient,
    sink: Sink,
    block: usize,
    scratch: *mut f32,
) {
    let w = windows(op);
    let (rows, width) = (w.output.height, w.output.width);
    let g = PaddedGradients::of(&w);
    let to = BlockSink::<E>::new(cx.memory, &sink, block);
    let input: *const E = cx.memory.tensor(op.input.tensor, block);
    // SAFETY: the caller's promise; windows reach as far over the border as margins do.
    unsafe {
        for y in 0..rows {
            let at = scratch.add(g.first + y * g.row);
            output_gradients::<V, E>(cx, gradient, block, y * width, width, Rows { at, row: g.plane });
        }
        for channel in 0..w.input.channels {
            let gradients = scratch.add(channel * g.plane);
            let numbers = scratch.add(w.input.channels * g.plane);
            zero_margins(gradients, width * BLOCK, rows, g.margins, g.row);
            if let Some(storage) = op.taps {
                let from = cx.memory.bytes(storage, block).add(channel * rows * width * BLOCK);
                for y in 0..rows {
                    let to = numbers.add(g.first + y * g.row);
                    for at in (0..width * BLOCK).step_by(V::LANES) {
                        V::load_bytes(from.add(y * width * BLOCK + at)).store(to.add(at));
                    }
                }
            } else {
                divide::<V>(&w, &g, gradients);
            }
            let gate = op.input.relu.then(|| (input, cx.reading::<V>(op.input, channel)));
            let all = To { sink: to.channel(channel), gate, stride: w.stride };
            for residue in 0..w.stride * w.stride {
                let (first_y, first_x) = (residue / w.stride, residue % w.stride);
                let windows = WindowsOver::new(&w, &g, first_y, first_x);
                for (i, y) in (first_y..w.input.height).step_by(w.stride).enumerate() {
                    let to = all.on((channel * w.input.pixels() + y * w.input.width + first_x) * BLOCK);
                    let count = (w.input.width - first_x.min(w.input.width)).div_ceil(w.stride);
                    let mut x = 0;
                    while x < count {
                        let at = g.first + i * g.row + x * BLOCK;
                        let (gradients, numbers) = (gradients.add(at), op.taps.map(|_| numbers.add(at)));
                        let to = to.on(x * w.stride * BLOCK);
                        if x + 4 <= count {
                            gather::<V, E, 4>(&windows, gradients, numbers, to);
                            x += 4;
                        } else {
                            gather::<V, E, 1>(&windows, gradients, numbers, to);
                            x += 1;
                        }
                    }
                }
            }
        }
    }
}

/// The windows over input pixels (`first_y` + i·stride, `first_x` + j·stride): where their gradients lie from that of output
/// (i, j), and which of their taps the pixel is.
struct WindowsOver {
    offsets: [isize; TAPS_MAX],
    numbers: [f32; TAPS_MAX],
    count: usize,
}

impl WindowsOver {
    #[inline(always)]
    fn new(w: &Windows, g: &PaddedGradients, first_y: usize, first_x: usize) -> Self {
        let mut all = Self { offsets: [0; TAPS_MAX], numbers: [0.0; TAPS_MAX], count: 0 };
        let stride = w.stride as isize;
        // By rows and columns of outputs.
        let [down, across] = w.sides();
        for tap in (0..w.taps()).rev() {
            let y = first_y as isize + down.origin - (tap / across.kernel) as isize;
            let x = first_x as isize + across.origin - (tap % across.kernel) as isize;
            if y.rem_euclid(stride) == 0 && x.rem_euclid(stride) == 0 {
                let (y, x) = (y.div_euclid(stride), x.div_euclid(stride));
                all.offsets[all.count] = y * g.row as isize + x * BLOCK as isize;
                all.numbers[all.count] = tap as f32;
                all.count += 1;
            }
        }
        all
    }
}

/// Where the gradients of input pixels go that lie `stride` apart: through the gate of a ReLU, which is what was read.
#[derive(Clone, Copy)]
struct To<V, E> {
    sink: ChannelSink<E>,
    gate: Option<(*const E, Reading<V>)>,
    stride: usize,
}

impl<V: Simd, E: Element> To<V, E> {
    /// The same so many elements on.
    #[inline(always)]
    fn on(self, elements: usize) -> Self {
        let gate = self.gate.map(|(at, reading)| (at.wrapping_add(elements), reading));
        Self { sink: self.sink.on(elements), gate, ..self }
    }
}

/// Gradients of `J` input pixels.
///
/// # Safety
/// All windows over them must lie in `gradients`, and in `numbers` the taps of maxima.
#[inline(always)]
unsafe fn gather<V: Simd, E: Element, const J: usize>(
    windows: &WindowsOver,
    gradients: *const f32,
    numbers: Option<*mut f32>,
    to: To<V, E>,
) {
    // SAFETY: the caller's promise.
    unsafe {
        for lane in (0..BLOCK).step_by(V::LANES) {
            let mut values = [V::splat(0.0); J];
            for window in 0..windows.count {
                let tap = V::splat(windows.numbers[window]);
                let offset = windows.offsets[window];
                for (j, value) in values.iter_mut().enumerate() {
                    let at = offset + (j * BLOCK + lane) as isize;
                    let mut term = V::load(gradients.offset(at));
                    if let Some(numbers) = numbers {
                        term = V::load(numbers.offset(at)).select_equal(tap, term);
                    }
                    *value = value.add(term);
                }
            }
            for (j, &value) in values.iter().enumerate() {
                let place = j * to.stride * BLOCK + lane;
                let mut value = value;
                if let Some((gate, reading)) = to.gate {
                    let read = reading.apply(E::load::<V>(gate.add(place)));
                    value = read.select_greater(V::splat(0.0), value, V::splat(0.0));
                }
                to.sink.put(place, value);
            }
        }
    }
}

/// Divides the gradients of averages by the number of pixels that each averages.
///
/// # Safety
/// `gradients` must be a channel of the output.
#[inline(always)]
unsafe fn divide<V: Simd>(w: &Windows, g: &PaddedGradients, gradients: *mut f32) {
    let [down, across] = w.sides();
    for y in 0..w.output.height {
        let count_y = inside(&down, y).len();
        for x in 0..w.output.width {
            let share = 1.0 / (count_y * inside(&across, x).len()) as f32;
            for v in 0..V::PER_BLOCK {
                // SAFETY: the caller's promise.
                unsafe {
                    let at = gradients.add(g.first + y * g.row + x * BLOCK + v * V::LANES);
                    V::load(at).mul(V::splat(share)).store(at);
                }
            }
        }
    }
}
