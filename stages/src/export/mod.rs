//! A trained architecture as files for other programs: its weights, the network as ONNX and as a PyTorch module, the texts of its
//! genotype, and a picture of its cells.

mod forms;
mod layout;
mod operations;
mod picture;
mod python;

use kernels::{Graph, OnnxSettings, Shape};

use crate::data::{Dataset, evaluation_side};
use crate::recipe::Skeleton;
use crate::train::{TrainerInputs, TrainingJob};
use crate::weights::WeightsFile;
use crate::{Architecture, Error};

/// What a trained architecture can be written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Weights and running statistics, in the names of the PyTorch module.
    Safetensors,
    /// The network with its weights.
    Onnx,
    /// A PyTorch module that builds the network and reads its weights.
    Python,
    /// Every text form that the genotype of a network of cells has.
    Genotype,
    /// A picture of both cells of such a network.
    Svg,
}

/// A picture (SVG) of both cells of an architecture, for light and for dark pages; none where it has no cells.
pub fn picture(architecture: &Architecture) -> Option<String> {
    architecture.cells().map(|cells| picture::svg(&cells))
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Safetensors, Self::Onnx, Self::Python, Self::Genotype, Self::Svg];

    /// Whether it holds weights.
    pub const fn needs_weights(self) -> bool {
        matches!(self, Self::Safetensors | Self::Onnx)
    }
}

/// What is to be exported.
#[derive(Clone, Copy, Debug)]
pub struct Export<'a> {
    /// Its network, and how it was trained.
    pub job: &'a TrainingJob,
    /// The images that it was trained for: their classes, and how they are normalised.
    pub data: &'a Dataset,
    /// Its weights; without them nothing can be written that holds weights.
    pub weights: Option<WeightsFile<'a>>,
    /// Whether the ONNX file reads 8-bit images of the data set's size, and resizes and normalises them itself.
    pub with_preprocessing: bool,
}

/// Files that are not written yet.
#[derive(Debug, Default)]
pub struct Files {
    /// Names and bytes.
    pub files: Vec<(&'static str, Vec<u8>)>,
    /// What a person should know of them.
    pub notes: Vec<String>,
}

impl Export<'_> {
    /// The files of some formats.
    ///
    /// # Errors
    /// When the weights cannot be read, or are not those of the network.
    pub fn files(&self, formats: &[Format]) -> Result<Files, Error> {
        let Self { job, data, .. } = *self;
        // Also finds out whether the sizes fit a network.
        let graph = TrainerInputs::new(job, data)?.graph;
        let mut made = Files::default();
        let weights = match self.weights {
            Some(file) => {
                let (weights, notes) = file.read(job, &graph)?;
                made.notes.extend(notes);
                Some(weights)
            }
            None => None,
        };
        for format in formats {
            match (format, &weights) {
                (Format::Safetensors, Some(weights)) => {
                    made.files.push(("weights.safetensors", weights.safetensors()?));
                }
                (Format::Onnx, Some(weights)) => {
                    made.files.push(("network.onnx", graph.onnx(weights, &self.onnx_settings(&graph)?)?));
                    if job.budget.float_bits == 16 {
                        let note = "network.onnx computes in 32 bits what was trained in 16: scores differ by rounding";
                        made.notes.push(note.to_owned());
                    }
                }
                // Weights were not given.
                (Format::Safetensors | Format::Onnx, None) => {}
                (Format::Python, _) => {
                    let text = match &job.architecture {
                        Architecture::Darts(genotype) if job.recipe.skeleton == Skeleton::Cifar => {
                            python::module(genotype, &job.budget, data)?
                        }
                        _ => operations::module(&graph, &job.budget, data)?,
                    };
                    made.files.push(("network.py", text.into_bytes()));
                }
                (Format::Genotype, _) => {
                    let forms = forms::files(&job.architecture).into_iter();
                    made.files.extend(forms.map(|(name, text)| (name, text.into_bytes())));
                }
                (Format::Svg, _) => {
                    made.files
                        .extend(picture(&job.architecture).map(|text| ("cells.svg", text.into_bytes())));
                }
            }
        }
        Ok(made)
    }

    /// What the ONNX file says of the network.
    fn onnx_settings(&self, graph: &Graph) -> Result<OnnxSettings, Error> {
        let Self { job, data, with_preprocessing, .. } = *self;
        if with_preprocessing && data.streamed.is_some() {
            let problem = "streamed images have any size, and the exported network would take one; give the set in memory \
                           (folder:DIR), or leave --with-preprocessing out";
            return Err(Error::Config { place: "data.set".to_owned(), problem: problem.to_owned() });
        }
        let size = job.budget.image_size;
        let shape = Shape::new(data.channels, data.height, data.width);
        let what = match &job.architecture {
            Architecture::Network(network) => network.to_string(),
            Architecture::Darts(_) => "a DARTS cell network".to_owned(),
            Architecture::Cells(_) => "a network of cells".to_owned(),
        };
        let input = if with_preprocessing {
            format!("images [batch, {}, {}, {}] of 8 bits", shape.channels, shape.height, shape.width)
        } else {
            let resized = match data.streamed.as_ref().map(|_| evaluation_side(size as usize)) {
                None => "resized".to_owned(),
                Some(shorter) => format!("resized so that the shorter side is {shorter}, the middle taken"),
            };
            format!(
                "images [batch, {}, {size}, {size}]: pixels from 0 to 1, {resized} by an antialiased bilinear filter, then less \
                 `mean` and divided by `std`, by channel",
                data.channels
            )
        };
        let metadata = [
            ("architecture", job.architecture.to_string()),
            ("budget", job.budget.to_string()),
            ("data", data.name.clone()),
            ("classes", json(&data.classes)?),
            ("image_size", size.to_string()),
            ("channels", data.channels.to_string()),
            ("mean", format!("{:?}", data.mean)),
            ("std", format!("{:?}", data.std)),
            ("input", input),
            ("output", "logits [batch, classes]: scores before the softmax".to_owned()),
            ("parameters", graph.cost().parameters.to_string()),
        ];
        let preprocess = crate::train::settings(&job.budget, &job.recipe, data, job.seed).preprocess;
        Ok(OnnxSettings {
            description: format!("An image classifier of {} classes: {what}", data.classes.len()),
            metadata: metadata.map(|(key, value)| (key.to_owned(), value)).into(),
            raw_images: with_preprocessing.then_some((shape, preprocess)),
        })
    }
}

/// A list of texts as JSON, which Python reads too.
fn json(texts: &[String]) -> Result<String, Error> {
    serde_json::to_string(texts)
        .map_err(|error| Error::Numbers { what: "names of classes", problem: error.to_string() })
}
