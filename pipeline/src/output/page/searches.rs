//! Searches: what each had found at which cost, how good all that it met was, and how a supernet's architecture went.

use maud::{Markup, html};

use super::number::{count, number, optional, percent, three, words};
use super::plot::{Plot, Px, Scale, corners, key};
use super::table::{Holds, Table};
use super::{Section, section};
use crate::output::format;
use crate::report::{Report, SearchStory, SupernetStory};

/// Edges of a cell, node by node: as many as a node has inputs.
const NODE_INPUTS: [usize; 4] = [2, 3, 4, 5];

pub(super) fn searches(report: &Report) -> Option<Section> {
    let met: Vec<(usize, &SearchStory)> =
        report.searches.iter().enumerate().filter(|(_, search)| !search.evaluations.is_empty()).collect();
    if met.is_empty() {
        return None;
    }
    let strategies = strategies(&report.searches);
    let entries = strategies.iter().enumerate().map(|(place, strategy)| (line_class(place), *strategy));
    Some(section(
        "searches",
        "Searches",
        html! {
            p.note {
                "Scores are those under the search's budget"
                @if met.iter().any(|(_, search)| Unit::of(search) == Unit::Score) { ", by which it chooses" }
                "; what they are worth, full training says."
            }
            @for (place, search) in &met {
                (combination(*place, search))
            }
            (key(entries))
            div.figures {
                @for unit in [Unit::Score, Unit::MeanPlace] {
                    @let going_by: Vec<(usize, &SearchStory)> =
                        met.iter().copied().filter(|(_, search)| Unit::of(search) == unit).collect();
                    @if !going_by.is_empty() { (incumbents(&going_by, &strategies, unit)) }
                }
                (ecdf(&met, &strategies))
            }
            (table(&met).closed("The evaluations as a table"))
        },
    ))
}

/// The strategies, each once, in the order of the searches.
fn strategies(searches: &[SearchStory]) -> Vec<&str> {
    let mut known: Vec<&str> = Vec::new();
    for search in searches {
        if !known.contains(&search.strategy.as_str()) {
            known.push(&search.strategy);
        }
    }
    known
}

fn line_class(place: usize) -> String {
    format!("c{} d{}", place % 7, place / 7)
}

/// By what searches choose: they share a plot with others that choose by the same.
#[derive(Clone, Copy, PartialEq)]
enum Unit {
    Score,
    MeanPlace,
}

impl Unit {
    fn of(search: &SearchStory) -> Self {
        if search.combination.is_some() { Self::MeanPlace } else { Self::Score }
    }
}

/// What a search chose by, where that was more than the score.
fn combination(place: usize, search: &SearchStory) -> Markup {
    let Some(combination) = &search.combination else { return html! {} };
    let at = |field: &str| format!("/searches/{place}/combination/{field}");
    html! {
        p.note {
            code { (search.node) } " chose by more than the score: by the percentage that an architecture beats of "
            (count(&at("reference"), combination.reference)) " sampled ones, on average over "
            @for (number, ingredient) in combination.ingredients.iter().enumerate() {
                @if number > 0 { ", " }
                code { (words(&at(&format!("ingredients/{number}")), ingredient)) }
            }
            ". Equal ones are told apart by the score."
        }
    }
}

/// The best so far over FLOPs: a line a search, and a band over the searches of a strategy with several seeds.
fn incumbents(met: &[(usize, &SearchStory)], strategies: &[&str], unit: Unit) -> Markup {
    let (axis, title) = match unit {
        Unit::Score => ("best score so far (%)", "Best score so far over the cost of each search"),
        Unit::MeanPlace => {
            ("best mean place so far (%)", "Best mean place so far over the cost of each search")
        }
    };
    let all = || met.iter().flat_map(|(_, search)| &search.evaluations);
    let plot = Plot::new(
        Scale::of_costs(all().map(|evaluation| evaluation.flops)),
        Scale::around(all().map(|evaluation| evaluation.best)),
        ("FLOPs of training", axis),
        title,
    );
    let line = |search: &SearchStory| -> Vec<(f64, f64)> {
        search.evaluations.iter().map(|evaluation| (evaluation.flops, evaluation.best)).collect()
    };
    html! {
        figure {
            h3 { "Best so far, over cost" }
            (plot.draw(&html! {
                @for (place, strategy) in strategies.iter().enumerate() {
                    @let lines: Vec<Vec<(f64, f64)>> = met.iter().filter(|(_, search)| search.strategy == *strategy)
                        .map(|(_, search)| line(search)).collect();
                    @if lines.len() > 1 {
                        polygon class={ "band f" (place % 7) } points=(band(&plot, &lines)) {}
                    }
                    @for line in &lines {
                        polyline class={ "curve " (line_class(place)) } points=(plot.steps(line)) { title { (strategy) } }
                        @if line.len() == 1 {
                            circle class={ "f" (place % 7) } cx=(plot.at_x(line[0].0)) cy=(plot.at_y(line[0].1)) r="5" { title { (strategy) } }
                        }
                    }
                }
            }))
        }
    }
}

/// From the worst to the best of some searches, wherever each has found something.
fn band(plot: &Plot, lines: &[Vec<(f64, f64)>]) -> String {
    let mut costs: Vec<f64> = lines.iter().flatten().map(|(cost, _)| *cost).collect();
    costs.sort_by(f64::total_cmp);
    costs.dedup();
    let at = |line: &Vec<(f64, f64)>, cost: f64| {
        line.iter().take_while(|(known, _)| *known <= cost).last().map(|(_, score)| *score)
    };
    let (mut low, mut high) = (Vec::new(), Vec::new());
    for cost in costs {
        let values: Vec<f64> = lines.iter().filter_map(|line| at(line, cost)).collect();
        if values.len() == lines.len() {
            low.push((cost, values.iter().copied().fold(f64::INFINITY, f64::min)));
            high.push((cost, values.iter().copied().fold(f64::NEG_INFINITY, f64::max)));
        }
    }
    let (high, low) = (corners(&high), corners(&low));
    plot.line(high.into_iter().chain(low.into_iter().rev()))
}

/// Which share of what each strategy met scores at most so much.
fn ecdf(met: &[(usize, &SearchStory)], strategies: &[&str]) -> Markup {
    let scores = |strategy: &str| {
        let of = met.iter().filter(|(_, search)| search.strategy == strategy);
        let mut scores: Vec<f64> = of
            .flat_map(|(_, search)| &search.evaluations)
            .filter(|evaluation| !evaluation.diverged)
            .map(|evaluation| evaluation.score)
            .collect();
        scores.sort_by(f64::total_cmp);
        scores
    };
    let all: Vec<Vec<f64>> = strategies.iter().map(|strategy| scores(strategy)).collect();
    let plot = Plot::new(
        Scale::around(all.iter().flatten().copied()),
        Scale::Linear { low: 0.0, high: 1.0 },
        ("score under the budget (%)", "share of what it met"),
        "Distribution of the scores that each strategy met",
    );
    html! {
        figure {
            h3 { "How good what it met was" }
            (plot.draw(&html! {
                @for (place, scores) in all.iter().enumerate() {
                    @let share = |number: usize| (number + 1) as f64 / scores.len() as f64;
                    @let steps: Vec<(f64, f64)> = scores.first().map(|first| (*first, 0.0)).into_iter()
                        .chain(scores.iter().enumerate().map(|(number, score)| (*score, share(number)))).collect();
                    polyline class={ "curve " (line_class(place)) } points=(plot.steps(&steps)) { title { (strategies[place]) } }
                    @if let [only] = scores.as_slice() {
                        circle class={ "f" (place % 7) } cx=(plot.at_x(*only)) cy=(plot.at_y(1.0)) r="5" { title { (strategies[place]) } }
                    }
                }
            }))
        }
    }
}

fn table(met: &[(usize, &SearchStory)]) -> Table {
    let mut headings = vec![
        ("search", Holds::Words),
        ("strategy", Holds::Words),
        ("score", Holds::Numbers),
        ("best so far", Holds::Numbers),
        ("FLOPs so far", Holds::Numbers),
        ("architecture", Holds::Genotypes),
    ];
    let some_combine = met.iter().any(|(_, search)| search.combination.is_some());
    if some_combine {
        headings.insert(3, ("mean place", Holds::Numbers));
    }
    let mut table = Table::new("evaluations", &headings);
    for (number_of, search) in met {
        for (place, evaluation) in search.evaluations.iter().enumerate() {
            let at = |field: &str| format!("/searches/{number_of}/evaluations/{place}/{field}");
            let mut cells = vec![
                html! { code { (search.node) } },
                html! { (search.strategy) },
                if evaluation.diverged {
                    html! { "diverged" }
                } else {
                    number(&at("score"), evaluation.score, &percent(evaluation.score))
                },
                number(&at("best"), evaluation.best, &percent(evaluation.best)),
                number(&at("flops"), evaluation.flops, &format::large(evaluation.flops, "")),
                html! { (evaluation.genotype) },
            ];
            if some_combine {
                cells.insert(3, optional(&at("mean_place"), evaluation.mean_place, percent));
            }
            table.rows.push((cells, None));
        }
    }
    table
}

pub(super) fn supernets(report: &Report) -> Option<Section> {
    let trained: Vec<(usize, &SearchStory, &SupernetStory)> = report
        .searches
        .iter()
        .enumerate()
        .filter_map(|(place, search)| Some((place, search, search.supernet.as_ref()?)))
        .filter(|(.., supernet)| !supernet.normal.is_empty())
        .collect();
    let &(first_place, _, first) = trained.first()?;
    let operations = first.operations.iter().enumerate().map(|(place, name)| (line_class(place), *name));
    Some(section(
        "supernets",
        "Supernets: the weight of each operation, epoch by epoch",
        html! {
            p.note {
                "A picture an edge of the cell, from an input (0 and 1 are the cells before) to a node; a line an operation, a softmax over \
                 those that the edge still has. All of a cell are drawn to one scale, which the first names: where it is \
                 narrow, nothing has been decided."
            }
            (key(operations))
            @for (place, search, supernet) in &trained {
                details open[*place == first_place && supernet.normal.len() > 1] {
                    summary { (search.strategy) ", " code { (search.node) } }
                    @if supernet.normal.len() > 1 {
                        h3 { "Normal cell" }
                        (edges(&supernet.normal))
                        h3 { "Reduction cell" }
                        (edges(&supernet.reduce))
                    } @else {
                        p.note { "It was trained for one epoch, which has no course to draw." }
                    }
                    (epochs(*place, supernet))
                }
            }
        },
    ))
}

fn epochs(place: usize, supernet: &SupernetStory) -> Markup {
    let headings = [
        ("epoch", Holds::Numbers),
        ("loss", Holds::Numbers),
        ("accuracy", Holds::Numbers),
        ("skips in the normal cell", Holds::Numbers),
    ];
    let mut table = Table::new(format!("epochs-{place}"), &headings);
    for (epoch, loss) in supernet.loss.iter().enumerate() {
        let at = |field: &str| format!("/searches/{place}/supernet/{field}/{epoch}");
        let cells = vec![
            html! { span.index { (epoch + 1) } },
            number(&at("loss"), *loss, &format!("{loss:.3}")),
            number(&at("accuracy"), supernet.accuracy[epoch], &percent(supernet.accuracy[epoch])),
            number(&at("skips"), supernet.skips[epoch], &format::percent(supernet.skips[epoch])),
        ];
        table.rows.push((cells, None));
    }
    table.closed("Its epochs as a table")
}

/// Small pictures, an edge each.
fn edges(weights: &[Vec<Vec<f64>>]) -> Markup {
    const WIDTH: f64 = 168.0;
    const HEIGHT: f64 = 104.0;
    let names: Vec<(usize, usize)> = NODE_INPUTS
        .iter()
        .enumerate()
        .flat_map(|(node, inputs)| (0..*inputs).map(move |input| (input, node + 2)))
        .collect();
    let columns = 5;
    let rows = names.len().div_ceil(columns);
    let last = weights.len().saturating_sub(1).max(1) as f64;
    let (width, height) = (WIDTH * columns as f64, HEIGHT * rows as f64);
    let x =
        |column: usize, epoch: usize| Px(column as f64 * WIDTH + 12.0 + epoch as f64 / last * (WIDTH - 24.0));
    // One scale for all, as wide as the weights lie apart.
    let all = || weights.iter().flatten().flatten().copied();
    let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
    let span = (high - low).max(1e-6);
    let y = |row: usize, weight: f64| Px(row as f64 * HEIGHT + 92.0 - (weight - low) / span * 66.0);
    html! {
        div.wide {
            svg.plot.full viewBox={ "0 0 " (width) " " (height) } role="img" aria-label="Weight of each operation on each edge, by epoch" {
                @for (edge, (input, node)) in names.iter().enumerate() {
                    @let (row, column) = (edge / columns, edge % columns);
                    text.tick x=(x(column, 0)) y=(Px(row as f64 * HEIGHT + 15.0)) {
                        (input) " → " (node)
                        @if edge == 0 { " (" (three(low)) " to " (three(high)) ")" }
                    }
                    polyline.axis points={ (x(column, 0)) "," (y(row, high)) " " (x(column, 0)) "," (y(row, low)) " "
                        (Px(x(column, 0).0 + WIDTH - 24.0)) "," (y(row, low)) } {}
                    @for operation in 0..weights.first().and_then(|epoch| epoch.get(edge)).map_or(0, Vec::len) {
                        @let points: Vec<String> = weights.iter().enumerate().map(|(epoch, edges)| {
                            format!("{:.1},{:.1}", x(column, epoch).0, y(row, edges[edge][operation]).0)
                        }).collect();
                        polyline class={ "curve " (line_class(operation)) } points=(points.join(" ")) {}
                    }
                }
            }
        }
    }
}
