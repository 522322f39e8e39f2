//! The logistic function in an ONNX file.

use super::Sigmoid;
use crate::onnx::Writer;
use crate::ops::unary::ExportFunction;
use crate::shape::Shape;

impl ExportFunction for Sigmoid {
    fn export_function(&self, writer: &mut Writer<'_>, value: String, _: Shape) -> String {
        writer.node(None, "Sigmoid", &[value], Vec::new())
    }
}
