//! Softmaxes of mixtures.

use super::{Backward, Softmax};
use crate::cpu::{Context, Element, Kernel, Sizes, Split, Unit, Vector};
use crate::program::WorkspaceId;

impl Kernel for Softmax {
    fn split(&self, _: &Sizes<'_>) -> Split {
        Split::Parts(1)
    }

    fn workspaces(&self, sizes: &Sizes<'_>) -> Vec<(WorkspaceId, usize)> {
        let mixture = &sizes.tables.mixtures[self.0.mixture.0];
        let terms = mixture.terms.len() * sizes.blocks;
        let floats = [(self.0.softmax, mixture.rows * mixture.choices), (self.0.partials, terms)];
        floats.map(|(id, floats)| (id, floats * size_of::<f32>())).into()
    }

    unsafe fn run<V: Vector, E: Element>(&self, cx: &Context<'_>, _: Unit<'_>, _: *mut f32) {
        let mixture = &cx.tables.mixtures[self.0.mixture.0];
        let (rows, choices) = (mixture.rows, mixture.choices);
        let partials = cx.memory.workspace::<f32>(self.0.partials);
        // SAFETY: a term has a number for each block.
        unsafe {
            std::slice::from_raw_parts_mut(partials, mixture.terms.len() * cx.memory.blocks_max()).fill(0.0);
        }
        // SAFETY: the caller's promise; parameter and weights have as many elements.
        let (from, to) = unsafe {
            (
                std::slice::from_raw_parts(cx.master(self.0.param), rows * choices),
                std::slice::from_raw_parts_mut(cx.memory.workspace::<f32>(self.0.softmax), rows * choices),
            )
        };
        for (from, to) in from.chunks(choices).zip(to.chunks_mut(choices)) {
            let largest = from.iter().fold(f32::NEG_INFINITY, |most, &a| most.max(a));
            let exponential = |a: f32| f64::from(a - largest).exp();
            let sum: f64 = from.iter().map(|&a| exponential(a)).sum();
            to.iter_mut().zip(from).for_each(|(w, &a)| *w = (exponential(a) / sum) as f32);
        }
    }
}

impl Kernel for Backward {
    fn split(&self, _: &Sizes<'_>) -> Split {
        Split::Parts(1)
    }

    unsafe fn run<V: Vector, E: Element>(&self, cx: &Context<'_>, _: Unit<'_>, _: *mut f32) {
        let mixture = &cx.tables.mixtures[self.0.mixture.0];
        let (count, choices) = (mixture.rows * mixture.choices, mixture.choices);
        let mut gradients = vec![0.0_f64; count];
        let partials = cx.memory.workspace::<f32>(self.0.partials);
        for (index, term) in mixture.terms.iter().enumerate() {
            for block in 0..cx.blocks() {
                // SAFETY: the caller's promise; a term has a number for each block.
                gradients[term.choice] +=
                    f64::from(unsafe { *partials.add(index * cx.memory.blocks_max() + block) });
            }
        }
        // SAFETY: the caller's promise; the parameter has as many elements.
        let (weights, to) = unsafe {
            let to = cx.parameters.gradients.pointer::<f32>().add(cx.memory.param(self.0.param).0);
            (
                std::slice::from_raw_parts(cx.memory.workspace::<f32>(self.0.softmax), count),
                std::slice::from_raw_parts_mut(to, count),
            )
        };
        let rows = weights.chunks(choices).zip(gradients.chunks(choices)).zip(to.chunks_mut(choices));
        for ((weights, gradients), to) in rows {
            let mean: f64 = weights.iter().zip(gradients).map(|(&w, g)| f64::from(w) * g).sum();
            for ((to, &w), g) in to.iter_mut().zip(weights).zip(gradients) {
                *to = (f64::from(w) * (g - mean)) as f32;
            }
        }
    }
}
