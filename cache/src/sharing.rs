//! How a store uses its shares: what it looks for in them, what it offers, and copies of everything either way.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use crate::journal::Journal;
use crate::lookup::Lookup;
use crate::mutex::lock;
use crate::put::PutOutcome;
use crate::record::{FOUND_AT, GENERATION};
use crate::share::lease::{Held, Lease, Leased, Leases};
use crate::share::outbox::{self, Outbox};
use crate::share::publish::Publisher;
use crate::share::{Offered, Share};
use crate::tier::bundle::{Bundle, NewBundle};
use crate::{Digest, Identity, Kind, Record, Result, ShareReport, Sharing, Store, Trust, Warning, weights};

/// The name in a record's provenance of the share that it was found in.
pub const FOUND_IN: &str = "found in";
/// The name there of the key that signed it.
pub const PRODUCER: &str = "producer";
/// What a record's provenance says of this copy of it alone.
const OF_THE_COPY: [&str; 4] = [FOUND_IN, FOUND_AT, PRODUCER, GENERATION];
/// Copies at once: most of a copy is waiting for a disk or a network.
const COPIES: usize = 16;

/// The shares of a store.
#[derive(Debug)]
pub(crate) struct Shared {
    // Dropped first: it holds leases of the others.
    publisher: Publisher,
    shares: Vec<Arc<Share>>,
    outboxes: Vec<Outbox>,
    leases: Vec<Leases>,
}

/// What [`Store::push`] or [`Store::pull`] did with one share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PushReport {
    /// Where the share is.
    pub place: String,
    /// Records and files of weights that were copied.
    pub copied: u64,
    /// Those that were there already.
    pub there: u64,
    /// Those that could not be copied.
    pub left: u64,
    /// Whether it could not be told what the share holds.
    pub is_unlisted: bool,
}

impl Shared {
    /// None where there is no share.
    pub(crate) fn of(cache: &Path, sharing: Sharing, journal: &Arc<Journal>) -> Option<Self> {
        let Sharing { places, trust, identity, person } = sharing;
        let identity = Arc::new(identity);
        let mut places: Vec<PathBuf> = places.iter().map(|place| in_one_way(place)).collect();
        let mut seen = HashSet::new();
        places.retain(|place| seen.insert(place.clone()));
        let share = |place: &PathBuf| {
            let outbox = Outbox::of(cache, &place.display().to_string());
            let share = Share::new(place, outbox.memory(), &trust, &identity, journal)?;
            Some((Arc::new(share), outbox))
        };
        let (shares, outboxes): (Vec<Arc<Share>>, Vec<Outbox>) = places.iter().filter_map(share).unzip();
        if shares.is_empty() {
            return None;
        }
        // In one order whatever the order of the places, so that no two wait for each other.
        let mut ordered: Vec<&Arc<Share>> = shares.iter().collect();
        ordered.sort_by_key(|share| share.place());
        let leases = ordered.into_iter().map(|share| Leases::of(share, &person)).collect();
        let publisher = Publisher::start(shares.iter().cloned().zip(outboxes.iter().cloned()).collect());
        Some(Self { publisher, shares, outboxes, leases })
    }

    /// Asks every share that can be written to for the lease on a record; all of them, or none where one is taken.
    /// `token` is what this process is known by in the cache folder.
    pub(crate) fn lease(
        &self,
        record: &str,
        about: &str,
        token: Option<&str>,
    ) -> std::result::Result<Vec<Lease>, ()> {
        // Not taken in one share only to be given up for another.
        if self.leases.iter().any(|leases| leases.was_taken(record)) {
            return Err(());
        }
        let mut held = Vec::new();
        for leases in &self.leases {
            match leases.claim(record, about, token) {
                Leased::Granted(lease) => held.push(lease),
                Leased::Unavailable => {}
                Leased::Taken => return Err(()),
            }
        }
        Ok(held)
    }

    /// Tells the shares that processes which used the cache folder are dead, so that nobody waits for what they held.
    pub(crate) fn forget(&self, tokens: Vec<String>) {
        for token in tokens {
            self.publisher.forget(token);
        }
    }

    /// Puts into the shares what earlier processes have left.
    pub(crate) fn put_all(&self) {
        self.publisher.put_all();
    }

    /// Gives leases up after what was offered so far is in the shares.
    pub(crate) fn release(&self, leases: Vec<Lease>) {
        for lease in leases {
            self.publisher.release(lease);
        }
    }
}

impl Store {
    /// A record that a share has; it is kept here from then on.
    pub(crate) fn find_shared(&self, kind: Kind, digest: &Digest, latest: bool) -> Option<Record> {
        for share in &self.shared.as_ref()?.shares {
            if let Some(record) = share.find(kind, digest, latest) {
                Journal::count(&self.journal.from_shares);
                match self.keep_found(&record) {
                    // Another result was stored here meanwhile, and that counts.
                    Ok(PutOutcome::Conflict) => {
                        if let Ok(Lookup::Found(stored)) = self.finder(kind, digest).find() {
                            return Some(stored);
                        }
                    }
                    Ok(_) => {}
                    Err(error) => {
                        self.journal.warn_once(Warning::NotWritten { message: error.to_string() });
                    }
                }
                return Some(record);
            }
        }
        None
    }

    pub(crate) fn find_shared_weights(&self, digest: &Digest) -> Option<Vec<u8>> {
        self.shared.as_ref()?.shares.iter().find_map(|share| share.find_weights(digest))
    }

    /// Puts a record into the outbox of every share, before it is stored.
    pub(crate) fn offer(&self, record: &Record) {
        let (kind, digest) = (record.key.kind(), record.key.digest());
        self.offer_with(|outbox| outbox.add(kind, digest, &record.to_bytes()));
    }

    pub(crate) fn share_weights(&self, digest: &Digest) {
        self.offer_with(|outbox| outbox.add_weights(digest));
    }

    fn offer_with(&self, add: impl Fn(&Outbox) -> Result<PathBuf>) {
        let Some(shared) = &self.shared else { return };
        for (number, (share, outbox)) in shared.shares.iter().zip(&shared.outboxes).enumerate() {
            if !share.may_take() {
                continue;
            }
            match add(outbox) {
                Ok(file) => shared.publisher.put(number, file),
                Err(error) => self.journal.warn_once(Warning::NotShared { message: error.to_string() }),
            }
        }
    }

    /// Waits until what was put here is in the shares, or cannot be now, or the time is over; what came of each share.
    pub fn finish_sharing(&self, time_max: Duration) -> Vec<ShareReport> {
        let Some(shared) = &self.shared else { return Vec::new() };
        shared.publisher.flush(time_max);
        let report = |(share, outbox): (&Arc<Share>, &Outbox)| ShareReport {
            waiting: outbox.files(true).len() as u64,
            ..share.report()
        };
        shared.shares.iter().zip(&shared.outboxes).map(report).collect()
    }

    /// The digests of what waits for shares, those that are not in use included.
    pub fn outgoing(&self) -> Vec<Digest> {
        outbox::digests(self.path())
    }

    /// Deletes what waits for a share that is used no more, named as [`Stats::outgoing`](crate::Stats::outgoing) or as a path,
    /// and says how many records and weights those were; none where nothing ever went there. They stay in the store.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn forget_outgoing(&self, place: &Path) -> Result<Option<u64>> {
        match outbox::delete(self.path(), &place.display().to_string())? {
            None => outbox::delete(self.path(), &in_one_way(place).display().to_string()),
            forgotten => Ok(forgotten),
        }
    }

    /// What processes of the team compute now, by what they say in each share. One that died says so until somebody takes
    /// over what it computed.
    pub fn team(&self) -> Vec<Held> {
        self.shared.iter().flat_map(|shared| &shared.leases).flat_map(Leases::held).collect()
    }

    /// The digests of a kind's keys in the shares that begin with these hexadecimal digits, in order. Looks at names alone.
    pub fn shared_digests(&self, kind: Kind, digits: &str) -> Vec<Digest> {
        let mut found = Vec::new();
        for share in self.shared.iter().flat_map(|shared| &shared.shares) {
            if let Some(digests) = share.list(kind) {
                found.extend(digests);
            } else {
                self.journal.warn_once(Warning::Unlisted { place: share.place().to_owned() });
            }
        }
        found.retain(|digest| digest.to_string().starts_with(digits));
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Copies every record and all weights of this store into every share that lacks them.
    ///
    /// # Errors
    /// Only if the store cannot be read for a reason other than damage.
    pub fn push(&self) -> Result<Vec<PushReport>> {
        self.shared.iter().flat_map(|shared| &shared.shares).map(|share| self.push_to(share)).collect()
    }

    /// Copies every record of every share into this store, and all weights. What is not believed is left and reported.
    ///
    /// # Errors
    /// Only if the store cannot be read or written.
    pub fn pull(&self) -> Result<Vec<PushReport>> {
        self.shared.iter().flat_map(|shared| &shared.shares).map(|share| self.pull_from(share)).collect()
    }

    /// Copies every record and all weights of this store into a new file, signed where there is somebody to sign.
    ///
    /// # Errors
    /// When the file cannot be written, or the store not be read.
    pub fn export(&self, file: &Path, identity: Option<Identity>) -> Result<PushReport> {
        let bundle = Arc::new(NewBundle::create(file)?);
        let tier = Box::new(Arc::clone(&bundle));
        let place = file.display().to_string();
        let share = Share::of(place, tier, Trust::default(), &Arc::new(identity), &self.journal);
        let report = self.push_to(&share)?;
        drop(share);
        if report.left > 0 {
            // An earlier one in its place is worth more than half of this.
            return Ok(report);
        }
        // Nobody else has it any more.
        if let Some(bundle) = Arc::into_inner(bundle) {
            bundle.finish()?;
        }
        Ok(report)
    }

    /// Copies every record of a bundle into this store, and all weights. What is not believed is left and reported; what
    /// `identity` has signed is.
    ///
    /// # Errors
    /// When the file cannot be read or is no bundle, or the store not be written.
    pub fn import(&self, file: &Path, trust: Trust, identity: Option<Identity>) -> Result<PushReport> {
        let tier = Box::new(Bundle::open(file)?);
        let place = file.display().to_string();
        let share = Share::of(place, tier, trust, &Arc::new(identity), &self.journal);
        self.pull_from(&share)
    }

    fn push_to(&self, share: &Share) -> Result<PushReport> {
        let counts = Counts::default();
        // Weights first: records name them.
        let there = counts.listed(share.list_weights());
        each_of(self.weight_files()?.into_iter(), |(name, path)| {
            let Ok(digest) = name.parse::<Digest>() else { return Ok(()) };
            if there.contains(&digest) {
                counts.there.fetch_add(1, Relaxed);
            } else if let Ok(bytes) = std::fs::read(path)
                && weights::digest_of(&bytes) == digest
            {
                counts.add(share.offer_weights(&digest, &bytes));
            }
            Ok(())
        })?;
        for kind in Kind::ALL {
            let there = counts.listed(share.list(kind));
            each_of(self.iter(kind)?, |record| {
                let mut record = record?;
                if there.contains(record.key.digest()) {
                    counts.there.fetch_add(1, Relaxed);
                    return Ok(());
                }
                // Nobody vouches for what others have made.
                let is_own = !record.provenance.contains_key(FOUND_IN);
                for name in OF_THE_COPY {
                    record.provenance.remove(name);
                }
                let (kind, digest) = (record.key.kind(), *record.key.digest());
                counts.add(share.offer(kind, &digest, &record.to_bytes(), is_own));
                Ok(())
            })?;
        }
        Ok(counts.report(share))
    }

    fn pull_from(&self, share: &Share) -> Result<PushReport> {
        let counts = Counts::default();
        for kind in Kind::ALL {
            each_of(counts.listed(share.list(kind)).into_iter(), |digest| {
                if self.has(kind, &digest)? {
                    counts.there.fetch_add(1, Relaxed);
                    return Ok(());
                }
                let Some(record) = share.find(kind, &digest, true) else {
                    counts.left.fetch_add(1, Relaxed);
                    return Ok(());
                };
                self.keep_found(&record)?;
                counts.copied.fetch_add(1, Relaxed);
                Ok(())
            })?;
        }
        each_of(counts.listed(share.list_weights()).into_iter(), |digest| {
            if self.has_own_weights(&digest) {
                counts.there.fetch_add(1, Relaxed);
            } else if let Some(bytes) = share.find_weights(&digest) {
                self.keep_found_weights(&digest, &bytes)?;
                counts.copied.fetch_add(1, Relaxed);
            } else {
                counts.left.fetch_add(1, Relaxed);
            }
            Ok(())
        })?;
        self.sync()?;
        Ok(counts.report(share))
    }
}

#[derive(Default)]
struct Counts {
    copied: AtomicU64,
    there: AtomicU64,
    left: AtomicU64,
    is_unlisted: AtomicBool,
}

impl Counts {
    /// What a listing found; notes that it did not come to its end.
    fn listed(&self, digests: Option<HashSet<Digest>>) -> HashSet<Digest> {
        self.is_unlisted.fetch_or(digests.is_none(), Relaxed);
        digests.unwrap_or_default()
    }

    fn add(&self, offered: Offered) {
        let count = if offered == Offered::There { &self.copied } else { &self.left };
        count.fetch_add(1, Relaxed);
    }

    fn report(&self, share: &Share) -> PushReport {
        PushReport {
            place: share.place().to_owned(),
            copied: self.copied.load(Relaxed),
            there: self.there.load(Relaxed),
            left: self.left.load(Relaxed),
            is_unlisted: self.is_unlisted.load(Relaxed),
        }
    }
}

/// A place as it is written whatever folder one is in, so that it is always the same one.
fn in_one_way(place: &Path) -> PathBuf {
    if let Some((scheme, rest)) = place.to_string_lossy().split_once("://") {
        return PathBuf::from(format!("{scheme}://{}", rest.trim_end_matches('/')));
    }
    std::path::absolute(place).map_or_else(|_| place.to_path_buf(), |place| place.components().collect())
}

/// Does something with each item, several at once, and stops at the first error. This thread alone reads the items.
fn each_of<T: Send>(items: impl Iterator<Item = T>, one: impl Fn(T) -> Result<()> + Sync) -> Result<()> {
    let failure = Mutex::new(None);
    let (items_in, items_out) = mpsc::sync_channel::<T>(COPIES);
    let items_out = Mutex::new(items_out);
    thread::scope(|scope| {
        for _ in 0..COPIES {
            scope.spawn(|| {
                loop {
                    // The lock is free again before the item is worked on.
                    let item = lock(&items_out).recv();
                    let Ok(item) = item else { return };
                    if lock(&failure).is_some() {
                        continue;
                    }
                    if let Err(error) = one(item) {
                        lock(&failure).get_or_insert(error);
                    }
                }
            });
        }
        for item in items {
            if lock(&failure).is_some() || items_in.send(item).is_err() {
                break;
            }
        }
        drop(items_in);
    });
    failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}
