//! Networks as a list of operations over slices of channels, built in forward order.
//!
//! A [`ValueId`] is what an operation produced. Batch normalisation is not an operation of its own: it marks a
//! value as *normalised*, its statistics are taken where the value is produced and its affine map is applied
//! wherever the value is read, so that no normalised copy is ever stored.

use crate::Error;
use crate::ops::{Convolution, NodeSum, Op, Pool, WindowAverage};
use crate::shape::Shape;

/// A value of the graph, to be read by further operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ValueId(pub(crate) usize);

/// A concatenation along channels whose parts are written by [`Graph::node_sum`].
#[derive(Clone, Copy, Debug)]
pub struct Concat {
    storage: StorageId,
    part: Shape,
    parts: usize,
}

/// Memory that holds all channels of one or several values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct StorageId(pub(crate) usize);

/// One parameter tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ParamId(pub(crate) usize);

/// One batch normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct NormId(pub(crate) usize);

/// One edge with drop path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct DropId(pub(crate) usize);

/// A slice of channels of a storage: `shape.channels` channels from `channel` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tensor {
    pub(crate) storage: StorageId,
    pub(crate) channel: usize,
    pub(crate) shape: Shape,
}

/// How an operation reads a value: the affine map of its normalisation first, then ReLU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Input {
    pub(crate) tensor: Tensor,
    pub(crate) norm: Option<NormId>,
    pub(crate) relu: bool,
}

/// How a parameter starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Init {
    /// Uniform in ±`bound`.
    Uniform { bound: f32 },
    /// Scale of a normalisation: 1, or uniform in [0, 1) where the caller asks for it.
    NormScale,
    /// 0.
    Zero,
}

#[derive(Clone, Debug)]
pub(crate) struct Param {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) init: Init,
}

impl Param {
    pub(crate) fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Norm {
    /// Prefix of its tensors' names: `<name>.weight`, `.bias`, `.running_mean`, `.running_var`.
    pub(crate) name: String,
    pub(crate) scale: ParamId,
    pub(crate) shift: ParamId,
    /// What it normalises, as it was produced.
    pub(crate) raw: Tensor,
    /// First of its channels in the arrays that hold all normalisations' channels.
    pub(crate) offset: usize,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct ValueInfo {
    pub(crate) tensor: Tensor,
    pub(crate) norm: Option<NormId>,
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) op: Op,
    /// Belongs to the auxiliary head: there in training only, and not counted as part of the network.
    pub(crate) training_only: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) logits: Tensor,
    pub(crate) weight: f32,
    pub(crate) training_only: bool,
}

/// What a network costs for one image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Trained parameters of the network, without the auxiliary head.
    pub parameters: u64,
    /// Multiply-adds of convolutions and linear layers in inference.
    pub mult_adds: u64,
    /// FLOPs of inference: two per multiply-add, and those of pooling, normalisation and sums.
    pub inference_flops: u64,
    /// FLOPs of a training step, auxiliary head included: three times the forward pass (the gradient of what
    /// is read and of the weights cost one forward pass each).
    pub training_flops: u64,
}

/// A network under construction, and when done, the description that is lowered to a program.
#[derive(Clone, Debug)]
pub struct Graph {
    pub(crate) input: Tensor,
    pub(crate) classes: usize,
    pub(crate) storages: Vec<Shape>,
    pub(crate) values: Vec<ValueInfo>,
    pub(crate) params: Vec<Param>,
    pub(crate) norms: Vec<Norm>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) heads: Vec<Head>,
    pub(crate) drops: usize,
    norm_channels: usize,
    training_only: bool,
}

impl Graph {
    /// A network that reads images of `input` and tells `classes` classes apart; also the value of its input.
    pub fn new(input: Shape, classes: usize) -> (Self, ValueId) {
        let tensor = Tensor { storage: StorageId(0), channel: 0, shape: input };
        let graph = Self {
            input: tensor,
            classes,
            storages: vec![input],
            values: vec![ValueInfo { tensor, norm: None }],
            params: Vec::new(),
            norms: Vec::new(),
            nodes: Vec::new(),
            heads: Vec::new(),
            drops: 0,
            norm_channels: 0,
            training_only: false,
        };
        (graph, ValueId(0))
    }

    /// Shape of a value.
    pub fn shape(&self, value: ValueId) -> Shape {
        self.values[value.0].tensor.shape
    }

    /// Channels of all normalisations together.
    pub(crate) fn norm_channels(&self) -> usize {
        self.norm_channels
    }

    /// Everything that `build` adds is there in training only (the auxiliary head).
    pub fn in_training_only<T>(&mut self, build: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::replace(&mut self.training_only, true);
        let built = build(self);
        self.training_only = outer;
        built
    }

    /// Batch normalisation of a value (eps 1e-5, momentum 0.1, affine), applied where the value is read. Its
    /// tensors are `name.weight`, `name.bias`, `name.running_mean` and `name.running_var`.
    ///
    /// # Errors
    /// When the value is not the output of a convolution or a pooling, or is normalised already: statistics
    /// are taken where those produce it.
    pub fn batch_norm(&mut self, name: &str, value: ValueId) -> Result<ValueId, Error> {
        let info = self.values[value.0];
        let makes_statistics =
            |op: &Op| matches!(op, Op::Convolution(_) | Op::Pool(_)) && op.norm().is_none();
        let mut makers =
            self.nodes.iter().map(|node| &node.op).filter(|op| op.output().overlaps(info.tensor)).peekable();
        if makers.peek().is_none() || !makers.all(makes_statistics) {
            let problem =
                "only the output of a convolution or a pooling can be normalised, and only once".to_owned();
            return Err(Error::BadSize { op: "batch normalisation", name: name.to_owned(), problem });
        }
        let channels = info.tensor.shape.channels;
        let scale = self.param(format!("{name}.weight"), vec![channels], Init::NormScale);
        let shift = self.param(format!("{name}.bias"), vec![channels], Init::Zero);
        let norm = NormId(self.norms.len());
        let offset = self.norm_channels;
        self.norm_channels += channels;
        self.norms.push(Norm { name: name.to_owned(), scale, shift, raw: info.tensor, offset });
        for node in &mut self.nodes {
            node.op.normalise(info.tensor, norm);
        }
        Ok(self.value(ValueInfo { tensor: info.tensor, norm: Some(norm) }))
    }

    /// Room for `parts` values of shape `part`, concatenated along channels.
    pub fn concat(&mut self, parts: usize, part: Shape) -> Concat {
        let storage = self.storage(part.with_channels(part.channels * parts));
        Concat { storage, part, parts }
    }

    /// The whole of a concatenation.
    ///
    /// # Errors
    /// When a part of it was not written yet.
    pub fn concat_value(&mut self, concat: Concat) -> Result<ValueId, Error> {
        let shape = concat.part.with_channels(concat.part.channels * concat.parts);
        if let Some(slot) = (0..concat.parts).find(|&slot| !self.is_written(concat.slot(slot))) {
            let name = format!("{} of {}", concat.parts, concat.part);
            let problem = format!("slot {slot} was not written yet");
            return Err(Error::BadSize { op: "concatenation", name, problem });
        }
        let tensor = Tensor { storage: concat.storage, channel: 0, shape };
        Ok(self.value(ValueInfo { tensor, norm: None }))
    }

    fn is_written(&self, tensor: Tensor) -> bool {
        self.nodes.iter().any(|node| node.op.output().overlaps(tensor))
    }

    /// Sum of edges, written to part `slot` of `concat`; no edge gives zeros. An edge is a value and whether
    /// drop path applies to it.
    ///
    /// # Errors
    /// When there is no such slot, it was written before, or an edge's shape is not that of the part.
    pub fn node_sum(
        &mut self,
        name: &str,
        edges: &[(ValueId, bool)],
        concat: Concat,
        slot: usize,
    ) -> Result<ValueId, Error> {
        let refused = |problem| Err(Error::BadSize { op: "node sum", name: name.to_owned(), problem });
        if slot >= concat.parts {
            return refused(format!("there is no slot {slot} in a concatenation of {}", concat.parts));
        }
        let output = concat.slot(slot);
        if self.is_written(output) {
            return refused(format!("slot {slot} of the concatenation was written before"));
        }
        let mut sum = NodeSum { edges: Vec::new(), output };
        for &(value, drop) in edges {
            let ValueInfo { tensor, norm } = self.values[value.0];
            if tensor.shape != concat.part {
                return Err(Error::ShapeMismatch {
                    op: "node sum",
                    name: name.to_owned(),
                    left: tensor.shape,
                    right: concat.part,
                });
            }
            let drop = drop.then(|| {
                self.drops += 1;
                DropId(self.drops - 1)
            });
            sum.edges.push((Input { tensor, norm, relu: false }, drop));
        }
        self.push(Op::NodeSum(sum));
        Ok(self.value(ValueInfo { tensor: output, norm: None }))
    }

    /// Declares `logits` (classes × 1 × 1) a head whose cross-entropy enters the loss with `weight`.
    ///
    /// # Errors
    /// When the shape is not one number a class, or the logits are normalised or have a head already.
    pub fn head(&mut self, logits: ValueId, weight: f32) -> Result<(), Error> {
        let ValueInfo { tensor, norm } = self.values[logits.0];
        if norm.is_some() {
            let problem =
                "logits that are normalised have no head; sum them into a concatenation first".to_owned();
            return Err(Error::BadSize { op: "head", name: "logits".into(), problem });
        }
        let right = Shape::new(self.classes, 1, 1);
        if tensor.shape != right {
            return Err(Error::ShapeMismatch {
                op: "head",
                name: "logits".into(),
                left: tensor.shape,
                right,
            });
        }
        if self.heads.iter().any(|head| head.logits == tensor) {
            let problem = "these logits have a head already".to_owned();
            return Err(Error::BadSize { op: "head", name: "logits".into(), problem });
        }
        self.heads.push(Head { logits: tensor, weight, training_only: self.training_only });
        Ok(())
    }

    /// Parameters, multiply-adds and FLOPs of one image, summed over the op table.
    pub fn cost(&self) -> Cost {
        let mut cost = Cost::default();
        let mut forward = 0;
        for node in &self.nodes {
            let flops = 2 * node.op.mult_adds() + node.op.elementwise_flops();
            forward += flops;
            if !node.training_only {
                cost.mult_adds += node.op.mult_adds();
                cost.inference_flops += flops;
            }
        }
        cost.training_flops = 3 * forward;
        let auxiliary = self.auxiliary_params();
        cost.parameters = (self.params.iter().zip(auxiliary))
            .filter(|(_, auxiliary)| !auxiliary)
            .map(|(param, _)| param.elements() as u64)
            .sum();
        cost
    }

    fn auxiliary_params(&self) -> Vec<bool> {
        let mut auxiliary = vec![false; self.params.len()];
        for node in self.nodes.iter().filter(|node| node.training_only) {
            for param in node.op.params() {
                auxiliary[param.0] = true;
            }
            if let Some(norm) = node.op.norm() {
                auxiliary[self.norms[norm.0].scale.0] = true;
                auxiliary[self.norms[norm.0].shift.0] = true;
            }
        }
        auxiliary
    }

    pub(crate) fn read(&self, value: ValueId, relu: bool) -> Input {
        let ValueInfo { tensor, norm } = self.values[value.0];
        Input { tensor, norm, relu }
    }

    pub(crate) fn param(&mut self, name: String, shape: Vec<usize>, init: Init) -> ParamId {
        self.params.push(Param { name, shape, init });
        ParamId(self.params.len() - 1)
    }

    pub(crate) fn storage(&mut self, shape: Shape) -> StorageId {
        self.storages.push(shape);
        StorageId(self.storages.len() - 1)
    }

    pub(crate) fn value(&mut self, info: ValueInfo) -> ValueId {
        self.values.push(info);
        ValueId(self.values.len() - 1)
    }

    pub(crate) fn push(&mut self, op: Op) {
        self.nodes.push(Node { op, training_only: self.training_only });
    }

    pub(crate) fn push_convolution(&mut self, op: Convolution) -> ValueId {
        let tensor = op.output;
        self.push(Op::Convolution(op));
        self.value(ValueInfo { tensor, norm: None })
    }

    pub(crate) fn push_pool(&mut self, op: Pool) -> ValueId {
        let tensor = op.output;
        self.push(Op::Pool(op));
        self.value(ValueInfo { tensor, norm: None })
    }

    pub(crate) fn push_window_average(&mut self, op: WindowAverage) -> ValueId {
        let tensor = op.output;
        self.push(Op::WindowAverage(op));
        self.value(ValueInfo { tensor, norm: None })
    }
}

impl Concat {
    /// The part with a number.
    fn slot(self, slot: usize) -> Tensor {
        Tensor { storage: self.storage, channel: slot * self.part.channels, shape: self.part }
    }
}

impl Tensor {
    /// `channels` channels from `from` on, counted inside this tensor.
    pub(crate) fn slice(self, from: usize, channels: usize) -> Self {
        debug_assert!(from + channels <= self.shape.channels);
        Self { channel: self.channel + from, shape: self.shape.with_channels(channels), ..self }
    }

    /// Whether all channels of `other` are channels of this tensor.
    pub(crate) fn contains(self, other: Self) -> bool {
        self.storage == other.storage
            && self.channel <= other.channel
            && other.channel + other.shape.channels <= self.channel + self.shape.channels
    }

    /// Whether the two share a channel.
    pub(crate) fn overlaps(self, other: Self) -> bool {
        self.storage == other.storage
            && self.channel < other.channel + other.shape.channels
            && other.channel < self.channel + self.shape.channels
    }
}
