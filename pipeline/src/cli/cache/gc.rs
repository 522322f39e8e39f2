//! `pipeline cache gc` and `pin`: making room, and what is kept all the same.

use std::collections::HashSet;
use std::time::Duration;

use cache::{Digest, Kind, Record, Store};
use clap::Args;
use serde::Serialize;
use stages::supernet::one_shot::OneShotResult;

use super::remove::{moment_before, resolve};
use crate::cli::Global;
use crate::cli::folder::warn;
use crate::cli::given::{age, size};
use crate::engine::manifest::History;
use crate::engine::needs::Needs;
use crate::error::Error;
use crate::output::{self, format};

#[derive(Args)]
pub(crate) struct Gc {
    /// Keep what so many runs need, the newest first
    #[arg(long, value_name = "K", default_value_t = 10)]
    keep_runs: usize,
    /// Keep what is younger than this: 30d, 12h, 90m
    #[arg(long, value_name = "AGE", value_parser = age, default_value = "1d")]
    older: Duration,
    /// Delete the oldest first, and no more once all records and weights take no more than this: 500MB, 2GB
    #[arg(long, value_name = "BYTES", value_parser = size)]
    size: Option<u64>,
    /// Say what would be deleted, and do nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

#[derive(Serialize)]
struct GcJson {
    deleted: u64,
    deleted_bytes: u64,
    weights_deleted: u64,
    kept: u64,
    kept_bytes: u64,
    dry_run: bool,
}

/// A record that could be deleted.
struct Spare {
    created_unix_ms: u64,
    kind: Kind,
    digest: Digest,
    bytes: u64,
}

impl Gc {
    pub(super) fn run(&self, global: &Global) -> Result<(), Error> {
        let store = global.open_alone()?;
        if store.is_at_work_elsewhere() {
            return Err(Error::AtWork { folder: store.path().to_path_buf() });
        }
        let history = History::load(&store)?;
        let pins = store.pins()?;
        let is_kept = |(place, run): &(usize, &crate::engine::manifest::Manifest)| {
            *place < self.keep_runs || run.id.is_some_and(|id| pins.contains(&id))
        };
        let runs = history.manifests().iter().enumerate().filter(is_kept).map(|(_, run)| run);
        let needs = Needs::of(&store, runs, pins.iter().copied())?;
        let (mut spare, mut kept, mut kept_bytes) = (Vec::new(), 0, 0);
        let before = moment_before(self.older);
        let mut weights: HashSet<Digest> = HashSet::new();
        for kind in Kind::ALL {
            for record in store.iter(kind)? {
                let record = record?;
                let bytes = record.to_bytes().len() as u64;
                if !needs.contain(&record) && record.created_unix_ms < before {
                    let (created_unix_ms, digest) = (record.created_unix_ms, *record.key.digest());
                    spare.push(Spare { created_unix_ms, kind, digest, bytes });
                    continue;
                }
                kept += 1;
                kept_bytes += bytes;
                weights.extend(weights_of(&record));
            }
        }
        let mut spare_weights = store.weights_kept()?;
        kept_bytes += spare_weights
            .extract_if(.., |(digest, _)| weights.contains(digest))
            .map(|(_, bytes)| bytes)
            .sum::<u64>();
        spare.sort_by_key(|spare| (spare.created_unix_ms, spare.digest));
        if let Some(size) = self.size {
            let weights: u64 = spare_weights.iter().map(|(_, bytes)| bytes).sum();
            let mut total = kept_bytes + weights + spare.iter().map(|spare| spare.bytes).sum::<u64>();
            // Weights that nothing names go first: they are of records that are gone.
            let mut enough = 0;
            total = if total > size { total - weights } else { total };
            while total > size && enough < spare.len() {
                total -= spare[enough].bytes;
                enough += 1;
            }
            let stays = spare.split_off(enough);
            kept += stays.len() as u64;
            kept_bytes += stays.iter().map(|spare| spare.bytes).sum::<u64>();
        }
        let bytes = spare.iter().map(|spare| spare.bytes).sum::<u64>();
        let bytes = bytes + spare_weights.iter().map(|(_, bytes)| bytes).sum::<u64>();
        if !self.dry_run {
            let records: Vec<_> = spare.iter().map(|spare| (spare.kind, spare.digest)).collect();
            store.remove_all(&records)?;
            spare_weights.iter().try_for_each(|(digest, _)| store.remove_weights(digest))?;
        }
        warn(&store);
        if needs.all_trainings() {
            output::message(
                "an output that is needed is of an earlier version and does not say which trainings it was made from: all \
                 trainings are kept",
            );
        }
        let (deleted, weights_deleted) = (spare.len() as u64, spare_weights.len() as u64);
        if global.json {
            let (deleted_bytes, dry_run) = (bytes, self.dry_run);
            return output::json(&GcJson {
                deleted,
                deleted_bytes,
                weights_deleted,
                kept,
                kept_bytes,
                dry_run,
            });
        }
        output::result(&format!(
            "{} {} and {} of weights ({}); {} kept ({})",
            if self.dry_run { "would delete" } else { "deleted" },
            format::plural(deleted, "record"),
            format::plural(weights_deleted, "file"),
            format::large(bytes as f64, "B"),
            format::plural(kept, "record"),
            format::large(kept_bytes as f64, "B"),
        ))
    }
}

/// The weights that a record names.
fn weights_of(record: &Record) -> Vec<Digest> {
    let is_one_shot = record.key.fields().get("job").is_some_and(|job| job.to_string() == "one-shot");
    let result = is_one_shot.then(|| record.value::<OneShotResult>().ok()).flatten();
    result.map_or_else(Vec::new, |result| result.weights().copied().collect())
}

#[derive(Serialize)]
struct PinsJson {
    pinned: Vec<String>,
}

/// Pins what is named, or takes its pin away; lists what is pinned.
pub(super) fn pin(global: &Global, key: Option<&str>, remove: bool) -> Result<(), Error> {
    let store: Store = global.open_alone()?;
    if let Some(key) = key {
        let pins = store.pins()?;
        let pinned = |digest: &&Digest| digest.to_string().starts_with(&key.to_ascii_lowercase());
        match (remove, pins.iter().find(pinned)) {
            // What it names may be gone.
            (true, Some(digest)) => store.pin(digest, false)?,
            _ => store.pin(&resolve(&store, key)?.1, !remove)?,
        }
    }
    let pinned: Vec<String> = store.pins()?.iter().map(Digest::to_string).collect();
    warn(&store);
    if global.json {
        return output::json(&PinsJson { pinned });
    }
    output::result(&if pinned.is_empty() { "Nothing is pinned.".to_owned() } else { pinned.join("\n") })
}
