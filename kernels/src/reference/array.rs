//! Activations of a batch in double precision, `[image][channel][row][column]`.

use crate::shape::Shape;

#[derive(Clone, Debug)]
pub(crate) struct Array {
    pub(crate) images: usize,
    pub(crate) shape: Shape,
    pub(crate) values: Vec<f64>,
}

impl Array {
    pub(crate) fn filled(images: usize, shape: Shape, value: f64) -> Self {
        Self { images, shape, values: vec![value; images * shape.elements()] }
    }

    pub(crate) fn index(&self, image: usize, channel: usize, row: usize, column: usize) -> usize {
        let Shape { channels, height, width } = self.shape;
        assert!(image < self.images && channel < channels && row < height && column < width);
        ((image * channels + channel) * height + row) * width + column
    }

    pub(crate) fn at(&self, image: usize, channel: usize, row: usize, column: usize) -> f64 {
        self.values[self.index(image, channel, row, column)]
    }

    pub(crate) fn at_mut(&mut self, image: usize, channel: usize, row: usize, column: usize) -> &mut f64 {
        let index = self.index(image, channel, row, column);
        &mut self.values[index]
    }

    /// Pixels of one channel of one image.
    pub(crate) fn plane(&self, image: usize, channel: usize) -> &[f64] {
        let pixels = self.shape.pixels();
        &self.values[(image * self.shape.channels + channel) * pixels..][..pixels]
    }

    pub(crate) fn plane_mut(&mut self, image: usize, channel: usize) -> &mut [f64] {
        let pixels = self.shape.pixels();
        &mut self.values[(image * self.shape.channels + channel) * pixels..][..pixels]
    }

    /// All (image, channel) pairs.
    pub(crate) fn planes(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let channels = self.shape.channels;
        (0..self.images).flat_map(move |image| (0..channels).map(move |channel| (image, channel)))
    }
}
