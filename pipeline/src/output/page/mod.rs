//! A report as one HTML file that needs nothing else: no network, and no script to be read. Plots are SVG, with the table
//! behind each; colours follow the reader's setting for light and dark.

mod budgets;
pub(crate) mod comparison;
mod curves;
mod importance;
mod matrix;
mod number;
mod plot;
mod provenance;
mod ranking;
mod results;
mod rounds;
mod searches;
mod table;
mod untrained;
mod verdict;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::report::Report;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// A part of the page.
struct Section {
    id: &'static str,
    title: &'static str,
    inside: Markup,
}

fn section(id: &'static str, title: &'static str, inside: Markup) -> Section {
    Section { id, title, inside }
}

/// The page.
pub(crate) fn html(report: &Report) -> String {
    let (title, line) = provenance::headline(report);
    let sections: Vec<Section> = [
        ranking::ranking(report),
        budgets::budgets(report),
        results::results(report),
        searches::searches(report),
        importance::importance(report),
        rounds::rounds(report),
        matrix::matrix(report),
        provenance::cells(report),
        searches::supernets(report),
        curves::curves(report),
        curves::timeline(report),
        Some(provenance::provenance(report)),
    ]
    .into_iter()
    .flatten()
    .collect();
    document(
        &title,
        &html! {
            p.muted { "nas-pipeline report" }
            h1 { (title) }
            p.muted.stamp { (line) }
            (verdict::verdict(report))
            nav aria-label="Contents" { @for section in &sections { a href={ "#" (section.id) } { (section.title) } } }
            @for section in &sections {
                section id=(section.id) { h2 { (section.title) } (section.inside) }
            }
            footer {
                "r_s: Spearman's rank correlation, with average ranks for ties. Intervals: 95%, percentile bootstrap over the architectures. \
                 Every number carries its full value; " code { "pipeline report --json" } " has all of them."
            }
        },
    )
}

fn document(title: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { (body) script { (PreEscaped(SCRIPT)) } }
        }
    };
    page.into_string()
}
