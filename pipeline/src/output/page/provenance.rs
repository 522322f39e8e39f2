//! What a report's numbers were made from, and how to have them again; and the cells of what was found.

use std::fmt::Write as _;

use maud::{Markup, html};
use stages::{Architecture, Genotype};

use super::number::{count, number, words};
use super::table::{Holds, Table};
use super::{Section, section};
use crate::output::format;
use crate::report::{About, Report};

/// Title and the line under it.
pub(super) fn headline(report: &Report) -> (String, Markup) {
    match &report.about {
        About::Run {
            run,
            target,
            ending,
            started_unix_ms,
            device,
            devices,
            conditions,
            program,
            person,
            ..
        } => {
            let data = conditions.pointer("/data/name").and_then(serde_json::Value::as_str);
            let title = data.map_or_else(|| target.clone(), |data| format!("{target} on {data}"));
            let on = device.clone().unwrap_or_else(|| devices.join(" and "));
            let id: String = run.chars().take(8).collect();
            let line = html! {
                "run " code { (id) } ", " (format::moment(*started_unix_ms)) " UTC, " (ending)
                @if !on.is_empty() { ", on " (on) }
                @if let Some(person) = person { ", by " (person) }
                ", nas-pipeline " (program)
            };
            (title, line)
        }
        About::Replay { truth, trials, accuracies, .. } => (
            "A replay of tabulated budgets".to_owned(),
            html! { "truth " code { (truth) } ", trials " code { (trials) } ", accuracies " code { (accuracies) } },
        ),
    }
}

pub(super) fn provenance(report: &Report) -> Section {
    let inside = match &report.about {
        About::Run { command, conditions, devices, .. } => html! {
            (scoring(conditions))
            @if !devices.is_empty() { p.stamp { "Trained on " (devices.join(" and ")) "." } }
            @if let Some(command) = command {
                p { "The same run again, which trains only what the cache has not:" }
                pre { code { (command) } }
            }
            (nodes(report).closed("The nodes of the run"))
        },
        About::Replay { command, remarks, .. } => html! {
            pre { code { (command) } }
            @for remark in remarks { p.note { (remark) } }
        },
    };
    section("provenance", "Where these numbers come from", inside)
}

/// Data set, split and scoring in a sentence.
fn scoring(conditions: &serde_json::Value) -> Markup {
    let number_at = |pointer: &str| conditions.pointer(pointer).and_then(serde_json::Value::as_u64);
    let shown = |pointer: &str| {
        number_at(pointer)
            .map(|value| count(&format!("/about/conditions{pointer}"), value))
            .unwrap_or_default()
    };
    let Some(name) = conditions.pointer("/data/name").and_then(serde_json::Value::as_str) else {
        return html! {};
    };
    html! {
        p {
            (words("/about/conditions/data/name", name)) ": " (shown("/data/train_images")) " images for training and " (shown("/data/test_images")) " test images. "
            @if number_at("/scoring/split_seed").is_some() {
                "Scores are the best epoch's accuracy on " (shown("/scoring/held_out_images"))
                " of the training images, held out with split seed " (shown("/scoring/split_seed")) ". "
            } @else if conditions.pointer("/scoring/mode").and_then(serde_json::Value::as_str) == Some("published") {
                "Scores are the best epoch's accuracy on the test images, as in the published trials. "
            }
            @if conditions.pointer("/scoring/final_trainings").and_then(serde_json::Value::as_bool) == Some(true) {
                "Final trainings learn from all training images, and are worth what they reach after the last epoch."
            }
        }
    }
}

fn nodes(report: &Report) -> Table {
    let headings = [
        ("node", Holds::Words),
        ("state", Holds::Words),
        ("trainings run", Holds::Numbers),
        ("from the cache", Holds::Numbers),
        ("diverged", Holds::Numbers),
        ("time", Holds::Numbers),
        ("key", Holds::Words),
        ("inputs", Holds::Text),
    ];
    let mut table = Table::new("nodes", &headings);
    for (place, node) in report.nodes.iter().enumerate() {
        let at = |field: &str| format!("/nodes/{place}/{field}");
        let cells = vec![
            html! { code { (node.node) } },
            html! { (node.state) },
            count(&at("trainings/run"), node.trainings.run),
            count(&at("trainings/cached"), node.trainings.cached),
            count(&at("trainings/diverged"), node.trainings.diverged),
            number(&at("elapsed_ms"), node.elapsed_ms as f64, &format::duration(node.elapsed_ms)),
            html! { code { (node.key.as_deref().unwrap_or_default()) } },
            html! { code { (node.inputs.join(", ")) } },
        ];
        table.rows.push((cells, None));
    }
    table
}

/// The cells of what was found, drawn.
pub(super) fn cells(report: &Report) -> Option<Section> {
    Some(section("architecture", "The architecture that was found", drawing(report)?))
}

pub(super) fn drawing(report: &Report) -> Option<Markup> {
    let text = ["/best/genotype", "/architecture"].iter().find_map(|at| report.result.pointer(at)?.as_str());
    let found = text.or_else(|| report.searches.iter().find_map(|search| search.found.as_deref()))?;
    let genotype: Genotype = found.parse().ok()?;
    let picture = stages::export::picture(&Architecture::Darts(genotype))?;
    Some(html! {
        img.cells alt={ "Normal and reduction cell of " (found) } src={ "data:image/svg+xml," (encoded(&picture)) };
        pre { code { (found) } }
    })
}

/// A text as a URL has it.
fn encoded(text: &str) -> String {
    let mut url = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~/=;,()'".contains(&byte) {
            url.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(url, "%{byte:02X}");
        }
    }
    url
}
