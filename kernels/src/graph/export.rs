//! Networks apart from trainings: weights read from a file, and the network with them as a file of another format.

use std::collections::BTreeSet;
use std::path::Path;

use super::Graph;
use crate::error::Error;
use crate::onnx::{OnnxSettings, PytorchCode, Writer};
use crate::state::{NormInit, ParameterLayout, State};
use crate::tensors::{Tensors, Weights};

impl Graph {
    /// Weights and running statistics of a safetensors file, for evaluation, and what a person should know of how it was read.
    /// `former` gives the name that a tensor has now for one that an earlier version wrote. The file need not hold what is there in
    /// training only.
    ///
    /// # Errors
    /// When the file cannot be read or its tensors are not those of this network, each a finite number.
    pub fn weights(
        &self,
        path: &Path,
        former: &dyn Fn(&str) -> String,
    ) -> Result<(Weights, Vec<String>), Error> {
        let (layout, mut state) = self.initial();
        let layers: BTreeSet<&str> = self.training_only_layers().collect();
        let may_be_missing =
            |name: &str| name.rsplit_once('.').is_some_and(|(layer, _)| layers.contains(layer));
        let notes = state.load(path, former, &may_be_missing, &self.tables, &layout)?;
        Ok((Weights(state.tensors(&self.tables, &layout)), notes))
    }

    /// A state to read into, or names and shapes from.
    fn initial(&self) -> (ParameterLayout, State) {
        let layout = ParameterLayout::new(&self.tables, &vec![false; self.tables.params.len()]);
        let state = State::initial(&self.tables, &layout, 0, NormInit::One);
        (layout, state)
    }

    /// The layers that are there in training only and have tensors.
    fn training_only_layers(&self) -> impl Iterator<Item = &str> {
        let params = self.tables.params.iter().filter(|param| param.training_only);
        params.filter_map(|param| param.name.rsplit_once('.').map(|(layer, _)| layer))
    }

    /// The network with these weights as an ONNX file, as it evaluates: with running statistics, without what is there in training
    /// only, in 32 bits. It reads `images`, `[batch][channels][height][width]`, and gives `logits`, `[batch][classes]`.
    ///
    /// # Errors
    /// [`Error::NotExported`] when something of the network has no meaning where nothing is trained, or the weights are those of
    /// another network.
    pub fn onnx(&self, weights: &Weights, settings: &OnnxSettings) -> Result<Vec<u8>, Error> {
        self.written(&weights.0, settings)?.finish()
    }

    /// The network as PyTorch code that reads normalised images of its own size, without what is there in training only.
    ///
    /// # Errors
    /// [`Error::NotExported`] when something of the network has no meaning where nothing is trained.
    pub fn pytorch(&self) -> Result<PytorchCode, Error> {
        // Of its weights only names and shapes matter.
        let (layout, state) = self.initial();
        self.written(&state.tensors(&self.tables, &layout), &OnnxSettings::default())?.pytorch()
    }

    /// What all operations of the evaluation wrote.
    fn written<'a>(&'a self, weights: &'a Tensors, settings: &'a OnnxSettings) -> Result<Writer<'a>, Error> {
        let mut writer = Writer::new(&self.tables, weights, settings);
        for node in self.nodes.iter().filter(|node| !node.training_only) {
            node.op.export(&mut writer)?;
        }
        Ok(writer)
    }
}
