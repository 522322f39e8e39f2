//! The graph of `nas-search`: from a configuration and its images to nodes.

use stages::config::{Config, TrainConfig};
use stages::data::Dataset;
use stages::genotype::{Cell, Edge, Operation};
use stages::hyperparameter::HYPERPARAMETERS;
use stages::mip::MipState;
use stages::recipe::Scoring;
use stages::stage::{
    Architectures, Budgets, Evaluate, FitForest, Handle, ImageKind, JobTemplate, Mip, NasSearch, Prune, Rank,
    RoundHandles, Sample, SampleBudgets, Search, SelectBudget, Train,
};
use stages::train::DataId;
use stages::{Budget, Genotype};

use crate::engine::node::Dag;
use crate::local::size;

/// What all trainings of a run share, but the winner's last one, which holds no images out.
pub(crate) fn template(train: &TrainConfig, data: &Dataset) -> JobTemplate {
    JobTemplate {
        data: DataId { name: data.name.clone(), digest: data.digest },
        scoring: train.scoring,
        recipe: train.recipe.clone(),
        seed: train.seed,
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
    let template = template(&config.train, data);
    let probe = Genotype { normal: cell.clone(), reduce: cell };
    let fits = |budget: &Budget| size(&template.job(&probe, budget), data).map(|_| ());
    fits(&config.full)?;
    let mut budgets = vec![config.space.cheapest()];
    for (index, row) in HYPERPARAMETERS.iter().enumerate() {
        if row.shapes_network() {
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

/// Builds the whole graph. Which part of it runs is the target's matter.
pub(crate) fn dag(config: &Config, data: &Dataset) -> Dag {
    let mut dag = Dag::default();
    let template = template(&config.train, data);
    let (count, seed) = (config.architectures.count, config.mip.seed);
    let drawn = dag.add("sample", Sample { count, seed: config.architectures.seed });
    let sampled = Architectures::Sampled { drawn, count };
    let train = |architectures, budgets| Train { template: template.clone(), architectures, budgets };
    let full = Budgets::Full(config.full);
    let trained = dag.add("train@full", train(sampled, full));
    let truth = dag.add("evaluate@full", Evaluate { trained });

    let add_round = |dag: &mut Dag, round: u32, pruned: Option<Handle<MipState>>| {
        let (space, count) = (&config.space, config.budgets(round));
        let stage = SampleBudgets {
            architectures: drawn,
            pruned,
            space: space.clone(),
            count: config.mip.budgets_per_round,
            observe_all: round == 1 && config.mip.observe_all,
            temperature: config.mip.temperature,
            seed,
            round,
            images: ImageKind { channels: data.channels, classes: data.classes.len() },
        };
        let budgets = dag.add(format!("sample-budgets@{round}"), stage);
        let stage = train(sampled, Budgets::Drawn { drawn: budgets, count });
        let trained = dag.add(format!("train@{round}"), stage);
        let evaluated = dag.add(format!("evaluate@{round}"), Evaluate { trained });
        let trials = dag.add(format!("rank@{round}"), Rank { truth, evaluated, seed });
        let stage = FitForest { pruned, trials, space: space.clone(), trees: config.mip.trees, seed };
        let importances = dag.add(format!("fit-forest@{round}"), stage);
        let stage = Prune { pruned, budgets, trials, importances, space: space.clone() };
        RoundHandles { trials, importances, pruned: dag.add(format!("prune@{round}"), stage) }
    };
    let mut last = add_round(&mut dag, 1, None);
    let mut found = vec![last];
    for round in 2..=config.rounds() {
        last = add_round(&mut dag, round, Some(last.pruned));
        found.push(last);
    }

    let stage = SelectBudget { truth, pruned: last.pruned, lambda: config.mip.lambda };
    let budget = dag.add("select-budget", stage);
    let mip = dag.add("mip", Mip { truth, budget, rounds: found });
    let stage = Search {
        budget,
        template: template.clone(),
        strategy: config.search.strategy.clone(),
        samples: config.search.samples,
        seed: config.search.seed,
    };
    let search = dag.add("search", stage);
    // On all training images, with none held out. Its test accuracy after the last epoch is what is told; what a training
    // of this kind calls its score is the best over the epochs, which nobody reads.
    let template = JobTemplate { scoring: Scoring::Published, ..template };
    let winner = Architectures::Winner(search);
    let trained = dag.add("train@best", Train { template, architectures: winner, budgets: full });
    dag.add("nas-search", NasSearch { mip, search, trained, scoring: config.train.scoring });
    dag
}
