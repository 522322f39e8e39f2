//! Operations of one value in ONNX files: how each function is written is in its own folder.

use super::{Unary, UnaryOperation};
use crate::error::Error;
use crate::onnx::{Export, Writer};
use crate::shape::Shape;

/// A function that can say what it is in an ONNX file.
pub(in crate::ops) trait ExportFunction {
    /// Writes what it makes of a map of this shape in evaluation; the name of that.
    fn export_function(&self, writer: &mut Writer<'_>, value: String, shape: Shape) -> String;
}

impl<F: UnaryOperation> Export for Unary<F> {
    fn export(&self, writer: &mut Writer<'_>) -> Result<(), Error> {
        let value = writer.read(self.input)?;
        let made = self.function.export_function(writer, value, self.output.shape);
        writer.write(self.output, made);
        Ok(())
    }
}
