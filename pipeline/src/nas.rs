//! The graph of `nas-search`: from a configuration and its images to nodes.

use stages::config::Config;
use stages::data::Dataset;
use stages::genotype::{Cell, Edge, Operation};
use stages::hyperparameter::HYPERPARAMETERS;
use stages::stage::{
    Architectures, Budgets, Evaluate, FitForest, ImageKind, JobTemplate, Mip, NasSearch, Prune, Rank, Sample,
    SampleBudgets, Search, SelectBudget, Train,
};
use stages::train::DataId;
use stages::{Budget, Genotype};

use crate::engine::node::{Dag, NodeIndex};
use crate::local::size;

/// What all trainings of a run share.
fn template(config: &Config, data: &Dataset) -> JobTemplate {
    JobTemplate {
        data: DataId { name: data.name.clone(), digest: data.digest },
        scoring: config.train.scoring,
        recipe: config.train.recipe.clone(),
        seed: config.train.seed,
    }
}

/// Finds out whether every budget fits a network and the images, before anything is trained. Whether a network fits
/// depends on its layers, channels and image size, and on whether a reduction cell skips, which asks the most: one
/// architecture that skips everywhere stands for all.
///
/// # Errors
/// The first budget that does not fit, with why.
pub(crate) fn check(config: &Config, data: &Dataset) -> Result<(), stages::Error> {
    let skip = |input| Edge { input, operation: Operation::SkipConnect };
    let cell = Cell { nodes: std::array::from_fn(|_| vec![skip(0), skip(1)]) };
    let template = template(config, data);
    let probe = Genotype { normal: cell.clone(), reduce: cell };
    let fits = |budget: &Budget| size(&template.job(&probe, budget), data).map(|_| ());
    fits(&config.full)?;
    let mut budgets = vec![config.space.cheapest()];
    for (index, row) in HYPERPARAMETERS.iter().enumerate() {
        if ["layers", "channels", "image_size"].contains(&row.name) {
            let with = |budget: &Budget, value| {
                let mut budget = *budget;
                row.set(&mut budget, value);
                budget
            };
            let values = config.space.values(index);
            budgets = budgets.iter().flat_map(|b| values.iter().map(move |&v| with(b, v))).collect();
        }
    }
    budgets.iter().try_for_each(fits)
}

/// Rounds of minimum importance pruning: each fixes one hyper-parameter, and the last two go together. A space without
/// a choice has one budget, which one round tries.
pub(crate) fn rounds(config: &Config) -> u32 {
    config.space.open().len().saturating_sub(1).max(1) as u32
}

/// Builds the whole graph. Which part of it runs is the target's matter.
pub(crate) fn dag(config: &Config, data: &Dataset) -> Dag {
    let mut dag = Dag::default();
    let template = template(config, data);
    let count = config.architectures.count;
    let sample = dag.add("sample", Sample { count, seed: config.architectures.seed }, &[]);
    let train = |architectures, budgets| Train { template: template.clone(), architectures, budgets };
    let sampled = Architectures::Sampled(count);
    let full = Budgets::Full(config.full);
    let trained = dag.add("train@full", train(sampled, full.clone()), &[("architectures", sample)]);
    let truth = dag.add("evaluate@full", Evaluate, &[("trained", trained)]);

    let (mut trials, mut forests, mut states) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=rounds(config) {
        let before: Vec<(&str, NodeIndex)> = states.last().copied().into_iter().collect();
        let with_before = |inputs: &[(&'static str, NodeIndex)]| [inputs, &before].concat();
        let stage = SampleBudgets {
            space: config.space.clone(),
            count: config.mip.budgets_per_round,
            temperature: config.mip.temperature,
            seed: config.mip.seed,
            round,
            images: ImageKind { channels: data.channels, classes: data.classes.len() },
        };
        let inputs = with_before(&[("architectures", sample)]);
        let budgets = ("budgets", dag.add(format!("sample-budgets@{round}"), stage, &inputs));
        let stage = train(sampled, Budgets::Drawn(config.mip.budgets_per_round));
        let trained = dag.add(format!("train@{round}"), stage, &[("architectures", sample), budgets]);
        let evaluated = dag.add(format!("evaluate@{round}"), Evaluate, &[("trained", trained)]);
        let stage = Rank { seed: config.mip.seed };
        let inputs = [("truth", truth), ("evaluated", evaluated)];
        let ranked = ("trials", dag.add(format!("rank@{round}"), stage, &inputs));
        let stage = FitForest { space: config.space.clone(), trees: config.mip.trees, seed: config.mip.seed };
        let inputs = with_before(&[ranked]);
        let forest = ("importances", dag.add(format!("fit-forest@{round}"), stage, &inputs));
        let inputs = with_before(&[budgets, ranked, forest]);
        let stage = Prune { space: config.space.clone() };
        states.push(("pruned", dag.add(format!("prune@{round}"), stage, &inputs)));
        trials.push(ranked);
        forests.push(forest);
    }

    let last: Vec<(&str, NodeIndex)> = states.last().copied().into_iter().collect();
    let inputs = [[("truth", truth)].as_slice(), &last].concat();
    let select = dag.add("select-budget", SelectBudget { lambda: config.mip.lambda }, &inputs);
    let inputs = [[("budget", select)].as_slice(), &trials, &forests, &states].concat();
    let mip = dag.add("mip", Mip, &inputs);
    let stage = Search {
        template: template.clone(),
        strategy: config.search.strategy.clone(),
        samples: config.search.samples,
        seed: config.search.seed,
    };
    let search = dag.add("search", stage, &[("budget", select)]);
    let winner = dag.add("train@best", train(Architectures::Winner, full), &[("search", search)]);
    dag.add("nas-search", NasSearch, &[("mip", mip), ("search", search), ("trained", winner)]);
    dag
}
