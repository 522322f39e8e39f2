//! Heads in an ONNX file: the main head's logits are what it gives. A loss has no meaning where nothing is trained.

use super::SumHead;
use crate::error::Error;
use crate::onnx::{Export, Writer};

impl Export for SumHead {
    fn export(&self, writer: &mut Writer<'_>) -> Result<(), Error> {
        let logits = writer.read_row(self.input())?;
        writer.gives(logits);
        Ok(())
    }
}
