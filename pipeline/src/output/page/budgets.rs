//! Every budget at its cost, and the front (Table 1 of Zheng et al.); and all of them side by side, hyper-parameter by
//! hyper-parameter.

use maud::{Markup, html};
use stages::mip::Objective;

use super::number::{count, interval, optional, three, words};
use super::plot::{Plot, Px, Scale, key, ninth};
use super::table::{Holds, Table};
use super::{Section, section};
use crate::output::format;
use crate::report::{JudgedBudget, Report, Study};

pub(super) fn budgets(report: &Report) -> Option<Section> {
    let study = report.study.as_ref().filter(|study| !study.budgets.is_empty())?;
    let has_cost = study.budgets.iter().any(|budget| budget.cost.is_some());
    Some(section(
        "budgets",
        "What a budget costs, and how well it ranks",
        html! {
            p.note {
                "The line joins the budgets that none is both cheaper and better than. Bars are 95% intervals by bootstrap over the \
                 architectures: where they overlap, the difference may be luck, and the highest of many is too high by luck."
            }
            @if some_dropped(study) {
                p.note {
                    "Grey: dropped by racing, so that its " (study.objective.symbol()) " and its cost are of the first architectures only. \
                     It is on no front, and never found."
                }
            }
            div.figures {
                @if has_cost { (cost_plot(study)) }
                (parallel(study))
            }
            (table(study).closed("The budgets as a table"))
        },
    ))
}

pub(super) fn some_dropped(study: &Study) -> bool {
    study.budgets.iter().any(|budget| budget.dropped_after.is_some())
}

fn cost_plot(study: &Study) -> Markup {
    let known: Vec<(usize, f64, f64, &JudgedBudget)> = study
        .budgets
        .iter()
        .enumerate()
        .filter_map(|(place, budget)| Some((place, budget.cost?, budget.agreement?, budget)))
        .collect();
    let (objective, symbol) = (study.objective, study.objective.symbol());
    let ends = known.iter().flat_map(|(_, _, agreement, budget)| {
        let (low, high) = objective.interval(&budget.quality).unwrap_or((*agreement, *agreement));
        [low, high]
    });
    let plot = Plot::new(
        Scale::of_costs(known.iter().map(|(_, cost, ..)| *cost)),
        Scale::around(ends),
        (&format!("cost of a training ({})", study.cost_unit), &format!("{symbol} with full training")),
        "Cost and agreement with full training of every budget, with the front",
    );
    let of = |place: &usize| Some((study.budgets[*place].cost?, study.budgets[*place].agreement?));
    let mut front: Vec<(f64, f64)> = study.front.iter().filter_map(of).collect();
    // Dearer budgets add nothing to the last one of the front.
    if let (Some(&(_, best)), Some(dearest)) =
        (front.last(), known.iter().map(|(_, cost, ..)| *cost).reduce(f64::max))
    {
        front.push((dearest, best));
    }
    html! {
        figure {
            h3 { "Cost against " (symbol) }
            (plot.draw(&html! {
                @for (_, cost, _, budget) in &known {
                    @if let Some((low, high)) = objective.interval(&budget.quality) {
                        line.whisker x1=(plot.at_x(*cost)) x2=(plot.at_x(*cost)) y1=(plot.at_y(low)) y2=(plot.at_y(high)) {}
                    }
                }
                polyline.front points=(plot.steps(&front)) {}
                @for (place, cost, agreement, budget) in &known {
                    circle.mark.top[study.front.contains(place)].off[budget.dropped_after.is_some()] cx=(plot.at_x(*cost)) cy=(plot.at_y(*agreement)) r="5"
                        data-of={ "b" (place) } data-x=(cost) data-y=(agreement) {
                        title { (budget.name) ": " (symbol) " " (three(*agreement)) ", cost " (format::significant(*cost)) }
                    }
                    @if study.found == Some(*place) {
                        circle.mark.found cx=(plot.at_x(*cost)) cy=(plot.at_y(*agreement)) r="9.5" {}
                    }
                }
            }))
            p.note { "Orange: on the front. Ring: the budget found." }
        }
    }
}

/// Parallel coordinates: a line a budget, through its value of each hyper-parameter and its agreement with full training.
fn parallel(study: &Study) -> Markup {
    let symbol = study.objective.symbol();
    let axes: Vec<usize> = (0..study.hyperparameters.len())
        .filter(|&axis| study.hyperparameters[axis].levels.len() > 1)
        .collect();
    if axes.is_empty() {
        return html! {};
    }
    const WIDTH: f64 = 640.0;
    const HEIGHT: f64 = 350.0;
    let (top, bottom) = (48.0, HEIGHT - 18.0);
    let x = |number: usize| Px(52.0 + number as f64 * (WIDTH - 104.0) / axes.len() as f64);
    let y_level = |axis: usize, level: usize| {
        let count = study.hyperparameters[axis].levels.len();
        Px(bottom - (level as f64 + 0.5) / count as f64 * (bottom - top))
    };
    let scale = Plot::new(
        Scale::Linear { low: 0.0, high: 1.0 },
        Scale::around(study.budgets.iter().filter_map(|budget| budget.agreement)),
        ("", ""),
        "",
    );
    let Scale::Linear { low, high } = scale.y else { return html! {} };
    let y_agreement = |agreement: f64| Px(bottom - (agreement - low) / (high - low) * (bottom - top));
    let mut lines: Vec<(usize, f64, String)> = Vec::new();
    for (place, budget) in study.budgets.iter().enumerate() {
        let Some(agreement) = budget.agreement else { continue };
        // Lines of one value are apart by their place, so that they can be told from each other.
        let apart = (place as f64 / study.budgets.len().max(1) as f64 - 0.5) * 14.0;
        let mut points = Vec::new();
        for (number, &axis) in axes.iter().enumerate() {
            if let Some(level) = budget.levels.get(axis).copied().flatten() {
                points.push(format!("{:.1},{:.1}", x(number).0, y_level(axis, level).0 + apart));
            }
        }
        points.push(format!("{:.1},{:.1}", x(axes.len()).0, y_agreement(agreement).0));
        lines.push((place, agreement, points.join(" ")));
    }
    // Correlations have colours of their own; other numbers are coloured by where they lie among those of the budgets.
    let is_correlation = matches!(study.objective, Objective::Spearman | Objective::Kendall);
    let colour = |agreement: f64| {
        if is_correlation { agreement } else { 2.0 * (agreement - low) / (high - low) - 1.0 }
    };
    // The best ones are drawn last, over the others.
    lines.sort_by(|a, b| a.1.total_cmp(&b.1));
    html! {
        figure {
            h3 { "Hyper-parameters side by side" }
            div.wide {
                svg.plot.full viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img"
                    aria-label="A line for each budget, through its value of each hyper-parameter and its agreement with full training" {
                    @for (number, &axis) in axes.iter().enumerate() {
                        line.axis x1=(x(number)) x2=(x(number)) y1=(Px(top)) y2=(Px(bottom)) {}
                        text.title x=(x(number)) y=(Px(if number % 2 == 0 { 14.0 } else { 32.0 })) text-anchor="middle" {
                            (study.hyperparameters[axis].name)
                        }
                    }
                    line.axis x1=(x(axes.len())) x2=(x(axes.len())) y1=(Px(top)) y2=(Px(bottom)) {}
                    text.title x=(x(axes.len())) y="14" text-anchor="middle" { (symbol) }
                    @for (place, agreement, points) in &lines {
                        polyline class={ "curve p" (ninth(colour(*agreement))) } points=(points) data-of={ "b" (place) } {
                            title { (study.budgets[*place].name) ": " (symbol) " " (three(*agreement)) }
                        }
                    }
                    @for (number, &axis) in axes.iter().enumerate() {
                        @for (level, told) in study.hyperparameters[axis].levels.iter().enumerate() {
                            text.tick x=(Px(x(number).0 + 5.0)) y=(Px(y_level(axis, level).0 + 4.0)) { (told.value) }
                        }
                    }
                    @for (value, text) in scale.y.ticks() {
                        text.tick x=(Px(x(axes.len()).0 + 6.0)) y=(Px(y_agreement(value).0 + 4.0)) { (text) }
                    }
                }
            }
            @if is_correlation {
                (key([("p8", "near 1"), ("p6", "0.5"), ("p4", "0"), ("p1", "below")].map(|(class, text)| (class.to_owned(), text))))
            } @else {
                (key([("p8".to_owned(), "the best"), ("p4".to_owned(), "in the middle"), ("p0".to_owned(), "the worst")]))
            }
        }
    }
}

fn table(study: &Study) -> Table {
    let has_rounds = study.budgets.iter().any(|budget| budget.round.is_some());
    let some_diverged = study.budgets.iter().any(|budget| budget.diverged > 0);
    let some_dropped = some_dropped(study);
    let mut headings = vec![("number", Holds::Numbers)];
    if has_rounds {
        headings.push(("round", Holds::Numbers));
    }
    headings.extend([
        ("cost", Holds::Numbers),
        ("r_s", Holds::Numbers),
        ("95% interval", Holds::Words),
        ("tau-b", Holds::Numbers),
        ("95% interval", Holds::Words),
        ("precision at the top", Holds::Numbers),
        ("regret", Holds::Numbers),
        ("gain over random ones", Holds::Numbers),
        ("95% interval", Holds::Words),
    ]);
    if some_diverged {
        headings.push(("diverged", Holds::Numbers));
    }
    if some_dropped {
        headings.push(("dropped after architectures", Holds::Numbers));
    }
    headings.push(("budget", Holds::Words));
    let mut table = Table::new("budget-table", &headings);
    let mut order: Vec<usize> = (0..study.budgets.len()).collect();
    let agreement = |place: usize| study.budgets[place].agreement.unwrap_or(f64::NEG_INFINITY);
    // What racing dropped comes last, for its agreement is that on fewer architectures.
    let is_dropped = |place: usize| study.budgets[place].dropped_after.is_some();
    order.sort_by(|&a, &b| is_dropped(a).cmp(&is_dropped(b)).then(agreement(b).total_cmp(&agreement(a))));
    for place in order {
        let budget = &study.budgets[place];
        let at = |field: &str| format!("/study/budgets/{place}/{field}");
        let (quality, top) = (&budget.quality, budget.quality.top);
        let mut cells = vec![html! { span.index { (place) } }];
        if has_rounds {
            cells.push(optional(&at("round"), budget.round.map(|round| round as f64), |round| {
                format!("{round}")
            }));
        }
        let cost = |cost: f64| {
            if study.budgets.iter().all(|budget| budget.round.is_some()) {
                format::percent(cost)
            } else {
                format::significant(cost)
            }
        };
        cells.extend([
            optional(&at("cost"), budget.cost, cost),
            optional(&at("spearman"), quality.spearman, three),
            interval(&at("interval"), quality.interval, three),
            optional(&at("kendall"), quality.kendall, three),
            interval(&at("kendall_interval"), quality.kendall_interval, three),
            optional(&at("top/precision"), top.map(|top| top.precision), three),
            optional(&at("top/regret"), top.map(|top| top.regret), format::significant),
            optional(&at("top/over_random"), top.map(|top| top.over_random), format::signed),
            interval(
                &at("top/over_random_interval"),
                top.and_then(|top| top.over_random_interval),
                format::signed,
            ),
        ]);
        if some_diverged {
            cells.push(count(&at("diverged"), budget.diverged as u64));
        }
        if some_dropped {
            cells.push(optional(&at("dropped_after"), budget.dropped_after.map(f64::from), |after| {
                format::count(after as u64)
            }));
        }
        cells.push(html! { code { (words(&at("name"), &budget.name)) } });
        table.rows.push((cells, Some(format!("b{place}"))));
    }
    table
}
