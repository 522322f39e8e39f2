//! `pipeline cache rm`: deleting records by key, by who made them, and by age.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cache::{Digest, Kind, PRODUCER, Record, Store};
use clap::Args;
use serde::Serialize;

use crate::cli::Global;
use crate::cli::explain::is_hexadecimal;
use crate::cli::folder::warn;
use crate::cli::given::{age, path};
use crate::error::Error;
use crate::output::{self, format};
use crate::person::PERSON;

/// Fewest digits of a key that are taken for one.
const DIGITS_MIN: usize = 6;

#[derive(Args)]
pub(crate) struct Remove {
    /// The first digits of a key, at least six, with or without its kind
    #[arg(value_name = "KEY", required_unless_present_any = ["producer", "older", "outgoing"])]
    keys: Vec<String>,
    /// All that this producer made: a public key, or a person as `cache stats` and `explain` name them
    #[arg(long, value_name = "KEY|PERSON", conflicts_with = "keys")]
    producer: Option<String>,
    /// All that is older than this: 30d, 12h, 90m; with --producer, of what that producer made
    #[arg(long, value_name = "AGE", value_parser = age, conflicts_with = "keys")]
    older: Option<Duration>,
    /// Not records, but what waits to be put into this share, which is used no more
    #[arg(long, value_name = "DIR|URL", value_parser = path(), conflicts_with_all = ["keys", "producer", "older", "dry_run"])]
    outgoing: Option<PathBuf>,
    /// Say what would be deleted, and do nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

#[derive(Serialize)]
struct RemovedJson {
    removed: Vec<String>,
    dry_run: bool,
}

impl Remove {
    pub(super) fn run(&self, global: &Global) -> Result<(), Error> {
        let store = global.open_alone()?;
        if let Some(place) = &self.outgoing {
            return forget_outgoing(global, &store, place);
        }
        let found = if self.keys.is_empty() {
            self.matching(&store)?
        } else {
            self.keys.iter().map(|key| resolve(&store, key)).collect::<Result<_, _>>()?
        };
        if !self.dry_run {
            store.remove_all(&found)?;
        }
        warn(&store);
        let removed: Vec<String> = found.iter().map(|(kind, digest)| format!("{kind}/{digest}")).collect();
        if global.json {
            return output::json(&RemovedJson { removed, dry_run: self.dry_run });
        }
        let word = if self.dry_run { "would remove" } else { "removed" };
        if self.keys.is_empty() {
            return output::result(&format!("{word} {}", format::plural(removed.len() as u64, "record")));
        }
        output::result(&removed.iter().map(|key| format!("{word} {key}")).collect::<Vec<_>>().join("\n"))
    }

    /// The records of the producer and the age that were asked for.
    fn matching(&self, store: &Store) -> Result<Vec<(Kind, Digest)>, Error> {
        let before = self.older.map(moment_before);
        let is_meant = |record: &Record| {
            let says = |name| record.provenance.get(name) == self.producer.as_ref();
            (self.producer.is_none() || says(PRODUCER) || says(PERSON))
                && before.is_none_or(|before| record.kept_unix_ms() < before)
        };
        let mut found = Vec::new();
        for kind in Kind::ALL {
            for record in store.iter(kind)? {
                let record = record?;
                if is_meant(&record) {
                    found.push((kind, *record.key.digest()));
                }
            }
        }
        Ok(found)
    }
}

#[derive(Serialize)]
struct ForgottenJson {
    forgotten: u64,
}

/// Deletes what waits for a share.
fn forget_outgoing(global: &Global, store: &Store, place: &Path) -> Result<(), Error> {
    refuse_others(store)?;
    let Some(forgotten) = store.forget_outgoing(place)? else {
        let waiting: Vec<String> = store.stats()?.outgoing.into_keys().collect();
        let problem = format!(
            "is no share that anything waits for; {}",
            if waiting.is_empty() {
                "nothing waits".to_owned()
            } else {
                format!("something does for {}", waiting.join(", "))
            }
        );
        return Err(Error::Flag { flag: "--outgoing", value: place.display().to_string(), problem });
    };
    warn(store);
    if global.json {
        return output::json(&ForgottenJson { forgotten });
    }
    output::result(&format!(
        "{} no longer waiting for {}; the records and weights themselves stay in the cache",
        format::plural(forgotten, "object"),
        place.display()
    ))
}

/// The moment so long ago, in milliseconds since 1970.
pub(super) fn moment_before(age: Duration) -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(age).as_millis() as u64
}

/// Refuses to clear away what others may be at work with.
pub(super) fn refuse_others(store: &Store) -> Result<(), Error> {
    if store.is_at_work_elsewhere() {
        return Err(Error::AtWork { folder: store.path().to_path_buf() });
    }
    Ok(())
}

/// The one record that is meant.
pub(super) fn resolve(store: &Store, key: &str) -> Result<(Kind, Digest), Error> {
    let refused = |problem: String| Error::Flag { flag: "KEY", value: key.to_owned(), problem };
    let (kinds, digits) = match key.split_once('/') {
        Some((kind, digits)) => {
            (vec![kind.parse::<Kind>().map_err(|error| refused(error.to_string()))?], digits)
        }
        None => (Kind::ALL.to_vec(), key),
    };
    if digits.len() < DIGITS_MIN || !is_hexadecimal(digits) {
        return Err(refused(format!("is no key; give at least {DIGITS_MIN} hexadecimal digits of one")));
    }
    let mut found = Vec::new();
    for kind in kinds {
        found.extend(store.digests(kind, digits)?.into_iter().map(|digest| (kind, digest)));
    }
    match found[..] {
        [one] => Ok(one),
        [] => Err(refused("no record has a key that begins so".to_owned())),
        [(kind, one), (other_kind, other), ..] => Err(Error::ambiguous(
            key,
            found.len(),
            &format!("{kind}/{one}"),
            &format!("{other_kind}/{other}"),
        )),
    }
}
