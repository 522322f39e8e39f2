//! When each call of a program may run, from what it reads and writes.

use std::collections::HashMap;

use crate::graph::{NormId, StorageId};
use crate::program::{Access, AccessKind, Call, Resource};

/// An earlier call that a call waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wait {
    pub(crate) earlier: usize,
    /// Whether an image of the one call meets only the same image of the other.
    pub(crate) by_image: bool,
}

/// The earlier calls that each call waits for.
pub(crate) fn waits(calls: &[Call]) -> Vec<Vec<Wait>> {
    // Earlier accesses to what a call touches; only those can make it wait.
    let mut earlier: HashMap<Bin, Vec<(usize, Access)>> = HashMap::new();
    let mut all = Vec::with_capacity(calls.len());
    // Calls that arrange the weights, or wait for those that do, however far.
    let mut arranged: Vec<bool> = Vec::with_capacity(calls.len());
    for (index, call) in calls.iter().enumerate() {
        let mut waits: Vec<Wait> = Vec::new();
        let accesses = call.accesses();
        for mine in &accesses {
            // Nearly all calls wait for the images, and so for the weights: not once more each.
            if mine.resource == Resource::ArrangedWeights && waits.iter().any(|wait| arranged[wait.earlier]) {
                continue;
            }
            for &(other, theirs) in earlier.get(&mine.resource.bin()).into_iter().flatten() {
                if !mine.waits_for(theirs) {
                    continue;
                }
                let by_image = mine.resource.is_by_image();
                match waits.iter_mut().find(|wait| wait.earlier == other) {
                    Some(wait) => wait.by_image &= by_image,
                    None => waits.push(Wait { earlier: other, by_image }),
                }
            }
        }
        let arranges = accesses.iter().any(|access| access.arranges());
        arranged.push(arranges || waits.iter().any(|wait| arranged[wait.earlier]));
        all.push(waits);
        for access in accesses {
            earlier.entry(access.resource.bin()).or_default().push((index, access));
        }
    }
    all
}

/// When each call may run, which waits for `waits`: times from 0. Calls of one time are independent of each other or, for
/// calls of which `local` is true, depend on each other only image by image and stand in the list's order.
///
/// Times of local calls are odd and those of others even, so that a time holds one sort only.
pub(crate) fn schedule(calls: &[Call], waits: &[Vec<Wait>], local: impl Fn(&Call) -> bool) -> Vec<usize> {
    let is_local: Vec<bool> = calls.iter().map(local).collect();
    let mut times: Vec<usize> = Vec::with_capacity(calls.len());
    for (index, waits) in waits.iter().enumerate() {
        let mut time = usize::from(is_local[index]);
        for wait in waits {
            let together = wait.by_image && is_local[index] && is_local[wait.earlier];
            let earlier = times[wait.earlier];
            time = time.max(if together { earlier } else { next_time(earlier, is_local[index]) });
        }
        times.push(time);
    }
    times
}

/// Puts off calls that give gradients to a tensor until what waits for them, so that calls that add to the same gradients
/// stand together, on memory that is still near; sums of weights' gradients follow them.
pub(crate) fn put_off(
    calls: &[Call],
    waits: &[Vec<Wait>],
    local: impl Fn(&Call) -> bool,
    times: &mut [usize],
) {
    let is_local: Vec<bool> = calls.iter().map(local).collect();
    let sums_weights = |call: usize| matches!(calls[call], Call::WeightGradient { .. });
    let mut latest = vec![usize::MAX; calls.len()];
    for index in (0..calls.len()).rev() {
        if gives(&calls[index]) && latest[index] < usize::MAX {
            times[index] = latest[index];
        }
        if sums_weights(index) {
            continue;
        }
        for wait in &waits[index] {
            let together = wait.by_image && is_local[index] && is_local[wait.earlier];
            let time =
                if together { times[index] } else { previous_time(times[index], is_local[wait.earlier]) };
            latest[wait.earlier] = latest[wait.earlier].min(time);
        }
    }
    for index in (0..calls.len()).filter(|&index| sums_weights(index)) {
        for wait in &waits[index] {
            times[index] = times[index].max(next_time(times[wait.earlier], is_local[index]));
        }
    }
}

/// Whether a call gives gradients to a tensor.
fn gives(call: &Call) -> bool {
    matches!(
        call,
        Call::ConvolveBackward { sink: Some(_), .. }
            | Call::PoolBackward { .. }
            | Call::EdgeBackward { .. }
            | Call::WindowAverageBackward { .. }
    )
}

/// Parts the calls of one time, so that those of different parts do not depend on each other; in each they stand in the
/// list's order.
pub(crate) fn chains(waits: &[Vec<Wait>], calls: &[usize]) -> Vec<Vec<usize>> {
    let mut chains: Vec<Vec<usize>> = Vec::new();
    for &call in calls {
        let waited = |chain: &Vec<usize>| waits[call].iter().any(|wait| chain.contains(&wait.earlier));
        let (joined, apart): (Vec<_>, Vec<_>) = chains.into_iter().partition(waited);
        let mut chain = joined.concat();
        chain.push(call);
        chain.sort_unstable();
        chains = apart;
        chains.push(chain);
    }
    chains.sort_unstable();
    chains
}

/// The first time after `time` of a sort of calls.
fn next_time(time: usize, local: bool) -> usize {
    let next = time + 1;
    next + usize::from((next % 2 == 1) != local)
}

/// The last time before `time` of a sort of calls.
fn previous_time(time: usize, local: bool) -> usize {
    let previous = time - 1;
    previous - usize::from((previous % 2 == 1) != local)
}

/// Accesses to resources of different bins never meet.
#[derive(PartialEq, Eq, Hash)]
pub(crate) enum Bin {
    Storage(StorageId),
    Norm(NormId),
    Weights(usize),
    Whole,
}

impl Resource {
    pub(crate) fn bin(self) -> Bin {
        match self {
            Self::Tensor(tensor) => Bin::Storage(tensor.storage),
            Self::NormSums(norm)
            | Self::NormMap(norm)
            | Self::NormGradientSums(norm)
            | Self::NormGradientMap(norm) => Bin::Norm(norm),
            Self::WeightPartials(weight) => Bin::Weights(weight),
            Self::ParameterGradients
            | Self::DropPath
            | Self::Parameters
            | Self::ArrangedWeights
            | Self::Metrics => Bin::Whole,
        }
    }

    /// Whether calls that work image by image meet in it image by image only.
    pub(crate) fn is_by_image(self) -> bool {
        // A processor arranges no weights; a GPU knows no images one by one.
        matches!(self, Self::Tensor(_) | Self::DropPath | Self::ArrangedWeights | Self::Metrics)
    }
}

impl Access {
    fn arranges(self) -> bool {
        self.resource == Resource::ArrangedWeights && self.kind == AccessKind::Write
    }

    /// Whether the later one of two accesses must see the earlier one done.
    pub(crate) fn waits_for(self, earlier: Self) -> bool {
        let both_read = self.kind == AccessKind::Read && earlier.kind == AccessKind::Read;
        let shared = self.kind == AccessKind::SharedWrite && earlier.kind == AccessKind::SharedWrite;
        !both_read && !shared && self.resource.overlaps(earlier.resource)
    }
}
