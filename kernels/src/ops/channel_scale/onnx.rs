//! Scaled channels in an ONNX file: a product, whose second factor has one pixel.

use super::ChannelScale;
use crate::error::Error;
use crate::onnx::{Export, Writer};

impl Export for ChannelScale {
    fn export(&self, writer: &mut Writer<'_>) -> Result<(), Error> {
        let factors = [writer.read(self.input)?, writer.read(self.scale)?];
        let made = writer.node(None, "Mul", &factors, Vec::new());
        writer.write(self.output, made);
        Ok(())
    }
}
