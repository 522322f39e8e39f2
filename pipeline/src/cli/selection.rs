//! What a run is about: target, configuration, images; and the graph that they give.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use stages::Genotype;
use stages::config::{Config, Setting, ShareConfig, TrainConfig};
use stages::data::Dataset;

use super::Global;
use super::data::read;
use super::given::{path, read_text};
use crate::engine::node::{Dag, NodeIndex};
use crate::error::Error;
use crate::nas;
use crate::output::{self, format};

/// Flags that choose what a run is about.
#[derive(Args)]
pub(crate) struct Selection {
    /// Stage or node to compute, with everything that it needs
    #[arg(long, default_value = "nas-search", value_name = "NODE|STAGE")]
    pub(super) target: String,
    #[command(flatten)]
    pub(super) settings: Settings,
}

/// The profile that a configuration starts from where none is named.
const PROFILE: &str = "quick";

/// Flags that choose the configuration.
#[derive(Args)]
pub(crate) struct Settings {
    /// Configuration file (TOML)
    #[arg(long, value_name = "F", value_parser = path())]
    config: Option<PathBuf>,
    /// Settings to start from: quick, laptop or paper [default: quick]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Change one setting, as in the configuration file; may be repeated
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
}

/// A configuration's images and graph.
pub(super) struct Loaded {
    /// The flags that give the same configuration, word by word.
    pub(super) repeated: Vec<String>,
    /// What trainings do beyond their budget.
    pub(super) train: TrainConfig,
    /// How long after one checkpoint of a training the next is due.
    pub(super) checkpoint_interval: Duration,
    pub(super) share: ShareConfig,
    pub(super) data: Dataset,
    pub(super) dag: Dag,
}

impl Settings {
    /// Reads configuration and images, and builds the graph.
    pub(super) fn load(&self, global: &Global) -> Result<Loaded, Error> {
        let (mut config, repeated) = self.merged(|profile, file, set| {
            let settings = Config::settings(profile, file, set)?;
            Ok((Config::load(profile, file, set)?, repeated(profile, &settings)))
        })?;
        let given = config.architectures.file.as_deref().map(given_architectures).transpose()?;
        if let Some(genotypes) = &given {
            config = config.with_architectures(genotypes.len()).map_err(Error::Input)?;
        }
        let data = read(&config.data.source, &config.data.reading, global)?;
        nas::check(&config, &data).map_err(Error::Input)?;
        let dag = nas::dag(&config, &data, given);
        let Config { train, checkpoint_interval, share, .. } = config;
        Ok(Loaded { repeated, train, checkpoint_interval, share, data, dag })
    }

    /// Whether any of them was given.
    pub(super) fn are_given(&self) -> bool {
        self.config.is_some() || self.profile.is_some() || !self.set.is_empty()
    }

    /// The flags that give them, word by word; at least one, so that `train` takes them for settings.
    pub(super) fn words(&self) -> Vec<String> {
        let config = self.config.as_ref().map(|path| ["--config".to_owned(), path.display().to_string()]);
        let profile = match (&self.profile, self.are_given()) {
            (Some(profile), _) => Some(profile.as_str()),
            (None, true) => None,
            (None, false) => Some(PROFILE),
        };
        let profile = profile.map(|profile| ["--profile".to_owned(), profile.to_owned()]);
        let set = self.set.iter().map(|set| ["--set".to_owned(), set.clone()]);
        config.into_iter().chain(profile).chain(set).flatten().collect()
    }

    /// The configuration, checked.
    pub(super) fn config(&self) -> Result<Config, Error> {
        self.merged(Config::load)
    }

    /// What the configuration is made of, key by key, and why a run would refuse it, if it would.
    pub(super) fn settings(&self) -> Result<(Vec<Setting>, Option<stages::Error>), Error> {
        // Both from one reading, for a pipe is read only once.
        self.merged(|profile, file, set| {
            let settings = Config::settings(profile, file, set)?;
            Ok((settings, Config::load(profile, file, set).err()))
        })
    }

    /// Gives profile, file and overrides to whoever merges them.
    fn merged<T>(
        &self,
        load: impl FnOnce(&str, Option<(&str, &str)>, &[(&str, &str)]) -> Result<T, stages::Error>,
    ) -> Result<T, Error> {
        let mut set = Vec::with_capacity(self.set.len());
        for text in &self.set {
            set.push(text.split_once('=').ok_or_else(|| Error::Flag {
                flag: "--set",
                value: text.clone(),
                problem: "not of the form section.key=value, for example mip.lambda=0.2".to_owned(),
            })?);
        }
        let file = match &self.config {
            Some(path) => Some((path.display().to_string(), read_text(path)?)),
            None => None,
        };
        let file = file.as_ref().map(|(name, text)| (name.as_str(), text.as_str()));
        load(self.profile.as_deref().unwrap_or(PROFILE), file, &set).map_err(Error::Input)
    }
}

/// The profile, and every setting that differs from it.
fn repeated(profile: &str, settings: &[Setting]) -> Vec<String> {
    let mut words = vec!["--profile".to_owned(), profile.to_owned()];
    for setting in settings.iter().filter(|setting| setting.is_given()) {
        let value = setting.toml();
        let plain = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let plain = plain.filter(|plain| !plain.contains(['"', '\\'])).unwrap_or(&value);
        words.extend(["--set".to_owned(), format!("{}.{}={plain}", setting.section, setting.key)]);
    }
    words
}

/// The architectures of a file; a ranking takes two at least.
fn given_architectures(path: &Path) -> Result<Vec<Genotype>, Error> {
    let refused = |problem| Error::File { path: path.to_path_buf(), problem };
    let genotypes =
        stages::genotype::read_all(&read_text(path)?).map_err(|problem| refused(problem.to_string()))?;
    if genotypes.len() < 2 {
        return Err(refused(format!(
            "holds {} genotype, and a ranking takes 2 at least (architectures.file)",
            genotypes.len()
        )));
    }
    output::message(&format!(
        "{} architectures of {}",
        format::count(genotypes.len() as u64),
        path.display()
    ));
    Ok(genotypes)
}

impl Selection {
    /// The graph and the nodes in it that the target names.
    pub(super) fn load(&self, global: &Global) -> Result<(Loaded, Vec<NodeIndex>), Error> {
        let loaded = self.settings.load(global)?;
        let targets = loaded.dag.find(&self.target)?;
        nas::check_targets(&loaded.dag, &targets, &loaded.data).map_err(Error::Input)?;
        Ok((loaded, targets))
    }
}
