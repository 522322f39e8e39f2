//! Rebuilding a damaged database from its files.
//!
//! Records are self-checking, so no index is needed to find them: every table and log file is searched for
//! envelopes, and each intact one is put into a new database. Only what was damaged itself is lost, and the
//! damaged files are kept.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::database::{Change, Database, Failure, Family, row_name};
use crate::folder::{self, Folder};
use crate::put::write_record;
use crate::spool::Spool;
use crate::{Error, Record, Result, envelope};

/// What a rebuild saved.
pub(crate) struct Rebuilt {
    pub(crate) records: u64,
    pub(crate) moved_to: PathBuf,
}

/// Builds a new database from the intact records in the files of the damaged one and swaps the two. A kill at
/// any moment leaves the damaged database in place or the new one complete (see [`finish`]). The caller holds
/// `RocksDB`'s lock of the damaged one.
///
/// Records of a later version of this program go to the spool: what their rows are called is not known here.
pub(crate) fn rebuild(folder: &Folder, spool: &Spool) -> Result<Rebuilt> {
    let new = folder.rebuild();
    folder::remove_folder(&new)?;
    let records = fill(folder, spool, &new).inspect_err(|_| {
        // Where the disk is full, half a database is in the way of whatever makes room.
        let _ = folder::remove_folder(&new);
    })?;
    let moved_to = Folder::free_name(folder.path(), "db.damaged");
    folder::rename(&folder.database(), &moved_to)?;
    finish(folder)?;
    Ok(Rebuilt { records, moved_to })
}

/// Puts the intact records of the damaged database into a new one, and says how many.
fn fill(folder: &Folder, spool: &Spool, new: &Path) -> Result<u64> {
    let failed = |failure: Failure| failure.into_error("rebuild", new);
    let database = Database::open_writer(new).map_err(failed)?;
    let mut found = Found::default();
    for file in data_files(&folder.database())? {
        let bytes = match fs::read(&file) {
            // Removed by hand, or unreadable on the disk: what it held is lost, or stays in the old folder.
            Err(error) if error.kind() != io::ErrorKind::PermissionDenied => continue,
            bytes => bytes.map_err(Error::io("read", &file))?,
        };
        found.save_all(&database, &file, bytes).map_err(failed)?;
    }
    database.sync().map_err(failed)?;
    for envelope in found.newer.values() {
        spool.write(&spool.newer_file(envelope), envelope)?;
    }
    Ok(found.records)
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
    pub(crate) fn save_forgotten(
        self,
        database: &Database,
        spool: &Spool,
    ) -> std::result::Result<u64, Failure> {
        let live = database.table_names()?;
        let mut found = Found::default();
        let is_live = |path: &Path| live.iter().any(|name| path.ends_with(name));
        for (path, mut file) in self.0.into_iter().filter(|(path, _)| is_log(path) || !is_live(path)) {
            let mut bytes = Vec::new();
            if file.read_to_end(&mut bytes).is_ok() {
                found.save_all(database, &path, bytes)?;
            }
        }
        if found.records > 0 {
            database.sync()?;
        }
        found.records += found.spool_forgotten(database, spool)?;
        Ok(found.records)
    }
}

/// What was found in files.
#[derive(Default)]
struct Found {
    /// Records that were put into the database.
    records: u64,
    /// Envelopes of a later version of this program, by their closing digests.
    newer: std::collections::BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Found {
    /// Puts every intact record of a file that is not there yet.
    fn save_all(
        &mut self,
        database: &Database,
        file: &Path,
        bytes: Vec<u8>,
    ) -> std::result::Result<(), Failure> {
        let bytes = if is_log(file) { join_log(&bytes) } else { bytes };
        for envelope in envelopes(&bytes) {
            match Record::from_bytes(envelope) {
                Ok(record) => self.records += u64::from(save(database, &record, envelope)?),
                Err(Error::Newer(_)) => {
                    self.newer.insert(envelope::closing_digest(envelope).to_vec(), envelope.to_vec());
                }
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// Keeps in the spool what the database does not hold of a later version's records, and says how many those were.
    fn spool_forgotten(&self, database: &Database, spool: &Spool) -> std::result::Result<u64, Failure> {
        if self.newer.is_empty() {
            return Ok(0);
        }
        let mut held: HashSet<Vec<u8>> = HashSet::new();
        database.all_values(|value| {
            let digest = envelope::closing_digest(value);
            if self.newer.contains_key(digest) {
                held.insert(digest.to_vec());
            }
        })?;
        let mut spooled = 0;
        for (_, envelope) in self.newer.iter().filter(|(digest, _)| !held.contains(*digest)) {
            // A later version that finds it there takes it in; where that cannot be, its log still has it.
            spooled += u64::from(spool.write(&spool.newer_file(envelope), envelope).is_ok());
        }
        Ok(spooled)
    }
}

/// Puts a record unless it is there. The same one may be in several files, in a log and in the table that was written
/// from it for example, and so may one that it superseded.
fn save(database: &Database, record: &Record, envelope: &[u8]) -> std::result::Result<bool, Failure> {
    let (kind, digest) = (record.key.kind(), record.key.digest());
    let row = row_name(kind, digest);
    for &family in Family::places(kind) {
        let Some(bytes) = database.get(family, &row)? else { continue };
        let stored = Record::from_bytes(&bytes).map_or(0, |stored| stored.generation());
        if stored >= record.generation() {
            return Ok(false);
        }
        drop(bytes);
        database.write(&[Change::Delete(family, &row)], false)?;
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
    Ok(holds_data(folder)? && !folder.database().join("CURRENT").exists())
}

/// Whether the database's folder holds anything that could be a record.
pub(crate) fn holds_data(folder: &Folder) -> Result<bool> {
    let files = data_files(&folder.database())?;
    Ok(files.iter().any(|file| fs::metadata(file).is_ok_and(|data| data.len() > 0)))
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

/// The block of a table that failed its checksum, as its bytes are now. `RocksDB` says at the end of its message in
/// which file, where, and how long it is.
pub(crate) fn block_named_by(failure: &Failure, database: &Path) -> Option<Vec<u8>> {
    /// No block is larger: a row holds one record.
    const BYTES_MAX: usize = 1 << 30;
    let (rest, size) = failure.message.rsplit_once(" size ")?;
    let (rest, offset) = rest.rsplit_once(" offset ")?;
    let name = rest.rsplit_once('/')?.1;
    let size = size.trim().parse().ok().filter(|size| *size <= BYTES_MAX)?;
    let file = File::open(database.join(name)).ok()?;
    let mut bytes = vec![0; size];
    file.read_exact_at(&mut bytes, offset.trim().parse().ok()?).ok()?;
    Some(bytes)
}

/// The runs of bytes that pass an envelope's check.
pub(crate) fn envelopes(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
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
