//! Baselines that cost no training, beside a budget.

use maud::html;
use serde_json::Value;

use super::number::{of_result, three, words};
use super::plot::{Plot, Scale};
use super::table::{Holds, Table};
use super::{Section, section};
use crate::output::format;

/// The target `baselines`, from its result.
pub(super) fn baselines(result: &Value) -> Option<Section> {
    let listed = result.get("baselines")?.as_array().filter(|list| !list.is_empty())?;
    let headings = [
        ("ranked by", Holds::Words),
        ("r_s", Holds::Numbers),
        ("from", Holds::Numbers),
        ("to", Holds::Numbers),
        ("tau-b", Holds::Numbers),
        ("precision at the top", Holds::Numbers),
        ("gain over random ones", Holds::Numbers),
    ];
    let mut table = Table::new("untrained", &headings);
    let rows =
        std::iter::once("/budget".to_owned()).chain((0..listed.len()).map(|row| format!("/baselines/{row}")));
    let (mut names, mut points) = (Vec::new(), Vec::new());
    for at in rows {
        let of =
            |field: &str, text: &dyn Fn(f64) -> String| of_result(result, &format!("{at}/{field}"), text);
        let text = |field: &str| result.pointer(&format!("{at}/{field}")).and_then(Value::as_str);
        let number = |field: &str| result.pointer(&format!("{at}/{field}")).and_then(Value::as_f64);
        let name = text("baseline")
            .map_or_else(|| html! { "the budget" }, |name| words(&format!("/result{at}/baseline"), name));
        if let (Some(spearman), Some(low), Some(high)) =
            (number("spearman"), number("interval/0"), number("interval/1"))
        {
            points.push((names.len() as f64, spearman, low, high));
        }
        names.push(text("baseline").unwrap_or("the budget").to_owned());
        let cells = vec![
            name,
            of("spearman", &three),
            of("interval/0", &three),
            of("interval/1", &three),
            of("kendall", &three),
            of("top/precision", &three),
            of("top/over_random", &format::signed),
        ];
        table.rows.push((cells, None));
    }
    let plot = Plot::new(
        Scale::Names(names),
        Scale::around(points.iter().flat_map(|(.., low, high)| [*low, *high])),
        ("ranked by", "r_s with full training"),
        "Rank correlation of the budget and of each baseline, with intervals",
    )
    .sized(900.0, 340.0);
    let half = |field: &str| of_result(result, &format!("/halves/{field}"), three);
    Some(section(
        "baselines-of-no-cost",
        "What costs no training ranks, too",
        html! {
            p.note {
                "Sizes, skips and scores of untrained networks on the same architectures, beside the budget with a seed that its \
                 choice has not seen. Bars are 95% intervals. What a budget is worth is what it adds to these."
            }
            div.wide {
                (plot.draw(&html! {
                    @for (place, spearman, low, high) in points {
                        line.whisker x1=(plot.at_x(place)) x2=(plot.at_x(place)) y1=(plot.at_y(low)) y2=(plot.at_y(high)) {}
                        circle.mark.top[place == 0.0] cx=(plot.at_x(place)) cy=(plot.at_y(spearman)) r="6" data-x=(place) data-y=(spearman) {
                            title { (three(spearman)) }
                        }
                    }
                }))
            }
            (table.open())
            @if result.pointer("/halves/gain").is_some() {
                p {
                    "Chosen on one half of the architectures and judged on the other, the best alone has an r_s of "
                    (half("alone/unseen")) ", the best rank sum " (half("together/unseen")) "."
                }
            }
        },
    ))
}
