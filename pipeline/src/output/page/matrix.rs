//! Budgets beside each other: how far each two agree.

use maud::{Markup, html};

use super::number::{count, interval, optional, three};
use super::plot::{Px, ninth};
use super::table::{Holds, Table};
use super::{Section, section};
use crate::output::format;
use crate::report::{Report, Study};

/// From so many budgets on a square has no room for its number.
const NUMBERED: usize = 14;

pub(super) fn matrix(report: &Report) -> Option<Section> {
    let study = report.study.as_ref().filter(|study| study.matrix.pairs.len() > 1)?;
    let matrix = &study.matrix;
    let some = matrix.members.len() < matrix.of;
    Some(section(
        "matrix",
        "Do budgets agree with each other?",
        html! {
            p.note {
                "Rank correlation of the accuracies under each two budgets, and under full training; intervals by the formula of \
                 Bonett and Wright. Budgets that agree with each \
                 other and not with full training share a bias; budgets that agree with nothing are noise."
                @if some {
                    " The " (count("/study/matrix/shown", matrix.members.len() as u64)) " that rank best of "
                    (count("/study/matrix/of", matrix.of as u64)) " are shown."
                }
            }
            figure { div.wide { (picture(study)) } }
            (table(study).closed("The pairs as a table, with intervals"))
        },
    ))
}

fn label(place: Option<usize>) -> String {
    place.map_or_else(|| "full".to_owned(), |place| format!("no. {place}"))
}

fn picture(study: &Study) -> Markup {
    let matrix = &study.matrix;
    let rows: Vec<Option<usize>> =
        [None].into_iter().chain(matrix.members.iter().copied().map(Some)).collect();
    let cell = if rows.len() > NUMBERED { 24.0 } else { 38.0 };
    let (left, top) = (64.0, 8.0);
    let size = rows.len() as f64 * cell;
    let at = |place: Option<usize>| rows.iter().position(|row| *row == place).unwrap_or(0) as f64;
    html! {
        svg.plot viewBox={ "0 0 " (left + size + 12.0) " " (top + size + 62.0) }
            style={ "max-width:" (format!("{:.0}", left + size + 12.0)) "px" } role="img"
            aria-label="Rank correlation of each two budgets" {
            @for pair in &matrix.pairs {
                @let (column, row) = (at(pair.one), at(Some(pair.other)));
                @let class = pair.spearman.map_or_else(|| "f7".to_owned(), |spearman| format!("q{}", ninth(spearman)));
                rect class={ "bar " (class) } x=(Px(left + column * cell)) y=(Px(top + row * cell)) width=(Px(cell - 1.5))
                    height=(Px(cell - 1.5)) rx="2" {
                    title {
                        (label(pair.one)) " and " (label(Some(pair.other))) ": r_s " (format::correlation(pair.spearman))
                        " (" (format::interval(pair.interval)) "), " (pair.architectures) " architectures"
                    }
                }
                @if rows.len() <= NUMBERED {
                    @if let Some(spearman) = pair.spearman {
                        @let is_end = matches!(ninth(spearman), 0 | 1 | 7 | 8);
                        text.cell.on-end[is_end] x=(Px(left + (column + 0.48) * cell)) y=(Px(top + (row + 0.5) * cell + 3.0)) {
                            (format!("{spearman:.2}"))
                        }
                    }
                }
            }
            @for (number, row) in rows.iter().enumerate() {
                @let middle = (number as f64 + 0.5) * cell;
                @if number > 0 {
                    text.tick x=(Px(left - 6.0)) y=(Px(top + middle + 3.0)) text-anchor="end" { (label(*row)) }
                }
                @if number + 1 < rows.len() {
                    text.tick transform={ "translate(" (Px(left + middle + 4.0)) " " (Px(top + size + 6.0)) ") rotate(90)" } {
                        (label(*row))
                    }
                }
            }
        }
    }
}

fn table(study: &Study) -> Table {
    let headings = [
        ("one", Holds::Words),
        ("other", Holds::Words),
        ("r_s", Holds::Numbers),
        ("95% interval", Holds::Words),
        ("architectures", Holds::Numbers),
    ];
    let mut table = Table::new("pairs", &headings);
    for (number, pair) in study.matrix.pairs.iter().enumerate() {
        let at = |field: &str| format!("/study/matrix/pairs/{number}/{field}");
        let name = |place: Option<usize>| {
            place.map_or_else(
                || "full training".to_owned(),
                |place| format!("no. {place}: {}", study.budgets[place].name),
            )
        };
        table.rows.push((
            vec![
                html! { code { (name(pair.one)) } },
                html! { code { (name(Some(pair.other))) } },
                optional(&at("spearman"), pair.spearman, three),
                interval(&at("interval"), pair.interval, three),
                count(&at("architectures"), pair.architectures as u64),
            ],
            None,
        ));
    }
    table
}
