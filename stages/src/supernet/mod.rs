//! Searches that train a supernet, a network whose edges are mixtures of all operations, and read the architecture
//! from it.
//!
//! A library: it knows neither stages nor configurations. [`search`] runs a [`SupernetJob`] from its start or from a
//! checkpoint, and its result depends on the job only.

mod decode;
mod job;
mod method;
mod network;
pub mod one_shot;
mod recipe;
mod result;
mod run;
#[cfg(test)]
pub(crate) mod tests;

pub use decode::decode;
pub use job::{SearchSize, SupernetJob, memory_plan};
pub use method::{Method, Order, Temperatures};
pub use recipe::ArchitectureRecipe;
pub use result::{FinishedSupernet, SupernetEpoch, SupernetResult};
pub use run::search;
