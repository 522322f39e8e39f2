//! A call of a program: what it says of itself, and how each machine runs it.

use std::sync::Arc;

use crate::cpu;
use crate::gpu;
use crate::program::{Declare, Guard, Sink};

/// A kernel call: an operation's forward pass, or a part of its backward pass.
#[cfg(not(test))]
pub(crate) trait Call: Declare + cpu::RunKernel + gpu::Kernel {}

#[cfg(not(test))]
impl<T: Declare + cpu::RunKernel + gpu::Kernel> Call for T {}

/// The same, which tests run in double precision too.
#[cfg(test)]
pub(crate) trait Call: Declare + cpu::RunKernel + gpu::Kernel + crate::reference::Kernel {}

#[cfg(test)]
impl<T: Declare + cpu::RunKernel + gpu::Kernel + crate::reference::Kernel> Call for T {}

/// Calls that a tape adds by itself.
#[derive(Clone, Copy)]
pub(crate) struct TapeCalls {
    /// One that gives zeros.
    pub(crate) zeros: fn(Sink) -> Arc<dyn Call>,
    /// A call behind a guard.
    pub(crate) guarded: fn(Arc<dyn Call>, Guard) -> Arc<dyn Call>,
}
