//! Random forest regression for the importance of hyper-parameters (Eq. 3-8 of Zheng et al.).
//!
//! A tree is grown, asked and forgotten: for the impurity decreases of its splits, and for its leaves by whoever wants
//! them (`each_tree`). With the same bootstrap samples importances equal those of scikit-learn's
//! `RandomForestRegressor(max_features=1.0)`, which normalises each tree's before it averages them.

use rayon::prelude::*;

use crate::Error;
use crate::random::Random;

/// More rows than this could overflow the exact sums; budgets are dozens.
const MOST_ROWS: usize = 1 << 20;

/// Targets become whole numbers of this many steps on each side of their mean, so that sums are exact: a split's gain then
/// depends on who stands on which side and on nothing else, and equal splits are recognised as equal.
const STEPS: f64 = (1u64 << 40) as f64;

/// Features of budgets have fewer levels. With more of them (a learning rate that was drawn from an interval has one a
/// row) a small node is sorted instead of counted.
const MANY_LEVELS: usize = 64;

/// The training set of a forest: rows of features with a target each, prepared for growing many trees.
pub struct Samples {
    features: usize,
    /// Row-major: which of its feature's distinct values a row has, counted from 0 in ascending order.
    codes: Vec<u32>,
    /// Distinct values per feature.
    levels: Vec<usize>,
    /// Per row the target, centred and in whole steps.
    targets: Vec<i64>,
}

impl Samples {
    /// Prepares `rows`, all of one length, with one target each.
    ///
    /// # Errors
    /// [`Error::Numbers`] for rows of different lengths, too few or too many targets, and numbers that are not finite.
    pub fn new<R: AsRef<[f64]>>(rows: &[R], targets: &[f64]) -> Result<Self, Error> {
        let refuse = |problem: &str| Err(Error::Numbers { what: "random forest", problem: problem.into() });
        if rows.len() > MOST_ROWS {
            return refuse("more than 2^20 rows");
        }
        let features = rows.first().map_or(0, |row| row.as_ref().len());
        if rows.iter().any(|row| row.as_ref().len() != features) || rows.len() != targets.len() {
            return refuse("rows of different lengths, or not one target per row");
        }
        if rows.iter().flat_map(AsRef::as_ref).chain(targets).any(|number| !number.is_finite()) {
            return refuse("a number that is not finite");
        }
        let mut codes = vec![0; rows.len() * features];
        let mut levels = Vec::with_capacity(features);
        for feature in 0..features {
            let mut distinct: Vec<f64> = rows.iter().map(|row| row.as_ref()[feature]).collect();
            distinct.sort_by(f64::total_cmp);
            distinct.dedup();
            for (row, numbers) in rows.iter().enumerate() {
                let number = numbers.as_ref()[feature];
                codes[row * features + feature] = distinct.partition_point(|&other| other < number) as u32;
            }
            levels.push(distinct.len());
        }
        let mean = targets.iter().sum::<f64>() / targets.len().max(1) as f64;
        let largest = targets.iter().map(|target| (target - mean).abs()).fold(0.0, f64::max);
        // Targets that differ by rounding of their mean only are one value.
        let constant = targets.iter().all(|target| *target == targets[0]);
        let scale = if constant || largest == 0.0 { 0.0 } else { STEPS / largest };
        let targets = targets.iter().map(|target| ((target - mean) * scale).round() as i64).collect();
        Ok(Self { features, codes, levels, targets })
    }

    /// The importance of each feature: the impurity decreases of the splits on it, weighted by node size, in shares that
    /// add up to 1; all zero when no tree has a split that explains anything (a constant target, say).
    ///
    /// Each of `trees` trees is grown on a bootstrap sample of its own. The result depends on the samples, `trees`
    /// and `seed` only, not on threads.
    pub fn importances(&self, trees: usize, seed: u64) -> Vec<f64> {
        average(self.features, &self.each_tree(trees, seed, |tree: Tree<()>| tree.importances))
    }

    /// What `ask` says of each tree of the forest, in the trees' order: whoever sums it up does not depend on which
    /// thread was first.
    pub(crate) fn each_tree<R: Region, A: Send>(
        &self,
        trees: usize,
        seed: u64,
        ask: impl Fn(Tree<R>) -> A + Sync,
    ) -> Vec<A> {
        let rows = self.targets.len();
        let tree = |index: usize| {
            let mut random = Random::new(seed, "forest", index as u64);
            let mut counts = vec![0; rows];
            for _ in 0..rows {
                counts[random.below(rows as u64) as usize] += 1;
            }
            ask(self.tree(&counts, random.bits()))
        };
        (0..trees).into_par_iter().map(tree).collect()
    }

    /// The distinct values of each feature, counted.
    pub(crate) fn levels(&self) -> &[usize] {
        &self.levels
    }

    /// Which of a feature's distinct values a row has, counted from 0 in ascending order.
    pub(crate) fn code(&self, row: usize, feature: usize) -> usize {
        self.codes[row * self.features + feature] as usize
    }

    /// Grows a tree on the sample that holds row i `counts[i]` times.
    fn tree<R: Region>(&self, counts: &[u32], tie_seed: u64) -> Tree<R> {
        let mut rows: Vec<u32> = (0..counts.len() as u32).filter(|&row| counts[row as usize] > 0).collect();
        let largest = self.levels.iter().copied().max().unwrap_or(0);
        let mut grower = Grower {
            samples: self,
            counts,
            cells: vec![Side::default(); largest * self.features],
            sorted: Vec::new(),
            decreases: vec![0.0; self.features],
            order: (0..self.features).collect(),
            ties: tie_seed,
        };
        // A work list instead of recursion: a tree can be as deep as it has rows.
        let mut leaves = Vec::new();
        let mut open: Vec<(&mut [u32], R)> = vec![(&mut rows, R::whole(&self.levels))];
        while let Some((node, region)) = open.pop() {
            if let Some((feature, level)) = grower.split(node) {
                let (left, right) = partition(node, |row| self.code(row as usize, feature) <= level);
                let (left_region, right_region) = region.cut(feature, level);
                open.push((right, right_region));
                open.push((left, left_region));
            } else if R::IS_KEPT && !node.is_empty() {
                let Side { count, sum } = grower.whole(node);
                leaves.push((region, sum as f64 / count as f64));
            }
        }
        Tree { importances: shares(grower.decreases), leaves }
    }
}

/// What is asked of a grown tree.
pub(crate) struct Tree<R> {
    /// Each feature's share of the impurity decreases; all zero without a split.
    pub(crate) importances: Vec<f64>,
    /// The leaves: where each lies, and what it predicts, in a unit and from a zero of the forest's own. None where
    /// regions are not kept.
    pub(crate) leaves: Vec<(R, f64)>,
}

/// Where a node lies among the features' values: known to whoever asks for leaves, and free for who does not.
pub(crate) trait Region: Sized {
    /// Whether leaves are wanted.
    const IS_KEPT: bool;
    /// Where the root lies, with so many values of each feature.
    fn whole(levels: &[usize]) -> Self;
    /// The part with levels up to `level` of a feature, and the rest.
    fn cut(self, feature: usize, level: usize) -> (Self, Self);
}

impl Region for () {
    const IS_KEPT: bool = false;
    fn whole(_: &[usize]) -> Self {}
    fn cut(self, _: usize, _: usize) -> (Self, Self) {
        ((), ())
    }
}

/// A box: of each feature the first of its levels, and the one behind the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ranges(pub(crate) Vec<(usize, usize)>);

impl Region for Ranges {
    const IS_KEPT: bool = true;

    fn whole(levels: &[usize]) -> Self {
        Self(levels.iter().map(|&levels| (0, levels)).collect())
    }

    fn cut(self, feature: usize, level: usize) -> (Self, Self) {
        let (mut left, mut right) = (self.clone(), self);
        left.0[feature].1 = level + 1;
        right.0[feature].0 = level + 1;
        (left, right)
    }
}

/// How many (weighted) rows are on one side of a split, and the sum of their targets.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Side {
    count: u64,
    sum: i64,
}

impl Side {
    fn of(sides: impl Iterator<Item = Self>) -> Self {
        let mut all = Self::default();
        for side in sides {
            all.add(side);
        }
        all
    }

    fn add(&mut self, other: Self) {
        self.count += other.count;
        self.sum += other.sum;
    }

    fn without(self, other: Self) -> Self {
        Self { count: self.count - other.count, sum: self.sum - other.sum }
    }

    /// The part of |Q|·H(Q) that a split can change, with its sign turned: sum² / count.
    fn score(self) -> f64 {
        (self.sum as f64).powi(2) / self.count as f64
    }
}

/// The state of growing one tree.
struct Grower<'a> {
    samples: &'a Samples,
    counts: &'a [u32],
    /// Scratch: per feature and level the rows of the node at hand.
    cells: Vec<Side>,
    /// Scratch: the rows of the node at hand by level of one feature.
    sorted: Vec<(usize, Side)>,
    decreases: Vec<f64>,
    /// Features in the order in which they are tried.
    order: Vec<usize>,
    /// State of the generator that shuffles `order`.
    ties: u64,
}

impl Grower<'_> {
    /// The best split of a node (Eq. 5-6): the feature, and the last of its levels that goes left. `None` for a leaf: no
    /// two target values, or no feature with two values.
    fn split(&mut self, node: &[u32]) -> Option<(usize, usize)> {
        let Samples { features, targets, levels, .. } = self.samples;
        let first = targets[*node.first()? as usize];
        if node.iter().all(|&row| targets[row as usize] == first) {
            return None;
        }
        let stride = self.cells.len().checked_div(*features)?;
        let is_sparse = stride > MANY_LEVELS.max(4 * node.len());
        let whole = if is_sparse { self.whole(node) } else { self.count(node, stride) };
        self.shuffle();
        let mut best: Option<(f64, usize, usize)> = None;
        for place in 0..self.order.len() {
            let feature = self.order[place];
            if is_sparse {
                self.sort(node, feature);
                let levels = self.sorted.chunk_by(|a, b| a.0 == b.0);
                let levels = levels.map(|rows| (rows[0].0, Side::of(rows.iter().map(|&(_, side)| side))));
                best_split(feature, levels, whole, &mut best);
            } else {
                let cells = &self.cells[feature * stride..][..levels[feature]];
                let levels = cells.iter().copied().enumerate().filter(|(_, cell)| cell.count > 0);
                best_split(feature, levels, whole, &mut best);
            }
        }
        let (score, feature, level) = best?;
        self.decreases[feature] += (score - whole.score()).max(0.0);
        Some((feature, level))
    }

    /// Gathers the rows of a node by feature and level, and returns them all.
    fn count(&mut self, node: &[u32], stride: usize) -> Side {
        let Samples { features, levels, codes, .. } = self.samples;
        for (cells, &levels) in self.cells.chunks_exact_mut(stride).zip(levels) {
            cells[..levels].fill(Side::default());
        }
        let mut whole = Side::default();
        for &row in node {
            let one = self.one(row);
            whole.add(one);
            let codes = &codes[row as usize * features..][..*features];
            for (feature, &code) in codes.iter().enumerate() {
                self.cells[feature * stride + code as usize].add(one);
            }
        }
        whole
    }

    /// Sorts the rows of a node by a feature's level, where passing over all its levels would take longer.
    fn sort(&mut self, node: &[u32], feature: usize) {
        self.sorted.clear();
        for &row in node {
            self.sorted.push((self.samples.code(row as usize, feature), self.one(row)));
        }
        self.sorted.sort_unstable_by_key(|&(level, _)| level);
    }

    fn whole(&self, node: &[u32]) -> Side {
        Side::of(node.iter().map(|&row| self.one(row)))
    }

    /// A row as often as the sample holds it.
    fn one(&self, row: u32) -> Side {
        let count = self.counts[row as usize];
        Side { count: u64::from(count), sum: i64::from(count) * self.samples.targets[row as usize] }
    }

    /// Of equal splits the one tried first wins. A fixed order would favour the hyper-parameters at the front of the table
    /// whenever few budgets leave several splits equal, so it is drawn anew for each node.
    fn shuffle(&mut self) {
        for last in (1..self.order.len()).rev() {
            // A linear congruential step is enough for ties, and the tree's seed is a strong one.
            self.ties =
                self.ties.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let choice = (u128::from(self.ties) * (last as u128 + 1)) >> 64;
            self.order.swap(last, choice as usize);
        }
    }
}

/// Replaces the best split by the best one of a feature, where that is better. Levels come in order, none of them empty.
fn best_split(
    feature: usize,
    levels: impl Iterator<Item = (usize, Side)>,
    whole: Side,
    best: &mut Option<(f64, usize, usize)>,
) {
    let mut left = Side::default();
    for (level, side) in levels {
        left.add(side);
        let right = whole.without(left);
        if right.count == 0 {
            break;
        }
        let score = left.score() + right.score();
        if best.is_none_or(|(other, ..)| score > other) {
            *best = Some((score, feature, level));
        }
    }
}

/// Reorders `node` so that the rows that go left come first, and cuts it there.
fn partition(node: &mut [u32], goes_left: impl Fn(u32) -> bool) -> (&mut [u32], &mut [u32]) {
    let mut left = 0;
    for index in 0..node.len() {
        if goes_left(node[index]) {
            node.swap(index, left);
            left += 1;
        }
    }
    node.split_at_mut(left)
}

/// Divides by the sum; all zero stays all zero.
pub(crate) fn shares(mut numbers: Vec<f64>) -> Vec<f64> {
    let total: f64 = numbers.iter().sum();
    if total > 0.0 {
        for number in &mut numbers {
            *number /= total;
        }
    }
    numbers
}

/// The mean of the trees' shares, as shares.
pub(crate) fn average(features: usize, trees: &[Vec<f64>]) -> Vec<f64> {
    let mut sums = vec![0.0; features];
    for tree in trees {
        for (sum, share) in sums.iter_mut().zip(tree) {
            *sum += share;
        }
    }
    shares(sums)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
