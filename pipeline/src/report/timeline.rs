//! When the trainings of a run ran, in lanes of which each holds one at a time.

use serde::Serialize;

use crate::engine::logged::LoggedTraining;
use crate::engine::recorded::Recorded;

/// Bars of a picture: trainings beyond these are joined with their neighbours in a lane.
const BARS: usize = 2000;
/// Records say when a training ended and how long it took, each on its own clock.
const SLACK_MS: u64 = 2000;

/// Trainings over time.
#[derive(Serialize)]
pub(crate) struct Timeline {
    /// Trainings that this run ran.
    pub(crate) trainings: usize,
    pub(crate) lanes: usize,
    pub(crate) elapsed_ms: u64,
    pub(crate) bars: Vec<Bar>,
}

/// One training, or some of one node that follow one another in a lane.
#[derive(Serialize)]
pub(crate) struct Bar {
    pub(crate) node: String,
    pub(crate) lane: usize,
    /// After the run began.
    pub(crate) begin_ms: u64,
    pub(crate) end_ms: u64,
    pub(crate) trainings: usize,
}

impl Timeline {
    /// Of the trainings that ended while the run ran; none where it ran none.
    pub(super) fn of_run(recorded: &Recorded) -> Option<Self> {
        let (started, elapsed_ms) = (recorded.run.started_unix_ms, recorded.run.elapsed_ms);
        let time = |training: &LoggedTraining| {
            let end = training.created_unix_ms.checked_sub(started)?;
            let is_own = training.found_in.is_none() && end <= elapsed_ms + SLACK_MS;
            is_own.then(|| (end.saturating_sub(training.elapsed_ms), end))
        };
        let node = |training: &LoggedTraining| training.nodes.first().cloned().unwrap_or_default();
        let mut ran: Vec<(u64, u64, String)> = recorded
            .trainings
            .trainings
            .iter()
            .filter_map(|training| time(training).map(|(begin, end)| (begin, end, node(training))))
            .collect();
        if recorded.run.trainings.run == 0 || ran.is_empty() {
            return None;
        }
        ran.sort();
        let trainings = ran.len();
        let (mut lanes, mut bars): (Vec<u64>, Vec<Bar>) = (Vec::new(), Vec::new());
        for (begin_ms, end_ms, node) in ran {
            let lane = lanes.iter().position(|free| *free <= begin_ms).unwrap_or_else(|| {
                lanes.push(0);
                lanes.len() - 1
            });
            lanes[lane] = end_ms;
            bars.push(Bar { node, lane, begin_ms, end_ms, trainings: 1 });
        }
        while bars.len() > BARS {
            let before = bars.len();
            bars = joined(bars);
            if bars.len() == before {
                break;
            }
        }
        Some(Self { trainings, lanes: lanes.len(), elapsed_ms, bars })
    }
}

/// Every two bars of one node that follow one another in a lane as one.
fn joined(mut bars: Vec<Bar>) -> Vec<Bar> {
    bars.sort_by_key(|bar| (bar.lane, bar.begin_ms));
    let mut whole: Vec<Bar> = Vec::with_capacity(bars.len() / 2 + 1);
    let mut may_join = false;
    for bar in bars {
        let before =
            whole.last_mut().filter(|last| may_join && last.lane == bar.lane && last.node == bar.node);
        may_join = before.is_none();
        if let Some(before) = before {
            (before.end_ms, before.trainings) = (bar.end_ms, before.trainings + bar.trainings);
        } else {
            whole.push(bar);
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(lane: usize, node: &str, begin_ms: u64) -> Bar {
        Bar { node: node.to_owned(), lane, begin_ms, end_ms: begin_ms + 10, trainings: 1 }
    }

    #[test]
    fn neighbours_of_one_node_and_lane_are_joined_two_by_two() {
        let bars = vec![bar(0, "a", 0), bar(1, "a", 0), bar(0, "a", 10), bar(0, "b", 20), bar(0, "b", 30)];
        let whole = joined(bars);
        let told: Vec<_> = whole.iter().map(|b| (b.lane, b.node.as_str(), b.begin_ms, b.end_ms)).collect();
        assert_eq!(told, [(0, "a", 0, 20), (0, "b", 20, 40), (1, "a", 0, 10)]);
        assert_eq!(whole.iter().map(|bar| bar.trainings).sum::<usize>(), 5);
    }
}
