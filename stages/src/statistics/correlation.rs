//! Spearman's and Kendall's rank correlations of samples with repetitions, in whole numbers up to the last division.

use super::order::{Ordered, inside};

/// Spearman's `r_s`: Pearson's correlation of the average ranks. Sums are whole numbers, so their order does not
/// matter.
pub(super) fn spearman(x: &Ordered, y: &Ordered, counts: &[u32]) -> Option<f64> {
    spearman_of_ranks(&x.doubled_ranks(counts), &y.doubled_ranks(counts), counts)
}

/// The same of centred ranks.
pub(super) fn spearman_of_ranks(rank_x: &[i64], rank_y: &[i64], counts: &[u32]) -> Option<f64> {
    let product = |a: &[i64], b: &[i64]| -> i128 {
        let of = |i: usize| i128::from(counts[i]) * i128::from(a[i]) * i128::from(b[i]);
        (0..counts.len()).map(of).sum()
    };
    let (xx, yy, xy) = (product(rank_x, rank_x), product(rank_y, rank_y), product(rank_x, rank_y));
    (xx > 0 && yy > 0).then(|| (xy as f64 / (xx as f64 * yy as f64).sqrt()).clamp(-1.0, 1.0))
}

/// Kendall's tau-b: (C - D) / √((P - `T_x`)·(P - `T_y`)) over the P pairs of a sample, of which C are concordant, D
/// discordant and `T_x`, `T_y` tied on a side. In n·log n steps: elements come by ascending x, and a tree of sums over
/// the order of y says how many of those before lie below and above.
pub(super) fn kendall(x: &Ordered, y: &Ordered, counts: &[u32]) -> Option<f64> {
    let mut place = vec![0; y.len()];
    for (group_number, group) in y.groups().enumerate() {
        for &element in group {
            place[element] = group_number;
        }
    }
    let mut before = Sums::new(y.groups().len());
    let (mut all, mut difference) = (0, 0);
    for group in x.groups() {
        for &element in group {
            let below = before.up_to(place[element]);
            let above = all - before.up_to(place[element] + 1);
            difference += i64::from(counts[element]) * (below - above);
        }
        for &element in group {
            before.add(place[element], i64::from(counts[element]));
        }
        all += inside(group, counts);
    }
    let pairs = |elements: i64| elements * (elements - 1) / 2;
    let untied_of =
        |side: &Ordered| pairs(all) - side.groups().map(|group| pairs(inside(group, counts))).sum::<i64>();
    let (untied_x, untied_y) = (untied_of(x), untied_of(y));
    let untied = (untied_x > 0 && untied_y > 0).then(|| (untied_x as f64 * untied_y as f64).sqrt());
    untied.map(|pairs| (difference as f64 / pairs).clamp(-1.0, 1.0))
}

/// Sums of the first elements of a list that changes (a binary indexed tree; Fenwick, 1994).
struct Sums(Vec<i64>);

impl Sums {
    fn new(length: usize) -> Self {
        Self(vec![0; length + 1])
    }

    fn add(&mut self, element: usize, number: i64) {
        let mut node = element + 1;
        while node < self.0.len() {
            self.0[node] += number;
            node += node & node.wrapping_neg();
        }
    }

    /// The sum of the first `length` elements.
    fn up_to(&self, length: usize) -> i64 {
        let (mut node, mut sum) = (length, 0);
        while node > 0 {
            sum += self.0[node];
            node &= node - 1;
        }
        sum
    }
}
