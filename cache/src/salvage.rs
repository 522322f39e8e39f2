//! Rebuilding a damaged database from its files.
//!
//! Records are self-checking, so no index is needed to find them: every table and log file is searched for
//! envelopes, and each intact one is put into a new database. Only what was damaged itself is lost, and the
//! damaged files are kept.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::database::{Database, Failure, Family, row_name};
use crate::folder::{self, Folder};
use crate::put::write_record;
use crate::{Error, Record, Result, envelope};

/// What a rebuild saved.
pub(crate) struct Rebuilt {
    pub(crate) records: u64,
    pub(crate) moved_to: PathBuf,
}

/// Builds a new database from the intact records in the files of the damaged one and swaps the two. A kill at
/// any moment leaves the damaged database in place or the new one complete (see [`finish`]).
pub(crate) fn rebuild(folder: &Folder) -> Result<Rebuilt> {
    let (damaged, new) = (folder.database(), folder.rebuild());
    folder::remove_folder(&new)?;
    let database = Database::open_writer(&new).map_err(|failure| failure.into_error("rebuild", &new))?;
    let mut records = 0;
    for file in data_files(&damaged)? {
        let bytes = match fs::read(&file) {
            // Removed by hand, or unreadable on the disk: what it held is lost, or stays in the old folder.
            Err(error) if error.kind() != io::ErrorKind::PermissionDenied => continue,
            bytes => bytes.map_err(Error::io("read", &file))?,
        };
        let saved = save_all(&database, &if is_log(&file) { join_log(&bytes) } else { bytes });
        records += saved.map_err(|failure| failure.into_error("rebuild", &new))?;
    }
    database.sync().map_err(|failure| failure.into_error("rebuild", &new))?;
    drop(database);
    let moved_to = Folder::free_name(folder.path(), "db.damaged");
    folder::rename(&damaged, &moved_to)?;
    folder::rename(&new, &damaged)?;
    folder::remove_file(&folder.rebuild_wanted())?;
    Ok(Rebuilt { records, moved_to })
}

/// Tables and logs, held open while `RocksDB` opens the database. It removes tables that its list does not name,
/// and passes over what a log has of families that the list does not name; a list that has lost its end names too
/// few, which `RocksDB` cannot notice.
pub(crate) struct DataFiles(Vec<(PathBuf, File)>);

impl DataFiles {
    pub(crate) fn hold(folder: &Folder) -> Result<Self> {
        let files = data_files(&folder.database())?;
        let open = |path: PathBuf| File::open(&path).ok().map(|file| (path, file));
        Ok(Self(files.into_iter().filter_map(open).collect()))
    }

    /// Puts back what the database has forgotten and says how many records that were. None after a kill in
    /// the middle of writing a table: what such a table holds is still elsewhere.
    pub(crate) fn save_forgotten(self, database: &Database) -> std::result::Result<u64, Failure> {
        let live = database.table_names()?;
        let mut records = 0;
        let is_live = |path: &Path| live.iter().any(|name| path.ends_with(name));
        for (path, mut file) in self.0.into_iter().filter(|(path, _)| is_log(path) || !is_live(path)) {
            let mut bytes = Vec::new();
            if file.read_to_end(&mut bytes).is_ok() {
                records += save_all(database, &if is_log(&path) { join_log(&bytes) } else { bytes })?;
            }
        }
        if records > 0 {
            database.sync()?;
        }
        Ok(records)
    }
}

/// Puts every intact record found in `bytes` that is not there yet, and says how many.
fn save_all(database: &Database, bytes: &[u8]) -> std::result::Result<u64, Failure> {
    let mut records = 0;
    for envelope in envelopes(bytes) {
        if let Ok(record) = Record::from_bytes(envelope) {
            records += u64::from(save(database, &record, envelope)?);
        }
    }
    Ok(records)
}

/// The same record may be in several files: in a log and in the table that was written from it, for example.
fn save(database: &Database, record: &Record, envelope: &[u8]) -> std::result::Result<bool, Failure> {
    let (kind, digest) = (record.key.kind(), record.key.digest());
    if database.get(Family::of(kind, record.payload.len()), &row_name(kind, digest))?.is_some() {
        return Ok(false);
    }
    write_record(database, record, envelope, false)?;
    Ok(true)
}

/// Completes a rebuild that was killed between its two renames, which come after everything was saved.
pub(crate) fn finish(folder: &Folder) -> Result<()> {
    if !folder.database().exists() && folder.rebuild().exists() {
        folder::rename(&folder.rebuild(), &folder.database())?;
    }
    Ok(())
}

/// Whether the file that names the current state is missing while there is data. `RocksDB` would take the
/// folder for new and remove the data.
pub(crate) fn is_headless(folder: &Folder) -> Result<bool> {
    let database = folder.database();
    let has_data =
        data_files(&database)?.iter().any(|file| fs::metadata(file).is_ok_and(|data| data.len() > 0));
    Ok(has_data && !database.join("CURRENT").exists())
}

fn is_log(file: &Path) -> bool {
    file.extension().is_some_and(|suffix| suffix == "log")
}

fn data_files(database: &Path) -> Result<Vec<PathBuf>> {
    let mut files = folder::files(database)?;
    files.retain(|file| is_log(file) || file.extension().is_some_and(|suffix| suffix == "sst"));
    Ok(files)
}

/// `RocksDB` cuts log entries into fragments that never cross a block; this glues them together again.
/// Checksums and types do not matter here: envelopes check themselves.
fn join_log(bytes: &[u8]) -> Vec<u8> {
    const BLOCK_BYTES: usize = 32 << 10;
    // Checksum 4, length 2, type 1.
    const HEADER_BYTES: usize = 7;
    let mut joined = Vec::with_capacity(bytes.len());
    for mut block in bytes.chunks(BLOCK_BYTES) {
        while let Some((header, rest)) = block.split_at_checked(HEADER_BYTES) {
            let length = usize::from(u16::from_le_bytes([header[4], header[5]]));
            // A length that cannot be: the rest of the block is padding or damaged, the next block starts
            // afresh.
            let Some((fragment, rest)) = rest.split_at_checked(length) else { break };
            joined.extend_from_slice(fragment);
            block = rest;
        }
    }
    joined
}

/// The runs of bytes that pass an envelope's check.
fn envelopes(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        while let Some(start) = rest.iter().position(|byte| *byte == envelope::MAGIC[0]) {
            rest = &rest[start..];
            let candidate = envelope::claimed_length(rest).map(|length| &rest[..length]);
            let intact = candidate.filter(|bytes| envelope::check(bytes).is_ok());
            rest = &rest[intact.map_or(1, <[u8]>::len)..];
            if intact.is_some() {
                return intact;
            }
        }
        None
    })
}
