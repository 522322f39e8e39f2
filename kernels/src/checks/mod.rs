//! Checks of the whole runtime: gradients against finite differences, every backend against the plain reference,
//! determinism, and properties of lowered programs.
#![allow(clippy::unwrap_used)]

mod agreement;
mod case;
mod cells;
mod dead_branches;
mod determinism;
mod gradients;
mod lowering;
mod no_numbers;
mod readers;
mod schedule;
mod sizes;
mod trace;
