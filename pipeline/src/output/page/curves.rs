//! Learning curves of full trainings, and when the trainings of a run ran.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::number::{NONE, count, number};
use super::plot::{Plot, Px, Scale, key};
use super::table::{Holds, Table};
use super::{Section, section};
use crate::output::format;
use crate::report::{Curves, Report, Timeline};

/// Points of a line: more cannot be seen.
const POINTS: usize = 200;
/// The lanes of a timeline that is not squeezed.
const LANES: usize = 16;

pub(super) fn curves(report: &Report) -> Option<Section> {
    let curves = &report.curves;
    if curves.shown.is_empty() {
        return None;
    }
    let some = curves.shown.len() < curves.of;
    Some(section(
        "curves",
        "Learning curves of full trainings",
        html! {
            p.note {
                "Blue to grey: from the best score to the worst."
                @if some { " Of " (count("/curves/of", curves.of as u64)) " trainings those are shown that lie evenly between these." }
            }
            div.figures { (plot(curves, true)) (plot(curves, false)) }
            (table(curves).closed("Last epochs as a table"))
        },
    ))
}

/// Every n-th point, and the last one.
fn thinned(values: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let step = values.len().div_ceil(POINTS).max(1);
    let last = values.len().saturating_sub(1);
    values
        .into_iter()
        .enumerate()
        .filter(|(place, _)| place % step == 0 || *place == last)
        .map(|(_, at)| at)
        .collect()
}

fn plot(curves: &Curves, is_loss: bool) -> Markup {
    let lines: Vec<Vec<(f64, f64)>> = curves
        .shown
        .iter()
        .map(|curve| {
            let epoch = |(place, value): (usize, f64)| ((place + 1) as f64, value);
            if is_loss {
                thinned(curve.loss.iter().copied().enumerate().map(epoch).collect())
            } else {
                let known = curve.accuracy.iter().enumerate();
                thinned(known.filter_map(|(place, value)| Some(epoch((place, (*value)?)))).collect())
            }
        })
        .collect();
    let all = || lines.iter().flatten();
    let (what, title) =
        if is_loss { ("mean loss", "Loss by epoch") } else { ("accuracy (%)", "Accuracy by epoch") };
    let plot = Plot::new(
        Scale::around(all().map(|(x, _)| *x)),
        Scale::around(all().map(|(_, y)| *y)),
        ("epoch", what),
        title,
    );
    let class = |place: usize| if place * 3 < lines.len() { "c0" } else { "c7 thin" };
    html! {
        figure {
            h3 { (title) }
            (plot.draw(&html! {
                @for (place, line) in lines.iter().enumerate().rev() {
                    polyline class={ "curve " (class(place)) } points=(plot.line(line.iter().copied())) {
                        title { (curves.shown[place].node) ": " (curves.shown[place].architecture) }
                    }
                }
            }))
        }
    }
}

fn table(curves: &Curves) -> Table {
    let headings = [
        ("node", Holds::Words),
        ("seed", Holds::Numbers),
        ("epochs", Holds::Numbers),
        ("last loss", Holds::Numbers),
        ("last accuracy", Holds::Numbers),
        ("architecture", Holds::Genotypes),
    ];
    let mut table = Table::new("curve-table", &headings);
    for (place, curve) in curves.shown.iter().enumerate() {
        let at = |field: &str| format!("/curves/shown/{place}/{field}");
        let last = curve.loss.len().saturating_sub(1);
        let accuracy = curve.accuracy.last().copied().flatten();
        let cells = vec![
            html! { code { (curve.node) } },
            curve.seed.map_or_else(|| html! { (NONE) }, |seed| count(&at("seed"), seed)),
            html! { span.index { (curve.loss.len()) } },
            curve.loss.last().map_or_else(
                || html! { (NONE) },
                |loss| number(&at(&format!("loss/{last}")), *loss, &format!("{loss:.3}")),
            ),
            accuracy.map_or_else(
                || html! { (NONE) },
                |accuracy| {
                    number(&at(&format!("accuracy/{last}")), accuracy, &super::number::percent(accuracy))
                },
            ),
            html! { (curve.architecture) },
        ];
        table.rows.push((cells, None));
    }
    table
}

pub(super) fn timeline(report: &Report) -> Option<Section> {
    let timeline = report.timeline.as_ref()?;
    Some(section(
        "timeline",
        "When the trainings ran",
        html! {
            p.note {
                (count("/timeline/trainings", timeline.trainings as u64)) " trainings ran in "
                (count("/timeline/lanes", timeline.lanes as u64)) " at once at most, in "
                (number("/timeline/elapsed_ms", timeline.elapsed_ms as f64, &format::duration(timeline.elapsed_ms)))
                ". What was in the cache took no time and is not drawn."
            }
            figure { (bars(timeline)) }
        },
    ))
}

fn bars(timeline: &Timeline) -> Markup {
    const WIDTH: f64 = 1240.0;
    let row =
        if timeline.lanes > LANES { (LANES as f64 * 20.0 / timeline.lanes as f64).max(2.0) } else { 20.0 };
    let (left, top) = (12.0, 6.0);
    let bottom = top + row * timeline.lanes as f64;
    let end = timeline.bars.iter().map(|bar| bar.end_ms).max().unwrap_or(1).max(timeline.elapsed_ms).max(1);
    let seconds = Scale::Linear { low: 0.0, high: end as f64 / 1000.0 };
    let x = |ms: f64| Px(left + ms / end as f64 * (WIDTH - 2.0 * left));
    // Nodes of a kind share a colour: `train@3` and `train@4` are told apart by their places.
    let kinds: BTreeSet<&str> = timeline.bars.iter().map(|bar| kind(&bar.node)).collect();
    let kinds: Vec<&str> = kinds.into_iter().collect();
    let class = |node: &str| kinds.iter().position(|known| *known == kind(node)).unwrap_or(0) % 8;
    html! {
        div.wide {
            svg.plot.full viewBox={ "0 0 " (WIDTH) " " (bottom + 46.0) } role="img" aria-label="Trainings over time, in lanes" {
                @for (value, text) in seconds.ticks() {
                    line.grid x1=(x(value * 1000.0)) x2=(x(value * 1000.0)) y1=(Px(top)) y2=(Px(bottom)) {}
                    text.tick x=(x(value * 1000.0)) y=(Px(bottom + 17.0)) text-anchor="middle" { (text) }
                }
                text.title x=(Px(WIDTH / 2.0)) y=(Px(bottom + 38.0)) text-anchor="middle" { "seconds after the run began" }
                @for bar in &timeline.bars {
                    rect class={ "bar f" (class(&bar.node)) } x=(x(bar.begin_ms as f64)) y=(Px(top + bar.lane as f64 * row))
                        width=(Px((x(bar.end_ms as f64).0 - x(bar.begin_ms as f64).0).max(0.6))) height=(Px(row * 0.86)) {
                        title {
                            (bar.node) ": " (format::duration(bar.end_ms - bar.begin_ms))
                            @if bar.trainings > 1 { ", " (bar.trainings) " trainings" }
                        }
                    }
                }
            }
        }
        (key(kinds.iter().enumerate().map(|(place, name)| (format!("c{}", place % 8), *name))))
    }
}

/// What a node's trainings are for.
fn kind(node: &str) -> &str {
    match node.split_once('@') {
        Some(("train", "full" | "confirm" | "repeat" | "fresh" | "fresh-full")) | None => node,
        Some(("train", what)) if what.chars().all(|digit| digit.is_ascii_digit()) => {
            "budgets, round by round"
        }
        Some(("train", _)) => "full training of what was found",
        Some((stage, _)) => stage,
    }
}
