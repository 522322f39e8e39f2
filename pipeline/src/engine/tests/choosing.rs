//! What a budget is chosen for, and what its choice is worth, with trainings that take no time.

use stages::Budget;
use stages::mip::Objective;
use stages::stage::{EvaluatedBudget, MipReport, RankedBudget};

use super::fake::{Bench, FakeExecutor};
use super::nas_search::{dag, output};

#[test]
fn the_budget_found_is_the_best_by_what_it_is_chosen_for() {
    let bench = Bench::new();
    bench.run(&dag(&[]), "mip", &FakeExecutor::default());
    // The paper's objective, when it is asked for, is the one that there was.
    assert_eq!(bench.plan(&dag(&[("mip.objective", "spearman")]), "mip").stale(), 0);
    let mut found = Vec::new();
    for objective in Objective::ALL {
        let dag = dag(&[("mip.objective", objective.name()), ("mip.lambda", "0.2")]);
        let outcome = bench.run(&dag, "mip", &FakeExecutor::default());
        let first = outcome.manifest.node("train@1").unwrap().trainings;
        assert_eq!(first.run, 0, "the first round knows no accuracy");
        let report: MipReport = output(&dag, &outcome, "mip");
        assert_eq!(report.objective, objective);
        let truth: Vec<EvaluatedBudget> = output(&dag, &outcome, "evaluate@full");
        let mut best: Option<(f64, Budget)> = None;
        for round in 1..=report.rounds.len() {
            let ranked: Vec<RankedBudget> = output(&dag, &outcome, &format!("rank@{round}"));
            for RankedBudget { trial, quality, .. } in ranked {
                let agreement = match objective {
                    Objective::Spearman => quality.spearman.unwrap(),
                    Objective::Kendall => quality.kendall.unwrap(),
                    Objective::Precision => quality.top.unwrap().precision,
                    Objective::Regret => -quality.top.unwrap().regret,
                };
                assert_eq!(trial.agreement, Some(agreement));
                let worth = agreement - 0.2 * trial.cost / truth[0].mean_training_flops;
                if best.is_none_or(|(most, _)| worth > most) {
                    best = Some((worth, trial.budget));
                }
            }
        }
        assert_eq!(report.found.trial.budget, best.unwrap().1, "{objective:?}");
        found.push(report.found.trial.budget);
    }
    assert!(found[1..].iter().any(|budget| *budget != found[0]), "all choose alike: nothing was asked");
}
