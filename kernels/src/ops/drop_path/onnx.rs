//! Drop path in an ONNX file: nothing, for no edge is dropped in evaluation.

use super::DropPath;
use crate::error::Error;
use crate::onnx::{Export, Writer};

impl Export for DropPath {
    fn export(&self, _: &mut Writer<'_>) -> Result<(), Error> {
        Ok(())
    }
}
