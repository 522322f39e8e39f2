//! Sums of nodes, the gradients of their edges, and averages over windows, on one block of images.

use super::context::{Context, Reading};
use super::simd::{Element, Vector};
use crate::graph::Tensor;
use crate::ops::{NodeSum, WindowAverage};
use crate::program::{Gradient, Sink};
use crate::shape::BLOCK;

/// Edges that are summed in registers; a node of the cell space has at most five.
const EDGES: usize = 8;

/// Sum of a node's edges.
///
/// # Safety
/// The edges' blocks must be written, and no other thread touch the output's block.
#[inline(always)]
pub(crate) unsafe fn node_sum<V: Vector, E: Element>(cx: &Context<'_>, op: &NodeSum, block: usize) {
    let pixels = op.output.shape.pixels();
    let to: *mut E = cx.memory.tensor(op.output, block);
    // SAFETY: the caller's promise.
    unsafe {
        let lanes = cx.lanes::<V>(block);
        for channel in 0..op.output.shape.channels {
            let to = to.add(channel * pixels * BLOCK);
            // Edges are summed in registers, a group at a time.
            for (group, edges) in op.edges.chunks(EDGES).enumerate() {
                let mut terms = [None; EDGES];
                for (term, &(input, drop)) in terms.iter_mut().zip(edges) {
                    let from: *const E = cx.memory.tensor(input.tensor, block);
                    let first = cx.memory.input_channel(input);
                    let reading = Reading::<V>::new(cx.norms, first, channel, input.relu);
                    *term = Some((from.add(channel * pixels * BLOCK), reading, cx.scale(drop, block)));
                }
                for part in 0..V::PER_BLOCK {
                    let lane = part * V::LANES;
                    for pixel in 0..pixels {
                        let at = pixel * BLOCK + lane;
                        let mut sum = if group > 0 { E::load::<V>(to.add(at)) } else { V::splat(0.0) };
                        for (from, reading, scale) in terms[..edges.len()].iter().flatten() {
                            let scale = V::load(scale.as_ptr().add(lane));
                            sum = sum.add(reading.apply(E::load::<V>(from.add(at))).mul(scale));
                        }
                        E::store(lanes.keep(part, sum), to.add(at));
                    }
                }
            }
            if op.edges.is_empty() {
                for v in 0..pixels * V::PER_BLOCK {
                    E::store(V::splat(0.0), to.add(v * V::LANES));
                }
            }
        }
    }
}

/// A gradient, times its scale and through its normalisation: `sink (+)= gradient`.
///
/// # Safety
/// The gradient's block (and the coefficients of its normalisation) must be there, and no other thread touch the sink's block.
#[inline(always)]
pub(crate) unsafe fn edge_backward<V: Vector, E: Element>(
    cx: &Context<'_>,
    gradient: &Gradient,
    sink: Sink,
    block: usize,
) {
    let pixels = gradient.raw.shape.pixels();
    let from: *const E = cx.memory.tensor(gradient.tensor, block);
    let raw: *const E = cx.memory.tensor(gradient.raw, block);
    let to: *mut E = cx.memory.tensor(sink.tensor, block);
    // SAFETY: the caller's promise.
    unsafe {
        let scale = cx.scale(gradient.scale, block);
        let lanes = cx.lanes::<V>(block);
        for channel in 0..gradient.raw.shape.channels {
            let map = cx.gradient_map(gradient, channel);
            for part in 0..V::PER_BLOCK {
                let scale = V::load(scale.as_ptr().add(part * V::LANES));
                for pixel in channel * pixels..(channel + 1) * pixels {
                    let at = pixel * BLOCK + part * V::LANES;
                    let mut value = E::load::<V>(from.add(at)).mul(scale);
                    if let Some([a, b, c]) = map {
                        let through = V::splat(b).mul_add(E::load::<V>(raw.add(at)), V::splat(c));
                        value = V::splat(a).mul_add(value, through);
                    }
                    value = lanes.keep(part, value);
                    if sink.accumulate {
                        value = value.add(E::load::<V>(to.add(at)));
                    }
                    E::store(value, to.add(at));
                }
            }
        }
    }
}

/// Averages over windows.
///
/// # Safety
/// The input's block must be written, and no other thread touch the output's block.
#[inline(always)]
pub(crate) unsafe fn window_average<V: Vector, E: Element>(
    cx: &Context<'_>,
    op: &WindowAverage,
    block: usize,
) {
    let shape = op.input.tensor.shape;
    let from: *const E = cx.memory.tensor(op.input.tensor, block);
    let mut to: *mut E = cx.memory.tensor(op.output, block);
    let first = cx.memory.input_channel(op.input);
    // SAFETY: the caller's promise; windows lie inside the image.
    unsafe {
        for channel in 0..shape.channels {
            let reading = Reading::<V>::new(cx.norms, first, channel, op.input.relu);
            let from = from.add(channel * shape.pixels() * BLOCK);
            for rows in &op.rows {
                for columns in &op.columns {
                    let share = V::splat(1.0 / (rows.length * columns.length) as f32);
                    for part in 0..V::PER_BLOCK {
                        let mut sum = V::splat(0.0);
                        for y in rows.start..rows.start + rows.length {
                            for x in columns.start..columns.start + columns.length {
                                let at = (y * shape.width + x) * BLOCK + part * V::LANES;
                                sum = sum.add(reading.apply(E::load::<V>(from.add(at))));
                            }
                        }
                        E::store(sum.mul(share), to.add(part * V::LANES));
                    }
                    to = to.add(BLOCK);
                }
            }
        }
    }
}

/// Gradient of the input of averages over windows, through the ReLU's gate.
///
/// # Safety
/// The gradient's and the input's blocks must be written, and no other thread touch the sink's block.
#[inline(always)]
pub(crate) unsafe fn window_average_backward<V: Vector, E: Element>(
    cx: &Context<'_>,
    op: &WindowAverage,
    gradient: Tensor,
    sink: Sink,
    block: usize,
) {
    let shape = op.input.tensor.shape;
    let from: *const E = cx.memory.tensor(gradient, block);
    let input: *const E = cx.memory.tensor(op.input.tensor, block);
    let to: *mut E = cx.memory.tensor(sink.tensor, block);
    let first = cx.memory.input_channel(op.input);
    let windows = op.rows.len() * op.columns.len();
    // SAFETY: the caller's promise.
    unsafe {
        let zero = V::splat(0.0);
        for channel in 0..shape.channels {
            let reading = Reading::<V>::new(cx.norms, first, channel, op.input.relu);
            let from = from.add(channel * windows * BLOCK);
            for y in 0..shape.height {
                for x in 0..shape.width {
                    let at = (channel * shape.pixels() + y * shape.width + x) * BLOCK;
                    for part in 0..V::PER_BLOCK {
                        let lane = part * V::LANES;
                        let mut value = zero;
                        for (i, rows) in op.rows.iter().enumerate() {
                            for (j, columns) in op.columns.iter().enumerate() {
                                let covers = (rows.start..rows.start + rows.length).contains(&y)
                                    && (columns.start..columns.start + columns.length).contains(&x);
                                if covers {
                                    let share = V::splat(1.0 / (rows.length * columns.length) as f32);
                                    let window = i * op.columns.len() + j;
                                    let g = E::load::<V>(from.add(window * BLOCK + lane));
                                    value = share.mul_add(g, value);
                                }
                            }
                        }
                        if op.input.relu {
                            let seen = reading.apply(E::load::<V>(input.add(at + lane)));
                            value = seen.select_greater(zero, value, zero);
                        }
                        if sink.accumulate {
                            value = value.add(E::load::<V>(to.add(at + lane)));
                        }
                        E::store(value, to.add(at + lane));
                    }
                }
            }
        }
    }
}
