//! Times whole training steps (forward, backward, update) of an architecture in burn on the processor, on one synthetic batch.
//!
//!     peer-burn GENOTYPE LAYERS CHANNELS IMAGE_SIZE BATCH_SIZE STEPS BACKEND
//!
//! The network is that of `tests/reference/network.py`, auxiliary head and drop path included; BACKEND is `ndarray` or,
//! built with the feature of that name, `flex`. Gradients are clipped tensor by tensor, as burn does, not all together.
//! Prints images a second.

use std::time::Instant;

use burn::grad_clipping::GradientClippingConfig;
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::{CrossEntropyLoss, CrossEntropyLossConfig};
use burn::nn::pool::{
    AdaptiveAvgPool2d, AdaptiveAvgPool2dConfig, AvgPool2d, AvgPool2dConfig, MaxPool2d, MaxPool2dConfig,
};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Distribution, Int, Tensor, TensorData};

const CLASSES: usize = 10;
/// The embedded images of the program have one channel.
const INPUT_CHANNELS: usize = 1;
const WARM_UP_STEPS: usize = 2;
const DROP_PATH: f64 = 0.1;
const AUXILIARY_WEIGHT: f32 = 0.4;
const LEARNING_RATE: f64 = 0.03;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// ReLU, convolutions, BN.
#[derive(Module, Debug)]
struct ConvBn {
    relu: bool,
    convs: Vec<Conv2d>,
    norm: BatchNorm,
}

impl ConvBn {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = if self.relu { relu(x) } else { x };
        self.norm.forward(self.convs.iter().fold(x, |x, conv| conv.forward(x)))
    }
}

/// The stride-2 skip.
#[derive(Module, Debug)]
struct FactorizedReduce {
    conv1: Conv2d,
    conv2: Conv2d,
    norm: BatchNorm,
}

impl FactorizedReduce {
    fn new(inputs: usize, outputs: usize, device: &Device) -> Self {
        let half = || conv(inputs, outputs / 2, 1, 2, 1, 0, 1, device);
        Self { conv1: half(), conv2: half(), norm: BatchNormConfig::new(outputs).init(device) }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = relu(x);
        let [_, _, height, width] = x.dims();
        let odd = x.clone().narrow(2, 1, height - 1).narrow(3, 1, width - 1);
        self.norm.forward(Tensor::cat(vec![self.conv1.forward(x), self.conv2.forward(odd)], 1))
    }
}

/// One operation: the one of these that it has. Without any it is an identity.
#[derive(Module, Debug)]
struct Edge {
    reduce: Option<FactorizedReduce>,
    convs: Vec<ConvBn>,
    max: Option<MaxPool2d>,
    average: Option<AvgPool2d>,
    norm: Option<BatchNorm>,
    drops: bool,
}

impl Edge {
    fn new(operation: &str, channels: usize, stride: usize, device: &Device) -> Result<Self> {
        let mut edge =
            Self { reduce: None, convs: Vec::new(), max: None, average: None, norm: None, drops: true };
        let norm = || Some(BatchNormConfig::new(channels).init(device));
        let padding = || PaddingConfig2d::Explicit(1, 1, 1, 1);
        match operation {
            "skip_connect" if stride == 1 => edge.drops = false,
            "skip_connect" => edge.reduce = Some(FactorizedReduce::new(channels, channels, device)),
            "max_pool_3x3" => {
                let pool = MaxPool2dConfig::new([3, 3]).with_strides([stride; 2]).with_padding(padding());
                (edge.max, edge.norm) = (Some(pool.init()), norm());
            }
            "avg_pool_3x3" => {
                let pool = AvgPool2dConfig::new([3, 3]).with_strides([stride; 2]).with_padding(padding());
                (edge.average, edge.norm) = (Some(pool.with_count_include_pad(false).init()), norm());
            }
            "sep_conv_3x3" | "sep_conv_5x5" | "dil_conv_3x3" | "dil_conv_5x5" => {
                let kernel = if operation.ends_with("3x3") { 3 } else { 5 };
                if operation.starts_with("sep") {
                    edge.convs = vec![
                        separable(channels, kernel, stride, 1, device),
                        separable(channels, kernel, 1, 1, device),
                    ];
                } else {
                    edge.convs = vec![separable(channels, kernel, stride, 2, device)];
                }
            }
            _ => return Err(format!("there is no operation {operation}").into()),
        }
        Ok(edge)
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let mut x = self.convs.iter().fold(x, |x, conv| conv.forward(x));
        if let Some(reduce) = &self.reduce {
            x = reduce.forward(x);
        }
        if let Some(pool) = &self.max {
            x = pool.forward(x);
        }
        if let Some(pool) = &self.average {
            x = pool.forward(x);
        }
        if let Some(norm) = &self.norm {
            x = norm.forward(x);
        }
        if !self.drops {
            return x;
        }
        let keep = 1.0 - DROP_PATH;
        let kept = Tensor::<4>::random([x.dims()[0], 1, 1, 1], Distribution::Bernoulli(keep), &x.device());
        x * (kept / keep)
    }
}

#[derive(Module, Debug)]
struct Cell {
    reduced: Option<FactorizedReduce>,
    preproc0: Option<ConvBn>,
    preproc1: ConvBn,
    edges: Vec<Edge>,
    /// Two a node.
    #[module(skip)]
    sources: Vec<usize>,
}

impl Cell {
    fn forward(&self, input0: Tensor<4>, input1: Tensor<4>) -> Tensor<4> {
        let first = match (&self.reduced, &self.preproc0) {
            (Some(reduced), _) => reduced.forward(input0),
            (None, Some(preproc)) => preproc.forward(input0),
            (None, None) => input0,
        };
        let mut states = vec![first, self.preproc1.forward(input1)];
        for (edges, sources) in self.edges.chunks(2).zip(self.sources.chunks(2)) {
            let parts = edges.iter().zip(sources).map(|(edge, &source)| edge.forward(states[source].clone()));
            if let Some(node) = parts.reduce(|sum, part| sum + part) {
                states.push(node);
            }
        }
        Tensor::cat(states.split_off(2), 1)
    }
}

#[derive(Module, Debug)]
struct AuxiliaryHead {
    pool: Option<AvgPool2d>,
    adaptive: AdaptiveAvgPool2d,
    hidden: ConvBn,
    features: ConvBn,
    linear: Linear,
}

impl AuxiliaryHead {
    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x = relu(x);
        let x = match &self.pool {
            Some(pool) => pool.forward(x),
            None => self.adaptive.forward(x),
        };
        let x = relu(self.features.forward(self.hidden.forward(x)));
        self.linear.forward(x.flatten(1, 3))
    }
}

#[derive(Module, Debug)]
struct Network {
    stem: ConvBn,
    cells: Vec<Cell>,
    auxiliary_at: usize,
    auxiliary: AuxiliaryHead,
    linear: Linear,
}

/// Edges of the normal and of the reduction cell, eight each: operation and source.
type Genotype = [Vec<(String, usize)>; 2];

fn parse_genotype(text: &str) -> Result<Genotype> {
    let mut edges = Vec::new();
    for part in text.split("('").skip(1) {
        let (operation, rest) = part.split_once("',").ok_or("an edge is not ('operation', source)")?;
        let (source, _) = rest.split_once(')').ok_or("an edge is not ('operation', source)")?;
        edges.push((operation.to_owned(), source.trim().parse()?));
    }
    if edges.len() != 16 {
        return Err(format!("{} edges, not 16", edges.len()).into());
    }
    let reduce = edges.split_off(8);
    Ok([edges, reduce])
}

#[allow(clippy::too_many_arguments)]
fn conv(
    inputs: usize,
    outputs: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
    padding: usize,
    groups: usize,
    device: &Device,
) -> Conv2d {
    Conv2dConfig::new([inputs, outputs], [kernel; 2])
        .with_stride([stride; 2])
        .with_dilation([dilation; 2])
        .with_padding(PaddingConfig2d::Explicit(padding, padding, padding, padding))
        .with_groups(groups)
        .with_bias(false)
        .init(device)
}

fn conv_bn(
    relu: bool,
    inputs: usize,
    outputs: usize,
    kernel: usize,
    padding: usize,
    device: &Device,
) -> ConvBn {
    let convs = vec![conv(inputs, outputs, kernel, 1, 1, padding, 1, device)];
    ConvBn { relu, convs, norm: BatchNormConfig::new(outputs).init(device) }
}

/// ReLU, depthwise, pointwise, BN.
fn separable(channels: usize, kernel: usize, stride: usize, dilation: usize, device: &Device) -> ConvBn {
    let padding = dilation * (kernel - 1) / 2;
    let convs = vec![
        conv(channels, channels, kernel, stride, dilation, padding, channels, device),
        conv(channels, channels, 1, 1, 1, 0, 1, device),
    ];
    ConvBn { relu: true, convs, norm: BatchNormConfig::new(channels).init(device) }
}

impl Network {
    fn new(
        genotype: &Genotype,
        layers: usize,
        mut channels: usize,
        image: usize,
        device: &Device,
    ) -> Result<Self> {
        let stem_channels = 3 * channels;
        let auxiliary_at = 2 * layers / 3;
        let (mut inputs, mut size, mut after_reduction) = ((stem_channels, stem_channels), image, false);
        let (mut cells, mut auxiliary) = (Vec::new(), None);
        for index in 0..layers {
            let reduction = index == layers / 3 || index == 2 * layers / 3;
            if reduction {
                (channels, size) = (2 * channels, size.div_ceil(2));
            }
            let list = &genotype[usize::from(reduction)];
            let edge = |(operation, source): &(String, usize)| {
                let stride = if reduction && *source < 2 { 2 } else { 1 };
                Edge::new(operation, channels, stride, device)
            };
            cells.push(Cell {
                reduced: after_reduction.then(|| FactorizedReduce::new(inputs.0, channels, device)),
                preproc0: (!after_reduction).then(|| conv_bn(true, inputs.0, channels, 1, 0, device)),
                preproc1: conv_bn(true, inputs.1, channels, 1, 0, device),
                edges: list.iter().map(edge).collect::<Result<_>>()?,
                sources: list.iter().map(|(_, source)| *source).collect(),
            });
            (inputs, after_reduction) = ((inputs.1, 4 * channels), reduction);
            if index == auxiliary_at {
                let strided = || AvgPool2dConfig::new([5, 5]).with_strides([size - 5; 2]).init();
                auxiliary = Some(AuxiliaryHead {
                    pool: (size == 7 || size == 8).then(strided),
                    adaptive: AdaptiveAvgPool2dConfig::new([2, 2]).init(),
                    hidden: conv_bn(false, inputs.1, 128, 1, 0, device),
                    features: conv_bn(true, 128, 768, 2, 0, device),
                    linear: LinearConfig::new(768, CLASSES).init(device),
                });
            }
        }
        Ok(Self {
            stem: conv_bn(false, INPUT_CHANNELS, stem_channels, 3, 1, device),
            cells,
            auxiliary_at,
            auxiliary: auxiliary.ok_or("a network needs a layer")?,
            linear: LinearConfig::new(inputs.1, CLASSES).init(device),
        })
    }

    /// The loss of a batch, the auxiliary head's included.
    fn loss(&self, x: Tensor<4>, labels: Tensor<1, Int>, entropy: &CrossEntropyLoss) -> Tensor<1> {
        let stem = self.stem.forward(x);
        let mut states = [stem.clone(), stem];
        let mut auxiliary = None;
        for (index, cell) in self.cells.iter().enumerate() {
            let [before, last] = states;
            let next = cell.forward(before, last.clone());
            if index == self.auxiliary_at {
                auxiliary = Some(self.auxiliary.forward(next.clone()));
            }
            states = [last, next];
        }
        let [_, last] = states;
        let logits = self.linear.forward(last.mean_dim(2).mean_dim(3).flatten(1, 3));
        let loss = entropy.forward(logits, labels.clone());
        match auxiliary {
            Some(logits) => loss + entropy.forward(logits, labels) * AUXILIARY_WEIGHT,
            None => loss,
        }
    }
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [genotype, numbers @ .., backend] = arguments.as_slice() else {
        return Err("give GENOTYPE LAYERS CHANNELS IMAGE_SIZE BATCH_SIZE STEPS BACKEND".into());
    };
    let numbers = numbers.iter().map(|text| text.parse()).collect::<std::result::Result<Vec<usize>, _>>()?;
    let [layers, channels, image, batch, steps] = numbers[..] else {
        return Err("give LAYERS CHANNELS IMAGE_SIZE BATCH_SIZE STEPS as numbers".into());
    };
    let device = match backend.as_str() {
        #[allow(deprecated, reason = "asked for by name")]
        "ndarray" => Device::ndarray(),
        #[cfg(feature = "flex")]
        "flex" => Device::flex(),
        _ => {
            return Err(format!(
                "there is no backend {backend}; give ndarray, or build with the feature flex"
            )
            .into());
        }
    }
    .autodiff();
    let mut network = Network::new(&parse_genotype(genotype)?, layers, channels, image, &device)?;
    let entropy = CrossEntropyLossConfig::new().init(&device);
    let mut optimizer = SgdConfig::new()
        .with_momentum(Some(MomentumConfig::new().with_momentum(0.9).with_dampening(0.0)))
        .with_weight_decay(Some(WeightDecayConfig::new(3e-4)))
        .with_gradient_clipping(Some(GradientClippingConfig::Norm(5.0)))
        .init();
    let normal = Distribution::Normal(0.0, 1.0);
    let images = Tensor::<4>::random([batch, INPUT_CHANNELS, image, image], normal, &device);
    let labels: Vec<i64> = (0..batch).map(|index| (index % CLASSES) as i64).collect();
    let labels = Tensor::<1, Int>::from_data(TensorData::new(labels, [batch]), &device);
    let mut begun = Instant::now();
    let mut last = 0.0;
    for step in 0..WARM_UP_STEPS + steps {
        if step == WARM_UP_STEPS {
            begun = Instant::now();
        }
        let loss = network.loss(images.clone(), labels.clone(), &entropy);
        let gradients = GradientsParams::from_grads(loss.backward(), &network);
        network = optimizer.step(LEARNING_RATE, network, gradients);
        last = loss.into_scalar::<f32>();
    }
    let seconds = begun.elapsed().as_secs_f64();
    if !last.is_finite() {
        return Err("the loss is no number".into());
    }
    println!(
        "{:.1} images/s; {} parameters, loss {last:.3}",
        (steps * batch) as f64 / seconds,
        network.num_params()
    );
    Ok(())
}
