//! Calls that serve one choice of a one-hot mixture, and are not run in a step in which another is drawn.

use std::sync::Arc;

use crate::graph::Call;
use crate::program::{Access, Declare, Guard, Placement};

/// A call behind a guard.
#[derive(Debug)]
pub(super) struct Guarded {
    pub(super) call: Arc<dyn Call>,
    pub(super) guard: Guard,
}

/// The same call behind a guard.
pub(in crate::ops) fn guarded(call: Arc<dyn Call>, guard: Guard) -> Arc<dyn Call> {
    Arc::new(Guarded { call, guard })
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

    fn guard(&self) -> Option<Guard> {
        Some(self.guard)
    }
}
