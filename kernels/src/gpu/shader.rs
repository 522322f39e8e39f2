//! Kernels as plain text, and what they share.

/// A kernel's plain text, in files; the last holds its `invoke`.
#[derive(Debug)]
pub(crate) struct Shader {
    pub(crate) name: &'static str,
    pub(crate) files: &'static [&'static str],
    /// Invocations of a workgroup.
    pub(crate) workgroup: u32,
}

/// What every kernel shares.
pub(super) const COMMON: &str = include_str!("wgsl/common.wgsl");

/// Reads the value in slot x, behind its normalisation and ReLU ([`Arguments::read`](super::Arguments::read)).
pub(crate) const INPUT: &str = include_str!("wgsl/input.wgsl");
/// Reads the gradient in slot g ([`Arguments::gradient`](super::Arguments::gradient)).
pub(crate) const GRADIENT: &str = include_str!("wgsl/gradient.wgsl");
/// Gives a gradient to slot sink or slot sum ([`Arguments::sink`](super::Arguments::sink)).
pub(crate) const SINK: &str = include_str!("wgsl/sink.wgsl");
/// Random numbers.
pub(crate) const RNG: &str = include_str!("wgsl/rng.wgsl");
/// Two sums over the invocations of a workgroup, by halves.
pub(crate) const TOTALS: &str = include_str!("wgsl/totals.wgsl");
/// Many sums over the invocations of a workgroup.
pub(crate) const WORKGROUP_SUMS: &str = include_str!("wgsl/workgroup_sums.wgsl");
