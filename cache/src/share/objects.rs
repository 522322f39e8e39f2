//! Records and weights in a share: finding them, whatever lies beside them, and putting them where they are not.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::{Share, Trouble};
use crate::mutex::lock;
use crate::object;
use crate::record::{FOUND_AT, GENERATION, now_unix_ms};
use crate::sharing::{FOUND_IN, PRODUCER};
use crate::tier::{ObjectName, Put, RECORD_BYTES_MAX};
use crate::trust::{PublicKey, Verdict};
use crate::{Digest, Kind, Record, Warning, weights};

/// After so many misses one listing tells what is there.
const MISSES_MAX: u32 = 64;
/// How long a listing is good for, and for how long none is tried after one that did not end.
const LISTED_FOR: Duration = Duration::from_secs(10);
pub(super) const UNLISTED_FOR: Duration = Duration::from_secs(300);
/// For how long a record that was not there is not looked for again.
const MISSED_FOR: Duration = Duration::from_secs(1);
/// Misses that are remembered.
const MISSED_MAX: usize = 1 << 16;
/// Objects of one key, at most: each but the first is there because those before it are no good, or hold other results.
const VERSIONS: u32 = 8;
/// Objects and producers that are named when they are not believed; the others are counted.
const NAMED_MAX: usize = 10;
/// Names of such objects that are remembered.
const REFUSED_MAX: usize = 1 << 16;

/// What is known of a kind's records.
#[derive(Debug, Default)]
pub(super) struct Known {
    misses: u32,
    missed: HashMap<Digest, Instant>,
    /// What a listing found, and when; nothing where it did not come to its end.
    listed: Option<(Instant, Option<HashSet<Digest>>)>,
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

/// What is under a name.
struct Read {
    record: Record,
    /// Whether it is believed.
    is_believed: bool,
    /// Whether it is what this store would put, to the last byte.
    is_same_object: bool,
}

impl Share {
    /// A record that it holds, checked. Unless the latest state matters, what was seen lately is believed.
    pub(crate) fn find(&self, kind: Kind, digest: &Digest, latest: bool) -> Option<Record> {
        if !latest && self.lacks(kind, digest) {
            return None;
        }
        for version in 0..VERSIONS {
            match self.read(kind, digest, version, &[]) {
                Ok(Some(Read { record, is_believed: true, .. })) => {
                    self.found.fetch_add(1, Relaxed);
                    return Some(record);
                }
                // Not believed: there may be another. Somebody may have removed the first alone.
                Ok(Some(_)) | Err(Trouble::NoObject(_)) => {}
                Ok(None) if version == 0 && self.was_listed(kind, digest) => {}
                Ok(None) => {
                    self.note_miss(kind, digest);
                    return None;
                }
                Err(Trouble::Away) => return None,
            }
        }
        None
    }

    /// A version of a record, checked; what is no good, or not believed, is reported.
    fn read(&self, kind: Kind, digest: &Digest, version: u32, own: &[u8]) -> Result<Option<Read>, Trouble> {
        let name = ObjectName::of_record(kind, digest, version);
        // It was read before, and is as it was.
        if lock(&self.state).refused.contains(&name) {
            return Err(Trouble::NoObject("it was no good before".to_owned()));
        }
        let bytes = match self.attempt(|tier| tier.get(&name, RECORD_BYTES_MAX)) {
            Ok(None) => return Ok(None),
            Ok(Some(bytes)) => Ok(bytes),
            Err(Trouble::NoObject(reason)) => Err(reason),
            Err(Trouble::Away) => return Err(Trouble::Away),
        };
        let read = bytes.and_then(|bytes| {
            let object = object::decode(&bytes, kind, digest).map_err(|error| error.to_string())?;
            Ok((object, bytes == own))
        });
        let (object, is_same_object) = read.map_err(|reason| {
            self.refuse(&name, &reason);
            Trouble::NoObject(reason)
        })?;
        let verdict = self.trust.judge(object.producer.as_ref());
        match verdict {
            Verdict::Unknown => self.name_producer(object.producer),
            // Not for one that is only compared with what is offered.
            Verdict::Refused(reason) if own.is_empty() => self.refuse(&name, reason),
            Verdict::Used | Verdict::Refused(_) => {}
        }
        let mut record = object.record;
        // What an object says of these is nobody's word.
        record.provenance.remove(GENERATION);
        record.provenance.insert(FOUND_IN.to_owned(), self.place.clone());
        record.provenance.insert(FOUND_AT.to_owned(), now_unix_ms().to_string());
        match object.producer {
            Some(producer) => record.provenance.insert(PRODUCER.to_owned(), producer.to_string()),
            None => record.provenance.remove(PRODUCER),
        };
        let is_believed = !matches!(verdict, Verdict::Refused(_));
        Ok(Some(Read { record, is_believed, is_same_object }))
    }

    fn name_producer(&self, producer: Option<PublicKey>) {
        let mut state = lock(&self.state);
        if state.unknown_producers.len() >= NAMED_MAX || !state.unknown_producers.insert(producer) {
            return;
        }
        drop(state);
        let (place, producer) = (self.place.clone(), producer.map(|producer| producer.to_string()));
        self.journal.warn(Warning::UnknownProducer { place, producer });
    }

    fn refuse(&self, name: &ObjectName, reason: &str) {
        let mut state = lock(&self.state);
        let count = state.refused.len();
        if count < REFUSED_MAX && !state.refused.insert(name.clone()) {
            return;
        }
        drop(state);
        self.refused.fetch_add(1, Relaxed);
        if count < NAMED_MAX {
            let (place, name, reason) = (self.place.clone(), name.to_string(), reason.to_owned());
            self.journal.warn(Warning::ShareRefused { place, name, reason });
        }
    }

    /// Whether it was seen lately that a record is not there. After many misses one listing tells of all.
    fn lacks(&self, kind: Kind, digest: &Digest) -> bool {
        {
            let mut known = lock(&self.known);
            let known = known.entry(kind).or_default();
            if known.missed.get(digest).is_some_and(|at| at.elapsed() < MISSED_FOR) {
                return true;
            }
            if let Some((at, listed)) = &known.listed
                && at.elapsed() > if listed.is_some() { LISTED_FOR } else { UNLISTED_FOR }
            {
                known.listed = None;
            }
            if let Some((_, listed)) = &known.listed {
                return listed.as_ref().is_some_and(|digests| !digests.contains(digest));
            }
            if known.misses < MISSES_MAX {
                return false;
            }
            // Nobody else lists meanwhile, and nobody waits for it.
            known.misses = 0;
            known.listed = Some((Instant::now(), None));
        }
        let digests = self.list(kind);
        let lacks = digests.as_ref().is_some_and(|digests| !digests.contains(digest));
        lock(&self.known).entry(kind).or_default().listed = Some((Instant::now(), digests));
        lacks
    }

    fn was_listed(&self, kind: Kind, digest: &Digest) -> bool {
        let known = lock(&self.known);
        let listed = known.get(&kind).and_then(|known| known.listed.as_ref()?.1.as_ref());
        listed.is_some_and(|digests| digests.contains(digest))
    }

    fn note_miss(&self, kind: Kind, digest: &Digest) {
        let mut known = lock(&self.known);
        let known = known.entry(kind).or_default();
        if known.missed.len() >= MISSED_MAX {
            known.missed.clear();
        }
        // One that is waited for is missed again and again.
        if known.missed.insert(*digest, Instant::now()).is_none() {
            known.misses += 1;
        }
    }

    /// The digests of a kind's records that it holds, believed or not; none where that cannot be told.
    pub(crate) fn list(&self, kind: Kind) -> Option<HashSet<Digest>> {
        self.digests_in(kind.name())
    }

    /// The digests of the weights that it holds; none where that cannot be told.
    pub(crate) fn list_weights(&self) -> Option<HashSet<Digest>> {
        self.digests_in(weights::FOLDER)
    }

    fn digests_in(&self, folder: &str) -> Option<HashSet<Digest>> {
        let listed = self.attempt(|tier| tier.list(folder)).ok()?;
        let digest = |name: &String| name.split('.').next().and_then(|digest| digest.parse().ok());
        listed.is_complete.then(|| listed.names.iter().filter_map(digest).collect())
    }

    /// Puts a record's envelope where it is not there yet, signed where `is_own`: made here.
    pub(crate) fn offer(&self, kind: Kind, digest: &Digest, envelope: &[u8], is_own: bool) -> Offered {
        // What is offered was read from a file: it must be what its name says.
        let Ok(own) = Record::from_bytes(envelope) else { return Offered::Never };
        if (own.key.kind(), own.key.digest()) != (kind, digest) {
            return Offered::Never;
        }
        let identity = (*self.identity).as_ref().filter(|_| is_own);
        let bytes = object::encode(envelope, identity);
        for version in 0..VERSIONS {
            let name = ObjectName::of_record(kind, digest, version);
            // What is there may go before it is read: once more, then.
            for _ in 0..2 {
                match self.attempt_put(|tier| tier.put_if_absent(&name, &bytes)) {
                    Ok(Put::Stored) => {
                        self.put.fetch_add(1, Relaxed);
                        return Offered::There;
                    }
                    Ok(Put::AlreadyThere) => {}
                    Err(Trouble::NoObject(reason)) => {
                        self.refuse(&name, &reason);
                        break;
                    }
                    Err(Trouble::Away) => return Offered::Later,
                }
                match self.read(kind, digest, version, &bytes) {
                    Ok(Some(Read { is_same_object: true, .. })) => return Offered::There,
                    Ok(Some(there)) if there.is_believed && there.record.same_result(&own) => {
                        return Offered::There;
                    }
                    Ok(Some(there)) => {
                        if !there.record.same_result(&own) {
                            let place = self.place.clone();
                            self.journal.warn(Warning::SharedConflict { place, kind, digest: *digest });
                        }
                        break;
                    }
                    Ok(None) => {}
                    Err(Trouble::NoObject(_)) => break,
                    Err(Trouble::Away) => return Offered::Later,
                }
            }
        }
        let place = self.place.clone();
        self.journal.warn(Warning::NoPlace { place, kind, digest: *digest });
        Offered::Never
    }

    /// The bytes of weights that it holds.
    pub(crate) fn find_weights(&self, digest: &Digest) -> Option<Vec<u8>> {
        let name = ObjectName::of_weights(digest);
        match self.get_weights(&name) {
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
        match self.put_weights(&name, bytes) {
            Ok(Some(Put::Stored)) => {
                self.put.fetch_add(1, Relaxed);
                Offered::There
            }
            Ok(Some(Put::AlreadyThere)) => Offered::There,
            Err(Trouble::NoObject(reason)) => {
                self.refuse(&name, &reason);
                Offered::Later
            }
            Ok(None) | Err(Trouble::Away) => Offered::Later,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::HashMap;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::journal::Journal;
    use crate::tier::{Failure, Listed, PATIENCE, Tier, late};
    use crate::{Fields, Key};

    /// Holds what is small, and takes too long for what is large.
    #[derive(Debug, Default)]
    struct Slow(Mutex<HashMap<ObjectName, Vec<u8>>>);

    impl Tier for Slow {
        fn get(&self, name: &ObjectName, _: u64) -> Result<Option<Vec<u8>>, Failure> {
            Ok(lock(&self.0).get(name).cloned())
        }
        fn put_if_absent(&self, name: &ObjectName, bytes: &[u8]) -> Result<Put, Failure> {
            if bytes.len() > 1000 {
                return Err(late(PATIENCE));
            }
            let earlier = lock(&self.0).insert(name.clone(), bytes.to_vec());
            Ok(earlier.map_or(Put::Stored, |_| Put::AlreadyThere))
        }
        fn replace(&self, _: &ObjectName, _: &[u8]) -> Result<(), Failure> {
            Ok(())
        }
        fn remove(&self, _: &ObjectName) -> Result<(), Failure> {
            Ok(())
        }
        fn list(&self, _: &str) -> Result<Listed, Failure> {
            Ok(Listed::default())
        }
        fn is_empty(&self) -> Result<bool, Failure> {
            Ok(lock(&self.0).is_empty())
        }
    }

    #[test]
    fn weights_that_take_too_long_hold_up_no_records() {
        let journal = Arc::new(Journal::default());
        let tier = Box::new(Slow::default());
        let share = Share::of("slow".into(), tier, crate::Trust::default(), &Arc::new(None), &journal);
        let weights = vec![7; 2000];
        let digest = weights::digest_of(&weights);
        assert_eq!(share.offer_weights(&digest, &weights), Offered::Later);
        let key = Key::new(Kind::Training, Fields::new().with("seed", 1_u64).unwrap());
        let record = Record::new(key, vec![1]);
        let digest = record.key.digest();
        assert_eq!(share.offer(Kind::Training, digest, &record.to_bytes(), true), Offered::There);
        assert!(share.find(Kind::Training, digest, true).is_some());
        assert!(share.takes_weights_last() && !share.moves_weights() && !share.is_away());
        // Several that are late at one moment are late once.
        lock(&share.state).weights_rest_until = None;
        assert_eq!(share.offer_weights(digest, &weights), Offered::Later);
        assert_eq!(lock(&share.state).late, 2);
        let warnings = journal.drain();
        assert!(matches!(warnings[..], [Warning::ShareSlow { .. }]), "{warnings:?}");
    }
}
