//! Steps that train an architecture beside weights, each on batches of its own: the architecture by one stream, then
//! the weights by another (Liu, Simonyan and Yang, 2019, DARTS, Algorithm 1).

use super::{Group, Part, RunningStatistics, Scale, Step, Vector};

/// What weights are before a step.
const BEFORE: Vector = Vector::Extra(0);
/// What is kept of the gradients of the architecture's batch.
const KEPT: Vector = Vector::Extra(1);

/// How the architecture's gradient is followed through a step of the weights (Eq. 7). Such a step needs
/// [`Unrolled::EXTRA_VECTORS`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unrolled {
    /// Momentum of the weights' SGD.
    pub momentum: f32,
    /// Their weight decay.
    pub weight_decay: f32,
    /// How far weights are moved to both sides.
    pub distance: f32,
    /// What is made of the difference between both sides.
    pub difference: Difference,
}

/// What is made of the gradients `g⁺` and `g⁻` at weights that were moved to both sides by ε times the architecture's
/// batch's gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Difference {
    /// `(g⁺ - g⁻)/(2ε)`, the product of a Hessian and a vector (Eq. 8).
    Quotient,
    /// `(g⁺ - g⁻)·ε/2`: a slip of published code, which all but removes the term.
    Product,
}

impl Unrolled {
    /// [`TrainerSettings::extra_vectors`](crate::TrainerSettings::extra_vectors) that a step needs.
    pub const EXTRA_VECTORS: usize = 2;
}

/// The stream of images that weights are trained on.
const TRAIN: usize = 0;
/// That of the architecture.
const VALID: usize = 1;

fn differentiate(stream: usize, running: RunningStatistics) -> Part {
    Part::Differentiate { stream, running }
}

fn copy(group: Group, from: Vector, to: Vector) -> Part {
    Part::Copy { group, from, to }
}

fn add(group: Group, scale: Scale, from: Vector, to: Vector) -> Part {
    Part::Axpy { group, scale, from, to }
}

impl Step {
    /// Updates the group `architecture` by a batch of stream 1, at the weights, or `unrolled` at weights that have
    /// gone a step of stream 0; then the weights by a batch of stream 0. Running statistics are those of that last
    /// pass only.
    pub fn bilevel(architecture: Group, unrolled: Option<Unrolled>) -> Self {
        use RunningStatistics::{Kept, Updated};
        let mut parts = Vec::new();
        match unrolled {
            None => parts.push(differentiate(VALID, Kept)),
            Some(unrolled) => unrolled.add_to(&mut parts, architecture),
        }
        parts.push(Part::Update { group: architecture });
        parts.extend([differentiate(TRAIN, Updated), Part::Update { group: Group::WEIGHTS }]);
        Self(parts)
    }
}

impl Unrolled {
    /// Adds what gives the architecture's gradient, and leaves weights as they were.
    fn add_to(self, parts: &mut Vec<Part>, architecture: Group) {
        use RunningStatistics::Kept;
        const WEIGHTS: Group = Group::WEIGHTS;
        let (gradients, weights) = (Vector::Gradients, Vector::Parameters);
        let rate = |factor: f32| Scale::from(factor).times_learning_rate(WEIGHTS);
        parts.extend([
            copy(WEIGHTS, weights, BEFORE),
            differentiate(TRAIN, Kept),
            add(WEIGHTS, rate(-1.0), gradients, weights),
            add(WEIGHTS, rate(-self.momentum), Vector::Momenta, weights),
            add(WEIGHTS, rate(-self.weight_decay), BEFORE, weights),
            differentiate(VALID, Kept),
            copy(architecture, gradients, KEPT),
            copy(WEIGHTS, gradients, KEPT),
        ]);
        for side in [1.0, -1.0] {
            // ε is the distance over the gradient's norm.
            let moved = Scale::from(side * self.distance).over_norm(WEIGHTS, KEPT);
            let term = match self.difference {
                Difference::Quotient => rate(-side * 0.5 / self.distance).times_norm(WEIGHTS, KEPT),
                Difference::Product => rate(-side * 0.5 * self.distance).over_norm(WEIGHTS, KEPT),
            };
            parts.extend([
                copy(WEIGHTS, BEFORE, weights),
                add(WEIGHTS, moved, KEPT, weights),
                differentiate(TRAIN, Kept),
                add(architecture, term, gradients, KEPT),
            ]);
        }
        parts.extend([copy(WEIGHTS, BEFORE, weights), copy(architecture, KEPT, gradients)]);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by it")]
mod tests {
    use super::*;

    #[test]
    fn steps_are_as_steps_must_be() {
        let (momentum, weight_decay, distance) = (0.9, 3e-4, 0.01);
        let unrolled = |difference| Some(Unrolled { momentum, weight_decay, distance, difference });
        for (unrolled, passes) in
            [(None, 2), (unrolled(Difference::Quotient), 5), (unrolled(Difference::Product), 5)]
        {
            let step = Step::bilevel(Group(1), unrolled);
            assert_eq!(Step::new(step.parts().to_vec()).unwrap(), step);
            assert_eq!((step.streams(), step.differentiations().count()), (2, passes));
            let updates = [Group::WEIGHTS, Group(1)].map(|group| step.updates(group));
            assert_eq!(updates, [1, 1]);
            let vectors = unrolled.map_or(0, |_| Unrolled::EXTRA_VECTORS);
            assert!(step.parts().iter().all(|part| part.lacks(2, vectors).is_none()));
        }
    }
}
