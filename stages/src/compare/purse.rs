//! What a way of working has left to spend. Nothing is ever had that was not paid.

/// Sums of costs that are as large as what there is, but for rounding, are paid.
const ROUNDING: f64 = 1e-9;

/// Money, in full trainings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Purse {
    total: f64,
    spent: f64,
}

impl Purse {
    pub(super) fn new(total: f64) -> Self {
        Self { total, spent: 0.0 }
    }

    pub(super) fn spent(&self) -> f64 {
        self.spent
    }

    pub(super) fn left(&self) -> f64 {
        (self.total - self.spent).max(0.0)
    }

    /// Whether so much can be paid. An infinite cost never can.
    pub(super) fn has(&self, cost: f64) -> bool {
        self.spent + cost <= self.total * (1.0 + ROUNDING)
    }

    /// Pays, or pays nothing and says so.
    #[must_use]
    pub(super) fn pay(&mut self, cost: f64) -> bool {
        let has = self.has(cost);
        if has {
            self.spent += cost;
        }
        has
    }

    /// Full trainings that what is left pays for.
    pub(super) fn full_trainings(&self) -> usize {
        (self.left() + self.total * ROUNDING).floor() as usize
    }
}
