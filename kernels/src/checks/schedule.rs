//! Schedules and memory plans of random networks: order, independence, lifetimes.

use super::case::{Case, Dice};
use super::cells::{random_network, relu_conv_norm};
use std::sync::Arc;

use crate::cpu::{RunKernel, Sizes, Split};
use crate::graph::{Call, Graph, ValueId};
use crate::ops;
use crate::program::plan::{Lifetime, plan};
use crate::program::schedule::{chains, put_off, schedule, waits};
use crate::program::{Access, AccessKind, Declare, Mode, Placement, Program, Resource};
use crate::reference::{Memory, Reference, Rounding};
use crate::{PoolKind, Shape};

/// A random network; every other one of 16 bits.
fn drawn(seed: u64) -> Case {
    let mut case = random_network(seed);
    case.settings.float_bits = if seed.is_multiple_of(2) { 16 } else { 32 };
    case
}

/// Calls that a processor splits into blocks of images.
fn by_image(case: &Case, calls: &[Arc<dyn Call>]) -> Vec<bool> {
    let tables = &case.graph.tables;
    let sizes = Sizes {
        tables,
        blocks: 2,
        chunks: 2,
        layout: &case.layout(),
        half_precision: true,
        sources: &[case.images.shape()],
    };
    calls.iter().map(|call| RunKernel::split(&**call, &sizes) == Split::Blocks).collect()
}

/// Which calls depend on each other image by image only, and when each runs.
type Schedule = (Vec<bool>, Vec<usize>);

/// Times of calls that run one by one, image by image, and image by image as late as others may wait.
fn schedules(case: &Case, calls: &[Arc<dyn Call>]) -> [Schedule; 3] {
    let waits = waits(calls);
    let (never, local) = (vec![false; calls.len()], by_image(case, calls));
    let placements: Vec<_> = calls.iter().map(|call| call.placement()).collect();
    let early = schedule(&waits, &local);
    let mut late = early.clone();
    put_off(&placements, &waits, &local, &mut late);
    let alone = schedule(&waits, &never);
    [(never, alone), (local.clone(), early), (local, late)]
}

fn calls_of(case: &Case, mode: Mode) -> Vec<Arc<dyn Call>> {
    ops::program(&case.graph, mode, case.settings.float_bits).calls
}

/// What two calls may not touch at one time: written by one of them, and not shared.
fn conflicts(a: &dyn Call, b: &dyn Call) -> Vec<Resource> {
    let mut list = Vec::new();
    for mine in a.accesses() {
        for theirs in b.accesses() {
            let both = |kind| mine.kind == kind && theirs.kind == kind;
            let harmless = both(AccessKind::Read)
                || both(AccessKind::SharedWrite)
                || !mine.resource.overlaps(theirs.resource);
            if !harmless {
                list.push(mine.resource);
            }
        }
    }
    list
}

/// Networks whose first convolution reads what has no parameters.
fn unstemmed() -> [Case; 2] {
    let case = |name: &str, build: fn(&mut Graph, ValueId) -> ValueId| {
        Case::new(name, Shape::new(3, 6, 6), 4, 4, build)
    };
    [
        case("behind a pooling of the image", |graph, image| {
            let pooled = graph.pool("pool", image, PoolKind::Max, 1).unwrap();
            relu_conv_norm(graph, "conv", pooled, 4, 3, 1)
        }),
        case("behind nothing", |graph, image| {
            let concat = graph.concat(1, graph.shape(image));
            let nothing = graph.node_sum("nothing", &[], concat, 0).unwrap();
            relu_conv_norm(graph, "conv", nothing, 4, 3, 1)
        }),
    ]
}

#[test]
fn calls_of_one_time_are_independent_and_dependent_ones_keep_their_order() {
    for case in (41..=46).map(random_network).chain(unstemmed()) {
        for mode in [Mode::Train, Mode::Evaluate] {
            let calls = calls_of(&case, mode);
            for (local, times) in schedules(&case, &calls) {
                for (later, call) in calls.iter().enumerate() {
                    assert_eq!(times[later] % 2 == 1, local[later], "{call:?}");
                    for earlier in 0..later {
                        let list = conflicts(&*calls[earlier], &**call);
                        let only_images = list.iter().all(|resource| resource.is_by_image());
                        let together = local[later] && local[earlier] && only_images;
                        let kept = times[earlier] < times[later]
                            || (times[earlier] == times[later] && together)
                            || list.is_empty();
                        assert!(kept, "{:?} and {call:?}", calls[earlier]);
                    }
                }
            }
        }
    }
}

#[test]
fn chains_of_one_time_are_independent_and_keep_the_lists_order() {
    for seed in 41..=46 {
        let case = drawn(seed);
        let calls = calls_of(&case, Mode::Train);
        let waits = waits(&calls);
        let [_, _, (_, times)] = schedules(&case, &calls);
        let mut apart = 0;
        for time in (1..=times.iter().copied().max().unwrap_or(0)).step_by(2) {
            let list: Vec<usize> = (0..calls.len()).filter(|&index| times[index] == time).collect();
            let chains = chains(&waits, &list);
            assert!(chains.iter().all(|chain| chain.is_sorted()), "{}: {chains:?}", case.name);
            let mut all = chains.concat();
            all.sort_unstable();
            assert_eq!(all, list, "{}", case.name);
            for (number, chain) in chains.iter().enumerate() {
                for &theirs in chains[..number].iter().flatten() {
                    for &mine in chain {
                        let list = conflicts(&*calls[theirs], &*calls[mine]);
                        assert!(list.is_empty(), "{:?} and {:?}: {list:?}", calls[theirs], calls[mine]);
                    }
                }
                apart += number;
            }
        }
        assert!(apart > 0, "{}: every time is one chain", case.name);
    }
}

/// The indices of calls by time; those of one time in a random order when they are independent, else in the list's.
fn shuffled(times: &[usize], dice: &mut Dice, independent: bool) -> Vec<usize> {
    let mut order: Vec<(usize, usize, usize)> = (times.iter().enumerate())
        .map(|(index, &time)| (time, if independent { dice.below(1 << 30) } else { 0 }, index))
        .collect();
    order.sort_unstable();
    order.into_iter().map(|(_, _, index)| index).collect()
}

fn result(case: &Case, reference: &Reference, memory: &Memory) -> (u64, Vec<u64>) {
    assert!(memory.loss.is_finite(), "{}: loss {}", case.name, memory.loss);
    (memory.loss.to_bits(), reference.gradients.iter().map(|g| g.to_bits()).collect())
}

#[test]
fn order_of_independent_calls_changes_nothing() {
    for seed in 51..=54 {
        let case = drawn(seed);
        let mut reference = case.reference(Rounding::Double);
        let order = case.order();
        let batch = case.batch(&order[..case.settings.batch_size]);
        let calls = reference.train.calls.clone();
        let memory = reference.differentiate(&calls, batch);
        let expected = result(&case, &reference, &memory);
        let mut dice = Dice::new(seed);
        let [(_, alone), (_, local), (_, late)] = schedules(&case, &calls_of(&case, Mode::Train));
        for order in [
            shuffled(&alone, &mut dice, true),
            shuffled(&alone, &mut dice, true),
            shuffled(&local, &mut dice, false),
            shuffled(&late, &mut dice, false),
        ] {
            assert!(!order.is_sorted(), "{}: nothing was shuffled", case.name);
            let shuffled: Vec<_> = order.iter().map(|&index| calls[index].clone()).collect();
            let memory = reference.differentiate(&shuffled, batch);
            assert_eq!(result(&case, &reference, &memory), expected, "{}", case.name);
        }
    }
}

/// First and last time of each storage.
fn lifetimes<C: Declare + ?Sized>(program: &Program<C>, times: &[usize]) -> Vec<Option<(usize, usize)>> {
    let mut lives = vec![None; program.storages.len()];
    for (call, &time) in program.calls.iter().zip(times) {
        for storage in call.storages() {
            let life = lives[storage.0].get_or_insert((time, time));
            *life = (life.0.min(time), life.1.max(time));
        }
    }
    lives
}

#[test]
fn storages_hold_nothing_that_is_needed_outside_their_lifetimes() {
    for seed in 61..=64 {
        let case = drawn(seed);
        let mut reference = case.reference(Rounding::Double);
        let order = case.order();
        let batch = case.batch(&order[..case.settings.batch_size]);
        let calls = reference.train.calls.clone();
        let memory = reference.differentiate(&calls, batch);
        let expected = result(&case, &reference, &memory);
        for (_, times) in schedules(&case, &calls_of(&case, Mode::Train)) {
            let lives = lifetimes(&reference.train, &times);
            reference.gradients.fill(0.0);
            let mut memory = reference.memory(batch);
            let order = shuffled(&times, &mut Dice::new(seed), false);
            for (place, &index) in order.iter().enumerate() {
                calls[index].run(&mut reference, &mut memory, batch);
                let over = order.get(place + 1).is_none_or(|&next| times[next] > times[index]);
                for (storage, life) in memory.storages.iter_mut().zip(&lives) {
                    let dead = life.is_some_and(|(_, last)| last == times[index]);
                    if over && dead {
                        storage.values.fill(f64::NAN);
                    }
                }
            }
            assert_eq!(result(&case, &reference, &memory), expected, "{}", case.name);
        }
    }
}

#[test]
fn storages_alive_at_one_time_have_memory_of_their_own() {
    for seed in 71..=78 {
        let case = drawn(seed);
        let program = ops::program(&case.graph, Mode::Train, case.settings.float_bits);
        let [_, _, (_, times)] = schedules(&case, &program.calls);
        let lives: Vec<Lifetime> = (lifetimes(&program, &times).into_iter().zip(&program.storages))
            .filter_map(|(life, storage)| {
                let size = storage.content.bytes(case.settings.float_bits == 16);
                let bytes = storage.shape.elements() * case.settings.batch_size * size;
                life.map(|(first, last)| Lifetime { bytes, first, last })
            })
            .collect();
        let plan = plan(&lives);
        let last = times.iter().copied().max().unwrap_or(0);
        for time in 0..=last {
            let alive = |i: &usize| lives[*i].first <= time && time <= lives[*i].last;
            let mut ranges: Vec<(usize, usize)> = (0..lives.len())
                .filter(alive)
                .map(|i| (plan.offsets[i], plan.offsets[i] + lives[i].bytes))
                .collect();
            ranges.sort_unstable();
            assert!(ranges.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{}: time {time}", case.name);
            assert!(ranges.iter().all(|range| range.1 <= plan.bytes));
        }
        let apart: usize = lives.iter().map(|life| life.bytes).sum();
        assert!(plan.bytes < apart, "{}: no memory is shared", case.name);
    }
}

#[test]
fn what_adds_to_the_same_gradients_stands_together_where_it_may() {
    let giver = |call: &dyn Call| {
        let given = call.accesses().into_iter().filter(|access| access.kind != AccessKind::Read);
        let mut given = given.filter_map(|access: Access| Some((access.tensor()?, access.kind)));
        given.next().filter(|_| call.placement() == Placement::Late)
    };
    let mut gained = 0;
    for seed in 41..=46 {
        let case = drawn(seed);
        let calls = calls_of(&case, Mode::Train);
        let [_, (_, early), (_, late)] = schedules(&case, &calls);
        // Times between a call that gives first and one that adds to it.
        let distance = |times: &[usize]| -> usize {
            let mut sum = 0;
            for (later, call) in calls.iter().enumerate() {
                let Some((tensor, AccessKind::Accumulate)) = giver(&**call) else { continue };
                let first = |earlier: &usize| giver(&*calls[*earlier]) == Some((tensor, AccessKind::Write));
                sum += (0..later).find(first).map_or(0, |earlier| times[later] - times[earlier]);
            }
            sum
        };
        assert!(distance(&late) <= distance(&early));
        gained += distance(&early) - distance(&late);
    }
    assert!(gained > 0);
}

#[test]
fn convolutions_wait_for_the_weights_that_they_read() {
    let [_, case] = unstemmed();
    let calls = calls_of(&case, Mode::Train);
    let waits = waits(&calls);
    let is = |call: usize, kind: &str| calls[call].kind() == kind;
    // What it waits for, however far.
    let mut before: Vec<Vec<usize>> = Vec::new();
    for waits in &waits {
        let direct = waits.iter().map(|wait| wait.earlier);
        before.push(direct.flat_map(|earlier| before[earlier].iter().copied().chain([earlier])).collect());
    }
    for call in 0..calls.len() {
        if is(call, "dense convolution") || is(call, "dense convolution: backward") {
            let reordered =
                before[call].iter().filter(|&&earlier| is(earlier, "convolution: reorder weights"));
            assert!(reordered.count() > 0, "{:?}", calls[call]);
        }
    }
}
