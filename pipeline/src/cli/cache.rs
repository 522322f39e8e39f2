//! `pipeline cache`: what is in the cache folder, and whether it is whole.

use clap::{Args, Subcommand};
use serde::Serialize;
use std::collections::BTreeMap;

use super::Global;
use super::folder::warn;
use crate::error::Error;
use crate::output::table::{Align, Table};
use crate::output::{self, format};

#[derive(Args)]
#[command(after_help = "Examples:
  pipeline cache stats
  pipeline cache verify --cache /shared/nas-cache")]
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
    /// Check every record; damaged ones are set aside and computed again when they are needed
    #[command(after_help = "Example:
  pipeline cache verify")]
    Verify,
}

#[derive(Serialize)]
struct StatsJson {
    folder: String,
    kinds: BTreeMap<&'static str, KindJson>,
    quarantined: u64,
    spooled: u64,
    set_aside: u64,
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
        match self.action {
            Action::Stats => stats(global),
            Action::Verify => verify(global),
        }
    }
}

fn stats(global: &Global) -> Result<(), Error> {
    let store = global.open()?;
    let stats = store.stats()?;
    warn(&store);
    let folder = global.folder()?.display().to_string();
    if global.json {
        let kind = |(kind, stats): (&cache::Kind, &cache::KindStats)| {
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
            spooled: stats.spooled,
            set_aside: stats.set_aside,
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
    output::result(&format!(
        "{table}\n{folder}: {} on disk, {} in quarantine, {} waiting in the spool, {} unusable spool files\n",
        format::large(stats.disk_bytes as f64, "B"),
        format::plural(stats.quarantined, "damaged record"),
        format::count(stats.spooled),
        format::count(stats.set_aside)
    ))
}

#[derive(Serialize)]
struct VerifyJson {
    records: u64,
    corrupt: Vec<String>,
    database_errors: Vec<String>,
    quarantined: u64,
    spooled: u64,
    set_aside: u64,
    clean: bool,
}

fn verify(global: &Global) -> Result<(), Error> {
    let store = global.open()?;
    let report = store.verify()?;
    let damaged = (report.corrupt.len() + report.database_errors.len()) as u64;
    let clean = report.is_clean();
    if global.json {
        output::json(&VerifyJson {
            records: report.records,
            corrupt: report.corrupt,
            database_errors: report.database_errors,
            quarantined: report.quarantined,
            spooled: report.spooled,
            set_aside: report.set_aside,
            clean,
        })?;
    } else {
        for line in report.corrupt.iter().chain(&report.database_errors) {
            output::message(&format!("damaged: {line}"));
        }
        let waiting = report.spooled;
        let quarantined = format::plural(report.quarantined, "damaged record");
        output::result(&format!(
            "{} intact, {} waiting in the spool, {damaged} found damaged, {quarantined} in quarantine",
            format::plural(report.records, "record"),
            format::count(waiting)
        ))?;
    }
    if clean { Ok(()) } else { Err(Error::DamagedCache { records: damaged }) }
}
