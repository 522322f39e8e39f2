//! Content-addressed records: what was computed is kept under the hash of what it was computed from.
//!
//! A [`Key`] is the BLAKE3 hash of named [`Fields`]; a [`Record`] is a key with its payload, where it came
//! from and what it cost; a [`Store`] keeps records in a folder that several processes may use at once, and shares
//! them with a team through places behind it ([`Sharing`]). Every record lives in an envelope ([`Record::to_bytes`]) that is checked as a whole before any part of it is
//! decoded.
//!
//! This crate knows bytes, not meanings: it has no notion of an architecture, a budget or a stage. It is the
//! only one that knows `RocksDB` and the only one that knows bincode, and it never prints: what a person
//! should hear about is collected in [`Store::drain_warnings`].

mod checkpoint;
mod claim;
pub mod codec;
mod database;
mod digest;
mod envelope;
mod error;
mod field;
mod folder;
mod format;
mod journal;
mod key;
mod listing;
mod lock;
mod lookup;
mod mark;
mod mutex;
mod object;
mod opening;
mod pins;
mod put;
mod reading;
mod record;
mod remove;
mod reserve;
mod runs;
mod salvage;
mod share;
mod sharing;
mod spool;
mod stats;
mod store;
mod take_in;
mod tier;
mod trust;
mod verify;
mod weights;

pub use checkpoint::whole_checkpoint;
pub use claim::{Claim, Claimed, random_token};
pub use codec::Codec;
pub use digest::{Digest, Hasher};
pub use error::Error;
pub use field::{FieldChange, FieldValue, Fields};
pub use journal::{Counters, Warning};
pub use key::{Key, Kind};
pub use listing::Records;
pub use put::PutOutcome;
pub use record::{Cost, Record};
pub use remove::KeptWeights;
pub use runs::BegunRun;
pub use share::lease::Held;
pub use share::{ShareReport, Sharing};
pub use sharing::{FOUND_IN, PRODUCER, PushReport};
pub use stats::{KindStats, Stats};
pub use store::Store;
pub use trust::{Identity, Known, PublicKey, Trust, TrustPolicy};
pub use verify::VerifyReport;
pub use weights::WeightsReport;

/// The result of this crate's operations.
pub type Result<T> = std::result::Result<T, Error>;
