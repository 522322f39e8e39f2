//! Softmaxes of mixtures and their gradients.

use super::{Backward, Softmax};
use crate::reference::{Batch, Kernel, Memory, Reference};

impl Kernel for Softmax {
    fn run(&self, reference: &mut Reference, memory: &mut Memory, _: Batch<'_>) {
        let choices = reference.tables.mixtures[self.0.mixture.0].choices;
        let exponentials: Vec<f64> = reference.param(self.0.param).iter().map(|a| a.exp()).collect();
        let row = |row: &[f64]| -> Vec<f64> {
            let sum: f64 = row.iter().sum();
            row.iter().map(|e| e / sum).collect()
        };
        let terms = reference.tables.mixtures[self.0.mixture.0].terms.len();
        memory.workspaces.insert(self.0.partials, vec![0.0; terms]);
        memory.workspaces.insert(self.0.softmax, exponentials.chunks(choices).flat_map(row).collect());
    }
}

impl Kernel for Backward {
    fn run(&self, reference: &mut Reference, memory: &mut Memory, _: Batch<'_>) {
        let mixture = &reference.tables.mixtures[self.0.mixture.0];
        let weights = &memory.workspaces[&self.0.softmax];
        let mut found = vec![0.0; weights.len()];
        for (index, term) in mixture.terms.iter().enumerate() {
            found[term.choice] += memory.workspaces[&self.0.partials][index];
        }
        let rows = weights.chunks(mixture.choices).zip(found.chunks(mixture.choices));
        let gradient = rows.flat_map(|(weights, found)| {
            let mean: f64 = weights.iter().zip(found).map(|(w, g)| w * g).sum();
            weights.iter().zip(found).map(move |(w, g)| w * (g - mean))
        });
        let gradient: Vec<f64> = gradient.collect();
        reference.put_gradient(self.0.param, &gradient);
    }
}
