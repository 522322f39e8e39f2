//! Networks that are called by name, built as their papers describe them: the map that a linear classifier reads.
//!
//! Names of layers are those of the reference PyTorch networks' `state_dict` (`tests/reference/handmade.py`).

mod densenet;
mod mobilenet;
mod resnet;
mod shufflenet;

use kernels::{ConvSpec, DepthwiseSpec, Error, Graph, ValueId};

use self::densenet::DenseNet;
use self::mobilenet::MobileNet;
use self::resnet::ResNet;
use self::shufflenet::ShuffleNet;
use crate::architecture::NamedNetwork;
use crate::recipe::Skeleton;

/// What is built between image and classifier.
pub(super) trait Features {
    /// Adds it behind `image`; the map that is classified.
    ///
    /// # Errors
    /// When the image is too small.
    fn build(&self, graph: &mut Graph, image: ValueId) -> Result<ValueId, Error>;
}

/// A network in the form for a skeleton's images; none where there is no such form.
pub(super) fn features(network: NamedNetwork, skeleton: Skeleton) -> Option<Box<dyn Features>> {
    let is_small = skeleton == Skeleton::Cifar;
    Some(match network {
        NamedNetwork::ResNet18 if is_small => Box::new(ResNet { squeezes: false }),
        NamedNetwork::SeResNet18 if is_small => Box::new(ResNet { squeezes: true }),
        NamedNetwork::DenseNet if is_small => Box::new(DenseNet),
        NamedNetwork::ResNet18 | NamedNetwork::SeResNet18 | NamedNetwork::DenseNet => return None,
        NamedNetwork::MobileNetV2 => Box::new(MobileNet { skeleton }),
        NamedNetwork::ShuffleNetV2 => Box::new(ShuffleNet { skeleton }),
    })
}

/// Adds a linear classifier of the mean of what `features` builds.
pub(super) fn classified(
    graph: &mut Graph,
    image: ValueId,
    classes: usize,
    features: &dyn Features,
) -> Result<(), Error> {
    let map = features.build(graph, image)?;
    let mean = graph.global_average(map);
    let logits = graph.linear("linear", mean, classes, false)?;
    graph.head(logits, 1.0)
}

/// A square convolution that keeps the size but for its stride.
fn conv(channels: usize, kernel: usize, stride: usize) -> ConvSpec {
    ConvSpec { stride, padding: [kernel / 2; 2], ..ConvSpec::square(channels, kernel) }
}

/// A convolution and its normalisation.
fn conv_norm(graph: &mut Graph, name: &str, input: ValueId, spec: ConvSpec) -> Result<ValueId, Error> {
    let raw = graph.conv(&format!("{name}.conv"), input, spec)?;
    graph.batch_norm(&format!("{name}.bn"), raw)
}

/// A 3×3 depthwise convolution and its normalisation.
fn depthwise_norm(graph: &mut Graph, name: &str, input: ValueId, stride: usize) -> Result<ValueId, Error> {
    let spec = DepthwiseSpec { kernel: 3, stride, dilation: 1, padding: 1, relu: false };
    let raw = graph.depthwise(&format!("{name}.conv"), input, spec)?;
    graph.batch_norm(&format!("{name}.bn"), raw)
}
