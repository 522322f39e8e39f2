//! When each call of a program may run, from what it reads and writes.

use std::collections::HashMap;
use std::sync::Arc;

use super::access::{Access, Declare, Placement, Resource};
use super::tensor::{NormId, StorageId, WorkspaceId};

/// An earlier call that a call waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wait {
    pub(crate) earlier: usize,
    /// Whether an image of the one call meets only the same image of the other.
    pub(crate) by_image: bool,
}

/// The earlier calls that each call waits for.
pub(crate) fn waits<C: Declare + ?Sized>(calls: &[Arc<C>]) -> Vec<Vec<Wait>> {
    // Earlier accesses to what a call touches; only those can make it wait.
    let mut earlier: HashMap<Bin, Vec<(usize, Access)>> = HashMap::new();
    let mut all = Vec::with_capacity(calls.len());
    for (index, call) in calls.iter().enumerate() {
        let mut waits: Vec<Wait> = Vec::new();
        let accesses = call.accesses();
        for mine in &accesses {
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
        all.push(waits);
        for access in accesses {
            earlier.entry(access.resource.bin()).or_default().push((index, access));
        }
    }
    all
}

/// When each call may run, which waits for `waits`: times from 0. Calls of one time are independent of each other or, for
/// calls of which `is_local` is true, depend on each other only image by image and stand in the list's order.
///
/// Times of local calls are odd and those of others even, so that a time holds one sort only.
pub(crate) fn schedule(waits: &[Vec<Wait>], is_local: &[bool]) -> Vec<usize> {
    let mut times: Vec<usize> = Vec::with_capacity(waits.len());
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

/// Puts off calls of [`Placement::Late`], which those of [`Placement::Following`] follow.
pub(crate) fn put_off(placements: &[Placement], waits: &[Vec<Wait>], is_local: &[bool], times: &mut [usize]) {
    let follows = |call: &usize| placements[*call] == Placement::Following;
    let mut latest = vec![usize::MAX; times.len()];
    for index in (0..times.len()).rev() {
        if placements[index] == Placement::Late && latest[index] < usize::MAX {
            times[index] = latest[index];
        }
        // What follows holds nothing back by itself; what waits for it does.
        let own = if follows(&index) { latest[index] } else { times[index] };
        if own == usize::MAX {
            continue;
        }
        for wait in &waits[index] {
            let together = wait.by_image && is_local[index] && is_local[wait.earlier];
            let time = if together { own } else { previous_time(own, is_local[wait.earlier]) };
            latest[wait.earlier] = latest[wait.earlier].min(time);
        }
    }
    for index in (0..times.len()).filter(follows) {
        for wait in &waits[index] {
            times[index] = times[index].max(next_time(times[wait.earlier], is_local[index]));
        }
    }
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
    Workspace(WorkspaceId),
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
            Self::Workspace(workspace) => Bin::Workspace(workspace),
            Self::ParameterGradients
            | Self::DropPath
            | Self::Parameters
            | Self::Extra(_)
            | Self::Products
            | Self::LossScale
            | Self::Metrics => Bin::Whole,
        }
    }
}
