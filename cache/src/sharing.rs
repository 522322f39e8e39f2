//! How a store uses its shares: what it looks for in them, what it offers, and copies of everything either way.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use crate::journal::Journal;
use crate::share::lease::{Held, Lease, Leased, Leases};
use crate::share::outbox::Outbox;
use crate::share::publish::Publisher;
use crate::share::{Offered, Share, lock};
use crate::{Digest, Kind, Record, Result, ShareReport, Sharing, Store, Warning};

/// The name in a record's provenance of the share that it was found in.
pub const FOUND_IN: &str = "found in";
/// Copies at once: most of a copy is waiting for a disk or a network.
const COPIES: usize = 8;

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
}

impl Shared {
    /// None where there is no share.
    pub(crate) fn of(cache: &Path, sharing: Sharing, journal: &Arc<Journal>) -> Option<Self> {
        let Sharing { places, trust, identity, person } = sharing;
        let (trust, identity) = (Arc::new(trust), Arc::new(identity));
        let share = |place: &PathBuf| Arc::new(Share::new(place, &trust, &identity, journal));
        let shares: Vec<Arc<Share>> = places.iter().map(share).collect();
        let outboxes: Vec<Outbox> = shares.iter().map(|share| Outbox::of(cache, share.place())).collect();
        let leases = shares.iter().map(|share| Leases::of(share, &person)).collect();
        let publisher = Publisher::start(shares.iter().cloned().zip(outboxes.iter().cloned()).collect());
        (!shares.is_empty()).then_some(Self { publisher, shares, outboxes, leases })
    }

    /// Asks every share that can be written to for the lease on a record; all of them, or none where one is taken.
    /// `token` is what this process is known by in the cache folder.
    pub(crate) fn lease(
        &self,
        record: &str,
        about: &str,
        token: Option<&str>,
    ) -> std::result::Result<Vec<Lease>, ()> {
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
            if let Some(mut record) = share.find(kind, digest, latest) {
                record.provenance.insert(FOUND_IN.to_owned(), share.place().to_owned());
                Journal::count(&self.journal.from_shares);
                if let Err(error) = self.keep_found(&record) {
                    self.journal.warn_once(Warning::NotWritten { message: error.to_string() });
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
            if share.is_read_only() {
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
            waiting: outbox.files().len() as u64,
            ..share.report()
        };
        shared.shares.iter().zip(&shared.outboxes).map(report).collect()
    }

    /// What processes of the team compute now, by what they say in each share. One that died says so until somebody takes
    /// over what it computed.
    pub fn team(&self) -> Vec<Held> {
        self.shared.iter().flat_map(|shared| &shared.leases).flat_map(Leases::held).collect()
    }

    /// Copies every record and all weights of this store into every share that lacks them.
    ///
    /// # Errors
    /// Only if the store cannot be read for a reason other than damage.
    pub fn push(&self) -> Result<Vec<PushReport>> {
        let Some(shared) = &self.shared else { return Ok(Vec::new()) };
        let mut reports = Vec::new();
        for share in &shared.shares {
            let counts = Counts::default();
            for kind in Kind::ALL {
                let there = share.list(kind).unwrap_or_default();
                let offer = |record: Result<Record>| {
                    let mut record = record?;
                    if there.contains(record.key.digest()) {
                        counts.there.fetch_add(1, Relaxed);
                        return Ok(());
                    }
                    record.provenance.remove(FOUND_IN);
                    let (kind, digest) = (record.key.kind(), *record.key.digest());
                    counts.add(share.offer(kind, &digest, &record.to_bytes()));
                    Ok(())
                };
                each_of(self.iter(kind)?, offer)?;
            }
            let there = share.list_weights().unwrap_or_default();
            each_of(self.weight_files()?.into_iter(), |(name, path)| {
                let Ok(digest) = name.parse::<Digest>() else { return Ok(()) };
                match std::fs::read(path) {
                    _ if there.contains(&digest) => drop(counts.there.fetch_add(1, Relaxed)),
                    Ok(bytes) if crate::weights::digest_of(&bytes) == digest => {
                        counts.add(share.offer_weights(&digest, &bytes));
                    }
                    // Damaged: nobody wants it.
                    _ => {}
                }
                Ok(())
            })?;
            reports.push(counts.report(share));
        }
        Ok(reports)
    }

    /// Copies every record of every share into this store, and all weights. What is not believed is left and reported.
    ///
    /// # Errors
    /// Only if the store cannot be read or written.
    pub fn pull(&self) -> Result<Vec<PushReport>> {
        let Some(shared) = &self.shared else { return Ok(Vec::new()) };
        let mut reports = Vec::new();
        for share in &shared.shares {
            let counts = Counts::default();
            for kind in Kind::ALL {
                let digests = share.list(kind).unwrap_or_default();
                each_of(digests.into_iter(), |digest| {
                    if self.has(kind, &digest)? {
                        counts.there.fetch_add(1, Relaxed);
                        return Ok(());
                    }
                    let Some(mut record) = share.find(kind, &digest, true) else {
                        counts.left.fetch_add(1, Relaxed);
                        return Ok(());
                    };
                    record.provenance.insert(FOUND_IN.to_owned(), share.place().to_owned());
                    self.keep_found(&record)?;
                    counts.copied.fetch_add(1, Relaxed);
                    Ok(())
                })?;
            }
            each_of(share.list_weights().unwrap_or_default().into_iter(), |digest| {
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
            reports.push(counts.report(share));
        }
        self.sync()?;
        Ok(reports)
    }
}

#[derive(Default)]
struct Counts {
    copied: AtomicU64,
    there: AtomicU64,
    left: AtomicU64,
}

impl Counts {
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
        }
    }
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
