//! `pipeline cache gc` and `pin`: making room, and what is kept all the same.

use std::collections::HashMap;
use std::time::Duration;

use cache::{Digest, FieldValue, KeptWeights, Kind, Record, Store};
use clap::Args;
use serde::Serialize;
use stages::supernet::one_shot::OneShotResult;

use super::remove::{moment_before, resolve};
use crate::cli::Global;
use crate::cli::folder::warn;
use crate::cli::given::{age, size};
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
    kept_unix_ms: u64,
    kind: Kind,
    digest: Digest,
    bytes: u64,
    weights: Vec<Digest>,
}

fn refuse_others(store: &Store) -> Result<(), Error> {
    if store.is_at_work_elsewhere() {
        return Err(Error::AtWork { folder: store.path().to_path_buf() });
    }
    Ok(())
}

impl Gc {
    pub(super) fn run(&self, global: &Global) -> Result<(), Error> {
        let store = global.open_alone()?;
        refuse_others(&store)?;
        let begun_unix_ms = moment_before(Duration::ZERO);
        let pins = store.pins()?;
        let needs = Needs::of(&store, self.keep_runs, &pins)?;
        let (mut spare, mut kept_records, mut kept_bytes) = (Vec::new(), 0, 0);
        let before = moment_before(self.older);
        // How many records name each file of weights.
        let mut names: HashMap<Digest, usize> = HashMap::new();
        for kind in Kind::ALL {
            for record in store.iter(kind)? {
                let record = record?;
                let bytes = record.to_bytes().len() as u64;
                let weights = weights_of(&record);
                for weights in &weights {
                    *names.entry(*weights).or_default() += 1;
                }
                if !needs.contain(&record) && record.kept_unix_ms() < before {
                    let (kept_unix_ms, digest) = (record.kept_unix_ms(), *record.key.digest());
                    spare.push(Spare { kept_unix_ms, kind, digest, bytes, weights });
                    continue;
                }
                kept_records += 1;
                kept_bytes += bytes;
            }
        }
        spare.sort_by_key(|spare| (spare.kept_unix_ms, spare.digest));
        let all_weights = store.weights_kept()?;
        let sum = |weights: &[KeptWeights]| weights.iter().map(|weights| weights.bytes).sum::<u64>();
        let unnamed = |names: &HashMap<Digest, usize>| {
            let is_spare = |weights: &&KeptWeights| {
                names.get(&weights.digest).is_none_or(|count| *count == 0)
                    && !needs.contain_weights(&weights.digest)
                    && weights.kept_unix_ms < before.min(begun_unix_ms)
            };
            all_weights.iter().filter(is_spare).copied().collect::<Vec<_>>()
        };
        let sizes: HashMap<Digest, u64> = all_weights.iter().map(|one| (one.digest, one.bytes)).collect();
        // Weights that nothing names go in any case.
        let mut total = kept_bytes + sum(&all_weights) - sum(&unnamed(&names));
        total += spare.iter().map(|spare| spare.bytes).sum::<u64>();
        let mut gone = 0;
        while gone < spare.len() && self.size.is_none_or(|size| total > size) {
            total -= spare[gone].bytes;
            for weights in &spare[gone].weights {
                let count = names.entry(*weights).or_default();
                *count = count.saturating_sub(1);
                if *count == 0 {
                    total = total.saturating_sub(sizes.get(weights).copied().unwrap_or(0));
                }
            }
            gone += 1;
        }
        let stays = spare.split_off(gone);
        kept_records += stays.len() as u64;
        kept_bytes += stays.iter().map(|spare| spare.bytes).sum::<u64>();
        let spare_weights = unnamed(&names);
        kept_bytes += sum(&all_weights) - sum(&spare_weights);
        let bytes = spare.iter().map(|spare| spare.bytes).sum::<u64>();
        let bytes = bytes + sum(&spare_weights);
        if !self.dry_run {
            // Somebody may have begun meanwhile.
            refuse_others(&store)?;
            let records: Vec<_> = spare.iter().map(|spare| (spare.kind, spare.digest)).collect();
            store.remove_all(&records)?;
            // Of a run that was killed nothing is left that could be kept.
            for run in store.begun_runs()? {
                if run.started_unix_ms < needs.unfinished_since_unix_ms().unwrap_or(begun_unix_ms) {
                    store.end_run(&run)?;
                }
            }
            spare_weights.iter().try_for_each(|weights| store.remove_weights(&weights.digest))?;
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
                kept: kept_records,
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
            format::plural(kept_records, "record"),
            format::large(kept_bytes as f64, "B"),
        ))
    }
}

/// The weights that a record names.
fn weights_of(record: &Record) -> Vec<Digest> {
    let is_one_shot = record.key.fields().get("job") == Some(&FieldValue::from("one-shot"));
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
        if remove {
            store.pin(&pinned(&store, key)?, false)?;
        } else {
            store.pin(&resolve(&store, key)?.1, true)?;
        }
    }
    let pinned: Vec<String> = store.pins()?.iter().map(Digest::to_string).collect();
    warn(&store);
    if global.json {
        return output::json(&PinsJson { pinned });
    }
    output::result(&if pinned.is_empty() { "Nothing is pinned.".to_owned() } else { pinned.join("\n") })
}

/// The one pin that begins with these digits. What it names may be gone.
fn pinned(store: &Store, digits: &str) -> Result<Digest, Error> {
    let pins = store.pins()?;
    let is_meant =
        |pin: &&Digest| !digits.is_empty() && pin.to_string().starts_with(&digits.to_ascii_lowercase());
    let found: Vec<&Digest> = pins.iter().filter(is_meant).collect();
    match found[..] {
        [one] => Ok(*one),
        [] => {
            let problem = "nothing that is pinned begins so; `pipeline cache pin` lists what is".to_owned();
            Err(Error::Flag { flag: "KEY", value: digits.to_owned(), problem })
        }
        [one, other, ..] => {
            Err(Error::ambiguous(digits, found.len(), &format!("pin {one}"), &format!("pin {other}")))
        }
    }
}
