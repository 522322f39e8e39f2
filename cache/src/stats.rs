//! What a store holds, by kind.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::database::{Database, Failure, Family};
use crate::put::SUPERSEDED_TAG;
use crate::share::outbox;
use crate::store::Store;
use crate::{Cost, Kind, Result, envelope};

/// The records of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KindStats {
    /// How many records.
    pub records: u64,
    /// Their size, envelopes included, in bytes.
    pub bytes: u64,
    /// What computing them has cost, and so what looking all of them up saves.
    pub cost: Cost,
}

impl KindStats {
    pub(crate) fn add(&mut self, bytes: usize, cost: Cost) {
        self.records += 1;
        self.bytes += bytes as u64;
        self.cost += cost;
    }
}

/// What a store holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// The intact records in the database, by kind; kinds without any are left out.
    pub kinds: BTreeMap<Kind, KindStats>,
    /// Damaged records kept in quarantine.
    pub quarantined: u64,
    /// Records kept there because others were put in their place.
    pub superseded: u64,
    /// Records in the spool that the writer has not taken in yet.
    pub spooled: u64,
    /// Spool files that were moved aside.
    pub set_aside: u64,
    /// Files of weights. They are not read here, and may be damaged.
    pub weights: u64,
    /// Their size in bytes.
    pub weights_bytes: u64,
    /// Checkpoints of computations that are not done.
    pub checkpoints: u64,
    /// Their size in bytes.
    pub checkpoint_bytes: u64,
    /// Records and weights that wait for shares, by the share.
    pub outgoing: BTreeMap<String, u64>,
    /// Of the trainings, by what their provenance says under each of the names that were asked for; those that say nothing
    /// there are not among them.
    pub trainings_by: BTreeMap<String, BTreeMap<String, u64>>,
    /// Size of all files of the cache folder in bytes.
    pub disk_bytes: u64,
}

impl Store {
    /// Counts what the store holds. Reads every record, and leaves out damaged ones without setting them
    /// aside.
    pub fn stats(&self) -> Result<Stats> {
        self.stats_by(&[])
    }

    /// As [`Store::stats`], and counts trainings by what their provenance says under each of these names.
    pub fn stats_by(&self, names: &[&str]) -> Result<Stats> {
        self.refresh();
        let weights = self.weight_files()?;
        let size_of = |path: &Path| fs::metadata(path).map_or(0, |file| file.len());
        let size = |(_, path): &(String, PathBuf)| size_of(path);
        let checkpoints = self.checkpoint_files();
        let mut stats = Stats {
            weights: weights.len() as u64,
            weights_bytes: weights.iter().map(size).sum(),
            checkpoints: checkpoints.len() as u64,
            checkpoint_bytes: checkpoints.iter().map(|path| size_of(path)).sum(),
            outgoing: outbox::waiting(self.folder.path()),
            spooled: self.spool.files()?.len() as u64,
            set_aside: self.spool.set_aside_count(),
            disk_bytes: disk_bytes(self.folder.path()),
            ..Stats::default()
        };
        if let Some(database) = self.database()
            && let Err(failure) = count(database, names, &mut stats)
        {
            self.database_failed("read", failure)?;
        }
        Ok(stats)
    }
}

fn count(database: &Database, names: &[&str], stats: &mut Stats) -> std::result::Result<(), Failure> {
    for kind in Kind::ALL {
        for family in Family::places(kind) {
            for row in database.rows(*family, &[kind.tag()], false)? {
                let (_, value) = row?;
                let Ok((head, _)) = envelope::head(&value) else { continue };
                stats.kinds.entry(kind).or_default().add(value.len(), head.cost);
                if kind != Kind::Training || names.is_empty() {
                    continue;
                }
                let Ok(record) = envelope::decode(&value) else { continue };
                for &name in names {
                    if let Some(said) = record.provenance.get(name) {
                        let counts = stats.trainings_by.entry(name.to_owned()).or_default();
                        *counts.entry(said.clone()).or_default() += 1;
                    }
                }
            }
        }
    }
    (stats.quarantined, stats.superseded) = count_evidence(database)?;
    Ok(())
}

/// Records in quarantine: damaged ones, and superseded ones.
pub(crate) fn count_evidence(database: &Database) -> std::result::Result<(u64, u64), Failure> {
    let (mut damaged, mut superseded) = (0, 0);
    for row in database.rows(Family::Quarantine, &[], false)? {
        let is_superseded = row?.0.first() == Some(&SUPERSEDED_TAG);
        *if is_superseded { &mut superseded } else { &mut damaged } += 1;
    }
    Ok((damaged, superseded))
}

/// Files may come and go meanwhile; what cannot be read counts as nothing.
fn disk_bytes(path: &Path) -> u64 {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(data) if data.is_dir() => disk_bytes(&entry.path()),
            Ok(data) => data.len(),
            Err(_) => 0,
        })
        .sum()
}
