//! The engine: a graph of nodes, what of it is stale and why, and running it.
//!
//! It knows stages by their trait and trainings by their keys; it does not know what is being searched for, and it
//! prints nothing.

pub(crate) mod basis;
pub(crate) mod collector;
pub(crate) mod executor;
pub(crate) mod explain;
pub(crate) mod logged;
pub(crate) mod manifest;
pub(crate) mod needs;
pub(crate) mod node;
pub(crate) mod plan;
pub(crate) mod progress;
pub(crate) mod recorded;
pub(crate) mod run;
pub(crate) mod sources;
pub(crate) mod trainings;

#[cfg(test)]
mod tests;
