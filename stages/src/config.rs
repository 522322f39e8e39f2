//! The configuration of a run: an embedded profile, overridden by a TOML file and by single values, checked and typed.

mod baselines;
mod document;
mod final_network;
mod final_recipe;
mod mip;
mod one_shot;
mod search;
mod section;
mod setting;
mod share;
mod strategies;
mod train_recipe;

use std::path::PathBuf;
use std::time::Duration;

use document::{Document, wrong};
use section::Section;
use strategies::strategies;
use toml::Value as Toml;

use crate::data::{Limits, Reading, Source, Unreadable};
use crate::echo::shown;
use crate::hyperparameter::{COUNT, HYPERPARAMETERS, Hyperparameter, Value};
use crate::recipe::{Recipe, Scoring};
use crate::search::{Strategies, Strategy, SupernetStrategy};
use crate::space::BudgetSpace;
use crate::{Budget, Error, suggest};

pub use baselines::BaselinesConfig;
pub use final_network::FinalConfig;
pub use final_recipe::RECIPES;
pub use mip::MipConfig;
pub use one_shot::OneShotConfig;
pub use search::SearchConfig;
pub use setting::Setting;
pub use share::ShareConfig;

/// The embedded profiles: name and TOML text. Each holds every key.
pub static PROFILES: [(&str, &str); 3] = [
    ("quick", include_str!("../profiles/quick.toml")),
    ("laptop", include_str!("../profiles/laptop.toml")),
    ("paper", include_str!("../profiles/paper.toml")),
];

/// What every profile says of strategies: the settings of their papers.
static STRATEGIES: &str = include_str!("../profiles/strategies.toml");

/// The most trainings that a configuration may ask for: more than any machine trains.
const TRAININGS_MAX: u64 = 10_000_000;

/// The most minutes between checkpoints: a year.
pub const MINUTES_MAX: f64 = 525_600.0;

/// A checked configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Section `[data]`: which images.
    pub data: DataConfig,
    /// Section `[architectures]`: the sampled set 𝒢.
    pub architectures: ArchitecturesConfig,
    /// Section `[full]`: the full training f.
    pub full: Budget,
    /// Section `[space]`: the budget space Ω.
    pub space: BudgetSpace,
    /// Section `[mip]`: minimum importance pruning.
    pub mip: MipConfig,
    /// Section `[search]`: the architecture search.
    pub search: SearchConfig,
    /// Section `[compare]`: which strategies `compare-searches` compares.
    pub compare: CompareConfig,
    /// Section `[quality]`: with how many budgets `budget-quality` searches.
    pub quality: QualityConfig,
    /// Section `[one_shot]`: the one-shot analysis.
    pub one_shot: OneShotConfig,
    /// Section `[baselines]`: scores that cost no training.
    pub baselines: BaselinesConfig,
    /// Section `[final]`: the final network.
    pub final_network: FinalConfig,
    /// The settings of all strategies, of which `search` and `compare` choose.
    pub strategies: Strategies,
    /// Section `[train]`: what trainings do beyond their budget.
    pub train: TrainConfig,
    /// `train.checkpoint_minutes`: how long after one checkpoint of a training the next is due. No result depends on it.
    pub checkpoint_interval: Duration,
    /// Section `[share]`: what a team shares. No result depends on it.
    pub share: ShareConfig,
}

/// Which images, and how many of them.
#[derive(Clone, Debug, PartialEq)]
pub struct DataConfig {
    /// Where they come from.
    pub source: Source,
    /// How they are read, and how many.
    pub reading: Reading,
}

/// The set of architectures that budgets are judged on: random ones, or those of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchitecturesConfig {
    /// How many are drawn; at least 2.
    pub count: usize,
    /// Seed of the sampling.
    pub seed: u64,
    /// How often each is fully trained: 1, or 2 to know how well full training agrees with itself.
    pub repeat_full: usize,
    /// A file whose genotypes, all of them, are taken instead.
    pub file: Option<PathBuf>,
}

/// The comparison of strategies.
#[derive(Clone, Debug, PartialEq)]
pub struct CompareConfig {
    /// The strategies, each once.
    pub strategies: Vec<Strategy>,
    /// Searches of each, under seeds that begin with `search.seed`.
    pub seeds: usize,
}

/// The comparison of budgets by what is found with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QualityConfig {
    /// Budgets, of those that were tried, to search with.
    pub budgets: usize,
}

/// What trainings do beyond their budget. The default is the paper's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrainConfig {
    /// Seed of initial weights, order and augmentation of all trainings by which something is chosen.
    pub seed: u64,
    /// That of the trainings that confirm what was chosen.
    pub final_seed: u64,
    /// Which images give the score.
    pub scoring: Scoring,
    /// The recipe's constants.
    pub recipe: Recipe,
}

impl Config {
    /// The profile `profile`, overridden first by the TOML text of `file` (its name is for messages), then by `set`,
    /// pairs of a path such as `mip.lambda` and a value.
    ///
    /// # Errors
    /// [`Error::Config`] naming file and line, or the override: unknown keys with the nearest known one, wrong types,
    /// values out of range.
    pub fn load(profile: &str, file: Option<(&str, &str)>, set: &[(&str, &str)]) -> Result<Self, Error> {
        let document = merged(profile, file, set)?;
        let config = Self::typed(&document)?;
        if config.architectures.file.is_none() {
            config.check_extent()?;
        }
        config.check_seeds(&document)?;
        config.check_stages(&document)?;
        config.search.check_combine(&document)?;
        Ok(config)
    }

    /// Every key of what [`Config::load`] is given, merged, with its value and where that comes from; in the order of the
    /// profile. Values may be out of range.
    ///
    /// # Errors
    /// [`Error::Config`] for unknown keys and wrong types.
    pub fn settings(
        profile: &str,
        file: Option<(&str, &str)>,
        set: &[(&str, &str)],
    ) -> Result<Vec<Setting>, Error> {
        Ok(merged(profile, file, set)?.settings())
    }

    /// The same with so many architectures: those of [`ArchitecturesConfig::file`].
    ///
    /// # Errors
    /// [`Error::Config`] where no run would come to the end of all trainings.
    pub fn with_architectures(mut self, count: usize) -> Result<Self, Error> {
        self.architectures.count = count;
        self.check_extent()?;
        Ok(self)
    }

    /// Rounds of minimum importance pruning: each fixes one hyper-parameter, and the last two go together. A space without
    /// a choice has one budget, which one round tries.
    pub fn rounds(&self) -> u32 {
        self.space.open().len().saturating_sub(1).max(1) as u32
    }

    /// Budgets that round `round`, counted from 1, draws at most: more than asked for where it takes more to show every value.
    pub fn budgets(&self, round: u32) -> usize {
        let longest = (0..COUNT).map(|index| self.space.values(index).len()).max().unwrap_or(0);
        let cover = if round == 1 && self.mip.observe_all { longest } else { 0 };
        self.mip.budgets_per_round.max(cover)
    }

    /// Refuses to confirm a choice with the seed that made it.
    fn check_seeds(&self, document: &Document) -> Result<(), Error> {
        let TrainConfig { seed, final_seed, .. } = self.train;
        if seed != final_seed {
            return Ok(());
        }
        let problem = format!(
            "is {final_seed}, as train.seed is: what confirms a choice needs a seed that no choice has seen"
        );
        Err(Section { document, name: "train" }.wrong("final_seed", problem))
    }

    /// Refuses a search of more stages than its budget can have epochs.
    fn check_stages(&self, document: &Document) -> Result<(), Error> {
        let Strategy::Supernet(SupernetStrategy { method, .. }) = self.search.strategy else { return Ok(()) };
        let most = |name: &str| {
            let index = HYPERPARAMETERS.iter().position(|row| row.name == name).unwrap_or(0);
            self.space.values(index).iter().map(|value| value.number() as u32).max().unwrap_or(0)
        };
        let (section, key, epochs) = self.search.budget.map_or_else(
            || ("space", "epochs", most("epochs")),
            |budget| ("search", "budget", budget.epochs),
        );
        if method.most_stages() <= epochs {
            return Ok(());
        }
        let problem = format!(
            "gives the search {epochs} epochs, and {} has {} stages (search.strategy), each of an epoch or more",
            method.name(),
            method.most_stages()
        );
        Err(Section { document, name: section }.wrong(key, problem))
    }

    /// Refuses what no run would come to the end of, before anything is built of it.
    fn check_extent(&self) -> Result<(), Error> {
        let budgets = |round| (self.budgets(round) as u64).min(self.space.size());
        let drawn = (1..=self.rounds()).map(budgets).fold(0, u64::saturating_add);
        let architectures = self.architectures.count as u64;
        let trainings = architectures
            .saturating_mul(drawn.saturating_add(1 + self.architectures.repeat_full as u64))
            .saturating_add(2 * self.mip.confirm as u64)
            .saturating_add(self.search.jobs(architectures))
            .saturating_add(1);
        if trainings <= TRAININGS_MAX {
            return Ok(());
        }
        let fully = if self.architectures.repeat_full > 1 {
            "fully twice (architectures.repeat_full)"
        } else {
            "fully"
        };
        let searching = match self.search.combine {
            Some(_) => "search.samples, search.combine",
            None => "search.samples",
        };
        let confirming = match self.mip.confirm {
            0 => String::new(),
            count => format!(", {count} fresh ones twice (mip.confirm)"),
        };
        let problem = format!(
            "{architectures} architectures (architectures.count), {fully}, under {drawn} budgets (mip.budgets_per_round, in {} \
             rounds) and once more under the one found{confirming}, and {} of the search ({searching}) are {trainings} \
             trainings; ask for at most {TRAININGS_MAX}",
            self.rounds(),
            self.search.jobs(architectures)
        );
        Err(wrong("configuration", problem))
    }

    fn typed(document: &Document) -> Result<Self, Error> {
        let data = Section { document, name: "data" };
        let architectures = Section { document, name: "architectures" };
        let search = Section { document, name: "search" };
        let compare = Section { document, name: "compare" };
        let strategies = strategies(document)?;
        let train = Section { document, name: "train" };
        let minutes = train.real(
            "checkpoint_minutes",
            |m| (0.0..=MINUTES_MAX).contains(&m),
            "from 0 to 525600, a year",
        )?;
        let names = crate::search::STRATEGIES.map(|described| described.name);
        let strategy = |section: &Section<'_>, key, name: &str| {
            let unknown =
                || section.wrong(key, format!("unknown `{}`; {}", shown(name), suggest::hint(name, names)));
            strategies.named(name).ok_or_else(unknown)
        };
        Ok(Self {
            data: DataConfig::typed(&data)?,
            architectures: ArchitecturesConfig {
                count: architectures.count("count", 2, 100_000)?,
                seed: architectures.seed("seed")?,
                repeat_full: architectures.count("repeat_full", 1, 2)?,
                file: architectures.path("file")?,
            },
            full: budget(document, "full")?,
            space: space(document)?,
            mip: MipConfig::typed(&Section { document, name: "mip" })?,
            search: SearchConfig::typed(&search, strategy(&search, "strategy", search.text("strategy")?)?)?,
            compare: CompareConfig {
                strategies: distinct(&compare, "strategies")?
                    .into_iter()
                    .map(|name| strategy(&compare, "strategies", name))
                    .collect::<Result<_, _>>()?,
                seeds: compare.count("seeds", 1, 1000)?,
            },
            quality: QualityConfig {
                budgets: Section { document, name: "quality" }.count("budgets", 2, 10_000)?,
            },
            one_shot: OneShotConfig::typed(&Section { document, name: "one_shot" })?,
            baselines: BaselinesConfig::typed(&Section { document, name: "baselines" })?,
            final_network: FinalConfig::typed(&Section { document, name: "final" })?,
            strategies,
            train: TrainConfig::typed(&train)?,
            checkpoint_interval: Duration::from_secs_f64(60.0 * minutes),
            share: ShareConfig::typed(&Section { document, name: "share" })?,
        })
    }
}

/// A profile, overridden by a file and by single values.
fn merged(profile: &str, file: Option<(&str, &str)>, set: &[(&str, &str)]) -> Result<Document, Error> {
    let mut document = Document::profile(profile)?;
    if let Some((name, text)) = file {
        document.apply_file(name, text)?;
    }
    for (path, value) in set {
        document.apply_set(path, value)?;
    }
    Ok(document)
}

impl DataConfig {
    fn typed(section: &Section<'_>) -> Result<Self, Error> {
        let (set, path) = (section.text("set")?, section.text("path")?);
        let source = Source::from_parts(set, path).map_err(|problem| section.wrong("set", problem))?;
        let limit = |key| section.count(key, 0, 1 << 32).map(|limit| (limit > 0).then_some(limit));
        let unreadable = match section.choice("unreadable", &["refuse", "skip"])? {
            "skip" => Unreadable::Skip,
            _ => Unreadable::Refuse,
        };
        let reading = Reading {
            limits: Limits { train: limit("train_images")?, test: limit("test_images")? },
            resolution: section.count("resolution", 1, 4096)?,
            memory_mib: section.count("memory_mib", 1, 1 << 30)? as u64,
            unreadable,
            test_share: section.real("test_share", |s| (0.0..1.0).contains(&s), "from 0 up to but not 1")?,
            index: None,
        };
        Ok(Self { source, reading })
    }
}

impl TrainConfig {
    fn typed(section: &Section<'_>) -> Result<Self, Error> {
        let fraction = section.real("holdout_fraction", |f| f > 0.0 && f < 1.0, "above 0 and below 1")?;
        let scoring = match section.choice("scoring", &["holdout", "published"])? {
            "published" => Scoring::Published,
            _ => Scoring::Holdout { fraction, seed: section.seed("split_seed")? },
        };
        Ok(Self {
            seed: section.seed("seed")?,
            final_seed: section.seed("final_seed")?,
            scoring,
            recipe: train_recipe::recipe(section)?,
        })
    }
}

/// A list of names of which none stands twice.
fn distinct<'a>(section: &Section<'a>, key: &str) -> Result<Vec<&'a str>, Error> {
    let names = section.texts(key)?;
    match names.iter().enumerate().find(|(place, name)| names[..*place].contains(name)) {
        Some((_, twice)) => Err(section.wrong(key, format!("names `{}` twice", shown(twice)))),
        None if names.is_empty() => Err(section.wrong(key, "is empty, must name at least one strategy")),
        None => Ok(names),
    }
}

/// The budget that a section holds.
fn budget(document: &Document, section: &str) -> Result<Budget, Error> {
    let mut values = [Value::Count(0); COUNT];
    for (value, row) in values.iter_mut().zip(&HYPERPARAMETERS) {
        let (toml, place) = document.get(section, row.name)?;
        *value = hyperparameter(row, toml, &place)?;
    }
    Ok(Budget::from_values(values))
}

fn space(document: &Document) -> Result<BudgetSpace, Error> {
    let mut values: [Vec<Value>; COUNT] = Default::default();
    let mut places = Vec::new();
    for (list, row) in values.iter_mut().zip(&HYPERPARAMETERS) {
        let (toml, place) = document.get("space", row.name)?;
        for item in toml.as_array().into_iter().flatten() {
            list.push(hyperparameter(row, item, &place)?);
        }
        places.push(place);
    }
    BudgetSpace::new(values).map_err(|error| match error {
        // The space knows the key only; its place is known here.
        Error::Budget { place, problem } => {
            let known = places.into_iter().find(|known| known.ends_with(&place));
            wrong(known.unwrap_or(place), problem)
        }
        other => other,
    })
}

/// Budget values have one parser; TOML numbers go through it as text.
fn hyperparameter(row: &Hyperparameter, toml: &Toml, place: &str) -> Result<Value, Error> {
    let refuse = |error| match error {
        Error::Budget { place, problem } => wrong(place, problem),
        other => other,
    };
    row.parse(&toml.to_string(), place).map_err(refuse)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
