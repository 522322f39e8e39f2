//! Stores that share a folder: what one puts the others find, whatever else lies in the folder and happens to it.
#![allow(clippy::unwrap_used, missing_docs)]

mod believing;
mod claiming;
mod copying;
mod failing;
#[path = "../common/hostile.rs"]
mod hostile;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cache::{
    Claim, Fields, Identity, Key, Kind, Known, Record, ShareReport, Sharing, Store, Trust, TrustPolicy,
    Warning,
};
use tempfile::TempDir;

const WAIT: Duration = Duration::from_secs(20);

/// A share and the folders of people who use it.
struct Team {
    dir: TempDir,
}

impl Team {
    fn new() -> Self {
        let team = Self { dir: tempfile::tempdir().unwrap() };
        fs::create_dir(team.share()).unwrap();
        team
    }

    fn share(&self) -> PathBuf {
        self.dir.path().join("share")
    }

    fn cache(&self, person: &str) -> PathBuf {
        self.dir.path().join(person)
    }

    fn sharing(&self, person: &str) -> Sharing {
        Sharing { places: vec![self.share()], person: person.to_owned(), ..Sharing::default() }
    }

    fn open(&self, person: &str) -> Store {
        self.open_with(person, self.sharing(person))
    }

    fn open_with(&self, person: &str, sharing: Sharing) -> Store {
        Store::open_shared(self.cache(person), sharing).unwrap()
    }
}

fn record(n: u64) -> Record {
    let key = Key::new(Kind::Training, Fields::new().with("n", n).unwrap());
    Record::of(key, &vec![n as f64; 20]).unwrap()
}

fn report(store: &Store) -> ShareReport {
    store.finish_sharing(WAIT).swap_remove(0)
}

/// The file of a record in the share.
fn object(team: &Team, record: &Record) -> PathBuf {
    let digest = record.key.digest().to_string();
    team.share().join("training").join(&digest[..2]).join(&digest)
}

/// Where a record says that it was found.
fn found_in(record: &Record) -> Option<&str> {
    record.provenance.get(cache::FOUND_IN).map(String::as_str)
}
