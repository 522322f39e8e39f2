//! Launches of softmaxes of mixtures.

use super::guarded::Guarded;
use super::{Backward, Draw, Softmax};
use crate::gpu::{Arguments, Held, Kernel, Lowering, RNG, Shader, Sizes, launch};
use crate::program::WorkspaceId;
use crate::rng::Purpose;

const SOFTMAX: Shader = Shader {
    name: "softmax",
    workgroup: 64,
    files: &[RNG, include_str!("gumbel.wgsl"), include_str!("softmax.wgsl")],
};
const POLYGAMMA: &str = include_str!("polygamma.wgsl");
const DIRICHLET: Shader = Shader {
    name: "dirichlet",
    workgroup: 64,
    files: &[RNG, include_str!("gumbel.wgsl"), POLYGAMMA, include_str!("dirichlet.wgsl")],
};
const TERMS: Shader =
    Shader { name: "mixture_terms", workgroup: 64, files: &[include_str!("mixture_terms.wgsl")] };
const SUMS: &str = include_str!("mixture_sums.wgsl");
const SOFTMAX_BACKWARD: Shader =
    Shader { name: "softmax_backward", workgroup: 64, files: &[SUMS, include_str!("softmax_backward.wgsl")] };
const DIRICHLET_BACKWARD: Shader = Shader {
    name: "dirichlet_backward",
    workgroup: 64,
    files: &[SUMS, POLYGAMMA, include_str!("dirichlet_backward.wgsl")],
};

#[cfg(test)]
pub(in crate::ops) const SHADERS: &[&Shader] =
    &[&SOFTMAX, &DIRICHLET, &TERMS, &SOFTMAX_BACKWARD, &DIRICHLET_BACKWARD];

impl Kernel for Softmax {
    fn lower(&self, lowering: &mut Lowering<'_>) {
        let Self { op, is_drawn } = self;
        let mixture = &lowering.places.tables.mixtures[op.mixture.0];
        let (rows, choices) = (mixture.rows, mixture.choices);
        let state = lowering.places.state;
        // The state begins as zeros, and so stay partial sums of terms without a gradient. Those of terms that are not drawn are an
        // earlier step's; the backward pass leaves them out.
        let arguments = Arguments::default()
            .field("rows", rows)
            .field("choices", choices)
            .constant("MIXTURE", Purpose::Mixture as usize)
            .field("order", state.order)
            .field("mixture", op.mixture.0)
            .choice("DRAWN", *is_drawn)
            .field("numbers", state.parameters + lowering.layout.offset(op.param))
            .field("weights", state.mixtures[op.mixture.0].weights);
        let factors = state.mixtures[op.mixture.0].weights + op.factors(rows * choices);
        let launch = match op.draw {
            Some(Draw::Dirichlet { .. }) => launch(&DIRICHLET, arguments.field("slopes", factors), rows, 1),
            Some(Draw::Concrete | Draw::OneHot) | None => {
                let arguments =
                    arguments.choice("ONE_HOT", op.draw == Some(Draw::OneHot)).field("concrete", factors);
                launch(&SOFTMAX, arguments, rows, 1)
            }
        };
        lowering.push(0, launch);
    }
}

impl Kernel for Backward {
    fn lower(&self, lowering: &mut Lowering<'_>) {
        let mixture = &lowering.places.tables.mixtures[self.0.mixture.0];
        let (rows, choices, terms) = (mixture.rows, mixture.choices, mixture.terms.len());
        let state = lowering.places.state;
        let words = &state.mixtures[self.0.mixture.0];
        let arguments = || {
            Arguments::default()
                .field("rows", rows)
                .field("choices", choices)
                .field("terms", terms)
                .field("table", words.terms)
                .field("partials", words.partials)
        };
        let sums = launch(&TERMS, arguments(), terms, 1);
        let factors = words.weights + self.0.factors(rows * choices);
        let at = lowering.layout.offset(self.0.param);
        let backward = arguments().field("weights", words.weights).field("gradient", state.gradients + at);
        let backward = match self.0.draw {
            Some(Draw::Dirichlet { divergence }) => {
                let backward = backward
                    .field("slopes", factors)
                    .field("numbers", state.parameters + at)
                    .field("divergence", divergence.to_bits() as usize);
                launch(&DIRICHLET_BACKWARD, backward, rows, 1)
            }
            Some(Draw::Concrete | Draw::OneHot) | None => {
                let backward = backward
                    .choice("DRAWN", self.0.draw.is_some())
                    .choice("ONE_HOT", self.0.draw == Some(Draw::OneHot))
                    .field("concrete", factors);
                launch(&SOFTMAX_BACKWARD, backward, rows, 1)
            }
        };
        lowering.push(0, sums);
        lowering.push(1, backward);
    }
}

impl Kernel for Guarded {
    fn workspaces(&self, sizes: &Sizes) -> Vec<(WorkspaceId, Held)> {
        Kernel::workspaces(&*self.call, sizes)
    }

    fn lower(&self, lowering: &mut Lowering<'_>) {
        lowering.behind(self.guard, |lowering| Kernel::lower(&*self.call, lowering));
    }
}
