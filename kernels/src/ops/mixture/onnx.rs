//! Mixtures in ONNX files: there are none, for a network that still weighs its operations is no architecture yet.

use super::MixtureWeights;
use crate::error::Error;
use crate::onnx::{Export, Writer, unwritten};

impl Export for MixtureWeights {
    fn export(&self, writer: &mut Writer<'_>) -> Result<(), Error> {
        let problem = "the network weighs several operations; decode an architecture, and train that";
        Err(unwritten("mixture", writer.parameter_name(self.param), problem))
    }
}
