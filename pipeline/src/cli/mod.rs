//! The command line. Every command parses its input into types before it opens the cache or a device.

mod architectures;
mod asked;
mod baselines;
mod bench;
mod cache;
mod compare;
mod completions;
mod config;
mod data;
mod device;
mod devices;
mod evaluate;
mod explain;
mod export;
mod folder;
mod forest;
mod given;
mod graph;
mod importance;
mod inputs;
mod interrupt;
mod log;
mod man;
mod plan;
mod rank;
mod replay;
mod report;
mod retrain;
mod run;
mod selection;
mod share;
mod status;
mod strategies;
mod train;
mod weights;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::error::Error;

/// Finds the cheapest training budget that still ranks architectures like full training does, and the best
/// architectures under it. Every training is remembered: what was trained once is never trained again.
#[derive(Parser)]
#[command(
    name = "pipeline",
    version,
    after_help = "Examples:
  pipeline run --target nas-search              everything, on the images that come with the program
  pipeline run --target nas-search --dry-run    what that would train, and why
  pipeline train --genotype DARTS_V2 --budget BPE-1 --data cifar-10-batches-bin"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Args)]
pub(crate) struct Global {
    /// Folder of the cache [default: the environment's `NAS_CACHE`, or nas-pipeline/cache in the user's cache folder]
    #[arg(long, global = true, value_name = "DIR", value_parser = given::path())]
    cache: Option<PathBuf>,
    /// Folder or bucket that a team shares, behind the cache (`/mnt/team/nas`, `s3://bucket/prefix`); may be repeated [default:
    /// the environment's `NAS_SHARE`, separated by commas, or the configuration's `share.places`]
    #[arg(long, global = true, value_name = "DIR|URL", value_parser = given::path())]
    share: Vec<PathBuf>,
    /// What becomes of shared records whose producer is not trusted [default: the environment's `NAS_TRUST`, or the
    /// configuration's `share.trust`, or off]
    #[arg(long, global = true, value_enum)]
    trust: Option<share::TrustMode>,
    /// Print one JSON object instead of text
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    Run(run::Run),
    /// Say what a run would do and why, without doing it
    Plan(plan::Plan),
    /// Print the graph of a target
    Graph(graph::Graph),
    /// Say how the last run ended and what has become stale since
    Status(status::Status),
    /// Show the configuration of a run
    Config(config::Config),
    /// List the runs of this cache folder, or the trainings of one
    Log(log::Log),
    /// Say why a node is stale: which field of its key changed, and both values
    Explain(explain::Explain),
    Train(train::Train),
    Evaluate(evaluate::Evaluate),
    Export(export::Export),
    Baselines(baselines::Baselines),
    Bench(bench::Bench),
    Rank(rank::Rank),
    Importance(importance::Importance),
    Replay(replay::Replay),
    Compare(compare::Compare),
    Report(report::ReportArgs),
    /// Look into the cache folder
    Cache(cache::Cache),
    /// List the architectures that are known by name, with their sizes and published errors
    Architectures(architectures::Architectures),
    /// List the strategies that search for architectures
    Strategies(strategies::Strategies),
    /// List the devices to train on
    Devices(devices::Devices),
    /// Show what a data set is, download a published one, or check a copy
    Data(data::Data),
    Completions(completions::Completions),
    Man(man::Man),
}

impl Cli {
    /// Does what was asked.
    pub(crate) fn run(&self) -> Result<(), Error> {
        let global = &self.global;
        match &self.command {
            Command::Run(command) => command.run(global),
            Command::Plan(command) => command.run(global),
            Command::Graph(command) => command.run(global),
            Command::Status(command) => command.run(global),
            Command::Config(command) => command.run(global),
            Command::Log(command) => command.run(global),
            Command::Explain(command) => command.run(global),
            Command::Train(command) => command.run(global),
            Command::Evaluate(command) => command.run(global),
            Command::Export(command) => command.run(global),
            Command::Baselines(command) => command.run(global),
            Command::Bench(command) => command.run(global),
            Command::Rank(command) => command.run(global),
            Command::Importance(command) => command.run(global),
            Command::Replay(command) => command.run(global),
            Command::Compare(command) => command.run(global),
            Command::Report(command) => command.run(global),
            Command::Cache(command) => command.run(global),
            Command::Architectures(command) => command.run(global),
            Command::Strategies(command) => command.run(global),
            Command::Devices(command) => command.run(global),
            Command::Data(command) => command.run(global),
            Command::Completions(command) => command.run(),
            Command::Man(command) => command.run(),
        }
    }
}
