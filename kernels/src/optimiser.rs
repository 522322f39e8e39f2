//! How the parameters of a group are updated.

use crate::step::Group;

/// The rule of an update. With g the gradient, clipped and with weight decay, and η the learning rate:
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Optimiser {
    /// `m = momentum·m + g`, `w -= η·m` (not Nesterov), as PyTorch's.
    Sgd {
        /// Momentum.
        momentum: f32,
    },
    /// `m = β₁·m + (1-β₁)·g`, `v = β₂·v + (1-β₂)·g²`, `w -= η/(1-β₁ᵗ) · m / (√(v/(1-β₂ᵗ)) + ε)` in the t-th update (Kingma and
    /// Ba, 2015, Algorithm 1); weight decay is a part of the gradient, as in PyTorch's `Adam`.
    Adam {
        /// β₁.
        beta1: f32,
        /// β₂.
        beta2: f32,
        /// ε.
        epsilon: f32,
    },
}

/// How a group is trained.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupSettings {
    /// The rule.
    pub optimiser: Optimiser,
    /// Weight decay: so many times a parameter are added to its gradient.
    pub weight_decay: f32,
    /// Largest norm of all gradients of the group together; infinite for no bound.
    pub grad_clip: f32,
}

impl GroupSettings {
    /// Of SGD.
    pub fn sgd(momentum: f32, weight_decay: f32, grad_clip: f32) -> Self {
        Self { optimiser: Optimiser::Sgd { momentum }, weight_decay, grad_clip }
    }
}

/// Whether some group has second moments.
pub(crate) fn has_second_moments(groups: &[GroupSettings]) -> bool {
    groups.iter().any(|group| matches!(group.optimiser, Optimiser::Adam { .. }))
}

/// Where a group stands at a pass over images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Progress {
    pub(crate) learning_rate: f32,
    /// Updates before it.
    pub(crate) updates: u64,
}

/// What one update of a group depends on, beside the group's settings.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub(crate) struct Rates {
    pub(crate) learning_rate: f32,
    /// `η/(1-β₁ᵗ)` of Adam.
    pub(crate) step_size: f32,
    /// `1/√(1-β₂ᵗ)` of Adam.
    pub(crate) second_scale: f32,
}

impl Rates {
    /// Of the update behind so many others.
    pub(crate) fn new(optimiser: Optimiser, Progress { learning_rate, updates }: Progress) -> Self {
        let (first, second) = match optimiser {
            Optimiser::Sgd { .. } => (1.0, 1.0),
            Optimiser::Adam { beta1, beta2, .. } => {
                let number = i32::try_from(updates.saturating_add(1)).unwrap_or(i32::MAX);
                let corrected = |beta: f32| 1.0 - f64::from(beta).powi(number);
                (corrected(beta1), corrected(beta2))
            }
        };
        let step_size = (f64::from(learning_rate) / first) as f32;
        Self { learning_rate, step_size, second_scale: (1.0 / second.sqrt()) as f32 }
    }
}

/// The rates of every group in the `number`-th step of a pass, as they are for the update that follows its `place`-th
/// differentiation (from 0).
pub(crate) fn rates(
    groups: &[GroupSettings],
    progress: &[Progress],
    step: &crate::step::Step,
    number: usize,
    place: usize,
) -> Vec<Rates> {
    let of = |(index, (group, progress)): (usize, (&GroupSettings, &Progress))| {
        let group_id = Group(index);
        let before = number * step.updates(group_id) + step.updates_before(group_id, place);
        let updates = progress.updates + before as u64;
        Rates::new(group.optimiser, Progress { updates, ..*progress })
    };
    groups.iter().zip(progress).enumerate().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adam_is_corrected_for_its_start() {
        let adam = Optimiser::Adam { beta1: 0.5, beta2: 0.999, epsilon: 1e-8 };
        let rates = |updates| Rates::new(adam, Progress { learning_rate: 3e-4, updates });
        // Of the first update: 3e-4 / 0.5, and 1 / sqrt(0.001).
        assert!((rates(0).step_size - 6e-4).abs() < 1e-10 && (rates(0).second_scale - 31.6228).abs() < 1e-2);
        assert!((rates(1).step_size - 4e-4).abs() < 1e-10);
        assert_eq!(rates(u64::MAX), Rates { learning_rate: 3e-4, step_size: 3e-4, second_scale: 1.0 });
    }
}
