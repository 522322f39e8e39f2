//! Launches of softmaxes of mixtures.

use super::{Backward, Softmax};
use crate::gpu::{Kernel, Lowering, Parts, Shader, launch};

const SOFTMAX: Shader = Shader { name: "softmax", workgroup: 64, files: &[include_str!("softmax.wgsl")] };
const TERMS: Shader =
    Shader { name: "mixture_terms", workgroup: 64, files: &[include_str!("mixture_terms.wgsl")] };
const SOFTMAX_BACKWARD: Shader =
    Shader { name: "softmax_backward", workgroup: 64, files: &[include_str!("softmax_backward.wgsl")] };

#[cfg(test)]
pub(in crate::ops) const SHADERS: &[&Shader] = &[&SOFTMAX, &TERMS, &SOFTMAX_BACKWARD];

impl Kernel for Softmax {
    fn lower(&self, lowering: &mut Lowering<'_>) {
        let mixture = &lowering.places.tables.mixtures[self.0.mixture.0];
        let (rows, choices) = (mixture.rows, mixture.choices);
        let state = lowering.places.state;
        // The state begins as zeros, and so stay partial sums of terms without a gradient.
        let parts = Parts::default()
            .field("rows", rows)
            .field("choices", choices)
            .field("numbers", state.parameters + lowering.layout.offset(self.0.param))
            .field("weights", state.mixtures[self.0.mixture.0].weights);
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
            .field("weights", words.weights)
            .field("gradient", state.gradients + lowering.layout.offset(self.0.param));
        let backward = launch(&SOFTMAX_BACKWARD, backward, rows, 1);
        lowering.push(0, sums);
        lowering.push(1, backward);
    }
}
