//! The order of a list, with its ties.

/// A list sorted once, so that what depends on the order of a bootstrap sample costs one pass.
pub(super) struct Ordered {
    /// Elements by ascending value.
    order: Vec<usize>,
    /// Where in `order` each group of equal values ends.
    ends: Vec<usize>,
}

impl Ordered {
    /// Of a list without NaN.
    pub(super) fn new(values: &[f64]) -> Self {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
        let is_end =
            |&place: &usize| order.get(place).is_none_or(|&next| values[next] != values[order[place - 1]]);
        let ends = (1..=order.len()).filter(is_end).collect();
        Self { order, ends }
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Elements of equal value, by ascending value.
    pub(super) fn groups(&self) -> impl DoubleEndedIterator<Item = &[usize]> + ExactSizeIterator {
        (0..self.ends.len()).map(|group| {
            let start = if group == 0 { 0 } else { self.ends[group - 1] };
            &self.order[start..self.ends[group]]
        })
    }

    /// Elements by descending value.
    pub(super) fn descending(&self) -> impl Iterator<Item = usize> {
        self.order.iter().rev().copied()
    }

    /// Twice the centred average rank of each element in the sample that holds element i `counts[i]` times:
    /// (elements below) - (elements above), a whole number. Elements outside the sample have counts of 0.
    pub(super) fn doubled_ranks(&self, counts: &[u32]) -> Vec<i64> {
        let mut ranks = vec![0; self.len()];
        let total: i64 = counts.iter().map(|&count| i64::from(count)).sum();
        let mut below = 0;
        for group in self.groups() {
            let inside = inside(group, counts);
            for &element in group {
                ranks[element] = 2 * below + inside - total;
            }
            below += inside;
        }
        ranks
    }
}

/// How many elements of a sample are in a group.
pub(super) fn inside(group: &[usize], counts: &[u32]) -> i64 {
    group.iter().map(|&element| i64::from(counts[element])).sum()
}

/// The sum of each element's average ranks in several lists of one length, without NaN: what several cheap estimates
/// say together. Only the order of the sums means something.
pub fn rank_sum(lists: &[&[f64]]) -> Vec<f64> {
    let mut sums = vec![0.0; lists.first().map_or(0, |list| list.len())];
    for list in lists {
        let ranks = Ordered::new(list).doubled_ranks(&vec![1; list.len()]);
        for (sum, rank) in sums.iter_mut().zip(ranks) {
            // Whole numbers, far below 2^53: exact in any order.
            *sum += rank as f64;
        }
    }
    sums
}
