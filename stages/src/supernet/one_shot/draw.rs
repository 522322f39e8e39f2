//! Which operation of each edge a step trains.

use std::collections::VecDeque;

use cache::Fields;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::genotype::{EDGES, Operation};
use crate::random::Random;
use crate::search::DenseCells;

/// Edges of both cells.
const ALL_EDGES: usize = 2 * EDGES;
/// Operations of an edge.
const CHOICES: usize = Operation::ALL.len();

/// How the operations of a step are drawn, one of each edge.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Schedule {
    /// For each edge a permutation of its operations, one of them a step: in every eight steps each operation is
    /// trained exactly once (the paper's `Fair`).
    Fair,
    /// For each edge and step anew, each operation as likely (the paper's `Random`).
    Random,
    /// A share of the edges is drawn anew each step, and the others stay as they were in the step before (the paper's
    /// `Random_10` with a share of 0.1).
    RandomLevel {
        /// The share, above 0 and up to 1. It makes at least one of the 28 edges, and is rounded to a whole number of
        /// them.
        share: f64,
    },
}

impl Schedule {
    /// The name in keys and settings.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Fair => "fair",
            Self::Random => "random",
            Self::RandomLevel { .. } => "random-level",
        }
    }

    /// The name with the share in percent, as the paper's table has it: `random_10%`.
    pub fn label(&self) -> String {
        match self {
            Self::Fair | Self::Random => self.name().to_owned(),
            Self::RandomLevel { share } => format!("random_{}%", (1e4 * share).round() / 1e2),
        }
    }

    /// The schedule as key fields.
    pub(super) fn fields(&self) -> Result<Fields, Error> {
        let fields = Fields::new().with("schedule", self.name())?;
        Ok(match *self {
            Self::Fair | Self::Random => fields,
            Self::RandomLevel { share } => fields.with("share", share)?,
        })
    }

    /// Edges that a step draws anew.
    pub fn redrawn(&self) -> usize {
        match *self {
            Self::Fair | Self::Random => ALL_EDGES,
            Self::RandomLevel { share } => ((share * ALL_EDGES as f64).round() as usize).clamp(1, ALL_EDGES),
        }
    }
}

/// What the steps of a training draw, one after the other: a function of schedule and seed.
#[derive(Clone, Debug)]
pub struct Draws {
    schedule: Schedule,
    seed: u64,
    step: u64,
    /// Permutations of the operations of each edge, for the eight steps at hand; of `Fair`.
    permutations: [[u8; CHOICES]; ALL_EDGES],
    last: [u8; ALL_EDGES],
}

impl Draws {
    /// From the first step on.
    pub fn new(schedule: Schedule, seed: u64) -> Self {
        let identity = std::array::from_fn(|choice| choice as u8);
        Self { schedule, seed, step: 0, permutations: [identity; ALL_EDGES], last: [0; ALL_EDGES] }
    }
}

impl Iterator for Draws {
    type Item = DenseCells;

    fn next(&mut self) -> Option<DenseCells> {
        let step = self.step;
        self.step += 1;
        match self.schedule {
            Schedule::Fair => {
                let (block, place) = (step / CHOICES as u64, (step % CHOICES as u64) as usize);
                if place == 0 {
                    let mut random = Random::new(self.seed, "one-shot permutations", block);
                    for permutation in &mut self.permutations {
                        random.shuffle(permutation);
                    }
                }
                self.last = self.permutations.map(|permutation| permutation[place]);
            }
            Schedule::Random | Schedule::RandomLevel { .. } => {
                let mut random = Random::new(self.seed, "one-shot operations", step);
                let mut edges: [usize; ALL_EDGES] = std::array::from_fn(|edge| edge);
                let redrawn = if step == 0 { ALL_EDGES } else { self.schedule.redrawn() };
                if redrawn < ALL_EDGES {
                    random.shuffle(&mut edges);
                }
                for &edge in &edges[..redrawn] {
                    self.last[edge] = random.below(CHOICES as u64) as u8;
                }
            }
        }
        Some(DenseCells(self.last))
    }
}

/// The last `count` distinct sub-networks of the first `steps` steps, in the order in which they were drawn last; fewer
/// where fewer were drawn.
pub fn last_distinct(schedule: Schedule, seed: u64, steps: u64, count: usize) -> Vec<DenseCells> {
    let mut last: VecDeque<DenseCells> = VecDeque::new();
    for drawn in Draws::new(schedule, seed).take(usize::try_from(steps).unwrap_or(usize::MAX)) {
        last.retain(|known| *known != drawn);
        last.push_back(drawn);
        if last.len() > count {
            last.pop_front();
        }
    }
    last.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEVEL: Schedule = Schedule::RandomLevel { share: 0.1 };

    fn drawn(schedule: Schedule, seed: u64, steps: usize) -> Vec<[u8; ALL_EDGES]> {
        Draws::new(schedule, seed).take(steps).map(|cells| cells.0).collect()
    }

    #[test]
    fn one_shot_fair_draws_each_operation_of_each_edge_once_in_eight_steps() {
        let steps = drawn(Schedule::Fair, 3, 80);
        for block in steps.chunks(CHOICES) {
            for edge in 0..ALL_EDGES {
                let mut operations: Vec<u8> = block.iter().map(|step| step[edge]).collect();
                operations.sort_unstable();
                assert_eq!(operations, [0, 1, 2, 3, 4, 5, 6, 7]);
            }
        }
        // Edges are permuted apart from each other, and anew in the next eight steps.
        assert!((1..ALL_EDGES).any(|edge| steps[..8].iter().any(|step| step[edge] != step[0])));
        assert_ne!(steps[..8], steps[8..16]);
    }

    #[test]
    fn one_shot_random_draws_evenly_and_independently() {
        let steps = drawn(Schedule::Random, 3, 4000);
        let mut counts = [[0_u32; CHOICES]; ALL_EDGES];
        for step in &steps {
            step.iter().enumerate().for_each(|(edge, &operation)| counts[edge][usize::from(operation)] += 1);
        }
        // 4,000 over 8 are 500; five standard deviations.
        assert!(counts.iter().flatten().all(|count| (395..605).contains(count)), "{counts:?}");
        let stays = steps.windows(2).filter(|pair| pair[0][5] == pair[1][5]).count();
        assert!((395..605).contains(&stays), "{stays}");
    }

    #[test]
    fn one_shot_random_level_redraws_its_share_of_the_edges() {
        assert_eq!([LEVEL.redrawn(), Schedule::Random.redrawn()], [3, ALL_EDGES]);
        let redrawn = |share| Schedule::RandomLevel { share }.redrawn();
        assert_eq!([1e-9, 0.02, 0.5, 1.0].map(redrawn), [1, 1, 14, ALL_EDGES]);
        let steps = drawn(LEVEL, 3, 4000);
        let changed = |pair: &[[u8; ALL_EDGES]]| (0..ALL_EDGES).filter(|&e| pair[0][e] != pair[1][e]).count();
        let changes: Vec<usize> = steps.windows(2).map(changed).collect();
        // Three are drawn anew, and each has another operation with a probability of 7/8.
        assert!(changes.iter().all(|&count| count <= 3) && changes.contains(&3));
        let mean = changes.iter().sum::<usize>() as f64 / changes.len() as f64;
        assert!((mean - 3.0 * 7.0 / 8.0).abs() < 0.05, "{mean}");
        // Every edge is met.
        assert!((0..ALL_EDGES).all(|edge| steps.iter().any(|step| step[edge] != steps[0][edge])));
    }

    #[test]
    fn one_shot_draws_are_a_function_of_schedule_and_seed() {
        for schedule in [Schedule::Fair, Schedule::Random, LEVEL] {
            let steps = drawn(schedule, 3, 100);
            assert_eq!(steps, drawn(schedule, 3, 100));
            assert_ne!(steps, drawn(schedule, 4, 100));
        }
        // All edges drawn anew are edges drawn independently.
        let all = Schedule::RandomLevel { share: 1.0 };
        assert_eq!(drawn(all, 3, 50), drawn(Schedule::Random, 3, 50));
        assert_eq!([LEVEL.label(), all.label()], ["random_10%", "random_100%"]);
        assert_eq!(Schedule::RandomLevel { share: 0.125 }.label(), "random_12.5%");
    }

    #[test]
    fn one_shot_the_last_sub_networks_are_distinct_and_end_with_the_last() {
        for schedule in [Schedule::Fair, Schedule::Random, LEVEL] {
            let all = drawn(schedule, 1, 30);
            let last = last_distinct(schedule, 1, 30, 8);
            assert_eq!((last.len(), last[7].0), (8, all[29]));
            assert!((0..8).all(|place| !last[..place].contains(&last[place])));
        }
        assert_eq!(last_distinct(Schedule::Random, 1, 3, 8).len(), 3);
        // One edge of 28 that is drawn anew stays as it is in one of eight steps.
        let slow = Schedule::RandomLevel { share: 1e-3 };
        assert!(last_distinct(slow, 1, 40, 40).len() < 40);
    }
}
