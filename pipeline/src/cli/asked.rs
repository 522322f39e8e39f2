//! Which training a command is about: flags that `train` has in common with the commands that read what it saved.

use clap::Args;
use stages::architecture::given;
use stages::config::Config;
use stages::data::Dataset;
use stages::recipe::FinalRecipe;
use stages::train::TrainingJob;
use stages::{Architecture, Budget};

use super::Global;
use super::data::load_of;
use super::given::genotype;
use super::selection::Settings;
use crate::error::Error;
use crate::nas::template;

/// An architecture, how it is trained, and on which images.
#[derive(Args)]
pub(super) struct Asked {
    /// A genotype in any text form, the name of a published one, or @FILE with one; of several in a file `@FILE:NAME` or
    /// `@FILE:LINE`
    #[arg(long, value_name = "G|NAME|@FILE", required_unless_present = "architecture")]
    genotype: Option<String>,
    /// Any architecture: one that `pipeline architectures` lists, a genotype in the forms of --space, or @FILE with one, as
    /// for --genotype
    #[arg(long, value_name = "NAME|G|@FILE", conflicts_with = "genotype")]
    architecture: Option<String>,
    /// The space of the architecture's cells: darts, nasnet, amoebanet, enas, any, or a TOML file that defines one [default:
    /// the named architecture's own, else darts]
    #[arg(long, value_name = "NAME|F", requires = "architecture")]
    space: Option<String>,
    /// A name (BPE-1, BPE-2, DARTS, full), values, or a name and the values that differ
    #[arg(long, value_name = "NAME|k=v,...", required_unless_present = "recipe")]
    budget: Option<String>,
    /// In place of a budget the recipe of a final network: cifar10-full, imagenet-mobile or a TOML file that starts from one,
    /// and after commas the values that differ
    #[arg(long, value_name = "NAME|F[,k=v...]", conflicts_with = "budget")]
    recipe: Option<String>,
    #[command(flatten)]
    settings: Settings,
    /// `embedded`, or the folder of a data set; `stream:DIR` for pictures that do not fit the memory [default: the settings',
    /// else embedded]
    #[arg(long, value_name = "SET|DIR")]
    data: Option<String>,
}

/// What the flags say.
pub(super) struct Training {
    /// The job, as the settings say, where there are any, and then as the recipe, if there is one.
    pub(super) job: TrainingJob,
    pub(super) data: Dataset,
    /// The settings, where there are any.
    pub(super) config: Option<Config>,
}

impl Asked {
    /// The architecture as it was asked for.
    pub(super) fn text(&self) -> &str {
        self.architecture.as_deref().or(self.genotype.as_deref()).unwrap_or_default()
    }

    /// Reads everything that the flags name; images last, which take longest.
    pub(super) fn read(&self, global: &Global) -> Result<Training, Error> {
        let architecture: Architecture = match &self.architecture {
            Some(text) => given(text, self.space.as_deref()).map_err(Error::Input)?,
            None => genotype(self.text())?.into(),
        };
        let recipe = self.recipe.as_deref().map(FinalRecipe::read).transpose().map_err(Error::Input)?;
        let budget = self.budget.as_deref().map(str::parse::<Budget>).transpose().map_err(Error::Input)?;
        let config = if self.settings.are_given() { Some(self.settings.config()?) } else { None };
        let data = load_of(self.data.as_deref(), config.as_ref(), global)?;
        let (channels, classes) = (data.channels, data.classes.len());
        let budget = match (budget, &recipe) {
            (Some(budget), _) => budget,
            (None, Some(recipe)) => {
                recipe.budget_for(&architecture, channels, classes).map_err(Error::Input)?
            }
            // The parser asks for one of both.
            (None, None) => {
                return Err(Error::Flag {
                    flag: "--budget",
                    value: String::new(),
                    problem: "give a budget or a recipe".to_owned(),
                });
            }
        };
        let mut train = config.as_ref().map(|config| config.train.clone()).unwrap_or_default();
        if let Some(recipe) = recipe {
            train.recipe = recipe.recipe;
        }
        let job = template(&train, &data).job(architecture, &budget);
        Ok(Training { job, data, config })
    }
}
