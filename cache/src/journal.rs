//! What happened while a store was open: counters, and warnings for the caller to show.

use std::collections::HashSet;
use std::fmt;
use std::mem::Discriminant;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use crate::{Cost, Digest, Kind};

/// Something a person should hear about. Nothing of it stops a run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// A stored record failed its check; it counts as missing and will be computed again.
    Corrupt {
        /// The record's kind.
        kind: Kind,
        /// The key that the record was stored under.
        digest: Digest,
        /// What the check found.
        reason: String,
    },
    /// A record was put under a key that holds a different result; the stored one was kept.
    Conflict {
        /// The record's kind.
        kind: Kind,
        /// The key that both claim.
        digest: Digest,
    },
    /// A spool file was unusable and was moved aside.
    SetAside {
        /// Where it is now.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Something in the spool could not be read, moved or removed; it stays where it is.
    SpoolUnreadable {
        /// The file, and what the system said.
        message: String,
    },
    /// A record was written by a later version of this program; it counts as missing and was left where it
    /// is.
    Newer {
        /// What this version does not know.
        what: String,
    },
    /// The database met damaged files; what it could not read counts as missing, and the next start rebuilds
    /// it.
    DatabaseDamaged {
        /// What the database said.
        message: String,
    },
    /// A damaged database was rebuilt from the intact records found in its files.
    Rebuilt {
        /// How many records were saved.
        records: u64,
        /// Where the damaged database was moved.
        moved_to: PathBuf,
        /// What was found damaged.
        reason: String,
    },
    /// The database's list of its files had lost its end; the records it no longer knew were put back.
    Forgotten {
        /// How many records were saved.
        records: u64,
    },
    /// The end of the database's log is missing; what was in it will be computed again.
    ChangesLost {
        /// How many changes had been durable.
        changes: u64,
    },
    /// The folder can be read and not written to; nothing that is computed can be kept.
    NotWritable {
        /// What the system said.
        message: String,
    },
    /// The database refused a record, which went to the spool.
    NotWritten {
        /// What the database said.
        message: String,
    },
    /// The folder, or the database in it, was removed or replaced while it was in use.
    FolderGone {
        /// The folder.
        path: PathBuf,
    },
    /// A share cannot be reached, read or written now; what it lacks waits in the outbox.
    ShareAway {
        /// Where it is.
        place: String,
        /// What the system said.
        message: String,
    },
    /// It cannot be told what a share holds.
    Unlisted {
        /// Where it is.
        place: String,
    },
    /// A share moves large objects too slowly.
    ShareSlow {
        /// Where it is.
        place: String,
        /// What took too long.
        message: String,
    },
    /// A share has no room; it is read all the same.
    ShareFull {
        /// Where it is.
        place: String,
        /// What the system said.
        message: String,
    },
    /// A share can be read and not be written to; nothing goes there.
    ShareReadOnly {
        /// Where it is.
        place: String,
        /// What the system said.
        message: String,
    },
    /// A place that should be a share is none, or one of a later version of this program.
    NoShare {
        /// Where it is.
        place: String,
        /// What is wrong with it.
        problem: String,
    },
    /// An object in a share was not believed.
    ShareRefused {
        /// Where the share is.
        place: String,
        /// The object.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Records of a producer that is not in the list of those who are trusted are used.
    UnknownProducer {
        /// Where the share is.
        place: String,
        /// The producer's public key; none where records are not signed.
        producer: Option<String>,
    },
    /// A share holds a different result for a key. That is the one which counts there; this one is kept beside it.
    SharedConflict {
        /// Where the share is.
        place: String,
        /// The record's kind.
        kind: Kind,
        /// The key.
        digest: Digest,
    },
    /// A record finds no place in a share: too much that is no good has its names.
    NoPlace {
        /// Where the share is.
        place: String,
        /// The record's kind.
        kind: Kind,
        /// Its key.
        digest: Digest,
    },
    /// A record could not be put into the outbox, and will not be shared.
    NotShared {
        /// What the system said.
        message: String,
    },
    /// The database could not be read at all, beside its writer or for another reason.
    DatabaseUnreadable {
        /// What the database said.
        message: String,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupt { kind, digest, reason } => {
                write!(
                    f,
                    "cached record {kind}/{digest} is damaged ({reason}); it is set aside and computed again"
                )
            }
            Self::Conflict { kind, digest } => write!(
                f,
                "a new result for {kind}/{digest} differs from the cached one, which was kept; something that \
                 changes results is missing from the key, or a computation is not deterministic"
            ),
            Self::SetAside { path, reason } => {
                write!(
                    f,
                    "a file of the cache's spool is unusable ({reason}); it was moved to {}",
                    path.display()
                )
            }
            Self::SpoolUnreadable { message } => {
                write!(
                    f,
                    "something in the cache's spool cannot be read or moved ({message}) and is passed over; check \
                     its permissions"
                )
            }
            Self::Newer { what } => {
                write!(
                    f,
                    "a cached record was written by a later version of this program ({what}) and is not used"
                )
            }
            Self::DatabaseDamaged { message } => write!(
                f,
                "the cache database has damaged files ({message}); what cannot be read is computed again, and the \
                 next run rebuilds the database from its intact records"
            ),
            Self::Rebuilt { records, moved_to, reason } => write!(
                f,
                "the cache database was damaged ({reason}); {records} intact records were saved into a new one, \
                 the damaged one is kept in {}; delete it when nothing is missed",
                moved_to.display()
            ),
            Self::Forgotten { records } => {
                write!(
                    f,
                    "the cache database's list of files was damaged; {records} records it had lost were put back"
                )
            }
            Self::ChangesLost { changes } => write!(
                f,
                "the end of the cache database's log is missing, {changes} changes that had been kept; what is lost is \
                 computed again"
            ),
            Self::NotWritable { message } => {
                write!(f, "the cache can only be read ({message}); nothing new can be kept in it")
            }
            Self::NotWritten { message } => write!(
                f,
                "the cache database cannot be written ({message}); results are kept in the spool, and the next run \
                 takes them in"
            ),
            Self::FolderGone { path } => write!(
                f,
                "the cache folder {} was removed or replaced while it was in use; what it held is lost to this run, \
                 and new results are kept in the spool of a folder of that name",
                path.display()
            ),
            Self::ShareAway { place, message } => write!(
                f,
                "the share {place} cannot be used now ({message}); this goes on without it, and what is to be shared waits in \
                 the cache folder for the next run"
            ),
            Self::Unlisted { place } => {
                write!(f, "it cannot be told what the share {place} holds: it lists nothing, or not in time")
            }
            Self::ShareSlow { place, message } => write!(
                f,
                "the share {place} is too slow for weights ({message}); records come and go all the same. Weights that are to be \
                 shared wait in the cache folder, and what needs some of the share's is computed anew"
            ),
            Self::ShareFull { place, message } => write!(
                f,
                "the share {place} has no room ({message}); it is read all the same, and what is to be shared waits in the cache \
                 folder"
            ),
            Self::ShareReadOnly { place, message } => {
                write!(
                    f,
                    "the share {place} can only be read ({message}); nothing is put into it. Where that is not meant, give this \
                     user the right to write there"
                )
            }
            Self::NoShare { place, problem } => write!(f, "{place} is not used as a share: {problem}"),
            Self::ShareRefused { place, name, reason } => {
                write!(
                    f,
                    "{name} in the share {place} is not used: {reason}; what it should hold is computed again, and put beside it"
                )
            }
            Self::UnknownProducer { place, producer: None } => {
                write!(f, "the share {place} has records that nobody signed; they are used")
            }
            Self::UnknownProducer { place, producer: Some(producer) } => write!(
                f,
                "the share {place} has records signed by {producer}, who is not in the list of those who are trusted; \
                 `pipeline cache trust` adds them"
            ),
            Self::SharedConflict { place, kind, digest } => write!(
                f,
                "the share {place} has another result for {kind}/{digest}, which was put there first and counts; this one is \
                 kept beside it. `pipeline cache verify --sample` tells which of them this machine gets"
            ),
            Self::NoPlace { place, kind, digest } => write!(
                f,
                "{kind}/{digest} finds no place in the share {place}: objects that are no good have all of its names; whoever keeps \
                 the share should delete them"
            ),
            Self::NotShared { message } => {
                write!(f, "a result cannot be shared ({message}); `pipeline cache push` shares it later")
            }
            Self::DatabaseUnreadable { message } => write!(
                f,
                "the cache database cannot be read ({message}); what it holds may be computed again, and new results \
                 are kept in the spool"
            ),
        }
    }
}

/// What happened since the store was opened, in this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Look-ups that found an intact record.
    pub hits: u64,
    /// Look-ups that did not.
    pub misses: u64,
    /// What the records found would have cost to compute again.
    pub saved: Cost,
    /// Records that failed their check.
    pub corrupt: u64,
    /// Records put under a key that holds a different result.
    pub conflicts: u64,
    /// Records of a later version of this program that were met.
    pub newer: u64,
    /// Reads and writes that failed on damaged database files.
    pub database_errors: u64,
    /// Records written to the spool.
    pub spooled: u64,
    /// Records taken in from the spool.
    pub taken_in: u64,
    /// Spool files moved aside.
    pub set_aside: u64,
    /// Hits that a share had.
    pub from_shares: u64,
}

/// Warnings kept at most; the counters go on counting.
const WARNINGS_MAX: usize = 1000;

#[derive(Debug, Default)]
pub(crate) struct Journal {
    pub(crate) hits: AtomicU64,
    pub(crate) misses: AtomicU64,
    saved: Mutex<Cost>,
    pub(crate) corrupt: AtomicU64,
    pub(crate) conflicts: AtomicU64,
    pub(crate) newer: AtomicU64,
    pub(crate) database_errors: AtomicU64,
    pub(crate) spooled: AtomicU64,
    pub(crate) taken_in: AtomicU64,
    pub(crate) set_aside: AtomicU64,
    pub(crate) from_shares: AtomicU64,
    warnings: Mutex<Vec<Warning>>,
    /// What was said of each place, for what is said once.
    said: Mutex<HashSet<(Discriminant<Warning>, String)>>,
}

impl Journal {
    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Relaxed);
    }

    pub(crate) fn hit(&self, cost: Cost) {
        Self::count(&self.hits);
        *self.saved.lock().unwrap_or_else(PoisonError::into_inner) += cost;
    }

    pub(crate) fn warn(&self, warning: Warning) {
        let counter = match &warning {
            Warning::Corrupt { .. } => Some(&self.corrupt),
            Warning::Conflict { .. } => Some(&self.conflicts),
            Warning::SetAside { .. } => Some(&self.set_aside),
            Warning::Newer { .. } => Some(&self.newer),
            Warning::DatabaseDamaged { .. } | Warning::DatabaseUnreadable { .. } => {
                Some(&self.database_errors)
            }
            Warning::Rebuilt { .. }
            | Warning::Forgotten { .. }
            | Warning::SpoolUnreadable { .. }
            | Warning::ChangesLost { .. }
            | Warning::NotWritable { .. }
            | Warning::NotWritten { .. }
            | Warning::FolderGone { .. }
            | Warning::ShareAway { .. }
            | Warning::Unlisted { .. }
            | Warning::ShareSlow { .. }
            | Warning::ShareFull { .. }
            | Warning::ShareReadOnly { .. }
            | Warning::NoShare { .. }
            | Warning::ShareRefused { .. }
            | Warning::UnknownProducer { .. }
            | Warning::SharedConflict { .. }
            | Warning::NoPlace { .. }
            | Warning::NotShared { .. } => None,
        };
        counter.into_iter().for_each(Self::count);
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        if warnings.len() < WARNINGS_MAX && !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }

    /// Warns unless the same was said before, whatever the system's words for it.
    pub(crate) fn warn_once(&self, warning: Warning) {
        let said = std::mem::discriminant(&warning);
        let place = match &warning {
            Warning::ShareAway { place, .. }
            | Warning::Unlisted { place }
            | Warning::ShareSlow { place, .. }
            | Warning::ShareFull { place, .. }
            | Warning::ShareReadOnly { place, .. }
            | Warning::NoShare { place, .. } => place.clone(),
            _ => String::new(),
        };
        let is_new = self.said.lock().unwrap_or_else(PoisonError::into_inner).insert((said, place));
        if is_new {
            self.warn(warning);
        }
    }

    pub(crate) fn drain(&self) -> Vec<Warning> {
        std::mem::take(&mut self.warnings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn counters(&self) -> Counters {
        let get = |counter: &AtomicU64| counter.load(Relaxed);
        Counters {
            hits: get(&self.hits),
            misses: get(&self.misses),
            saved: *self.saved.lock().unwrap_or_else(PoisonError::into_inner),
            corrupt: get(&self.corrupt),
            conflicts: get(&self.conflicts),
            newer: get(&self.newer),
            database_errors: get(&self.database_errors),
            spooled: get(&self.spooled),
            taken_in: get(&self.taken_in),
            set_aside: get(&self.set_aside),
            from_shares: get(&self.from_shares),
        }
    }
}
