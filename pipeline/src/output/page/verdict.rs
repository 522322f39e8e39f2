//! What a reader wants to know first.

use maud::{Markup, html};
use serde_json::Value;
use stages::mip::Objective;

use super::number::{count, interval, number, of_result, optional, percent, three};
use crate::output::format;
use crate::report::{About, Report, Study};

/// The sentences and the tiles.
pub(super) fn verdict(report: &Report) -> Markup {
    html! {
        @if let Some(study) = &report.study { (lead(report, study)) }
        @for sentence in &report.missing { p.warning { (sentence) } }
        dl.tiles {
            @if let Some(study) = &report.study { (study_tiles(study)) }
            (ranked_tile(report, "/confirmed_on_fresh", "r_s on architectures that no choice has seen"))
            (ranked_tile(report, "/noise_ceiling", "noise ceiling: two full trainings of each"))
            (best_tile(report))
            (run_tiles(report))
        }
    }
}

fn lead(report: &Report, study: &Study) -> Markup {
    let Some((place, found)) = study.found.and_then(|place| Some((place, study.budgets.get(place)?))) else {
        return html! {
            p.lead {
                (count("/study/judged", study.architectures.len() as u64)) " architectures under "
                (count("/study/matrix/of", study.budgets.len() as u64)) " budgets; no budget was chosen among them."
            }
        };
    };
    let at = format!("/study/budgets/{place}");
    let quality = &found.quality;
    let is_share = matches!(report.about, About::Run { .. });
    html! {
        p.lead {
            "The budget found ranks " (count(&format!("{at}/architectures"), quality.architectures as u64))
            " architectures like full training with r_s " (optional(&format!("{at}/spearman"), quality.spearman, three))
            " (95% interval " (interval(&format!("{at}/interval"), quality.interval, three)) ")"
            @if let Some(cost) = found.cost {
                ", at "
                @if is_share { (number(&format!("{at}/cost"), cost, &format::percent(cost))) " of its cost" }
                @else { "a cost of " (number(&format!("{at}/cost"), cost, &format::significant(cost))) " (" (study.cost_unit) ")" }
            }
            ". "
            @if study.objective != Objective::Spearman {
                "It was chosen for " (study.objective.symbol()) ", which is "
                (optional(&format!("{at}/agreement"), found.agreement, three)) ". "
            }
            @if let Some(confirmed) = &study.confirmed {
                "With a seed that its choice has not seen: "
                (optional("/study/confirmed/spearman", confirmed.quality.spearman, three))
                " (" (interval("/study/confirmed/interval", confirmed.quality.interval, three)) "). "
                strong { (bears_out(quality.spearman, confirmed.quality.spearman, confirmed.quality.interval)) }
            } @else {
                strong { "Not confirmed: what is the best of " (count("/study/matrix/of", study.budgets.len() as u64))
                    " budgets by the same architectures looks better than it is." }
            }
        }
        p { code { (super::number::words(&format!("{at}/name"), &found.name)) } }
    }
}

/// Whether a second seed says the same.
fn bears_out(found: Option<f64>, again: Option<f64>, interval: Option<(f64, f64)>) -> &'static str {
    match (found, again, interval) {
        (_, Some(_), Some((low, _))) if low <= 0.0 => {
            "The confirmation does not bear the choice out: its interval has 0 in it."
        }
        (Some(found), Some(again), Some((_, high))) if high < found && again > 0.0 => {
            "It ranks, but not as well as the choice said."
        }
        (Some(_), Some(_), Some(_)) => "The confirmation bears the choice out.",
        _ => "The confirmation is undefined.",
    }
}

fn tile(name: &str, big: &Markup, small: &Markup) -> Markup {
    html! { div.tile { dt { (name) } dd { div.big { (big) } div.small { (small) } } } }
}

fn study_tiles(study: &Study) -> Markup {
    let Some((place, found)) = study.found.and_then(|place| Some((place, study.budgets.get(place)?))) else {
        return html! {};
    };
    let (at, quality) = (format!("/study/budgets/{place}"), &found.quality);
    html! {
        (tile("r_s of the budget found", &optional(&format!("{at}/spearman"), quality.spearman, three), &html! {
            "95%: " (interval(&format!("{at}/interval"), quality.interval, three))
        }))
        @if let Some(confirmed) = &study.confirmed {
            (tile("r_s confirmed", &optional("/study/confirmed/spearman", confirmed.quality.spearman, three), &html! {
                "95%: " (interval("/study/confirmed/interval", confirmed.quality.interval, three))
            }))
        }
        @if let Some(top) = quality.top {
            (tile("precision at the top", &number(&format!("{at}/top/precision"), top.precision, &three(top.precision)), &html! {
                "of the " (count(&format!("{at}/top/k"), top.k as u64)) " ranked highest; 95%: "
                (interval(&format!("{at}/top/precision_interval"), top.precision_interval, three))
            }))
            (tile("gain of its top", &number(&format!("{at}/top/over_random"), top.over_random, &format::signed(top.over_random)), &html! {
                "points over as many random ones; 95%: "
                (interval(&format!("{at}/top/over_random_interval"), top.over_random_interval, format::signed))
            }))
        }
    }
}

/// A ranking that the result holds, where it holds it.
fn ranked_tile(report: &Report, at: &str, name: &str) -> Markup {
    let result = &report.result;
    if result.pointer(at).is_none_or(Value::is_null) {
        return html! {};
    }
    let of = |field: &str| of_result(result, &format!("{at}/{field}"), three);
    let architectures = of_result(result, &format!("{at}/architectures"), |count| format!("{count}"));
    tile(
        name,
        &of("spearman"),
        &html! {
            "95%: " (of("interval/0")) " to " (of("interval/1")) ", " (architectures) " architectures"
        },
    )
}

fn best_tile(report: &Report) -> Markup {
    let result = &report.result;
    let Some(best) = result.get("best").filter(|best| best.get("accuracy").is_some()) else {
        return html! {};
    };
    let unseen = best.get("unseen").and_then(Value::as_bool) == Some(true);
    tile(
        "best architecture, test accuracy",
        &of_result(result, "/best/accuracy", percent),
        &html! {
            @if unseen { "no choice has seen these images; " } @else { "the same images chose it; " }
            (of_result(result, "/best/parameters", |value| format::large(value, "parameters")))
        },
    )
}

fn run_tiles(report: &Report) -> Markup {
    let About::Run { trainings, training_flops, training_ms, saved_ms, elapsed_ms, .. } = &report.about
    else {
        return html! {};
    };
    html! {
        (tile("trainings", &html! {
            (count("/about/trainings/run", trainings.run)) " run"
        }, &html! {
            (count("/about/trainings/cached", trainings.cached)) " from the cache, "
            (count("/about/trainings/diverged", trainings.diverged)) " diverged"
        }))
        (tile("time", &number("/about/elapsed_ms", *elapsed_ms as f64, &format::duration(*elapsed_ms)), &html! {
            "trainings one after the other: "
            (number("/about/training_ms", *training_ms as f64, &format::duration(*training_ms)))
            @if *saved_ms > 0 {
                ", of which the cache saved " (number("/about/saved_ms", *saved_ms as f64, &format::duration(*saved_ms)))
            }
        }))
        (tile("cost", &number("/about/training_flops", *training_flops as f64, &format::large(*training_flops as f64, "FLOPs")), &html! {
            "of all trainings behind the result"
        }))
    }
}
