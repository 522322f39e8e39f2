//! Which launches must be done before which: what a call waits for concerns only some of its launches.

use std::collections::HashMap;

use super::source::{self, Kernel};
use crate::program::{Access, AccessKind, Call, Resource};
use crate::schedule::Bin;

/// A launch, as far as others depend on it. Launches of one call and stage are independent of each other.
#[derive(Clone, Copy)]
pub(super) struct Part {
    pub(super) call: usize,
    pub(super) stage: usize,
    pub(super) kernel: &'static Kernel,
}

impl Part {
    fn is(self, kernel: &Kernel) -> bool {
        self.kernel.name == kernel.name
    }

    /// What it reads and writes.
    ///
    /// Where they are not told apart, launches of a call do what the call does.
    fn accesses(self, call: &Call, apart: bool) -> Vec<Access> {
        let mut all = call.accesses();
        match call {
            Call::LoadImages { .. } => {
                let arranges = self.is(&source::ARRANGE_WEIGHTS);
                all.retain(|access| (access.resource == Resource::ArrangedWeights) == arranges);
            }
            // The workgroup that sums a channel goes on to its coefficients, which is another call elsewhere.
            Call::NormGradientSums { norm, .. } => all.extend(Call::NormGradient { norm: *norm }.accesses()),
            Call::ConvolveBackward { op, sink, .. } if apart => {
                let sums = self.is(&source::WEIGHT_PARTIALS)
                    || self.is(&source::WEIGHT_PARTIALS_WALK)
                    || self.is(&source::BIAS_GRADIENT)
                    || self.is(&source::DEPTHWISE_WEIGHT_PARTIALS)
                    || self.is(&source::DEPTHWISE_WEIGHT_PARTIALS_WALK);
                // The matrix of a separable convolution gives its gradient to a workspace.
                let sinks = !sums && (op.depthwise.is_none() || self.is(&source::DEPTHWISE_INPUT_GRADIENT));
                let sink = sink.map(|sink| Resource::Tensor(sink.tensor));
                all.retain_mut(|access| match access.resource {
                    Resource::WeightPartials(_) => {
                        // Those of the matrix and of the depthwise part lie apart.
                        access.kind = AccessKind::SharedWrite;
                        sums
                    }
                    resource if access.kind == AccessKind::Write && Some(resource) == sink => sinks,
                    _ => true,
                });
                // What a bias's sum writes is no partial sum.
                if self.is(&source::BIAS_GRADIENT) {
                    all.push(Access {
                        resource: Resource::ParameterGradients,
                        kind: AccessKind::SharedWrite,
                    });
                }
            }
            _ => {}
        }
        all
    }

    /// Whether a launch of a later stage of the same call waits for it.
    fn leads_on(self, call: &Call, apart: bool) -> bool {
        !apart || !matches!(call, Call::ConvolveBackward { .. }) || self.is(&source::CONVOLVE_INPUT_GRADIENT)
    }
}

/// The launches that must be done right before each one, of those that are listed in the order of calls and their stages.
/// With `apart` what gives no gradient to others is waited for by none that needs such a gradient.
pub(super) fn before(calls: &[Call], launches: &[Part], apart: bool) -> Vec<Vec<usize>> {
    // Earlier accesses to what a launch touches; only those can make it wait.
    let mut earlier: HashMap<Bin, Vec<(usize, Access)>> = HashMap::new();
    let mut before: Vec<Vec<usize>> = Vec::with_capacity(launches.len());
    // Launches that wait for the arranged weights, however far.
    let mut arranged: Vec<bool> = Vec::with_capacity(launches.len());
    for (index, launch) in launches.iter().enumerate() {
        let call = &calls[launch.call];
        let own = (launches[..index].iter().enumerate().rev())
            .take_while(|(_, other)| other.call == launch.call)
            .filter(|(_, other)| other.stage < launch.stage && other.leads_on(call, apart));
        let mut direct: Vec<usize> = own.map(|(other, _)| other).collect();
        let accesses = launch.accesses(call, apart);
        let mut waits_for_weights = false;
        for mine in &accesses {
            let reads_weights = mine.resource == Resource::ArrangedWeights && mine.kind == AccessKind::Read;
            // Nearly all wait for a launch that waited for the weights: not once more each.
            if reads_weights && direct.iter().any(|&other| arranged[other]) {
                continue;
            }
            waits_for_weights |= reads_weights;
            let met = earlier.get(&mine.resource.bin()).into_iter().flatten();
            direct.extend(met.filter(|(_, theirs)| mine.waits_for(*theirs)).map(|(other, _)| other));
        }
        let together = |other: &Part| other.call == launch.call && other.stage == launch.stage;
        direct.retain(|&other| !together(&launches[other]));
        direct.sort_unstable();
        direct.dedup();
        arranged.push(waits_for_weights || direct.iter().any(|&other| arranged[other]));
        before.push(direct);
        for access in accesses {
            earlier.entry(access.resource.bin()).or_default().push((index, access));
        }
    }
    before
}
