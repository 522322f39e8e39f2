//! The science: architectures, budgets, data, training, ranking, forests, pruning, search.
//!
//! Knows `kernels` and `cache`; knows nothing of the engine that schedules it, and prints nothing.

pub mod architecture;
pub mod baselines;
pub mod budget;
pub mod checkpoint;
pub mod compare;
pub mod config;
pub mod cover;
pub mod data;
pub mod echo;
pub mod evaluation;
pub mod export;
pub mod forest;
pub mod genotype;
pub mod hyperparameter;
pub mod importance;
pub mod job;
pub mod mip;
pub mod network;
pub mod path;
pub mod random;
pub mod recipe;
pub mod sample;
pub mod search;
pub mod space;
pub mod speed;
pub mod stage;
pub mod statistics;
pub mod supernet;
pub mod tables;
pub mod train;
pub mod weights;

mod error;
mod portable;
mod suggest;

pub use architecture::Architecture;
pub use budget::Budget;
pub use config::Config;
pub use error::Error;
pub use genotype::Genotype;
pub use space::BudgetSpace;
