//! The graph of `nas-search`: from a configuration and its images to nodes.

use stages::config::{ArchitecturesConfig, CompareConfig, Config, FinalConfig, SearchConfig, TrainConfig};
use stages::data::Dataset;
use stages::genotype::{Cell, Edge, Operation};
use stages::hyperparameter::HYPERPARAMETERS;
use stages::mip::race::Rule;
use stages::mip::{CostUnit, MipState};
use stages::recipe::Scoring;
use stages::search::Strategy;
use stages::stage::{
    Architectures, Baselines, BudgetQuality, BudgetSource, Budgets, CombinedSearch, CompareSearches,
    ComparedSearches, Evaluate, EvaluateFinal, FinalSource, FitForest, FreshHandles, GivenArchitectures,
    GivenBudget, Handle, ImageKind, JobTemplate, Mip, NasSearch, OneShotAnalysis, Prune, Racing, Rank,
    RoundHandles, Sample, SampleBudgets, ScoreBaselines, Search, SelectArchitecture, SelectBudget, Stage,
    Time, Train,
};
use stages::train::DataId;
use stages::{Budget, Genotype};

use crate::engine::node::{Dag, Node, NodeIndex};
use crate::local::size;

/// What all trainings by which something is chosen share.
pub(crate) fn template(train: &TrainConfig, data: &Dataset) -> JobTemplate {
    JobTemplate {
        data: DataId::of(data),
        scoring: train.scoring,
        recipe: train.recipe.clone(),
        seed: train.seed,
    }
}

/// Finds out whether there is something to learn, and whether every budget fits a network and the images, before anything is trained. Whether a network fits
/// depends on its layers, channels and image size, and on whether a reduction cell skips, which asks the most: one
/// architecture that skips everywhere stands for all.
///
/// # Errors
/// The first budget that does not fit, with why.
pub(crate) fn check(config: &Config, data: &Dataset) -> Result<(), stages::Error> {
    if data.classes.len() < 2 {
        let problem = format!(
            "all images of the set {} are of one class, and none can be mistaken for another",
            data.name
        );
        return Err(stages::Error::Config { place: "data.set".to_owned(), problem });
    }
    let skip = |input| Edge { input, operation: Operation::SkipConnect };
    let cell = Cell { nodes: std::array::from_fn(|_| vec![skip(0), skip(1)]) };
    let template = template(&config.train, data);
    let probe = Genotype { normal: cell.clone(), reduce: cell };
    let fits = |budget: &Budget| size(&template.job(&probe, budget), data).map(|_| ());
    fits(&config.full)?;
    check_final(config, &template, data)?;
    let named = [
        ("search.budget", config.search.budget),
        ("one_shot.supernet_budget", Some(config.one_shot.supernet_budget)),
        ("one_shot.budget", Some(config.one_shot.budget)),
        ("baselines.budget", Some(config.baselines.budget)),
    ];
    let combined = config.search.combine.iter().flat_map(|combine| &combine.budgets);
    for (key, budget) in named.into_iter().chain(combined.map(|budget| ("search.combine", Some(*budget)))) {
        let wrong = |error: stages::Error| stages::Error::Config {
            place: key.to_owned(),
            problem: error.to_string(),
        };
        budget.as_ref().map_or(Ok(()), fits).map_err(wrong)?;
    }
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

/// The same of the final network, where it is known before a search.
fn check_final(config: &Config, template: &JobTemplate, data: &Dataset) -> Result<(), stages::Error> {
    let FinalConfig { architecture: Some(architecture), recipe, .. } = &config.final_network else {
        return Ok(());
    };
    let wrong = |error: stages::Error| stages::Error::Config {
        place: "final.recipe".to_owned(),
        problem: error.to_string(),
    };
    let budget = recipe.budget_for(architecture, data.channels, data.classes.len()).map_err(wrong)?;
    let template = JobTemplate { recipe: recipe.recipe.clone(), ..template.clone() };
    size(&template.job(architecture.clone(), &budget), data).map(|_| ()).map_err(wrong)
}

/// Finds out, before anything is trained, whether what the targets are computed from can read the images as they are:
/// supernets and baselines cannot, where these are streamed.
///
/// # Errors
/// The first node that has a supernet trained or baselines found, and what to set instead.
pub(crate) fn check_targets(dag: &Dag, targets: &[NodeIndex], data: &Dataset) -> Result<(), stages::Error> {
    if data.streamed.is_none() {
        return Ok(());
    }
    let cone: Vec<&Node> = dag.cone(targets).into_iter().map(|index| &dag.nodes()[index]).collect();
    let is_baselines = |node: &Node| node.stage.name() == ScoreBaselines::NAME;
    let Some(node) = cone.iter().find(|node| node.stage.trains_supernets() || is_baselines(node)) else {
        return Ok(());
    };
    let does = if is_baselines(node) { "scores untrained networks" } else { "trains a supernet" };
    let other = match node.name.split_once('@') {
        None if node.stage.name() == Search::NAME => "another search.strategy",
        Some(_) if node.stage.name() == Search::NAME => "other compare.strategies",
        // It serves the search, or is the target's own.
        _ if is_baselines(node) && cone.iter().any(|node| node.stage.name() == Search::NAME) => {
            "a search.combine without baselines"
        }
        _ => "another --target",
    };
    let problem = format!(
        "{} {does}, which needs its images in memory, and those of {} are streamed; read them into memory \
         (data.set = \"folder\", with data.resolution), or choose {other}",
        node.name, data.name
    );
    Err(stages::Error::Config { place: "data.set".to_owned(), problem })
}

/// Builds the whole graph, which judges budgets by the architectures `given`, where there are any, and else by random ones.
/// Which part of it runs is the target's matter.
pub(crate) fn dag(config: &Config, data: &Dataset, given: Option<Vec<Genotype>>) -> Dag {
    let mut dag = Dag::default();
    let template = template(&config.train, data);
    let image_kind = ImageKind { channels: data.channels, classes: data.classes.len() };
    let (seed, objective) = (config.mip.seed, config.mip.objective);
    let ArchitecturesConfig { count, seed: sampling_seed, repeat_full, .. } = config.architectures;
    let race = config.mip.race.map(|confidence| Rule { confidence, objective, seed });
    let drawn = match given {
        Some(genotypes) => {
            let shuffled = race.map(|_| seed);
            dag.add("given-architectures", GivenArchitectures { genotypes, shuffled })
        }
        None => dag.add("sample", Sample { count, seed: sampling_seed, known: None }),
    };
    let sampled = Architectures { list: drawn, count };
    let train = |architectures, budgets| Train { template: template.clone(), architectures, budgets };
    let full = || Budgets::Full(config.full);
    let trained_fully = dag.add("train@full", train(sampled, full()));
    let unit = config.mip.cost;
    let evaluate = |dag: &mut Dag, what: &str, trained| {
        let seconds = (unit == CostUnit::Seconds).then(|| dag.add(format!("time@{what}"), Time { trained }));
        dag.add(format!("evaluate@{what}"), Evaluate { trained, seconds })
    };
    let truth = evaluate(&mut dag, "full", trained_fully);
    let unseen = JobTemplate { seed: config.train.final_seed, ..template.clone() };
    // A second full training of the same architectures, with another seed, held against the first as a budget is.
    let ceiling = (repeat_full > 1).then(|| {
        let stage = Train { template: unseen.clone(), architectures: sampled, budgets: full() };
        let trained = dag.add("train@repeat", stage);
        let evaluated = evaluate(&mut dag, "repeat", trained);
        dag.add("rank@repeat", Rank { truth, evaluated, objective, seed })
    });

    let mut trained_so_far = Vec::new();
    let mut add_round = |dag: &mut Dag, round: u32, pruned: Option<Handle<MipState>>| {
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
            images: image_kind,
        };
        let budgets = dag.add(format!("sample-budgets@{round}"), stage);
        let tried = race.map_or(Budgets::Drawn { drawn: budgets, count }, |rule| {
            let racing = Racing { rule, full: trained_fully, earlier: trained_so_far.clone() };
            Budgets::Raced { drawn: budgets, count, racing }
        });
        let trained = dag.add(format!("train@{round}"), train(sampled, tried));
        trained_so_far.push(trained);
        let evaluated = evaluate(dag, &round.to_string(), trained);
        let trials = dag.add(format!("rank@{round}"), Rank { truth, evaluated, objective, seed });
        let stage = FitForest { pruned, trials, space: space.clone(), trees: config.mip.trees, seed };
        let importances = dag.add(format!("fit-forest@{round}"), stage);
        let stage = Prune { pruned, budgets, trials, importances, space: space.clone(), objective };
        RoundHandles { trials, importances, pruned: dag.add(format!("prune@{round}"), stage) }
    };
    let mut last = add_round(&mut dag, 1, None);
    let mut found = vec![last];
    for round in 2..=config.rounds() {
        last = add_round(&mut dag, round, Some(last.pruned));
        found.push(last);
    }

    let stage = SelectBudget { truth, pruned: last.pruned, lambda: config.mip.lambda };
    let selected = dag.add("select-budget", stage);
    let tried: Vec<_> = found.iter().map(|round| round.trials).collect();
    let race = config.mip.race;
    let mip = dag.add("mip", Mip { truth, budget: selected, rounds: found, ceiling, objective, unit, race });
    let budget = match config.search.budget {
        Some(budget) => dag.add("given-budget", GivenBudget { budget }),
        None => selected,
    };
    // The winner's last training is on all training images, with none held out. Its test accuracy after the last epoch is what
    // is told; what a training of this kind calls its score is the best over the epochs, which nobody reads.
    let last = |number: u64| JobTemplate {
        scoring: Scoring::Published,
        seed: config.train.final_seed.wrapping_add(number),
        ..template.clone()
    };
    let scored = ScoreBaselines {
        architectures: sampled,
        config: config.baselines,
        full: config.full,
        template: template.clone(),
    };
    // The sampled architectures, each judged by all that a search combines: among them it places what it meets.
    let combined = config.search.combine.clone().map(|combine| {
        let budgets = Budgets::Combined { selected: budget, further: combine.budgets.clone() };
        let trained = dag.add("train@reference", train(sampled, budgets));
        CombinedSearch {
            combine,
            reference: dag.add("evaluate@reference", Evaluate { trained, seconds: None }),
            baselines: dag.add("score-baselines", scored.clone()),
            config: config.baselines,
            full: config.full,
        }
    });
    // The search, the architecture that it found, and the full training of that.
    let search_with = |dag: &mut Dag, name: &str, strategy: Strategy, number: u64, combined| {
        let SearchConfig { samples, seed, .. } = config.search;
        let seed = seed.wrapping_add(number);
        let template = template.clone();
        let search =
            dag.add(format!("search{name}"), Search { budget, template, strategy, samples, seed, combined });
        let selected = dag.add(format!("select-architecture{name}"), SelectArchitecture { search });
        let architectures = Architectures { list: selected, count: 1 };
        let name = if name.is_empty() { "@best" } else { name };
        let stage = Train { template: last(number), architectures, budgets: Budgets::Full(config.full) };
        (search, selected, dag.add(format!("train{name}"), stage))
    };
    let (search, winner, trained) = search_with(&mut dag, "", config.search.strategy, 0, combined.clone());
    let stage =
        Train { template: unseen.clone(), architectures: sampled, budgets: Budgets::Selected(budget) };
    let confirming = dag.add("train@confirm", stage);
    let evaluated = evaluate(&mut dag, "confirm", confirming);
    let confirmed = dag.add("rank@confirm", Rank { truth, evaluated, objective, seed });
    let fresh = (config.mip.confirm > 0).then(|| {
        let (count, seed_of_draw) = (config.mip.confirm, !sampling_seed);
        let stage = Sample { count, seed: seed_of_draw, known: Some(drawn) };
        let architectures = Architectures { list: dag.add("sample@fresh", stage), count };
        let mut train = |name: &str, budgets| {
            let stage = Train { template: unseen.clone(), architectures, budgets };
            let trained = dag.add(format!("train@{name}"), stage);
            evaluate(&mut dag, name, trained)
        };
        let (truth, evaluated) = (train("fresh-full", full()), train("fresh", Budgets::Selected(budget)));
        FreshHandles { truth, ranked: dag.add("rank@fresh", Rank { truth, evaluated, objective, seed }) }
    });
    let source = match config.search.budget {
        Some(_) => BudgetSource::Given(budget),
        None => BudgetSource::Found { mip, confirmed, fresh },
    };
    let scoring = config.train.scoring;
    dag.add("nas-search", NasSearch { budget: source, search, trained, scoring });
    dag.end_main();

    let stage = EvaluateFinal {
        source: match &config.final_network.architecture {
            Some(architecture) => FinalSource::Given(architecture.clone()),
            None => FinalSource::Found(winner),
        },
        recipe: config.final_network.recipe.clone(),
        seeds: config.final_network.seeds,
        template: last(0),
        choosing_seed: config.train.seed,
        images: image_kind,
    };
    dag.add("evaluate-final", stage);

    let stage = OneShotAnalysis {
        architectures: drawn,
        truth,
        config: config.one_shot.clone(),
        template: template.clone(),
        interval_seed: seed,
    };
    dag.add("one-shot-analysis", stage);

    let scores = match combined {
        Some(combined) => combined.baselines,
        None => dag.add("score-baselines", scored),
    };
    dag.add("baselines", Baselines { scores, truth, evaluated, size: config.baselines.budget, seed });

    let CompareConfig { strategies, seeds } = &config.compare;
    let compared = strategies.iter().map(|&strategy| ComparedSearches {
        strategy,
        seed: config.search.seed,
        searches: (0..*seeds as u64)
            .map(|number| {
                let name = format!("@{}.{}", strategy.name(), number + 1);
                let (search, _, trained) = search_with(&mut dag, &name, strategy, number, None);
                (search, trained)
            })
            .collect(),
    });
    let strategies = compared.collect();
    // Drawn apart from those that a search with this seed begins with, and trained with the seeds of what searches find.
    let unsearched = (0..*seeds as u64).map(|number| {
        let seed = (!config.search.seed).wrapping_sub(number);
        let drawn =
            dag.add(format!("sample@unsearched.{}", number + 1), Sample { count: 1, seed, known: None });
        let architectures = Architectures { list: drawn, count: 1 };
        let stage = Train { template: last(number), architectures, budgets: full() };
        (drawn, dag.add(format!("train@unsearched.{}", number + 1), stage))
    });
    let stage = CompareSearches {
        budget,
        full: trained_fully,
        cheap: confirming,
        strategies,
        unsearched: unsearched.collect(),
        template: template.clone(),
        full_budget: config.full,
        images: (image_kind, data.train.count),
    };
    dag.add("compare-searches", stage);

    let stage = BudgetQuality {
        tried,
        budgets: config.quality.budgets,
        strategy: config.strategies.darts,
        seed: config.search.seed,
        template: template.clone(),
        last: last(0),
        full: config.full,
        interval_seed: seed,
    };
    dag.add("budget-quality", stage);
    dag
}
