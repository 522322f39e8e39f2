//! Any network as a Python module that computes it in PyTorch, operation by operation: the text beside this file, with what was
//! exported in the place of its example.

use kernels::{Graph, PytorchCode};

use super::python::{about_images, with_example_replaced};
use crate::data::Dataset;
use crate::{Budget, Error};

const MODULE: &str = include_str!("operations.py");

/// The module of a network.
///
/// # Errors
/// When something of the network has no meaning where nothing is trained, or the name of a class cannot be written.
pub(super) fn module(graph: &Graph, budget: &Budget, data: &Dataset) -> Result<String, Error> {
    let PytorchCode { parameters, statistics, lines } = graph.pytorch()?;
    let body = lines.iter().fold(String::new(), |body, line| body + "    " + line + "\n");
    let text = format!(
        "{}PARAMETERS = {}\nSTATISTICS = {}\n\n\ndef compute(images: Tensor, p: dict[str, Tensor], training: bool) -> Tensor:\n    \
         \"\"\"Scores of normalised images (N, CHANNELS_IN, IMAGE_SIZE, IMAGE_SIZE).\"\"\"\n{body}    return logits\n",
        about_images(budget, data)?,
        shapes(&parameters),
        shapes(&statistics),
    );
    Ok(with_example_replaced(MODULE, &text))
}

/// Shapes by names, one a line.
fn shapes(tensors: &[(String, Vec<usize>)]) -> String {
    let mut text = String::from("{\n");
    for (name, shape) in tensors {
        let sides: Vec<String> = shape.iter().map(ToString::to_string).collect();
        let comma = if sides.len() == 1 { "," } else { "" };
        text.extend(["    \"", name, "\": (", &sides.join(", "), comma, "),\n"]);
    }
    text.push('}');
    text
}
