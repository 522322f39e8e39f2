//! `pipeline cache push`, `pull`, `keygen`, `trust` and `revoke`: what a team shares, and whom it believes.

use std::fmt::Write;
use std::path::Path;

use cache::{Identity, Known, PublicKey, PushReport, Trust, TrustPolicy};
use serde::Serialize;

use crate::cli::Global;
use crate::cli::folder::warn;
use crate::cli::share::{identity_file, trusted_file};
use crate::error::Error;
use crate::output::{self, format};

#[derive(Serialize)]
struct CopiesJson {
    shares: Vec<CopiedJson>,
}

#[derive(Serialize)]
struct CopiedJson {
    place: String,
    copied: u64,
    there: u64,
    left: u64,
}

pub(super) fn push(global: &Global) -> Result<(), Error> {
    let store = global.open_with(global.sharing_asked_for(None)?)?;
    let reports = store.push()?;
    warn(&store);
    report(global, "pushed to", reports)
}

pub(super) fn pull(global: &Global) -> Result<(), Error> {
    let store = global.open_with(global.sharing_asked_for(None)?)?;
    let reports = store.pull()?;
    warn(&store);
    report(global, "pulled from", reports)
}

pub(super) fn export(global: &Global, file: &Path) -> Result<(), Error> {
    let store = global.open()?;
    let report = store.export(file, Identity::load(&identity_file()?)?)?;
    warn(&store);
    if report.left > 0 {
        return Err(Error::NotExported { left: report.left, file: file.to_path_buf() });
    }
    self::report(global, "written to", vec![report])
}

pub(super) fn import(global: &Global, file: &Path) -> Result<(), Error> {
    let trust = Trust::load(&trusted_file()?, global.policy(None)?)?;
    let store = global.open()?;
    let report = store.import(file, trust, Identity::load(&identity_file()?)?)?;
    warn(&store);
    self::report(global, "read from", vec![report])
}

fn report(global: &Global, direction: &str, reports: Vec<PushReport>) -> Result<(), Error> {
    let left = reports.iter().map(|report| report.left).sum();
    let unlisted = reports.iter().any(|report| report.is_unlisted);
    if global.json {
        let json = |report: PushReport| CopiedJson {
            place: report.place,
            copied: report.copied,
            there: report.there,
            left: report.left,
        };
        output::json(&CopiesJson { shares: reports.into_iter().map(json).collect() })?;
    } else {
        let line = |PushReport { place, copied, there, left, .. }: &PushReport| {
            let mut line = format!(
                "{} {direction} {place}, {} there already",
                format::plural(*copied, "record"),
                format::count(*there)
            );
            if *left > 0 {
                let _ = write!(line, ", {} left", format::count(*left));
            }
            line
        };
        output::result(&reports.iter().map(line).collect::<Vec<_>>().join("\n"))?;
    }
    match (left, unlisted) {
        (0, false) => Ok(()),
        (0, true) => Err(Error::Unlisted),
        (left, _) => Err(Error::NotCopied { left }),
    }
}

#[derive(Serialize)]
struct KeyJson {
    public_key: String,
    made: bool,
}

pub(super) fn keygen(global: &Global) -> Result<(), Error> {
    let path = identity_file()?;
    let there = Identity::load(&path)?;
    let made = there.is_none();
    let identity = if let Some(identity) = there {
        identity
    } else {
        let identity = Identity::generate()?;
        identity.save(&path)?;
        identity
    };
    let public_key = identity.public().to_string();
    if global.json {
        return output::json(&KeyJson { public_key, made });
    }
    let state = if made { "made" } else { "there already" };
    output::message(&format!(
        "{}: {state}; its other half stays there, and nobody else reads it",
        path.display()
    ));
    output::result(&public_key)
}

#[derive(Serialize)]
struct ProducersJson {
    producers: Vec<ProducerJson>,
}

#[derive(Serialize)]
struct ProducerJson {
    key: String,
    name: String,
    trusted: bool,
}

pub(super) fn list(global: &Global) -> Result<(), Error> {
    let trust = Trust::load(&trusted_file()?, TrustPolicy::Off)?;
    if global.json {
        let json = |(key, known): (&PublicKey, &Known)| ProducerJson {
            key: key.to_string(),
            name: known.name.clone(),
            trusted: known.is_trusted,
        };
        return output::json(&ProducersJson { producers: trust.known().map(json).collect() });
    }
    let line = |(key, known): (&PublicKey, &Known)| {
        let state = if known.is_trusted { "trusted" } else { "revoked" };
        format!("{state} {key} {}", known.name).trim_end().to_owned()
    };
    let lines: Vec<String> = trust.known().map(line).collect();
    output::result(&if lines.is_empty() {
        "No producer is in the list.".to_owned()
    } else {
        lines.join("\n")
    })
}

/// Trusts a producer under a name, or never again where none is given.
pub(super) fn set(global: &Global, key: PublicKey, name: Option<&str>) -> Result<(), Error> {
    if let Some(name) = name.filter(|name| name.chars().any(char::is_control)) {
        let problem = "holds a line break or the like; give a name of one line".to_owned();
        return Err(Error::Flag { flag: "--name", value: name.to_owned(), problem });
    }
    let path = trusted_file()?;
    let mut trust = Trust::load(&path, TrustPolicy::Off)?;
    let earlier = trust.known().find(|(known, _)| **known == key).map(|(_, known)| known.name.clone());
    let is_trusted = name.is_some();
    let name = name.filter(|name| !name.is_empty()).map(str::to_owned).or(earlier).unwrap_or_default();
    trust.set(key, Known { name, is_trusted });
    trust.save(&path)?;
    if !is_trusted {
        output::message(&format!(
            "what was found of this producer before is kept until `pipeline cache rm --producer {key}` deletes it"
        ));
    }
    list(global)
}
