//! The one error type of this crate. Each message says what, where and what to do.

use crate::limits::Limit;
use crate::shape::Shape;

/// Everything that can go wrong between a network description and a trained network.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// A window does not fit the image it slides over.
    #[error(
        "{op} `{name}`: a window of {}×{} pixels does not fit an input of {input} (padding {}×{}); use a larger \
         image or fewer reductions",
        window[0], window[1], padding[0], padding[1]
    )]
    WindowTooLarge {
        /// Operation.
        op: &'static str,
        /// Name of the layer.
        name: String,
        /// Height and width of the window with its dilation, in pixels.
        window: [usize; 2],
        /// Shape of what it reads.
        input: Shape,
        /// Zero padding above and below, and left and right.
        padding: [usize; 2],
    },
    /// Two values that must have one shape differ.
    #[error("{op} `{name}`: shapes {left} and {right} differ; both must be the same")]
    ShapeMismatch {
        /// Operation.
        op: &'static str,
        /// Name of the layer.
        name: String,
        /// One shape.
        left: Shape,
        /// The other.
        right: Shape,
    },
    /// A size is not one the operation can have.
    #[error("{op} `{name}`: {problem}")]
    BadSize {
        /// Operation.
        op: &'static str,
        /// Name of the layer.
        name: String,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// Something of a network has no place in a file of another format.
    #[error("{op} `{name}` cannot be written to a file: {problem}")]
    NotExported {
        /// Operation.
        op: &'static str,
        /// Name of the layer.
        name: String,
        /// Why, and what to do.
        problem: String,
    },
    /// The loss stopped being a number.
    #[error(
        "the loss is not finite at step {step} (epoch {epoch}); lower the learning rate or use float_bits = 32"
    )]
    NonFinite {
        /// Step in the whole training, from 0.
        step: u64,
        /// Epoch, from 0.
        epoch: u32,
    },
    /// The parts of a step do not fit each other, the network, or what they are to read.
    #[error("step: {problem}")]
    Step {
        /// What is wrong and what would be right.
        problem: String,
    },
    /// A checkpoint does not fit the training.
    #[error("{problem}")]
    Checkpoint {
        /// What is wrong.
        problem: String,
    },
    /// The caller asked to stop.
    #[error("training was cancelled")]
    Cancelled,
    /// A tensor file does not fit the network.
    #[error("{path}: {problem}")]
    TensorFile {
        /// File.
        path: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A file cannot be written.
    #[error("cannot write {path}: {source}; what stood there before was not touched")]
    Unwritten {
        /// File.
        path: String,
        /// Why.
        source: std::sync::Arc<std::io::Error>,
    },
    /// Images and labels do not fit each other or the network.
    #[error("images: {problem}")]
    Images {
        /// What is wrong.
        problem: String,
    },
    /// A device is missing, or failed.
    #[error("device {device}: {problem}")]
    Device {
        /// Name of the device.
        device: String,
        /// What happened and what to do.
        problem: String,
    },
    /// The planned memory is more than there is.
    #[error(
        "device {device}: the training needs {needed_mib} MiB, {available_mib} MiB are available {limit}; lower the \
         batch size, or train each batch in parts (--accumulate)"
    )]
    OutOfMemory {
        /// Name of the device.
        device: String,
        /// Planned bytes, in MiB.
        needed_mib: u64,
        /// What there is, in MiB.
        available_mib: u64,
        /// What bounds it.
        limit: Limit,
    },
    /// The planned memory is there, but other trainings hold too much of it now.
    #[error(
        "device {device}: the training needs {needed_mib} MiB, {free_mib} MiB are free beside other trainings; it can \
         begin when one of them has ended"
    )]
    MemoryInUse {
        /// Name of the device.
        device: String,
        /// Planned bytes, in MiB.
        needed_mib: u64,
        /// What is free, in MiB.
        free_mib: u64,
    },
}
