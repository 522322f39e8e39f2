//! Goldens of whole networks: what they hold, the initial state they start from, and tensors held against them.
//! `tests/reference/golden.py` defines all of it.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use kernels::{ImageSet, Shape};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use stages::recipe::Skeleton;

use crate::generator;

pub(crate) const BATCHES: usize = 4;
pub(crate) const MEAN: f32 = 0.5;
pub(crate) const STD: f32 = 0.25;

#[derive(Deserialize)]
pub(crate) struct Golden {
    pub(crate) stream: String,
    pub(crate) budget: Sizes,
    pub(crate) input_channels: usize,
    pub(crate) classes: usize,
    pub(crate) recipe: Recipe,
    /// Mean of the biases of normalisations.
    #[serde(default)]
    norm_bias: f64,
    pub(crate) parameters: u64,
    pub(crate) parameters_with_auxiliary: u64,
    pub(crate) mult_adds: u64,
    pub(crate) step: Step,
    /// Scores of the first images of batch 0 in evaluation, after the step.
    pub(crate) logits: Vec<Vec<f64>>,
    pub(crate) twenty_steps: TwentySteps,
    pub(crate) tensors: BTreeMap<String, Tensor>,
}

#[derive(Clone, Copy, Deserialize)]
pub(crate) struct Sizes {
    pub(crate) batch_size: u32,
    pub(crate) learning_rate: f64,
    pub(crate) image_size: u32,
}

/// How the network of a genotype is built: only the goldens of those say that.
#[derive(Deserialize)]
pub(crate) struct Searched {
    pub(crate) genotype: String,
    pub(crate) budget: Extent,
    /// None for that of small images.
    #[serde(default)]
    pub(crate) skeleton: Option<Skeleton>,
}

#[derive(Deserialize)]
pub(crate) struct Extent {
    pub(crate) layers: u32,
    pub(crate) channels: u32,
}

#[derive(Deserialize)]
pub(crate) struct Recipe {
    pub(crate) momentum: f32,
    pub(crate) weight_decay: f32,
    pub(crate) grad_clip: f32,
    pub(crate) aux_weight: f64,
    pub(crate) label_smoothing: f32,
}

#[derive(Deserialize)]
pub(crate) struct Step {
    pub(crate) loss: f64,
    pub(crate) gradient_norm: f64,
}

#[derive(Deserialize)]
pub(crate) struct TwentySteps {
    pub(crate) learning_rate: f32,
    pub(crate) losses: Vec<f64>,
    /// As `logits`, after the twenty steps.
    pub(crate) logits: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
pub(crate) struct Tensor {
    shape: Vec<usize>,
    pub(crate) updated: Summary,
    pub(crate) gradient: Option<Summary>,
    pub(crate) change: Option<Summary>,
}

#[derive(Deserialize)]
pub(crate) struct Summary {
    norm: f64,
    dot: f64,
    elements: Vec<f64>,
}

/// Tensors of a safetensors file, flat.
pub(crate) type Tensors = HashMap<String, Vec<f32>>;

/// What a file of the goldens says, or a part of it.
pub(crate) fn read<T: DeserializeOwned>(file: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("goldens/{file}.json"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

impl Golden {
    /// Shape of the images.
    pub(crate) fn input(&self) -> Shape {
        let size = self.budget.image_size as usize;
        Shape::new(self.input_channels, size, size)
    }

    pub(crate) fn batch_size(&self) -> usize {
        self.budget.batch_size as usize
    }

    /// All batches, one behind the other.
    pub(crate) fn images(&self) -> ImageSet {
        let (pixels, labels) = self.pixels_and_labels();
        ImageSet::new(self.input(), pixels.into(), labels.into(), self.classes).unwrap()
    }

    pub(crate) fn pixels_and_labels(&self) -> (Vec<u8>, Vec<u16>) {
        let shape = self.input();
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        for batch in 0..BATCHES {
            let count = self.batch_size() * shape.elements();
            pixels.extend(generator::pixels(&format!("{}/images.{batch}", self.stream)).take(count));
            labels.extend(self.labels(batch));
        }
        (pixels, labels)
    }

    pub(crate) fn labels(&self, batch: usize) -> impl Iterator<Item = u16> + use<> {
        generator::labels(&format!("{}/labels.{batch}", self.stream), self.classes).take(self.batch_size())
    }

    /// The state that both runs start from.
    pub(crate) fn initial(&self) -> Tensors {
        let value = |(name, tensor): (&String, &Tensor)| {
            let (owner, leaf) = name.rsplit_once('.').unwrap_or(("", name));
            // A normalisation without scale and shift has none.
            let weight = self.tensors.get(&format!("{owner}.weight")).map_or(&[][..], |tensor| &tensor.shape);
            let (centre, half) = match leaf {
                "running_mean" => (0.0, 0.1),
                "running_var" => (1.0, 0.5),
                _ if weight.len() > 1 => (0.0, 1.0 / (weight[1..].iter().product::<usize>() as f64).sqrt()),
                "weight" => (1.0, 0.5),
                _ => (self.norm_bias, 0.25),
            };
            let stream = format!("{}/{name}", self.stream);
            let count = tensor.shape.iter().product();
            (name.clone(), generator::uniform(&stream, centre, half).take(count).collect())
        };
        self.tensors.iter().map(value).collect()
    }

    pub(crate) fn write_initial(&self, path: &Path) {
        self.write_initial_of(path, |_| true);
    }

    /// The same of tensors whose names `wanted` takes.
    pub(crate) fn write_initial_of(&self, path: &Path, wanted: impl Fn(&str) -> bool) {
        let bytes: HashMap<String, Vec<u8>> = (self.initial().into_iter().filter(|(name, _)| wanted(name)))
            .map(|(name, values)| (name, values.iter().flat_map(|value| value.to_le_bytes()).collect()))
            .collect();
        let views = bytes.iter().map(|(name, bytes)| {
            (name, TensorView::new(Dtype::F32, self.tensors[name].shape.clone(), bytes).unwrap())
        });
        let file = safetensors::serialize(views, None).unwrap();
        std::fs::write(path, file).unwrap();
    }
}

/// Reads a file that the runtime wrote; names and shapes must be those of the golden's tensors that `wanted` takes.
pub(crate) fn read_tensors(path: &Path, golden: &Golden, wanted: impl Fn(&Tensor) -> bool) -> Tensors {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let shapes: BTreeMap<String, Vec<usize>> =
        file.iter().map(|(name, view)| (name.to_owned(), view.shape().to_vec())).collect();
    let expected = golden.tensors.iter().filter(|(_, tensor)| wanted(tensor));
    assert_eq!(shapes, expected.map(|(name, tensor)| (name.clone(), tensor.shape.clone())).collect());
    let floats = |view: TensorView<'_>| {
        view.data().chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
    };
    file.iter().map(|(name, view)| (name.to_owned(), floats(view))).collect()
}

/// How far a tensor may stray, relative to its norm or to `floor` where the norm is smaller.
#[derive(Clone, Copy)]
pub(crate) struct Tolerance {
    pub(crate) norm: f64,
    /// Of the product with the signs, which a norm does not see: a sign, or an element in another's place.
    pub(crate) dot: f64,
    /// Of a single element, relative to the root mean square.
    pub(crate) element: f64,
    pub(crate) floor: f64,
}

impl Summary {
    /// Errors of `values` as shares of the tolerance: norm, dot product, worst element.
    pub(crate) fn errors(&self, values: &[f64], tolerance: Tolerance) -> [f64; 3] {
        let scale = self.norm.max(tolerance.floor);
        let norm = values.iter().map(|value| value * value).sum::<f64>().sqrt();
        let dot: f64 = values.iter().zip(generator::signs()).map(|(value, sign)| value * sign).sum();
        let count = self.elements.len();
        let picked = |j: usize| values[j * values.len() / count];
        let element = (0..count).map(|j| (picked(j) - self.elements[j]).abs()).fold(0.0, f64::max);
        let root_mean_square = scale / (values.len() as f64).sqrt();
        [
            (norm - self.norm).abs() / scale / tolerance.norm,
            (dot - self.dot).abs() / scale / tolerance.dot,
            element / root_mean_square / tolerance.element,
        ]
    }
}
