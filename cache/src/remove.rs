//! Deleting records for good.

use crate::database::{Family, row_name};
use crate::listing::time_row_name;
use crate::lookup::Lookup;
use crate::{Digest, Error, Kind, Result, Store};

impl Store {
    /// Deletes a record for good, from the database and from the spool, and says whether there was one.
    ///
    /// # Errors
    /// [`Error::NotWriter`] where another process is the writer, and when the folder cannot be written to.
    pub fn remove(&self, kind: Kind, digest: &Digest) -> Result<bool> {
        let Some(database) = self.writer() else {
            return Err(Error::NotWriter(self.path().to_path_buf()));
        };
        let guard = self.guard(digest);
        let Lookup::Found(record) = self.finder_held(kind, digest, &guard).find()? else { return Ok(false) };
        let row = row_name(kind, digest);
        let time_row = time_row_name(record.created_unix_ms, digest);
        let mut rows: Vec<(Family, &[u8])> = Family::places(kind).iter().map(|f| (*f, &row[..])).collect();
        if kind == Kind::Manifest {
            rows.push((Family::Manifests, &time_row));
        }
        // The spool first: a file there would be taken in again.
        self.spool.remove(kind, digest)?;
        database.erase(&rows).map_err(|failure| failure.into_error("write", database.path()))?;
        Ok(true)
    }
}
