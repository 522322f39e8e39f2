//! Opening a cache folder: as its writer, with a damaged database rebuilt, or as a reader.

use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use crate::database::{Cause, Database};
use crate::folder::{self, Folder};
use crate::journal::Journal;
use crate::lock::{DatabaseLock, FolderLock};
use crate::salvage::{self, DataFiles};
use crate::spool::Spool;
use crate::store::{Role, folder_id};
use crate::{Error, Result, Warning};

/// How long a reader waits for a writer that has just started to make its database.
const WRITER_START_MAX: Duration = Duration::from_secs(1);

/// Opens the folder for whatever it can be opened for: writing, else reading.
pub(crate) fn open(folder: &Folder, spool: &Spool, journal: &Journal) -> Result<Role> {
    match open_writer(folder, spool, journal) {
        Ok(Some(role)) => Ok(role),
        Ok(None) => open_reader(folder, journal, WRITER_START_MAX),
        Err(error @ Error::NewerFolder { .. }) => Err(error),
        // No permission, no room, a failing disk: what is there can still be read.
        Err(error) => {
            let role = open_reader(folder, journal, Duration::ZERO)?;
            let is_unread = matches!(&role, Role::Reader { database, .. } if database.get().is_none());
            if is_unread && may_hold_data(folder) {
                return Err(error);
            }
            journal.warn(Warning::NotWritable { message: error.to_string() });
            Ok(role)
        }
    }
}

/// Opens the database as its writer, rebuilt if it is damaged. `None`: another store has it open.
fn open_writer(folder: &Folder, spool: &Spool, journal: &Journal) -> Result<Option<Role>> {
    let Some(folder_lock) = FolderLock::take(&folder.lock())? else { return Ok(None) };
    salvage::finish(folder)?;
    let path = folder.database();
    let Some(mut database_lock) = DatabaseLock::take(&path)? else { return Ok(None) };
    let files = DataFiles::hold(folder)?;
    let database = match open_undamaged(folder)? {
        Ok(database) => {
            let changes = database.changes_lost();
            let saved = files.save_forgotten(&database, spool);
            match saved.map_err(|failure| failure.into_error("write", &path))? {
                0 if changes > 0 => journal.warn(Warning::ChangesLost { changes }),
                0 => {}
                records => journal.warn(Warning::Forgotten { records }),
            }
            database
        }
        Err(reason) => {
            if !database_lock.take_again()? {
                return Ok(None);
            }
            let rebuilt = salvage::rebuild(folder, spool)?;
            journal.warn(Warning::Rebuilt { records: rebuilt.records, moved_to: rebuilt.moved_to, reason });
            // The one so far is that of the damaged database, which has another name now.
            match DatabaseLock::take(&path)? {
                Some(lock) => database_lock = lock,
                None => return Ok(None),
            }
            Database::open_writer(&path).map_err(|failure| failure.into_error("open", &path))?
        }
    };
    let id = folder_id(&path);
    Ok(Some(Role::Writer { database, id, _locks: (folder_lock, database_lock) }))
}

/// The database, or what is damaged about it.
fn open_undamaged(folder: &Folder) -> Result<std::result::Result<Database, String>> {
    // Where the last version of this program left its note.
    let old_note = folder.path().join("rebuild-wanted");
    let is_wanted =
        folder.rebuild_wanted().exists() || (old_note.exists() && folder::remove_file(&old_note).is_ok());
    if is_wanted {
        return Ok(Err("damaged files were met while it was in use".to_owned()));
    }
    if salvage::is_headless(folder)? {
        return Ok(Err("its file CURRENT is missing".to_owned()));
    }
    match Database::open_writer(&folder.database()) {
        Ok(database) => Ok(Ok(database)),
        Err(failure) if failure.cause == Cause::Damage => Ok(Err(failure.message)),
        Err(failure) => Err(failure.into_error("open", &folder.database())),
    }
}

/// Opens the database beside its writer, if there is one; without a database if that stays impossible.
fn open_reader(folder: &Folder, journal: &Journal, wait_max: Duration) -> Result<Role> {
    let start = Instant::now();
    let database = OnceLock::new();
    let path = folder.database();
    loop {
        let failure = match Database::open_reader(&path) {
            Ok(opened) => {
                database.get_or_init(|| opened);
                break;
            }
            Err(failure) => failure,
        };
        if failure.cause == Cause::Newer {
            return Err(failure.into_error("open", &path));
        }
        if start.elapsed() >= wait_max {
            // Where nothing is stored, nothing is missed.
            if may_hold_data(folder) {
                journal.warn(Warning::DatabaseUnreadable { message: failure.message });
            }
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(Role::Reader { database, last_catch_up: Mutex::new(Instant::now()), spooled: Mutex::default() })
}

/// Whether anything could be in the database; so it is where that cannot be told.
fn may_hold_data(folder: &Folder) -> bool {
    folder.database().exists() && salvage::holds_data(folder).unwrap_or(true)
}
