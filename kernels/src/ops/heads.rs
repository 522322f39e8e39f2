//! What all heads have in common, whatever the loss of their logits is.

use crate::error::Error;
use crate::graph::{Graph, ValueId};
use crate::program::{Head, Input};
use crate::shape::Shape;

impl Graph {
    /// Makes `logits` a head, and gives it its number.
    ///
    /// # Errors
    /// When the shape is not one number a class, the logits are normalised or have a head already, or outside
    /// [`Graph::in_training_only`] the network has one: its answers count; or inside [`Graph::serving`].
    pub(super) fn new_head(&mut self, logits: ValueId, weight: f32) -> Result<(Head, usize), Error> {
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
        self.tables.heads.push(head);
        Ok((head, self.tables.heads.len() - 1))
    }
}
