//! `pipeline cache verify`: whether everything in the folder is whole, and whether a sample of it is what trainings give.

use cache::Store;
use clap::Args;
use serde::Serialize;

use super::sample;
use crate::cli::Global;
use crate::cli::device::DeviceArgs;
use crate::cli::folder::warn;
use crate::cli::given::percent;
use crate::cli::selection::Settings;
use crate::error::Error;
use crate::output::{self, format};

#[derive(Args)]
pub(crate) struct Verify {
    /// Also train this share of the networks' trainings once more, of those on the images of the settings, final
    /// networks among them, and say how far the results lie apart
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    sample: Option<f64>,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    device: DeviceArgs,
}

#[derive(Serialize)]
struct VerifyJson {
    records: u64,
    corrupt: Vec<String>,
    unlisted: Vec<String>,
    unread: bool,
    newer: u64,
    quarantined: u64,
    superseded: u64,
    spooled: u64,
    set_aside: u64,
    weights: u64,
    damaged_weights: Vec<String>,
    clean: bool,
}

impl Verify {
    pub(super) fn run(&self, global: &Global) -> Result<(), Error> {
        let store = global.open_alone()?;
        verify(global, &store)?;
        match self.sample {
            None => Ok(()),
            Some(percent) => sample::train_again(global, &store, percent, &self.settings, &self.device),
        }
    }
}

fn verify(global: &Global, store: &Store) -> Result<(), Error> {
    let report = store.verify()?;
    let weights = store.verify_weights()?;
    warn(store);
    let (damaged, unlisted) = (report.corrupt.len() as u64, report.unlisted.len() as u64);
    let unread = report.is_unread;
    let damaged_weights = weights.damaged.len() as u64;
    let clean = report.is_clean() && damaged_weights == 0;
    if global.json {
        output::json(&VerifyJson {
            records: report.records,
            corrupt: report.corrupt,
            unlisted: report.unlisted,
            unread,
            newer: report.newer,
            quarantined: report.quarantined,
            superseded: report.superseded,
            spooled: report.spooled,
            set_aside: report.set_aside,
            weights: weights.files,
            damaged_weights: weights.damaged,
            clean,
        })?;
    } else {
        for line in &report.corrupt {
            output::message(&format!("damaged: {line}"));
        }
        for name in &weights.damaged {
            output::message(&format!("damaged: weights {name}"));
        }
        for line in &report.unlisted {
            output::message(&format!("could not be listed: {line}"));
        }
        let mut parts = vec![format!("{} intact", format::plural(report.records, "record"))];
        parts.push(format!("{} waiting in the spool", format::count(report.spooled)));
        parts.push(format!("{damaged} found damaged"));
        if weights.files + damaged_weights > 0 {
            let files = format::plural(weights.files, "file");
            parts.push(format!("{files} of weights intact, {} damaged", format::count(damaged_weights)));
        }
        if unlisted > 0 {
            parts.push(format!("{} of the database could not be listed", format::plural(unlisted, "part")));
        }
        if report.newer > 0 {
            parts.push(format!("{} of a later version", format::count(report.newer)));
        }
        let damaged = format::plural(report.quarantined, "damaged record");
        let superseded = format::plural(report.superseded, "superseded record");
        parts.push(format!("{damaged} and {superseded} in quarantine"));
        output::result(&parts.join(", "))?;
    }
    if unread {
        return Err(Error::UnreadCache { folder: store.path().to_path_buf() });
    }
    match (damaged, damaged_weights, unlisted) {
        (0, 0, 0) => Ok(()),
        (records, weights, unlisted) => Err(Error::DamagedCache { records, weights, unlisted }),
    }
}
