//! Heads: operations that give a loss of their logits. What their calls read and write is the same; what each computes is
//! in its own folder.

use std::fmt::Debug;
use std::marker::PhantomData;

use crate::error::Error;
use crate::graph::{Call, Graph, Operation, Tape, ValueId};
use crate::onnx::{Export, Writer};
use crate::program::{Access, Accesses, Declare, Head, Input, Resource, Sink, Tensor};
use crate::shape::Shape;

/// What tells one loss of logits from another.
pub(super) trait LogitLoss: Copy + Debug + Send + Sync + 'static {
    /// The kind of its call.
    const KIND: &'static str;
}

/// A head of a network.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeadOperation<L> {
    head: Head,
    /// Number of the head.
    number: usize,
    loss: PhantomData<L>,
}

/// Adds to the losses of the images what the loss of a head is; in training it also leaves the gradient of the logits.
#[derive(Debug)]
pub(super) struct HeadCall<L> {
    pub(super) head: Head,
    pub(super) number: usize,
    pub(super) sink: Option<Sink>,
    loss: PhantomData<L>,
}

impl<L> HeadOperation<L> {
    fn input(&self) -> Input {
        Input { tensor: self.head.logits, norm: None, relu: false }
    }
}

impl<L: LogitLoss> Operation for HeadOperation<L>
where
    HeadCall<L>: Call,
{
    fn inputs(&self) -> Vec<Input> {
        vec![self.input()]
    }

    fn output(&self) -> Option<Tensor> {
        None
    }

    fn forward(&self, tape: &mut Tape) {
        let Self { head, number, loss } = *self;
        let sink = if tape.is_training() { tape.sink(self.input()) } else { None };
        tape.push(HeadCall { head, number, sink, loss });
    }

    /// The forward call leaves it.
    fn backward(&self, _: &mut Tape) {}
}

impl<L: LogitLoss> Declare for HeadCall<L> {
    fn kind(&self) -> &'static str {
        L::KIND
    }

    fn accesses(&self) -> Vec<Access> {
        let list = Accesses::default().reads_tensor(self.head.logits).accumulates(Resource::Metrics);
        match self.sink {
            Some(sink) => list.reads(Resource::LossScale).gives(sink).list(),
            None => list.list(),
        }
    }
}

/// The main head's logits are what a file of a network gives. A loss has no meaning where nothing is trained.
impl<L: LogitLoss> Export for HeadOperation<L> {
    fn export(&self, writer: &mut Writer<'_>) -> Result<(), Error> {
        let logits = writer.read_row(self.input())?;
        writer.gives(logits);
        Ok(())
    }
}

impl Graph {
    /// Makes `logits` a head with this loss, times `weight`.
    ///
    /// # Errors
    /// When the shape is not one number a class, the logits are normalised or have a head already, or outside
    /// [`Graph::in_training_only`] the network has one: its answers count; or inside [`Graph::serving`].
    pub(super) fn add_head<L: LogitLoss>(&mut self, logits: ValueId, weight: f32, _: L) -> Result<(), Error>
    where
        HeadCall<L>: Call,
    {
        let refused = |problem: &str| {
            Err(Error::BadSize { op: "head", name: "logits".into(), problem: problem.to_owned() })
        };
        let Input { tensor, norm, relu } = self.read(logits, false);
        if norm.is_some() || relu {
            return refused(
                "logits that are normalised, or behind a ReLU, have no head; give it their Graph::sum",
            );
        }
        if self.guard.is_some() {
            return refused("a head is there in every step; build it outside of Graph::serving");
        }
        let right = Shape::new(self.tables.classes, 1, 1);
        if tensor.shape != right {
            let left = tensor.shape;
            return Err(Error::ShapeMismatch { op: "head", name: "logits".into(), left, right });
        }
        if self.tables.heads.iter().any(|head| head.logits.overlaps(tensor)) {
            return refused("these logits, or some of them, have a head already");
        }
        if !self.training_only && self.tables.heads.iter().any(|head| !head.training_only) {
            return refused(
                "the network has a head already, whose answers count; build this one inside in_training_only",
            );
        }
        let head = Head { logits: tensor, weight, training_only: self.training_only };
        let number = self.tables.heads.len();
        self.tables.heads.push(head);
        self.push(HeadOperation { head, number, loss: PhantomData::<L> });
        Ok(())
    }
}
