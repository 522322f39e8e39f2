//! What operations give to be measured: small networks that use one at a typical size, and what of their time is its own.

use super::ConvSpec;
use crate::error::Error;
use crate::graph::{Graph, ValueId};
use crate::shape::Shape;

/// Images of a step.
pub(crate) const BATCH: usize = 128;
/// Images that the networks read.
pub(crate) const IMAGE: Shape = Shape::new(3, 16, 16);
/// Channels of the maps that most operations are measured on.
const CHANNELS: usize = 32;
/// Classes where their number does not matter.
const CLASSES: usize = 10;

/// Makes a network of its input.
pub(crate) type Build = Box<dyn Fn(&mut Graph, ValueId) -> Result<(), Error>>;

/// A network with an operation that is to be measured.
pub(crate) struct Typical {
    /// What people call the operation.
    pub(crate) name: &'static str,
    /// What it is measured on, for one image.
    pub(crate) size: String,
    pub(crate) classes: usize,
    pub(crate) network: Build,
    pub(crate) own: Own,
}

/// What of a network's time is the operation's.
pub(crate) enum Own {
    /// All that this network, which does without it, does not take.
    Beyond(Build),
    /// Kernels of these kinds, as processors and GPUs name them; and the bytes that they read and write of each parameter.
    Kinds { kinds: &'static [&'static str], parameter_bytes: u64 },
}

impl Typical {
    /// An operation on a map, of which it makes another.
    pub(super) fn of_map(
        name: &'static str,
        operation: impl Fn(&mut Graph, ValueId) -> Result<ValueId, Error> + 'static,
    ) -> Self {
        let size = map_shape().to_string();
        let network = Box::new(move |graph: &mut Graph, image| {
            let map = map(graph, image)?;
            let made = operation(graph, map)?;
            classify(graph, made)
        });
        let without = |graph: &mut Graph, image| {
            let map = map(graph, image)?;
            classify(graph, map)
        };
        Self { name, size, classes: CLASSES, network, own: Own::Beyond(Box::new(without)) }
    }

    /// An operation that is in every network, told by its kernels.
    pub(super) fn of_kinds(name: &'static str, size: String, kinds: &'static [&'static str]) -> Self {
        let network = |graph: &mut Graph, image| {
            let map = map(graph, image)?;
            classify(graph, map)
        };
        let own = Own::Kinds { kinds, parameter_bytes: 0 };
        Self { name, size, classes: CLASSES, network: Box::new(network), own }
    }
}

/// Shape of the maps that most operations are measured on.
pub(super) fn map_shape() -> Shape {
    IMAGE.with_channels(CHANNELS)
}

/// A map to measure on.
pub(super) fn map(graph: &mut Graph, image: ValueId) -> Result<ValueId, Error> {
    let spec = ConvSpec::square(CHANNELS, 1);
    graph.conv("map", image, spec)
}

/// Classes of a map or of features.
pub(super) fn classify(graph: &mut Graph, value: ValueId) -> Result<(), Error> {
    let features = graph.global_average(value);
    let logits = graph.linear("classes", features, graph.tables.classes, false)?;
    graph.head(logits, 1.0)
}
