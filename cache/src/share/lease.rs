//! Leases: which process of a team computes what, so that no two compute the same.
//!
//! A lease is an object under a key and a generation; the highest generation counts. It names its owner, a process that
//! counts on in an object of its own while it lives. Where that count has stood still for [`LEASE`] by the clock of
//! whoever waits, the owner is dead, and the lease of the next generation is for whoever creates it first. Clocks need not
//! agree, and nothing is locked.
//!
//! A lease saves work and protects nothing: where none can be had, or an owner that only slept is taken for dead, a result
//! is computed twice, and the first one that is put counts.

use std::collections::HashMap;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::{Share, lock};
use crate::claim::random_token;
use crate::tier::{LEASES, ObjectName, Put};

/// How often a living owner counts on.
const BEAT: Duration = Duration::from_secs(10);
/// An owner that does not count on for so long is dead.
pub(crate) const LEASE: Duration = Duration::from_secs(60);
/// How long it is believed that somebody else holds a lease, before it is looked at again.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Bytes of a lease or a life sign, at most.
const BYTES_MAX: u64 = 4096;
/// Others may be quicker so often.
const TRIES: usize = 4;

/// Something that a process of the team computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// What it is, as its process describes it.
    pub about: String,
    /// Whose process it is: a user and a machine.
    pub person: String,
    /// Since when, in milliseconds since 1970 by that machine's clock.
    pub since_unix_ms: u64,
}

/// What came of asking for a lease.
pub(crate) enum Leased {
    /// It is this process's until it is dropped.
    Granted(Lease),
    /// Somebody who lives has it.
    Taken,
    /// None can be had.
    Unavailable,
}

/// The leases of a share, as this process sees and takes them.
#[derive(Debug)]
pub(crate) struct Leases {
    share: Arc<Share>,
    person: String,
    owner: OnceLock<Option<Arc<Owner>>>,
    /// When somebody else was last seen to hold a lease.
    taken: Mutex<HashMap<String, Instant>>,
    /// What the other owners had counted to, and since when.
    seen: Mutex<HashMap<String, (Vec<u8>, Instant)>>,
}

/// This process as an owner of leases.
#[derive(Debug)]
struct Owner {
    share: Arc<Share>,
    token: String,
    /// Ends the thread that counts on.
    _heart: mpsc::Sender<()>,
}

/// A lease that this process holds.
#[derive(Debug)]
pub(crate) struct Lease {
    owner: Arc<Owner>,
    name: ObjectName,
}

impl Drop for Lease {
    fn drop(&mut self) {
        let _ = self.owner.share.attempt(|tier| tier.remove(&self.name));
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let _ = self.share.attempt(|tier| tier.remove(&ObjectName::of_owner(&self.token)));
    }
}

impl Owner {
    fn new(share: &Arc<Share>, person: &str, token: Option<&str>) -> Option<Self> {
        let token = token.map_or_else(random_token, str::to_owned);
        let name = ObjectName::of_owner(&token);
        let sign = format!("\n{person}\nprocess {}\n", std::process::id());
        let count = move |beats: u64| format!("{beats}{sign}").into_bytes();
        share.attempt(|tier| tier.replace(&name, &count(0))).ok()?;
        let (heart, ended) = mpsc::channel::<()>();
        let beating = Arc::clone(share);
        let beat = move || {
            let mut beats = 0;
            while ended.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
                beats += 1;
                let _ = beating.attempt(|tier| tier.replace(&name, &count(beats)));
            }
        };
        thread::Builder::new().name("leases".to_owned()).spawn(beat).ok()?;
        Some(Self { share: Arc::clone(share), token, _heart: heart })
    }
}

impl Leases {
    pub(crate) fn of(share: &Arc<Share>, person: &str) -> Self {
        Self {
            share: Arc::clone(share),
            person: person.to_owned(),
            owner: OnceLock::new(),
            taken: Mutex::default(),
            seen: Mutex::default(),
        }
    }

    /// Asks for the lease on a record, named by its kind and digest, for the process that has this token.
    pub(crate) fn claim(&self, record: &str, about: &str, token: Option<&str>) -> Leased {
        if self.share.is_away() || self.share.is_read_only() {
            return Leased::Unavailable;
        }
        if lock(&self.taken).get(record).is_some_and(|seen| seen.elapsed() < LOOK_EVERY) {
            return Leased::Taken;
        }
        let owner = self.owner.get_or_init(|| Owner::new(&self.share, &self.person, token).map(Arc::new));
        let Some(owner) = owner else { return Leased::Unavailable };
        for _ in 0..TRIES {
            match self.try_claim(owner, record, about) {
                Some(Leased::Taken) => {
                    lock(&self.taken).insert(record.to_owned(), Instant::now());
                    return Leased::Taken;
                }
                Some(leased) => return leased,
                // Somebody was quicker, or gave it up meanwhile.
                None => {}
            }
        }
        Leased::Taken
    }

    fn try_claim(&self, owner: &Arc<Owner>, record: &str, about: &str) -> Option<Leased> {
        let share = &self.share;
        let Ok(listed) = share.attempt(|tier| tier.list(LEASES)) else { return Some(Leased::Unavailable) };
        let generation = |name: &String| name.strip_prefix(record)?.strip_prefix('.')?.parse::<u64>().ok();
        let last = listed.names.iter().filter_map(generation).max();
        if let Some(last) = last {
            let name = ObjectName::of_lease(record, last);
            // What is no lease has no owner.
            let held = share.attempt(|tier| tier.get(&name, BYTES_MAX)).ok().flatten();
            let token = held.as_deref().map(token_of);
            if token.as_ref().is_some_and(|token| *token != owner.token && self.lives(token)) {
                return Some(Leased::Taken);
            }
        }
        let next = last.map_or(Some(1), |last| last.checked_add(1));
        // Nobody of us counts so far.
        let Some(next) = next else { return Some(Leased::Unavailable) };
        let dead = last.map(|last| ObjectName::of_lease(record, last));
        self.create(owner, ObjectName::of_lease(record, next), about, dead)
    }

    fn create(
        &self,
        owner: &Arc<Owner>,
        name: ObjectName,
        about: &str,
        dead: Option<ObjectName>,
    ) -> Option<Leased> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let about: String = about.chars().filter(|c| !c.is_control()).take(1000).collect();
        let text = format!("{}\n{}\n{since}\n{about}\n", owner.token, self.person);
        match self.share.attempt(|tier| tier.put_if_absent(&name, text.as_bytes())) {
            Ok(Put::Stored) => {
                if let Some(dead) = dead {
                    let _ = self.share.attempt(|tier| tier.remove(&dead));
                }
                Some(Leased::Granted(Lease { owner: Arc::clone(owner), name }))
            }
            Ok(Put::AlreadyThere) => None,
            Err(_) => Some(Leased::Unavailable),
        }
    }

    /// Whether the owner of this token lives.
    fn lives(&self, token: &str) -> bool {
        let name = ObjectName::of_owner(token);
        let Ok(Some(count)) = self.share.attempt(|tier| tier.get(&name, BYTES_MAX)) else { return false };
        let mut seen = lock(&self.seen);
        let (last, since) = seen.entry(token.to_owned()).or_insert_with(|| (count.clone(), Instant::now()));
        if *last != count {
            (*last, *since) = (count, Instant::now());
        }
        since.elapsed() < LEASE
    }

    /// What processes of the team compute now, or computed when they died.
    pub(crate) fn held(&self) -> Vec<Held> {
        let Ok(listed) = self.share.attempt(|tier| tier.list(LEASES)) else { return Vec::new() };
        let held = |name: &String| {
            let (record, generation) = name.rsplit_once('.')?;
            let name = ObjectName::of_lease(record, generation.parse().ok()?);
            let text = self.share.attempt(|tier| tier.get(&name, BYTES_MAX)).ok()??;
            let text = String::from_utf8_lossy(&text);
            let mut lines = text.lines().skip(1).map(printable);
            let (person, since, about) = (lines.next()?, lines.next()?, lines.next()?);
            Some(Held { about, person, since_unix_ms: since.parse().ok()? })
        };
        let mut all: Vec<Held> = listed.names.iter().filter_map(held).collect();
        all.sort_by_key(|held| held.since_unix_ms);
        all
    }
}

/// The first line of a lease.
fn token_of(lease: &[u8]) -> String {
    String::from_utf8_lossy(lease).lines().next().unwrap_or_default().to_owned()
}

/// Without what would move a terminal's cursor.
fn printable(line: &str) -> String {
    line.chars().filter(|c| !c.is_control()).take(1000).collect()
}
