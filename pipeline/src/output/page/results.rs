//! What targets other than the whole method give: strategies compared (Table 2 of Zheng et al.), budgets by what is found
//! with them (Fig. 3), one-shot supernets (Table 4), final networks. Read from the result as `--json` has it.

use maud::{Markup, html};
use serde_json::Value;

use super::number::{NONE, of_result, percent, three};
use super::plot::{Plot, Px, Scale};
use super::table::{Holds, Table};
use super::{Section, section};
use crate::output::format;
use crate::report::{About, Report};

pub(super) fn results(report: &Report) -> Option<Section> {
    let About::Run { target, .. } = &report.about else { return None };
    let result = &report.result;
    match target.as_str() {
        "compare-searches" => compared(result),
        "budget-quality" => quality(result),
        "one-shot-analysis" => one_shot(result),
        "evaluate-final" => final_network(result),
        "baselines" => super::untrained::baselines(result),
        _ => None,
    }
}

fn text(value: Option<&Value>) -> Markup {
    html! { (value.and_then(Value::as_str).unwrap_or(NONE)) }
}

fn list<'a>(result: &'a Value, name: &str) -> Option<&'a Vec<Value>> {
    result.get(name)?.as_array().filter(|list| !list.is_empty())
}

fn seconds(value: f64) -> String {
    format::duration((value * 1e3) as u64)
}

fn compared(result: &Value) -> Option<Section> {
    let strategies = list(result, "strategies")?;
    let headings = [
        ("strategy", Holds::Words),
        ("seeds", Holds::Numbers),
        ("test error", Holds::Numbers),
        ("deviation", Holds::Numbers),
        ("parameters", Holds::Numbers),
        ("evaluations", Holds::Numbers),
        ("search", Holds::Numbers),
        ("time", Holds::Numbers),
        ("with full training", Holds::Numbers),
        ("time", Holds::Numbers),
        ("skips", Holds::Numbers),
    ];
    let mut table = Table::new("strategies", &headings);
    let mut points: Vec<(String, f64, f64, f64)> = Vec::new();
    for (place, row) in strategies.iter().enumerate() {
        let at = |field: &str| format!("/strategies/{place}/{field}");
        let name = row["strategy"].as_str().unwrap_or("none: random ones");
        let flops = |value: f64| format::large(value, "FLOPs");
        let of = |field: &str, text: &dyn Fn(f64) -> String| of_result(result, &at(field), text);
        if let (Some(error), Some(flops)) = (row["test_error"].as_f64(), row["search_flops"].as_f64()) {
            points.push((name.to_owned(), flops, error, row["test_error_deviation"].as_f64().unwrap_or(0.0)));
        }
        let cells = vec![
            html! { (name) },
            of("seeds", &|seeds| format!("{seeds}")),
            of("test_error", &percent),
            of("test_error_deviation", &percent),
            of("parameters", &|count| format::count(count.round() as u64)),
            of("evaluations", &|count| format!("{count:.0}")),
            of("search_flops", &flops),
            of("search_seconds", &seconds),
            of("full_search_flops", &flops),
            of("full_search_seconds", &seconds),
            of("skips", &format::percent),
        ];
        table.rows.push((cells, None));
    }
    let searched: Vec<_> = points.iter().filter(|(_, flops, ..)| *flops > 0.0).collect();
    let unsearched = points.iter().find(|(_, flops, ..)| *flops == 0.0);
    let plot = Plot::new(
        Scale::of_costs(searched.iter().map(|(_, flops, ..)| *flops)),
        Scale::around(
            points.iter().flat_map(|(.., error, deviation)| [error - deviation, error + deviation]),
        ),
        ("FLOPs of the search", "test error after full training (%)"),
        "Test error of what each strategy finds, over the cost of its search",
    );
    let labels = labels(&plot, &searched);
    Some(section(
        "strategies-compared",
        "Strategies beside each other",
        html! {
            p.note {
                "The paper's Table 2, on this run's images: what each strategy found, after full training, over its seeds. The dashed line \
                 is a random architecture that nobody searched for."
            }
            (table.open())
            div.figures {
                figure {
                    (plot.draw(&html! {
                        @if let Some((.., error, _)) = unsearched {
                            line.zero x1="64" x2=(plot.width - 18.0) y1=(plot.at_y(*error)) y2=(plot.at_y(*error)) {}
                        }
                        @for (name, flops, error, deviation) in searched {
                            line.whisker x1=(plot.at_x(*flops)) x2=(plot.at_x(*flops)) y1=(plot.at_y(error - deviation)) y2=(plot.at_y(error + deviation)) {}
                            circle.mark cx=(plot.at_x(*flops)) cy=(plot.at_y(*error)) r="6" data-x=(flops) data-y=(error) {
                                title { (name) ": " (percent(*error)) }
                            }
                        }
                        @for (name, x, y, anchor) in labels { text.tick x=(x) y=(y) text-anchor=(anchor) { (name) } }
                    }))
                }
            }
        },
    ))
}

/// Names beside their points, on the side where there is room, and apart from each other.
fn labels<'a>(plot: &Plot, points: &[&'a (String, f64, f64, f64)]) -> Vec<(&'a str, Px, Px, &'static str)> {
    const APART: f64 = 15.0;
    let mut labels: Vec<(&str, f64, f64)> = points
        .iter()
        .map(|(name, x, y, _)| (name.as_str(), plot.at_x(*x).0, plot.at_y(*y).0 + 4.0))
        .collect();
    labels.sort_by(|a, b| a.2.total_cmp(&b.2));
    let mut last = f64::NEG_INFINITY;
    let place = |(name, x, y): (&'a str, f64, f64)| {
        last = f64::max(y, last + APART);
        let is_left = x > plot.width * 0.75;
        let (x, anchor) = if is_left { (x - 9.0, "end") } else { (x + 9.0, "start") };
        (name, Px(x), Px(last), anchor)
    };
    labels.into_iter().map(place).collect()
}

fn quality(result: &Value) -> Option<Section> {
    let budgets = list(result, "budgets")?;
    let headings = [
        ("r_s", Holds::Numbers),
        ("accuracy of what was found", Holds::Numbers),
        ("skips", Holds::Numbers),
        ("cost", Holds::Numbers),
        ("architecture", Holds::Genotypes),
    ];
    let mut table = Table::new("quality", &headings);
    let mut points = Vec::new();
    for (place, budget) in budgets.iter().enumerate() {
        let at = |field: &str| format!("/budgets/{place}/{field}");
        if let (Some(spearman), Some(accuracy)) = (budget["spearman"].as_f64(), budget["accuracy"].as_f64()) {
            points.push((spearman, accuracy));
        }
        let cells = vec![
            of_result(result, &at("spearman"), three),
            of_result(result, &at("accuracy"), percent),
            of_result(result, &at("skips"), format::percent),
            of_result(result, &at("cost_ratio"), format::percent),
            text(budget.get("genotype")),
        ];
        table.rows.push((cells, None));
    }
    let plot = Plot::new(
        Scale::around(points.iter().map(|(spearman, _)| *spearman)),
        Scale::around(points.iter().map(|(_, accuracy)| *accuracy)),
        ("r_s of the budget", "accuracy found with it, fully trained (%)"),
        "Rank correlation of each budget and the accuracy of what a search with it found",
    );
    Some(section(
        "quality-of-budgets",
        "Does a better budget find better architectures?",
        html! {
            p.note {
                "The paper's Fig. 3. Rank correlation of the two: " (of_result(result, "/correlation", three))
                " (95% interval " (of_result(result, "/interval/0", three)) " to " (of_result(result, "/interval/1", three)) ")."
            }
            div.figures {
                figure { (plot.draw(&html! {
                    @for (spearman, accuracy) in points {
                        circle.mark cx=(plot.at_x(spearman)) cy=(plot.at_y(accuracy)) r="6" data-x=(spearman) data-y=(accuracy) {
                            title { "r_s " (three(spearman)) ": " (percent(accuracy)) }
                        }
                    }
                })) }
            }
            (table.open())
        },
    ))
}

fn one_shot(result: &Value) -> Option<Section> {
    let schedules = list(result, "schedules")?;
    let headings = [
        ("schedule", Holds::Words),
        ("epoch", Holds::Numbers),
        ("loss", Holds::Numbers),
        ("global r_s", Holds::Numbers),
        ("from", Holds::Numbers),
        ("to", Holds::Numbers),
        ("local r_s", Holds::Numbers),
        ("from", Holds::Numbers),
        ("to", Holds::Numbers),
    ];
    let mut table = Table::new("one-shot", &headings);
    for (row, schedule) in schedules.iter().enumerate() {
        for place in 0..schedule["epochs"].as_array().map_or(0, Vec::len) {
            let of = |field: &str, text: &dyn Fn(f64) -> String| {
                of_result(result, &format!("/schedules/{row}/epochs/{place}/{field}"), text)
            };
            let cells = vec![
                text(schedule.get("label")),
                of("epoch", &|epoch| format!("{epoch}")),
                of("loss", &three),
                of("global/spearman", &three),
                of("global/interval/0", &three),
                of("global/interval/1", &three),
                of("local/spearman", &three),
                of("local/interval/0", &three),
                of("local/interval/1", &three),
            ];
            table.rows.push((cells, None));
        }
    }
    Some(section(
        "one-shot-supernets",
        "Does a supernet rank its sub-networks?",
        html! {
            p.note {
                "The paper's Table 4. Global: the sampled architectures with the supernet's weights, against full training. Local: the \
                 sub-networks just trained, against training alone under the budget. From and to are 95% intervals."
            }
            (table.open())
        },
    ))
}

fn final_network(result: &Value) -> Option<Section> {
    let trainings = list(result, "trainings")?;
    let headings =
        [("seed", Holds::Numbers), ("test accuracy", Holds::Numbers), ("diverged at step", Holds::Numbers)];
    let mut table = Table::new("final", &headings);
    for place in 0..trainings.len() {
        let of = |field: &str, text: &dyn Fn(f64) -> String| {
            of_result(result, &format!("/trainings/{place}/{field}"), text)
        };
        let whole = |value: f64| format::count(value as u64);
        let cells = vec![of("seed", &whole), of("test_accuracy", &percent), of("diverged_at", &whole)];
        table.rows.push((cells, None));
    }
    let of = |field: &str, text: &dyn Fn(f64) -> String| of_result(result, field, text);
    Some(section(
        "final-network",
        "The final network",
        html! {
            p {
                "Test error " (of("/test_error", &percent)) " (deviation over the seeds " (of("/deviation", &percent)) "); "
                (of("/parameters", &|count| format::large(count, "parameters"))) ", "
                (of("/mult_adds", &|count| format::large(count, "multiply-adds"))) "."
            }
            (table.open())
        },
    ))
}
