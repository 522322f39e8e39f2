//! `RocksDB`: its options, its column families, and what its errors mean. Knows rows of bytes only.

use std::path::{Path, PathBuf};

use rocksdb::{
    BlockBasedOptions, BottommostLevelCompaction, Cache, ColumnFamily, ColumnFamilyDescriptor,
    CompactOptions, DB, DBCompressionType, DBPinnableSlice, DBRecoveryMode, ErrorKind, InfoLogger,
    IteratorMode, LogLevel, Options, PrefixRange, ReadOptions, WriteBatch, WriteOptions,
};

use crate::mark::Mark;
use crate::{Digest, Error, Kind};

/// The column families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// Records with payloads of at most [`SMALL_PAYLOAD_BYTES_MAX`].
    Records,
    /// Records with larger payloads.
    Blobs,
    /// Run manifests, and an index of them by time.
    Manifests,
    /// Damaged rows, kept for people to look at.
    Quarantine,
}

/// Payloads up to this size share blocks; larger ones would push them out of the block cache.
pub(crate) const SMALL_PAYLOAD_BYTES_MAX: usize = 64 << 10;

const MIB: usize = 1 << 20;

/// Rows that are erased with the tables around each rewritten; for more, all tables are.
const ONE_BY_ONE_MAX: usize = 64;

impl Family {
    const ALL: [Self; 4] = [Self::Records, Self::Blobs, Self::Manifests, Self::Quarantine];

    fn name(self) -> &'static str {
        match self {
            Self::Records => "records",
            Self::Blobs => "blobs",
            Self::Manifests => "manifests",
            Self::Quarantine => "quarantine",
        }
    }

    fn write_buffer_bytes(self) -> usize {
        match self {
            Self::Records => 8 * MIB,
            Self::Blobs => 16 * MIB,
            Self::Manifests | Self::Quarantine => MIB,
        }
    }

    /// Where a record of `kind` with this payload is written.
    pub(crate) fn of(kind: Kind, payload_bytes: usize) -> Self {
        match kind {
            Kind::Manifest => Self::Manifests,
            _ if payload_bytes > SMALL_PAYLOAD_BYTES_MAX => Self::Blobs,
            _ => Self::Records,
        }
    }

    /// Where a record of `kind` may be found.
    pub(crate) fn places(kind: Kind) -> &'static [Self] {
        match kind {
            Kind::Manifest => &[Self::Manifests],
            Kind::Training | Kind::NodeOutput | Kind::Blob => &[Self::Records, Self::Blobs],
        }
    }
}

/// The name of a record's row: its kind, so that a kind is one range, then its digest.
pub(crate) fn row_name(kind: Kind, digest: &Digest) -> [u8; 33] {
    let mut name = [0; 33];
    name[0] = kind.tag();
    name[1..].copy_from_slice(&digest.0);
    name
}

/// Why the database refused something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Its files are damaged.
    Damage,
    /// Its files are of a form that this program does not know, such as another compression: a later one wrote them.
    Newer,
    /// A full disk, missing permissions, a failing disk, a lock.
    Other,
}

/// What the database refused, and why.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) cause: Cause,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn into_error(self, action: &'static str, path: &Path) -> Error {
        let path = path.to_path_buf();
        match self.cause {
            Cause::Newer => Error::NewerFolder { path, what: self.message },
            Cause::Damage | Cause::Other => Error::Database { action, path, message: self.message },
        }
    }
}

impl From<rocksdb::Error> for Failure {
    fn from(error: rocksdb::Error) -> Self {
        let kind = error.kind();
        let message = error.into_string();
        let cause = match kind {
            ErrorKind::Corruption | ErrorKind::NotFound => Cause::Damage,
            // A reader met a database that its writer was about to make.
            ErrorKind::InvalidArgument
                if message.starts_with("Invalid argument: Column family not found") =>
            {
                Cause::Other
            }
            // Comparators and operators that are not these; compressions that are not built in.
            ErrorKind::InvalidArgument | ErrorKind::NotSupported => Cause::Newer,
            // The beginning of the message is RocksDB's own; behind it stand paths, with any words in them.
            ErrorKind::IOError if message.starts_with("IO error: No such file") => Cause::Damage,
            _ => Cause::Other,
        };
        Self { cause, message }
    }
}

/// One row: its name and its value.
pub(crate) type Row = (Box<[u8]>, Box<[u8]>);

/// An open database.
pub(crate) struct Database {
    db: DB,
    path: PathBuf,
    /// Of the writer only.
    mark: Option<Mark>,
    /// Column families of a later version of this program: open, because `RocksDB` wants it, and left alone.
    strange: Vec<String>,
}

impl Database {
    /// Opens the database as its one writer; makes it if it is missing.
    pub(crate) fn open_writer(path: &Path) -> Result<Self, Failure> {
        let mut options = database_options();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        let strange = strange_families(path);
        let others = strange.iter().map(|name| {
            let mut options = Options::default();
            // What it means to merge their rows is not known here.
            options.set_disable_auto_compactions(true);
            ColumnFamilyDescriptor::new(name, options)
        });
        let db = DB::open_cf_descriptors(&options, path, descriptors().into_iter().chain(others))?;
        Ok(Self { db, path: path.to_path_buf(), mark: Some(Mark::open(path)), strange })
    }

    /// Opens the database beside its writer, seeing what the writer had written.
    pub(crate) fn open_reader(path: &Path) -> Result<Self, Failure> {
        // The folder for a log of the reader's own is never made: `database_options` sends the log nowhere.
        let own = path.join("reader");
        let db = DB::open_cf_descriptors_as_secondary(&database_options(), path, &own, descriptors())?;
        Ok(Self { db, path: path.to_path_buf(), mark: None, strange: Vec::new() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// For readers: sees what the writer has written since.
    pub(crate) fn catch_up(&self) -> Result<(), Failure> {
        Ok(self.db.try_catch_up_with_primary()?)
    }

    /// For the writer, when it has opened the database: how many changes are missing that were durable once.
    pub(crate) fn changes_lost(&self) -> u64 {
        let noted = self.mark.as_ref().and_then(Mark::read).unwrap_or(0);
        noted.saturating_sub(self.db.latest_sequence_number())
    }

    fn note_durable(&self) {
        if let Some(mark) = &self.mark {
            mark.write(self.db.latest_sequence_number());
        }
    }

    fn family(&self, family: Family) -> Result<&ColumnFamily, Failure> {
        self.family_named(family.name())
    }

    fn family_named(&self, name: &str) -> Result<&ColumnFamily, Failure> {
        self.db.cf_handle(name).ok_or_else(|| Failure {
            cause: Cause::Damage,
            message: format!("column family `{name}` is missing"),
        })
    }

    pub(crate) fn get(&self, family: Family, row: &[u8]) -> Result<Option<DBPinnableSlice<'_>>, Failure> {
        Ok(self.db.get_pinned_cf(self.family(family)?, row)?)
    }

    /// The rows whose names start with `prefix`, ascending or descending. Ends after the first failure.
    pub(crate) fn rows(
        &self,
        family: Family,
        prefix: &[u8],
        descending: bool,
    ) -> Result<impl Iterator<Item = Result<Row, Failure>> + use<'_>, Failure> {
        let mut options = ReadOptions::default();
        options.set_iterate_range(PrefixRange(prefix));
        options.fill_cache(false);
        let mode = if descending { IteratorMode::End } else { IteratorMode::Start };
        let rows = self.db.iterator_cf_opt(self.family(family)?, options, mode);
        Ok(rows.map(|row| row.map_err(Failure::from)))
    }

    /// Writes all or nothing of `changes`. `synchronous`: it has reached the disk when this returns.
    pub(crate) fn write(&self, changes: &[Change<'_>], synchronous: bool) -> Result<(), Failure> {
        let mut batch = WriteBatch::default();
        for change in changes {
            match change {
                Change::Put(family, row, value) => batch.put_cf(self.family(*family)?, row, value),
                Change::Delete(family, row) => batch.delete_cf(self.family(*family)?, row),
            }
        }
        let mut options = WriteOptions::default();
        options.set_sync(synchronous);
        self.db.write_opt(batch, &options)?;
        if synchronous {
            self.note_durable();
        }
        Ok(())
    }

    /// Deletes rows so that no file holds them any longer: the salvage of a damaged database finds every record that
    /// is still in a file, deleted or not.
    pub(crate) fn erase(&self, rows: &[(Family, &[u8])]) -> Result<(), Failure> {
        // First out of the log, so that a kill after the deletion leaves nothing to find there.
        self.flush()?;
        let deletions: Vec<_> = rows.iter().map(|&(family, row)| Change::Delete(family, row)).collect();
        self.write(&deletions, true)?;
        self.flush()?;
        let mut options = CompactOptions::default();
        options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
        if rows.len() > ONE_BY_ONE_MAX {
            for family in Family::ALL {
                self.db.compact_range_cf_opt(self.family(family)?, None::<&[u8]>, None::<&[u8]>, &options);
            }
            return Ok(());
        }
        for &(family, row) in rows {
            self.db.compact_range_cf_opt(self.family(family)?, Some(row), Some(row), &options);
        }
        Ok(())
    }

    /// Writes all families into tables, which ends the logs.
    fn flush(&self) -> Result<(), Failure> {
        let strange = self.strange.iter().map(|name| self.family_named(name));
        for family in Family::ALL.into_iter().map(|family| self.family(family)).chain(strange) {
            self.db.flush_cf(family?)?;
        }
        Ok(())
    }

    /// Calls `found` with the value of every row of every family, those of a later version included.
    pub(crate) fn all_values(&self, mut found: impl FnMut(&[u8])) -> Result<(), Failure> {
        let strange = self.strange.iter().map(|name| self.family_named(name));
        for family in Family::ALL.into_iter().map(|family| self.family(family)).chain(strange) {
            let mut options = ReadOptions::default();
            options.fill_cache(false);
            for row in self.db.iterator_cf_opt(family?, options, IteratorMode::Start) {
                found(&row?.1);
            }
        }
        Ok(())
    }

    /// The names of the table files in use.
    pub(crate) fn table_names(&self) -> Result<Vec<String>, Failure> {
        let files = self.db.live_files()?;
        Ok(files.into_iter().map(|file| file.name.trim_start_matches('/').to_owned()).collect())
    }

    /// Makes everything written so far reach the disk.
    pub(crate) fn sync(&self) -> Result<(), Failure> {
        self.db.flush_wal(true)?;
        self.note_durable();
        Ok(())
    }
}

/// One change of a row.
pub(crate) enum Change<'a> {
    Put(Family, &'a [u8], &'a [u8]),
    Delete(Family, &'a [u8]),
}

/// The families of an existing database that this program does not know. None where its list cannot be read.
fn strange_families(path: &Path) -> Vec<String> {
    let mut names = DB::list_cf(&Options::default(), path).unwrap_or_default();
    names.retain(|name| name != "default" && Family::ALL.iter().all(|family| family.name() != name));
    names
}

fn database_options() -> Options {
    let mut options = Options::default();
    // A torn last entry is what a kill leaves behind. Damage anywhere else must be an error, never a silent
    // cut: `salvage` then saves every intact record, also those after the damage.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_paranoid_checks(true);
    // Every file stays open, so that a reader can go on reading what the writer has compacted away.
    options.set_max_open_files(-1);
    options.set_max_total_wal_size(32 * MIB as u64);
    options.set_max_background_jobs(2);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    // No log files: failures come back as errors, and every start would add a file.
    options.set_info_logger(InfoLogger::new_callback_logger(LogLevel::Fatal, |_, _| {}));
    options.set_keep_log_file_num(1);
    options
}

fn descriptors() -> Vec<ColumnFamilyDescriptor> {
    let cache = Cache::new_lru_cache(64 * MIB);
    let options = |family: Family| {
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(&cache);
        table.set_bloom_filter(10.0, false);
        table.set_whole_key_filtering(true);
        table.set_format_version(5);
        let mut options = Options::default();
        options.set_block_based_table_factory(&table);
        options.set_write_buffer_size(family.write_buffer_bytes());
        options.set_max_write_buffer_number(2);
        options.set_target_file_size_base(64 * MIB as u64);
        // Uncompressed, so that `salvage` finds records in damaged files without any index; digests, trained
        // weights and numbers hardly compress anyway.
        options.set_compression_type(DBCompressionType::None);
        options
    };
    Family::ALL.map(|family| ColumnFamilyDescriptor::new(family.name(), options(family))).into()
}
