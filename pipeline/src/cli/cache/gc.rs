//! `pipeline cache gc` and `pin`: making room, and what is kept all the same.

use std::collections::HashMap;
use std::time::Duration;

use cache::{Digest, FieldValue, KeptWeights, Kind, Record, Store};
use clap::Args;
use serde::Serialize;
use stages::supernet::one_shot::OneShotResult;

use super::remove::{moment_before, refuse_others, resolve};
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

impl Gc {
    pub(super) fn run(&self, global: &Global) -> Result<(), Error> {
        let store = global.open_alone()?;
        refuse_others(&store)?;
        let inventory = Inventory::take(&store, self.keep_runs, moment_before(self.older))?;
        let choice = inventory.choose(self.size);
        if !self.dry_run {
            // Somebody may have begun meanwhile.
            refuse_others(&store)?;
            inventory.clear(&store, &choice)?;
        }
        warn(&store);
        if inventory.needs.all_trainings() {
            output::message(
                "an output that is needed is of an earlier version and does not say which trainings it was made from: all \
                 trainings are kept",
            );
        }
        let (records, weights) = (choice.records.len() as u64, choice.weights.len() as u64);
        if global.json {
            return output::json(&GcJson {
                deleted: records,
                deleted_bytes: choice.bytes,
                weights_deleted: weights,
                kept: choice.kept_records,
                kept_bytes: choice.kept_bytes,
                dry_run: self.dry_run,
            });
        }
        output::result(&format!(
            "{} {} and {} of weights ({}); {} kept ({})",
            if self.dry_run { "would delete" } else { "deleted" },
            format::plural(records, "record"),
            format::plural(weights, "file"),
            format::large(choice.bytes as f64, "B"),
            format::plural(choice.kept_records, "record"),
            format::large(choice.kept_bytes as f64, "B"),
        ))
    }
}

/// What lies in a cache folder.
struct Inventory {
    needs: Needs,
    begun_unix_ms: u64,
    /// What is younger than this is kept.
    before_unix_ms: u64,
    /// The records that could be deleted, the oldest first.
    spare: Vec<Spare>,
    /// How many others there are, and their bytes.
    kept_records: u64,
    kept_bytes: u64,
    /// How many records name each file of weights.
    names: HashMap<Digest, usize>,
    weights: Vec<KeptWeights>,
}

/// What is to be deleted.
struct Choice {
    records: Vec<(Kind, Digest)>,
    weights: Vec<KeptWeights>,
    /// The bytes of both.
    bytes: u64,
    kept_records: u64,
    kept_bytes: u64,
}

impl Inventory {
    fn take(store: &Store, keep_runs: usize, before_unix_ms: u64) -> Result<Self, Error> {
        let begun_unix_ms = moment_before(Duration::ZERO);
        let needs = Needs::of(store, keep_runs, &store.pins()?)?;
        let (mut spare, mut kept_records, mut kept_bytes) = (Vec::new(), 0, 0);
        let mut names: HashMap<Digest, usize> = HashMap::new();
        for kind in Kind::ALL {
            for record in store.iter(kind)? {
                let record = record?;
                let bytes = record.to_bytes().len() as u64;
                let weights = weights_of(&record);
                for weights in &weights {
                    *names.entry(*weights).or_default() += 1;
                }
                if !needs.contain(&record) && record.kept_unix_ms() < before_unix_ms {
                    let (kept_unix_ms, digest) = (record.kept_unix_ms(), *record.key.digest());
                    spare.push(Spare { kept_unix_ms, kind, digest, bytes, weights });
                } else {
                    kept_records += 1;
                    kept_bytes += bytes;
                }
            }
        }
        spare.sort_by_key(|spare| (spare.kept_unix_ms, spare.digest));
        let weights = store.weights_kept()?;
        Ok(Self { needs, begun_unix_ms, before_unix_ms, spare, kept_records, kept_bytes, names, weights })
    }

    /// Chooses the oldest records, all of them or until everything takes no more than `size` bytes, and weights that nothing
    /// names then.
    fn choose(&self, size: Option<u64>) -> Choice {
        let sizes: HashMap<Digest, u64> = self.weights.iter().map(|one| (one.digest, one.bytes)).collect();
        let mut names = self.names.clone();
        // Weights that nothing names go in any case.
        let mut total = self.kept_bytes + self.spare.iter().map(|spare| spare.bytes).sum::<u64>();
        total += sum(&self.weights) - sum(&self.unnamed(&names));
        let mut gone = 0;
        while gone < self.spare.len() && size.is_none_or(|size| total > size) {
            total -= self.spare[gone].bytes;
            for weights in &self.spare[gone].weights {
                let count = names.entry(*weights).or_default();
                *count = count.saturating_sub(1);
                if *count == 0 {
                    total = total.saturating_sub(sizes.get(weights).copied().unwrap_or(0));
                }
            }
            gone += 1;
        }
        let (goes, stays) = self.spare.split_at(gone);
        let weights = self.unnamed(&names);
        let bytes = |spare: &[Spare]| spare.iter().map(|spare| spare.bytes).sum::<u64>();
        Choice {
            records: goes.iter().map(|spare| (spare.kind, spare.digest)).collect(),
            bytes: bytes(goes) + sum(&weights),
            kept_records: self.kept_records + stays.len() as u64,
            kept_bytes: self.kept_bytes + bytes(stays) + sum(&self.weights) - sum(&weights),
            weights,
        }
    }

    /// The weights that go when records name each file so often.
    fn unnamed(&self, names: &HashMap<Digest, usize>) -> Vec<KeptWeights> {
        let is_unnamed = |weights: &&KeptWeights| {
            names.get(&weights.digest).is_none_or(|count| *count == 0)
                && !self.needs.contain_weights(&weights.digest)
                && weights.kept_unix_ms < self.before_unix_ms.min(self.begun_unix_ms)
        };
        self.weights.iter().filter(is_unnamed).copied().collect()
    }

    fn clear(&self, store: &Store, choice: &Choice) -> Result<(), Error> {
        store.remove_all(&choice.records)?;
        // Of a run that was killed nothing is left that could be kept.
        for run in store.begun_runs()? {
            if run.started_unix_ms < self.needs.unfinished_since_unix_ms().unwrap_or(self.begun_unix_ms) {
                store.end_run(&run)?;
            }
        }
        Ok(choice.weights.iter().try_for_each(|weights| store.remove_weights(&weights.digest))?)
    }
}

fn sum(weights: &[KeptWeights]) -> u64 {
    weights.iter().map(|weights| weights.bytes).sum()
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
