//! ReLU6 in an ONNX file: a value clipped between two constants.

use super::{Relu6, SIX};
use crate::onnx::Writer;
use crate::ops::unary::ExportFunction;
use crate::shape::Shape;

impl ExportFunction for Relu6 {
    fn export_function(&self, writer: &mut Writer<'_>, value: String, _: Shape) -> String {
        let (zero, six) = (writer.numbers("zero", &[], &[0.0]), writer.numbers("six", &[], &[SIX]));
        writer.node(None, "Clip", &[value, zero, six], Vec::new())
    }
}
