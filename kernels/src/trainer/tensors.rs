//! What a training holds: its parameters, their gradients, and what its last step left, for whoever looks at one.

use super::Trainer;
use crate::backend::Rectified;
use crate::error::Error;
use crate::state::parameter_tensors;

/// A parameter, or its gradient.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedTensor {
    /// Name of the parameter, as in the reference network's `state_dict`.
    pub name: String,
    /// Its dimensions; a normalisation's and a bias have one, weights of convolutions and linear layers more.
    pub shape: Vec<usize>,
    /// Its numbers in row-major order.
    pub values: Vec<f32>,
}

impl Trainer {
    /// All parameters, by name.
    ///
    /// # Errors
    /// When the device fails.
    pub fn named_parameters(&mut self) -> Result<Vec<NamedTensor>, Error> {
        let state = self.backend.state()?;
        Ok(self.named(&state.parameters))
    }

    /// The gradients that were differentiated last, before clipping, by parameter.
    ///
    /// # Errors
    /// When the device fails.
    pub fn named_gradients(&mut self) -> Result<Vec<NamedTensor>, Error> {
        let gradients = self.backend.gradients()?;
        Ok(self.named(&gradients))
    }

    fn named(&self, flat: &[f32]) -> Vec<NamedTensor> {
        let tensors = parameter_tensors(flat, &self.tables, &self.layout);
        tensors.into_iter().map(|(name, (shape, values))| NamedTensor { name, shape, values }).collect()
    }

    /// Shows what the operations of the network read through a ReLU in the last step, of the first `images` of its batch: one
    /// value after the other in forward order, a value as often as operations ask for its ReLU, of which those that write parts
    /// of one value (a factorised reduce) count as one. The graph must [keep](crate::Graph::keep_rectified) it.
    ///
    /// # Errors
    /// When a batch has fewer images, or the device is none whose memory can be looked into: the processor is one.
    pub fn rectified(&mut self, images: usize, mut show: impl FnMut(Rectified<'_>)) -> Result<(), Error> {
        if images > self.batch_size {
            let problem = format!("{images} images are asked for, and a batch has {}", self.batch_size);
            return Err(Error::Images { problem });
        }
        self.backend.rectified(images, &mut show)
    }
}
