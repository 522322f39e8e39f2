//! What a run is about: target, configuration, images; and the graph that they give.

use std::path::PathBuf;

use clap::Args;
use stages::config::Config;
use stages::data::Dataset;

use super::given::{path, read_text};
use crate::engine::node::{Dag, NodeIndex};
use crate::error::Error;
use crate::nas;

/// Flags that choose what a run is about.
#[derive(Args)]
pub(crate) struct Selection {
    /// Stage or node to compute, with everything that it needs
    #[arg(long, default_value = "nas-search", value_name = "NODE|STAGE")]
    pub(super) target: String,
    #[command(flatten)]
    pub(super) settings: Settings,
}

/// Flags that choose the configuration.
#[derive(Args)]
pub(crate) struct Settings {
    /// Configuration file (TOML)
    #[arg(long, value_name = "F", value_parser = path())]
    config: Option<PathBuf>,
    /// Settings to start from: quick, laptop or paper
    #[arg(long, default_value = "quick", value_name = "NAME")]
    profile: String,
    /// Change one setting, as in the configuration file; may be repeated
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
}

/// A configuration's images and graph.
pub(super) struct Loaded {
    pub(super) data: Dataset,
    pub(super) dag: Dag,
}

impl Settings {
    /// Reads configuration and images, and builds the graph.
    pub(super) fn load(&self) -> Result<Loaded, Error> {
        let config = self.config()?;
        let data = config.data.source.load(config.data.limits).map_err(Error::Input)?;
        nas::check(&config, &data).map_err(Error::Input)?;
        let dag = nas::dag(&config, &data);
        Ok(Loaded { data, dag })
    }

    fn config(&self) -> Result<Config, Error> {
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
        Config::load(&self.profile, file, &set).map_err(Error::Input)
    }
}

impl Selection {
    /// The graph and the nodes in it that the target names.
    pub(super) fn load(&self) -> Result<(Loaded, Vec<NodeIndex>), Error> {
        let loaded = self.settings.load()?;
        let targets = loaded.dag.find(&self.target)?;
        Ok((loaded, targets))
    }
}
