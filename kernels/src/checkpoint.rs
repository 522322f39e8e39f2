//! Where a training stands, and its bytes.

use crate::error::Error;
use crate::graph::Graph;
use crate::ops;
use crate::program::Mode;
use crate::state::{LossScale, Moments, ParameterLayout, State};
use crate::tensors::Weights;

/// Where a training stands: parameters, running statistics, what optimisers keep, and the steps that were made; not
/// extra vectors, which a step fills before it reads them.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Of what network it is: name and shape of each parameter.
    pub(crate) parameters: Vec<(String, Vec<usize>)>,
    pub(crate) state: State,
    pub(crate) moments: Moments,
    /// Updates of each group.
    pub(crate) updates: Vec<u64>,
    pub(crate) steps: u64,
}

/// What its bytes begin with.
const FORMAT: &[u8] = b"kernels checkpoint 1\n";

impl Checkpoint {
    /// Everything in bytes, the same on every machine. They hold no sum of themselves: who keeps them sees to that.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = FORMAT.to_vec();
        put_count(&mut bytes, self.parameters.len());
        for (name, shape) in &self.parameters {
            put_count(&mut bytes, name.len());
            bytes.extend_from_slice(name.as_bytes());
            put_count(&mut bytes, shape.len());
            for &size in shape {
                put_count(&mut bytes, size);
            }
        }
        for floats in self.floats() {
            put_count(&mut bytes, floats.len());
            put_floats(&mut bytes, floats);
        }
        let LossScale { scale, good, skips } = self.moments.loss_scale;
        put_floats(&mut bytes, &[scale, good, skips]);
        put_count(&mut bytes, self.updates.len());
        for number in self.updates.iter().chain([&self.steps]) {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    /// What [`Checkpoint::to_bytes`] wrote.
    ///
    /// # Errors
    /// When the bytes are something else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut left = Bytes(bytes);
        match left.checkpoint() {
            Some(checkpoint) if left.0.is_empty() => Ok(checkpoint),
            _ => Err(Error::Checkpoint { problem: "these bytes are no checkpoint of this version".into() }),
        }
    }

    /// The weights and running statistics that it holds of a network.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] when it is of another network, or holds what is no number.
    pub fn weights(&self, graph: &Graph) -> Result<Weights, Error> {
        let refused = |problem| Err(Error::Checkpoint { problem });
        let tables = &graph.tables;
        let own = tables.params.iter().map(|param| (&param.name, &param.shape));
        let kept = self.parameters.iter().map(|(name, shape)| (name, shape));
        if let Some(((name, shape), (own_name, own_shape))) = kept.zip(own).find(|(kept, own)| kept != own) {
            return refused(format!(
                "its parameter {name} {shape:?} is {own_name} {own_shape:?} in the network that is asked for"
            ));
        }
        let layout = ParameterLayout::new(tables, &ops::program(graph, Mode::Train, 32).trained);
        let State { parameters, running_mean, running_var } = &self.state;
        let found = [self.parameters.len(), parameters.len(), running_mean.len(), running_var.len()];
        let expected = [tables.params.len(), layout.elements, tables.norm_channels, tables.norm_channels];
        if found != expected {
            return refused(format!(
                "it holds {found:?} parameters, numbers of them, running means and variances, and the network that is asked \
                 for has {expected:?}"
            ));
        }
        let tensors = self.state.tensors(tables, &layout);
        match tensors.iter().find(|(_, (_, values))| !values.iter().all(|value| value.is_finite())) {
            Some((name, _)) => {
                refused(format!("not all of tensor {name} are numbers: it had diverged before"))
            }
            None => Ok(Weights(tensors)),
        }
    }

    fn floats(&self) -> [&[f32]; 5] {
        let Self { state, moments, .. } = self;
        [&state.parameters, &state.running_mean, &state.running_var, &moments.first, &moments.second]
    }
}

fn put_floats(bytes: &mut Vec<u8>, floats: &[f32]) {
    bytes.extend(floats.iter().flat_map(|value| value.to_le_bytes()));
}

fn put_count(bytes: &mut Vec<u8>, count: usize) {
    bytes.extend_from_slice(&(count as u64).to_le_bytes());
}

/// What is left to read.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, left) = self.0.split_at_checked(count)?;
        self.0 = left;
        Some(taken)
    }

    fn number(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn float(&mut self) -> Option<f32> {
        Some(f32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    /// As many values as are said to follow, of at least `size` bytes each.
    fn list<T>(&mut self, size: usize, mut value: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = usize::try_from(self.number()?).ok()?;
        // Nothing is allocated for what cannot follow.
        if count.checked_mul(size)? > self.0.len() {
            return None;
        }
        (0..count).map(|_| value(self)).collect()
    }

    fn floats(&mut self) -> Option<Vec<f32>> {
        self.list(4, Self::float)
    }

    fn parameter(&mut self) -> Option<(String, Vec<usize>)> {
        let length = usize::try_from(self.number()?).ok()?;
        let name = std::str::from_utf8(self.take(length)?).ok()?.to_owned();
        let shape = self.list(8, |left| usize::try_from(left.number()?).ok())?;
        Some((name, shape))
    }

    fn checkpoint(&mut self) -> Option<Checkpoint> {
        if self.take(FORMAT.len())? != FORMAT {
            return None;
        }
        let parameters = self.list(16, Self::parameter)?;
        let (parameters_now, running_mean, running_var) = (self.floats()?, self.floats()?, self.floats()?);
        let state = State { parameters: parameters_now, running_mean, running_var };
        let (first, second) = (self.floats()?, self.floats()?);
        let loss_scale = LossScale { scale: self.float()?, good: self.float()?, skips: self.float()? };
        let moments = Moments { first, second, loss_scale };
        let updates = self.list(8, Self::number)?;
        Some(Checkpoint { parameters, state, moments, updates, steps: self.number()? })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by it")]
mod tests {
    use super::*;

    #[test]
    fn bytes_give_the_checkpoint_again_and_what_is_cut_or_longer_is_refused() {
        let state = State { parameters: vec![1.5, -0.0], running_mean: vec![], running_var: vec![2.0] };
        let moments = Moments { first: vec![0.25], second: vec![], loss_scale: LossScale::INITIAL };
        let parameters = vec![("weight".to_owned(), vec![2, 1]), (String::new(), vec![])];
        let checkpoint = Checkpoint { parameters, state, moments, updates: vec![3, 4], steps: 7 };
        let bytes = checkpoint.to_bytes();
        assert_eq!(Checkpoint::from_bytes(&bytes).unwrap(), checkpoint);
        for length in 0..bytes.len() {
            assert!(Checkpoint::from_bytes(&bytes[..length]).is_err());
        }
        assert!(Checkpoint::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
        let mut endless = bytes;
        endless[FORMAT.len()..][..8].fill(255);
        assert!(Checkpoint::from_bytes(&endless).is_err());
    }
}
