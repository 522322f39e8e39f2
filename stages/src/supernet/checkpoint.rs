//! What a search keeps after each epoch, so that a killed one goes on.

use cache::{Digest, codec};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Error;

/// Where a search keeps its last checkpoint.
pub trait Checkpoints: Sync {
    /// What was kept last, if anything was.
    fn last(&self) -> Option<Vec<u8>>;

    /// Keeps these bytes instead.
    ///
    /// # Errors
    /// When they cannot be written.
    fn keep(&self, bytes: &[u8]) -> Result<(), Error>;
}

/// Keeps nothing.
#[derive(Clone, Copy, Debug)]
pub struct NoCheckpoints;

impl Checkpoints for NoCheckpoints {
    fn last(&self) -> Option<Vec<u8>> {
        None
    }

    fn keep(&self, _: &[u8]) -> Result<(), Error> {
        Ok(())
    }
}

/// The hash domain of checkpoints, with the version of their format.
const DOMAIN: &str = "nas-pipeline supernet checkpoint 1";

/// Where a search, or another training of a supernet, stands after an epoch.
#[derive(Serialize, Deserialize)]
pub(super) struct Standing<E> {
    /// Of which job: the digest of its key.
    pub(super) job: Digest,
    /// The epochs that are done.
    pub(super) epochs: Vec<E>,
    /// The trainer's own checkpoint.
    pub(super) trainer: Vec<u8>,
}

impl<E: Serialize + DeserializeOwned> Standing<E> {
    /// Bytes that are checked as a whole before they are read.
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let payload = codec::encode(self)?;
        let mut bytes = Digest::of(DOMAIN, &payload).0.to_vec();
        bytes.extend(payload);
        Ok(bytes)
    }

    /// What [`Standing::to_bytes`] wrote for a job.
    ///
    /// # Errors
    /// Why the bytes are no checkpoint of it.
    pub(super) fn from_bytes(bytes: &[u8], job: &Digest) -> Result<Self, String> {
        let (digest, payload) = bytes.split_at_checked(32).ok_or("it is cut")?;
        if digest != Digest::of(DOMAIN, payload).0 {
            return Err("it is damaged, or of another version".to_owned());
        }
        let standing: Self = codec::decode(payload).map_err(|error| error.to_string())?;
        if standing.job == *job { Ok(standing) } else { Err("it is of another search".to_owned()) }
    }
}
