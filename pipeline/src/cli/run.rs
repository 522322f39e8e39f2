//! `pipeline run`: computes a target.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use cache::Store;
use clap::Args;

use super::Global;
use super::device::DeviceArgs;
use super::folder::{finish_sharing, warn};
use super::interrupt::stop_on_signal;
use super::report::keep;
use super::retrain::quoted;
use super::selection::{Loaded, Selection};
use crate::engine;
use crate::engine::manifest::Manifest;
use crate::engine::plan::Plan;
use crate::error::Error;
use crate::local::{LocalExecutor, PACK_MIB};
use crate::output;
use crate::output::conditions::Conditions;
use crate::output::progress::Reporter;
use crate::output::report::{self, RunSummary};
use crate::report::{COMMAND, CONDITIONS};

/// Run a target: only what is not in the cache is computed
///
/// Results go to standard output, progress to standard error. What had finished when a run ended, however it ended, is
/// not computed again.
#[derive(Args)]
#[command(after_help = "Examples:
  pipeline run --target nas-search
  pipeline run --target nas-search --dry-run
  pipeline run --target rank@1 --config mine.toml --set mip.lambda=0.3 --json
  pipeline run --profile paper --set data.path=cifar-10-batches-bin --device gpu")]
pub(crate) struct Run {
    #[command(flatten)]
    selection: Selection,
    /// Say what would run and why, and do nothing
    #[arg(short = 'n', long = "dry-run")]
    only_plan: bool,
    /// Compute, and train, this stage or node although it is in the cache; may be repeated
    #[arg(long, value_name = "NODE|STAGE")]
    force: Vec<String>,
    /// After a failure go on with everything that does not need what failed; every failure is told in the end
    #[arg(short, long)]
    keep_going: bool,
    #[command(flatten)]
    device: DeviceArgs,
    /// Trainings at once, at most [default, and most that run: one for each core, on a GPU 64, which share its dispatches;
    /// fewer where they do not fit the memory]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Memory that the trainings at once on a GPU may take together
    #[arg(long, value_name = "MIB", default_value_t = PACK_MIB)]
    pack_memory: u64,
}

impl Run {
    pub(super) fn run(&self, global: &Global) -> Result<(), Error> {
        let begun = Instant::now();
        let (loaded, targets) = self.selection.load(global)?;
        let mut forced = BTreeSet::new();
        let cone: BTreeSet<_> = loaded.dag.cone(&targets).into_iter().collect();
        for name in &self.force {
            let needed: Vec<_> =
                loaded.dag.find(name)?.into_iter().filter(|node| cone.contains(node)).collect();
            if needed.is_empty() {
                let target = &self.selection.target;
                let problem = format!(
                    "the target {target} does not need it; force what it needs, or make it the target with --target {name}"
                );
                return Err(Error::Flag { flag: "--force", value: name.clone(), problem });
            }
            forced.extend(needed);
        }
        let store = global.open_with(global.sharing(Some(&loaded.share))?)?;
        if self.only_plan {
            let plan = Plan::make(&loaded.dag, &store, &targets, &forced)?;
            warn(&store);
            return output::plan::print(&plan, &self.selection.target, global.json);
        }
        let conditions =
            Conditions::of_uses(&loaded.data, loaded.train.scoring, &loaded.dag.image_uses(&targets));
        let stop = stop_on_signal()?;
        let said = said(&conditions, &loaded, &self.selection.target)?;
        let executor = LocalExecutor::new(
            self.device.place,
            self.jobs.map(usize::from),
            self.pack_memory,
            loaded.checkpoint_interval,
            loaded.data,
        );
        let progress = Reporter::new(output::messages_to_terminal());
        let run = engine::run::Run {
            dag: &loaded.dag,
            store: &store,
            executor: &executor,
            progress: &progress,
            stop: &stop,
            keep_going: self.keep_going,
            forced,
            said,
        };
        let outcome = run.run(&self.selection.target, &targets)?;
        let shares = finish_sharing(&store);
        warn(&store);
        if let Some(error) = &outcome.unlogged {
            output::message(&format!("warning: this run is not in the log: {error}"));
        }
        if let Some(failure) = outcome.failure {
            return Err(failure);
        }
        report::print(
            &loaded.dag,
            &targets,
            &outcome.outputs,
            &RunSummary {
                manifest: &outcome.manifest,
                conditions: &conditions,
                elapsed_ms: begun.elapsed().as_millis() as u64,
                shares: &shares,
            },
            global.json,
        )?;
        if !global.json && outcome.manifest.id.is_some() {
            tell_report(&store, &outcome.manifest);
        }
        Ok(())
    }
}

/// What a run's record says beside its nodes: images and scoring, and the command that asks for the run again.
fn said(conditions: &Conditions, loaded: &Loaded, target: &str) -> Result<BTreeMap<String, String>, Error> {
    let words = ["pipeline", "run", "--target", target].into_iter().map(str::to_owned);
    let words: Vec<String> = words.chain(loaded.repeated.iter().cloned()).map(|word| quoted(&word)).collect();
    let conditions = serde_json::to_string(conditions).map_err(|error| Error::Output(error.into()))?;
    Ok([(CONDITIONS.to_owned(), conditions), (COMMAND.to_owned(), words.join(" "))].into())
}

/// Keeps the run's report in the cache folder, and says where. A run whose report cannot be written is none the worse.
fn tell_report(store: &Store, run: &Manifest) {
    match keep(store, run) {
        Ok(place) => output::message(&format!("report: {}", place.display())),
        Err(error) => output::message(&format!("warning: no report: {error}")),
    }
}
