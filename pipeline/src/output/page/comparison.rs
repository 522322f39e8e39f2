//! Two runs on one page.

use maud::{Markup, html};
use serde_json::Value;

use super::number::{NONE, count, interval, number, optional, percent, three, words};
use super::plot::{Plot, Scale};
use super::table::{Holds, Table};
use super::{Section, document, provenance, section};
use crate::output::format;
use crate::report::{About, Comparison, Report};

/// The page.
pub(crate) fn html(comparison: &Comparison) -> String {
    let [(one, first), (other, second)] = [&comparison.one, &comparison.other].map(provenance::headline);
    let sections: Vec<Section> = [
        Some(section("facts", "What came out", facts(comparison).open())),
        Some(section("settings", "What differs in their settings", settings(comparison))),
        shared(comparison),
        cells(comparison),
    ]
    .into_iter()
    .flatten()
    .collect();
    document(
        &format!("{one} and {other}"),
        &html! {
            p.muted { "nas-pipeline report of two runs" }
            h1 { (one) @if other != one { " and " (other) } }
            p.muted.stamp { "One: " (first) }
            p.muted.stamp { "Other: " (second) }
            @for section in &sections { section id=(section.id) { h2 { (section.title) } (section.inside) } }
        },
    )
}

/// A fact of a report, which lies at a pointer.
type Fact<'a> = (&'a str, &'a dyn Fn(&Report, &str) -> Option<Markup>);

fn facts(comparison: &Comparison) -> Table {
    let headings = [("", Holds::Words), ("one", Holds::Text), ("other", Holds::Text)];
    let mut table = Table::new("facts-table", &headings);
    let rows: [Fact<'_>; 11] = [
        ("budget found", &|report, at| {
            let (place, found) = found(report)?;
            Some(html! { code { (words(&format!("{at}/study/budgets/{place}/name"), &found.name)) } })
        }),
        ("r_s", &|report, at| {
            let (place, found) = found(report)?;
            let at = format!("{at}/study/budgets/{place}");
            Some(html! {
                (optional(&format!("{at}/spearman"), found.quality.spearman, three))
                " (" (interval(&format!("{at}/interval"), found.quality.interval, three)) ")"
            })
        }),
        ("r_s confirmed", &|report, at| {
            let quality = report.study.as_ref()?.confirmed.as_ref()?.quality;
            let at = format!("{at}/study/confirmed");
            Some(html! {
                (optional(&format!("{at}/spearman"), quality.spearman, three))
                " (" (interval(&format!("{at}/interval"), quality.interval, three)) ")"
            })
        }),
        ("cost, share of full training", &|report, at| {
            let (place, found) = found(report)?;
            Some(optional(&format!("{at}/study/budgets/{place}/cost"), found.cost, format::percent))
        }),
        ("precision at the top", &|report, at| {
            let (place, found) = found(report)?;
            let precision = found.quality.top.map(|top| top.precision);
            Some(optional(&format!("{at}/study/budgets/{place}/top/precision"), precision, three))
        }),
        ("test accuracy of the best architecture", &|report, at| {
            of_result(report, at, "/best/accuracy", &percent)
        }),
        ("its parameters", &|report, at| {
            of_result(report, at, "/best/parameters", &|value| format::large(value, "parameters"))
        }),
        ("trainings run", &|report, at| {
            let About::Run { trainings, .. } = &report.about else { return None };
            Some(count(&format!("{at}/about/trainings/run"), trainings.run))
        }),
        ("trainings from the cache", &|report, at| {
            let About::Run { trainings, .. } = &report.about else { return None };
            Some(count(&format!("{at}/about/trainings/cached"), trainings.cached))
        }),
        ("FLOPs of all trainings behind it", &|report, at| {
            let About::Run { training_flops, .. } = &report.about else { return None };
            let text = format::large(*training_flops as f64, "FLOPs");
            Some(number(&format!("{at}/about/training_flops"), *training_flops as f64, &text))
        }),
        ("time", &|report, at| {
            let About::Run { elapsed_ms, .. } = &report.about else { return None };
            Some(number(
                &format!("{at}/about/elapsed_ms"),
                *elapsed_ms as f64,
                &format::duration(*elapsed_ms),
            ))
        }),
    ];
    for (name, fact) in rows {
        let both =
            [(&comparison.one, "/one"), (&comparison.other, "/other")].map(|(report, at)| fact(report, at));
        if both.iter().any(Option::is_some) {
            let [one, other] = both.map(|fact| fact.unwrap_or_else(|| html! { (NONE) }));
            table.rows.push((vec![html! { (name) }, one, other], None));
        }
    }
    table
}

fn found(report: &Report) -> Option<(usize, &crate::report::JudgedBudget)> {
    let study = report.study.as_ref()?;
    let place = study.found?;
    Some((place, study.budgets.get(place)?))
}

fn of_result(report: &Report, at: &str, pointer: &str, text: &dyn Fn(f64) -> String) -> Option<Markup> {
    let value = report.result.pointer(pointer).and_then(Value::as_f64)?;
    Some(number(&format!("{at}/result{pointer}"), value, &text(value)))
}

fn settings(comparison: &Comparison) -> Markup {
    if comparison.changes.is_empty() {
        return html! { p { "Nothing: the nodes that both have, have the same parameters." } };
    }
    let headings = [("setting", Holds::Words), ("one", Holds::Text), ("other", Holds::Text)];
    let mut table = Table::new("changes", &headings);
    for (place, change) in comparison.changes.iter().enumerate() {
        let value = |field: &str, value: &Option<String>| {
            let shown =
                |value: &String| html! { code { (words(&format!("/changes/{place}/{field}"), value)) } };
            value.as_ref().map_or_else(|| html! { (NONE) }, shown)
        };
        let cells =
            vec![html! { code { (change.field) } }, value("old", &change.old), value("new", &change.new)];
        table.rows.push((cells, None));
    }
    table.open()
}

/// Budgets that both tried: do they rank alike?
fn shared(comparison: &Comparison) -> Option<Section> {
    let (one, other) = (comparison.one.study.as_ref()?, comparison.other.study.as_ref()?);
    let known: Vec<(usize, usize, f64, f64)> = comparison
        .shared
        .iter()
        .filter_map(|&(first, second)| {
            Some((
                first,
                second,
                one.budgets[first].quality.spearman?,
                other.budgets[second].quality.spearman?,
            ))
        })
        .collect();
    if known.is_empty() {
        return None;
    }
    let all = || known.iter().flat_map(|(.., x, y)| [*x, *y]);
    let plot = Plot::new(
        Scale::around(all()),
        Scale::around(all()),
        ("r_s in one", "r_s in the other"),
        "Rank correlation of the budgets that both runs tried",
    );
    let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
    let mut headings = vec![
        ("budget", Holds::Words),
        ("r_s in one", Holds::Numbers),
        ("95% interval", Holds::Words),
        ("r_s in the other", Holds::Numbers),
        ("95% interval", Holds::Words),
    ];
    // Where racing dropped one, its r_s is of fewer architectures.
    let is_dropped = |first: usize, second: usize| {
        [one.budgets[first].dropped_after, other.budgets[second].dropped_after].iter().any(Option::is_some)
    };
    let some_dropped = known.iter().any(|&(first, second, ..)| is_dropped(first, second));
    if some_dropped {
        headings.push(("architectures in one", Holds::Numbers));
        headings.push(("in the other", Holds::Numbers));
    }
    let mut table = Table::new("shared", &headings);
    for &(first, second, x, y) in &known {
        let [one_at, other_at] =
            [format!("/one/study/budgets/{first}"), format!("/other/study/budgets/{second}")];
        let budget = &one.budgets[first];
        let mut cells = vec![
            html! { code { (words(&format!("{one_at}/name"), &budget.name)) } },
            number(&format!("{one_at}/spearman"), x, &three(x)),
            interval(&format!("{one_at}/interval"), budget.quality.interval, three),
            number(&format!("{other_at}/spearman"), y, &three(y)),
            interval(&format!("{other_at}/interval"), other.budgets[second].quality.interval, three),
        ];
        if some_dropped {
            for (at, quality) in [(one_at, &budget.quality), (other_at, &other.budgets[second].quality)] {
                cells.push(count(&format!("{at}/architectures"), quality.architectures as u64));
            }
        }
        table.rows.push((cells, Some(format!("b{first}"))));
    }
    Some(section(
        "shared-budgets",
        "Budgets that both tried",
        html! {
            p.note {
                "On the dashed line both say the same."
                @if some_dropped { " Grey: dropped by racing in one of them, where its r_s is of fewer architectures." }
            }
            div.figures {
                figure {
                    (plot.draw(&html! {
                        polyline.zero points=(plot.line([(low, low), (high, high)])) {}
                        @for (first, second, x, y) in &known {
                            circle.mark.off[is_dropped(*first, *second)] cx=(plot.at_x(*x)) cy=(plot.at_y(*y)) r="5" data-of={ "b" (first) } data-x=(x) data-y=(y) {
                                title { (one.budgets[*first].name) ": " (three(*x)) " and " (three(*y)) }
                            }
                        }
                    }))
                }
            }
            (table.closed("The budgets as a table"))
        },
    ))
}

fn cells(comparison: &Comparison) -> Option<Section> {
    let both = [&comparison.one, &comparison.other].map(provenance::drawing);
    if both.iter().all(Option::is_none) {
        return None;
    }
    Some(section(
        "architectures-found",
        "The architectures that were found",
        html! { div.figures { @for drawing in both.iter().flatten() { figure { (drawing) } } } },
    ))
}
