//! The program from outside: what it prints, what it keeps, what it trains again, and how it takes damage, death and
//! nonsense.
#![allow(clippy::unwrap_used, missing_docs)]

mod baselines;
mod bench;
mod browser;
mod bucket;
mod choosing;
mod combining;
mod command_line;
mod configuration;
mod damage;
mod death;
mod devices;
mod diverging;
mod exporting;
mod final_network;
mod full_disk;
#[path = "../../../cache/tests/common/hostile.rs"]
mod hostile;
#[cfg(target_os = "linux")]
mod hosts;
mod housekeeping;
mod inputs;
mod limits;
mod logged;
mod memory;
mod nonsense;
mod one_shot;
#[path = "../parity/onnx.rs"]
mod onnx;
mod pictures;
mod published;
mod racing;
mod replacing;
mod report;
mod running;
mod sandbox;
mod scale;
mod searching;
mod sharing;
mod signals;
mod staleness;
mod tables;
mod team;
mod terminal;
mod training;
mod weights;
