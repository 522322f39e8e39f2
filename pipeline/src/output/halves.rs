//! What a choice among rankings is worth on architectures that it was not made by, as text and JSON.

use serde::Serialize;
use stages::statistics::{Halves, Interval, Unseen};

use super::format;
use super::table::{Align, Table};

/// The best single ranking and the best rank sum, each chosen on one half of the architectures and judged on the other.
#[derive(Serialize)]
pub(crate) struct OnHalves {
    /// Random halves.
    splits: usize,
    alone: Chosen,
    together: Chosen,
    /// Mean `r_s` of the one on the unseen half, less that of the other.
    gain: f64,
    gain_interval: Option<Interval>,
}

#[derive(Serialize)]
struct Chosen {
    /// Mean `r_s` on the half that it is chosen by, and on the other.
    seen: f64,
    unseen: f64,
    interval: Option<Interval>,
    /// What is chosen most often, and how often.
    most_often: Vec<String>,
    times: usize,
}

impl OnHalves {
    /// `names` gives those of rankings by their places.
    pub(crate) fn new(halves: Halves, names: &dyn Fn(&[usize]) -> Vec<String>) -> Self {
        let Halves { splits, alone, together, gain, gain_interval } = halves;
        let chosen = |of: Unseen| {
            let (places, times) = of.favourite;
            let most_often = names(&places);
            Chosen { seen: of.seen, unseen: of.unseen, interval: of.interval, most_often, times }
        };
        Self { splits, alone: chosen(alone), together: chosen(together), gain, gain_interval }
    }

    /// A title, a table with a row for each of both, and by how much they differ.
    pub(crate) fn text(&self) -> String {
        let Self { splits, alone, together, gain, gain_interval } = self;
        let headings = [
            ("best of", Align::Left),
            ("r_s where chosen", Align::Right),
            ("on the other half", Align::Right),
            ("95% of halves", Align::Left),
            ("most often", Align::Left),
        ];
        let mut table = Table::new(&headings, 0);
        for (name, chosen) in [("one alone", alone), ("rank sums", together)] {
            table.row(vec![
                name.to_owned(),
                format!("{:.3}", chosen.seen),
                format!("{:.3}", chosen.unseen),
                format::interval(chosen.interval),
                format!("{} ({} of {splits})", chosen.most_often.join(" + "), chosen.times),
            ]);
        }
        let title = format!("Chosen on one half of the architectures, judged on the other: {splits} halves");
        format!(
            "{}\n{table}on the other half rank sums are better by {} (95% of halves {})\n",
            super::heading(&title),
            format::signed(*gain),
            format::interval(*gain_interval)
        )
    }
}
