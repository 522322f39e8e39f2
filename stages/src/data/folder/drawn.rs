//! Test images of a set that names none: a share of the pictures of each class.

use std::fmt;

use cache::Digest;

use super::files::File;
use crate::data::held_out;

/// The hash domain of pictures' names, by which test images are drawn. Another version draws others.
const DOMAIN: &str = "nas-pipeline drawn test image 1";

/// Test images that were drawn, since a set has pictures to train on only. By a hash of names, and not of numbers: the same
/// ones wherever the folder lies, more of the same with a larger share, and most of the same where pictures are added.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DrawnTest {
    /// Share of the pictures of each class, above 0 and below 1.
    pub share: f64,
}

impl fmt::Display for DrawnTest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = (self.share * 1e5).round() / 1e3;
        write!(formatter, "{percent}% of the pictures of each class, drawn by a hash of their names")
    }
}

impl DrawnTest {
    /// Takes the test images out of the pictures of each class, of which one at least stays: none of a single one.
    pub(super) fn take(self, by_class: &mut [Vec<File>]) -> Vec<Vec<File>> {
        by_class.iter_mut().map(|files| self.take_of_class(files)).collect()
    }

    fn take_of_class(self, files: &mut Vec<File>) -> Vec<File> {
        if files.len() < 2 {
            return Vec::new();
        }
        let hash = |file: &File| Digest::of(DOMAIN, file.name.as_bytes()).0;
        let mut hashes: Vec<_> = files.iter().map(hash).collect();
        hashes.sort_unstable();
        let first_kept = hashes[held_out(files.len(), self.share)];
        let (test, train) = std::mem::take(files).into_iter().partition(|file| hash(file) < first_kept);
        *files = train;
        test
    }
}
