//! Networks apart from trainings: weights read from a file, and the network with them as a file of another format.

use std::path::Path;

use super::Graph;
use crate::error::Error;
use crate::onnx::{OnnxSettings, Writer};
use crate::state::{NormInit, ParameterLayout, State};
use crate::tensors::Weights;

impl Graph {
    /// Weights and running statistics of a safetensors file, and what a person should know of how it was read. `former` gives the
    /// name that a tensor has now for one that an earlier version wrote.
    ///
    /// # Errors
    /// When the file cannot be read or its tensors are not those of this network, each a finite number.
    pub fn weights(
        &self,
        path: &Path,
        former: &dyn Fn(&str) -> String,
    ) -> Result<(Weights, Vec<String>), Error> {
        let layout = ParameterLayout::new(&self.tables, &vec![false; self.tables.params.len()]);
        let mut state = State::initial(&self.tables, &layout, 0, NormInit::One);
        let notes = state.load(path, former, &self.tables, &layout)?;
        Ok((Weights(state.tensors(&self.tables, &layout)), notes))
    }

    /// The network with these weights as an ONNX file, as it evaluates: with running statistics, without what is there in training
    /// only, in 32 bits. It reads `images`, `[batch][channels][height][width]`, and gives `logits`, `[batch][classes]`.
    ///
    /// # Errors
    /// [`Error::NotExported`] when something of the network has no meaning where nothing is trained, or the weights are those of
    /// another network.
    pub fn onnx(&self, weights: &Weights, settings: &OnnxSettings) -> Result<Vec<u8>, Error> {
        let mut writer = Writer::new(&self.tables, &weights.0, settings);
        for node in self.nodes.iter().filter(|node| !node.training_only) {
            node.op.export(&mut writer)?;
        }
        writer.finish()
    }
}
