//! The sections `[search.…]`: the settings of each strategy, also of those that are not chosen.

use super::document::Document;
use super::section::Section;
use crate::Error;
use crate::genotype::Operation;
use crate::search::{Evolution, Reinforcement, Strategies, SupernetStrategy};
use crate::supernet::{ArchitectureRecipe, Method, Order, Temperatures};

/// The settings of all strategies, also of those that are not chosen.
pub(super) fn strategies(document: &Document) -> Result<Strategies, Error> {
    let evolution = Section { document, name: "search.evolution" };
    let reinforcement = Section { document, name: "search.reinforcement" };
    let at_once = |section: &Section<'_>| section.count("at_once", 1, 10_000);
    let population = evolution.count("population", 2, 1_000_000)?;
    let tournament = evolution.count("tournament", 1, 1_000_000)?;
    if tournament > population {
        let problem = format!(
            "is {tournament}, more than the population of {population} (search.evolution.population)"
        );
        return Err(evolution.wrong("tournament", problem));
    }
    Ok(Strategies {
        darts: darts(&Section { document, name: "search.darts" })?,
        relatives: relatives(document)?,
        evolution: Evolution { population, tournament, at_once: at_once(&evolution)? },
        reinforcement: Reinforcement {
            learning_rate: reinforcement.real("learning_rate", |rate| rate > 0.0, "above 0")?,
            baseline_decay: reinforcement.real(
                "baseline_decay",
                |decay| (0.0..1.0).contains(&decay),
                "from 0 up to but not 1",
            )?,
            at_once: at_once(&reinforcement)?,
        },
    })
}

fn darts(section: &Section<'_>) -> Result<SupernetStrategy, Error> {
    let order = match section.choice("order", &Order::ALL.map(Order::name))? {
        "second" => Order::Second,
        "published" => Order::Published,
        _ => Order::First,
    };
    Ok(SupernetStrategy { method: Method::Darts { order }, architecture: architecture(section)? })
}

/// The others that train a supernet.
fn relatives(document: &Document) -> Result<Vec<SupernetStrategy>, Error> {
    let section = |name| Section { document, name };
    let names = ["search.gdas", "search.snas", "search.pc-darts", "search.p-darts", "search.drnas"];
    let [gdas, snas, pc_darts, p_darts, drnas] = names.map(section);
    let epochs =
        |section: &Section<'_>| section.count("still_epochs", 0, 1_000_000).map(|epochs| epochs as u32);
    let methods = [
        (Method::Gdas { temperatures: temperatures(&gdas)? }, gdas),
        (Method::Snas { temperatures: temperatures(&snas)? }, snas),
        (
            Method::PcDarts {
                channel_parts: pc_darts.count("channel_parts", 1, 1024)? as u32,
                still_epochs: epochs(&pc_darts)?,
            },
            pc_darts,
        ),
        (
            Method::PDarts {
                layers: layers(&p_darts)?,
                operations: operations(&p_darts)?,
                skip_dropout: p_darts.shares("skip_dropout")?,
                still_epochs: epochs(&p_darts)?,
                most_skips: p_darts.count("most_skips", 0, 8)? as u32,
            },
            p_darts,
        ),
        (
            Method::DrNas {
                operations: operations(&drnas)?,
                channel_parts: drnas.counts("channel_parts", 1, 1024)?,
                still_epochs: epochs(&drnas)?,
                divergence: drnas.single("divergence", |weight| weight >= 0.0, "not below 0")?,
            },
            drnas,
        ),
    ];
    methods
        .into_iter()
        .map(|(method, section)| Ok(SupernetStrategy { method, architecture: architecture(&section)? }))
        .collect()
}

/// Layers of a network that no stage has fewer of than the one before.
fn layers<const N: usize>(section: &Section<'_>) -> Result<[u32; N], Error> {
    let layers = section.counts("layers", 3, 256)?;
    if layers.is_sorted() { Ok(layers) } else { Err(section.wrong("layers", "falls, must not get smaller")) }
}

/// Operations of an edge: all of them at first, and in each stage some of those of the one before.
fn operations<const N: usize>(section: &Section<'_>) -> Result<[u32; N], Error> {
    let all = Operation::ALL.len();
    let operations: [u32; N] = section.counts("operations", 2, all)?;
    if operations.first().is_some_and(|&first| first as usize != all) {
        return Err(section.wrong("operations", format!("must begin with all {all} operations")));
    }
    if !operations.is_sorted_by(|before, next| before >= next) {
        return Err(section.wrong("operations", "rises, must not get larger"));
    }
    Ok(operations)
}

fn temperatures(section: &Section<'_>) -> Result<Temperatures, Error> {
    let temperature = |key| section.single(key, |temperature| temperature > 0.0, "above 0");
    Ok(Temperatures { first: temperature("first_temperature")?, last: temperature("last_temperature")? })
}

/// How a supernet's architecture is trained.
fn architecture(section: &Section<'_>) -> Result<ArchitectureRecipe, Error> {
    let share = |key| section.single(key, |share| (0.0..1.0).contains(&share), "from 0 up to but not 1");
    let not_negative = |key| section.single(key, |number| number >= 0.0, "not below 0");
    Ok(ArchitectureRecipe {
        learning_rate: section.single("learning_rate", |rate| rate > 0.0, "above 0")?,
        beta1: share("beta1")?,
        beta2: share("beta2")?,
        weight_decay: not_negative("weight_decay")?,
        initial_deviation: not_negative("initial_deviation")?,
        minimum_rate: not_negative("minimum_rate")?,
    })
}
