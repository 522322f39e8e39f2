//! Vectors segment by segment.

use super::{AddScaled, DotProducts, SetVector, SquareSums};
use crate::cpu::{Context, Element, Kernel, Simd, Sizes, Split, Unit, segments};
use crate::step::{self, Group, NORM_EPSILON, Norm};

/// The norm that [`SquareSums`] has left the parts of.
///
/// # Safety
/// All segments must have written their sums.
pub(in crate::ops) unsafe fn norm(cx: &Context<'_>, group: Group) -> f64 {
    let count = segments(cx.layout.groups[group.0].len());
    // SAFETY: the caller's promise; there is room for the sums of any group.
    unsafe { std::slice::from_raw_parts(cx.parameters.products.pointer::<f64>(), count) }
        .iter()
        .sum::<f64>()
        .sqrt()
}

/// Sum of products, in eight sums so that the loop is not one chain of additions.
fn product_sum(left: &[f32], right: &[f32]) -> f64 {
    let mut sums = [0.0_f64; 8];
    for (left, right) in left.chunks_exact(8).zip(right.chunks_exact(8)) {
        for ((sum, &a), &b) in sums.iter_mut().zip(left).zip(right) {
            *sum += f64::from(a) * f64::from(b);
        }
    }
    sums.iter().sum()
}

/// Leaves the sum of products of two vectors over a segment of a group.
///
/// # Safety
/// The vectors' numbers must be there.
#[inline(always)]
unsafe fn put_product_sum(cx: &Context<'_>, group: Group, part: usize, vectors: [step::Vector; 2]) {
    let (begin, count) = cx.segment(group, part);
    // SAFETY: segments lie inside the vectors; every part has a place of its own.
    unsafe {
        let vector = |of| std::slice::from_raw_parts(cx.vector(of).add(begin), count);
        let [left, right] = vectors.map(vector);
        *cx.parameters.products.pointer::<f64>().add(part) = product_sum(left, right);
    }
}

impl Kernel for SquareSums {
    fn split(&self, sizes: &Sizes<'_>) -> Split {
        sizes.by_segment(self.group)
    }

    #[inline(always)]
    unsafe fn run<V: Simd, E: Element>(&self, cx: &Context<'_>, unit: Unit<'_>, _: *mut f32) {
        if let Unit::Part { part } = unit {
            // SAFETY: the caller's promise.
            unsafe { put_product_sum(cx, self.group, part, [self.of; 2]) }
        }
    }
}

impl Kernel for DotProducts {
    fn split(&self, sizes: &Sizes<'_>) -> Split {
        sizes.by_segment(self.group)
    }

    #[inline(always)]
    unsafe fn run<V: Simd, E: Element>(&self, cx: &Context<'_>, unit: Unit<'_>, _: *mut f32) {
        if let Unit::Part { part } = unit {
            // SAFETY: the caller's promise.
            unsafe { put_product_sum(cx, self.group, part, self.vectors) }
        }
    }
}

impl Kernel for SetVector {
    fn split(&self, sizes: &Sizes<'_>) -> Split {
        sizes.by_segment(self.group)
    }

    #[inline(always)]
    unsafe fn run<V: Simd, E: Element>(&self, cx: &Context<'_>, unit: Unit<'_>, _: *mut f32) {
        let Unit::Part { part } = unit else { return };
        let (begin, count) = cx.segment(self.group, part);
        // SAFETY: segments lie inside the vectors, which may be one, and no other thread touches this one; bits that are 0 are the
        // number 0.
        unsafe {
            let to = cx.vector(self.to).add(begin);
            match self.from {
                Some(from) => to.copy_from(cx.vector(from).add(begin), count),
                None => to.write_bytes(0, count),
            }
        }
    }
}

impl Kernel for AddScaled {
    fn split(&self, sizes: &Sizes<'_>) -> Split {
        sizes.by_segment(self.group)
    }

    #[inline(always)]
    unsafe fn run<V: Simd, E: Element>(&self, cx: &Context<'_>, unit: Unit<'_>, _: *mut f32) {
        let Unit::Part { part } = unit else { return };
        let (begin, count) = cx.segment(self.group, part);
        // SAFETY: segments lie inside the vectors, which may be one, and no other thread touches this one; sums for a norm are
        // there.
        unsafe {
            let scale = self.scale(cx);
            let (from, to) = (cx.vector(self.from).add(begin), cx.vector(self.to).add(begin));
            for element in 0..count {
                *to.add(element) += scale * *from.add(element);
            }
        }
    }
}

impl AddScaled {
    /// The factor.
    ///
    /// # Safety
    /// As [`norm`].
    unsafe fn scale(&self, cx: &Context<'_>) -> f32 {
        let rate = self.scale.learning_rate.map_or(1.0, |Group(group)| cx.rates[group].learning_rate);
        // SAFETY: the caller's promise.
        let norm = self.scale.norm.map_or(1.0, |Norm { group, divides, .. }| unsafe {
            let norm = norm(cx, group);
            if divides { 1.0 / (norm + NORM_EPSILON) } else { norm }
        });
        (f64::from(self.scale.factor) * f64::from(rate) * norm) as f32
    }
}
