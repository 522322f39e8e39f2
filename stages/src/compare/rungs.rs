//! Ways that look at full trainings after some of their epochs: successive halving (Jamieson and Talwalkar, 2016),
//! Hyperband (Li et al., 2018), and one epoch of all. A training goes on from where it stopped, so that an epoch is
//! paid once; all counts here are of epochs, so that no sum is rounded.

/// Of the architectures of a rung one in so many goes on to the next: η in both papers.
const ETA: usize = 3;

/// Epochs at which trainings of so many epochs are compared, in ascending order: E / 3^k, rounded down, of which the
/// last is E itself. One rung alone where E is below 3.
pub fn rungs(epochs: usize) -> Vec<usize> {
    let mut rungs: Vec<usize> =
        std::iter::successors(Some(epochs), |rung| Some(rung / ETA)).take_while(|rung| *rung > 0).collect();
    rungs.reverse();
    rungs
}

/// Full trainings under way.
pub(super) struct Trainings<'a> {
    /// The accuracy of each architecture of the table after each epoch.
    curves: &'a [Vec<f64>],
    /// Epochs of a full training.
    full: usize,
    /// Architectures in a random order, of which the first are begun.
    order: &'a [usize],
    /// Each that is begun, with the epochs that it was trained for: as they stand in the order, or better ones first.
    begun: Vec<(usize, usize)>,
    /// Epochs that are left to pay with.
    left: usize,
}

impl<'a> Trainings<'a> {
    /// None begun yet, with as many epochs to pay as `total` full trainings have.
    pub(super) fn new(curves: &'a [Vec<f64>], order: &'a [usize], total: usize) -> Self {
        let full = curves.first().map_or(0, Vec::len);
        Self { curves, full, order, begun: Vec::new(), left: total * full }
    }

    /// Successive halving, of as many architectures as can be paid.
    pub(super) fn halve(mut self) -> Self {
        let allowance = self.left;
        self.bracket(&rungs(self.full), allowance);
        self.go_on();
        self
    }

    /// Hyperband: brackets that begin at each of the rungs, the lowest first, with equal shares of what there is.
    /// Each takes the next architectures of the order.
    pub(super) fn hyperband(mut self) -> Self {
        let rungs = rungs(self.full);
        let share = self.left / rungs.len().max(1);
        for first in 0..rungs.len() {
            self.bracket(&rungs[first..], share);
        }
        self.go_on();
        self
    }

    /// One epoch of each architecture, or of as many as `most` epochs pay for, and then the best of them fully.
    pub(super) fn one_epoch(mut self, most: usize) -> Self {
        let count = self.order.len().min(most);
        self.begun = self.order[..count].iter().map(|&architecture| (architecture, 1)).collect();
        self.left -= count;
        self.go_on();
        self
    }

    /// Begins as many of the next architectures as `allowance` epochs pay for, and halves them at each rung.
    fn bracket(&mut self, rungs: &[usize], allowance: usize) {
        let fresh = &self.order[self.begun.len()..];
        let count = (1..=fresh.len()).take_while(|&count| cost(count, rungs) <= allowance).count();
        self.left -= cost(count, rungs);
        let mut running = fresh[..count].to_vec();
        for &rung in rungs {
            let stopped = if rung == self.full { 0 } else { survivors(running.len()) };
            self.rank(&mut running, rung);
            self.begun.extend(running.drain(stopped..).map(|architecture| (architecture, rung)));
        }
    }

    /// Trains fully, with what is left: first what has come furthest, of that the best, then what was never begun.
    fn go_on(&mut self) {
        let fresh = self.order[self.begun.len()..].iter().map(|&architecture| (architecture, 0));
        self.begun.extend(fresh);
        let curves = self.curves;
        let reached = |&(architecture, epochs): &(usize, usize)| {
            (epochs, epochs.checked_sub(1).map_or(0.0, |last| curves[architecture][last]))
        };
        self.begun.sort_by(|a, b| {
            let (a, b) = (reached(a), reached(b));
            b.0.cmp(&a.0).then(b.1.total_cmp(&a.1))
        });
        for (_, epochs) in &mut self.begun {
            // Those behind cost as much or more.
            let Some(left) = self.left.checked_sub(self.full - *epochs) else { break };
            (self.left, *epochs) = (left, self.full);
        }
        self.begun.retain(|(_, epochs)| *epochs > 0);
    }

    /// The best after so many epochs first. Equal ones stay in the order of the rung before, at the first one in the
    /// random one.
    fn rank(&self, architectures: &mut [usize], epochs: usize) {
        let accuracy = |architecture: usize| self.curves[architecture][epochs - 1];
        architectures.sort_by(|&a, &b| accuracy(b).total_cmp(&accuracy(a)));
    }

    /// The architectures that were trained fully.
    pub(super) fn fully(&self) -> Vec<usize> {
        let is_full = |&&(_, epochs): &&(usize, usize)| epochs == self.full;
        self.begun.iter().filter(is_full).map(|&(architecture, _)| architecture).collect()
    }

    /// What the epochs cost that were trained, in full trainings.
    pub(super) fn cost(&self) -> f64 {
        let epochs: usize = self.begun.iter().map(|(_, epochs)| epochs).sum();
        epochs as f64 / self.full as f64
    }
}

/// How many of the architectures of a rung go on: a third, rounded down, and one at least.
fn survivors(count: usize) -> usize {
    (count / ETA).max(1).min(count)
}

/// Epochs that a bracket of so many architectures takes.
fn cost(count: usize, rungs: &[usize]) -> usize {
    let (mut running, mut before, mut cost) = (count, 0, 0);
    for &rung in rungs {
        cost += running * (rung - before);
        (running, before) = (survivors(running), rung);
    }
    cost
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Curves of nine epochs by architecture: after one, three and nine epochs as given.
    fn curves(of: &[(f64, f64, f64)]) -> Vec<Vec<f64>> {
        let curve = |&(one, three, nine): &(f64, f64, f64)| {
            (1..=9)
                .map(|epoch| {
                    if epoch < 3 {
                        one
                    } else if epoch < 9 {
                        three
                    } else {
                        nine
                    }
                })
                .collect()
        };
        of.iter().map(curve).collect()
    }

    fn sorted(mut numbers: Vec<usize>) -> Vec<usize> {
        numbers.sort_unstable();
        numbers
    }

    #[test]
    fn rungs_are_thirds_rounded_down() {
        for (epochs, expected) in
            [(1, &[1][..]), (2, &[2]), (3, &[1, 3]), (6, &[2, 6]), (9, &[1, 3, 9]), (50, &[1, 5, 16, 50])]
        {
            assert_eq!(rungs(epochs), expected, "{epochs}");
        }
    }

    #[test]
    fn a_rung_costs_its_further_epochs_only() {
        // 9 for an epoch, 3 for two more, 1 for six more.
        assert_eq!(cost(9, &[1, 3, 9]), 9 + 3 * 2 + 6);
        assert_eq!(cost(11, &[1, 3, 9]), 11 + 3 * 2 + 6, "a third is rounded down");
        assert_eq!(cost(2, &[1, 3, 9]), 2 + 2 + 6, "one goes on at least");
        assert_eq!((cost(4, &[9]), cost(0, &[1, 3, 9])), (36, 0));
    }

    #[test]
    fn halving_keeps_the_best_third_of_each_rung() {
        // Of nine the best three after one epoch are 0, 4 and 8; of those 4 is best after three.
        let mut of = [(1.0, 0.0, 0.0); 9];
        of[0] = (5.0, 2.0, 9.0);
        of[4] = (4.0, 6.0, 1.0);
        of[8] = (3.0, 5.0, 2.0);
        let (curves, order) = (curves(&of), [3, 1, 8, 2, 0, 7, 4, 5, 6]);
        // Three full trainings are 27 epochs: 21 for the bracket, and 6 that take the next best of the second rung,
        // 8, on.
        let found = Trainings::new(&curves, &order, 3).halve();
        assert_eq!((sorted(found.fully()), found.left), (vec![4, 8], 0));
        assert_eq!(found.cost(), 3.0);
        // Another one takes 0, of the second rung, on for 6 epochs; the 3 that are left take none of the first rung.
        let found = Trainings::new(&curves, &order, 4).halve();
        assert_eq!((sorted(found.fully()), found.left), (vec![0, 4, 8], 3));
        // Then those of the first rung, which are equal, in the random order: 8 epochs each.
        let found = Trainings::new(&curves, &order, 5).halve();
        assert_eq!((sorted(found.fully()), found.left), (vec![0, 3, 4, 8], 4));
        // With two there are 18 epochs: 8 for an epoch, 2 of them for two more, 1 of these for six more, together 18.
        let found = Trainings::new(&curves, &order, 2).halve();
        assert_eq!((found.begun.len(), found.fully(), found.left), (8, vec![4], 0));
    }

    #[test]
    fn equal_ones_stay_in_the_order_of_the_rung_before() {
        let of = [(1.0, 5.0, 0.0), (2.0, 5.0, 0.0), (3.0, 5.0, 0.0), (1.0, 5.0, 0.0), (1.0, 5.0, 0.0)];
        let (curves, order) = (curves(&[of.as_slice(), &of].concat()), [4, 0, 3, 1, 2, 9, 5, 8, 6, 7]);
        // After one epoch 2 and 7, then 1 and 6; of the three that go on, all equal after three, 2 stood first.
        let found = Trainings::new(&curves, &order, 3).halve();
        assert_eq!(found.fully()[0], 2);
        let one = Trainings::new(&curves, &order, 2).one_epoch(9);
        assert_eq!(
            (one.begun.len(), one.fully()),
            (9, vec![2]),
            "9 epochs are left, which pay for one more of 8"
        );
    }

    #[test]
    fn brackets_have_equal_shares_and_begin_at_each_rung() {
        let of: Vec<(f64, f64, f64)> = (0..20).map(f64::from).map(|worth| (worth, worth, worth)).collect();
        let (curves, order): (_, Vec<usize>) = (curves(&of), (0..20).collect());
        // Three brackets of 22 epochs. The first begins 10, of which 3 go on and 1 is trained fully, 9; the second 5,
        // of which 14; the third trains 15 and 16. That takes 22, 21 and 18 epochs; the 5 that are left are fewer
        // than 13 lacks.
        let found = Trainings { left: 66, ..Trainings::new(&curves, &order, 0) }.hyperband();
        assert_eq!((sorted(found.fully()), found.left), (vec![9, 14, 15, 16], 5));
        let of_rung = |epochs| found.begun.iter().filter(|(_, reached)| *reached == epochs).count();
        assert_eq!((of_rung(1), of_rung(3), found.begun.len()), (7, 6, 17));
    }

    #[test]
    fn what_everything_pays_for_is_trained() {
        let curves = curves(&[(1.0, 1.0, 1.0), (2.0, 2.0, 2.0), (3.0, 3.0, 3.0)]);
        for found in [
            Trainings::new(&curves, &[2, 0, 1], 5).halve(),
            Trainings::new(&curves, &[2, 0, 1], 5).hyperband(),
            Trainings::new(&curves, &[2, 0, 1], 5).one_epoch(22),
        ] {
            assert_eq!((sorted(found.fully()), found.left), (vec![0, 1, 2], 18));
        }
    }
}
