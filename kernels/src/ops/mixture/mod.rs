//! Mixtures (Liu, Simonyan and Yang, 2019, DARTS, Eq. 2): trained numbers `α[row][choice]` whose softmax over a row weighs terms of
//! sums ([`Graph::weighted_sum`](crate::Graph::weighted_sum)), in as many cells as want it.
//!
//! `w = softmax(α)`. Backward: each term gives its part of `dw` (where the term is the only reader of a normalised value, that
//! is in the sums of the normalisation already), and `dα = w · (dw - Σ w·dw)` by rows.
//!
//! Weights may be drawn instead, anew for each batch ([`Draw`]): `w = softmax((α + G)/τ)` with noise `G` of Gumbel's
//! distribution and the epoch's temperature τ, or the one of them that is largest; or from a Dirichlet distribution. What
//! is drawn is a function of seed, epoch, the batch's first image and the place of the number, and nothing is drawn in
//! evaluation.

mod cpu;
mod dirichlet;
mod gpu;
mod guarded;
mod onnx;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
mod typical;

#[cfg(test)]
pub(super) use gpu::SHADERS;
pub(super) use guarded::guarded;
#[cfg(test)]
pub(super) use tests::examples;
pub(super) use typical::typical;

use crate::error::Error;
use crate::graph::{Graph, Operation, Tape};
use crate::program::{
    self, Access, Accesses, Declare, Guard, Init, Input, Mixed, MixtureId, MixtureTerm, ParamId, Resource,
    Tensor, WorkspaceId,
};
use crate::rng::{Purpose, random};

/// How weights are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Draw {
    /// `softmax((α + G)/τ)`, the concrete distribution (Xie et al., 2019, SNAS, Eq. 4). In evaluation the softmax of α.
    Concrete,
    /// 1 for the choice with the largest `α + G` of a row, 0 for others; backward as if that one's weight were the
    /// concrete one, and nothing from the others (Dong and Yang, 2019, GDAS, Eq. 5 to 7). In evaluation the choice
    /// with the largest α.
    OneHot,
    /// Dirichlet's distribution of concentration `elu(α) + 1`, with the gradient through the draw (Chen et al., 2021,
    /// DrNAS). In evaluation its mean.
    Dirichlet {
        /// What is added to the gradient of α is so many times that of the divergence
        /// `KL(Dir(elu(α) + 1) ‖ Dir(1))`; it is in no loss.
        divergence: f32,
    },
}

/// Choices of a mixture, and mixtures, that noise can tell apart.
const NUMBERS_MAX: usize = 1 << 16;

/// A mixture of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mixture(MixtureId);

#[derive(Clone, Copy, Debug)]
struct MixtureWeights {
    mixture: MixtureId,
    param: ParamId,
    softmax: WorkspaceId,
    partials: WorkspaceId,
    draw: Option<Draw>,
}

impl MixtureWeights {
    /// Where it lies behind the weights that terms are multiplied by, in a mixture of so many, what their gradients are
    /// multiplied by: the concrete weights of one-hot ones, the slopes of a Dirichlet draw; of others the weights
    /// themselves.
    fn factors(&self, numbers: usize) -> usize {
        match self.draw {
            Some(Draw::OneHot | Draw::Dirichlet { .. }) => numbers,
            Some(Draw::Concrete) | None => 0,
        }
    }
}

/// The weights of a step, softmaxes or shares; gradients of terms that the loss does not depend on stay the zeros that are put here.
#[derive(Debug)]
struct Softmax {
    op: MixtureWeights,
    /// Whether there is noise, and a temperature.
    is_drawn: bool,
}

/// The gradient of what the softmax is of, from all terms.
#[derive(Debug)]
struct Backward(MixtureWeights);

impl Operation for MixtureWeights {
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
        tape.push(Softmax { op: *self, is_drawn: self.draw.is_some() && tape.is_training() });
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
        let MixtureWeights { softmax: weights, partials, .. } = self.op;
        let list = Accesses::default().reads(Resource::Parameters).writes(Resource::Workspace(weights));
        list.writes(Resource::Workspace(partials)).list()
    }
}

impl Declare for Backward {
    fn kind(&self) -> &'static str {
        "mixture: backward"
    }

    fn accesses(&self) -> Vec<Access> {
        let MixtureWeights { softmax: weights, partials, .. } = self.0;
        let mut list = Accesses::default().reads(Resource::Workspace(weights));
        if let Some(Draw::Dirichlet { .. }) = self.0.draw {
            list = list.reads(Resource::Parameters);
        }
        // A GPU sums the partial sums of a term in place.
        list.accumulates(Resource::Workspace(partials)).shares(Resource::ParameterGradients).list()
    }
}

/// Noise of Gumbel's distribution for a number of a mixture and a batch that begins with `image`.
fn gumbel(seed: u64, MixtureId(mixture): MixtureId, number: usize, epoch: u32, image: u32) -> f64 {
    let sub = (mixture as u32) << 16 | number as u32;
    let word = random(seed, Purpose::Mixture, sub, epoch, image)[0];
    -(-(-uniform(word)).ln_1p()).ln()
}

/// A uniform number that is neither 0 nor 1, and exact in 32 bits.
fn uniform(word: u32) -> f64 {
    (f64::from(word >> 9) + 0.5) / f64::from(1 << 23)
}

/// The first number that is largest.
fn largest(numbers: &[f64]) -> usize {
    let best = |best: usize, next: usize| if numbers[next] > numbers[best] { next } else { best };
    (0..numbers.len()).fold(0, best)
}

impl Graph {
    /// Weights of terms, `rows` softmaxes over `choices` each; the numbers that they are of are the parameter `name`, `[rows][choices]`,
    /// and start at 0.
    ///
    /// # Errors
    /// When there is no row or no choice, or inside [`Graph::serving`].
    pub fn mixture(&mut self, name: &str, rows: usize, choices: usize) -> Result<Mixture, Error> {
        self.weigh(name, rows, choices, None)
    }

    /// The same with weights that are drawn for each batch in training.
    ///
    /// # Errors
    /// When there is no row or no choice, or are more than noise can tell apart, or inside [`Graph::serving`].
    pub fn drawn_mixture(
        &mut self,
        name: &str,
        rows: usize,
        choices: usize,
        draw: Draw,
    ) -> Result<Mixture, Error> {
        self.weigh(name, rows, choices, Some(draw))
    }

    fn weigh(
        &mut self,
        name: &str,
        rows: usize,
        choices: usize,
        draw: Option<Draw>,
    ) -> Result<Mixture, Error> {
        let refused = |problem| Err(Error::BadSize { op: "mixture", name: name.to_owned(), problem });
        if self.guard.is_some() {
            return refused(
                "it serves a weight of another mixture; build it outside of Graph::serving".into(),
            );
        }
        if rows == 0 || choices == 0 {
            return refused(format!("{rows} rows of {choices} choices are no mixture"));
        }
        let numbers = rows.saturating_mul(choices);
        let most = match draw {
            Some(Draw::Dirichlet { .. }) => NUMBERS_MAX >> dirichlet::TRY_BITS,
            Some(Draw::Concrete | Draw::OneHot) => NUMBERS_MAX,
            None => usize::MAX,
        };
        if numbers >= most || draw.is_some() && self.tables.mixtures.len() >= NUMBERS_MAX {
            return refused(format!("{numbers} numbers: noise tells less than {most} apart"));
        }
        let mixture = MixtureId(self.tables.mixtures.len());
        let param = self.param(name.to_owned(), vec![rows, choices], Init::Zero);
        let weights = self.workspaces(2);
        let partials = WorkspaceId(weights.0 + 1);
        let terms = Vec::new();
        let op = MixtureWeights { mixture, param, softmax: weights, partials, draw };
        let kept = numbers + op.factors(numbers);
        let is_one_hot = draw == Some(Draw::OneHot);
        let mixture_table = program::Mixture { rows, choices, weights, kept, partials, terms, is_one_hot };
        self.tables.mixtures.push(mixture_table);
        self.push(op);
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
        let choice = self.weight_number(name, Mixture(mixture), row, choice)?;
        let found = &mut self.tables.mixtures[mixture.0];
        found.terms.push(MixtureTerm { choice, channels });
        let (term, weights, partials) = (found.terms.len() - 1, found.weights, found.partials);
        Ok(Mixed { mixture, choice, term, weights, partials, is_one_hot: found.is_one_hot })
    }

    /// The number of a weight among those of its mixture, for what is called `name`.
    fn weight_number(
        &self,
        name: &str,
        Mixture(mixture): Mixture,
        row: usize,
        choice: usize,
    ) -> Result<usize, Error> {
        let program::Mixture { rows, choices, .. } = self.tables.mixtures[mixture.0];
        if row < rows && choice < choices {
            return Ok(row * choices + choice);
        }
        let problem = format!("there is no weight {choice} in row {row} of {rows} rows of {choices}");
        Err(Error::BadSize { op: "mixture", name: name.to_owned(), problem })
    }

    /// What `build` adds serves a weight of a mixture alone: a value of it may be read by more that serves the weight, and by a
    /// [`Term`](crate::Term) with it. In a mixture of [`Draw::OneHot`] it costs nothing in steps in which another choice is
    /// drawn: it is not computed, its running statistics stay, and the gradients of its parameters are 0.
    ///
    /// # Errors
    /// When the mixture does not have the weight, this is called inside of itself, or `build` fails.
    pub fn serving<T>(
        &mut self,
        name: &str,
        (mixture, row, choice): (Mixture, usize, usize),
        build: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let choice = self.weight_number(name, mixture, row, choice)?;
        let program::Mixture { weights, is_one_hot, .. } = self.tables.mixtures[mixture.0.0];
        if !is_one_hot {
            return build(self);
        }
        if self.guard.is_some() {
            let problem = "it serves a weight of a mixture, and so does what it is a part of".to_owned();
            return Err(Error::BadSize { op: "mixture", name: name.to_owned(), problem });
        }
        self.guard = Some(Guard { mixture: mixture.0, choice, weights });
        let built = build(self);
        self.guard = None;
        built
    }
}
