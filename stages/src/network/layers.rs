//! What edges and inputs of cells are made of: layers that the evaluation network and supernets share.

use kernels::{ConvSpec, Graph, PoolKind, PoolSpec, SeparableSpec, Shape, ValueId};

use crate::Budget;
use crate::architecture::Primitive;
use crate::genotype::INPUTS;
use crate::recipe::Skeleton;

/// Channels of the stem, in channels of the first cell's nodes.
const STEM_MULTIPLIER: usize = 3;

/// How layers are normalised: with scales and shifts ([`Graph::batch_norm`]) or without ([`Graph::batch_norm_plain`]).
pub(crate) type Normalise = fn(&mut Graph, &str, ValueId) -> Result<ValueId, kernels::Error>;

/// Where a cell stands.
pub(crate) struct CellPlace {
    pub(crate) layer: usize,
    /// What the names of its layers begin with.
    pub(crate) name: String,
    /// Channels of its nodes.
    pub(crate) width: usize,
    pub(crate) reduction: bool,
    pub(crate) after_reduction: bool,
}

impl CellPlace {
    /// The stride of an edge that reads `input`.
    pub(crate) fn stride(&self, input: usize) -> usize {
        if self.reduction && input < INPUTS { 2 } else { 1 }
    }

    /// Shape of each node, where the cell's second input has this one.
    pub(crate) fn node(&self, input: Shape) -> Shape {
        let halved = |size: usize| if self.reduction { size.div_ceil(2) } else { size };
        Shape::new(self.width, halved(input.height), halved(input.width))
    }
}

/// Whether a layer of so many is a reduction cell: those after a third and after two thirds.
pub(crate) fn is_reduction(layer: usize, layers: usize) -> bool {
    layer == layers / 3 || layer == 2 * layers / 3
}

/// The skeleton's stem, cells as `cell` makes them of the two outputs before, and the classifier, whose logits it gives.
pub(crate) fn stack(
    graph: &mut Graph,
    image: ValueId,
    (budget, skeleton): (&Budget, Skeleton),
    classes: usize,
    normalise: Normalise,
    mut cell: impl FnMut(&mut Graph, &CellPlace, [ValueId; INPUTS]) -> Result<ValueId, kernels::Error>,
) -> Result<ValueId, kernels::Error> {
    let layers = budget.layers as usize;
    let mut width = budget.channels as usize;
    let [mut before, mut previous] = match skeleton {
        Skeleton::Cifar => {
            let stem = stem_conv(graph, ["stem.0", "stem.1"], image, STEM_MULTIPLIER * width, 1, normalise)?;
            [stem, stem]
        }
        Skeleton::ImageNet => {
            let half = stem_conv(graph, ["stem0.0", "stem0.1"], image, width / 2, 2, normalise)?;
            let half = graph.relu(half);
            let first = stem_conv(graph, ["stem0.3", "stem0.4"], half, width, 2, normalise)?;
            let read = graph.relu(first);
            [first, stem_conv(graph, ["stem1.1", "stem1.2"], read, width, 2, normalise)?]
        }
    };
    // The first of two stems is twice as high and wide as the second.
    let mut after_reduction = skeleton == Skeleton::ImageNet;
    for layer in 0..layers {
        let reduction = is_reduction(layer, layers);
        if reduction {
            width *= 2;
        }
        let place = CellPlace { layer, name: format!("cells.{layer}"), width, reduction, after_reduction };
        let output = cell(graph, &place, [before, previous])?;
        (before, previous, after_reduction) = (previous, output, reduction);
    }
    let pooled = graph.global_average(previous);
    graph.linear("linear", pooled, classes, false)
}

/// A 3×3 convolution of a stem, and its normalisation.
fn stem_conv(
    graph: &mut Graph,
    [conv, norm]: [&str; 2],
    input: ValueId,
    channels: usize,
    stride: usize,
    normalise: Normalise,
) -> Result<ValueId, kernels::Error> {
    let spec = ConvSpec { stride, padding: [1, 1], ..ConvSpec::square(channels, 3) };
    let value = graph.conv(conv, input, spec)?;
    normalise(graph, norm, value)
}

/// The inputs of a cell, brought to the width and size of its nodes.
pub(crate) fn inputs(
    graph: &mut Graph,
    place: &CellPlace,
    [before, previous]: [ValueId; INPUTS],
    normalise: Normalise,
) -> Result<[ValueId; INPUTS], kernels::Error> {
    let CellPlace { name, width, after_reduction, .. } = place;
    let first = format!("{name}.preproc0");
    let first = if *after_reduction {
        factorized_reduce(graph, &first, before, *width, normalise)?
    } else {
        relu_conv_norm(graph, &first, before, *width, normalise)?
    };
    let second = relu_conv_norm(graph, &format!("{name}.preproc1"), previous, *width, normalise)?;
    Ok([first, second])
}

/// The value of an operation other than `none`, which has no layers.
pub(crate) fn operation(
    graph: &mut Graph,
    name: &str,
    primitive: Primitive,
    input: ValueId,
    stride: usize,
    normalise: Normalise,
) -> Result<ValueId, kernels::Error> {
    let width = graph.shape(input).channels;
    let pool = |graph: &mut Graph, kind, kernel: u8| -> Result<ValueId, kernels::Error> {
        let name_of_pool = format!("{name}.pool");
        if kernel == 2 && stride == 1 {
            let problem =
                "a pooling of 2×2 pixels halves, and this edge keeps the size; take an odd window".to_owned();
            return Err(kernels::Error::BadSize { op: "pooling", name: name_of_pool, problem });
        }
        let kernel = usize::from(kernel);
        let spec = PoolSpec { kind, kernel, stride, padding: (kernel - 1) / 2 };
        let pooled = graph.pool_with(&name_of_pool, input, spec)?;
        normalise(graph, &format!("{name}.bn"), pooled)
    };
    let half = |graph: &mut Graph,
                name: &str,
                input,
                kernel: usize,
                stride,
                dilation: usize|
     -> Result<ValueId, kernels::Error> {
        let padding = dilation * (kernel - 1) / 2;
        let spec = SeparableSpec { channels: width, kernel, stride, dilation, padding };
        let value = graph.separable(&format!("{name}.net.1"), &format!("{name}.net.2"), input, spec)?;
        normalise(graph, &format!("{name}.net.3"), value)
    };
    let dense = |graph: &mut Graph, part: usize, input, kernel: [u8; 2], stride, relu| {
        let kernel = kernel.map(usize::from);
        let spec =
            ConvSpec { stride, padding: kernel.map(|side| side / 2), relu, ..ConvSpec::new(width, kernel) };
        graph.conv(&format!("{name}.net.{part}"), input, spec)
    };
    let separable = |graph: &mut Graph, kernel| -> Result<ValueId, kernels::Error> {
        let first = half(graph, &format!("{name}.net.0"), input, kernel, stride, 1)?;
        half(graph, &format!("{name}.net.1"), first, kernel, 1, 1)
    };
    match primitive {
        Primitive::MaxPool(kernel) => pool(graph, PoolKind::Max, kernel),
        Primitive::AveragePool(kernel) => pool(graph, PoolKind::Average, kernel),
        Primitive::Skip if stride == 1 => Ok(input),
        Primitive::Skip => factorized_reduce(graph, name, input, width, normalise),
        Primitive::Separable(kernel) => separable(graph, usize::from(kernel)),
        Primitive::Dilated(kernel) => half(graph, name, input, usize::from(kernel), stride, 2),
        Primitive::Convolution(kernel) => {
            let value = dense(graph, 1, input, [kernel; 2], stride, true)?;
            normalise(graph, &format!("{name}.net.2"), value)
        }
        Primitive::Factorised(kernel) => {
            let value = dense(graph, 1, input, [1, kernel], 1, true)?;
            let value = dense(graph, 2, value, [kernel, 1], stride, false)?;
            normalise(graph, &format!("{name}.net.3"), value)
        }
        Primitive::None => unreachable!("`none` has no layers"),
    }
}

fn relu_conv_norm(
    graph: &mut Graph,
    name: &str,
    input: ValueId,
    channels: usize,
    normalise: Normalise,
) -> Result<ValueId, kernels::Error> {
    let spec = ConvSpec { relu: true, ..ConvSpec::square(channels, 1) };
    let value = graph.conv(&format!("{name}.net.1"), input, spec)?;
    normalise(graph, &format!("{name}.net.2"), value)
}

fn factorized_reduce(
    graph: &mut Graph,
    name: &str,
    input: ValueId,
    channels: usize,
    normalise: Normalise,
) -> Result<ValueId, kernels::Error> {
    let halves = [format!("{name}.conv1"), format!("{name}.conv2")];
    let value = graph.factorized_reduce(&halves[0], &halves[1], input, channels)?;
    normalise(graph, &format!("{name}.bn"), value)
}
