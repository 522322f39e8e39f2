//! `pipeline cache`: what is in the cache folder, whether it is whole, and what is shared.

mod gc;
mod remove;
mod sample;
mod share;
mod verify;

use cache::{FOUND_IN, Kind, PRODUCER, PublicKey};
use clap::{Args, Subcommand};
use serde::Serialize;
use stages::echo::shown;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use super::Global;
use super::folder::warn;
use super::given::path;
use crate::error::Error;
use crate::output::table::{Align, Table};
use crate::output::{self, format};
use crate::person::PERSON;

#[derive(Args)]
#[command(after_help = "Examples:
  pipeline cache stats
  pipeline cache verify --cache /shared/nas-cache
  pipeline cache rm 3f9a51c2b7")]
pub(crate) struct Cache {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Say how many records of each kind there are, and what computing them has cost
    #[command(after_help = "Example:
  pipeline cache stats --json")]
    Stats,
    /// Check every record and every file of weights; damaged records are set aside and computed again when they are needed
    #[command(after_help = "Examples:
  pipeline cache verify
  pipeline cache verify --sample 5 --config mine.toml")]
    Verify(verify::Verify),
    /// Copy every record and all weights of the cache into the shares that lack them
    #[command(after_help = "Example:
  pipeline cache push --share /mnt/team/nas")]
    Push,
    /// Copy every record and all weights of the shares into the cache
    #[command(after_help = "Example:
  pipeline cache pull --share /mnt/team/nas")]
    Pull,
    /// Copy every record and all weights of the cache into one file, for somebody without a share
    ///
    /// It is a tar file: unpacked into an empty folder, it is a share.
    #[command(after_help = "Example:
  pipeline cache export nas.tar")]
    Export {
        /// The file to write
        #[arg(value_name = "FILE", value_parser = path())]
        file: PathBuf,
    },
    /// Copy every record and all weights of such a file into the cache
    #[command(after_help = "Example:
  pipeline cache import nas.tar --trust require")]
    Import {
        /// The file to read
        #[arg(value_name = "FILE", value_parser = path())]
        file: PathBuf,
    },
    /// Make the key that signs what this person shares, and print its public half; prints that of the key that is there already
    #[command(after_help = "Example:
  pipeline cache keygen")]
    Keygen,
    /// Trust the records that a producer signed, or list the producers
    #[command(after_help = "Examples:
  pipeline cache trust
  pipeline cache trust 3f9a… --name Ada")]
    Trust {
        /// The producer's public key, as `keygen` prints it
        #[arg(value_name = "KEY")]
        key: Option<PublicKey>,
        /// What to call the producer
        #[arg(long, requires = "key", default_value = "")]
        name: String,
    },
    /// Use no record of a share that a producer signed, from now on; what was found before stays until `rm --producer`
    #[command(after_help = "Example:
  pipeline cache revoke --producer 3f9a…")]
    Revoke {
        /// The producer's public key
        #[arg(long, value_name = "KEY")]
        producer: PublicKey,
    },
    /// Delete records for good, so that they are computed again
    ///
    /// A node's output that was made from a deleted training stays: delete it too, or `run --force` the node. What a share has
    /// is found there again.
    #[command(after_help = "Examples:
  pipeline cache rm 3f9a51c2b7
  pipeline cache rm training/3f9a51c2b7 node-output/09bd77
  pipeline cache rm --producer ada@laptop --dry-run
  pipeline cache rm --outgoing /mnt/old-share")]
    Rm(remove::Remove),
    /// Make room: delete what the last runs do not need
    ///
    /// What a run needs is the outputs of its nodes and the trainings behind them; of one that did not finish, all that was made
    /// since it began. What is pinned stays. A share is left as it is.
    #[command(after_help = "Examples:
  pipeline cache gc --dry-run
  pipeline cache gc --keep-runs 3 --older 7d
  pipeline cache gc --size 2GB")]
    Gc(gc::Gc),
    /// Keep a run and what it needs, or a record, whatever `gc` would delete; list what is kept so
    #[command(after_help = "Examples:
  pipeline cache pin
  pipeline cache pin 3f9a51c2
  pipeline cache pin 3f9a51c2 --remove")]
    Pin {
        /// The first digits, at least six, of a run's id or of a key
        #[arg(value_name = "RUN|KEY")]
        key: Option<String>,
        /// Keep it no more
        #[arg(long, requires = "key")]
        remove: bool,
    },
}

#[derive(Serialize)]
struct StatsJson {
    folder: String,
    kinds: BTreeMap<&'static str, KindJson>,
    quarantined: u64,
    superseded: u64,
    spooled: u64,
    set_aside: u64,
    weights: u64,
    weights_bytes: u64,
    checkpoints: u64,
    checkpoint_bytes: u64,
    outgoing: u64,
    /// That by the share that it waits for.
    outgoing_to: BTreeMap<String, u64>,
    /// Trainings by the share that they were found in.
    found_in: BTreeMap<String, u64>,
    /// Those found in shares that are signed, by the public key of their producer.
    signed_by: BTreeMap<String, u64>,
    /// Trainings by the person who made them.
    made_by: BTreeMap<String, u64>,
    disk_bytes: u64,
}

#[derive(Serialize)]
struct KindJson {
    records: u64,
    bytes: u64,
    flops: u64,
    elapsed_ms: u64,
}

impl Cache {
    pub(super) fn run(&self, global: &Global) -> Result<(), Error> {
        match &self.action {
            Action::Stats => stats(global),
            Action::Verify(command) => command.run(global),
            Action::Push => share::push(global),
            Action::Pull => share::pull(global),
            Action::Export { file } => share::export(global, file),
            Action::Import { file } => share::import(global, file),
            Action::Keygen => share::keygen(global),
            Action::Trust { key: None, .. } => share::list(global),
            Action::Trust { key: Some(key), name } => share::set(global, *key, Some(name)),
            Action::Revoke { producer } => share::set(global, *producer, None),
            Action::Rm(command) => command.run(global),
            Action::Gc(command) => command.run(global),
            Action::Pin { key, remove } => gc::pin(global, key.as_deref(), *remove),
        }
    }
}

fn stats(global: &Global) -> Result<(), Error> {
    let store = global.open()?;
    let mut stats = store.stats_by(&[FOUND_IN, PRODUCER, PERSON])?;
    let mut by = |name| stats.trainings_by.remove(name).unwrap_or_default();
    let (found_in, signed_by, made_by) = (by(FOUND_IN), by(PRODUCER), by(PERSON));
    warn(&store);
    let folder = global.folder()?.display().to_string();
    if global.json {
        let kind = |(kind, stats): (&Kind, &cache::KindStats)| {
            let json = KindJson {
                records: stats.records,
                bytes: stats.bytes,
                flops: stats.cost.flops,
                elapsed_ms: stats.cost.elapsed_ms,
            };
            (kind.name(), json)
        };
        return output::json(&StatsJson {
            folder,
            kinds: stats.kinds.iter().map(kind).collect(),
            quarantined: stats.quarantined,
            superseded: stats.superseded,
            spooled: stats.spooled,
            set_aside: stats.set_aside,
            weights: stats.weights,
            weights_bytes: stats.weights_bytes,
            checkpoints: stats.checkpoints,
            checkpoint_bytes: stats.checkpoint_bytes,
            outgoing: stats.outgoing.values().sum(),
            outgoing_to: stats.outgoing,
            found_in,
            signed_by,
            made_by,
            disk_bytes: stats.disk_bytes,
        });
    }
    let right = ["records", "size", "arithmetic", "time spent"].map(|heading| (heading, Align::Right));
    let mut table = Table::new(&[[("kind", Align::Left)].as_slice(), &right].concat(), 0);
    for (kind, stats) in &stats.kinds {
        table.row(vec![
            kind.to_string(),
            format::count(stats.records),
            format::large(stats.bytes as f64, "B"),
            format::large(stats.cost.flops as f64, "FLOP"),
            format::duration(stats.cost.elapsed_ms),
        ]);
    }
    let mut shares = String::new();
    for (counts, word) in [(&found_in, "found in"), (&made_by, "made by"), (&signed_by, "signed by")] {
        for (whom, trainings) in counts {
            let _ = write!(shares, ", {} of the trainings {word} {}", format::count(*trainings), shown(whom));
        }
    }
    for (place, waiting) in &stats.outgoing {
        let _ = write!(shares, ", {} waiting for {place}", format::count(*waiting));
    }
    output::result(&format!(
        "{table}\n{folder}: {} on disk, {} in {} of weights, {} in {} of trainings that were not finished, {} and {} in \
         quarantine, {} waiting in the spool, {} unusable spool files{shares}\n",
        format::large(stats.disk_bytes as f64, "B"),
        format::large(stats.weights_bytes as f64, "B"),
        format::plural(stats.weights, "file"),
        format::large(stats.checkpoint_bytes as f64, "B"),
        format::plural(stats.checkpoints, "checkpoint"),
        format::plural(stats.quarantined, "damaged record"),
        format::plural(stats.superseded, "superseded record"),
        format::count(stats.spooled),
        format::count(stats.set_aside)
    ))
}
