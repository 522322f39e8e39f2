//! How budgets order the architectures, beside full training: an architecture a point.

use maud::{Markup, html};

use super::number::{NONE, interval, number, optional, percent, three};
use super::plot::{Plot, Scale};
use super::table::{Holds, Table};
use super::{Section, section};
use crate::report::{Report, Study};

/// Budgets that get a picture.
const PICTURES: usize = 4;

/// A ranking to draw.
struct Drawn<'a> {
    title: String,
    /// Where it stands in the report.
    at: String,
    scores: &'a [Option<f64>],
    quality: &'a stages::statistics::RankQuality,
}

pub(super) fn ranking(report: &Report) -> Option<Section> {
    let study = report.study.as_ref().filter(|study| study.architectures.len() > 1)?;
    let drawn = drawn(study);
    if drawn.is_empty() {
        return None;
    }
    Some(section(
        "ranking",
        "Budget against full training",
        html! {
            p.note {
                "Each point is an architecture. A budget that ranks perfectly has them on a rising line. Orange: the architectures \
                 that the budget puts on top, which are those that a search would train fully."
            }
            div.figures { @for one in &drawn { (scatter(study, one)) } }
            (table(study, &drawn).closed("The architectures as a table"))
        },
    ))
}

/// The budget found, its confirmation, and the best and the cheapest of the front.
fn drawn(study: &Study) -> Vec<Drawn<'_>> {
    let mut drawn = Vec::new();
    let mut places: Vec<usize> = study.found.into_iter().collect();
    places.extend(study.front.iter().rev().chain(study.front.first()));
    let mut seen = Vec::new();
    for place in places {
        let budget = &study.budgets[place];
        if seen.contains(&place) || budget.scores.is_empty() {
            continue;
        }
        seen.push(place);
        let is_found = study.found == Some(place);
        drawn.push(Drawn {
            title: if is_found { format!("{}, the budget found", budget.name) } else { budget.name.clone() },
            at: format!("/study/budgets/{place}"),
            scores: &budget.scores,
            quality: &budget.quality,
        });
        if let Some(confirmed) = study.confirmed.as_ref().filter(|again| is_found && !again.scores.is_empty())
        {
            drawn.push(Drawn {
                title: "the same budget, confirmed with another seed".to_owned(),
                at: "/study/confirmed".to_owned(),
                scores: &confirmed.scores,
                quality: &confirmed.quality,
            });
        }
    }
    drawn.truncate(PICTURES);
    drawn
}

fn scatter(study: &Study, drawn: &Drawn<'_>) -> Markup {
    let points: Vec<(usize, f64, f64)> = drawn
        .scores
        .iter()
        .zip(&study.architectures)
        .enumerate()
        .filter_map(|(place, (score, judged))| Some((place, (*score)?, judged.truth)))
        .collect();
    let k = drawn.quality.top.map_or(0, |top| top.k);
    let mut by_score: Vec<f64> = points.iter().map(|(_, score, _)| *score).collect();
    by_score.sort_by(|a, b| b.total_cmp(a));
    let least_of_top = by_score.get(k.saturating_sub(1)).copied().unwrap_or(f64::INFINITY);
    let plot = Plot::new(
        Scale::around(points.iter().map(|(_, score, _)| *score)),
        Scale::around(points.iter().map(|(.., truth)| *truth)),
        ("accuracy under the budget", "accuracy under full training"),
        format!("Accuracy of each architecture under {} and under full training", drawn.title),
    );
    let radius = if points.len() > 300 { 3.5 } else { 5.5 };
    html! {
        figure {
            h3 { (drawn.title) }
            figcaption {
                "r_s " (optional(&format!("{}/spearman", drawn.at), drawn.quality.spearman, three))
                " (95% interval " (interval(&format!("{}/interval", drawn.at), drawn.quality.interval, three)) "), "
                (number(&format!("{}/architectures", drawn.at), drawn.quality.architectures as f64,
                    &drawn.quality.architectures.to_string())) " architectures"
            }
            (plot.draw(&html! {
                @for (place, score, truth) in points {
                    circle.mark.top[score >= least_of_top] cx=(plot.at_x(score)) cy=(plot.at_y(truth)) r=(radius)
                        data-of={ "a" (place) } data-x=(score) data-y=(truth) {
                        title { "architecture " (place) ": " (percent(score)) " under the budget, " (percent(truth)) " fully" }
                    }
                }
            }))
        }
    }
}

fn table(study: &Study, drawn: &[Drawn<'_>]) -> Table {
    let mut headings = vec![("number", Holds::Numbers), ("full training", Holds::Numbers)];
    headings.extend(drawn.iter().map(|one| (one.title.as_str(), Holds::Numbers)));
    headings.push(("architecture", Holds::Genotypes));
    let mut table = Table::new("architectures", &headings);
    let mut order: Vec<usize> = (0..study.architectures.len()).collect();
    order.sort_by(|&a, &b| study.architectures[b].truth.total_cmp(&study.architectures[a].truth));
    for place in order {
        let judged = &study.architectures[place];
        let at = format!("/study/architectures/{place}");
        let mut cells = vec![
            html! { span.index { (place) } },
            number(&format!("{at}/truth"), judged.truth, &format!("{:.2}", judged.truth)),
        ];
        cells.extend(drawn.iter().map(|one| {
            one.scores.get(place).copied().flatten().map_or_else(
                || html! { (NONE) },
                |score| number(&format!("{}/scores/{place}", one.at), score, &format!("{score:.2}")),
            )
        }));
        cells.push(html! { (judged.name) });
        table.rows.push((cells, Some(format!("a{place}"))));
    }
    table
}
