//! Shares: places behind a store's own folder in which a team keeps one another's records.
//!
//! A record is kept in the store first, and offered to every share from an outbox that survives kills ([`outbox`]). What
//! the store lacks is looked for in the shares, in their order, checked as a whole ([`crate::object`]), and kept in the
//! store from then on. The first good object of a key counts, whatever device computed it; another result for the same key
//! is kept beside it as evidence and never read in its place. A share that fails is left alone for a while: a run goes on
//! with its own folder, and says so once.

pub(crate) mod lease;
pub(crate) mod outbox;
pub(crate) mod publish;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::journal::Journal;
use crate::object;
use crate::sharing::{FOUND_IN, PRODUCER};
use crate::tier::folder::FolderTier;
use crate::tier::{Failure, OBJECT_BYTES_MAX, ObjectName, Put, Tier};
use crate::trust::{Identity, PublicKey, Trust, Verdict};
use crate::{Digest, Kind, Record, Warning, weights};

/// What a store shares, and how.
#[derive(Debug, Default)]
pub struct Sharing {
    /// The shares, in the order in which they are looked into: folders.
    pub places: Vec<PathBuf>,
    /// Whose records are used.
    pub trust: Trust,
    /// Who signs what this store shares.
    pub identity: Option<Identity>,
    /// Who shares it, for people: a user and a machine.
    pub person: String,
}

/// What became of a share so far, in this process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShareReport {
    /// Where it is.
    pub place: String,
    /// Records found in it.
    pub found: u64,
    /// Records put into it.
    pub put: u64,
    /// Records that wait for it in the outbox.
    pub waiting: u64,
    /// Objects in it that were not believed.
    pub refused: u64,
}

/// How long a share that failed is left alone.
const REST: Duration = Duration::from_secs(30);
/// After so many misses one listing tells what is there.
const MISSES_MAX: u32 = 64;
/// How long a listing is good for.
const LISTED_FOR: Duration = Duration::from_secs(10);
/// Objects of one key, at most: each but the first is there because those before it are no good, or hold other results.
const VERSIONS: u32 = 8;
/// Objects that are named when they are not believed; the others are counted.
const NAMED_MAX: usize = 10;
/// The stamp of a share of this program.
const STAMP: &str = "nas-pipeline share 1\n";
const STAMP_START: &str = "nas-pipeline share ";
const STAMP_BYTES_MAX: u64 = 4096;

/// A tier of a team, with what this process knows of it.
#[derive(Debug)]
pub(crate) struct Share {
    place: String,
    tier: Box<dyn Tier>,
    trust: Arc<Trust>,
    identity: Arc<Option<Identity>>,
    journal: Arc<Journal>,
    state: Mutex<State>,
    known: Mutex<HashMap<Kind, Known>>,
    is_read_only: AtomicBool,
    found: AtomicU64,
    put: AtomicU64,
    refused: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    /// Whether its stamp is one; unknown until it was read.
    is_ours: Option<bool>,
    rests_until: Option<Instant>,
    /// Names that were not believed, so that each is counted once.
    refused: HashSet<ObjectName>,
    unknown_producers: HashSet<Option<PublicKey>>,
}

/// What is known of a kind's records.
#[derive(Debug, Default)]
struct Known {
    misses: u32,
    listed: Option<(Instant, HashSet<Digest>)>,
}

/// Why an operation gave nothing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// What is under the name is no object.
    NoObject(String),
    /// The share cannot be used for this now, which was said.
    Away,
}

/// What became of a record that was offered to a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offered {
    /// It is there now, or was there.
    There,
    /// It cannot be taken now.
    Later,
    /// It will never be taken.
    Never,
}

impl Share {
    pub(crate) fn new(
        path: &Path,
        trust: &Arc<Trust>,
        identity: &Arc<Option<Identity>>,
        journal: &Arc<Journal>,
    ) -> Self {
        Self::of(path.display().to_string(), Box::new(FolderTier::new(path)), trust, identity, journal)
    }

    pub(crate) fn of(
        place: String,
        tier: Box<dyn Tier>,
        trust: &Arc<Trust>,
        identity: &Arc<Option<Identity>>,
        journal: &Arc<Journal>,
    ) -> Self {
        Self {
            place,
            tier,
            trust: Arc::clone(trust),
            identity: Arc::clone(identity),
            journal: Arc::clone(journal),
            state: Mutex::default(),
            known: Mutex::default(),
            is_read_only: AtomicBool::new(false),
            found: AtomicU64::new(0),
            put: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// Whether it is known that it can only be read.
    pub(crate) fn is_read_only(&self) -> bool {
        self.is_read_only.load(Relaxed)
    }

    /// Whether anything can be asked of it now.
    pub(crate) fn is_away(&self) -> bool {
        let state = lock(&self.state);
        state.is_ours == Some(false) || state.rests_until.is_some_and(|until| Instant::now() < until)
    }

    pub(crate) fn report(&self) -> ShareReport {
        ShareReport {
            place: self.place.clone(),
            found: self.found.load(Relaxed),
            put: self.put.load(Relaxed),
            waiting: 0,
            refused: self.refused.load(Relaxed),
        }
    }

    /// Does something with the tier, unless it is away.
    pub(crate) fn attempt<T>(
        &self,
        operation: impl FnOnce(&dyn Tier) -> Result<T, Failure>,
    ) -> Result<T, Trouble> {
        if self.is_away() || !self.is_ours()? {
            return Err(Trouble::Away);
        }
        operation(&*self.tier).map_err(|failure| self.failed(failure))
    }

    fn failed(&self, failure: Failure) -> Trouble {
        match failure {
            Failure::NoObject(reason) => return Trouble::NoObject(reason),
            Failure::Unreachable(message) => {
                lock(&self.state).rests_until = Some(Instant::now() + REST);
                self.journal.warn_once(Warning::ShareAway { place: self.place.clone(), message });
            }
            Failure::ReadOnly(message) => {
                if !self.is_read_only.swap(true, Relaxed) {
                    self.journal.warn_once(Warning::ShareReadOnly { place: self.place.clone(), message });
                }
            }
        }
        Trouble::Away
    }

    /// Whether it has the stamp of a share; an empty place gets it.
    fn is_ours(&self) -> Result<bool, Trouble> {
        if let Some(is_ours) = lock(&self.state).is_ours {
            return Ok(is_ours);
        }
        let found = self.read_stamp().map_err(|failure| self.failed(failure))?;
        if let Err(problem) = &found {
            let warning = Warning::NoShare { place: self.place.clone(), problem: problem.clone() };
            self.journal.warn_once(warning);
        }
        lock(&self.state).is_ours = Some(found.is_ok());
        Ok(found.is_ok())
    }

    fn read_stamp(&self) -> Result<Result<(), String>, Failure> {
        let name = ObjectName::stamp();
        let other = || Err("it holds something else; give a folder that is empty, or a share".to_owned());
        let stamp = match self.tier.get(&name, STAMP_BYTES_MAX) {
            Err(Failure::NoObject(_)) => return Ok(other()),
            stamp => stamp?,
        };
        let Some(stamp) = stamp else {
            if !self.tier.is_empty()? {
                return Ok(other());
            }
            return match self.tier.put_if_absent(&name, STAMP.as_bytes()) {
                // Somebody else may have been first, with the same stamp or a later one.
                Ok(Put::AlreadyThere) => self.read_stamp(),
                Ok(Put::Stored) | Err(Failure::ReadOnly(_)) => Ok(Ok(())),
                Err(failure) => Err(failure),
            };
        };
        let stamp = String::from_utf8_lossy(&stamp);
        Ok(match stamp.strip_prefix(STAMP_START) {
            Some(_) if stamp == STAMP => Ok(()),
            Some(version) => Err(format!(
                "a later version of this program made it (format {}); update this program",
                version.trim_end().chars().take(20).collect::<String>()
            )),
            None => return Ok(other()),
        })
    }

    /// A record that it holds, checked. Unless the latest state matters, what was listed lately is believed.
    pub(crate) fn find(&self, kind: Kind, digest: &Digest, latest: bool) -> Option<Record> {
        if !latest && self.lacks(kind, digest) {
            return None;
        }
        for version in 0..VERSIONS {
            match self.read(kind, digest, version) {
                Ok(Some(record)) => {
                    self.found.fetch_add(1, Relaxed);
                    return Some(record);
                }
                // Not believed: there may be another.
                Err(Trouble::NoObject(_)) => {}
                Ok(None) => {
                    lock(&self.known).entry(kind).or_default().misses += 1;
                    return None;
                }
                Err(Trouble::Away) => return None,
            }
        }
        None
    }

    /// A version of a record, checked; what is not believed is reported.
    fn read(&self, kind: Kind, digest: &Digest, version: u32) -> Result<Option<Record>, Trouble> {
        let name = ObjectName::of_record(kind, digest, version);
        let read = match self.attempt(|tier| tier.get(&name, OBJECT_BYTES_MAX)) {
            Ok(None) => return Ok(None),
            Ok(Some(bytes)) => self.check(&bytes, kind, digest),
            Err(Trouble::NoObject(reason)) => Err(reason),
            Err(Trouble::Away) => return Err(Trouble::Away),
        };
        read.map(Some).map_err(|reason| {
            self.refuse(&name, &reason);
            Trouble::NoObject(reason)
        })
    }

    fn check(&self, bytes: &[u8], kind: Kind, digest: &Digest) -> Result<Record, String> {
        let object = object::decode(bytes, kind, digest).map_err(|error| error.to_string())?;
        match self.trust.judge(object.producer.as_ref()) {
            Verdict::Used => {}
            Verdict::Unknown => {
                if lock(&self.state).unknown_producers.insert(object.producer) {
                    let producer =
                        object.producer.map_or_else(|| "nobody".to_owned(), |producer| producer.to_string());
                    self.journal.warn(Warning::UnknownProducer { place: self.place.clone(), producer });
                }
            }
            Verdict::Refused(reason) => return Err(reason.to_owned()),
        }
        let mut record = object.record;
        record.provenance.insert(FOUND_IN.to_owned(), self.place.clone());
        match object.producer {
            Some(producer) => record.provenance.insert(PRODUCER.to_owned(), producer.to_string()),
            // What an object says of this is nobody's word.
            None => record.provenance.remove(PRODUCER),
        };
        Ok(record)
    }

    fn refuse(&self, name: &ObjectName, reason: &str) {
        let mut state = lock(&self.state);
        let count = state.refused.len();
        if count < 1 << 16 && !state.refused.insert(name.clone()) {
            return;
        }
        drop(state);
        self.refused.fetch_add(1, Relaxed);
        if count < NAMED_MAX {
            let (place, name, reason) = (self.place.clone(), name.to_string(), reason.to_owned());
            self.journal.warn(Warning::ShareRefused { place, name, reason });
        }
    }

    /// Whether a listing has just told that it is not there. After many misses it is made.
    fn lacks(&self, kind: Kind, digest: &Digest) -> bool {
        let mut known = lock(&self.known);
        let known = known.entry(kind).or_default();
        if let Some((at, _)) = &known.listed
            && at.elapsed() > LISTED_FOR
        {
            *known = Known::default();
        }
        if known.listed.is_none() && known.misses >= MISSES_MAX {
            known.misses = 0;
            known.listed = self.list(kind).map(|digests| (Instant::now(), digests));
        }
        known.listed.as_ref().is_some_and(|(_, digests)| !digests.contains(digest))
    }

    /// The digests of a kind's records that it holds, believed or not; none where that cannot be told.
    pub(crate) fn list(&self, kind: Kind) -> Option<HashSet<Digest>> {
        let listed = self.attempt(|tier| tier.list(kind.name())).ok()?;
        let digest = |name: &String| name.split('.').next().and_then(|digest| digest.parse().ok());
        listed.is_complete.then(|| listed.names.iter().filter_map(digest).collect())
    }

    /// The digests of the weights that it holds.
    pub(crate) fn list_weights(&self) -> Option<HashSet<Digest>> {
        let listed = self.attempt(|tier| tier.list(weights::FOLDER)).ok()?;
        listed.is_complete.then(|| listed.names.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// Puts a record's envelope where it is not there yet.
    pub(crate) fn offer(&self, kind: Kind, digest: &Digest, envelope: &[u8]) -> Offered {
        // What is offered was read from a file: it must be what its name says.
        let Ok(own) = Record::from_bytes(envelope) else { return Offered::Never };
        if (own.key.kind(), own.key.digest()) != (kind, digest) {
            return Offered::Never;
        }
        let bytes = object::encode(envelope, (*self.identity).as_ref());
        for version in 0..VERSIONS {
            let name = ObjectName::of_record(kind, digest, version);
            match self.attempt(|tier| tier.put_if_absent(&name, &bytes)) {
                Ok(Put::Stored) => {
                    self.put.fetch_add(1, Relaxed);
                    return Offered::There;
                }
                Ok(Put::AlreadyThere) => {}
                Err(Trouble::NoObject(reason)) => {
                    self.refuse(&name, &reason);
                    continue;
                }
                Err(Trouble::Away) => return self.later(),
            }
            match self.read(kind, digest, version) {
                Ok(Some(there)) if there.same_result(&own) => return Offered::There,
                Ok(Some(_)) => {
                    let place = self.place.clone();
                    self.journal.warn(Warning::SharedConflict { place, kind, digest: *digest });
                }
                // It was removed, or is no good: the next name is free for ours.
                Ok(None) | Err(Trouble::NoObject(_)) => {}
                Err(Trouble::Away) => return self.later(),
            }
        }
        Offered::Never
    }

    fn later(&self) -> Offered {
        if self.is_read_only() { Offered::Never } else { Offered::Later }
    }

    /// The bytes of weights that it holds.
    pub(crate) fn find_weights(&self, digest: &Digest) -> Option<Vec<u8>> {
        let name = ObjectName::of_weights(digest);
        match self.attempt(|tier| tier.get(&name, OBJECT_BYTES_MAX)) {
            Ok(Some(bytes)) if weights::digest_of(&bytes) == *digest => Some(bytes),
            Ok(Some(_)) => {
                self.refuse(&name, "its bytes are not those of its name");
                None
            }
            Err(Trouble::NoObject(reason)) => {
                self.refuse(&name, &reason);
                None
            }
            Ok(None) | Err(Trouble::Away) => None,
        }
    }

    /// Puts weights where they are not there yet.
    pub(crate) fn offer_weights(&self, digest: &Digest, bytes: &[u8]) -> Offered {
        let name = ObjectName::of_weights(digest);
        match self.attempt(|tier| tier.put_if_absent(&name, bytes)) {
            Ok(Put::Stored) => {
                self.put.fetch_add(1, Relaxed);
                Offered::There
            }
            Ok(Put::AlreadyThere) => Offered::There,
            Err(Trouble::NoObject(reason)) => {
                self.refuse(&name, &reason);
                Offered::Never
            }
            Err(Trouble::Away) => self.later(),
        }
    }
}

/// A panic in another thread leaves nothing half done that these locks guard.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
