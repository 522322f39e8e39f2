//! Convolution as columns times a matrix: dense (with an optional bias; a linear layer is one over a single
//! pixel) and depthwise-separable, both reading through an optional normalisation and ReLU.
//!
//! Forward: `y[o] = bias[o] + Σ_k weight[o][k] · t[k]`, where the columns `t` are either the taps of all
//! input channels (dense) or one depthwise result an input channel (separable). Backward, with `dy` the
//! gradient of `y`: `dweight[o][k] = Σ dy[o]·t[k]`, `dt[k] = Σ_o weight[o][k]·dy[o]`, and `dt` goes back
//! through the taps to the input (gated by the ReLU) and to the depthwise weights. Columns are computed again
//! in the backward pass, which is cheaper than to store and load them.

use crate::Error;
use crate::graph::{Graph, Init, Input, NormId, ParamId, Tensor, ValueId};
use crate::shape::window_output;

/// Largest height and width of a depthwise kernel.
pub(crate) const DEPTHWISE_KERNEL_MAX: usize = 7;

/// A dense convolution without dilation.
#[derive(Clone, Copy, Debug)]
pub struct ConvSpec {
    /// Output channels.
    pub channels: usize,
    /// Height and width of the kernel.
    pub kernel: usize,
    /// Step between outputs, in pixels.
    pub stride: usize,
    /// Zero pixels on every side.
    pub padding: usize,
    /// ReLU before it.
    pub relu: bool,
}

/// ReLU, a depthwise convolution and a pointwise one.
#[derive(Clone, Copy, Debug)]
pub struct SeparableSpec {
    /// Output channels.
    pub channels: usize,
    /// Height and width of the depthwise kernel, from 1 to 7.
    pub kernel: usize,
    /// Step between outputs, in pixels.
    pub stride: usize,
    /// Distance between taps, in pixels.
    pub dilation: usize,
    /// Zero pixels on every side.
    pub padding: usize,
}

/// What the matrix of a convolution multiplies, per output pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Columns {
    /// All taps of all channels, `[channel][kernel row][kernel column]`. The window of output pixel (0, 0)
    /// begins at pixel (`offset`, `offset`) of the padded input.
    Dense { kernel: usize, stride: usize, padding: usize, offset: usize },
    /// One depthwise sum a channel.
    Depthwise { kernel: usize, stride: usize, dilation: usize, padding: usize },
}

#[derive(Clone, Debug)]
pub(crate) struct Convolution {
    pub(crate) columns: Columns,
    pub(crate) input: Input,
    pub(crate) output: Tensor,
    /// `[channels][1][kernel][kernel]`, of a separable convolution.
    pub(crate) depthwise: Option<ParamId>,
    /// `[output channels][columns]`.
    pub(crate) weight: ParamId,
    pub(crate) bias: Option<ParamId>,
    /// The normalisation of the output; it may cover more channels than this convolution writes.
    pub(crate) norm: Option<NormId>,
}

impl Convolution {
    /// Columns a pixel: rows of `t`.
    pub(crate) fn column_count(&self) -> usize {
        let channels = self.input.tensor.shape.channels;
        match self.columns {
            Columns::Dense { kernel, .. } => channels * kernel * kernel,
            Columns::Depthwise { .. } => channels,
        }
    }

    pub(crate) fn mult_adds(&self) -> u64 {
        let pixels = self.output.shape.pixels();
        let matrix = self.output.shape.channels * self.column_count() * pixels;
        let depthwise = match self.columns {
            Columns::Dense { .. } => 0,
            Columns::Depthwise { kernel, .. } => kernel * kernel * self.input.tensor.shape.channels * pixels,
        };
        (matrix + depthwise) as u64
    }
}

impl Graph {
    /// A dense convolution without bias; its weight is `name.weight`, `[channels][input
    /// channels][kernel][kernel]`.
    ///
    /// # Errors
    /// When the kernel does not fit the padded input.
    pub fn conv(&mut self, name: &str, input: ValueId, spec: ConvSpec) -> Result<ValueId, Error> {
        let ConvSpec { channels, kernel, stride, padding, relu } = spec;
        let columns = Columns::Dense { kernel, stride, padding, offset: 0 };
        let shape = self.windowed(name, input, kernel, stride, padding)?.with_channels(channels);
        let output = Tensor { storage: self.storage(shape), channel: 0, shape };
        Ok(self.dense(name, input, relu, columns, output, false))
    }

    /// A linear layer with bias on a value of one pixel: `name.weight` `[classes][channels]` and `name.bias`.
    ///
    /// # Errors
    /// When the value is not one pixel.
    pub fn linear(
        &mut self,
        name: &str,
        input: ValueId,
        channels: usize,
        relu: bool,
    ) -> Result<ValueId, Error> {
        let shape = self.shape(input);
        if shape.pixels() != 1 {
            let problem = format!("a linear layer reads one pixel, not {shape}");
            return Err(Error::BadSize { op: "linear", name: name.to_owned(), problem });
        }
        let columns = Columns::Dense { kernel: 1, stride: 1, padding: 0, offset: 0 };
        let shape = shape.with_channels(channels);
        let output = Tensor { storage: self.storage(shape), channel: 0, shape };
        Ok(self.dense(name, input, relu, columns, output, true))
    }

    /// ReLU, then two 1×1 convolutions of stride 2, the second on the input shifted by one pixel both ways,
    /// concatenated. Weights: `first.weight` and `second.weight`, each `[channels / 2][input
    /// channels][1][1]`.
    ///
    /// # Errors
    /// When the input's height or width is odd, or `channels` is.
    pub fn factorized_reduce(
        &mut self,
        first: &str,
        second: &str,
        input: ValueId,
        channels: usize,
    ) -> Result<ValueId, Error> {
        let shape = self.shape(input);
        if !shape.height.is_multiple_of(2) || !shape.width.is_multiple_of(2) || !channels.is_multiple_of(2) {
            let problem = format!(
                "height, width and output channels must be even to halve {shape} into {channels} channels; \
                 choose an image_size that is a multiple of 4 and an even number of channels"
            );
            return Err(Error::BadSize { op: "factorized reduce", name: first.to_owned(), problem });
        }
        let shape = crate::Shape::new(channels, shape.height / 2, shape.width / 2);
        let whole = Tensor { storage: self.storage(shape), channel: 0, shape };
        for (half, name) in [first, second].into_iter().enumerate() {
            let columns = Columns::Dense { kernel: 1, stride: 2, padding: 0, offset: half };
            self.dense(name, input, true, columns, whole.slice(half * channels / 2, channels / 2), false);
        }
        Ok(self.value(crate::graph::ValueInfo { tensor: whole, norm: None }))
    }

    /// ReLU, depthwise convolution (`depthwise.weight`, `[input channels][1][kernel][kernel]`) and pointwise
    /// convolution (`pointwise.weight`, `[channels][input channels][1][1]`).
    ///
    /// # Errors
    /// When the kernel does not fit the padded input, or a size is none that there is.
    pub fn separable(
        &mut self,
        depthwise: &str,
        pointwise: &str,
        input: ValueId,
        spec: SeparableSpec,
    ) -> Result<ValueId, Error> {
        let SeparableSpec { channels, kernel, stride, dilation, padding } = spec;
        if !(1..=DEPTHWISE_KERNEL_MAX).contains(&kernel) || dilation == 0 {
            let problem = format!(
                "its kernel is {kernel} pixels wide, which can be 1 to {DEPTHWISE_KERNEL_MAX}, and its dilation \
                 {dilation}, which is at least 1"
            );
            return Err(Error::BadSize { op: "convolution", name: depthwise.to_owned(), problem });
        }
        let extent = dilation * (kernel - 1) + 1;
        let shape = self.windowed(depthwise, input, extent, stride, padding)?.with_channels(channels);
        let read = self.shape(input).channels;
        let bound = 1.0 / (kernel as f32);
        let first =
            self.param(format!("{depthwise}.weight"), vec![read, 1, kernel, kernel], Init::Uniform { bound });
        let bound = 1.0 / (read as f32).sqrt();
        let weight =
            self.param(format!("{pointwise}.weight"), vec![channels, read, 1, 1], Init::Uniform { bound });
        let output = Tensor { storage: self.storage(shape), channel: 0, shape };
        Ok(self.push_convolution(Convolution {
            columns: Columns::Depthwise { kernel, stride, dilation, padding },
            input: self.read(input, true),
            output,
            depthwise: Some(first),
            weight,
            bias: None,
            norm: None,
        }))
    }

    fn dense(
        &mut self,
        name: &str,
        input: ValueId,
        relu: bool,
        columns: Columns,
        output: Tensor,
        linear: bool,
    ) -> ValueId {
        let Columns::Dense { kernel, .. } = columns else {
            unreachable!("only dense columns are built here")
        };
        let read = self.shape(input).channels;
        let channels = output.shape.channels;
        let bound = 1.0 / ((read * kernel * kernel) as f32).sqrt();
        let shape = if linear { vec![channels, read] } else { vec![channels, read, kernel, kernel] };
        let weight = self.param(format!("{name}.weight"), shape, Init::Uniform { bound });
        let bias =
            linear.then(|| self.param(format!("{name}.bias"), vec![channels], Init::Uniform { bound }));
        let input = self.read(input, relu);
        self.push_convolution(Convolution {
            columns,
            input,
            output,
            depthwise: None,
            weight,
            bias,
            norm: None,
        })
    }

    pub(super) fn windowed(
        &self,
        name: &str,
        input: ValueId,
        extent: usize,
        stride: usize,
        padding: usize,
    ) -> Result<crate::Shape, Error> {
        if extent == 0 || stride == 0 {
            let problem =
                format!("its window is {extent} pixels wide, its stride {stride}; neither can be 0");
            return Err(Error::BadSize { op: "convolution", name: name.to_owned(), problem });
        }
        let shape = self.shape(input);
        let side = |size| window_output(size, extent, stride, padding);
        match (side(shape.height), side(shape.width)) {
            (Some(height), Some(width)) => Ok(crate::Shape { height, width, ..shape }),
            _ => Err(Error::WindowTooLarge {
                op: "convolution",
                name: name.to_owned(),
                window: extent,
                input: shape,
                padding,
            }),
        }
    }
}
