//! What operations give to be checked: small networks that use them, which every machine trains like the reference, whose
//! gradients are the differences of their losses, and whose calls touch what they say.

use super::case::{CLASSES, Case};
use super::cells::stem;
use crate::Shape;
use crate::graph::{Graph, ValueId};

/// What a network does between a stem and a head.
pub(crate) type Build = Box<dyn Fn(&mut Graph, ValueId) -> ValueId + Send + Sync>;

/// A small network.
pub(crate) struct Example {
    pub(crate) name: String,
    /// Pixels of the image's side.
    pub(crate) size: usize,
    pub(crate) classes: usize,
    pub(crate) drop_path: f32,
    pub(crate) label_smoothing: f32,
    /// The parameter whose gradient goes through draws as their distribution does, which no differences of losses show.
    pub(crate) drawn_from: Option<&'static str>,
    pub(crate) build: Build,
}

/// A network of which `build` makes the part between a stem and a head.
pub(crate) fn example(
    name: impl Into<String>,
    size: usize,
    build: impl Fn(&mut Graph, ValueId) -> ValueId + Send + Sync + 'static,
) -> Example {
    Example {
        name: name.into(),
        size,
        classes: CLASSES,
        drop_path: 0.0,
        label_smoothing: 0.0,
        drawn_from: None,
        build: Box::new(build),
    }
}

impl Example {
    /// A training of it on images of `channels` channels with a stem of `width`.
    pub(crate) fn case(&self, channels: usize, width: usize, batch: usize, images: usize) -> Case {
        let input = Shape::new(channels, self.size, self.size);
        let mut case = Case::of_classes(&self.name, input, self.classes, batch, images, |graph, image| {
            let stem = stem(graph, image, width);
            (self.build)(graph, stem)
        });
        case.drop_path = self.drop_path;
        case.settings.label_smoothing = self.label_smoothing;
        case
    }
}
