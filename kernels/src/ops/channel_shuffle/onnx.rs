//! Channel shuffle in an ONNX file: groups become an axis, which changes places with the channels of each.

use super::ChannelShuffle;
use crate::onnx::{Attribute, Writer};
use crate::ops::unary::ExportFunction;
use crate::shape::Shape;

impl ExportFunction for ChannelShuffle {
    fn export_function(&self, writer: &mut Writer<'_>, value: String, shape: Shape) -> String {
        let [channels, groups, height, width] =
            [shape.channels, self.groups, shape.height, shape.width].map(|side| side as i64);
        // 0 keeps the side, which is the batch.
        let apart = writer.list(&[0, groups, channels / groups, height, width]);
        let together = writer.list(&[0, channels, height, width]);
        let grouped = writer.node(None, "Reshape", &[value, apart], Vec::new());
        let swap = vec![Attribute::ints("perm", &[0, 2, 1, 3, 4])];
        let swapped = writer.node(None, "Transpose", &[grouped], swap);
        writer.node(None, "Reshape", &[swapped, together], Vec::new())
    }
}
