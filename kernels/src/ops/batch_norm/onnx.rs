//! Batch normalisation in an ONNX file, with running statistics: a node of its own, which what reads the value reads.

use super::{BatchNorm, EPSILON};
use crate::error::Error;
use crate::onnx::{Attribute, Export, Writer};

impl Export for BatchNorm {
    fn export(&self, writer: &mut Writer<'_>) -> Result<(), Error> {
        let layer = writer.layer(self.scale);
        let raw = writer.read_raw(self.raw)?;
        let (scale, shift) = (writer.parameter(self.scale)?, writer.parameter(self.shift)?);
        let mean = writer.weight(&format!("{layer}.running_mean"))?;
        let variance = writer.weight(&format!("{layer}.running_var"))?;
        let attributes = vec![Attribute::float("epsilon", EPSILON as f32)];
        let inputs = [raw, scale, shift, mean, variance];
        let made = writer.node(Some(layer), "BatchNormalization", &inputs, attributes);
        writer.write_normalised(self.norm, self.raw, made);
        Ok(())
    }
}
