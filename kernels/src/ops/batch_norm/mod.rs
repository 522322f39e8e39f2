//! Batch normalisation (Ioffe and Szegedy, 2015): `γ·(y - mean)/√(var + 1e-5) + β` by channel.
//!
//! It is no copy. What produces `y` takes the sums for the statistics on its way, where it can, and a pass over `y` does where
//! it cannot (a sum, a concatenation, a value that has another normalisation already); from those come mean,
//! variance and the affine map `a·y + b` (`a = γ/√(var+eps)`, `b = β - a·mean`), which is applied wherever the value is read.
//! Backward likewise: two sums a channel, and from them γ's and β's gradients and the coefficients of
//! `dy = A·g + B·y + C`, which is applied where the gradient is read. Evaluation uses running statistics (momentum 0.1).

mod cpu;
mod gpu;
mod onnx;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
mod typical;

pub(super) use cpu::moments;
#[cfg(test)]
pub(super) use gpu::SHADERS;
#[cfg(test)]
pub(super) use reference::add_up;
#[cfg(test)]
pub(super) use tests::examples;
pub(super) use typical::typical;

use super::node_sum::EdgeBackward;
use crate::error::Error;
use crate::graph::{Graph, Operation, SumsBy, Tape, ValueId};
use crate::program::{Access, Accesses, Declare, Gradient, Input, Mixed, NormId, ParamId, Resource, Tensor};

/// Added to the variance.
const EPSILON: f64 = 1e-5;
/// Share of a batch's statistics in the running ones.
const MOMENTUM: f32 = 0.1;

#[derive(Clone, Copy, Debug)]
struct BatchNorm {
    norm: NormId,
    /// What it normalises, as it was produced.
    raw: Tensor,
    scale: ParamId,
    shift: ParamId,
    /// Whether scale and shift are trained.
    is_affine: bool,
    sums_by: SumsBy,
}

/// Sums for the statistics of a value whose producers do not take them.
#[derive(Debug)]
struct Sums(BatchNorm);

/// From sums to mean, variance, the affine map and running statistics.
#[derive(Debug)]
struct Statistics(BatchNorm);

/// From running statistics to the affine map.
#[derive(Debug)]
struct RunningMap(BatchNorm);

/// Sums `Σ scale·g` and `Σ scale·g·(y - mean)`, over the batch and all pixels.
#[derive(Debug)]
struct GradientSums {
    op: BatchNorm,
    gradient: Gradient,
}

/// From those to the gradients of γ and β, and to A, B, C of [`Gradient`]; where a mixture weighs the value, with its weight in
/// them, and to the gradient of the weight.
#[derive(Debug)]
struct GradientMap {
    op: BatchNorm,
    mixed: Option<Mixed>,
}

impl Operation for BatchNorm {
    /// It reads nothing: who reads the value applies the map.
    fn inputs(&self) -> Vec<Input> {
        Vec::new()
    }

    fn output(&self) -> Option<Tensor> {
        None
    }

    fn params(&self) -> Vec<ParamId> {
        if self.is_affine { vec![self.scale, self.shift] } else { Vec::new() }
    }

    fn elementwise_flops(&self) -> u64 {
        4 * self.raw.shape.elements() as u64
    }

    fn forward(&self, tape: &mut Tape) {
        if tape.is_training() {
            if self.sums_by == SumsBy::OwnCall {
                tape.push(Sums(*self));
            }
            tape.push(Statistics(*self));
        } else {
            tape.prepare(RunningMap(*self));
        }
    }

    fn backward(&self, tape: &mut Tape) {
        let Some(gradient) = tape.normalised_gradient(self.raw, self.norm) else { return };
        tape.push(GradientSums { op: *self, gradient });
        tape.push(GradientMap { op: *self, mixed: gradient.mixed });
        tape.train(self.params());
        if let Some(sink) = tape.join(self.raw, self.norm, self.sums_by == SumsBy::Producers) {
            tape.push(EdgeBackward { gradient, gate: None, sink });
        }
    }
}

impl Declare for Sums {
    fn kind(&self) -> &'static str {
        "normalisation: sums"
    }

    fn accesses(&self) -> Vec<Access> {
        let sums = Resource::NormSums(self.0.norm);
        Accesses::default().reads_tensor(self.0.raw).writes(sums).list()
    }
}

impl Declare for Statistics {
    fn kind(&self) -> &'static str {
        "normalisation: statistics"
    }

    fn accesses(&self) -> Vec<Access> {
        let Self(op) = self;
        // A GPU takes the sums here.
        let list = Accesses::default().reads_tensor(op.raw).reads(Resource::NormSums(op.norm));
        list.reads(Resource::Parameters).writes(Resource::NormMap(op.norm)).list()
    }
}

impl Declare for RunningMap {
    fn kind(&self) -> &'static str {
        "normalisation: running statistics"
    }

    fn accesses(&self) -> Vec<Access> {
        let map = Resource::NormMap(self.0.norm);
        Accesses::default().reads(Resource::Parameters).writes(map).list()
    }
}

impl Declare for GradientSums {
    fn kind(&self) -> &'static str {
        "normalisation: backward"
    }

    fn accesses(&self) -> Vec<Access> {
        let Self { op, gradient } = self;
        let list = Accesses::default().reads_tensor(gradient.tensor).reads_tensor(gradient.raw);
        let list = list.reads(Resource::NormMap(op.norm)).reads(Resource::Parameters);
        let list = if gradient.scale.is_some() { list.reads(Resource::DropPath) } else { list };
        // A GPU goes on to the coefficients.
        let list = list.reads_weight(gradient.mixed).gives_weight(gradient.mixed);
        list.writes(Resource::NormGradientSums(op.norm)).list()
    }
}

impl Declare for GradientMap {
    fn kind(&self) -> &'static str {
        "normalisation: backward"
    }

    fn accesses(&self) -> Vec<Access> {
        let norm = self.op.norm;
        let list = Accesses::default().reads(Resource::NormGradientSums(norm));
        let list = list.reads_weight(self.mixed).gives_weight(self.mixed);
        let list = list.reads(Resource::NormMap(norm)).reads(Resource::Parameters);
        list.writes(Resource::NormGradientMap(norm)).shares(Resource::ParameterGradients).list()
    }
}

impl Graph {
    /// Batch normalisation of a value (eps 1e-5, momentum 0.1, affine), applied where the value is read. Its
    /// tensors are `name.weight`, `name.bias`, `name.running_mean` and `name.running_var`.
    ///
    /// # Errors
    /// When the value is normalised already, or behind a ReLU: those are not in memory, but applied where it is read; or when
    /// only one of both serves a weight of a mixture ([`Graph::serving`]).
    pub fn batch_norm(&mut self, name: &str, value: ValueId) -> Result<ValueId, Error> {
        self.norm(name, value, true)
    }

    /// The same without scale and shift; only its running statistics have names.
    ///
    /// # Errors
    /// As [`Graph::batch_norm`].
    pub fn batch_norm_plain(&mut self, name: &str, value: ValueId) -> Result<ValueId, Error> {
        self.norm(name, value, false)
    }

    fn norm(&mut self, name: &str, value: ValueId, is_affine: bool) -> Result<ValueId, Error> {
        let Input { tensor: raw, norm, relu } = self.read(value, false);
        if norm.is_some() || relu {
            let problem = "what is normalised already, or behind a ReLU, is not in memory as such; normalise its \
                           Graph::sum";
            let (name, problem) = (name.to_owned(), problem.to_owned());
            return Err(Error::BadSize { op: "batch normalisation", name, problem });
        }
        if !self.is_served_alike(raw) {
            let problem = "it serves another weight of a mixture than the value, or none; build both in the same \
                           Graph::serving, or outside";
            let (name, problem) = (name.to_owned(), problem.to_owned());
            return Err(Error::BadSize { op: "batch normalisation", name, problem });
        }
        let (norm, sums_by) = self.normalise(name, raw, is_affine);
        let (scale, shift) = (self.tables.norms[norm.0].scale, self.tables.norms[norm.0].shift);
        self.push(BatchNorm { norm, raw, scale, shift, is_affine, sums_by });
        Ok(self.value(raw, Some(norm)))
    }
}
