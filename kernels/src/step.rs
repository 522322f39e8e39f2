//! What a step of a training is made of: parts that a device runs one after the other, without asking the host between them.
//!
//! The plain step differentiates a batch and updates all parameters. Others differentiate several batches, at several points,
//! and combine what they gave: accumulated gradients, or the steps of a search that trains its architecture beside its weights
//! (Liu, Simonyan and Yang, 2019, DARTS, Algorithm 1 and Eq. 7 and 8).

mod bilevel;

use std::collections::BTreeSet;

use crate::error::Error;

pub use bilevel::{Difference, Unrolled};

/// Most parts of one step that differentiate.
pub const DIFFERENTIATIONS: usize = 32;

/// Added to a norm that something is divided by.
pub(crate) const NORM_EPSILON: f64 = 1e-12;

/// Parameters that are updated together, by an optimiser of their own ([`Graph::group`](crate::Graph::group)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group(pub(crate) usize);

impl Group {
    /// That of all parameters that are built in no other.
    pub const WEIGHTS: Self = Self(0);
}

/// Numbers of a training, one for each trained parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Vector {
    /// The parameters themselves.
    Parameters,
    /// Gradients, as they were differentiated last or written since.
    Gradients,
    /// What SGD keeps, and the first moments of Adam.
    Momenta,
    /// One of [`TrainerSettings::extra_vectors`](crate::TrainerSettings::extra_vectors), which begin as zeros.
    Extra(usize),
}

/// Whether a forward pass updates the running statistics of normalisations. It normalises by the batch's in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RunningStatistics {
    /// It does, as PyTorch's in training mode.
    Updated,
    /// They stay as they are.
    Kept,
}

/// What a vector is multiplied by: `factor`, times what else is there. It is known on the device only.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// A number.
    pub factor: f32,
    /// Times the learning rate of a group.
    pub learning_rate: Option<Group>,
    /// Times the Euclidean norm of a group's part of a vector, or over it.
    pub norm: Option<Norm>,
}

/// A norm in a [`Scale`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Norm {
    /// Of whose parameters.
    pub group: Group,
    /// Of which numbers.
    pub of: Vector,
    /// Divides (by the norm and 1e-12) instead of multiplying.
    pub divides: bool,
}

impl From<f32> for Scale {
    fn from(factor: f32) -> Self {
        Self { factor, learning_rate: None, norm: None }
    }
}

impl Scale {
    /// Times the learning rate of a group.
    #[must_use]
    pub fn times_learning_rate(self, group: Group) -> Self {
        Self { learning_rate: Some(group), ..self }
    }

    /// Times the norm of a group's part of a vector.
    #[must_use]
    pub fn times_norm(self, group: Group, of: Vector) -> Self {
        Self { norm: Some(Norm { group, of, divides: false }), ..self }
    }

    /// Over it.
    #[must_use]
    pub fn over_norm(self, group: Group, of: Vector) -> Self {
        Self { norm: Some(Norm { group, of, divides: true }), ..self }
    }
}

/// One part of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Part {
    /// Forward and backward pass over the next batch of a stream; the gradients of all trained parameters are what it gives.
    Differentiate {
        /// Number of the stream ([`Epoch::streams`](crate::Epoch)). Parts of a step that name the same one read the same batch.
        stream: usize,
        /// What becomes of running statistics.
        running: RunningStatistics,
    },
    /// The step of a group's optimiser, with the gradients that are there. Where those are no numbers nothing changes, and the
    /// training ends.
    Update {
        /// Whose parameters.
        group: Group,
    },
    /// `to = from`.
    Copy {
        /// Of whose parameters.
        group: Group,
        /// What is read.
        from: Vector,
        /// What is written.
        to: Vector,
    },
    /// `to += scale · from`.
    Axpy {
        /// Of whose parameters.
        group: Group,
        /// Factor.
        scale: Scale,
        /// What is read.
        from: Vector,
        /// What is added to.
        to: Vector,
    },
}

impl Part {
    /// The groups and vectors that it names.
    fn named(self) -> (Vec<Group>, Vec<Vector>) {
        match self {
            Self::Differentiate { .. } => (vec![], vec![]),
            Self::Update { group } => (vec![group], vec![]),
            Self::Copy { group, from, to } => (vec![group], vec![from, to]),
            Self::Axpy { group, scale, from, to } => {
                let norm = scale.norm.into_iter();
                let groups = norm.clone().map(|norm| norm.group).chain(scale.learning_rate);
                let vectors = norm.map(|norm| norm.of);
                (groups.chain([group]).collect(), vectors.chain([from, to]).collect())
            }
        }
    }

    /// Whether it names a group.
    #[cfg(test)]
    pub(crate) fn names(self, group: Group) -> bool {
        self.named().0.contains(&group)
    }

    /// The group or vector that a training with so many does not have.
    fn lacks(self, groups: usize, extra_vectors: usize) -> Option<String> {
        let (named, vectors) = self.named();
        let group = named.into_iter().find(|group| group.0 >= groups);
        let vector = vectors
            .into_iter()
            .find(|vector| matches!(vector, Vector::Extra(number) if *number >= extra_vectors));
        let group = group.map(|Group(group)| format!("group {group}, and the network has {groups}"));
        let vector =
            vector.map(|vector| format!("{vector:?}, and the settings have {extra_vectors} extra_vectors"));
        group.or(vector)
    }
}

/// What a device does with vectors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum VectorWork {
    /// A part of a step, but one that differentiates.
    Part(Part),
    /// The sums of a dot product.
    Dot { group: Group, vectors: [Vector; 2] },
}

impl VectorWork {
    /// The group or vector that a training with so many does not have.
    pub(crate) fn lacks(self, groups: usize, extra_vectors: usize) -> Option<String> {
        match self {
            Self::Part(part) => part.lacks(groups, extra_vectors),
            Self::Dot { group, vectors: [from, to] } => {
                Part::Copy { group, from, to }.lacks(groups, extra_vectors)
            }
        }
    }
}

/// The parts of a step, in the order in which they are run.
#[derive(Clone, Debug, PartialEq)]
pub struct Step(Vec<Part>);

impl Step {
    /// A step of these parts.
    ///
    /// # Errors
    /// When there is none; more than [`DIFFERENTIATIONS`] of them differentiate; a stream before the last that is read is read
    /// by none; a group is updated before the first differentiates, or twice with gradients that were differentiated once.
    pub fn new(parts: Vec<Part>) -> Result<Self, Error> {
        let refused = |problem: String| Err(Error::Step { problem });
        if parts.is_empty() {
            return refused("it has no parts".into());
        }
        let step = Self(parts);
        let streams: BTreeSet<usize> = step.differentiations().map(|(stream, _)| stream).collect();
        if step.differentiations().count() > DIFFERENTIATIONS {
            return refused(format!("more than {DIFFERENTIATIONS} of its parts differentiate"));
        }
        if let Some(stream) = (0..streams.len()).find(|stream| !streams.contains(stream)) {
            return refused(format!("no part reads stream {stream}; number them from 0"));
        }
        let before = step.0.iter().take_while(|part| !matches!(part, Part::Differentiate { .. }));
        if before.into_iter().any(|part| matches!(part, Part::Update { .. })) {
            return refused("a group is updated before anything is differentiated".into());
        }
        let mut updated = Vec::new();
        for part in &step.0 {
            match part {
                Part::Differentiate { .. } => updated.clear(),
                Part::Update { group: Group(group) } if updated.contains(group) => {
                    return refused(format!("group {group} is updated twice with the same gradients"));
                }
                Part::Update { group } => updated.push(group.0),
                Part::Copy { .. } | Part::Axpy { .. } => {}
            }
        }
        Ok(step)
    }

    /// Differentiates a batch of the first stream, and updates so many groups.
    pub fn plain(groups: usize) -> Self {
        let running = RunningStatistics::Updated;
        let updates = (0..groups).map(|group| Part::Update { group: Group(group) });
        Self([Part::Differentiate { stream: 0, running }].into_iter().chain(updates).collect())
    }

    /// Its parts.
    pub fn parts(&self) -> &[Part] {
        &self.0
    }

    /// The stream of each part that differentiates, and what becomes of running statistics there.
    pub(crate) fn differentiations(&self) -> impl Iterator<Item = (usize, RunningStatistics)> {
        self.0.iter().filter_map(|part| match part {
            Part::Differentiate { stream, running } => Some((*stream, *running)),
            Part::Update { .. } | Part::Copy { .. } | Part::Axpy { .. } => None,
        })
    }

    /// Streams that it reads.
    pub(crate) fn streams(&self) -> usize {
        self.differentiations().map(|(stream, _)| stream + 1).max().unwrap_or(0)
    }

    /// How often it updates a group.
    pub(crate) fn updates(&self, group: Group) -> usize {
        self.updates_before(group, usize::MAX)
    }

    /// How often it does before its `place`-th differentiation, from 0.
    pub(crate) fn updates_before(&self, group: Group, place: usize) -> usize {
        if place == 0 {
            return 0;
        }
        let mut differentiated = 0;
        let before = self.0.iter().take_while(|part| {
            differentiated += usize::from(matches!(part, Part::Differentiate { .. }));
            differentiated <= place
        });
        before.filter(|part| **part == Part::Update { group }).count()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by it")]
mod tests {
    use super::*;

    const BATCH: Part = Part::Differentiate { stream: 0, running: RunningStatistics::Updated };
    const UPDATE: Part = Part::Update { group: Group::WEIGHTS };

    #[test]
    fn steps_that_make_no_sense_are_refused() {
        let other = Part::Differentiate { stream: 1, running: RunningStatistics::Kept };
        let refused = |parts: Vec<Part>| Step::new(parts).unwrap_err().to_string();
        assert!(refused(Vec::new()).contains("no parts"));
        assert!(refused(vec![other, UPDATE]).contains("no part reads stream 0"));
        assert!(refused(vec![BATCH, UPDATE, UPDATE]).contains("group 0 is updated twice"));
        assert!(refused(vec![UPDATE, BATCH]).contains("before anything is differentiated"));
        assert!(refused(vec![BATCH; DIFFERENTIATIONS + 1]).contains("more than 32"));
        let step = Step::new(vec![BATCH, UPDATE, other, UPDATE]).unwrap();
        assert_eq!((step.streams(), step.updates(Group::WEIGHTS)), (2, 2));
        assert_eq!([0, 1, 2].map(|place| step.updates_before(Group::WEIGHTS, place)), [0, 1, 2]);
        assert_eq!(Step::new(vec![BATCH, UPDATE]).unwrap(), Step::plain(1));
    }

    #[test]
    fn what_a_training_lacks_is_named() {
        let (group, from, to) = (Group(1), Vector::Extra(2), Vector::Gradients);
        let copy = Part::Copy { group, from, to };
        assert!(copy.lacks(1, 3).unwrap().starts_with("group 1, and the network has 1"));
        assert!(copy.lacks(2, 2).unwrap().starts_with("Extra(2), and the settings have 2"));
        assert_eq!(copy.lacks(2, 3), None);
        let scale = Scale::from(1.0).over_norm(Group(3), from);
        let axpy = Part::Axpy { group: Group::WEIGHTS, scale, from: to, to };
        assert!(axpy.lacks(3, 3).is_some() && axpy.lacks(4, 2).is_some() && axpy.lacks(4, 3).is_none());
    }
}
