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
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::objects::UNLISTED_FOR;
use super::{Share, Trouble};
use crate::claim::random_token;
use crate::mutex::lock;
use crate::record::now_unix_ms;
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
const TRIES: u32 = 5;
/// Another's lease that is not listed yet is looked for again after so long, then after twice as long.
const LISTED_AFTER: Duration = Duration::from_millis(50);
/// However its owner lives, a lease that is seen for so long is waited for no more.
const WAIT_MAX: Duration = Duration::from_secs(24 * 3600);
/// Leases that are told of, at most.
const HELD_MAX: usize = 1000;

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
    owner: Mutex<Option<Arc<Owner>>>,
    /// The leases that somebody else holds.
    taken: Mutex<HashMap<String, Taken>>,
    /// The names of all leases, and when they were listed; nothing where the list did not come to its end.
    listed: Mutex<Option<(Instant, Option<Vec<String>>)>>,
    /// What the other owners had counted to, and since when.
    seen: Mutex<HashMap<String, (Vec<u8>, Instant)>>,
}

/// A lease that somebody else holds.
#[derive(Clone, Debug)]
struct Taken {
    token: String,
    /// When it was first seen, and last.
    first: Instant,
    last: Instant,
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
    record: String,
    name: ObjectName,
    is_given_up: AtomicBool,
}

impl Lease {
    /// What it is a lease on: a record's kind and digest.
    pub(crate) fn record(&self) -> &str {
        &self.record
    }

    pub(crate) fn is_in(&self, share: &Arc<Share>) -> bool {
        Arc::ptr_eq(&self.owner.share, share)
    }

    /// Gives it up, and says whether that was done.
    pub(crate) fn give_up(&self) -> bool {
        if self.is_given_up.load(Relaxed) {
            return true;
        }
        let share = &self.owner.share;
        // One that was taken for dead has lost it, and another may have one of that name by now.
        let is_own = match share.attempt(|tier| tier.get(&self.name, BYTES_MAX)) {
            Ok(lease) => lease.is_some_and(|lease| token_of(&lease) == self.owner.token),
            Err(_) => return false,
        };
        let is_done = !is_own || share.attempt(|tier| tier.remove(&self.name)).is_ok();
        self.is_given_up.store(is_done, Relaxed);
        is_done
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.give_up();
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
        share.attempt_put(|tier| tier.replace(&name, &count(0))).ok()?;
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
            owner: Mutex::default(),
            taken: Mutex::default(),
            listed: Mutex::default(),
            seen: Mutex::default(),
        }
    }

    /// Asks for the lease on a record, named by its kind and digest, for the process that has this token.
    pub(crate) fn claim(&self, record: &str, about: &str, token: Option<&str>) -> Leased {
        if self.share.is_away() || !self.share.may_take() {
            return Leased::Unavailable;
        }
        if self.was_taken(record) {
            return Leased::Taken;
        }
        let owner = {
            let mut owner = lock(&self.owner);
            if owner.is_none() {
                *owner = Owner::new(&self.share, &self.person, token).map(Arc::new);
            }
            owner.clone()
        };
        let Some(owner) = owner else { return Leased::Unavailable };
        for attempt in 0..TRIES {
            if attempt > 1 {
                // Some servers refuse the second of two puts before the first one's object is listed.
                thread::sleep(LISTED_AFTER * (1 << (attempt - 2)));
            }
            match self.try_claim(&owner, record, about, attempt > 0) {
                // Somebody was quicker, or gave it up meanwhile.
                None => {}
                Some(leased) => return leased,
            }
        }
        // Something that is no lease is in its place: nobody waits for that.
        Leased::Unavailable
    }

    /// Whether somebody else had the lease on a record a moment ago.
    pub(crate) fn was_taken(&self, record: &str) -> bool {
        lock(&self.taken).get(record).is_some_and(|taken| taken.last.elapsed() < LOOK_EVERY)
    }

    /// The generations of the leases on a record.
    fn generations(&self, record: &str, anew: bool) -> Result<Vec<u64>, Trouble> {
        let mut listed = lock(&self.listed);
        let is_unlistable =
            listed.as_ref().is_some_and(|(at, names)| names.is_none() && at.elapsed() < UNLISTED_FOR);
        let is_fresh = listed.as_ref().is_some_and(|(at, _)| at.elapsed() < LOOK_EVERY);
        if !is_unlistable && (anew || !is_fresh) {
            let found = self.share.attempt(|tier| tier.list(LEASES))?;
            *listed = Some((Instant::now(), found.is_complete.then_some(found.names)));
        }
        // Nobody holds that many leases: who filled the folder wants others to wait.
        let Some((_, Some(names))) = &*listed else { return Err(Trouble::Away) };
        let generation = |name: &String| name.strip_prefix(record)?.strip_prefix('.')?.parse::<u64>().ok();
        Ok(names.iter().filter_map(generation).collect())
    }

    fn try_claim(&self, owner: &Arc<Owner>, record: &str, about: &str, anew: bool) -> Option<Leased> {
        let Ok(generations) = self.generations(record, anew) else { return Some(Leased::Unavailable) };
        let last = generations.into_iter().max();
        if let Some(last) = last {
            let name = ObjectName::of_lease(record, last);
            // What is no lease has no owner.
            let held = self.share.attempt(|tier| tier.get(&name, BYTES_MAX)).ok().flatten();
            let token = held.as_deref().map(token_of);
            if let Some(token) = token.filter(|token| *token != owner.token && self.lives(token)) {
                return Some(self.taken(record, token));
            }
        }
        let next = last.map_or(Some(1), |last| last.checked_add(1));
        // Nobody of us counts so far.
        let Some(next) = next else { return Some(Leased::Unavailable) };
        let dead = last.map(|last| ObjectName::of_lease(record, last));
        self.create(owner, record, ObjectName::of_lease(record, next), about, dead)
    }

    /// Somebody who lives has it; but nobody is waited for without end.
    fn taken(&self, record: &str, token: String) -> Leased {
        let now = Instant::now();
        let mut taken = lock(&self.taken);
        let new = Taken { token, first: now, last: now };
        let seen = taken.entry(record.to_owned()).or_insert_with(|| new.clone());
        if seen.token != new.token {
            *seen = new;
        }
        seen.last = now;
        if seen.first.elapsed() > WAIT_MAX { Leased::Unavailable } else { Leased::Taken }
    }

    fn create(
        &self,
        owner: &Arc<Owner>,
        record: &str,
        name: ObjectName,
        about: &str,
        dead: Option<ObjectName>,
    ) -> Option<Leased> {
        let since = now_unix_ms();
        let about = printable(about);
        let text = format!("{}\n{}\n{since}\n{about}\n", owner.token, self.person);
        match self.share.attempt_put(|tier| tier.put_if_absent(&name, text.as_bytes())) {
            Ok(Put::Stored) => {
                if let Some(dead) = dead {
                    let _ = self.share.attempt_put(|tier| tier.remove(&dead));
                }
                let (owner, record) = (Arc::clone(owner), record.to_owned());
                let is_given_up = AtomicBool::new(false);
                Some(Leased::Granted(Lease { owner, record, name, is_given_up }))
            }
            Ok(Put::AlreadyThere) | Err(Trouble::NoObject(_)) => None,
            Err(Trouble::Away) => Some(Leased::Unavailable),
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

    /// What processes of the team compute now. One that was killed is told of until somebody notices.
    pub(crate) fn held(&self) -> Vec<Held> {
        let Ok(listed) = self.share.attempt(|tier| tier.list(LEASES)) else { return Vec::new() };
        let held = |name: &String| {
            let (record, generation) = name.rsplit_once('.')?;
            let name = ObjectName::of_lease(record, generation.parse().ok()?);
            let text = self.share.attempt(|tier| tier.get(&name, BYTES_MAX)).ok()??;
            let owner = ObjectName::of_owner(&token_of(&text));
            self.share.attempt(|tier| tier.get(&owner, BYTES_MAX)).ok()??;
            let text = String::from_utf8_lossy(&text);
            let mut lines = text.lines().skip(1).map(printable);
            let (person, since, about) = (lines.next()?, lines.next()?, lines.next()?);
            Some(Held { about, person, since_unix_ms: since.parse().ok()? })
        };
        let mut all: Vec<Held> = listed.names.iter().take(HELD_MAX).filter_map(held).collect();
        all.sort_by_key(|held| held.since_unix_ms);
        all
    }
}

/// The first line of a lease.
fn token_of(lease: &[u8]) -> String {
    String::from_utf8_lossy(lease).lines().next().unwrap_or_default().to_owned()
}

/// Without what would move a terminal's cursor, and not without end.
fn printable(line: &str) -> String {
    line.chars().filter(|c| !c.is_control()).take(1000).collect()
}
