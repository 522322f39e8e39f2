//! Listing records: all of a kind, and run manifests by time.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use crate::database::{Database, Failure, Family, Row};
use crate::lookup::Lookup;
use crate::spool::{Spool, Spooled};
use crate::{Digest, Error, Kind, Record, Result, Store, Warning, envelope};

/// The first byte of the rows that order manifests by time; no kind has this tag.
pub(crate) const TIME_TAG: u8 = 0;

/// Big-endian, so that names sort by time.
pub(crate) fn time_row_name(created_unix_ms: u64, digest: &Digest) -> Vec<u8> {
    [&[TIME_TAG], created_unix_ms.to_be_bytes().as_slice(), &digest.0].concat()
}

/// The records of one kind, in the order of their digests within each of the places where they are kept.
pub struct Records<'a>(Box<dyn Iterator<Item = Result<Record>> + 'a>);

impl Iterator for Records<'_> {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

impl Store {
    /// All intact records of a kind, read one by one. Damaged ones are set aside, counted, reported and left
    /// out.
    ///
    /// # Errors
    /// Here, and in the items, only if the folder cannot be read for a reason other than damage.
    #[allow(clippy::iter_not_returning_iterator, reason = "it is one, once the folder was read")]
    pub fn iter(&self, kind: Kind) -> Result<Records<'_>> {
        self.refresh();
        let spooled = self.spooled(kind)?;
        let stored = self.database().into_iter().flat_map(move |database| {
            Family::places(kind).iter().flat_map(move |family| self.stored(database, *family, kind))
        });
        let spooled = spooled.into_iter().filter_map(move |record| {
            match self.finder(kind, record.key.digest()).find_stored() {
                Ok(Lookup::Found(_)) => None,
                Ok(Lookup::Missing | Lookup::Newer) => Some(Ok(record)),
                Err(error) => Some(Err(error)),
            }
        });
        Ok(Records(Box::new(stored.chain(spooled))))
    }

    fn stored<'a>(
        &'a self,
        database: &'a Database,
        family: Family,
        kind: Kind,
    ) -> Box<dyn Iterator<Item = Result<Record>> + 'a> {
        match database.rows(family, &[kind.tag()], false) {
            Ok(rows) => Box::new(rows.filter_map(move |row| self.read_row(family, kind, row).transpose())),
            Err(failure) => Box::new(self.database_failed("read", failure).err().map(Err).into_iter()),
        }
    }

    fn read_row(
        &self,
        family: Family,
        kind: Kind,
        row: std::result::Result<Row, Failure>,
    ) -> Result<Option<Record>> {
        let (name, value) = match row {
            Ok(row) => row,
            Err(failure) => return self.database_failed("read", failure).map(|()| None),
        };
        match envelope::decode(&value) {
            Ok(record) => Ok(Some(record)),
            Err(Error::Newer(what)) => {
                self.journal.warn(Warning::Newer { what });
                Ok(None)
            }
            Err(error) => {
                if let Some(digest) = name.get(1..).and_then(|digest| digest.try_into().ok()) {
                    self.finder(kind, &Digest(digest)).quarantine(family, &error);
                }
                Ok(None)
            }
        }
    }

    /// The digests of a kind's keys that begin with these hexadecimal digits, in order. Looks at names alone: the records
    /// may be damaged.
    ///
    /// # Errors
    /// Only if the folder cannot be read for a reason other than damage.
    pub fn digests(&self, kind: Kind, digits: &str) -> Result<Vec<Digest>> {
        self.refresh();
        let digits = digits.to_ascii_lowercase();
        let byte = |pair: &[u8]| std::str::from_utf8(pair).ok().and_then(|p| u8::from_str_radix(p, 16).ok());
        let Some(bytes) = digits.as_bytes().chunks_exact(2).map(byte).collect::<Option<Vec<u8>>>() else {
            return Ok(Vec::new());
        };
        let prefix = [&[kind.tag()], bytes.as_slice()].concat();
        let mut found = BTreeSet::new();
        for family in Family::places(kind) {
            for name in self.names(*family, &prefix, false) {
                found.extend(name?.get(1..).and_then(|digest| digest.try_into().ok()).map(Digest));
            }
        }
        found.extend(self.spooled(kind)?.iter().map(|record| *record.key.digest()));
        Ok(found.into_iter().filter(|digest| digest.to_string().starts_with(&digits)).collect())
    }

    /// The latest `limit` run manifests, newest first.
    pub fn manifests(&self, limit: usize) -> Result<Vec<Record>> {
        self.refresh();
        let mut manifests = self.spooled(Kind::Manifest)?;
        let mut seen: HashSet<Digest> = manifests.iter().map(|record| *record.key.digest()).collect();
        let spooled = manifests.len();
        for name in self.names(Family::Manifests, &[TIME_TAG], true) {
            if manifests.len() == spooled.saturating_add(limit) {
                break;
            }
            let Some(digest) = name?.last_chunk().copied().map(Digest) else { continue };
            if seen.insert(digest)
                && let Lookup::Found(record) = self.finder(Kind::Manifest, &digest).find_stored()?
            {
                manifests.push(record);
            }
        }
        manifests.sort_by_key(|record| std::cmp::Reverse(record.created_unix_ms));
        manifests.truncate(limit);
        Ok(manifests)
    }

    /// The moment that the latest manifest is kept under.
    pub(crate) fn latest_manifest_moment(&self) -> Result<Option<u64>> {
        let spooled = self.spooled(Kind::Manifest)?.into_iter().map(|record| record.created_unix_ms).max();
        let latest = self.names(Family::Manifests, &[TIME_TAG], true).next().transpose()?;
        Ok(latest.and_then(|name| moment_of(&name)).max(spooled))
    }

    /// The names of the rows that begin with `prefix`. Damage is reported and ends them; an item is an error for another
    /// reason.
    fn names(
        &self,
        family: Family,
        prefix: &[u8],
        descending: bool,
    ) -> impl Iterator<Item = Result<Box<[u8]>>> {
        let rows = self.database().map(|database| database.rows(family, prefix, descending));
        let (rows, failure) = match rows {
            Some(Ok(rows)) => (Some(rows), None),
            Some(Err(failure)) => (None, Some(Err(failure))),
            None => (None, None),
        };
        failure.into_iter().chain(rows.into_iter().flatten()).filter_map(|row| match row {
            Ok((name, _)) => Some(Ok(name)),
            Err(failure) => self.database_failed("read", failure).err().map(Err),
        })
    }

    /// The intact records of a kind in the spool; the others wait for the writer to set them aside.
    fn spooled(&self, kind: Kind) -> Result<Vec<Record>> {
        let mut records = Vec::new();
        for file in self.spool.files()? {
            if let Some(record) = read_spooled(&file)
                && record.key.kind() == kind
            {
                records.push(record);
            }
        }
        Ok(records)
    }
}

fn read_spooled(file: &Path) -> Option<Record> {
    match Spool::read(file) {
        Spooled::Bytes(bytes) => Record::from_bytes(&bytes).ok(),
        Spooled::Missing | Spooled::Unreadable(_) => None,
    }
}

/// What [`time_row_name`] was given.
fn moment_of(name: &[u8]) -> Option<u64> {
    name.get(1..)?.first_chunk().copied().map(u64::from_be_bytes)
}
