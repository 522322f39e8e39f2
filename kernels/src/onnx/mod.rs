//! Networks as ONNX files (Open Neural Network Exchange): what an operation writes of itself, in evaluation.
//!
//! Values are maps `[batch][channels][height][width]`, of 32-bit floats; those of one pixel that a linear layer reads or gives
//! are rows `[batch][channels]`. The batch is left open. Like the machines, this knows operations by what they say only: each
//! writes itself in its own folder (`ops/<operation>/onnx.rs`).

mod messages;
mod pytorch;
mod values;
mod writer;

pub(crate) use messages::{Attribute, FLOAT};
pub use pytorch::PytorchCode;
pub(crate) use writer::{Writer, unwritten};

use crate::error::Error;
use crate::preprocess::Preprocess;
use crate::shape::Shape;

/// An operation that can say what it is in an ONNX file.
pub(crate) trait Export {
    /// Writes what it computes in evaluation.
    ///
    /// # Errors
    /// When it has no meaning where nothing is trained.
    fn export(&self, writer: &mut Writer<'_>) -> Result<(), Error>;
}

/// What a file says of its network beside what it computes, and what it reads.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OnnxSettings {
    /// What it is, in a sentence.
    pub description: String,
    /// Texts by their keys.
    pub metadata: Vec<(String, String)>,
    /// Shape of the 8-bit images that the file is to read, and what it does to them before the network. Without it the file reads
    /// what comes of that: normalised images of the network's own size.
    pub raw_images: Option<(Shape, Preprocess)>,
}
