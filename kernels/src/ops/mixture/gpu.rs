//! Launches of softmaxes of mixtures.

use super::{Backward, Draw, Softmax};
use crate::gpu::{Kernel, Lowering, Parts, RNG, Shader, launch};
use crate::rng::Purpose;

const SOFTMAX: Shader = Shader {
    name: "softmax",
    workgroup: 64,
    files: &[RNG, include_str!("gumbel.wgsl"), include_str!("softmax.wgsl")],
};
const TERMS: Shader =
    Shader { name: "mixture_terms", workgroup: 64, files: &[include_str!("mixture_terms.wgsl")] };
const SOFTMAX_BACKWARD: Shader =
    Shader { name: "softmax_backward", workgroup: 64, files: &[include_str!("softmax_backward.wgsl")] };

#[cfg(test)]
pub(in crate::ops) const SHADERS: &[&Shader] = &[&SOFTMAX, &TERMS, &SOFTMAX_BACKWARD];

impl Kernel for Softmax {
    fn lower(&self, lowering: &mut Lowering<'_>) {
        let Self { op, is_drawn } = self;
        let mixture = &lowering.places.tables.mixtures[op.mixture.0];
        let (rows, choices) = (mixture.rows, mixture.choices);
        let state = lowering.places.state;
        // The state begins as zeros, and so stay partial sums of terms without a gradient.
        let parts = Parts::default()
            .field("rows", rows)
            .field("choices", choices)
            .constant("MIXTURE", Purpose::Mixture as usize)
            .field("order", state.order)
            .field("mixture", op.mixture.0)
            .choice("DRAWN", *is_drawn)
            .choice("ONE_HOT", op.draw == Some(Draw::OneHot))
            .field("numbers", state.parameters + lowering.layout.offset(op.param))
            .field("weights", state.mixtures[op.mixture.0].weights)
            .field("concrete", state.mixtures[op.mixture.0].weights + op.concrete(rows * choices));
        lowering.push(0, launch(&SOFTMAX, parts, rows, 1));
    }
}

impl Kernel for Backward {
    fn lower(&self, lowering: &mut Lowering<'_>) {
        let mixture = &lowering.places.tables.mixtures[self.0.mixture.0];
        let (rows, choices, terms) = (mixture.rows, mixture.choices, mixture.terms.len());
        let state = lowering.places.state;
        let words = &state.mixtures[self.0.mixture.0];
        let parts = || {
            Parts::default()
                .field("rows", rows)
                .field("choices", choices)
                .field("terms", terms)
                .field("table", words.terms)
                .field("partials", words.partials)
        };
        let sums = launch(&TERMS, parts(), terms, 1);
        let backward = parts()
            .choice("DRAWN", self.0.draw.is_some())
            .choice("ONE_HOT", self.0.draw == Some(Draw::OneHot))
            .field("weights", words.weights)
            .field("concrete", words.weights + self.0.concrete(rows * choices))
            .field("gradient", state.gradients + lowering.layout.offset(self.0.param));
        let backward = launch(&SOFTMAX_BACKWARD, backward, rows, 1);
        lowering.push(0, sums);
        lowering.push(1, backward);
    }
}
