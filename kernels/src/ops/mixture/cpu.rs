//! Softmaxes of mixtures, and calls that serve one choice.

use super::dirichlet::{self, Counter, Share};
use super::guarded::Guarded;
use super::{Backward, Draw, MixtureWeights, Softmax, gumbel, largest};
use crate::cpu::{Context, Element, Isa, Kernel, Memory, Piece, RunKernel, Simd, Sizes, Split, Unit};
use crate::program::WorkspaceId;

impl Kernel for Softmax {
    fn split(&self, _: &Sizes<'_>) -> Split {
        Split::Parts(1)
    }

    fn workspaces(&self, sizes: &Sizes<'_>) -> Vec<(WorkspaceId, usize)> {
        let mixture = &sizes.tables.mixtures[self.op.mixture.0];
        let terms = mixture.terms.len() * sizes.blocks;
        let floats = [(self.op.softmax, mixture.kept), (self.op.partials, terms)];
        floats.map(|(id, floats)| (id, floats * size_of::<f32>())).into()
    }

    unsafe fn run<V: Simd, E: Element>(&self, cx: &Context<'_>, _: Unit<'_>, _: *mut f32) {
        let mixture = &cx.tables.mixtures[self.op.mixture.0];
        let (numbers, choices) = (mixture.rows * mixture.choices, mixture.choices);
        let partials = cx.memory.workspace::<f32>(self.op.partials);
        // SAFETY: a term has a number for each block.
        unsafe {
            std::slice::from_raw_parts_mut(partials, mixture.terms.len() * cx.memory.blocks_max()).fill(0.0);
        }
        // SAFETY: the caller's promise; so many elements are kept for the weights.
        let (from, kept) = unsafe {
            (
                std::slice::from_raw_parts(cx.master(self.op.param), numbers),
                std::slice::from_raw_parts_mut(cx.memory.workspace::<f32>(self.op.softmax), mixture.kept),
            )
        };
        let first = self.op.factors(numbers);
        for (row, from) in from.chunks(choices).enumerate() {
            let at = row * choices;
            if let Some(Draw::Dirichlet { .. }) = self.op.draw {
                let (weights, slopes) = kept.split_at_mut(first);
                let alphas: Vec<f64> = from.iter().map(|&a| f64::from(a)).collect();
                let row = dirichlet::shares(&alphas, at, self.counter(cx));
                for ((weight, slope), share) in weights[at..].iter_mut().zip(&mut slopes[at..]).zip(row) {
                    (*weight, *slope) = (share.weight as f32, share.slope as f32);
                }
                continue;
            }
            let logits = self.logits(cx, at, from);
            let most = logits[largest(&logits)];
            let exponential = |a: f64| (a - most).exp();
            let sum: f64 = logits.iter().map(|&a| exponential(a)).sum();
            let to = &mut kept[first + at..][..choices];
            to.iter_mut().zip(&logits).for_each(|(w, &a)| *w = (exponential(a) / sum) as f32);
            if self.op.draw == Some(Draw::OneHot) {
                let weights = &mut kept[at..][..choices];
                weights.fill(0.0);
                weights[largest(&logits)] = 1.0;
            }
        }
    }
}

impl Softmax {
    /// What the softmax of a row is of, whose numbers are `from`, from number `at` on.
    fn logits(&self, cx: &Context<'_>, at: usize, from: &[f32]) -> Vec<f64> {
        let MixtureWeights { mixture, .. } = self.op;
        let Some(&image) = cx.batch.first().filter(|_| self.is_drawn) else {
            return from.iter().map(|&a| f64::from(a)).collect();
        };
        let noise = |choice: usize| gumbel(cx.settings.seed, mixture, at + choice, cx.epoch, image);
        let temperature = f64::from(cx.temperature);
        from.iter().enumerate().map(|(choice, &a)| (f64::from(a) + noise(choice)) / temperature).collect()
    }

    /// That of a draw, if anything is drawn.
    fn counter(&self, cx: &Context<'_>) -> Option<Counter> {
        let &image = cx.batch.first().filter(|_| self.is_drawn)?;
        Some(Counter { seed: cx.settings.seed, mixture: self.op.mixture, epoch: cx.epoch, image })
    }
}

impl Kernel for Backward {
    fn split(&self, _: &Sizes<'_>) -> Split {
        Split::Parts(1)
    }

    unsafe fn run<V: Simd, E: Element>(&self, cx: &Context<'_>, _: Unit<'_>, _: *mut f32) {
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
                std::slice::from_raw_parts(cx.memory.workspace::<f32>(self.0.softmax), mixture.kept),
                std::slice::from_raw_parts_mut(to, count),
            )
        };
        if self.0.draw == Some(Draw::OneHot) {
            let drawn = gradients.iter_mut().zip(weights);
            drawn.filter(|&(_, &weight)| weight == 0.0).for_each(|(gradient, _)| *gradient = 0.0);
        }
        let (shares, weights) = (weights, &weights[self.0.factors(count)..]);
        if let Some(Draw::Dirichlet { divergence }) = self.0.draw {
            // SAFETY: the caller's promise; the parameter has as many elements.
            let numbers = unsafe { std::slice::from_raw_parts(cx.master(self.0.param), count) };
            let rows = shares.chunks(choices).zip(weights.chunks(choices)).zip(gradients.chunks(choices));
            for (((shares, slopes), gradients), (numbers, to)) in
                rows.zip(numbers.chunks(choices).zip(to.chunks_mut(choices)))
            {
                let share = |(&weight, &slope): (&f32, &f32)| Share {
                    weight: f64::from(weight),
                    slope: f64::from(slope),
                };
                let row: Vec<Share> = shares.iter().zip(slopes).map(share).collect();
                let alphas: Vec<f64> = numbers.iter().map(|&a| f64::from(a)).collect();
                let found = dirichlet::gradients(&alphas, &row, gradients, f64::from(divergence));
                to.iter_mut().zip(found).for_each(|(to, gradient)| *to = gradient as f32);
            }
            return;
        }
        let slope = self.0.draw.map_or(1.0, |_| 1.0 / f64::from(cx.temperature));
        let rows = weights.chunks(choices).zip(gradients.chunks(choices)).zip(to.chunks_mut(choices));
        for ((weights, gradients), to) in rows {
            let mean: f64 = weights.iter().zip(gradients).map(|(&w, g)| f64::from(w) * g).sum();
            for ((to, &w), g) in to.iter_mut().zip(weights).zip(gradients) {
                *to = (slope * f64::from(w) * (g - mean)) as f32;
            }
        }
    }
}

impl RunKernel for Guarded {
    fn split(&self, sizes: &Sizes<'_>) -> Split {
        RunKernel::split(&*self.call, sizes)
    }

    fn scratch_floats(&self, sizes: &Sizes<'_>) -> usize {
        RunKernel::scratch_floats(&*self.call, sizes)
    }

    fn workspaces(&self, sizes: &Sizes<'_>) -> Vec<(WorkspaceId, usize)> {
        RunKernel::workspaces(&*self.call, sizes)
    }

    fn first_reads(&self, memory: &Memory) -> Vec<Piece> {
        RunKernel::first_reads(&*self.call, memory)
    }

    fn prefetches(&self) -> bool {
        RunKernel::prefetches(&*self.call)
    }

    unsafe fn run_on(&self, isa: Isa, cx: &Context<'_>, unit: Unit<'_>, scratch: *mut f32) {
        // SAFETY: the caller's promise; the call says that it reads the weights.
        unsafe {
            if cx.is_open(self.guard) {
                RunKernel::run_on(&*self.call, isa, cx, unit, scratch);
            }
        }
    }
}
