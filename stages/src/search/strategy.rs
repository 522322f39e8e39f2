//! The strategies that there are, by name, with their settings.

use cache::Fields;
use serde::{Deserialize, Serialize};

use super::evolution::{EvolutionSearch, PRUNINGS};
use super::reinforcement::ReinforcementSearch;
use super::{Evolution, RandomSearch, Reinforcement, Searcher};
use crate::supernet::{ArchitectureRecipe, Method};
use crate::{Budget, Error};

/// A strategy, as a person chooses one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Described {
    /// Its name: what `search.strategy` says.
    pub name: &'static str,
    /// What it does, in a line.
    pub line: &'static str,
    /// Where it comes from.
    pub source: &'static str,
}

/// All strategies.
pub const STRATEGIES: [Described; 9] = [
    Described {
        name: "random",
        line: "trains random architectures and keeps the best",
        source: "Li and Talwalkar, 2019, Random search and reproducibility for neural architecture search",
    },
    Described {
        name: "evolution",
        line: "aging evolution: the best of a few has a child that differs in one operation, the oldest dies",
        source: "Real, Aggarwal, Huang and Le, 2019, Regularized evolution for image classifier architecture search",
    },
    Described {
        name: "reinforcement",
        line: "a distribution over operations for each edge, moved by the policy gradient",
        source: "Williams, 1992, REINFORCE; Ying et al., 2019, NAS-Bench-101",
    },
    Described {
        name: "darts",
        line: "trains one supernet whose edges are softmax mixtures of all operations, and keeps the heaviest",
        source: "Liu, Simonyan and Yang, 2019, DARTS: differentiable architecture search",
    },
    Described {
        name: "gdas",
        line: "a supernet in whose edges one operation is drawn each step",
        source: "Dong and Yang, 2019, Searching for a robust neural architecture in four GPU hours",
    },
    Described {
        name: "snas",
        line: "a supernet whose mixtures are drawn from a concrete distribution that cools down",
        source: "Xie, Zheng, Liu and Lin, 2019, SNAS: stochastic neural architecture search",
    },
    Described {
        name: "pc-darts",
        line: "a supernet that mixes a part of the channels, and weighs the edges of a node",
        source: "Xu et al., 2020, PC-DARTS: partial channel connections for memory-efficient architecture search",
    },
    Described {
        name: "p-darts",
        line: "three supernets, deeper and deeper with fewer and fewer operations, and few skip connections",
        source: "Chen, Xie, Wu and Tian, 2019, Progressive differentiable architecture search",
    },
    Described {
        name: "drnas",
        line: "two supernets whose mixtures are drawn from Dirichlet distributions, the second with fewer operations",
        source: "Chen, Wang, Cheng, Tang and Hsieh, 2021, DrNAS: Dirichlet neural architecture search",
    },
];

/// How a search goes on.
pub enum Search {
    /// By architectures that are asked for and scored.
    Asked(Box<dyn Searcher>),
    /// By one supernet.
    Supernet(SupernetStrategy),
}

/// The settings of all strategies.
#[derive(Clone, Debug, PartialEq)]
pub struct Strategies {
    /// Section `[search.evolution]`.
    pub evolution: Evolution,
    /// Section `[search.reinforcement]`.
    pub reinforcement: Reinforcement,
    /// Section `[search.darts]`.
    pub darts: SupernetStrategy,
    /// Sections `[search.gdas]` and so on: the others that train a supernet.
    pub relatives: Vec<SupernetStrategy>,
}

/// A search by a supernet. It takes size, images and epochs from the budget.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SupernetStrategy {
    /// The method, with its settings.
    pub method: Method,
    /// How the architecture is trained.
    pub architecture: ArchitectureRecipe,
}

/// A strategy and its settings.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Strategy {
    /// `random`
    Random,
    /// `evolution`
    Evolution(Evolution),
    /// `reinforcement`
    Reinforcement(Reinforcement),
    /// Those that train a supernet.
    Supernet(SupernetStrategy),
}

impl Strategies {
    /// The strategy of that name; `None` for one that is not in [`STRATEGIES`].
    pub fn named(&self, name: &str) -> Option<Strategy> {
        Some(match name {
            "random" => Strategy::Random,
            "evolution" => Strategy::Evolution(self.evolution),
            "reinforcement" => Strategy::Reinforcement(self.reinforcement),
            _ => {
                let mut supernets = std::iter::once(&self.darts).chain(&self.relatives);
                Strategy::Supernet(*supernets.find(|strategy| strategy.method.name() == name)?)
            }
        })
    }
}

impl SupernetStrategy {
    /// The settings that a search depends on, named as in the configuration.
    ///
    /// # Errors
    /// When a number of theirs cannot be part of a key.
    pub fn fields(&self) -> Result<Fields, Error> {
        let Self { method, architecture } = self;
        let mut fields = Fields::new().with("search.strategy", method.name())?;
        for part in [method.fields()?, architecture.fields()?] {
            for (name, value) in part.iter() {
                fields.insert(&format!("search.{}.{name}", method.name()), value.clone())?;
            }
        }
        Ok(fields)
    }
}

impl Strategy {
    /// Its name in [`STRATEGIES`].
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Evolution(_) => "evolution",
            Self::Reinforcement(_) => "reinforcement",
            Self::Supernet(strategy) => strategy.method.name(),
        }
    }

    /// The settings that fit a search of `samples` architectures, or of a supernet under a budget, and a sentence for
    /// each that had to shrink.
    pub fn fitting(self, samples: usize, budget: &Budget) -> (Self, Vec<String>) {
        let asked = match self {
            Self::Evolution(asked) => asked,
            Self::Supernet(strategy) => {
                let (method, shrunk) = strategy.method.fitting(budget);
                return (Self::Supernet(SupernetStrategy { method, ..strategy }), shrunk);
            }
            Self::Random | Self::Reinforcement(_) => return (self, Vec::new()),
        };
        let fitting = asked.fitting(samples);
        let mut shrunk = Vec::new();
        for (name, asked, fitting) in [
            ("population", asked.population, fitting.population),
            ("tournament", asked.tournament, fitting.tournament),
        ] {
            if asked != fitting {
                shrunk.push(format!(
                    "search.evolution.{name} is {fitting} instead of {asked}, for {samples} evaluations"
                ));
            }
        }
        (Self::Evolution(fitting), shrunk)
    }

    /// Begins a search of `samples` architectures.
    pub fn begin(self, samples: usize, seed: u64) -> Search {
        Search::Asked(match self {
            Self::Random => Box::new(RandomSearch::new(samples, seed)),
            Self::Evolution(settings) => Box::new(EvolutionSearch::new(settings, samples, seed)),
            Self::Reinforcement(settings) => Box::new(ReinforcementSearch::new(settings, samples, seed)),
            Self::Supernet(strategy) => return Search::Supernet(strategy),
        })
    }

    /// The most architectures that [`Searcher::finish`] gives and that were not asked for.
    pub const fn found_at_most(&self) -> u64 {
        match self {
            Self::Random => 0,
            Self::Evolution(_) => PRUNINGS,
            Self::Reinforcement(_) => 1,
            Self::Supernet(_) => 2,
        }
    }

    /// The settings that a search depends on, named as in the configuration.
    ///
    /// # Errors
    /// When a number of theirs cannot be part of a key.
    pub fn fields(&self) -> Result<Fields, Error> {
        let fields = Fields::new().with("search.strategy", self.name())?;
        Ok(match *self {
            Self::Random => fields,
            Self::Evolution(Evolution { population, tournament, at_once }) => fields
                .with("search.evolution.population", population)?
                .with("search.evolution.tournament", tournament)?
                .with("search.evolution.at_once", at_once)?,
            Self::Reinforcement(Reinforcement { learning_rate, baseline_decay, at_once }) => fields
                .with("search.reinforcement.learning_rate", learning_rate)?
                .with("search.reinforcement.baseline_decay", baseline_decay)?
                .with("search.reinforcement.at_once", at_once)?,
            Self::Supernet(strategy) => strategy.fields()?,
        })
    }
}
