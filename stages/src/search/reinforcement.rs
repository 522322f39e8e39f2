//! Reinforcement learning without a controller network: every edge has a distribution over operations of its own, and the
//! policy gradient (Williams, 1992, REINFORCE) raises what scored above the mean of late.

use serde::{Deserialize, Serialize};

use super::dense::{ALL_EDGES, CHOICES, DenseCells};
use super::{Searcher, best};
use crate::Genotype;
use crate::portable::softmax;
use crate::random::Random;
use crate::sample::ArchitectureList;

/// Decay rates of Adam's moments, and what keeps its quotient finite.
const BETAS: [f64; 2] = [0.9, 0.999];
const EPSILON: f64 = 1e-8;

/// Settings of reinforcement learning.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reinforcement {
    /// Learning rate of the logits. Steps are Adam's, so that it means the same whatever scores are measured in.
    pub learning_rate: f64,
    /// Decay of the exponential mean of scores that each is compared with; from 0 up to but not 1.
    pub baseline_decay: f64,
    /// Architectures that are drawn from the same distributions and asked for together.
    pub at_once: usize,
}

/// For each edge a number for each operation.
type Logits = [[f64; CHOICES]; ALL_EDGES];

/// A search by reinforcement learning.
pub(super) struct ReinforcementSearch {
    settings: Reinforcement,
    samples: usize,
    seed: u64,
    asked: Vec<DenseCells>,
    scores: Vec<f64>,
    /// 0 at first: every operation is as likely as every other.
    logits: Logits,
    moments: [Logits; 2],
    /// The exponential mean of the scores, without the correction for its start at 0.
    mean: f64,
    /// What the powers of the decay rates of the moments and of the mean have come to.
    powers: [f64; 3],
}

impl ReinforcementSearch {
    pub(super) fn new(settings: Reinforcement, samples: usize, seed: u64) -> Self {
        let zeros = [[0.0; CHOICES]; ALL_EDGES];
        let (asked, scores) = (Vec::new(), Vec::new());
        Self {
            settings,
            samples,
            seed,
            asked,
            scores,
            logits: zeros,
            moments: [zeros; 2],
            mean: 0.0,
            powers: [1.0; 3],
        }
    }

    fn draw(&self, number: usize) -> DenseCells {
        let mut random = Random::new(self.seed, "reinforcement", number as u64);
        DenseCells(std::array::from_fn(|edge| {
            let mut left = random.uniform();
            let probabilities = probabilities(&self.logits[edge]);
            let drawn = probabilities.iter().position(|&probability| {
                left -= probability;
                left < 0.0
            });
            // A sum of probabilities may be a little less than 1.
            drawn.unwrap_or(CHOICES - 1) as u8
        }))
    }
}

fn probabilities(logits: &[f64; CHOICES]) -> [f64; CHOICES] {
    let mut probabilities = *logits;
    softmax(&mut probabilities);
    probabilities
}

impl Searcher for ReinforcementSearch {
    fn ask(&mut self) -> Box<dyn ArchitectureList> {
        let before = self.asked.len();
        let end = (before + self.settings.at_once).min(self.samples);
        self.asked.extend((before..end).map(|number| self.draw(number)).collect::<Vec<_>>());
        Box::new(self.asked[before..].iter().map(DenseCells::genotype).collect::<Vec<_>>())
    }

    fn tell(&mut self, score: f64) {
        let cells = self.asked[self.scores.len()];
        self.scores.push(score);
        let decay = self.settings.baseline_decay;
        self.mean = decay * self.mean + (1.0 - decay) * score;
        for (power, rate) in self.powers.iter_mut().zip([BETAS[0], BETAS[1], decay]) {
            *power *= rate;
        }
        let corrections = self.powers.map(|power| 1.0 - power);
        let advantage = score - self.mean / corrections[2];
        for edge in 0..ALL_EDGES {
            let probabilities = probabilities(&self.logits[edge]);
            for choice in 0..CHOICES {
                // The derivative of the drawn operation's logarithmic probability.
                let drawn = f64::from(u8::from(usize::from(cells.0[edge]) == choice));
                let gradient = advantage * (drawn - probabilities[choice]);
                for (moment, (beta, term)) in
                    self.moments.iter_mut().zip(BETAS.into_iter().zip([gradient, gradient * gradient]))
                {
                    moment[edge][choice] = beta * moment[edge][choice] + (1.0 - beta) * term;
                }
                let [first, second] =
                    [0, 1].map(|order| self.moments[order][edge][choice] / corrections[order]);
                self.logits[edge][choice] += self.settings.learning_rate * first / (second.sqrt() + EPSILON);
            }
        }
    }

    /// The best cells, of which each node keeps the two edges whose operations have become the likeliest.
    fn finish(&self) -> Vec<Genotype> {
        let Some(place) = best(&self.scores) else { return Vec::new() };
        let cells = self.asked[place];
        let probability = |edge: usize| probabilities(&self.logits[edge])[usize::from(cells.0[edge])];
        vec![cells.pruned_by(probability)]
    }
}
