//! Deleting records for good.

use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use crate::database::{Database, Family, row_name};
use crate::listing::time_row_name;
use crate::lookup::Lookup;
use crate::share::outbox;
use crate::{Digest, Error, Kind, Result, Store, folder};

/// A file of weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptWeights {
    /// What it should hold.
    pub digest: Digest,
    /// Its size in bytes.
    pub bytes: u64,
    /// When it was written, in milliseconds since 1970.
    pub kept_unix_ms: u64,
}

/// Records that are looked up and deleted at once.
const AT_ONCE: usize = 1 << 16;

impl Store {
    /// Deletes a record for good, from the database and from the spool, and says whether there was one.
    ///
    /// # Errors
    /// [`Error::NotWriter`] where another process is the writer, and when the folder cannot be written to.
    pub fn remove(&self, kind: Kind, digest: &Digest) -> Result<bool> {
        Ok(self.remove_all(&[(kind, *digest)])? > 0)
    }

    /// As [`Store::remove`] for many records; how many there were.
    ///
    /// # Errors
    /// As [`Store::remove`].
    pub fn remove_all(&self, records: &[(Kind, Digest)]) -> Result<u64> {
        let Some(database) = self.writer() else {
            return Err(Error::NotWriter(self.path().to_path_buf()));
        };
        let mut removed = 0;
        for part in records.chunks(AT_ONCE) {
            removed += self.remove_part(database, part)?;
        }
        Ok(removed)
    }

    fn remove_part(&self, database: &Database, records: &[(Kind, Digest)]) -> Result<u64> {
        let (mut rows, mut removed): (Vec<(Family, Vec<u8>)>, u64) = (Vec::new(), 0);
        for (kind, digest) in records {
            let guard = self.guard(digest);
            let Lookup::Found(record) = self.finder_held(*kind, digest, &guard).find()? else { continue };
            removed += 1;
            let row = row_name(*kind, digest);
            rows.extend(Family::places(*kind).iter().map(|&family| (family, row.to_vec())));
            if *kind == Kind::Manifest {
                rows.push((Family::Manifests, time_row_name(record.created_unix_ms, digest)));
            }
            // The spool first: a file there would be taken in again.
            self.spool.remove(*kind, digest)?;
            // And nobody is to get it.
            outbox::forget(self.path(), *kind, digest)?;
        }
        if !rows.is_empty() {
            let rows: Vec<(Family, &[u8])> = rows.iter().map(|(family, row)| (*family, &row[..])).collect();
            database.erase(&rows).map_err(|failure| failure.into_error("write", database.path()))?;
        }
        Ok(removed)
    }

    /// The files of weights; damaged ones too, under the digest of what they should hold.
    ///
    /// # Errors
    /// When the folder of weights is there and cannot be read.
    pub fn weights_kept(&self) -> Result<Vec<KeptWeights>> {
        let one = |(name, path): (String, PathBuf)| {
            let data = std::fs::metadata(path).ok()?;
            let kept = data.modified().ok()?.duration_since(UNIX_EPOCH).unwrap_or_default();
            let digest = name.parse().ok()?;
            Some(KeptWeights { digest, bytes: data.len(), kept_unix_ms: kept.as_millis() as u64 })
        };
        Ok(self.weight_files()?.into_iter().filter_map(one).collect())
    }

    /// Deletes a file of weights.
    ///
    /// # Errors
    /// When it is there and cannot be removed.
    pub fn remove_weights(&self, digest: &Digest) -> Result<()> {
        folder::remove_file(&self.weights_path(digest))
    }

    /// Whether another process that uses the folder computes something, or has just died.
    pub fn is_at_work_elsewhere(&self) -> bool {
        self.claims().others_live()
    }
}
