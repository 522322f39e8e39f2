//! Which hyper-parameters matter for the ranking (Fig. 4 of Zheng et al.), and how each of their values does.

use maud::{Markup, html};

use super::number::{count, interval, optional, three};
use super::plot::{Plot, Px, Scale};
use super::table::{Holds, Table};
use super::{Section, section};
use crate::report::{Hyperparameter, Report, Study};

pub(super) fn importance(report: &Report) -> Option<Section> {
    let study = report.study.as_ref().filter(|study| !study.hyperparameters.is_empty())?;
    Some(section(
        "importance",
        "Which hyper-parameters matter",
        html! {
            p.note {
                "Shares of what explains " (study.objective.symbol()) " over all budgets that were tried, measured in three ways; bars carry what 95% of bootstrap \
                 samples of the budgets span. Where the three name different ones, none should be believed alone."
                @if let [only] = observed(study).as_slice() {
                    " " strong { "Only " (only) " was varied, and has the whole share whatever it does." }
                }
                @if let Some(said) = disagreement(study) { " " strong { (said) } }
            }
            div.figures { (bars(study)) }
            (table(study).closed("Importances as a table"))
            h3 { (study.objective.symbol()) " by value" }
            p.note {
                "Points are budgets with that value, the line is their mean. Budgets differ in their other values too, so a slope here \
                 is a hint and no effect."
            }
            div.figures.smaller {
                @for (number, axis) in study.hyperparameters.iter().enumerate() { (curve(study, number, axis)) }
            }
            (levels(study).closed("Values as a table"))
        },
    ))
}

/// The hyper-parameters that have an importance.
fn observed(study: &Study) -> Vec<&str> {
    let observed = study.hyperparameters.iter().filter(|axis| axis.shares.importance.is_some());
    observed.map(|axis| axis.name.as_str()).collect()
}

/// Whether the three measures put different hyper-parameters first.
fn disagreement(study: &Study) -> Option<String> {
    let first = |share: fn(&Hyperparameter) -> Option<f64>| {
        let told = study.hyperparameters.iter().filter_map(|axis| Some((share(axis)?, axis.name.as_str())));
        told.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
    };
    let (forest, fanova, ped) = (
        first(|axis| axis.shares.importance)?,
        first(|axis| axis.shares.fanova)?,
        first(|axis| axis.shares.ped_anova)?,
    );
    (forest != fanova || forest != ped).then(|| {
        format!("They disagree here: the forest puts {forest} first, fANOVA {fanova}, PED-ANOVA {ped}.")
    })
}

fn bars(study: &Study) -> Markup {
    let mut order: Vec<usize> = (0..study.hyperparameters.len()).collect();
    let share = |place: usize| study.hyperparameters[place].shares.importance.unwrap_or(-1.0);
    order.sort_by(|&a, &b| share(b).total_cmp(&share(a)));
    const ROW: f64 = 34.0;
    let (width, left, right) = (620.0, 128.0, 20.0);
    let height = 40.0 + order.len() as f64 * ROW;
    let x = |share: f64| Px(left + share.clamp(0.0, 1.0) * (width - left - right));
    html! {
        figure {
            h3 { "Importance" }
            svg.plot viewBox={ "0 0 " (width) " " (height) } role="img" aria-label="Importance of each hyper-parameter" {
                @for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
                    line.grid x1=(x(tick)) x2=(x(tick)) y1="4" y2=(Px(height - 30.0)) {}
                    text.tick x=(x(tick)) y=(Px(height - 12.0)) text-anchor="middle" { (tick) }
                }
                @for (number, &place) in order.iter().enumerate() {
                    @let axis = &study.hyperparameters[place];
                    @let middle = 6.0 + (number as f64 + 0.5) * ROW;
                    text.title x=(Px(left - 8.0)) y=(Px(middle + 4.0)) text-anchor="end" { (axis.name) }
                    @if let Some(share) = axis.shares.importance {
                        rect.f0 x=(x(0.0)) y=(Px(middle - 9.0)) width=(Px(x(share).0 - x(0.0).0)) height="18" fill-opacity=".8" rx="2" {
                            title { (axis.name) ": " (three(share)) " of the forest's splits" }
                        }
                    } @else {
                        text.tick x=(Px(left + 6.0)) y=(Px(middle + 4.0)) { "not observed" }
                    }
                    @if let Some((low, high)) = axis.shares.spread {
                        line.axis x1=(x(low)) x2=(x(high)) y1=(Px(middle)) y2=(Px(middle)) {}
                        line.axis x1=(x(low)) x2=(x(low)) y1=(Px(middle - 4.0)) y2=(Px(middle + 4.0)) {}
                        line.axis x1=(x(high)) x2=(x(high)) y1=(Px(middle - 4.0)) y2=(Px(middle + 4.0)) {}
                    }
                    @if let Some(share) = axis.shares.fanova {
                        circle.mark.top cx=(x(share)) cy=(Px(middle)) r="5" { title { "fANOVA: " (three(share)) } }
                    }
                    @if let Some(share) = axis.shares.ped_anova {
                        rect.bar.f2 x=(Px(x(share).0 - 4.5)) y=(Px(middle - 4.5)) width="9" height="9" { title { "PED-ANOVA: " (three(share)) } }
                    }
                }
            }
            p.note { "Bar: the forest's splits (the paper's way). Circle: fANOVA. Square: PED-ANOVA." }
        }
    }
}

fn table(study: &Study) -> Table {
    let headings = [
        ("hyper-parameter", Holds::Words),
        ("forest", Holds::Numbers),
        ("95% of resamples", Holds::Words),
        ("fANOVA", Holds::Numbers),
        ("PED-ANOVA", Holds::Numbers),
    ];
    let mut table = Table::new("importances", &headings);
    for (number, axis) in study.hyperparameters.iter().enumerate() {
        let at = |field: &str| format!("/study/hyperparameters/{number}/{field}");
        let shares = &axis.shares;
        let cells = vec![
            html! { (axis.name) },
            optional(&at("importance"), shares.importance, three),
            interval(&at("spread"), shares.spread, three),
            optional(&at("fanova"), shares.fanova, three),
            optional(&at("ped_anova"), shares.ped_anova, three),
        ];
        table.rows.push((cells, None));
    }
    table
}

fn curve(study: &Study, number: usize, axis: &Hyperparameter) -> Markup {
    let points: Vec<(usize, f64, f64)> = study
        .budgets
        .iter()
        .enumerate()
        .filter_map(|(place, budget)| Some((place, (*budget.levels.get(number)?)? as f64, budget.agreement?)))
        .collect();
    let symbol = study.objective.symbol();
    let plot = Plot::new(
        Scale::Names(axis.levels.iter().map(|level| level.value.clone()).collect()),
        Scale::around(study.budgets.iter().filter_map(|budget| budget.agreement)),
        (&axis.name, symbol),
        format!("{symbol} by value of {}", axis.name),
    )
    .sized(360.0, 240.0);
    let means = axis.levels.iter().enumerate().filter_map(|(level, told)| Some((level as f64, told.mean?)));
    html! {
        figure {
            (plot.draw(&html! {
                polyline class="curve c1" points=(plot.line(means)) {}
                @for (place, level, agreement) in points {
                    circle.mark.off[study.budgets[place].dropped_after.is_some()] cx=(plot.at_x(level)) cy=(plot.at_y(agreement)) r="4" data-of={ "b" (place) } data-x=(level) data-y=(agreement) {
                        title { (study.budgets[place].name) ": " (symbol) " " (three(agreement)) }
                    }
                }
            }))
        }
    }
}

fn levels(study: &Study) -> Table {
    let mean = format!("mean {}", study.objective.symbol());
    let headings = [
        ("hyper-parameter", Holds::Words),
        ("value", Holds::Numbers),
        ("budgets", Holds::Numbers),
        (mean.as_str(), Holds::Numbers),
        ("lowest", Holds::Numbers),
        ("highest", Holds::Numbers),
    ];
    let mut table = Table::new("levels", &headings);
    for (number, axis) in study.hyperparameters.iter().enumerate() {
        for (place, level) in axis.levels.iter().enumerate() {
            let at = |field: &str| format!("/study/hyperparameters/{number}/levels/{place}/{field}");
            let cells = vec![
                html! { (axis.name) },
                super::number::words(&at("value"), &level.value),
                count(&at("budgets"), level.budgets as u64),
                optional(&at("mean"), level.mean, three),
                optional(&at("lowest"), level.lowest, three),
                optional(&at("highest"), level.highest, three),
            ];
            table.rows.push((cells, None));
        }
    }
    table
}
