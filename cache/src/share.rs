//! Shares: places behind a store's own folder in which a team keeps one another's records.
//!
//! A record is kept in the store first, and offered to every share from an outbox that survives kills ([`outbox`]). What
//! the store lacks is looked for in the shares, in their order, checked as a whole ([`crate::object`]), and kept in the
//! store from then on. The first good object of a key counts, whatever device computed it; another result for the same key
//! is kept beside it as evidence and never read in its place. A share that fails is left alone for a while: a run goes on
//! with its own folder, and says so once.

pub(crate) mod lease;
mod objects;
pub(crate) mod outbox;
pub(crate) mod publish;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::claim::random_token;
use crate::folder;
use crate::journal::Journal;
use crate::mutex::lock;
use crate::tier::bucket::{self, Bucket};
use crate::tier::folder::FolderTier;
use crate::tier::patient::Patient;
use crate::tier::{Failure, OBJECT_BYTES_MAX, ObjectName, Put, Tier};
use crate::trust::{Identity, PublicKey, Trust};
use crate::{Kind, Warning};

use objects::Known;
pub(crate) use objects::Offered;

/// What a store shares, and how.
#[derive(Debug, Default)]
pub struct Sharing {
    /// The shares, in the order in which they are looked into: paths of folders, and URLs of buckets (`s3://bucket/prefix`,
    /// `gs://…`, `az://…`) and of web servers that are read (`https://…`).
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

/// How long a share that failed is left alone; twice as long each time that it fails again, and at most [`REST_MAX`].
const REST: Duration = Duration::from_secs(30);
const REST_MAX: Duration = Duration::from_secs(1800);
/// A stamp that somebody else puts at this moment is waited for so long, again and again.
const APPEARS_AFTER_MS: [u64; 4] = [20, 100, 500, 2000];

/// What was done, or nothing and a note where it came too late.
fn in_time<T>(done: Result<T, Failure>, late: &mut Option<String>) -> Result<Option<T>, Failure> {
    match done {
        Err(Failure::Late(message)) => {
            *late = Some(message);
            Ok(None)
        }
        done => done.map(Some),
    }
}

/// How long something rests that has failed so often before.
fn rest(failures: u32) -> Duration {
    REST.saturating_mul(1 << failures.min(16)).min(REST_MAX)
}

/// The stamp of a share of this program is this, the share's own name, and the end of the line.
const STAMP: &str = "nas-pipeline share 1 ";
const STAMP_START: &str = "nas-pipeline share ";
const STAMP_BYTES_MAX: u64 = 4096;

/// A tier of a team, with what this process knows of it.
#[derive(Debug)]
pub(crate) struct Share {
    place: String,
    tier: Box<dyn Tier>,
    /// The file that remembers the share's own name, so that another one in its place, or an empty folder where a drive is not
    /// mounted, is not taken for it.
    memory: Option<PathBuf>,
    trust: Trust,
    identity: Arc<Option<Identity>>,
    journal: Arc<Journal>,
    state: Mutex<State>,
    known: Mutex<HashMap<Kind, Known>>,
    found: AtomicU64,
    put: AtomicU64,
    refused: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    /// What it was found to be; unknown until its stamp was read, and again when it has failed.
    nature: Option<Nature>,
    rests_until: Option<Instant>,
    /// How often it has failed since it last did what it was asked.
    failures: u32,
    /// Until when nothing is put, since there was no room, or no right to.
    full_until: Option<Instant>,
    /// Until when no weights are moved, since they take too long, and how often they did.
    weights_rest_until: Option<Instant>,
    late: u32,
    /// Whether weights are put last: there was no room once, or they took too long.
    weights_last: bool,
    /// Names that were not believed.
    refused: HashSet<ObjectName>,
    unknown_producers: HashSet<Option<PublicKey>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nature {
    Share {
        can_write: bool,
    },
    /// Something else, which is left as it is.
    NoShare,
}

/// Why an operation gave nothing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// What is under the name is no object.
    NoObject(String),
    /// The share cannot be used for this now, which was said.
    Away,
}

impl Share {
    /// The share at a place; none where it cannot be one, which is said. `memory` is a file of the store's own.
    pub(crate) fn new(
        path: &Path,
        memory: PathBuf,
        trust: &Trust,
        identity: &Arc<Option<Identity>>,
        journal: &Arc<Journal>,
    ) -> Option<Self> {
        let place = path.display().to_string();
        let tier: Box<dyn Tier> = if let Some((scheme, _)) = place.split_once("://") {
            let bucket = if bucket::is_bucket(&place) {
                Bucket::new(&place)
            } else {
                Err(format!(
                    "`{scheme}` is no kind of share; give a folder, or s3://, gs://, az://, https://"
                ))
            };
            match bucket {
                Ok(bucket) => Box::new(bucket),
                Err(problem) => {
                    journal.warn_once(Warning::NoShare { place, problem });
                    return None;
                }
            }
        } else {
            Box::new(Patient::new(FolderTier::new(path)))
        };
        Some(Self { memory: Some(memory), ..Self::of(place, tier, trust.clone(), identity, journal) })
    }

    /// A share that nothing is remembered of.
    pub(crate) fn of(
        place: String,
        tier: Box<dyn Tier>,
        mut trust: Trust,
        identity: &Arc<Option<Identity>>,
        journal: &Arc<Journal>,
    ) -> Self {
        // One's own records are believed.
        if let Some(identity) = &**identity {
            trust.set_own(identity.public());
        }
        Self {
            place,
            tier,
            memory: None,
            trust,
            identity: Arc::clone(identity),
            journal: Arc::clone(journal),
            state: Mutex::default(),
            known: Mutex::default(),
            found: AtomicU64::new(0),
            put: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// Whether anything may be put into it, now or later. One that cannot be reached may be written to later.
    pub(crate) fn may_take(&self) -> bool {
        let nature = if self.is_away() { lock(&self.state).nature } else { self.nature().ok() };
        match nature {
            Some(Nature::Share { can_write }) => can_write,
            Some(Nature::NoShare) => false,
            None => true,
        }
    }

    /// Whether anything can be asked of it now.
    pub(crate) fn is_away(&self) -> bool {
        let state = lock(&self.state);
        state.nature == Some(Nature::NoShare) || state.rests_until.is_some_and(|until| Instant::now() < until)
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
        if self.is_away() || self.nature()? == Nature::NoShare {
            return Err(Trouble::Away);
        }
        let done = operation(&*self.tier);
        if done.is_ok() {
            lock(&self.state).failures = 0;
        }
        done.map_err(|failure| self.failed(failure))
    }

    /// As [`Share::attempt`], for what puts: not while there is no room.
    pub(crate) fn attempt_put<T>(
        &self,
        operation: impl FnOnce(&dyn Tier) -> Result<T, Failure>,
    ) -> Result<T, Trouble> {
        if self.takes_now() { self.attempt(operation) } else { Err(Trouble::Away) }
    }

    /// Whether anything can be put into it now.
    pub(crate) fn takes_now(&self) -> bool {
        let is_full = lock(&self.state).full_until.is_some_and(|until| Instant::now() < until);
        !is_full && !self.is_away() && self.may_take()
    }

    /// Whether weights are put into it after everything else.
    pub(crate) fn takes_weights_last(&self) -> bool {
        lock(&self.state).weights_last
    }

    /// Whether weights can be moved now.
    pub(crate) fn moves_weights(&self) -> bool {
        lock(&self.state).weights_rest_until.is_none_or(|until| until <= Instant::now())
    }

    /// Moves weights, unless they rest: where that takes too long, they rest, and records come and go all the same.
    fn move_weights<T>(
        &self,
        attempt: impl FnOnce(&mut Option<String>) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        if !self.moves_weights() {
            return Err(Trouble::Away);
        }
        let mut late = None;
        let moved = attempt(&mut late);
        let mut state = lock(&self.state);
        if let Some(message) = late {
            let now = Instant::now();
            // What was begun at one moment is late at one moment.
            if state.weights_rest_until.is_none_or(|until| until <= now) {
                state.weights_rest_until = Some(now + rest(state.late));
                state.late += 1;
                state.weights_last = true;
            }
            drop(state);
            self.journal.warn_once(Warning::ShareSlow { place: self.place.clone(), message });
        } else if moved.is_ok() {
            state.late = 0;
        }
        moved
    }

    /// The bytes of weights under a name.
    fn get_weights(&self, name: &ObjectName) -> Result<Option<Vec<u8>>, Trouble> {
        self.move_weights(|late| self.attempt(|tier| in_time(tier.get(name, OBJECT_BYTES_MAX), late)))
            .map(Option::flatten)
    }

    /// Puts weights; none where that took too long.
    fn put_weights(&self, name: &ObjectName, bytes: &[u8]) -> Result<Option<Put>, Trouble> {
        self.move_weights(|late| self.attempt_put(|tier| in_time(tier.put_if_absent(name, bytes), late)))
    }

    fn failed(&self, failure: Failure) -> Trouble {
        let place = self.place.clone();
        match failure {
            Failure::NoObject(reason) => return Trouble::NoObject(reason),
            Failure::Unreachable(message) | Failure::Late(message) => {
                let mut state = lock(&self.state);
                let now = Instant::now();
                // What was asked at one moment fails at one moment, and is one failure.
                if state.rests_until.is_none_or(|until| until <= now) {
                    state.rests_until = Some(now + rest(state.failures));
                    state.failures += 1;
                    // Another drive may be in its place when it comes back.
                    state.nature = None;
                }
                drop(state);
                self.journal.warn_once(Warning::ShareAway { place, message });
            }
            Failure::Full(message) => {
                let mut state = lock(&self.state);
                state.full_until = Some(Instant::now() + REST);
                state.weights_last = true;
                drop(state);
                self.journal.warn_once(Warning::ShareFull { place, message });
            }
            Failure::ReadOnly(message) => {
                lock(&self.state).full_until = Some(Instant::now() + REST_MAX);
                self.journal.warn_once(Warning::ShareReadOnly { place, message });
            }
        }
        Trouble::Away
    }

    /// What is at the place; an empty one becomes a share.
    fn nature(&self) -> Result<Nature, Trouble> {
        if let Some(nature) = lock(&self.state).nature {
            return Ok(nature);
        }
        let found = self.read_stamp().map_err(|failure| self.failed(failure))?;
        let place = self.place.clone();
        let nature = match found {
            Ok(can_write) => {
                // That a file or a web server is only read goes without saying.
                if !can_write && self.tier.may_be_unmounted() {
                    let message = "it may not be written to".to_owned();
                    self.journal.warn_once(Warning::ShareReadOnly { place, message });
                }
                Nature::Share { can_write }
            }
            Err(problem) => {
                self.journal.warn_once(Warning::NoShare { place, problem });
                Nature::NoShare
            }
        };
        lock(&self.state).nature = Some(nature);
        Ok(nature)
    }

    /// Whether the share can be written to, or why the place is none.
    fn read_stamp(&self) -> Result<Result<bool, String>, Failure> {
        let name = ObjectName::stamp();
        let other = || Ok(Err("it holds something else; give a folder that is empty, or a share".to_owned()));
        let memory = self.memory.as_ref().filter(|_| self.tier.may_be_unmounted());
        let remembered = memory.and_then(|path| std::fs::read_to_string(path).ok());
        let read = || match self.tier.get(&name, STAMP_BYTES_MAX) {
            // Something that is no stamp.
            Err(Failure::NoObject(_)) => Ok(Some(Vec::new())),
            stamp => stamp,
        };
        let mut stamp = read()?;
        if stamp.is_none() && !self.tier.is_empty()? {
            // Somebody may have made it a share in between.
            stamp = read()?;
            if stamp.is_none() && remembered.is_none() {
                return other();
            }
        }
        let stamp = if let Some(stamp) = stamp {
            stamp
        } else {
            if remembered.is_some() {
                return Err(Failure::Unreachable(
                    "it is not the share that it was; is its drive mounted?".into(),
                ));
            }
            if !self.tier.can_write()? {
                return Err(Failure::Unreachable(
                    "it is empty and may not be written to; is it mounted?".into(),
                ));
            }
            let own_name = if self.tier.may_be_unmounted() { random_token() } else { "bucket".to_owned() };
            let stamp = format!("{STAMP}{own_name}\n");
            // Somebody else may have been first, with another one, and still be at it: some servers refuse the second of two
            // puts before the first one's object can be read.
            self.tier.put_if_absent(&name, stamp.as_bytes())?;
            let mut found = read()?;
            for wait in APPEARS_AFTER_MS {
                if found.is_none() {
                    std::thread::sleep(Duration::from_millis(wait));
                    found = read()?;
                }
            }
            found.ok_or_else(|| Failure::Unreachable("what was put there is not there".into()))?
        };
        let stamp = String::from_utf8_lossy(&stamp);
        let Some(version) = stamp.strip_prefix(STAMP_START) else { return other() };
        if !stamp.starts_with(STAMP) {
            let version: String = version.trim_end().chars().filter(|c| !c.is_control()).take(20).collect();
            return Ok(Err(format!(
                "a later version of this program made it (format {version}); update this program"
            )));
        }
        match (remembered, memory) {
            (Some(remembered), _) if *remembered != *stamp => {
                return Err(Failure::Unreachable(
                    "it is another share than it was; give it under another path, or give up what waits for it: `pipeline cache rm --outgoing`".into(),
                ));
            }
            // What cannot be remembered is not noticed when it changes.
            (None, Some(path)) => drop(folder::replace_file(path, &[stamp.as_bytes()])),
            _ => {}
        }
        self.tier.can_write().map(Ok)
    }
}
