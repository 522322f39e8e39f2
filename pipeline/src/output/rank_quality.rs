//! What a ranking of architectures is worth, in tables and sentences: the same words wherever `r_s` stands.

use stages::statistics::{Interval, RankQuality, Top};

use super::format;
use super::table::{Align, Table};

/// A row: its first cells, and the ranking that it tells of.
pub(crate) type Row<'a> = (Vec<String>, &'a RankQuality);

/// How rankings agree with the truth as a whole, behind `leading` columns.
pub(crate) fn correlations(leading: &[(&str, Align)], rows: &[Row<'_>]) -> Table {
    let own = [
        ("r_s", Align::Right),
        ("95% interval", Align::Left),
        ("tau-b", Align::Right),
        ("95% interval", Align::Left),
    ];
    let mut table = Table::new(&[leading, &own].concat(), 0);
    for (cells, quality) in rows {
        let own = [
            format::correlation(quality.spearman),
            format::interval(quality.interval),
            format::correlation(quality.kendall),
            format::interval(quality.kendall_interval),
        ];
        table.row([&cells[..], &own].concat());
    }
    table
}

/// What the tops of rankings are worth, behind `leading` columns.
pub(crate) fn tops(leading: &[(&str, Align)], rows: &[Row<'_>]) -> Table {
    let k = most_at_the_top(rows.iter().map(|(_, quality)| *quality));
    let headings = [format!("top-{k} precision"), format!("best of top-{k}"), format!("of {k} random")];
    let own = [
        (headings[0].as_str(), Align::Right),
        ("95% interval", Align::Left),
        ("regret", Align::Right),
        ("95% interval", Align::Left),
        (headings[1].as_str(), Align::Right),
        (headings[2].as_str(), Align::Right),
        ("gain", Align::Right),
        ("95% interval", Align::Left),
    ];
    let mut table = Table::new(&[leading, &own].concat(), 0);
    for (cells, quality) in rows {
        let of_top = |shown: fn(&Top) -> String| quality.top.as_ref().map_or_else(undefined, shown);
        let own = [
            of_top(|top| format!("{:.3}", top.precision)),
            of_top(|top| format::interval(top.precision_interval)),
            of_top(|top| format::significant(top.regret)),
            of_top(|top| span(top.regret_interval, format::significant)),
            of_top(|top| format!("{:.2}", top.best_of_top)),
            of_top(|top| format!("{:.2}", top.best_of_random)),
            of_top(|top| format::signed(top.over_random)),
            of_top(|top| span(top.over_random_interval, format::signed)),
        ];
        table.row([&cells[..], &own].concat());
    }
    table
}

/// The most architectures that any of these rankings has at its top.
pub(crate) fn most_at_the_top<'a>(rankings: impl Iterator<Item = &'a RankQuality>) -> usize {
    rankings.filter_map(|quality| Some(quality.top?.k)).max().unwrap_or(1)
}

/// A ranking by accuracies in percent in sentences of a line each, without its `r_s`.
pub(crate) fn sentences(quality: &RankQuality) -> String {
    let kendall = format!(
        "  Kendall's tau-b {} (95% interval {})",
        format::correlation(quality.kendall),
        format::interval(quality.kendall_interval)
    );
    let Some(top) = quality.top else { return kendall + "\n" };
    format!(
        "{kendall}, top-{k} precision {:.3} ({})\n  \
         regret {} points ({}), gain of its top {k} over {k} random ones {} ({})\n",
        top.precision,
        format::interval(top.precision_interval),
        format::significant(top.regret),
        span(top.regret_interval, format::significant),
        format::signed(top.over_random),
        span(top.over_random_interval, format::signed),
        k = top.k,
    )
}

/// What to say of numbers that tables call undefined; none where all are defined.
pub(crate) fn why_undefined<'a>(mut rankings: impl Iterator<Item = &'a RankQuality>) -> Option<&'static str> {
    let some = rankings.any(|quality| quality.spearman.is_none());
    some.then_some("undefined: fewer than two architectures, or one value for all of them, have no order\n")
}

fn span(interval: Option<Interval>, shown: impl Fn(f64) -> String) -> String {
    interval.map_or_else(undefined, |(low, high)| format!("{} to {}", shown(low), shown(high)))
}

fn undefined() -> String {
    "undefined".to_owned()
}
