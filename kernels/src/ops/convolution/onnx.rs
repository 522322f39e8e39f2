//! Convolutions in an ONNX file. A separable one is two nodes, a linear layer a product of rows with a matrix. One whose first
//! window begins inside of the padded input (the second half of a factorised reduction) reads what is left of it.

use super::{Columns, Convolution};
use crate::error::Error;
use crate::onnx::{Attribute, Export, Writer};
use crate::program::ParamId;

/// Where windows lie.
struct Windows {
    kernel: [usize; 2],
    stride: usize,
    dilation: usize,
    /// Above and left, and below and right.
    padding: [[usize; 2]; 2],
    groups: usize,
}

impl Windows {
    /// A window of one pixel.
    const POINT: Self = Self { kernel: [1, 1], stride: 1, dilation: 1, padding: [[0, 0], [0, 0]], groups: 1 };

    fn attributes(&self) -> Vec<Attribute> {
        let Self { kernel, stride, dilation, padding, groups } = self;
        vec![
            Attribute::ints("kernel_shape", kernel),
            Attribute::ints("strides", &[*stride; 2]),
            Attribute::ints("dilations", &[*dilation; 2]),
            Attribute::ints("pads", padding.as_flattened()),
            Attribute::int("group", *groups),
        ]
    }
}

impl Convolution {
    /// The windows of its columns, and how many rows and columns of the input come before the first of them.
    fn windows(&self) -> (Windows, [usize; 2]) {
        match self.columns {
            Columns::Dense { kernel, stride, padding, offset, groups } => {
                let before = padding.map(|padding| padding.saturating_sub(offset));
                let skipped = padding.map(|padding| offset.saturating_sub(padding));
                (Windows { kernel, stride, dilation: 1, padding: [before, padding], groups }, skipped)
            }
            Columns::Depthwise { kernel, stride, dilation, padding } => {
                let (padding, groups) = ([[padding; 2]; 2], self.input.tensor.shape.channels);
                (Windows { kernel: [kernel; 2], stride, dilation, padding, groups }, [0, 0])
            }
        }
    }
}

fn convolved(
    writer: &mut Writer<'_>,
    value: String,
    weight: ParamId,
    windows: &Windows,
) -> Result<String, Error> {
    let (layer, weight) = (writer.layer(weight), writer.parameter(weight)?);
    Ok(writer.node(Some(layer), "Conv", &[value, weight], windows.attributes()))
}

impl Export for Convolution {
    fn export(&self, writer: &mut Writer<'_>) -> Result<(), Error> {
        if let (Some(weight), Some(bias)) = (self.weight, self.bias) {
            let row = writer.read_row(self.input)?;
            let layer = writer.layer(weight);
            let inputs = [row, writer.parameter(weight)?, writer.parameter(bias)?];
            let made = writer.node(Some(layer), "Gemm", &inputs, vec![Attribute::int("transB", 1)]);
            writer.write_row(self.output, made);
            return Ok(());
        }
        let mut value = writer.read(self.input)?;
        let (windows, skipped) = self.windows();
        let shape = self.input.tensor.shape;
        for (axis, (skipped, side)) in
            [2, 3].into_iter().zip(skipped.into_iter().zip([shape.height, shape.width]))
        {
            if skipped > 0 {
                value = writer.cut(value, axis, skipped..side);
            }
        }
        match (self.depthwise, self.weight) {
            (Some(depthwise), Some(pointwise)) => {
                value = convolved(writer, value, depthwise, &windows)?;
                value = convolved(writer, value, pointwise, &Windows::POINT)?;
            }
            (Some(weight), None) | (None, Some(weight)) => {
                value = convolved(writer, value, weight, &windows)?;
            }
            (None, None) => {}
        }
        writer.write(self.output, value);
        Ok(())
    }
}
