//! A record: a payload under its key, with where it came from and what it cost.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Codec, Digest, Error, Key, Result, codec, envelope};

/// What computing a record took, and so what finding it saves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Floating-point operations.
    pub flops: u64,
    /// Wall-clock time in milliseconds on the device that the provenance names.
    pub elapsed_ms: u64,
}

impl AddAssign for Cost {
    /// Sums saturate: a sum over a large store must not wrap around.
    fn add_assign(&mut self, other: Self) {
        self.flops = self.flops.saturating_add(other.flops);
        self.elapsed_ms = self.elapsed_ms.saturating_add(other.elapsed_ms);
    }
}

/// One stored result. Key, codec and payload are its identity; provenance, cost and time are kept beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// What the payload depends on.
    pub key: Key,
    /// How the payload was encoded.
    pub codec: Codec,
    /// The result itself.
    pub payload: Vec<u8>,
    /// Where it came from, for people: device, host, program version. Never part of the key.
    pub provenance: BTreeMap<String, String>,
    /// What it took to compute.
    pub cost: Cost,
    /// When the record was made, in milliseconds since 1970 (UTC).
    pub created_unix_ms: u64,
}

/// The place in the provenance of when a record was found in a share.
pub(crate) const FOUND_AT: &str = "found at";
/// The place of [`Record::generation`] in the provenance.
pub(crate) const GENERATION: &str = "generation";

/// Now, in milliseconds since 1970.
pub(crate) fn now_unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

impl Record {
    /// When it came into this store, in milliseconds since 1970: when it was made, or found in a share.
    pub fn kept_unix_ms(&self) -> u64 {
        let found = self.provenance.get(FOUND_AT).and_then(|moment| moment.parse().ok()).unwrap_or(0);
        self.created_unix_ms.max(found)
    }

    /// A record of raw bytes, made now, without provenance and cost.
    pub fn new(key: Key, payload: Vec<u8>) -> Self {
        Self {
            key,
            codec: Codec::Raw,
            payload,
            provenance: BTreeMap::new(),
            cost: Cost::default(),
            created_unix_ms: now_unix_ms(),
        }
    }

    /// A record of `value`, encoded with [`codec::encode`], made now, without provenance and cost.
    pub fn of<T: Serialize + ?Sized>(key: Key, value: &T) -> Result<Self> {
        Ok(Self { codec: Codec::Bincode2, ..Self::new(key, codec::encode(value)?) })
    }

    /// The value that [`Record::of`] was given. An error if the payload is of another codec or another type.
    pub fn value<T: DeserializeOwned>(&self) -> Result<T> {
        match self.codec {
            Codec::Bincode2 => codec::decode(&self.payload),
            Codec::Raw => Err(Error::Codec {
                action: "decode",
                codec: self.codec.name(),
                message: format!("{} holds raw bytes, not an encoded value", self.key),
            }),
        }
    }

    /// The digest of the payload: the same for the same result, wherever and whenever it was computed.
    pub fn payload_digest(&self) -> Digest {
        envelope::payload_digest(&self.payload)
    }

    /// The record as one self-checking run of bytes, the unit in which records are stored and exchanged.
    pub fn to_bytes(&self) -> Vec<u8> {
        envelope::encode(self)
    }

    /// Reads and checks bytes of any origin: every byte, and that the key is the hash of the fields.
    ///
    /// # Errors
    /// [`Error::Damaged`] if the bytes are not exactly an intact record, [`Error::Newer`] if this version
    /// cannot read them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let record = envelope::decode(bytes)?;
        envelope::check_digests(&record, bytes)?;
        Ok(record)
    }

    /// How many records of this key were replaced before this one: of two that differ, the later generation counts.
    pub(crate) fn generation(&self) -> u64 {
        self.provenance.get(GENERATION).and_then(|number| number.parse().ok()).unwrap_or(0)
    }

    /// This record as the one that replaces `old`.
    pub(crate) fn superseding(&self, old: &Self) -> Self {
        let mut new = self.clone();
        let generation = old.generation().saturating_add(1);
        new.provenance.insert(GENERATION.to_owned(), generation.to_string());
        new
    }

    /// Whether both hold the same result; provenance, cost and time may differ.
    pub(crate) fn same_result(&self, other: &Self) -> bool {
        self.codec == other.codec && self.payload == other.payload
    }
}
