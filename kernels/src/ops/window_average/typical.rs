//! The average of a map, as every network has it.

use crate::ops::typical::{Typical, map_shape};

pub(in crate::ops) fn typical() -> Vec<Typical> {
    const KINDS: &[&str] =
        &["window average", "window average: backward", "window_average", "window_average_backward"];
    vec![Typical::of_kinds("window average", map_shape().to_string(), KINDS)]
}
