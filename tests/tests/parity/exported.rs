//! Exported networks compute what the runtime does: whole networks, and every operation that has a place in one, as ONNX files
//! that the interpreter beside this runs.
//!
//! With `NAS_EXPORTED=DIR` in the environment each is left there with its images and the processor's scores, for ONNX Runtime
//! to be held to them (`tests/export.sh`).

use std::path::{Path, PathBuf};

use kernels::{
    ConvSpec, DepthwiseSpec, Device, Error, Graph, GroupSettings, ImageSet, Nobody, NormInit, OnnxSettings,
    PoolKind, PoolSpec, Preprocess, SeparableSpec, Shape, Trainer, TrainerSettings, ValueId,
};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use stages::{Budget, network};

use crate::generator;
use crate::handmade::{self, Features};
use crate::onnx::{self, Array, Model};

/// Largest error of a class's score.
const TOLERANCE: f64 = 1e-4;
const IMAGES: usize = 17;
const CLASSES: usize = 5;
/// Steps of training before a network is exported, so that its statistics are those of some images.
const STEPS: usize = 3;

/// A network in training, and its images.
struct Case {
    name: String,
    shape: Shape,
    pixels: Vec<u8>,
    preprocess: Preprocess,
    graph: Graph,
    trainer: Trainer,
    /// Holds the file of its weights.
    folder: tempfile::TempDir,
}

impl Case {
    /// A network that is trained for a few steps on images of a shape.
    fn new(name: &str, shape: Shape, graph: Graph, image_size: usize) -> Self {
        let channels = shape.channels;
        let (mean, std) = ([0.4, 0.5, 0.6][..channels].to_vec(), [0.2, 0.25, 0.3][..channels].to_vec());
        let preprocess = Preprocess { image_size, mean, std, augment: false, cutout: 0 };
        let settings = TrainerSettings {
            batch_size: IMAGES,
            groups: vec![GroupSettings::sgd(0.9, 3e-4, 5.0)],
            extra_vectors: 0,
            label_smoothing: 0.0,
            float_bits: 32,
            preprocess: preprocess.clone(),
            seed: 7,
            norm_init: NormInit::Uniform,
        };
        let pixels: Vec<u8> =
            generator::pixels(&format!("exported/{name}")).take(IMAGES * shape.elements()).collect();
        // Every image with every label.
        let all = pixels.chunks(shape.elements()).flat_map(|image| std::iter::repeat_n(image, CLASSES));
        let all: Vec<u8> = all.flatten().copied().collect();
        let labels: Vec<u16> = (0..IMAGES * CLASSES).map(|index| (index % CLASSES) as u16).collect();
        let sets = [ImageSet::new(shape, all.into(), labels.into(), CLASSES).unwrap()];
        let device = Device::open(crate::NATIVE).unwrap();
        let mut trainer = Trainer::new(&device, &graph, &settings, &sets).unwrap();
        let order: Vec<u32> =
            (0..STEPS * IMAGES).map(|index| (index * 13 % (IMAGES * CLASSES)) as u32).collect();
        trainer.train_epoch(0, &order, 0, 0.02, 0.0, &Nobody).unwrap();
        let folder = tempfile::tempdir().unwrap();
        Self { name: name.to_owned(), shape, pixels, preprocess, graph, trainer, folder }
    }

    /// A network of a map that `features` makes.
    fn of(
        name: &str,
        shape: Shape,
        features: impl FnOnce(&mut Graph, ValueId) -> Result<ValueId, Error>,
    ) -> Self {
        let (mut graph, image) = Graph::new(shape, CLASSES);
        let map = features(&mut graph, image).unwrap();
        let mean = graph.global_average(map);
        let logits = graph.linear("linear", mean, CLASSES, false).unwrap();
        graph.head(logits, 1.0).unwrap();
        Self::new(name, shape, graph, shape.height)
    }

    fn onnx(&mut self, settings: &OnnxSettings) -> Vec<u8> {
        let path = self.folder.path().join("weights.safetensors");
        self.trainer.save(&path).unwrap();
        let (weights, notes) = self.graph.weights(&path, &str::to_owned).unwrap();
        assert_eq!(notes, Vec::<String>::new());
        assert_eq!(weights.safetensors().unwrap(), std::fs::read(&path).unwrap());
        self.graph.onnx(&weights, settings).unwrap()
    }

    /// Logarithms of the classes' probabilities, which the losses of an image with each label are: logits but for a sum that no
    /// answer depends on.
    fn log_probabilities(&mut self) -> Vec<f64> {
        let loss = |image| -self.trainer.evaluate(0, &[image], &Nobody).unwrap().loss;
        (0..(IMAGES * CLASSES) as u32).map(loss).collect()
    }

    /// Images as they come.
    fn raw(&self) -> Array {
        let Shape { channels, height, width } = self.shape;
        let numbers = self.pixels.iter().map(|&pixel| f64::from(pixel)).collect();
        Array { shape: vec![IMAGES, channels, height, width], numbers }
    }

    /// Images of the network's own size as it reads them.
    fn normalised(&self) -> Array {
        let Preprocess { mean, std, .. } = &self.preprocess;
        let mut images = self.raw();
        for (index, number) in images.numbers.iter_mut().enumerate() {
            let channel = index / self.shape.pixels() % self.shape.channels;
            *number = (*number / 255.0 - f64::from(mean[channel])) / f64::from(std[channel]);
        }
        images
    }

    /// Holds a file to the runtime's answers.
    fn hold(&mut self, settings: &OnnxSettings) -> Model {
        let images = if settings.raw_images.is_some() { self.raw() } else { self.normalised() };
        let (bytes, expected) = (self.onnx(settings), self.log_probabilities());
        let model = onnx::read(&bytes);
        self.leave(&bytes, &images, &expected);
        let logits = model.run(images);
        assert_eq!(logits.shape, [IMAGES, CLASSES]);
        let mut worst = 0.0_f64;
        for (logits, expected) in logits.numbers.chunks(CLASSES).zip(expected.chunks(CLASSES)) {
            let sum: f64 = logits.iter().map(|logit| logit.exp()).sum();
            let errors =
                logits.iter().zip(expected).map(|(logit, &expected)| (logit - sum.ln() - expected).abs());
            worst = errors.fold(worst, f64::max);
        }
        println!("{}: {worst:.1e}", self.name);
        assert!(worst <= TOLERANCE, "{}: a score is off by {worst:.1e}", self.name);
        model
    }

    /// Leaves the file with its images and scores where the environment says.
    fn leave(&self, bytes: &[u8], images: &Array, expected: &[f64]) {
        let Some(folder) = std::env::var_os("NAS_EXPORTED").map(PathBuf::from) else { return };
        let to = |name: &str| folder.join(name.replace(' ', "-"));
        std::fs::write(to(&format!("{}.onnx", self.name)), bytes).unwrap();
        write_floats(
            &to(&format!("{}.safetensors", self.name)),
            &[
                ("images", &images.shape, &images.numbers),
                ("log_probabilities", &[IMAGES, CLASSES], expected),
            ],
        );
    }
}

fn write_floats(path: &Path, tensors: &[(&str, &[usize], &[f64])]) {
    let bytes: Vec<Vec<u8>> = (tensors.iter())
        .map(|(_, _, numbers)| numbers.iter().flat_map(|&number| (number as f32).to_le_bytes()).collect())
        .collect();
    let views = tensors.iter().zip(&bytes).map(|((name, shape, _), bytes)| {
        (*name, TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap())
    });
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

fn operators<'a>(model: &'a Model, op: &'a str) -> impl Iterator<Item = &'a onnx::Node> {
    model.graph.nodes.iter().filter(move |node| node.op == op)
}

#[test]
fn the_network_of_darts_is_exported_without_its_auxiliary_head() {
    let budget: Budget = "BPE-1,layers=3,channels=4,image_size=8".parse().unwrap();
    let graph = network::build(&"DARTS_V2".parse().unwrap(), &budget, 3, CLASSES, 0.4).unwrap();
    let mut case = Case::new("darts-v2", Shape::new(3, 8, 8), graph, 8);
    let metadata = vec![("classes".to_owned(), "[\"a\"]".to_owned())];
    let model =
        case.hold(&OnnxSettings { description: "A network".into(), metadata, ..OnnxSettings::default() });
    assert_eq!((model.ir_version, model.opsets[0].version), (8, 17));
    assert_eq!((model.metadata[0].key.as_str(), model.metadata[0].value.as_str()), ("classes", "[\"a\"]"));
    let names = model.graph.nodes.iter().map(|node| &node.name);
    let constants = model.graph.constants.iter().map(|constant| &constant.name);
    assert!(names.chain(constants).all(|name| !name.contains("aux_head")));
    // Layers are found by the names of their weights.
    assert!(operators(&model, "Conv").any(|node| node.name == "cells.0.preproc0.net.1"));
    assert!(operators(&model, "BatchNormalization").any(|node| node.name == "stem.1"));
    assert_eq!(model.graph.nodes.last().unwrap().name, "linear");
}

#[test]
fn files_may_read_images_of_8_bits_and_resize_them() {
    let budget: Budget = "BPE-1,layers=3,channels=4,image_size=8".parse().unwrap();
    let graph = network::build(&"DARTS_V1".parse().unwrap(), &budget, 3, CLASSES, 0.4).unwrap();
    for (name, shape) in [("larger images", Shape::new(3, 19, 14)), ("smaller images", Shape::new(3, 8, 5))] {
        let mut case = Case::new(name, shape, graph.clone(), 8);
        let raw_images = Some((shape, case.preprocess.clone()));
        let model = case.hold(&OnnxSettings { raw_images, ..OnnxSettings::default() });
        assert_eq!(operators(&model, "MatMul").count(), 2);
    }
}

#[test]
fn networks_that_a_person_builds_are_exported() {
    for (name, features) in handmade::NETWORKS {
        let features: Features = features;
        Case::of(name, Shape::new(3, 16, 16), features).hold(&OnnxSettings::default());
    }
}

/// A network with some operations behind a stem of six channels.
fn operation(name: &str, build: impl FnOnce(&mut Graph, ValueId) -> Result<ValueId, Error>) -> Model {
    let features = |graph: &mut Graph, image| {
        let stem = handmade::conv_bn(graph, "stem", image, handmade::conv(6, 3, 1))?;
        build(graph, stem)
    };
    Case::of(name, Shape::new(3, 8, 8), features).hold(&OnnxSettings::default())
}

#[test]
fn convolutions_are_exported() {
    for (name, spec) in [
        ("dense", ConvSpec { stride: 2, padding: [1, 1], relu: true, ..ConvSpec::square(5, 3) }),
        ("rectangular", ConvSpec { padding: [0, 3], ..ConvSpec::new(4, [1, 7]) }),
        ("tall with a stride", ConvSpec { stride: 3, padding: [2, 0], ..ConvSpec::new(4, [5, 2]) }),
        ("whole map", ConvSpec { relu: true, ..ConvSpec::square(7, 8) }),
        ("grouped", ConvSpec { groups: 3, padding: [1, 1], ..ConvSpec::square(9, 3) }),
        ("a group a channel", ConvSpec { groups: 6, padding: [1, 1], relu: true, ..ConvSpec::square(12, 3) }),
    ] {
        let model = operation(&format!("convolution {name}"), |graph, value| graph.conv("conv", value, spec));
        assert_eq!(operators(&model, "Conv").count(), 2);
    }
    for (kernel, stride, dilation, relu) in [(3, 1, 1, false), (5, 2, 2, true), (7, 2, 1, true)] {
        operation(&format!("depthwise {kernel} {stride} {dilation}"), |graph, value| {
            let padding = dilation * (kernel - 1) / 2;
            graph.depthwise("dw", value, DepthwiseSpec { kernel, stride, dilation, padding, relu })
        });
        operation(&format!("separable {kernel} {stride} {dilation}"), |graph, value| {
            let padding = dilation * (kernel - 1) / 2;
            let spec = SeparableSpec { channels: 5, kernel, stride, dilation, padding };
            let value = graph.separable("dw", "pw", value, spec)?;
            graph.batch_norm("bn", value)
        });
    }
    let model = operation("factorised reduction", |graph, value| {
        let value = graph.factorized_reduce("first", "second", value, 10)?;
        graph.batch_norm_plain("bn", value)
    });
    // The second convolution reads the input without its first row and column.
    assert_eq!(operators(&model, "Slice").count(), 2);
    operation("hidden linear layers", |graph, value| {
        let mean = graph.global_average(value);
        let hidden = graph.linear("first", mean, 9, true)?;
        graph.linear("second", hidden, 4, true)
    });
}

#[test]
fn poolings_and_averages_are_exported() {
    for kind in [PoolKind::Max, PoolKind::Average] {
        for (kernel, stride, padding) in [(3, 1, 1), (3, 2, 1), (2, 2, 0), (5, 3, 2)] {
            operation(&format!("{kind:?} pool {kernel} {stride}"), |graph, value| {
                let value = graph.relu(value);
                let value = graph.pool_with("pool", value, PoolSpec { kind, kernel, stride, padding })?;
                graph.batch_norm("bn", value)
            });
        }
    }
    for size in [8, 6, 5] {
        operation(&format!("grid of averages of {size}"), |graph, value| {
            let cut = graph.conv("cut", value, ConvSpec::square(4, 9 - size))?;
            graph.auxiliary_pool("pool", cut)
        });
    }
}

#[test]
fn sums_concatenations_and_slices_are_exported() {
    let model = operation("sums of none to three", |graph, value| {
        let concat = graph.concat(4, graph.shape(value));
        let none = graph.node_sum("none", &[], concat, 0)?;
        let one = graph.node_sum("one", &[(value, false)], concat, 1)?;
        let open = graph.relu(value);
        let two = graph.node_sum("two", &[(one, true), (open, true)], concat, 2)?;
        graph.node_sum("three", &[(none, false), (two, true), (value, true)], concat, 3)?;
        graph.concat_value(concat)
    });
    assert_eq!(["Add", "Sum", "ConstantOfShape"].map(|op| operators(&model, op).count()), [1, 1, 1]);
    operation("slices across a concatenation", |graph, value| {
        let wide = graph.conv("wide", value, ConvSpec::square(5, 1))?;
        let both = graph.concatenate("both", &[value, wide])?;
        let both = graph.batch_norm("bn", both)?;
        let middle = graph.slice(both, 3, 6)?;
        let last = graph.slice(both, 10, 1)?;
        let again = graph.concatenate("again", &[middle, last])?;
        graph.slice(again, 5, 2)
    });
}

#[test]
fn operations_of_one_value_are_exported() {
    let model = operation("relu6, sigmoid, dropout, shuffle and scale", |graph, value| {
        // A layer that is called like a constant.
        let value = graph.depthwise(
            "six",
            value,
            DepthwiseSpec { kernel: 1, stride: 1, dilation: 1, padding: 0, relu: false },
        )?;
        let bounded = graph.relu6(value);
        let dropped = graph.dropout("dropout", bounded, 0.5)?;
        let shuffled = graph.shuffle_channels("shuffle", dropped, 3)?;
        let mean = graph.global_average(value);
        let weights = graph.linear("weights", mean, 6, false)?;
        let weights = graph.sigmoid(weights);
        graph.scale_channels("scale", shuffled, weights)
    });
    assert_eq!(["Clip", "Transpose", "Sigmoid", "Mul"].map(|op| operators(&model, op).count()), [1; 4]);
}

#[test]
fn what_has_no_meaning_in_inference_is_named() {
    let shape = Shape::new(3, 8, 8);
    let (mut graph, image) = Graph::new(shape, CLASSES);
    let mixture = graph.mixture("alphas", 1, 2).unwrap();
    let concat = graph.concat(1, shape);
    let term = |choice| kernels::Term { value: image, drop: false, weight: Some((mixture, 0, choice)) };
    let sum = graph.weighted_sum("node", &[term(0), term(1)], concat, 0).unwrap();
    let mean = graph.global_average(sum);
    let logits = graph.linear("linear", mean, CLASSES, false).unwrap();
    graph.head(logits, 1.0).unwrap();
    let mut case = Case::new("mixture", shape, graph, 8);
    let path = case.folder.path().join("weights.safetensors");
    case.trainer.save(&path).unwrap();
    let (weights, _) = case.graph.weights(&path, &str::to_owned).unwrap();
    let error = case.graph.onnx(&weights, &OnnxSettings::default()).unwrap_err().to_string();
    assert!(error.starts_with("mixture `alphas` cannot be written") && error.contains("decode"), "{error}");
}
