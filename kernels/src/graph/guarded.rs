//! Calls that are not run in every step: those that serve one weight of a mixture, where that is 0.

use std::sync::Arc;

use super::call::Call;
use crate::cpu::{self, Context, Isa, Memory, Piece, RunKernel, Split, Unit};
use crate::gpu::{self, Held, Lowering};
use crate::program::{Access, Declare, Guard, Placement, WorkspaceId};

/// A call behind a guard.
#[derive(Debug)]
pub(super) struct Guarded {
    pub(super) call: Arc<dyn Call>,
    pub(super) guard: Guard,
}

impl Declare for Guarded {
    fn kind(&self) -> &'static str {
        self.call.kind()
    }

    fn accesses(&self) -> Vec<Access> {
        let mut list = self.call.accesses();
        list.push(Access::to_guard(self.guard));
        list
    }

    fn placement(&self) -> Placement {
        self.call.placement()
    }
}

impl RunKernel for Guarded {
    fn split(&self, sizes: &cpu::Sizes<'_>) -> Split {
        RunKernel::split(&*self.call, sizes)
    }

    fn scratch_floats(&self, sizes: &cpu::Sizes<'_>) -> usize {
        RunKernel::scratch_floats(&*self.call, sizes)
    }

    fn workspaces(&self, sizes: &cpu::Sizes<'_>) -> Vec<(WorkspaceId, usize)> {
        RunKernel::workspaces(&*self.call, sizes)
    }

    fn first_reads(&self, memory: &Memory) -> Vec<Piece> {
        RunKernel::first_reads(&*self.call, memory)
    }

    fn prefetches(&self) -> bool {
        RunKernel::prefetches(&*self.call)
    }

    unsafe fn run_on(&self, isa: Isa, cx: &Context<'_>, unit: Unit<'_>, scratch: *mut f32) {
        // SAFETY: the caller's promise; the call declares that it reads the weights.
        unsafe {
            if cx.is_open(self.guard) {
                RunKernel::run_on(&*self.call, isa, cx, unit, scratch);
            }
        }
    }
}

impl gpu::Kernel for Guarded {
    fn workspaces(&self, sizes: &gpu::Sizes) -> Vec<(WorkspaceId, Held)> {
        gpu::Kernel::workspaces(&*self.call, sizes)
    }

    fn lower(&self, lowering: &mut Lowering<'_>) {
        lowering.behind(self.guard, |lowering| gpu::Kernel::lower(&*self.call, lowering));
    }
}

#[cfg(test)]
impl crate::reference::Kernel for Guarded {
    fn run(
        &self,
        reference: &mut crate::reference::Reference,
        memory: &mut crate::reference::Memory,
        batch: crate::reference::Batch<'_>,
    ) {
        let Guard { choice, weights, .. } = self.guard;
        if memory.workspaces[&weights][choice] != 0.0 {
            crate::reference::Kernel::run(&*self.call, reference, memory, batch);
        }
    }
}
