//! Builds a file: nodes in the order in which operations write them, and the constants that they read.

use std::collections::{HashMap, HashSet};

use prost::Message;

use super::OnnxSettings;
use super::messages::{
    Attribute, Constant, Entry, FLOAT, GraphMessage, Model, Node, OperatorSet, UINT8, ValueInfo,
};
use crate::error::Error;
use crate::preprocess::Preprocess;
use crate::program::{Init, NormId, ParamId, Tables, Tensor};
use crate::shape::Shape;
use crate::tensors::Tensors;

/// Version of the intermediate representation, and the operators that came with it.
const IR_VERSION: i64 = 8;
const OPSET: i64 = 17;
/// What the network reads, and what it gives.
const INPUT: &str = "images";
const OUTPUT: &str = "logits";
/// Protocol Buffers have no larger messages.
const BYTES_MAX: usize = i32::MAX as usize;

/// A value that was written, and where it would lie.
#[derive(Clone)]
pub(super) struct Written {
    pub(super) tensor: Tensor,
    pub(super) name: String,
    /// Whether it is a row, not a map.
    pub(super) is_row: bool,
}

/// A file that is being built.
pub(crate) struct Writer<'a> {
    tables: &'a Tables,
    weights: &'a Tensors,
    settings: &'a OnnxSettings,
    names: HashSet<String>,
    nodes: Vec<Node>,
    constants: Vec<Constant>,
    /// Names of constants that are no weights: those that were asked for, and those that they have.
    others: HashMap<String, String>,
    /// What lies where, of all storages.
    pub(super) written: Vec<Written>,
    /// What normalisations make of what they normalise.
    pub(super) normalised: HashMap<NormId, Written>,
    /// Shape and type of elements of what it reads.
    input: Option<(Shape, i32)>,
    output: Option<String>,
}

/// A network whose operations have all written themselves.
pub(super) struct Built<'a> {
    /// Those that what it gives depends on, in an order in which every value is made before it is read.
    pub(super) nodes: Vec<Node>,
    /// What they read beside one another and the images.
    pub(super) constants: Vec<Constant>,
    /// The weights that some of these constants are.
    pub(super) weights: &'a Tensors,
    /// Shape and type of elements of what it reads.
    reads: (Shape, i32),
    /// What it reads and what it gives are called so.
    pub(super) input: &'static str,
    pub(super) output: &'static str,
}

impl<'a> Writer<'a> {
    /// For a network with these tables and weights.
    pub(crate) fn new(tables: &'a Tables, weights: &'a Tensors, settings: &'a OnnxSettings) -> Self {
        // Weights keep their names.
        let names = tables.params.iter().map(|param| param.name.clone()).chain(weights.keys().cloned());
        let names = names.chain([INPUT, OUTPUT].map(str::to_owned)).collect();
        Self {
            tables,
            weights,
            settings,
            names,
            nodes: Vec::new(),
            constants: Vec::new(),
            others: HashMap::new(),
            written: Vec::new(),
            normalised: HashMap::new(),
            input: None,
            output: None,
        }
    }

    /// Shape of the 8-bit images that the file is to read, if it is, and what is done to them.
    pub(crate) fn raw_images(&self) -> Option<(Shape, &'a Preprocess)> {
        self.settings.raw_images.as_ref().map(|(shape, preprocess)| (*shape, preprocess))
    }

    /// Says what the network reads: normalised images.
    pub(crate) fn reads(&mut self, shape: Shape) -> String {
        self.input = Some((shape, FLOAT));
        INPUT.to_owned()
    }

    /// Says what the network reads: images of 8 bits.
    pub(crate) fn reads_bytes(&mut self, shape: Shape) -> String {
        self.input = Some((shape, UINT8));
        INPUT.to_owned()
    }

    /// What every network reads.
    pub(crate) fn images() -> String {
        INPUT.to_owned()
    }

    /// Says that a row is what the network gives.
    pub(crate) fn gives(&mut self, row: String) {
        self.output = Some(row);
    }

    /// Adds a node with a name of its own, or one by its operator; the name of the value that it gives.
    pub(crate) fn node(
        &mut self,
        name: Option<String>,
        op_type: &str,
        inputs: &[String],
        attributes: Vec<Attribute>,
    ) -> String {
        let name = self.fresh(&name.unwrap_or_else(|| op_type.to_owned()));
        self.nodes.push(Node {
            input: inputs.to_vec(),
            output: vec![name.clone()],
            name: name.clone(),
            op_type: op_type.to_owned(),
            attribute: attributes,
        });
        name
    }

    /// What an operator makes of values, which is written once however often it is asked for.
    pub(super) fn derived(&mut self, op_type: &str, inputs: &[String], attributes: Vec<Attribute>) -> String {
        let is_same =
            |node: &&Node| node.op_type == op_type && node.input == inputs && node.attribute == attributes;
        if let Some(found) = self.nodes.iter().find(is_same) {
            return found.output[0].clone();
        }
        let name = inputs.first().map(|first| format!("{first}/{op_type}"));
        self.node(name, op_type, inputs, attributes)
    }

    /// A name that nothing has, which begins like this.
    fn fresh(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        let mut number = 1;
        while !self.names.insert(name.clone()) {
            number += 1;
            name = format!("{wanted}_{number}");
        }
        name
    }

    /// A parameter as a constant.
    ///
    /// # Errors
    /// When there are no weights of it.
    pub(crate) fn parameter(&mut self, ParamId(param): ParamId) -> Result<String, Error> {
        let param = &self.tables.params[param];
        if param.is_fixed {
            let value = if param.init == Init::Zero { 0.0 } else { 1.0 };
            return Ok(self.tensor(&param.name, &param.shape, &vec![value; param.elements()]));
        }
        self.weight(&param.name)
    }

    /// A tensor of the weights as a constant.
    ///
    /// # Errors
    /// When there is none of this name.
    pub(crate) fn weight(&mut self, name: &str) -> Result<String, Error> {
        let weights = self.weights;
        match weights.get(name) {
            Some((shape, values)) => Ok(self.tensor(name, shape, values)),
            None => Err(unwritten("parameter", name, "the weights do not have it")),
        }
    }

    /// A tensor of the network as a constant, under its own name.
    fn tensor(&mut self, name: &str, shape: &[usize], values: &[f32]) -> String {
        if !self.constants.iter().any(|constant| constant.name == name) {
            self.constants.push(Constant::floats(name, shape, values));
        }
        name.to_owned()
    }

    /// Other numbers as a constant, which are always the same under a name.
    pub(crate) fn numbers(&mut self, name: &str, shape: &[usize], values: &[f32]) -> String {
        self.other(name, |name| Constant::floats(name, shape, values))
    }

    /// A list of whole numbers as a constant.
    pub(crate) fn list(&mut self, values: &[i64]) -> String {
        let words: Vec<String> = values.iter().map(ToString::to_string).collect();
        self.other(&format!("[{}]", words.join(",")), |name| Constant::ints(name, values))
    }

    fn other(&mut self, wanted: &str, constant: impl FnOnce(&str) -> Constant) -> String {
        if let Some(name) = self.others.get(wanted) {
            return name.clone();
        }
        let name = self.fresh(wanted);
        self.constants.push(constant(&name));
        self.others.insert(wanted.to_owned(), name.clone());
        name
    }

    /// What a parameter is called.
    pub(crate) fn parameter_name(&self, ParamId(param): ParamId) -> &'a str {
        &self.tables.params[param].name
    }

    /// What the layer is called that has a parameter.
    pub(crate) fn layer(&self, param: ParamId) -> String {
        let name = self.parameter_name(param);
        name.rsplit_once('.').map_or(name, |(layer, _)| layer).to_owned()
    }

    /// What there is to write, when every operation has written itself.
    ///
    /// # Errors
    /// When the network reads or gives nothing.
    pub(super) fn build(mut self) -> Result<Built<'a>, Error> {
        let (Some((shape, elements)), Some(output)) = (self.input, self.output.take()) else {
            return Err(unwritten("network", OUTPUT, "it reads no images, or gives no classes"));
        };
        self.remove_what_nothing_reads(&output);
        self.rename(&output);
        let Self { nodes, constants, weights, .. } = self;
        Ok(Built { nodes, constants, weights, reads: (shape, elements), input: INPUT, output: OUTPUT })
    }

    /// The file's bytes.
    ///
    /// # Errors
    /// When the network reads or gives nothing, or is larger than a file can be.
    pub(crate) fn finish(self) -> Result<Vec<u8>, Error> {
        let (settings, classes) = (self.settings, self.tables.classes);
        let Built { nodes, constants, reads: (shape, elements), .. } = self.build()?;
        let graph = GraphMessage {
            node: nodes,
            name: "network".to_owned(),
            initializer: constants,
            doc_string: settings.description.clone(),
            input: vec![ValueInfo::batch_of(INPUT, elements, &[shape.channels, shape.height, shape.width])],
            output: vec![ValueInfo::batch_of(OUTPUT, FLOAT, &[classes])],
        };
        let entry = |(key, value): &(String, String)| Entry { key: key.clone(), value: value.clone() };
        let model = Model {
            ir_version: IR_VERSION,
            producer_name: "nas-pipeline".to_owned(),
            producer_version: env!("CARGO_PKG_VERSION").to_owned(),
            graph: Some(graph),
            opset_import: vec![OperatorSet { domain: String::new(), version: OPSET }],
            metadata_props: settings.metadata.iter().map(entry).collect(),
        };
        if model.encoded_len() > BYTES_MAX {
            return Err(unwritten("network", OUTPUT, "an ONNX file holds at most 2 GiB; use fewer channels"));
        }
        Ok(model.encode_to_vec())
    }

    /// Removes nodes and constants that the network's output does not depend on.
    fn remove_what_nothing_reads(&mut self, output: &str) {
        let mut read = HashSet::from([output.to_owned()]);
        let mut nodes = std::mem::take(&mut self.nodes);
        nodes.reverse();
        nodes.retain(|node| {
            let is_read = node.output.iter().any(|output| read.contains(output));
            if is_read {
                read.extend(node.input.iter().cloned());
            }
            is_read
        });
        nodes.reverse();
        self.nodes = nodes;
        self.constants.retain(|constant| read.contains(&constant.name));
    }

    /// Gives the network's output its name, everywhere.
    fn rename(&mut self, output: &str) {
        for node in &mut self.nodes {
            for name in node.input.iter_mut().chain(&mut node.output).filter(|name| *name == output) {
                OUTPUT.clone_into(name);
            }
        }
    }
}

/// The error of what cannot be written.
pub(crate) fn unwritten(op: &'static str, name: &str, problem: &str) -> Error {
    Error::NotExported { op, name: name.to_owned(), problem: problem.to_owned() }
}
