//! Memory, shaders and replay of this backend; what it computes is held by the crate's comparisons with the reference.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod declared;
mod memory;
mod networks;
mod pack;
mod replay;
mod shaders;
