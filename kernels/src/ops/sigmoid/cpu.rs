//! The logistic function on one block of images.

use super::Sigmoid;
use crate::cpu::{BlockSink, Context, Element, Kernel, Simd, Unit};
use crate::ops::unary::{Backward, Forward};
use crate::shape::BLOCK;

/// `1.5 · 2²³`: what is added to it is rounded to a whole number, which is then in its last bits.
const ROUNDED: f32 = 12_582_912.0;

/// `1 / (1 + e⁻ˣ)` in every lane. The exponential is that of Cephes, with fused multiply-adds: the same bits with every
/// instruction set. A loop over lanes, which a compiler makes vector instructions of; what is no number stays so.
#[inline(always)]
fn sigmoid(lanes: &mut [f32; BLOCK]) {
    for lane in lanes {
        let x = (-*lane).clamp(-87.0, 88.0);
        let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUNDED);
        let power = shifted - ROUNDED;
        // ln 2 in two parts, of which the first has few bits.
        let rest = power.mul_add(2.121_944_4e-4, power.mul_add(-0.693_359_4, x));
        let mut series = 1.987_569_1e-4_f32;
        for term in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
            series = series.mul_add(rest, term);
        }
        let series = (series * rest).mul_add(rest, rest) + 1.0;
        let scale = f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0_f32.to_bits()));
        *lane = 1.0 / series.mul_add(scale, 1.0);
    }
}

impl Kernel for Forward<Sigmoid> {
    #[inline(always)]
    unsafe fn run<V: Simd, E: Element>(&self, cx: &Context<'_>, unit: Unit<'_>, _: *mut f32) {
        let Unit::Block(block) = unit else { return };
        let op = &self.0;
        let plane = op.output.shape.pixels() * BLOCK;
        let from: *const E = cx.memory.tensor(op.input.tensor, block.number);
        let to: *mut E = cx.memory.tensor(op.output, block.number);
        let mut lanes = [0.0_f32; BLOCK];
        // SAFETY: the caller's promise; both tensors have these channels and pixels.
        unsafe {
            for channel in 0..op.output.shape.channels {
                let reading = cx.reading::<V>(op.input, channel);
                for at in (channel * plane..(channel + 1) * plane).step_by(BLOCK) {
                    for lane in (0..BLOCK).step_by(V::LANES) {
                        reading.apply(E::load::<V>(from.add(at + lane))).store(lanes.as_mut_ptr().add(lane));
                    }
                    sigmoid(&mut lanes);
                    for lane in (0..BLOCK).step_by(V::LANES) {
                        E::store(V::load(lanes.as_ptr().add(lane)), to.add(at + lane));
                    }
                }
            }
        }
    }
}

impl Kernel for Backward<Sigmoid> {
    #[inline(always)]
    unsafe fn run<V: Simd, E: Element>(&self, cx: &Context<'_>, unit: Unit<'_>, _: *mut f32) {
        let Unit::Block(block) = unit else { return };
        let Self { op, gradient, sink } = self;
        let plane = op.output.shape.pixels() * BLOCK;
        let from: *const E = cx.memory.tensor(*gradient, block.number);
        let output: *const E = cx.memory.tensor(op.output, block.number);
        let input: *const E = cx.memory.tensor(op.input.tensor, block.number);
        let to = BlockSink::<E>::new(cx.memory, sink, block.number);
        // SAFETY: the caller's promise; all tensors have these channels and pixels.
        unsafe {
            let one = V::splat(1.0);
            for channel in 0..op.output.shape.channels {
                let reading = cx.reading::<V>(op.input, channel);
                let to = to.channel(channel);
                for at in (channel * plane..(channel + 1) * plane).step_by(V::LANES) {
                    let y = E::load::<V>(output.add(at));
                    let value = E::load::<V>(from.add(at)).mul(y.mul(one.sub(y)));
                    reading.give(value, input, to, at);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logistic_function_is_right_to_the_last_bits() {
        let mut largest = 0.0_f64;
        for step in (-90_000..90_000).step_by(BLOCK) {
            let x: [f32; BLOCK] = std::array::from_fn(|lane| (step + lane as i32) as f32 * 1e-3);
            let mut y = x;
            sigmoid(&mut y);
            for (x, y) in x.into_iter().zip(y) {
                // Beyond, the exponential is not taken any further.
                let exact = 1.0 / (1.0 + f64::from(-x).clamp(-87.0, 88.0).exp());
                largest = largest.max((f64::from(y) / exact - 1.0).abs());
            }
        }
        assert!(largest < 3e-7, "{largest}");
        let mut lanes = [f32::NAN; BLOCK];
        sigmoid(&mut lanes);
        assert!(lanes.iter().all(|lane| lane.is_nan()), "what is no number stays so");
    }
}
