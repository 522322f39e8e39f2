//! The engine with small stages and an executor that needs no time.

#![allow(clippy::unwrap_used)]

mod choosing;
mod combining;
mod explaining;
mod failing;
mod fake;
mod history;
mod nas_search;
mod racing;
mod searches;
mod staleness;
mod training;
