//! What a network costs, summed over its operations.

use super::Graph;

/// What a network costs for one image. What is run only where a choice is drawn ([`Graph::serving`]) counts as if each
/// choice were drawn as often.
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

impl Graph {
    /// Parameters, multiply-adds and FLOPs of one image.
    pub fn cost(&self) -> Cost {
        let mut cost = Cost::default();
        let mut forward = 0;
        let mut auxiliary = vec![false; self.tables.params.len()];
        for node in &self.nodes {
            // Of what one choice of several serves, its share on the average of choices.
            let share = node.guard.map_or(1, |guard| self.tables.mixtures[guard.mixture.0].choices as u64);
            let mult_adds = node.op.mult_adds() / share;
            let flops = 2 * mult_adds + node.op.elementwise_flops() / share;
            forward += flops;
            if node.training_only {
                node.op.params().into_iter().for_each(|param| auxiliary[param.0] = true);
            } else {
                cost.mult_adds += mult_adds;
                cost.inference_flops += flops;
            }
        }
        cost.training_flops = 3 * forward;
        cost.parameters = (self.tables.params.iter().zip(auxiliary))
            .filter(|(param, auxiliary)| !auxiliary && !param.is_fixed)
            .map(|(param, _)| param.elements() as u64)
            .sum();
        cost
    }
}
