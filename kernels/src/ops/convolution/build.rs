//! How convolutions are built.

use super::{Columns, Convolution, DEPTHWISE_KERNEL_MAX, WORKSPACES};
use crate::error::Error;
use crate::graph::{Graph, ValueId};
use crate::ops::windowed::windowed;
use crate::program::{Init, ParamId, Tensor};
use crate::shape::Shape;

/// A dense or grouped convolution without dilation. [`new`](Self::new) and [`square`](Self::square) have the usual defaults for
/// what is not said: `ConvSpec { stride: 2, padding: [1, 1], ..ConvSpec::square(64, 3) }`.
#[derive(Clone, Copy, Debug)]
pub struct ConvSpec {
    /// Output channels.
    pub channels: usize,
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Step between outputs, in pixels.
    pub stride: usize,
    /// Zero pixels above and below, and left and right.
    pub padding: [usize; 2],
    /// Groups of input channels, of which each gives an equal share of the output channels; 1 for a dense convolution.
    pub groups: usize,
    /// ReLU before it.
    pub relu: bool,
}

impl ConvSpec {
    /// A dense convolution with a kernel of a height and a width, with stride 1, without padding and ReLU.
    pub const fn new(channels: usize, kernel: [usize; 2]) -> Self {
        Self { channels, kernel, stride: 1, padding: [0, 0], groups: 1, relu: false }
    }

    /// The same with a kernel that is as high as wide.
    pub const fn square(channels: usize, kernel: usize) -> Self {
        Self::new(channels, [kernel, kernel])
    }
}

/// A depthwise convolution.
#[derive(Clone, Copy, Debug)]
pub struct DepthwiseSpec {
    /// Height and width of the kernel, from 1 to 7.
    pub kernel: usize,
    /// Step between outputs, in pixels.
    pub stride: usize,
    /// Distance between taps, in pixels.
    pub dilation: usize,
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

/// The shape of what an operation gives, of `channels` channels.
///
/// # Errors
/// When that is nothing, or more than there is room for in any memory.
fn with_channels(op: &'static str, name: &str, shape: Shape, channels: usize) -> Result<Shape, Error> {
    if channels == 0 || channels > CHANNELS_MAX {
        let problem = format!("it gives {channels} channels, which can be 1 to {CHANNELS_MAX}");
        return Err(Error::BadSize { op, name: name.to_owned(), problem });
    }
    Ok(shape.with_channels(channels))
}

/// Far above any network's, so that sizes fit their numbers.
const CHANNELS_MAX: usize = 1 << 20;

impl Graph {
    /// A dense or grouped convolution without bias; its weight is `name.weight`, `[channels][input channels /
    /// groups][kernel height][kernel width]`. With as many groups as channels it is a depthwise one, for which
    /// [`depthwise`](Self::depthwise) is faster where the kernel is a square.
    ///
    /// # Errors
    /// When the kernel does not fit the padded input, the groups do not divide the channels of input and output, or a size is
    /// none that there is.
    pub fn conv(&mut self, name: &str, input: ValueId, spec: ConvSpec) -> Result<ValueId, Error> {
        let ConvSpec { channels, kernel, stride, padding, groups, relu } = spec;
        let columns = Columns::Dense { kernel, stride, padding, offset: 0, groups };
        let read = self.shape(input);
        let shape = windowed("convolution", name, read, kernel, stride, padding)?;
        let shape = with_channels("convolution", name, shape, channels)?;
        let is_whole = |count: usize| groups > 0 && count.is_multiple_of(groups);
        if !is_whole(read.channels) || !is_whole(channels) {
            let problem = format!(
                "its groups are {groups}, which must divide the {} channels that it reads and the {channels} that it gives",
                read.channels
            );
            return Err(Error::BadSize { op: "convolution", name: name.to_owned(), problem });
        }
        let output = self.tensor(shape);
        Ok(self.dense(name, input, relu, columns, output, false))
    }

    /// A linear layer with bias on a value of one pixel: `name.weight` `[channels][input channels]` and `name.bias`.
    ///
    /// # Errors
    /// When the value is not one pixel, or `channels` is 0.
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
        let columns = Columns::Dense { kernel: [1, 1], stride: 1, padding: [0, 0], offset: 0, groups: 1 };
        let output = self.tensor(with_channels("linear", name, shape, channels)?);
        Ok(self.dense(name, input, relu, columns, output, true))
    }

    /// ReLU, then two 1×1 convolutions of stride 2, the second on the input shifted by one pixel both ways,
    /// concatenated. Weights: `first.weight` and `second.weight`, each `[channels / 2][input
    /// channels][1][1]`.
    ///
    /// # Errors
    /// When the input's height or width is odd, or `channels` is, or is 0.
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
        let shape = Shape { height: shape.height / 2, width: shape.width / 2, ..shape };
        let shape = with_channels("factorized reduce", first, shape, channels)?;
        let whole = self.tensor(shape);
        for (half, name) in [first, second].into_iter().enumerate() {
            let columns =
                Columns::Dense { kernel: [1, 1], stride: 2, padding: [0, 0], offset: half, groups: 1 };
            self.dense(name, input, true, columns, whole.slice(half * channels / 2, channels / 2), false);
        }
        Ok(self.value(whole, None))
    }

    /// A depthwise convolution alone; its weight is `name.weight`, `[channels][1][kernel][kernel]`.
    ///
    /// # Errors
    /// When the kernel does not fit the padded input, or a size is none that there is.
    pub fn depthwise(&mut self, name: &str, input: ValueId, spec: DepthwiseSpec) -> Result<ValueId, Error> {
        let DepthwiseSpec { kernel, stride, dilation, padding, relu } = spec;
        let columns = Columns::Depthwise { kernel, stride, dilation, padding };
        let shape = self.depthwise_shape(name, input, spec)?;
        let depthwise = self.depthwise_weight(name, input, kernel);
        let output = self.tensor(shape);
        let op = Convolution {
            columns,
            input: self.read(input, relu),
            output,
            depthwise: Some(depthwise),
            weight: None,
            bias: None,
            norm: None,
            workspace: self.workspaces(WORKSPACES),
        };
        Ok(self.push_value(op, output))
    }

    /// Shape of what a depthwise convolution gives.
    fn depthwise_shape(&self, name: &str, input: ValueId, spec: DepthwiseSpec) -> Result<Shape, Error> {
        let DepthwiseSpec { kernel, stride, dilation, padding, .. } = spec;
        if !(1..=DEPTHWISE_KERNEL_MAX).contains(&kernel) || dilation == 0 {
            let problem = format!(
                "its kernel is {kernel} pixels wide, which can be 1 to {DEPTHWISE_KERNEL_MAX}, and its dilation \
                 {dilation}, which is at least 1"
            );
            return Err(Error::BadSize { op: "convolution", name: name.to_owned(), problem });
        }
        let extent = dilation.saturating_mul(kernel - 1).saturating_add(1);
        windowed("convolution", name, self.shape(input), [extent; 2], stride, [padding; 2])
    }

    fn depthwise_weight(&mut self, name: &str, input: ValueId, kernel: usize) -> ParamId {
        let read = self.shape(input).channels;
        let bound = 1.0 / (kernel as f32);
        self.param(format!("{name}.weight"), vec![read, 1, kernel, kernel], Init::Uniform { bound })
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
        let columns = Columns::Depthwise { kernel, stride, dilation, padding };
        let spec = DepthwiseSpec { kernel, stride, dilation, padding, relu: true };
        let shape = self.depthwise_shape(depthwise, input, spec)?;
        let shape = with_channels("convolution", pointwise, shape, channels)?;
        let read = self.shape(input).channels;
        let first = self.depthwise_weight(depthwise, input, kernel);
        let bound = 1.0 / (read as f32).sqrt();
        let weight =
            self.param(format!("{pointwise}.weight"), vec![channels, read, 1, 1], Init::Uniform { bound });
        let output = self.tensor(shape);
        let op = Convolution {
            columns,
            input: self.read(input, true),
            output,
            depthwise: Some(first),
            weight: Some(weight),
            bias: None,
            norm: None,
            workspace: self.workspaces(WORKSPACES),
        };
        Ok(self.push_value(op, output))
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
        let Columns::Dense { kernel: [height, width], groups, .. } = columns else {
            unreachable!("only dense columns are built here")
        };
        let read = self.shape(input).channels / groups;
        let channels = output.shape.channels;
        let bound = 1.0 / ((read * height * width) as f32).sqrt();
        let shape = if linear { vec![channels, read] } else { vec![channels, read, height, width] };
        let weight = self.param(format!("{name}.weight"), shape, Init::Uniform { bound });
        let bias =
            linear.then(|| self.param(format!("{name}.bias"), vec![channels], Init::Uniform { bound }));
        let input = self.read(input, relu);
        let workspace = self.workspaces(WORKSPACES);
        let op = Convolution {
            columns,
            input,
            output,
            depthwise: None,
            weight: Some(weight),
            bias,
            norm: None,
            workspace,
        };
        self.push_value(op, output)
    }
}
