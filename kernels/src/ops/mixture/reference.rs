//! Softmaxes of mixtures and their gradients.

use super::dirichlet::{self, Counter, Share};
use super::guarded::Guarded;
use super::{Backward, Draw, Softmax, gumbel, largest};
use crate::program;
use crate::reference::{Batch, Kernel, Memory, Reference};

impl Kernel for Softmax {
    fn run(&self, reference: &mut Reference, memory: &mut Memory, batch: Batch<'_>) {
        let Self { op, is_drawn } = self;
        let program::Mixture { choices, ref terms, .. } = reference.tables.mixtures[op.mixture.0];
        memory.workspaces.insert(op.partials, vec![0.0; terms.len()]);
        let seed = reference.settings.seed;
        let logit = |(number, a): (usize, &f64)| match batch.images.first() {
            Some(&image) if *is_drawn => {
                (a + gumbel(seed, op.mixture, number, batch.epoch, image)) / f64::from(batch.temperature)
            }
            _ => *a,
        };
        if let Some(Draw::Dirichlet { .. }) = op.draw {
            let image = batch.images.first().filter(|_| *is_drawn);
            let counter =
                image.map(|&image| Counter { seed, mixture: op.mixture, epoch: batch.epoch, image });
            let alphas = reference.param(op.param).chunks(choices).enumerate();
            let rows = alphas.flat_map(|(row, alphas)| dirichlet::shares(alphas, row * choices, counter));
            let (weights, slopes): (Vec<f64>, Vec<f64>) =
                rows.map(|share| (share.weight, share.slope)).unzip();
            memory.workspaces.insert(op.softmax, [weights, slopes].concat());
            return;
        }
        let logits: Vec<f64> = reference.param(op.param).iter().enumerate().map(logit).collect();
        let softmax = |row: &[f64]| -> Vec<f64> {
            let sum: f64 = row.iter().map(|a| a.exp()).sum();
            row.iter().map(|a| a.exp() / sum).collect()
        };
        let one_hot = |row: &[f64]| -> Vec<f64> {
            let drawn = largest(row);
            (0..row.len()).map(|choice| f64::from(u8::from(choice == drawn))).collect()
        };
        let mut weights: Vec<f64> = Vec::new();
        if op.draw == Some(Draw::OneHot) {
            weights.extend(logits.chunks(choices).flat_map(one_hot));
        }
        weights.extend(logits.chunks(choices).flat_map(softmax));
        memory.workspaces.insert(op.softmax, weights);
    }
}

impl Kernel for Backward {
    fn run(&self, reference: &mut Reference, memory: &mut Memory, batch: Batch<'_>) {
        let mixture = &reference.tables.mixtures[self.0.mixture.0];
        let weights = &memory.workspaces[&self.0.softmax];
        let numbers = mixture.rows * mixture.choices;
        let mut found = vec![0.0; numbers];
        for (index, term) in mixture.terms.iter().enumerate() {
            found[term.choice] += memory.workspaces[&self.0.partials][index];
        }
        if self.0.draw == Some(Draw::OneHot) {
            // The others were not drawn.
            found.iter_mut().zip(weights).for_each(|(gradient, weight)| *gradient *= weight);
        }
        let factors = &weights[self.0.factors(numbers)..];
        if let Some(Draw::Dirichlet { divergence }) = self.0.draw {
            let alphas = reference.param(self.0.param).to_vec();
            let choices = mixture.choices;
            let shares: Vec<Share> =
                weights.iter().zip(factors).map(|(&weight, &slope)| Share { weight, slope }).collect();
            let rows = alphas.chunks(choices).zip(shares.chunks(choices)).zip(found.chunks(choices));
            let gradient: Vec<f64> = rows
                .flat_map(|((alphas, row), found)| {
                    dirichlet::gradients(alphas, row, found, f64::from(divergence))
                })
                .collect();
            reference.put_gradient(self.0.param, &gradient);
            return;
        }
        let weights = factors;
        let slope = if self.0.draw.is_some() { 1.0 / f64::from(batch.temperature) } else { 1.0 };
        let rows = weights.chunks(mixture.choices).zip(found.chunks(mixture.choices));
        let gradient = rows.flat_map(|(weights, found)| {
            let mean: f64 = weights.iter().zip(found).map(|(w, g)| w * g).sum();
            weights.iter().zip(found).map(move |(w, g)| slope * w * (g - mean))
        });
        let gradient: Vec<f64> = gradient.collect();
        reference.put_gradient(self.0.param, &gradient);
    }
}

impl Kernel for Guarded {
    fn run(&self, reference: &mut Reference, memory: &mut Memory, batch: Batch<'_>) {
        if memory.workspaces[&self.guard.weights][self.guard.choice] != 0.0 {
            Kernel::run(&*self.call, reference, memory, batch);
        }
    }
}
