//! Which launches must be done before which: a launch may do a part of what its call does only, and then waits, and is waited for,
//! for that part.

use std::collections::HashMap;
use std::sync::Arc;

use super::lowering::{CallLaunch, Kernel};
use crate::program::Access;
use crate::program::schedule::Bin;

/// The launches that must be done right before each one, of those that are listed in the order of calls and their stages.
pub(super) fn before(calls: &[Arc<dyn Kernel>], launches: &[CallLaunch]) -> Vec<Vec<usize>> {
    // Earlier accesses to what a launch touches; only those can make it wait.
    let mut earlier: HashMap<Bin, Vec<(usize, Access)>> = HashMap::new();
    let mut before: Vec<Vec<usize>> = Vec::with_capacity(launches.len());
    for (index, launch) in launches.iter().enumerate() {
        // Those that do not say what they touch themselves wait for the stages of their call.
        let own = (launches[..index].iter().enumerate().rev())
            .take_while(|(_, other)| other.call == launch.call)
            .filter(|(_, other)| other.stage < launch.stage && launch.accesses.is_none());
        let mut direct: Vec<usize> = own.map(|(other, _)| other).collect();
        let accesses = launch.accesses.clone().unwrap_or_else(|| calls[launch.call].accesses());
        for mine in &accesses {
            let met = earlier.get(&mine.resource.bin()).into_iter().flatten();
            direct.extend(met.filter(|(_, theirs)| mine.waits_for(*theirs)).map(|(other, _)| *other));
        }
        let together = |other: &CallLaunch| other.call == launch.call && other.stage == launch.stage;
        direct.retain(|&other| !together(&launches[other]));
        direct.sort_unstable();
        direct.dedup();
        before.push(direct);
        for access in accesses {
            earlier.entry(access.resource.bin()).or_default().push((index, access));
        }
    }
    before
}
