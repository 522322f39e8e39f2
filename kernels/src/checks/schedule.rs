//! Schedules and memory plans of random networks: order, independence, lifetimes.

use super::case::{Case, Dice};
use super::cells::{random_network, relu_conv_norm};
use crate::Shape;
use crate::plan::{Lifetime, plan};
use crate::program::{AccessKind, Call, Content, Mode, Program, Resource};
use crate::reference::{Memory, Reference, Rounding};
use crate::schedule::{chains, put_off, schedule, waits};

/// Calls that treat each image for itself, up to sums over them.
fn by_image(call: &Call) -> bool {
    !matches!(
        call,
        Call::NormStatistics { .. } | Call::NormGradient { .. } | Call::WeightGradient { .. } | Call::Update
    )
}

fn never(_: &Call) -> bool {
    false
}

/// Which calls depend on each other image by image only, and when each runs.
type Schedule = (fn(&Call) -> bool, Vec<usize>);

/// Times of calls that run one by one, image by image, and image by image as late as others may wait.
fn schedules(calls: &[Call]) -> [Schedule; 3] {
    let waits = waits(calls);
    let [alone, local] = [never, by_image].map(|local| schedule(calls, &waits, local));
    let mut late = local.clone();
    put_off(calls, &waits, by_image, &mut late);
    [(never, alone), (by_image, local), (by_image, late)]
}

/// What two calls may not touch at one time: written by one of them, and not shared.
fn conflicts(a: &Call, b: &Call) -> Vec<Resource> {
    let mut list = Vec::new();
    for mine in a.accesses() {
        for theirs in b.accesses() {
            let harmless = match (mine.kind, theirs.kind) {
                (AccessKind::Read, AccessKind::Read) | (AccessKind::SharedWrite, AccessKind::SharedWrite) => {
                    true
                }
                _ => !mine.resource.overlaps(theirs.resource),
            };
            if !harmless {
                list.push(mine.resource);
            }
        }
    }
    list
}

#[test]
fn calls_of_one_time_are_independent_and_dependent_ones_keep_their_order() {
    for seed in 41..=46 {
        let case = random_network(seed);
        for mode in [Mode::Train, Mode::Evaluate] {
            let calls = Program::new(&case.graph, mode).calls;
            for (local, times) in schedules(&calls) {
                for (later, call) in calls.iter().enumerate() {
                    assert_eq!(times[later] % 2 == 1, local(call), "{call:?}");
                    for earlier in 0..later {
                        let list = conflicts(&calls[earlier], call);
                        let only_images = list.iter().all(|resource| resource.is_by_image());
                        let together = local(call) && local(&calls[earlier]) && only_images;
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
        let case = random_network(seed);
        let calls = Program::new(&case.graph, Mode::Train).calls;
        let waits = waits(&calls);
        let mut times = schedule(&calls, &waits, by_image);
        put_off(&calls, &waits, by_image, &mut times);
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
                        let list = conflicts(&calls[theirs], &calls[mine]);
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
        let case = random_network(seed);
        let mut reference = case.reference(Rounding::Double);
        let order = case.order();
        let batch = case.batch(&order[..case.recipe.batch_size]);
        let calls = reference.train.calls.clone();
        let memory = reference.differentiate(&calls, batch);
        let expected = result(&case, &reference, &memory);
        let mut dice = Dice::new(seed);
        let [(_, alone), (_, local), (_, late)] = schedules(&calls);
        for order in [
            shuffled(&alone, &mut dice, true),
            shuffled(&alone, &mut dice, true),
            shuffled(&local, &mut dice, false),
            shuffled(&late, &mut dice, false),
        ] {
            assert!(!order.is_sorted(), "{}: nothing was shuffled", case.name);
            let shuffled: Vec<Call> = order.iter().map(|&index| calls[index].clone()).collect();
            let memory = reference.differentiate(&shuffled, batch);
            assert_eq!(result(&case, &reference, &memory), expected, "{}", case.name);
        }
    }
}

/// First and last time of each storage.
fn lifetimes(program: &Program, times: &[usize]) -> Vec<Option<(usize, usize)>> {
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
        let case = random_network(seed);
        let mut reference = case.reference(Rounding::Double);
        let order = case.order();
        let batch = case.batch(&order[..case.recipe.batch_size]);
        let calls = reference.train.calls.clone();
        let memory = reference.differentiate(&calls, batch);
        let expected = result(&case, &reference, &memory);
        for (_, times) in schedules(&calls) {
            let lives = lifetimes(&reference.train, &times);
            reference.gradients.fill(0.0);
            let mut memory = reference.memory(&reference.train, batch);
            let order = shuffled(&times, &mut Dice::new(seed), false);
            for (place, &index) in order.iter().enumerate() {
                if matches!(calls[index], Call::Update) {
                    continue;
                }
                reference.execute(&calls[index], &mut memory, batch);
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
        let case = random_network(seed);
        let program = Program::new(&case.graph, Mode::Train);
        let times = schedule(&program.calls, &waits(&program.calls), by_image);
        let lives: Vec<Lifetime> = (lifetimes(&program, &times).into_iter().zip(&program.storages))
            .filter_map(|(life, storage)| {
                let size = if storage.content == Content::Taps { 1 } else { 4 };
                let bytes = storage.shape.elements() * case.recipe.batch_size * size;
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
    let giver = |call: &Call| match call {
        Call::ConvolveBackward { sink: Some(sink), .. } => Some((sink.tensor, sink.accumulate)),
        Call::PoolBackward { sink, .. } | Call::EdgeBackward { sink, .. } => {
            Some((sink.tensor, sink.accumulate))
        }
        _ => None,
    };
    let mut gained = 0;
    for seed in 41..=46 {
        let calls = Program::new(&random_network(seed).graph, Mode::Train).calls;
        let [_, (_, early), (_, late)] = schedules(&calls);
        // Times between a call that gives first and one that adds to it.
        let apart = |times: &[usize]| -> usize {
            let mut sum = 0;
            for (later, call) in calls.iter().enumerate() {
                let Some((tensor, true)) = giver(call) else { continue };
                let first = |earlier: &usize| giver(&calls[*earlier]) == Some((tensor, false));
                sum += (0..later).find(first).map_or(0, |earlier| times[later] - times[earlier]);
            }
            sum
        };
        assert!(apart(&late) <= apart(&early));
        gained += apart(&early) - apart(&late);
    }
    assert!(gained > 0);
}

#[test]
fn convolutions_wait_for_the_weights_that_they_read() {
    let case = Case::new("behind nothing", Shape::new(3, 6, 6), 4, 4, |graph, image| {
        let concat = graph.concat(1, graph.shape(image));
        let nothing = graph.node_sum("nothing", &[], concat, 0).unwrap();
        relu_conv_norm(graph, "conv", nothing, 4, 3, 1)
    });
    let calls = Program::new(&case.graph, Mode::Train).calls;
    let waits = waits(&calls);
    let arranging = calls.iter().position(|call| matches!(call, Call::LoadImages { .. })).unwrap();
    let mut after = vec![false; calls.len()];
    for (index, call) in calls.iter().enumerate() {
        after[index] = waits[index].iter().any(|wait| wait.earlier == arranging || after[wait.earlier]);
        if matches!(call, Call::Convolve { .. } | Call::ConvolveBackward { .. }) {
            assert!(after[index], "{call:?}");
        }
    }
}
