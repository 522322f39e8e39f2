//! The store: a folder of records that several threads and several processes use at once.
//!
//! `RocksDB` has one writer. The first process to open a folder is it; further processes read beside it and
//! hand their records over through the spool. Opening, looking up, putting, taking in and listing are in modules of
//! their own.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use crate::claim::{Claim, Claims};
use crate::database::{Cause, Database, Failure};
use crate::folder::Folder;
use crate::journal::Journal;
use crate::lock::{DatabaseLock, FolderLock};
use crate::mutex::lock;
use crate::sharing::Shared;
use crate::spool::Spool;
use crate::{Counters, Digest, Key, Result, Sharing, Warning, format, opening};

/// How often a reader looks what the writer has written, which takes some milliseconds, when it misses a
/// record.
const CATCH_UP_AFTER: Duration = Duration::from_millis(200);
/// How often the writer looks into the spool by itself.
const TAKE_IN_AFTER: Duration = Duration::from_secs(2);

/// A folder of records. All methods take `&self` and may be called from many threads.
pub struct Store {
    // Dropped in this order: the database is closed before the locks are given up.
    role: Role,
    pub(crate) folder: Folder,
    pub(crate) spool: Spool,
    pub(crate) journal: Arc<Journal>,
    claims: Arc<Claims>,
    pub(crate) shared: Option<Arc<Shared>>,
    /// Held while a record is looked up and then written, one lock per group of keys.
    stripes: [Mutex<()>; 64],
    last_take_in: Mutex<Instant>,
    last_manifest: Mutex<()>,
}

/// What a process may do with the database.
pub(crate) enum Role {
    Writer {
        database: Database,
        /// Which folder the database is in, whatever its name stands for later.
        id: Option<(u64, u64)>,
        _locks: (FolderLock, DatabaseLock),
    },
    Reader {
        database: OnceLock<Database>,
        last_catch_up: Mutex<Instant>,
        /// What this process has spooled, with the generation: once it is gone from the spool, it is in the database.
        spooled: Mutex<HashMap<Digest, u64>>,
    },
}

/// Held while a record is looked up and then written.
pub(crate) struct KeyGuard<'a>(#[allow(dead_code, reason = "held, not read")] MutexGuard<'a, ()>);

impl Store {
    /// Opens the cache folder `path`, which is made if it is missing.
    ///
    /// The first process becomes its writer, takes in what the spool holds, and rebuilds the database if its
    /// files are damaged (reported as a warning). Further processes read beside the writer, and so does one that
    /// cannot write to the folder.
    ///
    /// # Errors
    /// Only for what a person must set right: a folder that can be neither read nor made, a path that is no folder,
    /// a folder that a later version of this program has written.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_shared(path, Sharing::default())
    }

    /// As [`Store::open`], with shares behind it. What is wrong with a share is a warning: the store goes on without it.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_shared(path: impl AsRef<Path>, sharing: Sharing) -> Result<Self> {
        let folder = Folder::create(path.as_ref())?;
        format::check(&folder)?;
        let journal = Arc::new(Journal::default());
        let spool = Spool::of(&folder);
        let role = opening::open(&folder, &spool, &journal)?;
        let store = Self {
            role,
            claims: Claims::of(folder.claims()),
            shared: Shared::of(folder.path(), sharing, &journal).map(Arc::new),
            folder,
            spool,
            journal,
            stripes: [const { Mutex::new(()) }; 64],
            last_take_in: Mutex::new(Instant::now()),
            last_manifest: Mutex::default(),
        };
        if store.is_writer() {
            format::stamp(&store.folder);
            store.spool.reserve().take();
            store.spool.clean();
            let dead = store.claims.clean();
            if let Some(shared) = &store.shared {
                shared.forget(dead);
            }
            store.take_in_spool();
        }
        if let Some(shared) = &store.shared {
            shared.put_all();
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
        matches!(self.role, Role::Writer { .. })
    }

    /// Claims a key before its record is computed, so that processes on one folder, and those of a team that share, share
    /// the work; `about` says to the others what is computed. Somebody who holds the claim may store the record at any
    /// moment: look it up again ([`Store::get_latest`]) once it is granted.
    pub fn claim(&self, key: &Key, about: impl FnOnce() -> String) -> Claim {
        let Claim::Granted(mut claimed) = self.claims.claim(key) else { return Claim::Taken };
        if let Some(shared) = &self.shared {
            let record = format!("{}-{}", key.kind(), key.digest());
            match shared.lease(&record, &about(), self.claims.token()) {
                Ok(leases) => claimed.hold(shared, leases),
                Err(()) => return Claim::Taken,
            }
        }
        Claim::Granted(claimed)
    }

    pub(crate) fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Whether the disk is full, and what was put since then lies in the little room that was kept for it. Whoever
    /// computes should come to an end.
    pub fn is_out_of_room(&self) -> bool {
        self.spool.reserve().is_given_up()
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
            Role::Writer { database, .. } => Some(database),
            Role::Reader { database, .. } => database.get(),
        }
    }

    /// The database, if this process writes it.
    pub(crate) fn writer(&self) -> Option<&Database> {
        match &self.role {
            Role::Writer { database, .. } => Some(database),
            Role::Reader { .. } => None,
        }
    }

    /// As [`Store::writer`], unless its folder was removed or replaced: what is written there is lost.
    pub(crate) fn writer_to_existing(&self) -> Option<&Database> {
        let Role::Writer { database, id, .. } = &self.role else { return None };
        if *id == folder_id(database.path()) {
            return Some(database);
        }
        self.journal.warn(Warning::FolderGone { path: self.path().to_path_buf() });
        None
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
        let is_due = lock(last_catch_up).elapsed() > CATCH_UP_AFTER || lock(spooled).contains_key(digest);
        if is_due {
            self.catch_up();
        }
        is_due
    }

    /// For readers: remembers what they have spooled.
    pub(crate) fn note_spooled(&self, digest: &Digest, generation: u64) {
        if let Role::Reader { spooled, .. } = &self.role {
            lock(spooled).insert(*digest, generation);
        }
    }

    /// The generation of a record that this process has spooled, if it superseded another.
    pub(crate) fn spooled_generation(&self, digest: &Digest) -> Option<u64> {
        let Role::Reader { spooled, .. } = &self.role else { return None };
        lock(spooled).get(digest).copied().filter(|generation| *generation > 0)
    }

    /// Brings the view of the store up to date before it is listed.
    pub(crate) fn refresh(&self) {
        self.catch_up();
        self.take_in_spool();
    }

    /// Takes in the spool if that was not done for a while.
    pub(crate) fn tick(&self) {
        if self.is_writer() && self.last_take_in.try_lock().is_ok_and(|last| last.elapsed() > TAKE_IN_AFTER) {
            self.take_in_spool();
        }
    }

    /// Held while the spool is taken in, so that only one thread does; notes the time when it is done.
    pub(crate) fn take_in_guard(&self) -> MutexGuard<'_, Instant> {
        lock(&self.last_take_in)
    }

    /// Held while a record is looked up and then written.
    pub(crate) fn guard(&self, digest: &Digest) -> KeyGuard<'_> {
        KeyGuard(lock(&self.stripes[usize::from(digest.0[0]) % self.stripes.len()]))
    }

    /// Held while a manifest gets its place in time.
    pub(crate) fn manifest_guard(&self) -> MutexGuard<'_, ()> {
        lock(&self.last_manifest)
    }

    /// Turns damage into a warning and hands other failures on.
    pub(crate) fn database_failed(&self, action: &'static str, failure: Failure) -> Result<()> {
        if failure.cause == Cause::Damage {
            self.want_rebuild();
            self.journal.warn(Warning::DatabaseDamaged { message: failure.message });
            return Ok(());
        }
        Err(failure.into_error(action, &self.folder.database()))
    }

    /// Turns a write that failed, whatever the reason, into a warning: there is the spool.
    pub(crate) fn not_written(&self, failure: Failure) {
        if let Err(error) = self.database_failed("write", failure) {
            self.journal.warn(Warning::NotWritten { message: error.to_string() });
        }
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

/// Device and inode of a folder.
pub(crate) fn folder_id(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|data| (data.dev(), data.ino()))
}
