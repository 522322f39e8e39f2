//! Images that are loaded, as every network has it.

use crate::ops::typical::{IMAGE, Typical};

pub(in crate::ops) fn typical() -> Vec<Typical> {
    const KINDS: &[&str] = &["images: load and augment", "load_images"];
    vec![Typical::of_kinds("images", IMAGE.to_string(), KINDS)]
}
