//! Checking everything a store holds.

use std::collections::BTreeMap;

use crate::database::{Database, Failure, Family};
use crate::spool::{Spool, Spooled};
use crate::stats::count_evidence;
use crate::{Digest, Error, Key, Kind, KindStats, Record, Result, Store};

/// What [`Store::verify`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Intact records in the database.
    pub records: u64,
    /// Their size, envelopes included, in bytes.
    pub bytes: u64,
    /// The same by kind.
    pub kinds: BTreeMap<Kind, KindStats>,
    /// What failed its check, as sentences that name the record or file. The writer has set it aside.
    pub corrupt: Vec<String>,
    /// Parts of the database that could not be listed, so that nothing is known of the records in them. It is rebuilt
    /// from its intact records when it is opened next.
    pub unlisted: Vec<String>,
    /// Whether the database could not be read at all; then only the spool was checked.
    pub is_unread: bool,
    /// Intact records of a later version of this program.
    pub newer: u64,
    /// Damaged records that are kept in quarantine, those found just now included.
    pub quarantined: u64,
    /// Records kept there because others were put in their place.
    pub superseded: u64,
    /// Intact records in the spool.
    pub spooled: u64,
    /// Spool files that were moved aside, those found just now included.
    pub set_aside: u64,
}

impl VerifyReport {
    /// Whether everything that would be used is intact. What was set aside earlier does not count against it.
    pub fn is_clean(&self) -> bool {
        self.corrupt.is_empty() && self.unlisted.is_empty() && !self.is_unread
    }
}

impl Store {
    /// Reads and checks every record: each byte, that its key is the hash of its fields, and that it is
    /// stored under that key; in the database and in the spool. Damaged ones are set aside, as a look-up
    /// would.
    pub fn verify(&self) -> Result<VerifyReport> {
        self.catch_up();
        let mut report = VerifyReport::default();
        self.verify_spool(&mut report)?;
        if let Some(database) = self.database() {
            for kind in Kind::ALL {
                for family in Family::places(kind) {
                    if let Err(failure) = self.verify_rows(database, *family, kind, &mut report) {
                        let message = failure.message.clone();
                        self.database_failed("read", failure)?;
                        report.unlisted.push(format!("{kind} records: {message}"));
                    }
                }
            }
            match count_evidence(database) {
                Ok(counts) => (report.quarantined, report.superseded) = counts,
                Err(failure) => report.unlisted.push(format!("quarantine: {}", failure.message)),
            }
        } else {
            report.is_unread = true;
        }
        report.set_aside = self.spool.set_aside_count();
        Ok(report)
    }

    fn verify_rows(
        &self,
        database: &Database,
        family: Family,
        kind: Kind,
        report: &mut VerifyReport,
    ) -> std::result::Result<(), Failure> {
        for row in database.rows(family, &[kind.tag()], false)? {
            let (name, value) = row?;
            let error = match Record::from_bytes(&value).and_then(|record| expect_name(record, &name)) {
                Ok(record) => {
                    report.records += 1;
                    report.bytes += value.len() as u64;
                    report.kinds.entry(kind).or_default().add(value.len(), record.cost);
                    continue;
                }
                Err(Error::Newer(_)) => {
                    report.newer += 1;
                    continue;
                }
                Err(error) => error,
            };
            let digest = Digest(name.get(1..).and_then(|digest| digest.try_into().ok()).unwrap_or_default());
            report.corrupt.push(format!("{kind}/{digest}: {error}"));
            self.finder(kind, &digest).quarantine(family, &error);
        }
        Ok(())
    }

    fn verify_spool(&self, report: &mut VerifyReport) -> Result<()> {
        for file in self.spool.files()? {
            let bytes = match Spool::read(&file) {
                Spooled::Bytes(bytes) => bytes,
                Spooled::Missing => continue,
                Spooled::Unreadable(message) => {
                    report.corrupt.push(message);
                    continue;
                }
            };
            match Record::from_bytes(&bytes) {
                Ok(_) => report.spooled += 1,
                Err(Error::Newer(_)) => report.newer += 1,
                Err(error) => {
                    report.corrupt.push(format!("{}: {error}", file.display()));
                    self.set_aside(&file, error.to_string());
                }
            }
        }
        Ok(())
    }
}

fn expect_name(record: Record, name: &[u8]) -> Result<Record> {
    let is_expected = |key: &Key| name == crate::database::row_name(key.kind(), key.digest());
    if is_expected(&record.key) { Ok(record) } else { Err(Error::Damaged(crate::envelope::OTHER_KEY)) }
}
