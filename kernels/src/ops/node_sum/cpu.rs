//! Sums of nodes, and the gradients of their edges, on one block of images.

use super::{Edge, EdgeBackward, Forward, NodeSum, WeightGradient, Zeros};
use crate::cpu::{BlockSink, ChannelSink, Context, Element, Kernel, Memory, Piece, Simd, Sizes, Unit};
use crate::shape::BLOCK;

impl Kernel for Forward {
    /// Sums of a channel that are not whole, where the output would round them.
    fn scratch_floats(&self, sizes: &Sizes<'_>) -> usize {
        let NodeSum { edges, output, .. } = &self.op;
        if sizes.half_precision && edges.len() > EDGES { output.shape.pixels() * BLOCK } else { 0 }
    }

    #[inline(always)]
    unsafe fn run<V: Simd, E: Element>(&self, cx: &Context<'_>, unit: Unit<'_>, scratch: *mut f32) {
        if let Unit::Block(block) = unit {
            // SAFETY: the caller's promise.
            unsafe { node_sum::<V, E>(cx, &self.op, block.number, scratch) }
        }
    }
}

impl Kernel for EdgeBackward {
    fn first_reads(&self, memory: &Memory) -> Vec<Piece> {
        Piece::of_backward(memory, &self.gradient, self.sink)
    }

    #[inline(always)]
    unsafe fn run<V: Simd, E: Element>(&self, cx: &Context<'_>, unit: Unit<'_>, _: *mut f32) {
        if let Unit::Block(block) = unit {
            // SAFETY: the caller's promise.
            unsafe { edge_backward::<V, E>(cx, self, block.number) }
        }
    }
}

impl Kernel for Zeros {
    #[inline(always)]
    unsafe fn run<V: Simd, E: Element>(&self, cx: &Context<'_>, unit: Unit<'_>, _: *mut f32) {
        let Unit::Block(block) = unit else { return };
        let to = BlockSink::<E>::new(cx.memory, &self.sink, block.number);
        let shape = self.sink.tensor.shape;
        let plane = shape.pixels() * BLOCK;
        for channel in 0..shape.channels {
            let to = to.channel(channel);
            for at in (channel * plane..(channel + 1) * plane).step_by(V::LANES) {
                // SAFETY: the caller's promise; the sink has these channels and pixels.
                unsafe { to.put(at, V::splat(0.0)) }
            }
        }
    }
}

/// Edges that are summed in registers; a node of the cell space has at most five.
const EDGES: usize = 8;

impl Kernel for WeightGradient {
    #[inline(always)]
    unsafe fn run<V: Simd, E: Element>(&self, cx: &Context<'_>, unit: Unit<'_>, _: *mut f32) {
        let Unit::Block(block) = unit else { return };
        let Self { gradient, input, mixed } = self;
        let plane = input.tensor.shape.pixels() * BLOCK;
        let from: *const E = cx.memory.tensor(gradient.tensor, block.number);
        let read: *const E = cx.memory.tensor(input.tensor, block.number);
        // SAFETY: the caller's promise; both tensors have these channels and pixels.
        unsafe {
            let scale = cx.scale(gradient.scale, block.number);
            let lanes = cx.lanes::<V>(block.number);
            let mut total = 0.0;
            for channel in 0..input.tensor.shape.channels {
                let reading = cx.reading::<V>(*input, channel);
                let mut sums = [V::splat(0.0); 2];
                for (part, sum) in sums.iter_mut().take(V::PER_BLOCK).enumerate() {
                    let lane = part * V::LANES;
                    for at in (channel * plane + lane..(channel + 1) * plane).step_by(BLOCK) {
                        let x = reading.apply(E::load::<V>(read.add(at)));
                        *sum = E::load::<V>(from.add(at)).mul_add(x, *sum);
                    }
                    *sum = lanes.keep(part, sum.mul(V::load(scale.as_ptr().add(lane))));
                }
                total += f64::from(V::sum_block(&sums[..V::PER_BLOCK]));
            }
            *cx.weight_partials(*mixed).add(block.number) = total as f32;
        }
    }
}

/// Sum of a node's edges.
///
/// # Safety The edges' blocks must be written, `scratch` have as many elements as the kernel says, and no other thread
/// touch the output's block.
#[inline(always)]
unsafe fn node_sum<V: Simd, E: Element>(cx: &Context<'_>, op: &NodeSum, block: usize, scratch: *mut f32) {
    let pixels = op.output.shape.pixels();
    let to: *mut E = cx.memory.tensor(op.output, block);
    // SAFETY: the caller's promise.
    unsafe {
        let lanes = cx.lanes::<V>(block);
        let weighed = op.edges.iter().map(|edge| (edge, cx.mixture_weight(edge.mixed)));
        let there: Vec<(&Edge, f32)> = weighed.filter(|&(_, weight)| weight != 0.0).collect();
        for channel in 0..op.output.shape.channels {
            let to = to.add(channel * pixels * BLOCK);
            let sum = if E::ROUNDS { scratch } else { to.cast() };
            // Edges are summed in registers, a group at a time.
            let groups = there.len().div_ceil(EDGES);
            for (group, edges) in there.chunks(EDGES).enumerate() {
                let to = ChannelSink { to, sum, accumulate: group > 0, is_whole: group + 1 == groups };
                let mut terms = [None; EDGES];
                for (term, &(Edge { input, drop, .. }, weight)) in terms.iter_mut().zip(edges) {
                    let from: *const E = cx.memory.tensor(input.tensor, block);
                    let reading = cx.reading::<V>(*input, channel);
                    let scale = cx.scale(*drop, block).map(|scale| scale * weight);
                    *term = Some((from.add(channel * pixels * BLOCK), reading, scale));
                }
                for part in 0..V::PER_BLOCK {
                    let lane = part * V::LANES;
                    for pixel in 0..pixels {
                        let at = pixel * BLOCK + lane;
                        let mut sum = if to.accumulate { V::load(to.sum.add(at)) } else { V::splat(0.0) };
                        for (from, reading, scale) in terms[..edges.len()].iter().flatten() {
                            let scale = V::load(scale.as_ptr().add(lane));
                            sum = sum.add(reading.apply(E::load::<V>(from.add(at))).mul(scale));
                        }
                        to.store(at, lanes.keep(part, sum));
                    }
                }
            }
            if there.is_empty() {
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
unsafe fn edge_backward<V: Simd, E: Element>(
    cx: &Context<'_>,
    EdgeBackward { gradient, gate, sink }: &EdgeBackward,
    block: usize,
) {
    let pixels = gradient.raw.shape.pixels();
    let from: *const E = cx.memory.tensor(gradient.tensor, block);
    let raw: *const E = cx.memory.tensor(gradient.raw, block);
    let to = BlockSink::<E>::new(cx.memory, sink, block);
    // SAFETY: the caller's promise.
    unsafe {
        // The coefficients of a normalisation hold the weight already.
        let weight = if gradient.norm.is_some() { 1.0 } else { cx.mixture_weight(gradient.mixed) };
        let scale = cx.scale(gradient.scale, block).map(|scale| scale * weight);
        let lanes = cx.lanes::<V>(block);
        for channel in 0..gradient.raw.shape.channels {
            let map = cx.gradient_map(gradient, channel);
            let to = to.channel(channel);
            let gate = gate.map(|input| {
                let from: *const E = cx.memory.tensor(input.tensor, block);
                (from, cx.reading::<V>(input, channel))
            });
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
                    if let Some((from, reading)) = gate {
                        let read = reading.apply(E::load::<V>(from.add(at)));
                        value = read.select_greater(V::splat(0.0), value, V::splat(0.0));
                    }
                    to.put(at, value);
                }
            }
        }
    }
}
