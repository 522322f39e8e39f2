//! Minimum importance pruning as it happened: what each round tried, thought important, and fixed.

use maud::{Markup, html};

use super::budgets::some_dropped;
use super::number::{count, optional, three, words};
use super::plot::{Plot, Scale, key};
use super::table::{Holds, Table};
use super::{Section, section};
use crate::report::{Report, Study};

pub(super) fn rounds(report: &Report) -> Option<Section> {
    let study = report.study.as_ref().filter(|study| !study.rounds.is_empty())?;
    Some(section(
        "rounds",
        "Pruning, round by round",
        html! {
            p.note {
                "Each round tries budgets, fits a forest to all " (study.objective.symbol()) " so far, and fixes the least important hyper-parameter: to its \
                 cheapest value where its importance is small, else to that of the best budget."
            }
            @if let Some(race) = &study.race {
                p.note {
                    "The budgets raced: " (count("/study/race/dropped", race.dropped)) " of "
                    (count("/study/matrix/of", study.budgets.len() as u64)) " were dropped before they were tried on all architectures, so that "
                    (count("/study/race/trainings", race.trainings)) " trainings stand in the place of "
                    (count("/study/race/trainings_of_all", race.trainings_of_all)) "."
                }
            }
            div.figures {
                @if study.budgets.iter().any(|budget| budget.round.is_some()) { (tried(study)) }
                @if study.rounds.len() > 1 { (importances(study)) }
            }
            (table(study).open())
        },
    ))
}

/// Every budget in the order of trying, and the best so far.
fn tried(study: &Study) -> Markup {
    let known: Vec<(usize, f64)> = study
        .budgets
        .iter()
        .enumerate()
        .filter_map(|(place, budget)| Some((place, budget.agreement?)))
        .collect();
    let symbol = study.objective.symbol();
    let plot = Plot::new(
        Scale::Linear { low: -0.5, high: study.budgets.len() as f64 - 0.5 },
        Scale::around(known.iter().map(|(_, agreement)| *agreement)),
        ("budgets in the order of trying", &format!("{symbol} with full training")),
        "Agreement with full training of each budget in the order of trying",
    );
    let mut best = f64::NEG_INFINITY;
    let mut incumbents = Vec::new();
    let is_dropped = |place: usize| study.budgets[place].dropped_after.is_some();
    for (place, agreement) in known.iter().filter(|(place, _)| !is_dropped(*place)) {
        best = best.max(*agreement);
        incumbents.push((*place as f64, best));
    }
    let mut begins = Vec::new();
    for round in &study.rounds {
        if round.tried < study.budgets.len() {
            begins.push(round.tried as f64 - 0.5);
        }
    }
    html! {
        figure {
            h3 { "Budgets tried" }
            (plot.draw(&html! {
                @for begin in begins {
                    line.zero x1=(plot.at_x(begin)) x2=(plot.at_x(begin)) y1="14" y2=(plot.height - 52.0) {}
                }
                polyline.front points=(plot.steps(&incumbents)) {}
                @for (place, agreement) in known {
                    circle.mark.off[is_dropped(place)] cx=(plot.at_x(place as f64)) cy=(plot.at_y(agreement)) r="5" data-of={ "b" (place) }
                        data-x=(place) data-y=(agreement) {
                        title { (study.budgets[place].name) ": " (symbol) " " (three(agreement)) }
                    }
                }
            }))
            p.note {
                "Line: the best so far. Dashes: where a round ends."
                @if some_dropped(study) { " Grey: dropped by racing." }
            }
        }
    }
}

fn importances(study: &Study) -> Markup {
    let names: Vec<&String> =
        study.rounds.iter().flat_map(|round| &round.fixed).map(|fixed| &fixed.hyperparameter).collect();
    let plot = Plot::new(
        Scale::Names((1..=study.rounds.len()).map(|round| round.to_string()).collect()),
        Scale::Linear { low: 0.0, high: 1.0 },
        ("round", "importance"),
        "Importance of each hyper-parameter by round",
    );
    let values = |name: &String| -> Vec<(f64, f64)> {
        let share = |round: &crate::report::PruningRound| round.importances.get(name).copied().flatten();
        study
            .rounds
            .iter()
            .enumerate()
            .filter_map(|(place, round)| Some((place as f64, share(round)?)))
            .collect()
    };
    let fixed_in = |name: &String| {
        study.rounds.iter().position(|round| round.fixed.iter().any(|fixed| fixed.hyperparameter == *name))
    };
    let class = |number: usize| format!("c{} d{}", number % 6, number / 6);
    html! {
        figure {
            h3 { "Importance" }
            (plot.draw(&html! {
                @for (number, name) in names.iter().enumerate() {
                    @let line = values(name);
                    polyline class={ "curve " (class(number)) } points=(plot.line(line.iter().copied())) { title { (name) } }
                    @for (round, share) in line {
                        circle class={ "f" (number % 6) } cx=(plot.at_x(round)) cy=(plot.at_y(share))
                            r=(if fixed_in(name).is_some_and(|fixed| fixed as f64 == round) { 5.5 } else { 2.5 }) {
                            title { (name) ", round " (round + 1.0) ": " (three(share)) }
                        }
                    }
                }
            }))
            (key(names.iter().enumerate().map(|(number, name)| (class(number), name.as_str()))))
            p.note { "Large: where it was fixed." }
        }
    }
}

fn table(study: &Study) -> Table {
    let mut headings = vec![("hyper-parameter".to_owned(), Holds::Words)];
    headings.extend((1..=study.rounds.len()).map(|round| (format!("round {round}"), Holds::Numbers)));
    headings.extend([("fixed to".to_owned(), Holds::Words), ("why".to_owned(), Holds::Words)]);
    let headings: Vec<(&str, Holds)> = headings.iter().map(|(text, holds)| (text.as_str(), *holds)).collect();
    let mut table = Table::new("rounds-table", &headings);
    for (number, round) in study.rounds.iter().enumerate() {
        for (place, fixed) in round.fixed.iter().enumerate() {
            let mut cells = vec![html! { (fixed.hyperparameter) }];
            cells.extend(study.rounds.iter().enumerate().map(|(number, round)| {
                let share = round.importances.get(&fixed.hyperparameter).copied().flatten();
                let at = format!("/study/rounds/{number}/importances/{}", fixed.hyperparameter);
                optional(&at, share, three)
            }));
            let at = format!("/study/rounds/{number}/fixed/{place}/value");
            cells.push(html! { (words(&at, &fixed.value)) });
            cells.push(html! { (fixed.reason.words()) ", in round " span.index { (number + 1) } });
            table.rows.push((cells, None));
        }
    }
    let mut cells = vec![html! { "budgets tried so far" }];
    cells.extend(
        study
            .rounds
            .iter()
            .enumerate()
            .map(|(number, round)| count(&format!("/study/rounds/{number}/tried"), round.tried as u64)),
    );
    cells.extend([html! {}, html! {}]);
    table.rows.push((cells, None));
    table
}
