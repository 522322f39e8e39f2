//! Checks of the whole runtime: gradients against finite differences, every backend against the plain reference,
//! determinism, and properties of lowered programs.
#![allow(clippy::unwrap_used)]

mod agreement;
mod case;
mod cells;
mod checkpoints;
mod dead_branches;
mod declared;
mod determinism;
mod example;
mod gradients;
mod lowering;
mod no_numbers;
mod readers;
mod rectified;
mod replacing;
mod rounding;
mod schedule;
mod sizes;
mod steps;
mod tiles;
mod trace;

pub(crate) use case::{CLASSES, Case, devices};
pub(crate) use cells::{
    CellOperation, auxiliary_head, edge, halve, random_network, relu_conv_norm, separable,
};
pub(crate) use declared::{ByteRange, Exposed, Image, POISON, check_call};
pub(crate) use example::{Example, example};
pub(crate) use gradients::check_gradients;
pub(crate) use readers::readers;
