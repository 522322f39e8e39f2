//! One training to check: a network, its settings and random images; and the backends that run it.

use std::ops::Range;

use crate::backend::{Backend, DataPass, Nobody, Setup, Stream, TrainerSettings};
use crate::device::{Device, DeviceChoice};
use crate::graph::{Call, Graph, ValueId};
use crate::ops;
use crate::optimiser::{GroupSettings, Progress};
use crate::program::{Mode, ParamId};
use crate::reference::{Batch, Reference, Rounding};
use crate::rng::{Purpose, below, random};
use crate::state::{NormInit, ParameterLayout, State};
use crate::step::{RunningStatistics, Step};
use crate::trainer::unchecked_setup;
use crate::{Error, ImageSet, Preprocess, Shape};

/// Classes of a network that asks for no other number.
pub(crate) const CLASSES: usize = 5;

/// Of mixtures that are drawn.
const TEMPERATURE: f32 = 0.7;

/// Random numbers of a test.
pub(crate) struct Dice {
    seed: u64,
    next: u32,
}

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, next: 0 }
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.next += 1;
        below(random(self.seed, Purpose::Shuffle, 1, 0, self.next)[0], bound as u32) as usize
    }

    pub(crate) fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }
}

#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) graph: Graph,
    pub(crate) settings: TrainerSettings,
    pub(crate) images: ImageSet,
    pub(crate) learning_rate: f32,
    pub(crate) drop_path: f32,
}

impl Case {
    /// A network that classifies what `build` makes of the input, on `count` random images.
    pub(crate) fn new(
        name: &str,
        input: Shape,
        batch_size: usize,
        count: usize,
        build: impl FnOnce(&mut Graph, ValueId) -> ValueId,
    ) -> Self {
        Self::of_classes(name, input, CLASSES, batch_size, count, build)
    }

    /// The same with another number of classes.
    pub(crate) fn of_classes(
        name: &str,
        input: Shape,
        classes: usize,
        batch_size: usize,
        count: usize,
        build: impl FnOnce(&mut Graph, ValueId) -> ValueId,
    ) -> Self {
        let (mut graph, image) = Graph::new(input, classes);
        let features = build(&mut graph, image);
        let pooled = graph.global_average(features);
        let logits = graph.linear("linear", pooled, classes, false).unwrap();
        graph.head(logits, 1.0).unwrap();
        let preprocess = Preprocess {
            image_size: input.height,
            mean: vec![0.5; input.channels],
            std: vec![0.25; input.channels],
            augment: false,
            cutout: 0,
        };
        let settings = TrainerSettings {
            batch_size,
            groups: vec![GroupSettings::sgd(0.9, 0.02, 5.0)],
            extra_vectors: 0,
            label_smoothing: 0.0,
            float_bits: 32,
            preprocess,
            seed: 3,
            norm_init: NormInit::Uniform,
        };
        let images = random_images(input, count, classes, 1);
        Self { name: name.to_owned(), graph, settings, images, learning_rate: 0.05, drop_path: 0.0 }
    }

    pub(crate) fn layout(&self) -> ParameterLayout {
        ParameterLayout::new(&self.graph.tables, &ops::program(&self.graph, Mode::Train, 32).trained)
    }

    pub(crate) fn initial(&self) -> State {
        State::initial(&self.graph.tables, &self.layout(), self.settings.seed, self.settings.norm_init)
    }

    /// Where the numbers of a parameter lie among all.
    pub(crate) fn place(&self, name: &str) -> Range<usize> {
        let params = &self.graph.tables.params;
        let index = params.iter().position(|param| param.name == name).unwrap();
        let first = self.layout().offset(ParamId(index));
        first..first + params[index].elements()
    }

    /// Changes the numbers of a parameter: what they become, by element.
    pub(crate) fn change(&self, state: &mut State, name: &str, to: impl Fn(usize, f32) -> f32) {
        let numbers = &mut state.parameters[self.place(name)];
        numbers.iter_mut().enumerate().for_each(|(element, number)| *number = to(element, *number));
    }

    pub(crate) fn setup(&self) -> Setup<dyn Call> {
        unchecked_setup(&self.graph, &self.settings, std::slice::from_ref(&self.images))
    }

    /// The reference, in its initial state.
    pub(crate) fn reference(&self, rounding: Rounding) -> Reference {
        let mut reference = Reference::new(self.setup().map(|call| call as _), rounding);
        reference.set_state(&self.initial()).unwrap();
        reference
    }

    /// A device's backend, in its initial state.
    pub(crate) fn backend(&self, device: &Device) -> Result<Box<dyn Backend>, Error> {
        let mut backend = device.backend(self.setup())?;
        backend.set_state(&self.initial())?;
        Ok(backend)
    }

    /// All images in a shuffled order.
    pub(crate) fn order(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.images.len() as u32).collect();
        order.sort_by_key(|&image| random(5, Purpose::Shuffle, 2, 0, image)[0]);
        order
    }

    pub(crate) fn pass<'a>(&self, order: &'a [u32], epoch: u32, first_step: u64) -> DataPass<'a> {
        let groups = self.settings.groups.len();
        DataPass {
            step: Step::plain(groups),
            streams: vec![Stream { set: 0, order }],
            epoch,
            first_step,
            progress: vec![Progress { learning_rate: self.learning_rate, updates: 0 }; groups],
            drop_path: self.drop_path,
            temperature: TEMPERATURE,
            monitor: &Nobody,
        }
    }

    /// A training step over `images`.
    pub(crate) fn batch<'a>(&self, images: &'a [u32]) -> Batch<'a> {
        let (drop_path, temperature) = (self.drop_path, TEMPERATURE);
        let (running, training) = (RunningStatistics::Updated, true);
        Batch { set: 0, images, epoch: 1, progress: &[], drop_path, temperature, running, training }
    }
}

/// The real devices, each in a style of its own.
pub(crate) fn devices() -> Vec<Device> {
    let cpu = |threads| Device::open(DeviceChoice::Cpu { threads }).unwrap();
    vec![cpu(1), cpu(2), Device::open(DeviceChoice::Software).unwrap(), Device::like_hardware()]
}

pub(crate) fn random_images(shape: Shape, count: usize, classes: usize, seed: u64) -> ImageSet {
    let byte = |i: usize| (random(seed, Purpose::Shuffle, 3, 0, i as u32)[0] >> 24) as u8;
    let pixels: Vec<u8> = (0..count * shape.elements()).map(byte).collect();
    let label = |i: usize| below(random(seed, Purpose::Shuffle, 4, 0, i as u32)[0], classes as u32) as u16;
    let labels: Vec<u16> = (0..count).map(label).collect();
    ImageSet::new(shape, pixels.into(), labels.into(), classes).unwrap()
}
