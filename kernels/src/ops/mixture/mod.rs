//! Mixtures (Liu, Simonyan and Yang, 2019, DARTS, Eq. 2): trained numbers `α[row][choice]` whose softmax over a row weighs terms of
//! sums ([`Graph::weighted_sum`](crate::Graph::weighted_sum)), in as many cells as want it.
//!
//! `w = softmax(α)`. Backward: each term gives its part of `dw` (where the term is the only reader of a normalised value, that
//! is in the sums of the normalisation already), and `dα = w · (dw - Σ w·dw)` by rows.

mod cpu;
mod gpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
mod typical;

#[cfg(test)]
pub(super) use gpu::SHADERS;
#[cfg(test)]
pub(super) use tests::examples;
pub(super) use typical::typical;

use crate::error::Error;
use crate::graph::{Graph, Operation, Tape};
use crate::program::{
    Access, Accesses, Declare, Init, Input, Mixed, MixtureId, MixtureTerm, ParamId, Resource, Tensor,
    WorkspaceId,
};

/// A mixture of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mixture(MixtureId);

#[derive(Clone, Copy, Debug)]
struct Weights {
    mixture: MixtureId,
    param: ParamId,
    softmax: WorkspaceId,
    partials: WorkspaceId,
}

/// The weights of a step; gradients of terms that the loss does not depend on stay the zeros that are put here.
#[derive(Debug)]
struct Softmax(Weights);

/// The gradient of what the softmax is of, from all terms.
#[derive(Debug)]
struct Backward(Weights);

impl Operation for Weights {
    fn inputs(&self) -> Vec<Input> {
        Vec::new()
    }

    fn output(&self) -> Option<Tensor> {
        None
    }

    fn params(&self) -> Vec<ParamId> {
        vec![self.param]
    }

    fn forward(&self, tape: &mut Tape) {
        tape.push(Softmax(*self));
    }

    fn backward(&self, tape: &mut Tape) {
        // Built before any term, so that all terms have given their part.
        if tape.is_weighed(self.mixture) {
            tape.train([self.param]);
            tape.push(Backward(*self));
        }
    }
}

impl Declare for Softmax {
    fn kind(&self) -> &'static str {
        "mixture: softmax"
    }

    fn accesses(&self) -> Vec<Access> {
        let Weights { softmax: weights, partials, .. } = self.0;
        let list = Accesses::default().reads(Resource::Parameters).writes(Resource::Workspace(weights));
        list.writes(Resource::Workspace(partials)).list()
    }
}

impl Declare for Backward {
    fn kind(&self) -> &'static str {
        "mixture: backward"
    }

    fn accesses(&self) -> Vec<Access> {
        let Weights { softmax: weights, partials, .. } = self.0;
        let list = Accesses::default().reads(Resource::Workspace(weights));
        // A GPU sums the partial sums of a term in place.
        list.accumulates(Resource::Workspace(partials)).shares(Resource::ParameterGradients).list()
    }
}

impl Graph {
    /// Weights of terms, `rows` softmaxes over `choices` each; the numbers that they are of are the parameter `name`, `[rows][choices]`,
    /// and start at 0.
    ///
    /// # Errors
    /// When there is no row or no choice.
    pub fn mixture(&mut self, name: &str, rows: usize, choices: usize) -> Result<Mixture, Error> {
        if rows == 0 || choices == 0 {
            let problem = format!("{rows} rows of {choices} choices are no mixture");
            return Err(Error::BadSize { op: "mixture", name: name.to_owned(), problem });
        }
        let mixture = MixtureId(self.tables.mixtures.len());
        let param = self.param(name.to_owned(), vec![rows, choices], Init::Zero);
        let weights = self.workspaces(2);
        let partials = WorkspaceId(weights.0 + 1);
        let terms = Vec::new();
        self.tables.mixtures.push(crate::program::Mixture { rows, choices, weights, partials, terms });
        self.push(Weights { mixture, param, softmax: weights, partials });
        Ok(Mixture(mixture))
    }

    /// A weight of a mixture for one more term, of `channels` channels, of the sum `name`.
    pub(super) fn mixed(
        &mut self,
        name: &str,
        Mixture(mixture): Mixture,
        row: usize,
        choice: usize,
        channels: usize,
    ) -> Result<Mixed, Error> {
        let found = &mut self.tables.mixtures[mixture.0];
        if row >= found.rows || choice >= found.choices {
            let problem = format!(
                "there is no weight {choice} in row {row} of {} rows of {}",
                found.rows, found.choices
            );
            return Err(Error::BadSize { op: "mixture", name: name.to_owned(), problem });
        }
        let choice = row * found.choices + choice;
        found.terms.push(MixtureTerm { choice, channels });
        let (term, weights, partials) = (found.terms.len() - 1, found.weights, found.partials);
        Ok(Mixed { mixture, choice, term, weights, partials })
    }
}
