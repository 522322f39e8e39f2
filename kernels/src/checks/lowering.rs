//! What calls say that they read and write is what they read and write: schedules and memory plans rely on it.

use super::cells::random_network;
use crate::ops;
use crate::program::{Access, AccessKind, Guard, Resource};
use crate::reference::{Memory, Rounding};

/// Sets all numbers of `memory` to NaN, except those of `kept`.
fn poison(memory: &mut Memory, kept: &[Resource]) {
    let values: Vec<Vec<f64>> =
        kept.iter().map(|&r| memory.numbers(r).into_iter().map(|n| *n).collect()).collect();
    memory.all_numbers().into_iter().for_each(|n| *n = f64::NAN);
    for (&resource, values) in kept.iter().zip(values) {
        memory.numbers(resource).into_iter().zip(values).for_each(|(n, value)| *n = value);
    }
}

fn bits(memory: &mut Memory) -> Vec<u64> {
    memory.all_numbers().into_iter().map(|n| n.to_bits()).collect()
}

#[test]
fn calls_touch_what_they_say_and_nothing_else() {
    let examples = ops::examples().into_iter().map(|example| example.case(3, 5, 2, 4));
    let cases: Vec<_> = (31..=36).map(random_network).chain(examples).collect();
    for (mut case, float_bits) in cases.iter().flat_map(|case| [32, 16].map(|bits| (case.clone(), bits))) {
        case.settings.float_bits = float_bits;
        let mut reference = case.reference(Rounding::Double);
        let order = case.order();
        let batch = case.batch(&order[..2]);
        let calls = reference.train.calls.clone();
        let mut memory = reference.memory(batch);
        for call in &calls {
            let accesses = call.accesses();
            let of = |kinds: &[AccessKind]| -> Vec<Resource> {
                let chosen = accesses.iter().filter(|a: &&Access| kinds.contains(&a.kind));
                chosen.map(|a| a.resource).collect()
            };
            let written = of(&[AccessKind::Write, AccessKind::Accumulate, AccessKind::SharedWrite]);
            let needed = of(&[AccessKind::Read, AccessKind::Accumulate, AccessKind::SharedWrite]);

            // With everything else gone, it writes the same.
            let mut blind = memory.clone();
            poison(&mut blind, &needed);
            let (parameters, gradients) = (reference.parameters.clone(), reference.gradients.clone());
            if !needed.contains(&Resource::Parameters) {
                reference.parameters.fill(f64::NAN);
            }
            call.run(&mut reference, &mut blind, batch);
            reference.parameters.clone_from(&parameters);
            reference.gradients.clone_from(&gradients);

            let mut before = memory.clone();
            call.run(&mut reference, &mut memory, batch);
            let open = |guard: Guard| memory.workspaces[&guard.weights][guard.choice] != 0.0;
            let runs = call.guard().is_none_or(open);
            for &resource in &written {
                let (seeing, blind) = (memory.numbers(resource), blind.numbers(resource));
                let same = seeing.iter().zip(&blind).all(|(a, b)| a.to_bits() == b.to_bits());
                assert!(same && seeing.len() == blind.len(), "{call:?} reads what it does not say");
                if runs && !written_in_part(resource) {
                    assert!(seeing.iter().all(|n| !n.is_nan()), "{call:?} leaves part of {resource:?}");
                }
            }

            // What it does not name, it leaves.
            let mut after = memory.clone();
            for state in [&mut before, &mut after] {
                for &resource in &written {
                    state.numbers(resource).into_iter().for_each(|n| *n = 0.0);
                }
                for &resource in &written {
                    if let Resource::Workspace(id) = resource {
                        state.workspaces.remove(&id);
                    }
                }
            }
            assert_eq!(bits(&mut before), bits(&mut after), "{call:?} writes what it does not say");
            if !written.contains(&Resource::ParameterGradients) {
                assert_eq!(reference.gradients, gradients, "{call:?}");
            }
            if !written.contains(&Resource::Parameters) {
                assert_eq!(reference.parameters, parameters, "{call:?}");
            }
        }
    }
}

/// Halves of one normalisation come from two calls.
fn written_in_part(resource: Resource) -> bool {
    matches!(resource, Resource::NormSums(_))
}
