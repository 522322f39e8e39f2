//! The store: a folder of records that several threads and several processes use at once.
//!
//! `RocksDB` has one writer. The first process to open a folder is it; further processes read beside it and
//! hand their records over through the spool. Looking up, putting and listing are in modules of their own.

use std::collections::HashSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::database::{Database, Failure};
use crate::folder::Folder;
use crate::journal::Journal;
use crate::salvage::{self, DataFiles};
use crate::spool::Spool;
use crate::{Counters, Digest, Error, Result, Warning};

/// How long a reader waits for a writer that has just started to make its database.
const WRITER_START_MAX: Duration = Duration::from_secs(1);
/// How often a reader looks what the writer has written, which takes some milliseconds, when it misses a
/// record.
const CATCH_UP_AFTER: Duration = Duration::from_millis(200);
/// How often the writer looks into the spool by itself.
const TAKE_IN_AFTER: Duration = Duration::from_secs(2);

/// A folder of records. All methods take `&self` and may be called from many threads.
pub struct Store {
    // Dropped in this order: the database is closed before the lock is given up.
    role: Role,
    pub(crate) folder: Folder,
    pub(crate) spool: Spool,
    pub(crate) journal: Journal,
    /// Held while a record is looked up and then written, one lock per group of keys.
    stripes: [Mutex<()>; 64],
    last_take_in: Mutex<Instant>,
    _lock: File,
}

enum Role {
    Writer(Database),
    Reader {
        database: OnceLock<Database>,
        last_catch_up: Mutex<Instant>,
        /// What this process has spooled: once it is gone from the spool, it is in the database.
        spooled: Mutex<HashSet<Digest>>,
    },
}

impl Store {
    /// Opens the cache folder `path`, which is made if it is missing.
    ///
    /// The first process becomes its writer, takes in what the spool holds, and rebuilds the database if its
    /// files are damaged (reported as a warning). Further processes read beside the writer.
    ///
    /// # Errors
    /// Only for what a person must set right: missing permissions, a full disk, a path that is no folder.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let folder = Folder::create(path.as_ref())?;
        let spool = Spool::of(&folder);
        let journal = Journal::default();
        let (is_free, lock) = try_lock(&folder.lock())?;
        let writer = if is_free { open_writer(&folder, &journal)? } else { None };
        let role = writer.map_or_else(|| open_reader(&folder, &journal), Role::Writer);
        let store = Self {
            role,
            folder,
            spool,
            journal,
            stripes: [const { Mutex::new(()) }; 64],
            last_take_in: Mutex::new(Instant::now()),
            _lock: lock,
        };
        if store.is_writer() {
            store.spool.clean()?;
            store.take_in_spool()?;
        }
        Ok(store)
    }

    /// The cache folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Whether this process writes the database; otherwise it reads beside the one that does, and spools what
    /// it puts.
    pub fn is_writer(&self) -> bool {
        matches!(self.role, Role::Writer(_))
    }

    /// What happened since the store was opened, in this process.
    pub fn counters(&self) -> Counters {
        self.journal.counters()
    }

    /// Hands out the warnings collected since the last call, for the caller to show. At most 1,000 are kept.
    pub fn drain_warnings(&self) -> Vec<Warning> {
        self.journal.drain()
    }

    /// The database, unless this is a reader that could not open it so far.
    pub(crate) fn database(&self) -> Option<&Database> {
        match &self.role {
            Role::Writer(database) => Some(database),
            Role::Reader { database, .. } => database.get(),
        }
    }

    /// For readers: sees what the writer has written since. A writer that is gone or in the middle of a
    /// rebuild is no reason to stop: the records seen so far stay readable.
    pub(crate) fn catch_up(&self) {
        let Role::Reader { database, last_catch_up, .. } = &self.role else { return };
        let mut last = lock(last_catch_up);
        match database.get() {
            Some(database) => {
                if let Err(failure) = database.catch_up() {
                    self.journal.warn(Warning::DatabaseUnreadable { message: failure.message });
                }
            }
            None => {
                if let Ok(opened) = Database::open_reader(&self.folder.database()) {
                    database.get_or_init(|| opened);
                }
            }
        }
        *last = Instant::now();
    }

    /// For readers that miss a record: catches up if that was not done for a while, or if the record must be
    /// there. Says whether it is worth looking again.
    pub(crate) fn catch_up_for(&self, digest: &Digest) -> bool {
        let Role::Reader { last_catch_up, spooled, .. } = &self.role else { return false };
        let is_due = lock(last_catch_up).elapsed() > CATCH_UP_AFTER || lock(spooled).contains(digest);
        if is_due {
            self.catch_up();
        }
        is_due
    }

    /// For readers: remembers what they have spooled.
    pub(crate) fn note_spooled(&self, digest: &Digest) {
        if let Role::Reader { spooled, .. } = &self.role {
            lock(spooled).insert(*digest);
        }
    }

    /// Brings the view of the store up to date before it is listed.
    pub(crate) fn refresh(&self) -> Result<()> {
        self.catch_up();
        self.take_in_spool().map(drop)
    }

    /// Takes in the spool if that was not done for a while.
    pub(crate) fn tick(&self) -> Result<()> {
        if self.is_writer() && self.last_take_in.try_lock().is_ok_and(|last| last.elapsed() > TAKE_IN_AFTER) {
            self.take_in_spool()?;
        }
        Ok(())
    }

    /// Held while the spool is taken in, so that only one thread does; notes the time when it is done.
    pub(crate) fn take_in_guard(&self) -> MutexGuard<'_, Instant> {
        lock(&self.last_take_in)
    }

    /// Held while a record is looked up and then written.
    pub(crate) fn stripe(&self, digest: &Digest) -> MutexGuard<'_, ()> {
        lock(&self.stripes[usize::from(digest.0[0]) % self.stripes.len()])
    }

    /// Leaves a note for the next writer that the database must be rebuilt.
    pub(crate) fn want_rebuild(&self) {
        if self.is_writer() {
            // The disk may be failing; without the note the damage is met, and reported, again.
            let _ = File::create(self.folder.rebuild_wanted());
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("path", &self.path()).field("is_writer", &self.is_writer()).finish()
    }
}

/// A panic in another thread leaves nothing half done that these locks guard.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn try_lock(path: &Path) -> Result<(bool, File)> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(Error::io("open", path))?;
    match file.try_lock() {
        Ok(()) => Ok((true, file)),
        Err(TryLockError::WouldBlock) => Ok((false, file)),
        // A file system without locks: RocksDB's own lock decides.
        Err(TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Unsupported => {
            Ok((true, file))
        }
        Err(TryLockError::Error(error)) => Err(Error::io("lock", path)(error)),
    }
}

/// Opens the database as its writer, rebuilt if it is damaged. `None`: something else has it open.
fn open_writer(folder: &Folder, journal: &Journal) -> Result<Option<Database>> {
    salvage::finish(folder)?;
    let path = folder.database();
    let files = DataFiles::hold(folder)?;
    let found = if folder.rebuild_wanted().exists() {
        Err("damaged files were met while it was in use".to_owned())
    } else if salvage::is_headless(folder)? {
        Err("its file CURRENT is missing".to_owned())
    } else {
        match Database::open_writer(&path) {
            Ok(database) => Ok(database),
            Err(failure) if failure.is_locked => return Ok(None),
            Err(failure) if failure.is_damage => Err(failure.message),
            Err(failure) => return Err(failure.into_error("open", &path)),
        }
    };
    let reason = match found {
        Ok(database) => {
            match files.save_forgotten(&database) {
                Ok(0) => {}
                Ok(records) => journal.warn(Warning::Forgotten { records }),
                Err(failure) => return Err(failure.into_error("write", &path)),
            }
            return Ok(Some(database));
        }
        Err(reason) => reason,
    };
    let rebuilt = salvage::rebuild(folder)?;
    journal.warn(Warning::Rebuilt { records: rebuilt.records, moved_to: rebuilt.moved_to, reason });
    Database::open_writer(&path).map(Some).map_err(|failure| failure.into_error("open", &path))
}

/// Opens the database beside its writer; without a database if that stays impossible.
fn open_reader(folder: &Folder, journal: &Journal) -> Role {
    let start = Instant::now();
    let database = OnceLock::new();
    loop {
        let Failure { message, .. } = match Database::open_reader(&folder.database()) {
            Ok(opened) => {
                database.get_or_init(|| opened);
                break;
            }
            Err(failure) => failure,
        };
        if start.elapsed() > WRITER_START_MAX {
            journal.warn(Warning::DatabaseUnreadable { message });
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    Role::Reader { database, last_catch_up: Mutex::new(Instant::now()), spooled: Mutex::default() }
}

/// What a put did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutOutcome {
    /// The record was written.
    Stored,
    /// The same result was there already; what is stored, its provenance included, stayed as it was.
    AlreadyPresent,
    /// A different result was there already and was kept. Counted, and reported as a warning.
    Conflict,
}
