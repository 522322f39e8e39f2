//! Everything that the calls of one step read and write, beside the weights.

use std::collections::BTreeMap;

use super::array::Array;
use crate::program::{Resource, Storage, Tables, WorkspaceId};

/// What one normalisation holds, by channel.
#[derive(Clone, Debug)]
pub(crate) struct NormMemory {
    /// `Σ y` and `Σ (y - mean)²`.
    pub(crate) sums: [Vec<f64>; 2],
    pub(crate) mean: Vec<f64>,
    pub(crate) inverse_deviation: Vec<f64>,
    pub(crate) scale: Vec<f64>,
    pub(crate) shift: Vec<f64>,
    /// `Σ g` and `Σ g·(y - mean)`.
    pub(crate) gradient_sums: [Vec<f64>; 2],
    /// The coefficients A, B and C.
    pub(crate) gradient_map: [Vec<f64>; 3],
}

impl NormMemory {
    /// `γ·(y - mean)/√(var + eps) + β` of `raw`, whose first channel is channel `first` of the normalisation.
    pub(crate) fn apply(&self, first: usize, raw: &mut Array) {
        for (image, channel) in raw.planes() {
            let c = first + channel;
            for y in raw.plane_mut(image, channel) {
                *y = self.scale[c] * (*y - self.mean[c]) * self.inverse_deviation[c] + self.shift[c];
            }
        }
    }

    /// `A·g + B·y + C`.
    pub(crate) fn send_back(&self, first: usize, gradient: &mut Array, raw: &Array) {
        for (image, channel) in raw.planes() {
            let [a, b, c] = &self.gradient_map;
            let at = first + channel;
            for (g, y) in gradient.plane_mut(image, channel).iter_mut().zip(raw.plane(image, channel)) {
                *g = a[at] * *g + b[at] * y + c[at];
            }
        }
    }

    fn numbers(&mut self) -> impl Iterator<Item = &mut f64> {
        let map = [&mut self.mean, &mut self.inverse_deviation, &mut self.scale, &mut self.shift];
        let others = self.sums.iter_mut().chain(&mut self.gradient_sums).chain(&mut self.gradient_map);
        map.into_iter().chain(others).flatten()
    }
}

/// How close the step came to a kink of the loss, and on which side of each kink it was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kinks {
    /// Hash of all ReLU gates and all taps of maxima.
    pub(crate) side: u64,
    /// Least distance of a value to the kink of its ReLU, or of a maximum to another value of its window. Exact ties are not
    /// counted: they come from constants, which tie in every precision.
    pub(crate) margin: f64,
}

impl Kinks {
    pub(crate) fn see(&mut self, side: u64, margin: f64) {
        self.side = (self.side ^ side).wrapping_mul(0x0100_0000_01B3).rotate_left(5);
        if margin > 0.0 {
            self.margin = self.margin.min(margin);
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Memory {
    pub(crate) storages: Vec<Array>,
    /// `[edge][image of the batch]`.
    pub(crate) drop_scales: Vec<Vec<f64>>,
    pub(crate) norms: Vec<NormMemory>,
    /// What operations keep for themselves.
    pub(crate) workspaces: BTreeMap<WorkspaceId, Vec<f64>>,
    /// Sum over heads of the mean loss of the batch, times the head's weight.
    pub(crate) loss: f64,
    /// Images whose class the main head told rightly.
    pub(crate) correct: u64,
    pub(crate) kinks: Kinks,
}

impl Memory {
    /// Memory for a batch, full of NaN, so that nothing is read before it is written.
    pub(crate) fn new(tables: &Tables, storages: &[Storage], images: usize) -> Self {
        let norm = |channels: usize| {
            let nan = || vec![f64::NAN; channels];
            NormMemory {
                sums: [nan(), nan()],
                mean: nan(),
                inverse_deviation: nan(),
                scale: nan(),
                shift: nan(),
                gradient_sums: [nan(), nan()],
                gradient_map: [nan(), nan(), nan()],
            }
        };
        Self {
            storages: storages.iter().map(|s| Array::filled(images, s.shape, f64::NAN)).collect(),
            drop_scales: vec![vec![f64::NAN; images]; tables.drops],
            norms: tables.norms.iter().map(|n| norm(n.raw.shape.channels)).collect(),
            workspaces: BTreeMap::new(),
            loss: 0.0,
            correct: 0,
            kinks: Kinks { side: 0, margin: f64::INFINITY },
        }
    }

    /// All numbers of all resources of a step.
    pub(crate) fn all_numbers(&mut self) -> Vec<&mut f64> {
        let storages = self.storages.iter_mut().flat_map(|array| &mut array.values);
        let norms = self.norms.iter_mut().flat_map(NormMemory::numbers);
        let workspaces = self.workspaces.values_mut().flatten();
        storages.chain(norms).chain(workspaces).chain(self.drop_scales.iter_mut().flatten()).collect()
    }

    /// All numbers of a resource of a step; none for the weights and their gradients, which outlive it.
    pub(crate) fn numbers(&mut self, resource: Resource) -> Vec<&mut f64> {
        match resource {
            Resource::Tensor(tensor) => {
                let array = &mut self.storages[tensor.storage.0];
                let (pixels, channels) = (array.shape.pixels(), array.shape.channels);
                let inside = tensor.channel..tensor.channel + tensor.shape.channels;
                let planes = array.values.chunks_mut(pixels).enumerate();
                planes.filter(|(i, _)| inside.contains(&(i % channels))).flat_map(|(_, p)| p).collect()
            }
            Resource::NormSums(norm) => self.norms[norm.0].sums.iter_mut().flatten().collect(),
            Resource::NormMap(norm) => {
                let NormMemory { mean, inverse_deviation, scale, shift, .. } = &mut self.norms[norm.0];
                [mean, inverse_deviation, scale, shift].into_iter().flatten().collect()
            }
            Resource::NormGradientSums(norm) => {
                self.norms[norm.0].gradient_sums.iter_mut().flatten().collect()
            }
            Resource::NormGradientMap(norm) => self.norms[norm.0].gradient_map.iter_mut().flatten().collect(),
            Resource::Workspace(id) => self.workspaces.get_mut(&id).into_iter().flatten().collect(),
            Resource::DropPath => self.drop_scales.iter_mut().flatten().collect(),
            Resource::ParameterGradients
            | Resource::Parameters
            | Resource::Extra(_)
            | Resource::Products
            | Resource::LossScale
            | Resource::Metrics => Vec::new(),
        }
    }
}
