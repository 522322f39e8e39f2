//! Estimates beside truths, sorted once, so that statistics of many samples of the same architectures cost a pass each.

use super::correlation;
use super::order::Ordered;
use crate::Error;

/// Estimates and truths of the same architectures. Samples of these are told by how often they hold each.
pub(crate) struct Sides<'a> {
    pub(super) estimates: Ordered,
    pub(super) truths: Ordered,
    /// The truths themselves.
    pub(super) values: &'a [f64],
}

impl<'a> Sides<'a> {
    /// # Errors
    /// [`Error::Numbers`] when the lists differ in length or hold NaN.
    pub(crate) fn new(estimates: &[f64], truths: &'a [f64]) -> Result<Self, Error> {
        super::check(estimates, truths)?;
        Ok(Self { estimates: Ordered::new(estimates), truths: Ordered::new(truths), values: truths })
    }

    /// Spearman's `r_s` of a sample. `None` when it holds one value of a side only.
    pub(crate) fn spearman(&self, counts: &[u32]) -> Option<f64> {
        correlation::spearman(&self.estimates, &self.truths, counts)
    }

    /// Kendall's tau-b of a sample. `None` when it holds one value of a side only.
    pub(crate) fn kendall(&self, counts: &[u32]) -> Option<f64> {
        correlation::kendall(&self.estimates, &self.truths, counts)
    }
}
