//! The input of an ONNX file: normalised images, or those of 8 bits that are resized and normalised there.

use super::Images;
use crate::error::Error;
use crate::onnx::{Attribute, Export, FLOAT, Writer};
use crate::preprocess::{Preprocess, Resize};
use crate::shape::Shape;

impl Export for Images {
    fn export(&self, writer: &mut Writer<'_>) -> Result<(), Error> {
        let images = match writer.raw_images() {
            None => writer.reads(self.output.shape),
            Some((shape, preprocess)) => preprocessed(writer, shape, preprocess),
        };
        writer.write(self.output, images);
        Ok(())
    }
}

/// Images of 8 bits as they are read in evaluation. A resize of each side is a product with a matrix.
fn preprocessed(writer: &mut Writer<'_>, shape: Shape, preprocess: &Preprocess) -> String {
    let size = preprocess.image_size;
    let bytes = writer.reads_bytes(shape);
    let float = vec![Attribute::int("to", FLOAT as usize)];
    let mut value = writer.node(None, "Cast", &[bytes], float);
    if (shape.height, shape.width) != (size, size) {
        let rows = matrix(shape.height, size);
        let rows = writer.numbers("resize.rows", &[size, shape.height], &rows);
        value = writer.node(None, "MatMul", &[rows, value], Vec::new());
        let columns = transposed(&matrix(shape.width, size), shape.width);
        let columns = writer.numbers("resize.columns", &[shape.width, size], &columns);
        value = writer.node(None, "MatMul", &[value, columns], Vec::new());
    }
    let channels = [shape.channels, 1, 1];
    let numbers = preprocess.mean.iter().zip(&preprocess.std);
    let (scale, shift): (Vec<f32>, Vec<f32>) =
        numbers.map(|(mean, std)| (1.0 / (255.0 * std), -mean / std)).unzip();
    let scale = writer.numbers("normalise.scale", &channels, &scale);
    let shift = writer.numbers("normalise.shift", &channels, &shift);
    value = writer.node(None, "Mul", &[value, scale], Vec::new());
    writer.node(None, "Add", &[value, shift], Vec::new())
}

/// What a resize of one side multiplies by, `[output][input]`.
fn matrix(input: usize, output: usize) -> Vec<f32> {
    let Resize { first, weights, taps } = Resize::new(input, output);
    let mut matrix = vec![0.0; output * input];
    for (row, first) in first.into_iter().enumerate() {
        matrix[row * input + first..][..taps].copy_from_slice(&weights[row * taps..][..taps]);
    }
    matrix
}

fn transposed(matrix: &[f32], width: usize) -> Vec<f32> {
    (0..width).flat_map(|column| matrix.iter().skip(column).step_by(width).copied()).collect()
}
