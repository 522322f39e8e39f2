//! Averages over windows on one block of images.

use super::{Backward, Forward, WindowAverage};
use crate::cpu::{BlockSink, Context, Element, Kernel, Simd, Unit};
use crate::program::{Sink, Tensor};
use crate::shape::BLOCK;

impl Kernel for Forward {
    #[inline(always)]
    unsafe fn run<V: Simd, E: Element>(&self, cx: &Context<'_>, unit: Unit<'_>, _: *mut f32) {
        if let Unit::Block(block) = unit {
            // SAFETY: the caller's promise.
            unsafe { window_average::<V, E>(cx, &self.op, block.number) }
        }
    }
}

impl Kernel for Backward {
    #[inline(always)]
    unsafe fn run<V: Simd, E: Element>(&self, cx: &Context<'_>, unit: Unit<'_>, _: *mut f32) {
        if let Unit::Block(block) = unit {
            // SAFETY: the caller's promise.
            unsafe { window_average_backward::<V, E>(cx, &self.op, self.gradient, self.sink, block.number) }
        }
    }
}

/// Averages over windows.
///
/// # Safety
/// The input's block must be written, and no other thread touch the output's block.
#[inline(always)]
unsafe fn window_average<V: Simd, E: Element>(cx: &Context<'_>, op: &WindowAverage, block: usize) {
    let shape = op.input.tensor.shape;
    let from: *const E = cx.memory.tensor(op.input.tensor, block);
    let mut to: *mut E = cx.memory.tensor(op.output, block);
    // SAFETY: the caller's promise; windows lie inside the image.
    unsafe {
        for channel in 0..shape.channels {
            let reading = cx.reading::<V>(op.input, channel);
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
unsafe fn window_average_backward<V: Simd, E: Element>(
    cx: &Context<'_>,
    op: &WindowAverage,
    gradient: Tensor,
    sink: Sink,
    block: usize,
) {
    let shape = op.input.tensor.shape;
    let from: *const E = cx.memory.tensor(gradient, block);
    let input: *const E = cx.memory.tensor(op.input.tensor, block);
    let to = BlockSink::<E>::new(cx.memory, &sink, block);
    let windows = op.rows.len() * op.columns.len();
    // SAFETY: the caller's promise.
    unsafe {
        let zero = V::splat(0.0);
        for channel in 0..shape.channels {
            let reading = cx.reading::<V>(op.input, channel);
            let (from, to) = (from.add(channel * windows * BLOCK), to.channel(channel));
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
                        reading.give(value, input, to, at + lane);
                    }
                }
            }
        }
    }
}
