//! What a file of weights belongs to: flags of commands that read one.

use clap::Args;
use stages::config::TrainConfig;
use stages::data::Dataset;
use stages::train::TrainingJob;
use stages::{Budget, Genotype};

use super::Global;
use super::data::load_of;
use super::given::genotype;
use super::selection::Settings;
use crate::error::Error;
use crate::nas::template;

/// The network of a training, and the images that it is for.
#[derive(Args)]
pub(super) struct TrainedArgs {
    /// A genotype in any text form, the name of a published one, or @FILE with one; of several in a file `@FILE:NAME` or
    /// `@FILE:LINE`
    #[arg(long, value_name = "G|NAME|@FILE")]
    pub(super) genotype: String,
    /// The budget of its training: a name (BPE-1, BPE-2, DARTS, full), values, or a name and the values that differ
    #[arg(long, value_name = "NAME|k=v,...")]
    budget: String,
    #[command(flatten)]
    settings: Settings,
    /// `embedded`, or the folder of a data set [default: the settings', else embedded]
    #[arg(long, value_name = "SET|DIR")]
    data: Option<String>,
}

/// What the flags say.
pub(super) struct Trained {
    pub(super) genotype: Genotype,
    pub(super) job: TrainingJob,
    pub(super) data: Dataset,
}

impl TrainedArgs {
    pub(super) fn read(&self, global: &Global) -> Result<Trained, Error> {
        let genotype = genotype(&self.genotype)?;
        let budget: Budget = self.budget.parse().map_err(Error::Input)?;
        let config = if self.settings.are_given() { Some(self.settings.config()?) } else { None };
        let data = load_of(self.data.as_deref(), config.as_ref(), global)?;
        let train = config.map_or_else(TrainConfig::default, |config| config.train);
        let job = template(&train, &data).job(genotype.clone(), &budget);
        Ok(Trained { genotype, job, data })
    }
}
