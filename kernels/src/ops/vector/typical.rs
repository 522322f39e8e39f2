//! No plain step does anything of this but the norm that an update takes.

use crate::ops::typical::Typical;

pub(in crate::ops) fn typical() -> Vec<Typical> {
    Vec::new()
}
